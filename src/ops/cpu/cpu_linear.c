// y = activation(x w^T + b), or y += x w^T + b, and its backward pass.
//
// Rows are split among threads above BLAS, and each thread goes through its rows in blocks that stay in its cache,
// so that bias and activation cost no pass over memory. dw is split by its own rows (the outputs), so no two threads
// add to the same element, and the result does not depend on the number of threads.
#include <cblas.h>
#include <omp.h>
#include <string.h>
#include "ops/cpu/cpu.h"
#include "simd/simd.h"

enum { BLOCK_ROWS = 256 };

// Matmuls below this many multiply-adds are not worth waking other threads for.
static const double SPLIT_WORK = 2e5;

size_t cpu_linear_scratch(const linear_params *p, int32_t threads) {
  (void)p;
  (void)threads;
  return 0;
}

static int32_t useful_threads(const op_ctx *ctx, double work) {
  return work < SPLIT_WORK ? 1 : ctx->threads;
}

static void epilogue(const linear_params *p, int64_t begin, int64_t end, float *y, float *pre) {
  const simd_table *k = simd();
  const size_t out = (size_t)p->out;
  float *z = pre != NULL ? pre : y; // where the matmul was written
  for (int64_t i = begin; i < end; i++) {
    float *row = z + (size_t)i * out, *to = y + (size_t)i * out;
    if (p->b != NULL) k->add(p->b, row, out);
    if (p->kind == ACT_GELU_TANH) k->gelu_tanh(row, to, out);
    if (p->kind == ACT_GELU_ERF) k->gelu_erf(row, to, out);
    if (p->kind == ACT_TANH) k->tanh_row(row, to, out);
  }
}

status cpu_linear_forward(op_ctx *ctx, const linear_params *p) {
  const int64_t n = rows_live(ctx, p->n);
  const bool gelu = p->kind == ACT_GELU_TANH || p->kind == ACT_GELU_ERF;
  const float *x = p->x, *w = p->w;
  float *y = p->y, *pre = gelu ? p->pre : NULL;
  const int32_t threads = useful_threads(ctx, (double)n * p->in * p->out);
#pragma omp parallel num_threads(threads)
  {
    int64_t begin, end;
    split_rows(n, 8, omp_get_num_threads(), omp_get_thread_num(), &begin, &end);
    for (int64_t at = begin; at < end; at += BLOCK_ROWS) {
      const int64_t stop = at + BLOCK_ROWS < end ? at + BLOCK_ROWS : end;
      float *to = (pre != NULL ? pre : y) + (size_t)at * (size_t)p->out;
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)(stop - at), p->out, p->in, 1.0f,
                  x + (size_t)at * (size_t)p->in, p->in, w, p->in, p->y_add ? 1.0f : 0.0f, to, p->out);
      epilogue(p, at, stop, y, pre);
    }
  }
  return OK;
}

static void activation_back(const linear_params *p, int64_t begin, int64_t end) {
  const simd_table *k = simd();
  const size_t out = (size_t)p->out, count = (size_t)(end - begin) * out;
  float *dy = (float *)p->dy + (size_t)begin * out;
  if (p->kind == ACT_GELU_TANH) k->gelu_tanh_back((const float *)p->pre + (size_t)begin * out, dy, count);
  if (p->kind == ACT_GELU_ERF) k->gelu_erf_back((const float *)p->pre + (size_t)begin * out, dy, count);
  if (p->kind == ACT_TANH) {
    const float *y = (const float *)p->y + (size_t)begin * out;
    for (size_t i = 0; i < count; i++) dy[i] *= 1.0f - y[i] * y[i];
  }
}

status cpu_linear_backward(op_ctx *ctx, const linear_params *p) {
  const int64_t n = rows_live(ctx, p->n);
  const float *x = p->x, *w = p->w;
  float *dy = p->dy, *dx = p->dx;
  const int32_t threads = useful_threads(ctx, (double)n * p->in * p->out);
#pragma omp parallel num_threads(threads)
  {
    const int32_t parts = omp_get_num_threads(), part = omp_get_thread_num();
    int64_t begin, end;
    split_rows(n, 8, parts, part, &begin, &end);
    for (int64_t at = begin; at < end; at += BLOCK_ROWS) {
      const int64_t stop = at + BLOCK_ROWS < end ? at + BLOCK_ROWS : end;
      if (p->kind != ACT_NONE) activation_back(p, at, stop);
      if (dx != NULL)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)(stop - at), p->in, p->out, 1.0f,
                    dy + (size_t)at * (size_t)p->out, p->out, w, p->in, p->dx_add ? 1.0f : 0.0f,
                    dx + (size_t)at * (size_t)p->in, p->in);
    }
#pragma omp barrier
    int64_t first, last; // outputs of this thread
    split_rows(p->out, 16, parts, part, &first, &last);
    if (last > first && n > 0) {
      if (p->dw != NULL)
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)(last - first), p->in, (int)n, 1.0f,
                    dy + first, p->out, x, p->in, 1.0f, p->dw + (size_t)first * (size_t)p->in, p->in);
      if (p->db != NULL) {
        const simd_table *k = simd();
        for (int64_t i = 0; i < n; i++)
          k->add(dy + (size_t)i * (size_t)p->out + first, p->db + first, (size_t)(last - first));
      }
    }
  }
  return OK;
}
