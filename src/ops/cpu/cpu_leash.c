// The leash: how far a model's distribution over classes has gone from that of a frozen one, KL(base || tuned), without whole logits.
//
// Rows are taken in blocks whose logits, of both models, are the only ones to exist (score_bytes). The classes are split among
// threads, so each thread owns its part of the table's gradient and nothing needs atomics:
//   1. s = inv_temperature x table^T + bias and s0 likewise of the base; each thread's largest ones of a row
//   2. sums of exp(s - largest) and of exp(s0 - largest of these), in double over threads
//   3. p0 (log p0 - log p) is added up, and p - p0 written in place of s
//   4. times weight scale: dtable += g^T x, dbias += column sums, and each thread's share of dx
// The loss is a sum of differences of logarithms, not the difference of two sums: both are large where the models still agree.
// Four matmuls of M x classes x H: the scores of both models, and two gradients (the base has none).
#include <cblas.h>
#include <math.h>
#include <omp.h>
#include <string.h>
#include "ops/cpu/cpu.h"
#include "simd/simd.h"

enum { LEAST_ROWS = 8, MOST_ROWS = 256, SCORE_BYTES = 28 << 20 };

// Floats of scratch, in this order; sums are doubles and come first.
typedef struct layout {
  size_t sums, maxima, scores, base, slopes, dx, total;
  size_t rows; // of a block
} layout;

static layout lay_out(const leash_params *p, int32_t threads) {
  const size_t C = (size_t)p->classes, H = (size_t)p->hidden, n = (size_t)threads;
  const size_t bytes = p->score_bytes > 0 ? p->score_bytes : SCORE_BYTES;
  const size_t fit = bytes / (2 * C * sizeof(float)) / LEAST_ROWS * LEAST_ROWS,
               cap = ((size_t)p->n.cap + LEAST_ROWS - 1) / LEAST_ROWS * LEAST_ROWS;
  layout l = {.rows = fit < LEAST_ROWS ? LEAST_ROWS : fit > MOST_ROWS ? MOST_ROWS : fit};
  if (l.rows > cap) l.rows = cap > 0 ? cap : LEAST_ROWS;
  l.sums = 0; // [threads][3][rows] double: of both models' exponentials, and of the loss
  l.maxima = l.sums + 2 * 3 * n * l.rows;
  l.scores = l.maxima + 2 * n * l.rows;
  l.base = l.scores + l.rows * C;
  l.slopes = l.base + l.rows * C;
  l.dx = l.slopes + l.rows;
  l.total = l.dx + (p->forward_only ? 0 : n * l.rows * H);
  return l;
}

size_t cpu_leash_scratch(const leash_params *p, int32_t threads) {
  return lay_out(p, threads).total * sizeof(float);
}

typedef struct run {
  op_ctx *ctx;
  const leash_params *p;
  layout at;
  float *scratch;
  int32_t first, count; // of the block
} run;

// This thread's columns of a model's scores of the block, and the largest of each row.
static void scores(const run *r, bool base, int64_t begin, int64_t end) {
  const leash_params *p = r->p;
  const int32_t H = p->hidden, C = p->classes, width = (int32_t)(end - begin);
  const float *x = (const float *)(base ? p->base_x : p->x) + (int64_t)r->first * H,
              *t = (const float *)(base ? p->base_table : p->table) + begin * H,
              *bias = base ? p->base_bias : p->bias;
  float *s = r->scratch + (base ? r->at.base : r->at.scores) + begin;
  float *most = r->scratch + r->at.maxima + ((size_t)omp_get_thread_num() * 2 + base) * r->at.rows;
  if (width > 0)
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, r->count, width, H,
                base ? p->base_inv_temperature : p->inv_temperature, x, H, t, H, 0.0f, s, C);
  for (int32_t i = 0; i < r->count; i++, s += C)
    most[i] = bias != NULL ? simd()->add_max(bias + begin, s, (size_t)width) : simd()->max(s, (size_t)width);
}

static double *sums_of(const run *r, int32_t thread, int32_t which) {
  return (double *)(void *)(r->scratch + r->at.sums) + ((size_t)thread * 3 + (size_t)which) * r->at.rows;
}

// The largest score of a row over all threads.
static float largest(const run *r, int32_t i, bool base, int32_t threads) {
  float most = -INFINITY;
  for (int32_t t = 0; t < threads; t++)
    most = fmaxf(most, r->scratch[r->at.maxima + ((size_t)t * 2 + base) * r->at.rows + (size_t)i]);
  return most;
}

static double sum_over(const run *r, int32_t i, int32_t which, int32_t threads) {
  double sum = 0;
  for (int32_t t = 0; t < threads; t++) sum += sums_of(r, t, which)[i];
  return sum;
}

static void add_exponentials(const run *r, bool base, int64_t begin, int64_t end, int32_t threads) {
  const int32_t C = r->p->classes;
  double *sums = sums_of(r, omp_get_thread_num(), base);
  const float *s = r->scratch + (base ? r->at.base : r->at.scores);
  for (int32_t i = 0; i < r->count; i++, s += C) {
    const float most = largest(r, i, base, threads);
    double sum = 0;
    for (int64_t j = begin; j < end; j++) sum += exp((double)(s[j] - most));
    sums[i] = sum;
  }
}

// The loss of this thread's columns; with gradients p - p0 in place of the scores.
static void differences(const run *r, int64_t begin, int64_t end, int32_t threads) {
  const int32_t C = r->p->classes;
  double *loss = sums_of(r, omp_get_thread_num(), 2);
  float *s = r->scratch + r->at.scores;
  const float *s0 = r->scratch + r->at.base;
  for (int32_t i = 0; i < r->count; i++, s += C, s0 += C) {
    const double log_sum = log(sum_over(r, i, 0, threads)) + (double)largest(r, i, false, threads),
                 log_sum0 = log(sum_over(r, i, 1, threads)) + (double)largest(r, i, true, threads);
    double sum = 0;
    for (int64_t j = begin; j < end; j++) {
      const double log_p = (double)s[j] - log_sum, log_p0 = (double)s0[j] - log_sum0, p0 = exp(log_p0);
      sum += p0 * (log_p0 - log_p);
      if (r->p->dx != NULL) s[j] = (float)(exp(log_p) - p0);
    }
    loss[i] = sum;
  }
}

// One thread: losses of the block's rows into the step's result, and what their slopes are multiplied by.
static void add_losses(const run *r, int32_t threads) {
  const leash_params *p = r->p;
  slot_result *to = &r->ctx->result.slot[p->slot];
  for (int32_t i = 0; i < r->count; i++) {
    const double loss = sum_over(r, i, 2, threads),
                 weight = p->weights != NULL ? (double)p->weights[r->first + i] : 1.0;
    if (p->row_loss != NULL) p->row_loss[r->first + i] = (float)loss;
    to->loss += weight * loss;
    to->weight += weight;
    r->scratch[r->at.slopes + (size_t)i] = (float)weight * r->ctx->state.scale[p->slot];
  }
}

static void gradients(const run *r, int64_t begin, int64_t end) {
  const leash_params *p = r->p;
  const int32_t H = p->hidden, C = p->classes, width = (int32_t)(end - begin);
  float *g = r->scratch + r->at.scores + begin;
  float *dx = r->scratch + r->at.dx + (size_t)omp_get_thread_num() * r->at.rows * (size_t)H;
  const float *x = (const float *)p->x + (int64_t)r->first * H;
  memset(dx, 0, (size_t)r->count * (size_t)H * sizeof *dx);
  if (width <= 0) return;
  for (int32_t i = 0; i < r->count; i++) {
    float *row = g + (size_t)i * (size_t)C;
    simd()->scale(r->scratch[r->at.slopes + (size_t)i], row, (size_t)width);
    if (p->bias != NULL && p->dbias != NULL) simd()->add(row, p->dbias + begin, (size_t)width);
  }
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, r->count, H, width, p->inv_temperature, g, C,
              (const float *)p->table + begin * H, H, 0.0f, dx, H);
  if (p->dtable != NULL)
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, width, H, r->count, p->inv_temperature, g, C, x, H,
                1.0f, p->dtable + begin * H, H);
}

static void add_rows(const run *r, int32_t threads) {
  const size_t H = (size_t)r->p->hidden;
#pragma omp for schedule(static)
  for (int32_t i = 0; i < r->count; i++)
    for (int32_t t = 0; t < threads; t++)
      simd()->add(r->scratch + r->at.dx + ((size_t)t * r->at.rows + (size_t)i) * H,
                  (float *)r->p->dx + (size_t)(r->first + i) * H, H);
}

static void block(const run *r) {
#pragma omp parallel num_threads(r->ctx->threads)
  {
    int64_t begin, end;
    const int32_t threads = omp_get_num_threads();
    split_rows(r->p->classes, 16, threads, omp_get_thread_num(), &begin, &end);
    scores(r, false, begin, end);
    scores(r, true, begin, end);
#pragma omp barrier
    add_exponentials(r, false, begin, end, threads);
    add_exponentials(r, true, begin, end, threads);
#pragma omp barrier
    differences(r, begin, end, threads);
#pragma omp barrier
#pragma omp single
    add_losses(r, threads);
    if (r->p->dx != NULL) {
      gradients(r, begin, end);
#pragma omp barrier
      add_rows(r, threads);
    }
  }
}

status cpu_leash(op_ctx *ctx, const leash_params *p) {
  run r = {.ctx = ctx, .p = p, .at = lay_out(p, ctx->threads), .scratch = (float *)(void *)ctx->scratch};
  const int32_t n = rows_live(ctx, p->n);
  for (r.first = 0; r.first < n; r.first += r.count) {
    r.count = n - r.first < (int32_t)r.at.rows ? n - r.first : (int32_t)r.at.rows;
    block(&r);
  }
  if (p->dx != NULL && p->touched != NULL) memset(p->touched, 1, (size_t)p->classes);
  return OK;
}
