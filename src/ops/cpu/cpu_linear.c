// y = activation(x w^T + b), or y += x w^T + b, and its backward pass.
//
// Rows are split among threads above BLAS, and each thread goes through its rows in blocks that stay in its cache,
// so that bias and activation cost no pass over memory. dw is split by its own rows (the outputs), so no two threads
// add to the same element, and the result does not depend on the number of threads.
//
// Narrow layers (in or out is small) go to simd's gemm for y and dx, with w packed once a call: there BLAS, which copies both
// operands in every call, reaches 60% of the peak, and gemm 80%. For dw, whose sums are long, BLAS is as good.
#include <cblas.h>
#include <omp.h>
#include <string.h>
#include "ops/cpu/cpu.h"
#include "simd/simd.h"

// Rows of a block. BLAS copies the weights once a call, so wide layers, whose outputs leave the cache anyway, have more.
enum { BLOCK_ROWS = 256, WIDE_ROWS = 512 };

// Matmuls below this many multiply-adds are not worth waking other threads for.
static const double SPLIT_WORK = 2e5;

enum { NARROW = 128, NARROW_BACK = 64 };

static bool is_narrow(const linear_params *p, int32_t width) {
  return p->in <= width || p->out <= width;
}

static int64_t rows_of_block(const linear_params *p) {
  return is_narrow(p, NARROW) ? BLOCK_ROWS : WIDE_ROWS;
}

size_t cpu_linear_scratch(const linear_params *p, int32_t threads) {
  (void)threads;
  const size_t of_y = gemm_packed_size((size_t)p->out, (size_t)p->in),
               of_dx = gemm_packed_size((size_t)p->in, (size_t)p->out);
  return is_narrow(p, NARROW) ? (of_y > of_dx ? of_y : of_dx) * sizeof(float) : 0;
}

static int32_t useful_threads(const op_ctx *ctx, double work) {
  return work < SPLIT_WORK ? 1 : ctx->threads;
}

// y += x w^T or y = x w^T + b, of rows [begin, end).
static void multiply(const linear_params *p, const float *packed, int64_t begin, int64_t end, float *y) {
  const size_t in = (size_t)p->in, out = (size_t)p->out;
  const simd_gemm g = {.m = (size_t)(end - begin),
                       .n = out,
                       .k = in,
                       .a = (const float *)p->x + (size_t)begin * in,
                       .a_row = in,
                       .a_step = 1,
                       .b = packed,
                       .packed = true,
                       .bias = p->y_add ? NULL : p->b,
                       .add = p->y_add,
                       .c = y + (size_t)begin * out,
                       .c_row = out};
  simd()->gemm(&g);
}

// `biased`: z has its bias.
static void epilogue(const linear_params *p, bool biased, int64_t begin, int64_t end, float *y, float *pre) {
  const simd_table *k = simd();
  const size_t out = (size_t)p->out;
  float *z = pre != NULL ? pre : y; // where the matmul was written
  if (p->kind == ACT_NONE && (biased || p->b == NULL)) return;
  for (int64_t i = begin; i < end; i++) {
    float *row = z + (size_t)i * out, *to = y + (size_t)i * out;
    if (p->b != NULL && !biased) k->add(p->b, row, out);
    if (p->kind == ACT_GELU_TANH) k->gelu_tanh(row, to, out);
    if (p->kind == ACT_GELU_ERF) k->gelu_erf(row, to, out);
    if (p->kind == ACT_TANH) k->tanh_row(row, to, out);
  }
}

status cpu_linear_forward(op_ctx *ctx, const linear_params *p) {
  const int64_t n = rows_live(ctx, p->n), block = rows_of_block(p);
  const bool gelu = p->kind == ACT_GELU_TANH || p->kind == ACT_GELU_ERF;
  const float *x = p->x, *w = p->w;
  float *y = p->y, *pre = gelu ? p->pre : NULL, *z = pre != NULL ? pre : y;
  float *packed = is_narrow(p, NARROW) ? (float *)(void *)ctx->scratch : NULL;
  const int32_t threads = useful_threads(ctx, (double)n * p->in * p->out);
#pragma omp parallel num_threads(threads)
  {
    const int32_t parts = omp_get_num_threads(), part = omp_get_thread_num();
    int64_t begin, end;
    if (packed != NULL) {
      split_rows(p->out, 16, parts, part, &begin, &end);
      gemm_pack(w + (size_t)begin * (size_t)p->in, (size_t)p->in, (size_t)(end - begin), (size_t)p->in,
                packed + (size_t)begin * (size_t)p->in);
#pragma omp barrier
    }
    split_rows(n, 8, parts, part, &begin, &end);
    for (int64_t at = begin; at < end; at += block) {
      const int64_t stop = at + block < end ? at + block : end;
      const bool biased = packed != NULL && !(p->y_add && p->b != NULL);
      if (packed != NULL)
        multiply(p, packed, at, stop, z);
      else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)(stop - at), p->out, p->in, 1.0f,
                    x + (size_t)at * (size_t)p->in, p->in, w, p->in, p->y_add ? 1.0f : 0.0f,
                    z + (size_t)at * (size_t)p->out, p->out);
      epilogue(p, biased, at, stop, y, pre);
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

// dx = dy w or dx += dy w, of rows [begin, end). Rows of w are packed, too: where they are 256 bytes long, those that a tile
// needs share a quarter of the L1 cache.
static void multiply_back(const linear_params *p, const float *packed, int64_t begin, int64_t end) {
  const size_t in = (size_t)p->in, out = (size_t)p->out;
  const float *dy = (const float *)p->dy + (size_t)begin * out, *w = p->w;
  float *dx = (float *)p->dx + (size_t)begin * in;
  if (packed == NULL) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)(end - begin), p->in, p->out, 1.0f, dy,
                p->out, w, p->in, p->dx_add ? 1.0f : 0.0f, dx, p->in);
    return;
  }
  const simd_gemm g = {.m = (size_t)(end - begin),
                       .n = in,
                       .k = out,
                       .a = dy,
                       .a_row = out,
                       .a_step = 1,
                       .b = packed,
                       .packed = true,
                       .add = p->dx_add,
                       .c = dx,
                       .c_row = in};
  simd()->gemm(&g);
}

status cpu_linear_backward(op_ctx *ctx, const linear_params *p) {
  const int64_t n = rows_live(ctx, p->n), block = rows_of_block(p);
  const float *x = p->x;
  const float *dy = p->dy;
  float *packed = p->dx != NULL && is_narrow(p, NARROW_BACK) ? (float *)(void *)ctx->scratch : NULL;
  const int32_t threads = useful_threads(ctx, (double)n * p->in * p->out);
#pragma omp parallel num_threads(threads)
  {
    const int32_t parts = omp_get_num_threads(), part = omp_get_thread_num();
    int64_t begin, end;
    if (packed != NULL) {
      split_rows(p->in, 16, parts, part, &begin, &end);
      gemm_pack_rows((const float *)p->w + begin, (size_t)p->in, (size_t)(end - begin), (size_t)p->out,
                     packed + (size_t)begin * (size_t)p->out);
#pragma omp barrier
    }
    split_rows(n, 8, parts, part, &begin, &end);
    for (int64_t at = begin; at < end; at += block) {
      const int64_t stop = at + block < end ? at + block : end;
      if (p->kind != ACT_NONE) activation_back(p, at, stop);
      if (p->dx != NULL) multiply_back(p, packed, at, stop);
    }
#pragma omp barrier
    int64_t first, last; // outputs of this thread
    split_rows(p->out, 16, parts, part, &first, &last);
    if (last > first && n > 0) {
      if (p->dw != NULL)
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)(last - first), p->in, (int)n, 1.0f,
                    dy + first, p->out, x, p->in, 1.0f, p->dw + (size_t)first * (size_t)p->in, p->in);
      if (p->db != NULL)
        simd()->add_rows(dy + first, (size_t)p->out, (size_t)n, p->db + first, (size_t)(last - first));
    }
  }
  return OK;
}
