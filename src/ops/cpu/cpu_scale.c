// y[:, at : at + width] = or += scale factor o x, and its backward pass. Bound by memory; the sums for the factors go by
// threads, each of which has a row of its own, and are added in the order of the threads.
#include <omp.h>
#include <string.h>
#include "ops/cpu/cpu.h"
#include "simd/simd.h"

size_t cpu_scale_scratch(const scale_params *p, int32_t threads) {
  return (size_t)threads * (size_t)p->width * sizeof(float);
}

static size_t row_of_y(const scale_params *p) {
  return (size_t)(p->y_width > 0 ? p->y_width : p->width);
}

status cpu_scale_forward(op_ctx *ctx, const scale_params *p) {
  const int64_t n = rows_live(ctx, p->n);
  const size_t W = (size_t)p->width, stride = row_of_y(p);
  const float *factor = p->factor, scale = p->scale;
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t i = 0; i < n; i++) {
    const float *x = (const float *)p->x + (size_t)i * W;
    float *y = (float *)p->y + (size_t)i * stride + p->at;
    for (size_t j = 0; j < W; j++) {
      const float v = (factor != NULL ? scale * factor[j] : scale) * x[j];
      y[j] = p->y_add ? y[j] + v : v;
    }
  }
  return OK;
}

// Rows [begin, end); sums [W] or NULL.
static void backward_rows(const scale_params *p, int64_t begin, int64_t end, float *sums) {
  const size_t W = (size_t)p->width, stride = row_of_y(p);
  const float *factor = p->factor, scale = p->scale;
  for (int64_t i = begin; i < end; i++) {
    const float *dy = (const float *)p->dy + (size_t)i * stride + p->at;
    const float *x = (const float *)p->x + (size_t)i * W;
    float *dx = (float *)p->dx + (size_t)i * W;
    for (size_t j = 0; sums != NULL && j < W; j++) sums[j] += x[j] * dy[j];
    for (size_t j = 0; j < W; j++) dx[j] = (factor != NULL ? scale * factor[j] : scale) * dy[j];
  }
}

status cpu_scale_backward(op_ctx *ctx, const scale_params *p) {
  const int64_t n = rows_live(ctx, p->n);
  const size_t W = (size_t)p->width;
  float *partial = p->dfactor != NULL ? (float *)(void *)ctx->scratch : NULL;
  int32_t parts = 1;
#pragma omp parallel num_threads(ctx->threads)
  {
    float *sums = partial != NULL ? partial + (size_t)omp_get_thread_num() * W : NULL;
    if (sums != NULL) memset(sums, 0, W * sizeof *sums);
    int64_t begin, end;
    split_rows(n, 1, omp_get_num_threads(), omp_get_thread_num(), &begin, &end);
#pragma omp single
    parts = omp_get_num_threads();
    backward_rows(p, begin, end, sums);
  }
  for (int32_t t = 0; partial != NULL && t < parts; t++)
    simd()->axpy(p->scale, partial + (size_t)t * W, p->dfactor, W);
  return OK;
}
