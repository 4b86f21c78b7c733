// Linear + cross-entropy without whole logits: row losses, and the gradients of rows, table and bias in one pass.
//
// score(i,j) = a_i . t_j c_j + b_j, where a_i = x_i inv_temperature (cosine: / |x_i|) and c_j = 1 (cosine: 1 / |t_j|).
//
// Full: rows are taken in blocks whose logits (BLOCK_ROWS x classes) are the only ones to exist; the classes are
// split among threads, so each thread owns its part of the table's gradient and nothing needs atomics. Within its
// part a thread goes chunk by chunk, so that scores are exponentiated while in cache:
//   1. scores of the chunk, running maximum and sum per row (each thread), then combined over threads;
//   2. g = (softmax - onehot) weight scale in place; dtable += (g c)^T a, dbias += column sums, da += (g c) t.
// Cosine: with C_j = sum_i g_ij c_j a_i, the gradient of t_j is C_j - t_j c_j^2 (t_j . C_j), and that of x_i is
// (da_i - xhat_i (xhat_i . da_i)) inv_temperature / |x_i|: the projection off the direction that only changes length.
//
// Three matmuls of M x classes x H; alternatives considered: recomputing the scores in the second pass (a third
// more arithmetic, no logits block at all), which pays where memory is slower than here.
//
// Sampled: the label and S shared negatives; the negatives' rows are gathered once, so the same dense matmuls serve.
#include <cblas.h>
#include <math.h>
#include <omp.h>
#include <string.h>
#include "ops/cpu/cpu.h"
#include "simd/simd.h"

enum { BLOCK_ROWS = 64, CHUNK = 1024 };

// Floats of scratch, laid out in this order.
typedef struct layout {
  size_t a, inv_norm, scores, maxima, sums, da, column_scale, negatives, dnegatives, dbias, temporary, total;
} layout;

static layout lay_out(const xent_params *p, int32_t threads) {
  const size_t H = (size_t)p->hidden, M = (size_t)p->n.cap, n = (size_t)threads;
  const size_t S = (size_t)p->n_negatives, columns = S > 0 ? S : (size_t)p->classes;
  layout l = {0};
  l.a = 0;
  l.inv_norm = l.a + M * H;
  l.scores = l.inv_norm + M;
  l.maxima = l.scores + BLOCK_ROWS * columns;
  l.sums = l.maxima + n * BLOCK_ROWS;
  l.da = l.sums + n * BLOCK_ROWS;
  l.column_scale = l.da + n * BLOCK_ROWS * H;
  l.negatives = l.column_scale + columns;
  l.dnegatives = l.negatives + S * H;
  l.dbias = l.dnegatives + S * H;
  l.temporary = l.dbias + S;
  l.total = l.temporary + n * CHUNK * H;
  return l;
}

size_t cpu_xent_scratch(const xent_params *p, int32_t threads) {
  return lay_out(p, threads).total * sizeof(float);
}

// The part of one call that all threads share.
typedef struct run {
  const xent_params *p;
  op_ctx *ctx;
  layout at;
  float *scratch;
  int64_t n;          // live rows
  int32_t columns;    // classes, or negatives
  const float *table; // [columns,H]
  float *dtable;      // [columns,H]; NULL in evaluation and for a frozen table
  const float *bias;  // [columns] for full; NULL for sampled (looked up by token)
  float *dbias;       // [columns]; NULL without bias, for a frozen one and in evaluation
  bool cosine;
} run;

static float *labels_row(const run *r, int64_t i) { // the label's row in the class table
  return (float *)r->p->table + (size_t)(r->p->labels[i] - r->p->class_base) * (size_t)r->p->hidden;
}

static const float INVERSE_FLOOR = 1e6f;

static float inverse_norm(const float *x, size_t n) {
  const double norm = sqrt(simd()->sum_squares(x, n));
  return (float)(1.0 / (norm > 1e-6 ? norm : 1e-6));
}

// The factor of the projection off a vector's own direction. Below the floor of the norm the divisor is a constant, so
// nothing is projected.
static float projection(float inverse) {
  return inverse < INVERSE_FLOOR ? inverse * inverse : 0.0f;
}

// a = x inv_temperature (/ |x|), and the scale of every column.
static void prepare(run *r) {
  const size_t H = (size_t)r->p->hidden;
  const float *x = r->p->x;
  float *a = r->scratch + r->at.a, *inv = r->scratch + r->at.inv_norm,
        *scale = r->scratch + r->at.column_scale;
  const simd_table *k = simd();
#pragma omp parallel num_threads(r->ctx->threads)
  {
#pragma omp for schedule(static)
    for (int64_t i = 0; i < r->n; i++) {
      inv[i] = r->cosine ? inverse_norm(x + (size_t)i * H, H) : 1.0f;
      memcpy(a + (size_t)i * H, x + (size_t)i * H, H * sizeof(float));
      k->scale(inv[i] * r->p->inv_temperature, a + (size_t)i * H, H);
    }
#pragma omp for schedule(static)
    for (int32_t j = 0; j < r->columns; j++)
      scale[j] = r->cosine ? inverse_norm(r->table + (size_t)j * H, H) : 1.0f;
  }
}

static int32_t chunk_width(int64_t begin, int64_t end) {
  return (int32_t)(end - begin < CHUNK ? end - begin : CHUNK);
}

// Scores of rows [first, first + count) against columns [begin, end); ld = r->columns.
static void block_scores(const run *r, int64_t first, int32_t count, int64_t begin, int64_t end) {
  const simd_table *k = simd();
  const int32_t H = r->p->hidden, ld = r->columns, self = omp_get_thread_num();
  const float *a = r->scratch + r->at.a + (size_t)first * (size_t)H, *scale = r->scratch + r->at.column_scale;
  float *scores = r->scratch + r->at.scores;
  float *maxima = r->scratch + r->at.maxima + self * BLOCK_ROWS,
        *sums = r->scratch + r->at.sums + self * BLOCK_ROWS;
  for (int32_t i = 0; i < count; i++) {
    maxima[i] = -INFINITY;
    sums[i] = 0.0f;
  }
  for (int64_t c = begin; c < end; c += CHUNK) {
    const int32_t width = chunk_width(c, end);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, count, width, H, 1.0f, a, H,
                r->table + (size_t)c * (size_t)H, H, 0.0f, scores + c, ld);
    for (int32_t i = 0; i < count; i++) {
      float *s = scores + (size_t)i * (size_t)ld + c;
      if (r->cosine)
        for (int32_t j = 0; j < width; j++) s[j] *= scale[c + j];
      if (r->bias != NULL) k->add(r->bias + c, s, (size_t)width);
      if (r->p->n_negatives > 0) {
        const int32_t label = r->p->labels[first + i];
        for (int32_t j = 0; j < width; j++) {
          const int32_t token = r->p->negatives[c + j];
          s[j] += (r->p->bias != NULL ? ((const float *)r->p->bias)[token - r->p->class_base] : 0.0f) -
                  r->p->negative_logq[c + j];
          if (token == label) s[j] = -INFINITY; // a negative that equals the label
        }
      }
      // Running maximum and sum of exp(s - maximum); the scores stay as they are for the second pass.
      const float row_max = k->max(s, (size_t)width);
      if (row_max > maxima[i]) {
        sums[i] = maxima[i] > -INFINITY ? sums[i] * expf(maxima[i] - row_max) : 0.0f;
        maxima[i] = row_max;
      }
      if (maxima[i] > -INFINITY) {
        float copy[CHUNK];
        memcpy(copy, s, (size_t)width * sizeof(float));
        sums[i] += k->exp_sum(copy, maxima[i], (size_t)width);
      }
    }
  }
}

// Score of a row's own label; in sampled mode less the log of its expected count.
static float label_score(const run *r, int64_t i) {
  const size_t H = (size_t)r->p->hidden;
  const int32_t label = r->p->labels[i], class = label - r->p->class_base;
  const float *t = labels_row(r, i);
  float s = simd()->dot(r->scratch + r->at.a + (size_t)i * H, t, H) * (r->cosine ? inverse_norm(t, H) : 1.0f);
  if (r->p->bias != NULL) s += ((const float *)r->p->bias)[class];
  return r->p->n_negatives > 0 ? s - r->p->label_logq[i] : s;
}

// Second pass over this thread's columns: gradients; da_part [count,H] is this thread's share of da.
static void block_gradients(const run *r, int64_t first, int32_t count, int64_t begin, int64_t end,
                            const float *row_max, const float *factor, float *da_part) {
  const simd_table *k = simd();
  const int32_t H = r->p->hidden, ld = r->columns;
  const float *a = r->scratch + r->at.a + (size_t)first * (size_t)H, *scale = r->scratch + r->at.column_scale;
  float *scores = r->scratch + r->at.scores;
  float *temporary = r->scratch + r->at.temporary + (size_t)omp_get_thread_num() * CHUNK * (size_t)H;
  memset(da_part, 0, (size_t)count * (size_t)H * sizeof(float));
  for (int64_t c = begin; c < end; c += CHUNK) {
    const int32_t width = chunk_width(c, end);
    for (int32_t i = 0; i < count; i++) {
      float *s = scores + (size_t)i * (size_t)ld + c;
      k->exp_sum(s, row_max[i], (size_t)width);
      k->scale(factor[i], s, (size_t)width);
      if (r->p->n_negatives == 0) {
        const int64_t label = r->p->labels[first + i] - r->p->class_base;
        if (label >= c && label < c + width)
          s[label - c] -= r->p->weights[first + i] * r->ctx->state.scale[r->p->slot];
      }
      if (r->dbias != NULL) k->add(s, r->dbias + c, (size_t)width);
      if (r->cosine)
        for (int32_t j = 0; j < width; j++) s[j] *= scale[c + j];
    }
    const float *t = r->table + (size_t)c * (size_t)H;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, count, H, width, 1.0f, scores + c, ld, t, H, 1.0f,
                da_part, H);
    if (r->dtable == NULL) continue;
    float *dt = r->dtable + (size_t)c * (size_t)H;
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, width, H, count, 1.0f, scores + c, ld, a, H,
                r->cosine ? 0.0f : 1.0f, r->cosine ? temporary : dt, H);
    for (int32_t j = 0; r->cosine && j < width; j++) {
      const float *row = t + (size_t)j * (size_t)H;
      float *C = temporary + (size_t)j * (size_t)H;
      const float along = k->dot(row, C, (size_t)H) * projection(scale[c + j]);
      k->axpy(1.0f, C, dt + (size_t)j * (size_t)H, (size_t)H);
      k->axpy(-along, row, dt + (size_t)j * (size_t)H, (size_t)H);
    }
  }
}

// Combines the threads' maxima and sums of a block, and adds losses. Sets row_max[i] and factor[i], with which a second
// pass turns scores into gradients; label_factor[i] is the gradient of the label's own score (sampled only).
static void block_losses(run *r, int64_t first, int32_t count, int32_t parts, float *row_max, float *factor,
                         float *label_factor) {
  const float *maxima = r->scratch + r->at.maxima, *sums = r->scratch + r->at.sums;
  slot_result *result = &r->ctx->result.slot[r->p->slot];
  const bool sampled = r->p->n_negatives > 0;
  for (int32_t i = 0; i < count; i++) {
    const int64_t row = first + i;
    const float label = sampled ? label_score(r, row)
                                : r->scratch[r->at.scores + (size_t)i * (size_t)r->columns +
                                             (size_t)(r->p->labels[row] - r->p->class_base)];
    float best = label;
    for (int32_t t = 0; t < parts; t++)
      best = maxima[t * BLOCK_ROWS + i] > best ? maxima[t * BLOCK_ROWS + i] : best;
    double sum = sampled ? exp((double)label - best) : 0.0;
    for (int32_t t = 0; t < parts; t++) {
      const float m = maxima[t * BLOCK_ROWS + i];
      if (m > -INFINITY) sum += sums[t * BLOCK_ROWS + i] * exp((double)m - best);
    }
    const double nll = log(sum) + best - label, weight = r->p->weights[row];
    if (r->p->row_loss != NULL) r->p->row_loss[row] = (float)nll;
    result->loss += weight * nll;
    result->weight += weight;
    if (!sampled && label >= best) result->hits += weight;
    const double g = weight * r->ctx->state.scale[r->p->slot];
    row_max[i] = best;
    factor[i] = (float)(g / sum);
    label_factor[i] = (float)(g * (exp((double)label - best) / sum - 1.0));
  }
}

// dx of the block's rows from the threads' shares of da.
static void block_rows(const run *r, int64_t first, int32_t count, int32_t parts, const float *label_factor) {
  const simd_table *k = simd();
  const size_t H = (size_t)r->p->hidden;
  const float *inv = r->scratch + r->at.inv_norm;
  float *da = r->scratch + r->at.da;
#pragma omp for schedule(static)
  for (int32_t i = 0; i < count; i++) {
    const int64_t row = first + i;
    float *sum = da + (size_t)i * H, *dx = (float *)r->p->dx + (size_t)row * H;
    const float *x = (const float *)r->p->x + (size_t)row * H;
    for (int32_t t = 1; t < parts; t++) k->add(da + ((size_t)t * BLOCK_ROWS + (size_t)i) * H, sum, H);
    if (r->p->n_negatives > 0) {
      const float *t = labels_row(r, row);
      k->axpy(label_factor[i] * (r->cosine ? inverse_norm(t, H) : 1.0f), t, sum, H);
    }
    const float scale = inv[row] * r->p->inv_temperature;
    const float along = r->cosine ? k->dot(x, sum, H) * projection(inv[row]) : 0.0f;
    for (size_t j = 0; j < H; j++) dx[j] = scale * (sum[j] - along * x[j]);
  }
}

// Sampled: gradients of the labels' and negatives' rows go to the class table, in row order.
static void scatter_labels(const run *r, int64_t first, int32_t count, const float *label_factor) {
  const simd_table *k = simd();
  const size_t H = (size_t)r->p->hidden;
  for (int32_t i = 0; i < count; i++) {
    const int64_t row = first + i;
    const size_t class = (size_t)(r->p->labels[row] - r->p->class_base);
    const float *a = r->scratch + r->at.a + (size_t)row * H, *t = labels_row(r, row);
    const float inv = r->cosine ? inverse_norm(t, H) : 1.0f, g = label_factor[i] * inv;
    if (r->p->dtable != NULL) {
      float *dt = r->p->dtable + class * H;
      k->axpy(g, a, dt, H);
      if (r->cosine) k->axpy(-g * k->dot(t, a, H) * projection(inv), t, dt, H);
    }
    if (r->p->dbias != NULL) r->p->dbias[class] += label_factor[i];
    if (r->p->touched != NULL) r->p->touched[class] = 1;
  }
}

static void scatter_negatives(const run *r) {
  const size_t H = (size_t)r->p->hidden;
  for (int32_t j = 0; j < r->columns; j++) {
    const size_t class = (size_t)(r->p->negatives[j] - r->p->class_base);
    if (r->dtable != NULL) simd()->add(r->dtable + (size_t)j * H, r->p->dtable + class * H, H);
    if (r->dbias != NULL) r->p->dbias[class] += r->dbias[j];
    if (r->p->touched != NULL) r->p->touched[class] = 1;
  }
}

status cpu_xent(op_ctx *ctx, const xent_params *p) {
  const size_t H = (size_t)p->hidden;
  const bool grads = p->dx != NULL, sampled = p->n_negatives > 0;
  run r = {.p = p,
           .ctx = ctx,
           .at = lay_out(p, ctx->threads),
           .scratch = (float *)(void *)ctx->scratch,
           .n = rows_live(ctx, p->n),
           .columns = sampled ? p->n_negatives : p->classes,
           .table = p->table,
           .dtable = grads ? p->dtable : NULL,
           .bias = sampled ? NULL : p->bias,
           .dbias = grads && p->bias != NULL ? p->dbias : NULL,
           .cosine = p->score == SCORE_COSINE};
  if (sampled) {
    float *rows_of = r.scratch + r.at.negatives;
    for (int32_t j = 0; j < p->n_negatives; j++)
      memcpy(rows_of + (size_t)j * H, (const float *)p->table + (size_t)(p->negatives[j] - p->class_base) * H,
             H * sizeof(float));
    r.table = rows_of;
    if (r.dtable != NULL) {
      r.dtable = r.scratch + r.at.dnegatives;
      memset(r.dtable, 0, (size_t)p->n_negatives * H * sizeof(float));
    }
    if (r.dbias != NULL) {
      r.dbias = r.scratch + r.at.dbias;
      memset(r.dbias, 0, (size_t)p->n_negatives * sizeof(float));
    }
  }
  prepare(&r);
  float row_max[BLOCK_ROWS], factor[BLOCK_ROWS], label_factor[BLOCK_ROWS];
#pragma omp parallel num_threads(ctx->threads)
  {
    const int32_t parts = omp_get_num_threads(), part = omp_get_thread_num();
    int64_t begin, end;
    split_rows(r.columns, 16, parts, part, &begin, &end);
    for (int64_t first = 0; first < r.n; first += BLOCK_ROWS) {
      const int32_t count = (int32_t)(r.n - first < BLOCK_ROWS ? r.n - first : BLOCK_ROWS);
      block_scores(&r, first, count, begin, end);
#pragma omp barrier
#pragma omp single
      block_losses(&r, first, count, parts, row_max, factor, label_factor);
      if (!grads) continue;
      block_gradients(&r, first, count, begin, end, row_max, factor,
                      r.scratch + r.at.da + (size_t)part * BLOCK_ROWS * H);
#pragma omp barrier
      block_rows(&r, first, count, parts, label_factor);
      if (sampled) {
#pragma omp single
        scatter_labels(&r, first, count, label_factor);
      }
    }
  }
  if (grads && sampled) scatter_negatives(&r);
  if (grads && !sampled && p->touched != NULL) memset(p->touched, 1, (size_t)p->classes);
  return OK;
}
