// Means of rows of a table. Backward splits columns among threads, as the other sums into tables do (cpu_embed.c): words
// follow Zipf's law, and the order of additions then depends on nothing but the indices.
#include <omp.h>
#include <string.h>
#include "ops/cpu/cpu.h"
#include "simd/simd.h"

status cpu_bag_forward(op_ctx *ctx, const bag_params *p) {
  const int64_t n = rows_live(ctx, p->n);
  const size_t H = (size_t)p->hidden;
  const simd_table *k = simd();
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t i = 0; i < n; i++) {
    float *y = (float *)p->y + (size_t)i * H;
    const int32_t first = p->offsets[i], end = p->offsets[i + 1];
    memset(y, 0, H * sizeof *y);
    for (int32_t j = first; j < end; j++) k->add((const float *)p->table + (size_t)p->index[j] * H, y, H);
    if (end - first > 1) k->scale(1.0f / (float)(end - first), y, H);
  }
  return OK;
}

status cpu_bag_backward(op_ctx *ctx, const bag_params *p) {
  const int64_t n = rows_live(ctx, p->n);
  const size_t H = (size_t)p->hidden;
  const simd_table *k = simd();
#pragma omp parallel num_threads(ctx->threads)
  {
    int64_t begin, end;
    split_rows(p->hidden, 16, omp_get_num_threads(), omp_get_thread_num(), &begin, &end);
    for (int64_t i = 0; i < n && begin < end; i++) {
      const float *dy = (const float *)p->dy + (size_t)i * H + begin;
      const float share = 1.0f / (float)(p->offsets[i + 1] - p->offsets[i]); // not used where there are none
      for (int32_t j = p->offsets[i]; j < p->offsets[i + 1]; j++)
        k->axpy(share, dy, p->dtable + (size_t)p->index[j] * H + begin, (size_t)(end - begin));
    }
  }
  return OK;
}
