// sum = residual + path(dropout(x)); y = layernorm(sum); and the backward pass. Bound by memory: each row is read from
// memory once and stays in the L1 cache while mean, variance (two-pass) and output are computed.
#include <omp.h>
#include <string.h>
#include "ops/cpu/cpu.h"
#include "simd/simd.h"

// dgamma and dbeta of each thread, added in thread order at the end.
size_t cpu_norm_scratch(const norm_params *p, int32_t threads) {
  return (size_t)threads * 2 * (size_t)p->hidden * sizeof(float);
}

enum { BLOCK_ROWS = 32 };

status cpu_norm_forward(op_ctx *ctx, const norm_params *p) {
  const int64_t n = rows_live(ctx, p->n);
  const size_t H = (size_t)p->hidden;
  const simd_table *k = simd();
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t block = 0; block < (n + BLOCK_ROWS - 1) / BLOCK_ROWS; block++) {
    const int64_t begin = block * BLOCK_ROWS, end = begin + BLOCK_ROWS < n ? begin + BLOCK_ROWS : n;
    float *sum = (float *)p->sum + (size_t)begin * H;
    const size_t count = (size_t)(end - begin) * H;
    memcpy(sum, (const float *)p->x + (size_t)begin * H, count * sizeof(float));
    cpu_dropout_rows(ctx, p->batch, p->drop, ROWS_TOKENS, p->hidden, begin, end, sum);
    cpu_path_rows(ctx, p->batch, p->path, p->hidden, begin, end, sum);
    if (p->residual != NULL) k->add((const float *)p->residual + (size_t)begin * H, sum, count);
    for (int64_t i = begin; i < end; i++)
      k->norm_row((const float *)p->sum + (size_t)i * H, p->gamma, p->beta, p->eps,
                  (float *)p->y + (size_t)i * H, &p->mean[i], &p->rstd[i], H);
  }
  return OK;
}

status cpu_norm_backward(op_ctx *ctx, const norm_params *p) {
  const int64_t n = rows_live(ctx, p->n);
  const size_t H = (size_t)p->hidden;
  const simd_table *k = simd();
  float *partial = (float *)(void *)ctx->scratch;
  int32_t parts = 1;
#pragma omp parallel num_threads(ctx->threads)
  {
    float *dgamma = partial + (size_t)omp_get_thread_num() * 2 * H, *dbeta = dgamma + H;
    memset(dgamma, 0, 2 * H * sizeof(float));
    int64_t begin, end;
    split_rows(n, 1, omp_get_num_threads(), omp_get_thread_num(), &begin, &end);
#pragma omp single
    parts = omp_get_num_threads();
    for (int64_t at = begin; at < end; at += BLOCK_ROWS) {
      const int64_t stop = at + BLOCK_ROWS < end ? at + BLOCK_ROWS : end;
      for (int64_t i = at; i < stop; i++) {
        // dx first gets d sum; dresidual may alias dy or dsum, both of which are read before it is written.
        float *dx = (float *)p->dx + (size_t)i * H;
        k->norm_row_back((const float *)p->dy + (size_t)i * H, (const float *)p->sum + (size_t)i * H,
                         p->gamma, p->mean[i], p->rstd[i], dx, dgamma, dbeta, H);
        if (p->dsum != NULL) k->add((const float *)p->dsum + (size_t)i * H, dx, H);
        if (p->dresidual != NULL) memcpy((float *)p->dresidual + (size_t)i * H, dx, H * sizeof(float));
      }
      cpu_dropout_rows(ctx, p->batch, p->drop, ROWS_TOKENS, p->hidden, at, stop,
                       (float *)p->dx + (size_t)at * H);
      cpu_path_rows(ctx, p->batch, p->path, p->hidden, at, stop, (float *)p->dx + (size_t)at * H);
    }
  }
  for (int32_t t = 0; t < parts; t++) {
    if (p->dgamma != NULL) k->add(partial + (size_t)t * 2 * H, p->dgamma, H);
    if (p->dbeta != NULL) k->add(partial + (size_t)t * 2 * H + H, p->dbeta, H);
  }
  return OK;
}
