// Linear + a loss over classes without whole logits: blocks of rows, and the matmuls; formulas and kernels in kernels/xent.cu.
//
//   1. columns: scales, offsets, sampled: the negatives' rows.   rows: a, sampled: the labels' scores
//   2. for each block of rows:  P = a t^T;  losses;  and with gradients
//        P becomes G, its column sums are added to dbias;  da = G t;  dtable += G^T a, or the same of factors (low)
//   3. loss, weight and hits;  dx from da;  cosine: dtable loses what lies along its rows;  sampled: labels' and
//      negatives' gradients are rows beside each other until the scatter-add at the end.
//
// 6 M columns H operations in all, as many as with whole logits. A block's scores take SCORE_BYTES at most (or the params' score_bytes), or what
// 32 rows need: with 100,000 classes 160 rows, so the table is read from memory three times every 160 rows, which
// takes a fifth of what the arithmetic does on an H100 in fp32. Larger blocks would be slower to read back, smaller
// ones leave matmuls too thin.
//
// Sampled, the negatives' rows are gathered first, so the same dense matmuls serve.
//
// Outside of a graph blocks end at the live rows. A captured graph goes over the whole capacity: a and G are 0 in dead
// rows, so the matmuls get nothing from them.
#include "cuda/cuda.h"

enum { SCORE_BYTES = 64 << 20, LEAST_ROWS = 32, ALIGNED = 256 };

// Bytes of scratch, in this order. What only one of full and sampled, dot and cosine needs has no room in the other.
typedef struct layout {
  size_t workspace, a, inverse, row_max, factor, hot, even, hits, nll, scale, offset, scores, partial_g,
      partial_q, q, da;
  size_t negatives, label_scale, label_dot, label_score, dlabel, drows, dbias, classes, scatter, a_low, total;
} layout;

static int32_t columns_of(const xent_params *p) {
  return p->n_negatives > 0 ? p->n_negatives : p->classes;
}

static int32_t padded_columns(const xent_params *p) {
  return (columns_of(p) + 3) / 4 * 4;
}

static int32_t block_rows(const xent_params *p) {
  const int64_t bytes = p->score_bytes > 0 ? (int64_t)p->score_bytes : SCORE_BYTES;
  const int64_t fit = bytes / ((int64_t)padded_columns(p) * (int64_t)sizeof(float)) / LEAST_ROWS * LEAST_ROWS;
  const int64_t rows_wanted = fit > LEAST_ROWS ? fit : LEAST_ROWS;
  return rows_wanted < p->n.cap ? (int32_t)rows_wanted : p->n.cap;
}

static int32_t tiles(int32_t n) {
  return (n + XENT_TILE - 1) / XENT_TILE;
}

// The scatter-adds at the end: `count` rows of `width` into the classes' rows.
static gather_params scatter_of(const xent_params *p, int32_t count, int32_t width) {
  return (gather_params){.n = {ROWS_FIXED, count}, .hidden = width, .source = {ROWS_FIXED, p->classes}};
}

static size_t scatter_bytes(const xent_params *p) {
  if (p->n_negatives == 0) return 0;
  const int32_t count = p->n_negatives + p->n.cap;
  const gather_params of_rows = scatter_of(p, count, p->hidden), of_biases = scatter_of(p, count, 1);
  const size_t a = launch_gather_scratch(&of_rows, sizeof(float)),
               b = launch_gather_scratch(&of_biases, sizeof(float));
  return a > b ? a : b;
}

static size_t take(size_t *at, size_t count, size_t size) {
  const size_t begin = *at;
  *at += (count * size + ALIGNED - 1) / ALIGNED * ALIGNED;
  return begin;
}

static layout lay_out(const xent_params *p) {
  const size_t H = (size_t)p->hidden, M = (size_t)p->n.cap, S = (size_t)p->n_negatives, F = sizeof(float);
  const size_t columns = (size_t)columns_of(p), block = (size_t)block_rows(p);
  const size_t parts = (size_t)tiles(block_rows(p)) * columns, labels = S > 0 ? M : 0;
  const size_t cosine = p->score == SCORE_COSINE;
  layout l;
  size_t at = 0;
  l.workspace = take(&at, WORKSPACE_BYTES, 1);
  l.a = take(&at, M * H, F);
  l.inverse = take(&at, M, F);
  l.row_max = take(&at, M, F);
  l.factor = take(&at, M, F);
  l.hot = take(&at, M, F);
  l.even = take(&at, p->smoothing > 0 ? M : 0, F);
  l.hits = take(&at, M, sizeof(int32_t));
  l.nll = take(&at, M, sizeof(double));
  l.scale = take(&at, cosine * columns, F);
  l.offset = take(&at, columns, F);
  l.scores = take(&at, block * (size_t)padded_columns(p), F);
  l.partial_g = take(&at, parts, F);
  l.partial_q = take(&at, cosine * parts, F);
  l.q = take(&at, cosine * columns, F);
  l.da = take(&at, M * H, F);
  l.negatives = take(&at, S * H, F);
  l.label_scale = take(&at, labels, F);
  l.label_dot = take(&at, labels, F);
  l.label_score = take(&at, labels, F);
  l.dlabel = take(&at, labels, F);
  l.drows = take(&at, (S + labels) * H, F);
  l.dbias = take(&at, S + labels, F);
  l.classes = take(&at, S + labels, sizeof(int32_t));
  l.scatter = take(&at, scatter_bytes(p), 1);
  l.a_low = take(&at, M * (size_t)p->low, F);
  l.total = at;
  return l;
}

size_t cuda_xent_scratch(const xent_params *p, size_t act_size) {
  (void)act_size;
  return lay_out(p).total;
}

// One call.
typedef struct run {
  op_ctx *ctx;
  const xent_params *p;
  layout at;
  xent_work w;
  int32_t n; // live rows, or the capacity in a capture
  bool sampled, cosine, gradients, table_wanted, bias_wanted;
  const void *table; // [columns,H]
  float *dtable;     // [columns,H]: p's, or the negatives' part of drows
  float *dbias;      // [columns]
} run;

static run start(op_ctx *ctx, const xent_params *p) {
  run r = {.ctx = ctx,
           .p = p,
           .at = lay_out(p),
           .n = cuda_rows(ctx, p->n),
           .sampled = p->n_negatives > 0,
           .cosine = p->score == SCORE_COSINE,
           .gradients = p->dx != NULL};
  r.table_wanted = r.gradients && p->dtable != NULL;
  r.bias_wanted = r.gradients && p->bias != NULL && p->dbias != NULL;
  char *s = ctx->at.scratch;
#define PART(field) ((void *)(s + r.at.field))
  r.w = (xent_work){.columns = columns_of(p),
                    .ld = padded_columns(p),
                    .a = PART(a),
                    .inverse = PART(inverse),
                    .row_max = PART(row_max),
                    .factor = PART(factor),
                    .hot = PART(hot),
                    .even = p->smoothing > 0 ? PART(even) : NULL,
                    .hits = PART(hits),
                    .nll = PART(nll),
                    .scale = r.cosine ? PART(scale) : NULL,
                    .offset = r.sampled || p->bias != NULL ? PART(offset) : NULL,
                    .scores = PART(scores),
                    .partial_g = r.bias_wanted ? PART(partial_g) : NULL,
                    .partial_q = r.cosine && r.table_wanted ? PART(partial_q) : NULL,
                    .q = r.cosine ? PART(q) : NULL,
                    .da = PART(da),
                    .negatives = PART(negatives),
                    .label_scale = PART(label_scale),
                    .label_dot = PART(label_dot),
                    .label_score = PART(label_score),
                    .dlabel = PART(dlabel),
                    .drows = r.table_wanted ? PART(drows) : NULL,
                    .dbias = r.bias_wanted ? PART(dbias) : NULL,
                    .classes = PART(classes)};
#undef PART
  r.table = r.sampled ? r.w.negatives : p->table;
  r.dtable = r.sampled ? r.w.drows : p->dtable;
  r.dbias = r.sampled ? r.w.dbias : p->dbias;
  return r;
}

// Sums over blocks begin with nothing.
static status clear_sums(const run *r) {
  const size_t columns = (size_t)r->w.columns;
  if (r->w.partial_q != NULL) TRY(cuda_zero(r->ctx, r->w.q, columns * sizeof(float)));
  if (!r->sampled) return OK;
  if (r->bias_wanted) TRY(cuda_zero(r->ctx, r->w.dbias, columns * sizeof(float)));
  return OK;
}

static status scores(const run *r, int32_t first, int32_t count) {
  const matmul_call p = {.m = count,
                         .n = r->w.columns,
                         .k = r->p->hidden,
                         .b_transposed = true,
                         .a = r->w.a + (size_t)first * (size_t)r->p->hidden,
                         .b = r->table,
                         .lda = r->p->hidden,
                         .ldb = r->p->hidden,
                         .c = r->w.scores,
                         .ldc = r->w.ld,
                         .alpha = 1.0f,
                         .beta = 0.0f};
  return cuda_matmul(r->ctx, &p, r->at.workspace);
}

static status gradient_of_rows(const run *r, int32_t first, int32_t count) {
  const matmul_call p = {.m = count,
                         .n = r->p->hidden,
                         .k = r->w.columns,
                         .a = r->w.scores,
                         .b = r->table,
                         .lda = r->w.ld,
                         .ldb = r->p->hidden,
                         .c = r->w.da + (size_t)first * (size_t)r->p->hidden,
                         .ldc = r->p->hidden,
                         .alpha = 1.0f,
                         .beta = 0.0f};
  return cuda_matmul(r->ctx, &p, r->at.workspace);
}

// The negatives' part of drows begins with the first block; the table's gradient holds something already.
static status gradient_of_table(const run *r, int32_t first, int32_t count) {
  const matmul_call p = {.m = r->w.columns,
                         .n = r->p->hidden,
                         .k = count,
                         .a_transposed = true,
                         .a = r->w.scores,
                         .b = r->w.a + (size_t)first * (size_t)r->p->hidden,
                         .lda = r->w.ld,
                         .ldb = r->p->hidden,
                         .c = r->dtable,
                         .ldc = r->p->hidden,
                         .alpha = 1.0f,
                         .beta = r->sampled && first == 0 ? 0.0f : 1.0f};
  return cuda_matmul(r->ctx, &p, r->at.workspace);
}

static float *a_low_of(const run *r) {
  return (float *)(void *)((char *)r->ctx->at.scratch + r->at.a_low);
}

// x_low times inv_temperature, and 0 in dead rows, as a is.
static status prepare_low(const run *r) {
  const xent_params *p = r->p;
  const scale_params copy = {
      .n = p->n, .width = p->low, .x = p->x_low, .scale = p->inv_temperature, .y = a_low_of(r)};
  TRY(cuda_zero(r->ctx, a_low_of(r), (size_t)p->n.cap * (size_t)p->low * sizeof(float)));
  return cuda_check(launch_scale_forward(&r->ctx->at, &copy), "launch a copy of the factors' rows");
}

// The gradients of a table's factors; dx_low is whole after its only block of each row.
static status gradient_of_x_low(const run *r, int32_t first, int32_t count) {
  const xent_params *p = r->p;
  const matmul_call call = {.m = count,
                            .n = p->low,
                            .k = r->w.columns,
                            .a = r->w.scores,
                            .b = p->table_low,
                            .lda = r->w.ld,
                            .ldb = p->low,
                            .c = (float *)p->dx_low + (size_t)first * (size_t)p->low,
                            .ldc = p->low,
                            .alpha = p->inv_temperature,
                            .beta = 0.0f};
  return cuda_matmul(r->ctx, &call, r->at.workspace);
}

static status gradients_of_factors(const run *r, int32_t first, int32_t count) {
  const xent_params *p = r->p;
  const matmul_call call = {.m = r->w.columns,
                            .n = p->low,
                            .k = count,
                            .a_transposed = true,
                            .a = r->w.scores,
                            .b = a_low_of(r) + (size_t)first * (size_t)p->low,
                            .lda = r->w.ld,
                            .ldb = p->low,
                            .c = p->dtable_low,
                            .ldc = p->low,
                            .alpha = 1.0f,
                            .beta = 1.0f};
  if (p->dx_low != NULL) TRY(gradient_of_x_low(r, first, count));
  return p->dtable_low != NULL ? cuda_matmul(r->ctx, &call, r->at.workspace) : OK;
}

static status block(const run *r, int32_t first, int32_t count) {
  const launch *l = &r->ctx->at;
  TRY(scores(r, first, count));
  TRY(cuda_check(launch_xent_losses(l, r->p, &r->w, first, count), "launch the cross-entropy's losses"));
  if (!r->gradients) return OK;
  TRY(cuda_check(launch_xent_gradients(l, r->p, &r->w, first, count),
                 "launch the cross-entropy's gradients"));
  if (r->w.partial_g != NULL)
    TRY(cuda_check(launch_add_partials(l, r->dbias, r->w.partial_g, tiles(count), r->w.columns),
                   "launch the sums of the cross-entropy's gradients"));
  if (r->w.partial_q != NULL)
    TRY(cuda_check(launch_add_partials(l, r->w.q, r->w.partial_q, tiles(count), r->w.columns),
                   "launch the sums of the cross-entropy's gradients"));
  TRY(gradient_of_rows(r, first, count));
  if (r->p->low > 0) TRY(gradients_of_factors(r, first, count));
  return r->table_wanted ? gradient_of_table(r, first, count) : OK;
}

static status scatter(const run *r, int32_t width, const float *from, float *to) {
  gather_params p = scatter_of(r->p, r->p->n_negatives + r->n, width);
  p.index = r->w.classes;
  p.dy = from;
  p.dx = to;
  launch l = r->ctx->at;
  l.scratch = (char *)l.scratch + r->at.scatter;
  l.act_size = sizeof(float); // gradients of parameters are, whatever the activations
  return cuda_check(launch_gather_backward(&l, &p), "launch the scatter-add of sampled gradients");
}

static status finish(const run *r) {
  const launch *l = &r->ctx->at;
  TRY(cuda_check(launch_xent_finish_rows(l, r->p, &r->w), "launch the cross-entropy's row gradients"));
  if (r->w.partial_q != NULL)
    TRY(cuda_check(launch_xent_finish_columns(l, r->p, &r->w, r->dtable, r->table),
                   "launch the cross-entropy's table gradients"));
  if (!r->sampled) return OK;
  if (r->table_wanted) TRY(scatter(r, r->p->hidden, r->w.drows, r->p->dtable));
  return r->bias_wanted ? scatter(r, 1, r->w.dbias, r->p->dbias) : OK;
}

status cuda_xent(op_ctx *ctx, const xent_params *p) {
  const run r = start(ctx, p);
  const launch *l = &ctx->at;
  if (r.gradients && !r.sampled && p->touched != NULL)
    TRY(cuda_check(cudaMemsetAsync(p->touched, 1, (size_t)p->classes, l->stream), "mark what was touched"));
  TRY(cuda_check(launch_xent_columns(l, p, &r.w), "launch the cross-entropy's columns"));
  if (r.n == 0) return OK;
  TRY(cuda_check(launch_xent_rows(l, p, &r.w), "launch the cross-entropy's rows"));
  if (r.gradients) TRY(clear_sums(&r));
  if (r.gradients && p->low > 0) TRY(prepare_low(&r));
  const int32_t step = block_rows(p);
  for (int32_t first = 0; first < r.n; first += step)
    TRY(block(&r, first, r.n - first < step ? r.n - first : step));
  TRY(cuda_check(launch_xent_result(l, p, &r.w), "launch the cross-entropy's result"));
  return r.gradients ? finish(&r) : OK;
}
