// The leash without whole logits: blocks of rows, and the matmuls; formulas and kernels in kernels/leash.cu.
//
//   for each block of rows:  S = x t^T and S0 = x0 t0^T;  losses;  and with gradients
//     S becomes G, its column sums are added to dbias;  dx += G t;  dtable += G^T x
//
// 8 M C H operations with gradients where a cross-entropy has 6: the base's scores cost two more. Blocks are sized as
// cuda_xent.c sizes them, for two matrices of scores. Outside of a graph blocks end at the live rows; a captured graph goes over the
// whole capacity, with G 0 in dead rows.
#include "cuda/cuda.h"

enum { SCORE_BYTES = 64 << 20, LEAST_ROWS = 32, ALIGNED = 256 };

// Bytes of scratch, in this order.
typedef struct layout {
  size_t workspace, row_max, factor, base_max, base_factor, weight, hits, nll, scores, base, partial, a,
      total;
} layout;

static int32_t padded_columns(const leash_params *p) {
  return (p->classes + 3) / 4 * 4;
}

static int32_t block_rows(const leash_params *p) {
  const int64_t bytes = p->score_bytes > 0 ? (int64_t)p->score_bytes : SCORE_BYTES;
  const int64_t fit =
      bytes / (2 * (int64_t)padded_columns(p) * (int64_t)sizeof(float)) / LEAST_ROWS * LEAST_ROWS;
  const int64_t wanted = fit > LEAST_ROWS ? fit : LEAST_ROWS;
  return wanted < p->n.cap ? (int32_t)wanted : p->n.cap;
}

static int32_t tiles(int32_t n) {
  return (n + LEASH_TILE - 1) / LEASH_TILE;
}

static size_t take(size_t *at, size_t count, size_t size) {
  const size_t begin = *at;
  *at += (count * size + ALIGNED - 1) / ALIGNED * ALIGNED;
  return begin;
}

static layout lay_out(const leash_params *p) {
  const size_t M = (size_t)p->n.cap, F = sizeof(float);
  const size_t block = (size_t)block_rows(p) * (size_t)padded_columns(p);
  layout l;
  size_t at = 0;
  l.workspace = take(&at, WORKSPACE_BYTES, 1);
  l.row_max = take(&at, M, F);
  l.factor = take(&at, M, F);
  l.base_max = take(&at, M, F);
  l.base_factor = take(&at, M, F);
  l.weight = take(&at, M, F);
  l.hits = take(&at, M, sizeof(int32_t));
  l.nll = take(&at, M, sizeof(double));
  l.scores = take(&at, block, F);
  l.base = take(&at, block, F);
  l.partial = take(&at, (size_t)tiles(block_rows(p)) * (size_t)p->classes, F);
  l.a = take(&at, p->forward_only ? 0 : M * (size_t)p->hidden, F);
  l.total = at;
  return l;
}

size_t cuda_leash_scratch(const leash_params *p) {
  return lay_out(p).total;
}

// One call.
typedef struct run {
  op_ctx *ctx;
  const leash_params *p;
  layout at;
  leash_work w;
} run;

static status scores(const run *r, bool base, int32_t first, int32_t count) {
  const leash_params *p = r->p;
  const size_t H = (size_t)p->hidden;
  const matmul_call call = {.m = count,
                            .n = p->classes,
                            .k = p->hidden,
                            .b_transposed = true,
                            .a = (const float *)(base ? p->base_x : p->x) + (size_t)first * H,
                            .b = base ? p->base_table : p->table,
                            .lda = p->hidden,
                            .ldb = p->hidden,
                            .c = base ? r->w.base : r->w.scores,
                            .ldc = r->w.ld,
                            .alpha = base ? p->base_inv_temperature : p->inv_temperature,
                            .beta = 0.0f};
  return cuda_matmul(r->ctx, &call, r->at.workspace);
}

static status gradient_of_rows(const run *r, int32_t first, int32_t count) {
  const leash_params *p = r->p;
  const matmul_call call = {.m = count,
                            .n = p->hidden,
                            .k = p->classes,
                            .a = r->w.scores,
                            .b = p->table,
                            .lda = r->w.ld,
                            .ldb = p->hidden,
                            .c = (float *)p->dx + (size_t)first * (size_t)p->hidden,
                            .ldc = p->hidden,
                            .alpha = p->inv_temperature,
                            .beta = 1.0f};
  return cuda_matmul(r->ctx, &call, r->at.workspace);
}

static float *live_rows(const run *r) {
  return (float *)(void *)((char *)r->ctx->at.scratch + r->at.a);
}

// x with zeros in dead rows, which a captured graph multiplies too: the 0 of G would not make a number of what is none.
static status copy_rows(const run *r) {
  const leash_params *p = r->p;
  const scale_params copy = {.n = p->n, .width = p->hidden, .x = p->x, .scale = 1.0f, .y = live_rows(r)};
  TRY(cuda_zero(r->ctx, live_rows(r), (size_t)p->n.cap * (size_t)p->hidden * sizeof(float)));
  return cuda_check(launch_scale_forward(&r->ctx->at, &copy), "launch a copy of the leash's rows");
}

static status gradient_of_table(const run *r, int32_t first, int32_t count) {
  const leash_params *p = r->p;
  const matmul_call call = {.m = p->classes,
                            .n = p->hidden,
                            .k = count,
                            .a_transposed = true,
                            .a = r->w.scores,
                            .b = live_rows(r) + (size_t)first * (size_t)p->hidden,
                            .lda = r->w.ld,
                            .ldb = p->hidden,
                            .c = p->dtable,
                            .ldc = p->hidden,
                            .alpha = p->inv_temperature,
                            .beta = 1.0f};
  return cuda_matmul(r->ctx, &call, r->at.workspace);
}

static status block(const run *r, int32_t first, int32_t count) {
  const launch *l = &r->ctx->at;
  TRY(scores(r, false, first, count));
  TRY(scores(r, true, first, count));
  TRY(cuda_check(launch_leash_losses(l, r->p, &r->w, first, count), "launch the leash's losses"));
  if (r->p->dx == NULL) return OK;
  TRY(cuda_check(launch_leash_gradients(l, r->p, &r->w, first, count), "launch the leash's gradients"));
  if (r->w.partial != NULL)
    TRY(cuda_check(launch_add_partials(l, r->p->dbias, r->w.partial, tiles(count), r->p->classes),
                   "launch the sums of the leash's gradients"));
  TRY(gradient_of_rows(r, first, count));
  return r->p->dtable != NULL ? gradient_of_table(r, first, count) : OK;
}

static run start(op_ctx *ctx, const leash_params *p) {
  run r = {.ctx = ctx, .p = p, .at = lay_out(p)};
  char *s = ctx->at.scratch;
#define PART(field) ((void *)(s + r.at.field))
  r.w = (leash_work){.ld = padded_columns(p),
                     .scores = PART(scores),
                     .base = PART(base),
                     .row_max = PART(row_max),
                     .factor = PART(factor),
                     .base_max = PART(base_max),
                     .base_factor = PART(base_factor),
                     .weight = PART(weight),
                     .hits = PART(hits),
                     .nll = PART(nll),
                     .partial = p->dx != NULL && p->bias != NULL && p->dbias != NULL ? PART(partial) : NULL};
#undef PART
  return r;
}

status cuda_leash(op_ctx *ctx, const leash_params *p) {
  const run r = start(ctx, p);
  const int32_t n = cuda_rows(ctx, p->n), step = block_rows(p);
  if (p->dx != NULL && p->touched != NULL)
    TRY(cuda_check(cudaMemsetAsync(p->touched, 1, (size_t)p->classes, ctx->at.stream),
                   "mark what was touched"));
  if (n == 0) return OK;
  if (p->dx != NULL && p->dtable != NULL) TRY(copy_rows(&r));
  for (int32_t first = 0; first < n; first += step)
    TRY(block(&r, first, n - first < step ? n - first : step));
  const xent_params sums = {.n = p->n, .slot = p->slot, .weights = r.w.weight};
  const xent_work of = {.nll = r.w.nll, .hits = r.w.hits};
  return cuda_check(launch_xent_result(&ctx->at, &sums, &of), "launch the leash's result");
}
