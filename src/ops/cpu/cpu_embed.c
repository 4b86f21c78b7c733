// y = dropout(layernorm(word + type + position)), and its backward pass.
//
// The backward pass makes the gradient of the sum row by row (in scratch), then adds rows into the tables with the
// columns split among threads: item frequencies follow Zipf's law, so a split by token would leave one thread with
// the popular items, and a split by row would need atomics. Columns balance exactly and keep the order of additions.
#include <omp.h>
#include <string.h>
#include "ops/cpu/cpu.h"
#include "simd/simd.h"

enum { BLOCK_ROWS = 32 };

size_t cpu_embed_scratch(const embed_params *p, int32_t threads) {
  return ((size_t)p->n.cap * (size_t)p->hidden + (size_t)threads * 2 * (size_t)p->hidden) * sizeof(float);
}

status cpu_embed_forward(op_ctx *ctx, const embed_params *p) {
  const int64_t n = rows_live(ctx, p->n);
  const size_t H = (size_t)p->hidden;
  const simd_table *k = simd();
  const batch_view *b = p->batch;
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t block = 0; block < (n + BLOCK_ROWS - 1) / BLOCK_ROWS; block++) {
    const int64_t begin = block * BLOCK_ROWS, end = begin + BLOCK_ROWS < n ? begin + BLOCK_ROWS : n;
    for (int64_t i = begin; i < end; i++) {
      float *sum = (float *)p->sum + (size_t)i * H;
      memcpy(sum, (const float *)p->word + (size_t)b->ids[i] * H, H * sizeof(float));
      k->add((const float *)p->type + (size_t)b->types[i] * H, sum, H);
      k->add((const float *)p->position + (size_t)b->positions[i] * H, sum, H);
      k->norm_row(sum, p->gamma, p->beta, p->eps, (float *)p->y + (size_t)i * H, &p->mean[i], &p->rstd[i], H);
    }
    cpu_dropout_rows(ctx, b, p->drop, ROWS_TOKENS, p->hidden, begin, end, (float *)p->y + (size_t)begin * H);
  }
  return OK;
}

status cpu_embed_backward(op_ctx *ctx, const embed_params *p) {
  const int64_t n = rows_live(ctx, p->n);
  const size_t H = (size_t)p->hidden;
  const simd_table *k = simd();
  const batch_view *b = p->batch;
  float *dsum = (float *)(void *)ctx->scratch, *partial = dsum + (size_t)p->n.cap * H;
  int32_t parts = 1;
#pragma omp parallel num_threads(ctx->threads)
  {
    float *dgamma = partial + (size_t)omp_get_thread_num() * 2 * H, *dbeta = dgamma + H;
    memset(dgamma, 0, 2 * H * sizeof(float));
    int64_t begin, end;
    split_rows(n, 1, omp_get_num_threads(), omp_get_thread_num(), &begin, &end);
#pragma omp single
    parts = omp_get_num_threads();
    if (end > begin) {
      memcpy(dsum + (size_t)begin * H, (const float *)p->dy + (size_t)begin * H,
             (size_t)(end - begin) * H * sizeof(float));
      cpu_dropout_rows(ctx, b, p->drop, ROWS_TOKENS, p->hidden, begin, end, dsum + (size_t)begin * H);
    }
    for (int64_t i = begin; i < end; i++)
      k->norm_row_back(dsum + (size_t)i * H, (const float *)p->sum + (size_t)i * H, p->gamma, p->mean[i],
                       p->rstd[i], dsum + (size_t)i * H, dgamma, dbeta, H);
#pragma omp barrier
    split_rows(p->hidden, 16, omp_get_num_threads(), omp_get_thread_num(), &begin, &end);
    const size_t width = (size_t)(end - begin);
    for (int64_t i = 0; i < n && width > 0; i++) {
      const float *row = dsum + (size_t)i * H + begin;
      if (p->dword != NULL) k->add(row, p->dword + (size_t)b->ids[i] * H + begin, width);
      if (p->dtype != NULL) k->add(row, p->dtype + (size_t)b->types[i] * H + begin, width);
      if (p->dposition != NULL) k->add(row, p->dposition + (size_t)b->positions[i] * H + begin, width);
    }
  }
  if (p->touched != NULL)
    for (int64_t i = 0; i < n; i++) p->touched[b->ids[i]] = 1;
  for (int32_t t = 0; t < parts; t++) {
    if (p->dgamma != NULL) k->add(partial + (size_t)t * 2 * H, p->dgamma, H);
    if (p->dbeta != NULL) k->add(partial + (size_t)t * 2 * H + H, p->dbeta, H);
  }
  return OK;
}
