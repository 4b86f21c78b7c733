// Linear + a loss over classes without whole logits: row losses, and the gradients of rows, table and bias in one pass.
//
// score(i,j) = a_i . t_j c_j + o_j, where a_i = x_i inv_temperature (cosine: / |x_i|), c_j = 1 (cosine: 1 / |t_j|) and
// o_j = bias_j, for a sampled softmax less the log of the negative's expected count.
//
// Full: rows are taken in blocks whose logits (as many as score_bytes hold; without gradients, of one chunk a thread) are the
// only ones to exist; the classes are split among threads, so each thread owns its part of the table's gradient and nothing
// needs atomics. Within its part a thread goes chunk by chunk, whose scores lie together and stay in its cache:
//   1. scores of the chunk become exp(score - shift), shift the largest score of the row so far, and are added up (each
//      thread), then combined over threads;
//   2. g = (softmax - onehot) weight scale in place, which is one factor a row and chunk, as the shift is known;
//      dtable += (g c)^T a, dbias += column sums, da += (g c) t.
// The table and its gradient go through memory once a block of rows, so larger blocks are faster.
// Cosine: with C_j = sum_i g_ij c_j a_i, the gradient of t_j is C_j - t_j c_j^2 (t_j . C_j), and that of x_i is
// (da_i - xhat_i (xhat_i . da_i)) inv_temperature / |x_i|: the projection off the direction that only changes length.
//
// The binary losses (gBCE, BPR) differ in the passes over scores alone: the first one leaves 1 / (1 + exp(-(s_ij - u_i)))
// in place of the scores (u_i is 0, or BPR's label score) and adds up the logarithms, so that the second one only scales.
//
// Label smoothing e over n candidates: the target is (1 - e) onehot + e / n, so the loss has (1 - e) s_label + e mean(s)
// in place of s_label, and e / n is taken from every gradient. The corrected logQ multiplies the sum over a row's negatives
// by one factor, so scores need no shift of their own a row.
//
// Three matmuls of M x classes x H, by simd's gemm where H is narrow, as in cpu_linear.c. Alternatives considered: making the
// scores again in the second pass (a third more arithmetic, no block of scores at all), which was no faster (SPEED.md).
//
// Sampled: the label and S shared negatives; the negatives' rows are gathered once, so the same dense matmuls serve.
#include <cblas.h>
#include <math.h>
#include <omp.h>
#include <string.h>
#include "ops/cpu/cpu.h"
#include "simd/simd.h"

// CHUNK: an odd number of cache lines, so that rows of a chunk do not compete for the same places of a cache.
enum { LEAST_ROWS = 32, MOST_ROWS = 256, CHUNK = 240, NARROW = 128, SCORE_BYTES = 28 << 20 };

// Floats of scratch, laid out in this order.
typedef struct layout {
  size_t a, inv_norm, scores, shifts, maxima, sums, totals, left_out, da, column_scale, label_score,
      label_scale;
  size_t offset, negatives, dnegatives, dbias, temporary, packed_rows, a_low, da_low, packed_low, total;
  size_t rows; // of a block
} layout;

// Columns whose scores exist at a time.
static size_t score_columns(const xent_params *p, size_t columns, int32_t threads) {
  return p->forward_only ? (size_t)threads * CHUNK : columns;
}

// As many rows as their scores fit.
static size_t rows_of_block(const xent_params *p, size_t columns) {
  const size_t bytes = p->score_bytes > 0 ? p->score_bytes : SCORE_BYTES;
  const size_t fit = bytes / (columns * sizeof(float)) / 8 * 8, cap = ((size_t)p->n.cap + 7) / 8 * 8;
  size_t n = fit < LEAST_ROWS ? LEAST_ROWS : fit > MOST_ROWS ? MOST_ROWS : fit;
  if (n > cap) n = cap;
  return n > 0 ? n : 8;
}

static layout lay_out(const xent_params *p, int32_t threads) {
  const size_t H = (size_t)p->hidden, M = (size_t)p->n.cap, n = (size_t)threads;
  const size_t R = (size_t)p->low, widest = R > H ? R : H;
  const size_t S = (size_t)p->n_negatives, columns = S > 0 ? S : (size_t)p->classes;
  const size_t at_a_time = score_columns(p, columns, threads), grads = !p->forward_only;
  layout l = {.rows = rows_of_block(p, at_a_time)};
  l.a = 0;
  l.inv_norm = l.a + M * H;
  l.scores = l.inv_norm + M;
  l.shifts = l.scores + l.rows * at_a_time;
  l.maxima = l.shifts + l.rows * (columns / CHUNK + 1 + n);
  l.sums = l.maxima + n * l.rows;
  l.totals = l.sums + n * l.rows;
  l.left_out = l.totals + n * l.rows;
  l.da = l.left_out + n * l.rows;
  l.column_scale = l.da + grads * n * l.rows * H;
  l.label_score = l.column_scale + columns;
  l.label_scale = l.label_score + M;
  l.offset = l.label_scale + (S > 0 ? M : 0);
  l.negatives = l.offset + S;
  l.dnegatives = l.negatives + S * H;
  l.dbias = l.dnegatives + grads * S * H;
  l.temporary = l.dbias + grads * S;
  l.packed_rows = l.temporary + n * gemm_packed_size(widest, CHUNK);
  l.a_low = l.packed_rows + grads * n * gemm_packed_size(H, l.rows);
  l.da_low = l.a_low + grads * M * R;
  l.packed_low = l.da_low + grads * n * l.rows * R;
  l.total = l.packed_low + grads * n * gemm_packed_size(R, l.rows);
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
  int64_t n;           // live rows
  int32_t columns;     // classes, or negatives
  const float *table;  // [columns,H]
  float *dtable;       // [columns,H]; NULL in evaluation and for a frozen table
  const float *offset; // [columns] added to scores; NULL: 0
  float *dbias;        // [columns]; NULL without bias, for a frozen one and in evaluation
  bool cosine, sampled;
  bool reduced; // scores are reduced by the logarithms of expected counts
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

// Scale and score of a row's own label, which is no column; where scores are reduced, this one only by the standard logQ.
static void prepare_label(const run *r, int64_t i) {
  const size_t H = (size_t)r->p->hidden;
  const float *t = labels_row(r, i);
  const float scale = r->cosine ? inverse_norm(t, H) : 1.0f;
  float s = simd()->dot(r->scratch + r->at.a + (size_t)i * H, t, H) * scale;
  if (r->p->bias != NULL) s += ((const float *)r->p->bias)[r->p->labels[i] - r->p->class_base];
  if (r->reduced && r->p->logq == LOGQ_STANDARD) s -= r->p->label_logq[i];
  r->scratch[r->at.label_scale + (size_t)i] = scale;
  r->scratch[r->at.label_score + (size_t)i] = s;
}

// a = x inv_temperature (/ |x|), and the scale of every column; sampled: the labels, and the offset of every column.
static void prepare_low(const run *r, int64_t i) {
  const size_t R = (size_t)r->p->low;
  float *a = r->scratch + r->at.a_low + (size_t)i * R;
  memcpy(a, (const float *)r->p->x_low + (size_t)i * R, R * sizeof *a);
  simd()->scale(r->p->inv_temperature, a, R);
}

static void prepare(run *r) {
  const size_t H = (size_t)r->p->hidden;
  const float *x = r->p->x, *bias = r->p->bias;
  float *a = r->scratch + r->at.a, *inv = r->scratch + r->at.inv_norm,
        *scale = r->scratch + r->at.column_scale, *offset = r->scratch + r->at.offset;
  const simd_table *k = simd();
#pragma omp parallel num_threads(r->ctx->threads)
  {
#pragma omp for schedule(static)
    for (int64_t i = 0; i < r->n; i++) {
      inv[i] = r->cosine ? inverse_norm(x + (size_t)i * H, H) : 1.0f;
      memcpy(a + (size_t)i * H, x + (size_t)i * H, H * sizeof(float));
      k->scale(inv[i] * r->p->inv_temperature, a + (size_t)i * H, H);
      if (r->sampled) prepare_label(r, i);
      if (r->p->low > 0 && r->p->dx != NULL) prepare_low(r, i);
    }
#pragma omp for schedule(static)
    for (int32_t j = 0; j < r->columns; j++) {
      scale[j] = r->cosine ? inverse_norm(r->table + (size_t)j * H, H) : 1.0f;
      if (r->sampled)
        offset[j] = (bias != NULL ? bias[r->p->negatives[j] - r->p->class_base] : 0.0f) -
                    (r->reduced ? r->p->negative_logq[j] : 0.0f);
    }
  }
  r->offset = r->sampled ? offset : bias;
}

static float *temporary_of(const run *r) { // of this thread: [CHUNK,H], packed or not
  const int32_t widest = r->p->low > r->p->hidden ? r->p->low : r->p->hidden;
  const size_t n = gemm_packed_size((size_t)widest, CHUNK);
  return r->scratch + r->at.temporary + (size_t)omp_get_thread_num() * n;
}

static float *packed_rows_of(const run *r) { // of this thread: a of a block's rows, packed
  const size_t n = gemm_packed_size((size_t)r->p->hidden, r->at.rows);
  return r->scratch + r->at.packed_rows + (size_t)omp_get_thread_num() * n;
}

static float *packed_low_of(const run *r) { // of this thread: x_low of a block's rows, packed
  const size_t n = gemm_packed_size((size_t)r->p->low, r->at.rows);
  return r->scratch + r->at.packed_low + (size_t)omp_get_thread_num() * n;
}

static int32_t chunk_width(int64_t begin, int64_t end) {
  return (int32_t)(end - begin < CHUNK ? end - begin : CHUNK);
}

// Scores of a chunk, [rows of the block][width]; c is its first column. Without gradients nobody asks for them again.
static float *chunk_scores(const run *r, int64_t c) {
  const int64_t at = r->p->forward_only ? (int64_t)omp_get_thread_num() * CHUNK : c;
  return r->scratch + r->at.scores + (size_t)at * r->at.rows;
}

// The shift of each row's exponentials in a chunk of the thread that has columns [begin, ...).
static float *chunk_shifts(const run *r, int64_t begin, int64_t c) {
  const int64_t chunk = begin / CHUNK + omp_get_thread_num() + (c - begin) / CHUNK;
  return r->scratch + r->at.shifts + (size_t)chunk * r->at.rows;
}

// What one thread knows of a block's rows, [rows] each, in sums over its columns.
typedef struct row_sums {
  float *maxima,
      *sums; // softmax: the largest score, and the sum of exp(score - it); binary: the sum of the logarithms
  float *totals;   // smoothing: the sum of scores; BPR: that of slopes
  float *left_out; // sampled: negatives that equal the label
} row_sums;

static row_sums sums_of(const run *r, int32_t thread) {
  float *const at = r->scratch + (size_t)thread * r->at.rows;
  return (row_sums){at + r->at.maxima, at + r->at.sums, at + r->at.totals, at + r->at.left_out};
}

// -infinity for the negatives that equal the label; returns how many there are.
static int32_t leave_out(const int32_t *tokens, int32_t label, float *s, int32_t n) {
  int32_t equal = 0;
#pragma omp simd reduction(+ : equal)
  for (int32_t j = 0; j < n; j++) {
    equal += tokens[j] == label;
    s[j] = tokens[j] == label ? -INFINITY : s[j];
  }
  return equal;
}

static float total(const float *s, int32_t n) { // of those that are not left out
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int32_t j = 0; j < n; j++) sum += s[j] > -INFINITY ? s[j] : 0.0f;
  return sum;
}

// Scores, of which row_max is the largest, become exp(s - the largest so far), 0 if there is none; returns that shift.
static float add_exponentials(const row_sums *to, int32_t i, float row_max, float *s, int32_t width) {
  const simd_table *k = simd();
  if (row_max > to->maxima[i]) {
    to->sums[i] = to->maxima[i] > -INFINITY ? to->sums[i] * expf(to->maxima[i] - row_max) : 0.0f;
    to->maxima[i] = row_max;
  }
  if (to->maxima[i] > -INFINITY)
    to->sums[i] += k->exp_sum(s, to->maxima[i], (size_t)width);
  else
    for (int32_t j = 0; j < width; j++)
      s[j] = s[j] < 0 ? 0.0f : s[j]; // all are left out, or NaN, which stays
  return to->maxima[i];
}

// s [count,width] = a t^T of `width` rows of the table.
static void multiply(const run *r, const float *a, int32_t count, const float *t, int32_t width, float *s) {
  const int32_t H = r->p->hidden;
  if (H > NARROW) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, count, width, H, 1.0f, a, H, t, H, 0.0f, s, width);
    return;
  }
  float *packed = temporary_of(r);
  gemm_pack(t, (size_t)H, (size_t)width, (size_t)H, packed);
  const simd_gemm g = {.m = (size_t)count,
                       .n = (size_t)width,
                       .k = (size_t)H,
                       .a = a,
                       .a_row = (size_t)H,
                       .a_step = 1,
                       .b = packed,
                       .packed = true,
                       .c = s,
                       .c_row = (size_t)width};
  simd()->gemm(&g);
}

// da [count,H] += g t. H: hidden, or the width of a table's factor.
static void multiply_rows(const run *r, const float *g, int32_t count, const float *t, int32_t width,
                          int32_t H, float *da) {
  if (H > NARROW) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, count, H, width, 1.0f, g, width, t, H, 1.0f, da,
                H);
    return;
  }
  float *packed = temporary_of(r);
  gemm_pack_rows(t, (size_t)H, (size_t)H, (size_t)width, packed);
  const simd_gemm product = {.m = (size_t)count,
                             .n = (size_t)H,
                             .k = (size_t)width,
                             .a = g,
                             .a_row = (size_t)width,
                             .a_step = 1,
                             .b = packed,
                             .packed = true,
                             .add = true,
                             .c = da,
                             .c_row = (size_t)H};
  simd()->gemm(&product);
}

// dt [width,H] += g^T a, a [count,H] also packed. H as above.
static void multiply_table(const float *g, int32_t count, const float *a, const float *packed, int32_t width,
                           int32_t H, float *dt) {
  if (H > NARROW) {
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, width, H, count, 1.0f, g, width, a, H, 1.0f, dt, H);
    return;
  }
  const simd_gemm product = {.m = (size_t)width,
                             .n = (size_t)H,
                             .k = (size_t)count,
                             .a = g,
                             .a_row = 1,
                             .a_step = (size_t)width,
                             .b = packed,
                             .packed = true,
                             .add = true,
                             .c = dt,
                             .c_row = (size_t)H};
  simd()->gemm(&product);
}

// Rows [first, first + count) against columns [begin, end): exponentials of scores; of binary losses: their slopes.
static void block_scores(const run *r, int64_t first, int32_t count, int64_t begin, int64_t end) {
  const simd_table *k = simd();
  const size_t H = (size_t)r->p->hidden;
  const float *a = r->scratch + r->at.a + (size_t)first * H, *scale = r->scratch + r->at.column_scale;
  float *labels = r->scratch + r->at.label_score + first;
  const row_sums sums = sums_of(r, omp_get_thread_num());
  for (int32_t i = 0; i < count; i++) {
    sums.maxima[i] = -INFINITY;
    sums.sums[i] = sums.totals[i] = sums.left_out[i] = 0.0f;
  }
  for (int64_t c = begin; c < end; c += CHUNK) {
    const int32_t width = chunk_width(c, end);
    float *scores = chunk_scores(r, c), *shifts = chunk_shifts(r, begin, c);
    multiply(r, a, count, r->table + (size_t)c * H, width, scores);
    for (int32_t i = 0; i < count; i++) {
      float *s = scores + (size_t)i * (size_t)width;
      if (r->cosine)
        for (int32_t j = 0; j < width; j++) s[j] *= scale[c + j];
      float row_max = -INFINITY; // softmax over all classes
      if (r->sampled)
        k->add(r->offset + c, s, (size_t)width);
      else
        row_max = r->offset != NULL ? k->add_max(r->offset + c, s, (size_t)width) : k->max(s, (size_t)width);
      if (r->sampled)
        sums.left_out[i] += (float)leave_out(r->p->negatives + c, r->p->labels[first + i], s, width);
      if (r->p->smoothing > 0) sums.totals[i] += total(s, width);
      const int64_t label = r->p->labels[first + i] - r->p->class_base;
      if (!r->sampled && label >= c && label < c + width) labels[i] = s[label - c];
      if (r->p->loss == LOSS_SOFTMAX) {
        if (r->sampled) row_max = k->max(s, (size_t)width);
        shifts[i] = add_exponentials(&sums, i, row_max, s, width);
      } else
        sums.sums[i] +=
            k->logistic(s, r->p->loss == LOSS_BPR ? labels[i] : 0.0f, &sums.totals[i], (size_t)width);
    }
  }
}

// How the scores of a block's rows become gradients.
typedef struct row_slopes {
  float row_max[MOST_ROWS]; // softmax: exp(score - row_max) factor; binary: slope factor
  float factor[MOST_ROWS];
  float even[MOST_ROWS];  // smoothing: taken from every candidate's
  float label[MOST_ROWS]; // the gradient of the label's own score; full: added to that of its column
} row_slopes;

static void smooth(const run *r, float even, int32_t label, int64_t column, float *g, int32_t n) {
  const int32_t *tokens = r->sampled ? r->p->negatives + column : NULL;
#pragma omp simd
  for (int32_t j = 0; j < n; j++) g[j] = tokens != NULL && tokens[j] == label ? 0.0f : g[j] - even;
}

// Cosine: the gradients of `width` rows of the table from c on, without what would only change their lengths.
static void add_projected(const run *r, const float *g, int32_t count, const float *a, int64_t c,
                          int32_t width) {
  const simd_table *k = simd();
  const size_t H = (size_t)r->p->hidden;
  const float *scale = r->scratch + r->at.column_scale + c, *t = r->table + (size_t)c * H;
  float *C = temporary_of(r), *dt = r->dtable + (size_t)c * H;
  memset(C, 0, (size_t)width * H * sizeof *C);
  multiply_table(g, count, a, packed_rows_of(r), width, (int32_t)H, C);
  for (int32_t j = 0; j < width; j++, t += H, C += H, dt += H) {
    const float along = k->dot(t, C, H) * projection(scale[j]);
    k->axpy(1.0f, C, dt, H);
    k->axpy(-along, t, dt, H);
  }
}

// The factors' gradients from `width` columns from c on.
static void add_low(const run *r, const float *g, int64_t first, int32_t count, int64_t c, int32_t width) {
  const xent_params *p = r->p;
  const size_t R = (size_t)p->low;
  float *part = r->scratch + r->at.da_low + (size_t)omp_get_thread_num() * r->at.rows * R;
  if (p->dx_low != NULL)
    multiply_rows(r, g, count, (const float *)p->table_low + (size_t)c * R, width, p->low, part);
  if (p->dtable_low != NULL)
    multiply_table(g, count, r->scratch + r->at.a_low + (size_t)first * R, packed_low_of(r), width, p->low,
                   p->dtable_low + (size_t)c * R);
}

static void begin_low(const run *r, int64_t first, int32_t count) {
  const size_t R = (size_t)r->p->low, n = (size_t)count;
  const float *a = r->scratch + r->at.a_low + (size_t)first * R;
  memset(r->scratch + r->at.da_low + (size_t)omp_get_thread_num() * r->at.rows * R, 0, n * R * sizeof *a);
  if (r->p->low <= NARROW) gemm_pack_rows(a, R, R, n, packed_low_of(r));
}

// Second pass over this thread's columns: gradients; da_part [count,H] is this thread's share of da.
static void block_gradients(const run *r, int64_t first, int32_t count, int64_t begin, int64_t end,
                            const row_slopes *slopes, float *da_part) {
  const simd_table *k = simd();
  const size_t H = (size_t)r->p->hidden;
  const float *a = r->scratch + r->at.a + (size_t)first * H, *scale = r->scratch + r->at.column_scale;
  memset(da_part, 0, (size_t)count * H * sizeof(float));
  if (H <= NARROW) gemm_pack_rows(a, H, H, (size_t)count, packed_rows_of(r));
  if (r->p->low > 0) begin_low(r, first, count);
  for (int64_t c = begin; c < end; c += CHUNK) {
    const int32_t width = chunk_width(c, end);
    float *scores = chunk_scores(r, c);
    const float *shifts = chunk_shifts(r, begin, c);
    for (int32_t i = 0; i < count; i++) {
      float *s = scores + (size_t)i * (size_t)width, factor = slopes->factor[i];
      const int32_t token = r->p->labels[first + i];
      if (r->p->loss == LOSS_SOFTMAX) factor *= expf(shifts[i] - slopes->row_max[i]);
      const int64_t label = r->sampled ? -1 : token - r->p->class_base - c;
      const bool here = label >= 0 && label < width;
      if (r->dbias != NULL && !here && !(r->p->smoothing > 0)) {
        k->scale_add(factor, s, r->dbias + c, (size_t)width);
      } else {
        k->scale(factor, s, (size_t)width);
        if (r->p->smoothing > 0) smooth(r, slopes->even[i], token, c, s, width);
        if (here) s[label] += slopes->label[i];
        if (r->dbias != NULL) k->add(s, r->dbias + c, (size_t)width);
      }
      if (r->cosine)
        for (int32_t j = 0; j < width; j++) s[j] *= scale[c + j];
    }
    const float *t = r->table + (size_t)c * H;
    multiply_rows(r, scores, count, t, width, (int32_t)H, da_part);
    if (r->p->low > 0) add_low(r, scores, first, count, c, width);
    if (r->dtable == NULL) continue;
    if (r->cosine)
      add_projected(r, scores, count, a, c, width);
    else
      multiply_table(scores, count, a, packed_rows_of(r), width, (int32_t)H, r->dtable + (size_t)c * H);
  }
}

// A row's sums over all threads.
typedef struct row_total {
  double best, sum; // softmax: the largest score, the label's among them, and the sum of exp(score - best)
  double total;
  double n; // columns that count: sampled less those that are left out
} row_total;

// `with_label`: the label is no column, and the softmax's sum begins with it.
static row_total add_parts(const run *r, int32_t i, int32_t parts, float label, bool with_label) {
  row_total t = {.best = label, .n = r->columns};
  for (int32_t k = 0; k < parts; k++) t.best = fmax(t.best, sums_of(r, k).maxima[i]);
  if (with_label) t.sum = exp((double)label - t.best);
  for (int32_t k = 0; k < parts; k++) {
    const row_sums s = sums_of(r, k);
    if (r->p->loss != LOSS_SOFTMAX)
      t.sum += s.sums[i];
    else if (s.maxima[i] > -INFINITY)
      t.sum += s.sums[i] * exp((double)s.maxima[i] - t.best);
    t.total += s.totals[i];
    t.n -= s.left_out[i];
  }
  return t;
}

// A loss, and its slopes: by the label's score, and what makes those by the others of exponentials or logistic slopes.
typedef struct row_loss {
  double loss, label, factor, over, even; // slope = exponential factor / over - even
} row_loss;

static bool is_corrected(const run *r) {
  return r->reduced && r->p->logq == LOGQ_CORRECTED;
}

static row_loss softmax_loss(const run *r, int64_t row, float label, row_total t) {
  const xent_params *p = r->p;
  const double rest = 1 - (double)p->smoothing, of_label = exp((double)label - t.best);
  double factor = 1;
  if (is_corrected(r) && t.n > 0) {
    const double S = p->n_negatives;
    factor = fmax(S - exp((double)p->label_logq[row]), 1e-6 * S) / t.n;
    t.total += t.n * log(factor);
  }
  if (is_corrected(r)) t.sum = factor * t.sum + of_label;
  if (r->sampled) t.total += (double)label;
  const double even = (double)p->smoothing / (t.n + r->sampled);
  return (row_loss){.loss = log(t.sum) + t.best - rest * (double)label - even * t.total,
                    .label = (r->sampled ? of_label / t.sum - even : 0) - rest,
                    .factor = factor,
                    .over = t.sum,
                    .even = even};
}

static row_loss gbce_loss(const run *r, float label, row_total t) {
  float slope = -label, unused = 0;
  const double beta = (double)r->p->beta, log_of_label = (double)simd()->logistic(&slope, 0, &unused, 1);
  return (row_loss){.loss = (beta * log_of_label + t.sum) / (t.n + 1),
                    .label = -beta * (double)slope / (t.n + 1),
                    .factor = 1,
                    .over = t.n + 1};
}

static row_loss bpr_loss(row_total t) {
  if (!(t.n > 0)) return (row_loss){.over = 1};
  return (row_loss){.loss = t.sum / t.n, .label = -t.total / t.n, .factor = 1, .over = t.n};
}

// Adds the losses of a block, and says how its scores become gradients.
static void block_losses(run *r, int64_t first, int32_t count, int32_t parts, row_slopes *slopes) {
  slot_result *result = &r->ctx->result.slot[r->p->slot];
  const bool softmax = r->p->loss == LOSS_SOFTMAX;
  for (int32_t i = 0; i < count; i++) {
    const int64_t row = first + i;
    const float label = r->scratch[r->at.label_score + (size_t)row];
    const row_total t = add_parts(r, i, parts, label, softmax && r->sampled && !is_corrected(r));
    const row_loss l = softmax                   ? softmax_loss(r, row, label, t)
                       : r->p->loss == LOSS_GBCE ? gbce_loss(r, label, t)
                                                 : bpr_loss(t);
    const double weight = r->p->weights[row], g = weight * r->ctx->state.scale[r->p->slot];
    if (r->p->row_loss != NULL) r->p->row_loss[row] = (float)l.loss;
    result->loss += weight * l.loss;
    result->weight += weight;
    if (!r->sampled && (double)label >= t.best) result->hits += weight;
    slopes->row_max[i] = (float)t.best;
    slopes->factor[i] = (float)(g * l.factor / l.over);
    slopes->even[i] = (float)(g * l.even);
    slopes->label[i] = (float)(g * l.label);
  }
}

// dx of the block's rows from the threads' shares of da.
static void block_rows(const run *r, int64_t first, int32_t count, int32_t parts, const row_slopes *slopes) {
  const simd_table *k = simd();
  const size_t H = (size_t)r->p->hidden;
  const float *inv = r->scratch + r->at.inv_norm;
  float *da = r->scratch + r->at.da;
#pragma omp for schedule(static)
  for (int32_t i = 0; i < count; i++) {
    const int64_t row = first + i;
    float *sum = da + (size_t)i * H, *dx = (float *)r->p->dx + (size_t)row * H;
    const float *x = (const float *)r->p->x + (size_t)row * H;
    for (int32_t t = 1; t < parts; t++) k->add(da + ((size_t)t * r->at.rows + (size_t)i) * H, sum, H);
    if (r->sampled)
      k->axpy(slopes->label[i] * r->scratch[r->at.label_scale + (size_t)row], labels_row(r, row), sum, H);
    const float scale = inv[row] * r->p->inv_temperature;
    const float along = r->cosine ? k->dot(x, sum, H) * projection(inv[row]) : 0.0f;
    for (size_t j = 0; j < H; j++) dx[j] = scale * (sum[j] - along * x[j]);
  }
}

static void block_rows_low(const run *r, int64_t first, int32_t count, int32_t parts) {
  const size_t R = (size_t)r->p->low;
  const float *da = r->scratch + r->at.da_low;
#pragma omp for schedule(static)
  for (int32_t i = 0; i < count; i++) {
    float *dx = (float *)r->p->dx_low + (size_t)(first + i) * R;
    memset(dx, 0, R * sizeof *dx);
    for (int32_t t = 0; t < parts; t++)
      simd()->axpy(r->p->inv_temperature, da + ((size_t)t * r->at.rows + (size_t)i) * R, dx, R);
  }
}

// Sampled: gradients of the labels' and negatives' rows go to the class table, in row order.
static void scatter_labels(const run *r, int64_t first, int32_t count, const row_slopes *slopes) {
  const simd_table *k = simd();
  const size_t H = (size_t)r->p->hidden;
  for (int32_t i = 0; i < count; i++) {
    const int64_t row = first + i;
    const size_t class = (size_t)(r->p->labels[row] - r->p->class_base);
    const float *a = r->scratch + r->at.a + (size_t)row * H, *t = labels_row(r, row);
    const float inv = r->scratch[r->at.label_scale + (size_t)row], g = slopes->label[i] * inv;
    if (r->p->dtable != NULL) {
      float *dt = r->p->dtable + class * H;
      k->axpy(g, a, dt, H);
      if (r->cosine) k->axpy(-g * k->dot(t, a, H) * projection(inv), t, dt, H);
    }
    if (r->p->dbias != NULL) r->p->dbias[class] += slopes->label[i];
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
  const bool grads = p->dx != NULL && !p->forward_only, sampled = p->n_negatives > 0;
  run r = {.p = p,
           .ctx = ctx,
           .at = lay_out(p, ctx->threads),
           .scratch = (float *)(void *)ctx->scratch,
           .n = rows_live(ctx, p->n),
           .columns = sampled ? p->n_negatives : p->classes,
           .table = p->table,
           .dtable = grads ? p->dtable : NULL,
           .dbias = grads && p->bias != NULL ? p->dbias : NULL,
           .cosine = p->score == SCORE_COSINE,
           .sampled = sampled,
           .reduced = sampled && p->loss == LOSS_SOFTMAX && p->logq != LOGQ_NONE};
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
  row_slopes slopes;
#pragma omp parallel num_threads(ctx->threads)
  {
    const int32_t parts = omp_get_num_threads(), part = omp_get_thread_num();
    int64_t begin, end;
    split_rows(r.columns, 16, parts, part, &begin, &end);
    const int64_t block = (int64_t)r.at.rows;
    for (int64_t first = 0; first < r.n; first += block) {
      const int32_t count = (int32_t)(r.n - first < block ? r.n - first : block);
      block_scores(&r, first, count, begin, end);
#pragma omp barrier
#pragma omp single
      block_losses(&r, first, count, parts, &slopes);
      if (!grads) continue;
      block_gradients(&r, first, count, begin, end, &slopes,
                      r.scratch + r.at.da + (size_t)part * r.at.rows * H);
#pragma omp barrier
      block_rows(&r, first, count, parts, &slopes);
      if (p->low > 0 && p->dx_low != NULL) block_rows_low(&r, first, count, parts);
      if (sampled) {
#pragma omp single
        scatter_labels(&r, first, count, &slopes);
      }
    }
  }
  if (grads && sampled) scatter_negatives(&r);
  if (grads && !sampled && p->touched != NULL) memset(p->touched, 1, (size_t)p->classes);
  return OK;
}
