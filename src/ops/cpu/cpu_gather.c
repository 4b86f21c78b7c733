// Row gather and scatter-add. If indices may repeat, scatter-add is split by columns, never by rows: then additions
// into an element happen in the order of rows, whatever the number of threads. Distinct indices are split by rows.
// That they are distinct is checked first: it costs little here, and the tests of whole models run on this backend.
#include <omp.h>
#include <string.h>
#include "ops/cpu/cpu.h"
#include "simd/simd.h"

status cpu_gather_forward(op_ctx *ctx, const gather_params *p) {
  const int64_t n = rows_live(ctx, p->n);
  const size_t H = (size_t)p->hidden;
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t i = 0; i < n; i++)
    memcpy((float *)p->y + (size_t)i * H, (const float *)p->x + (size_t)p->index[i] * H, H * sizeof(float));
  return OK;
}

size_t cpu_gather_scratch(const gather_params *p) {
  return p->distinct ? (size_t)p->source.cap : 0;
}

static status check_distinct(op_ctx *ctx, const gather_params *p, int64_t n) {
  char *seen = ctx->scratch;
  memset(seen, 0, (size_t)p->source.cap);
  for (int64_t i = 0; i < n; i++)
    if (seen[p->index[i]]++ != 0)
      return fail(ERR_INTERNAL, "row %d is gathered twice, though its indices are declared distinct",
                  p->index[i]);
  return OK;
}

static void add_distinct(op_ctx *ctx, const gather_params *p, int64_t n) {
  const size_t H = (size_t)p->hidden;
  const simd_table *k = simd();
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t i = 0; i < n; i++)
    k->add((const float *)p->dy + (size_t)i * H, (float *)p->dx + (size_t)p->index[i] * H, H);
}

status cpu_gather_backward(op_ctx *ctx, const gather_params *p) {
  const int64_t n = rows_live(ctx, p->n);
  const size_t H = (size_t)p->hidden;
  const simd_table *k = simd();
  if (p->distinct) {
    TRY(check_distinct(ctx, p, n));
    add_distinct(ctx, p, n);
    return OK;
  }
#pragma omp parallel num_threads(ctx->threads)
  {
    int64_t begin, end;
    split_rows(p->hidden, 16, omp_get_num_threads(), omp_get_thread_num(), &begin, &end);
    for (int64_t i = 0; i < n && begin < end; i++)
      k->add((const float *)p->dy + (size_t)i * H + begin, (float *)p->dx + (size_t)p->index[i] * H + begin,
             (size_t)(end - begin));
  }
  return OK;
}
