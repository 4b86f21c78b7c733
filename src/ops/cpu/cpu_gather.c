// Row gather and scatter-add. Indices may repeat, so scatter-add is split by columns, never by rows: the order of
// additions into an element is the order of rows, whatever the number of threads.
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

status cpu_gather_backward(op_ctx *ctx, const gather_params *p) {
  const int64_t n = rows_live(ctx, p->n);
  const size_t H = (size_t)p->hidden;
  const simd_table *k = simd();
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
