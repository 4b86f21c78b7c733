// Linear + a loss over classes without whole logits: what lies between the matmuls of src/cuda/cuda_xent.c, which says in
// which order all of it runs.
//
//   s_ij = p_ij c_j + o_j,  p = a t^T,  a_i = x_i inv_temperature (cosine: / |x_i|),  c_j = 1 (cosine: 1 / |t_j|),
//   o_j = bias_j, for a sampled softmax less the log of the negative's expected count
//   nll_i = log sum_j exp(s_ij) - s_i,label;   g_ij = hot_i (softmax_ij - [j is the label]),  hot_i = weight_i scale
// and, sampled, the label is one more column of its own while a negative equal to it is left out.
//
// Binary losses (gBCE, BPR; ops.h): g_ij = factor_i / (1 + exp(-(s_ij - u_i))), u_i the label's score (BPR) or 0, so they differ
// in how a row is summed up (binary_losses) and in one line of gradients. Label smoothing e over n candidates takes e / n
// from every g_ij and leaves 1 - e to the label. The corrected logQ multiplies a row's sum over its negatives by one factor.
//
// losses: a block a row, which it reads once; each thread keeps a running maximum and sum of exponentials (Milakov,
// Gimelshein: Online normalizer calculation for softmax, 2018), four columns at a time, and the block combines them.
// gradients: a block 128 columns x XENT_TILE rows, g written over the matmuls (times c_j: what the matmuls need). The
// columns' sums of g (for the biases) and of g p c (for cosine) come with it, a row of partial sums a tile.
//
// Cosine. With C_j = sum_i g_ij c_j a_i the gradient of t_j is C_j - t_j c_j^2 (t_j . C_j), and t_j . C_j =
// sum_i g_ij c_j p_ij: the sum q_j that the gradient kernel makes on the way. So C can go straight into dtable, added up
// by the matmuls over all blocks of rows, and its component along t_j is subtracted at the end (finish_columns); no
// second array of the table's size, nor passes over it for every block. For x the dot product of a row with its
// gradient does (finish_rows). Where a norm is below its floor of 1e-6 the divisor is constant and nothing is
// projected.
//
// Bytes: losses read 4 a score, gradients read and write 4: 12 beside the matmuls' own reads and writes, three passes
// where one that recomputes the scores would need none, for half as much arithmetic again. Blocks of scores are sized to
// stay, in part, in the L2 cache. All other kernels go over [M,H] or [columns,H] once, a warp a row, 16 bytes a lane.
//
// Determinism: no atomics. Sums over columns are made by a block in a fixed order, those over rows in partial sums of
// tiles, those over all rows by one block (result). Labels and negatives repeat, so their gradients are written as rows
// beside each other and added to the table by the scatter of the gather op, in an order of its own that is fixed too.
//
// Products and sums are rounded separately (__fmul_rn, __fadd_rn), so that all kernels compute the same score: the
// label is a hit when its score equals the maximum.
//
// Expected: up to 52 registers; shared memory 4 KB (gradients), 6 KB (result), else below 130 bytes.
#include <math.h>
#include "rows.cuh"
#include "tile_sums.cuh"

namespace {

constexpr int LOSS_THREADS = 256, LOSS_WARPS = LOSS_THREADS / 32;
constexpr int WIDTH = 4 * LANES; // of a block of the gradient kernel
constexpr int RESULT_THREADS = 256;
constexpr float INVERSE_FLOOR = 1e6f;

DEVICE float inverse_norm(float squares) {
  return 1.0f / fmaxf(sqrtf(squares), 1e-6f);
}
// The factor of the projection off a vector's own direction.
DEVICE float projection(float inverse) {
  return inverse < INVERSE_FLOOR ? inverse * inverse : 0.0f;
}

// Up to four floats from an address on 16 bytes; `rest` past the end.
DEVICE void load_some(float (&x)[4], const float *p, int count, float rest) {
  if (count >= 4) {
    gpu::load4(x, p);
    return;
  }
#pragma unroll
  for (int e = 0; e < 4; e++) x[e] = e < count ? p[e] : rest;
}

struct block_args {
  int columns, ld, first, count, class_base, slot;
  rows n;
  const step_state *state;
  float *scores;
  const float *scale, *offset;
  const int32_t *labels, *negatives; // negatives: NULL if full
  const float *weights;
};

// ---- losses ------------------------------------------------------------------------------------------------------

struct loss_args {
  block_args b;
  const float *label_score; // sampled
  const float *label_logq;  // of the corrected logQ; NULL: it is not wanted
  loss_kind kind;
  float smoothing, beta;
  float *row_max, *factor, *hot, *even, *dlabel, *row_loss;
  int32_t *hits;
  double *nll;
};

// Running maximum and sum of exp(score - maximum).
struct softmax_sum {
  float row_max, sum;
};

DEVICE void include(softmax_sum &s, const float (&x)[4]) { // -infinity: nothing
  const float best = fmaxf(fmaxf(x[0], x[1]), fmaxf(x[2], x[3]));
  if (best > s.row_max) {
    s.sum *= expf(s.row_max - best);
    s.row_max = best;
  }
#pragma unroll
  for (int e = 0; e < 4; e++)
    if (x[e] != -INFINITY) s.sum += expf(x[e] - s.row_max);
}

// Scores of up to four columns of a row; -infinity for what is past the end, and for a negative that equals the label.
// Returns how many of these there are.
DEVICE int load_scores(float (&x)[4], const block_args &b, const float *scores, int c, int token) {
  const int here = b.columns - c;
  float y[4];
  int equal = 0;
  load_some(x, scores + c, here, -INFINITY);
  if (b.scale != nullptr) {
    load_some(y, b.scale + c, here, 1.0f);
#pragma unroll
    for (int e = 0; e < 4; e++) x[e] = __fmul_rn(x[e], y[e]);
  }
  if (b.offset != nullptr) {
    load_some(y, b.offset + c, here, 0.0f);
#pragma unroll
    for (int e = 0; e < 4; e++) x[e] = __fadd_rn(x[e], y[e]);
  }
  if (b.negatives != nullptr)
#pragma unroll
    for (int e = 0; e < 4; e++)
      if (e < here && b.negatives[c + e] == token) {
        x[e] = -INFINITY;
        equal++;
      }
  return equal;
}

__global__ void __launch_bounds__(LOSS_THREADS) losses(loss_args a) {
  __shared__ float tops[LOSS_WARPS], sums[LOSS_WARPS], totals[LOSS_WARPS], equals[LOSS_WARPS];
  const int at = static_cast<int>(blockIdx.x), row = a.b.first + at, thread = static_cast<int>(threadIdx.x);
  if (row >= gpu::live_rows(a.b.n, a.b.state)) return; // the whole block
  const float *scores = a.b.scores + static_cast<size_t>(at) * static_cast<size_t>(a.b.ld);
  const int token = a.b.labels[row], label = token - a.b.class_base;
  softmax_sum own = {-INFINITY, 0.0f};
  float total = 0.0f; // of the scores
  int equal = 0;
  for (int c = 4 * thread; c < a.b.columns; c += 4 * LOSS_THREADS) {
    float x[4];
    equal += load_scores(x, a.b, scores, c, token);
    include(own, x);
    if (a.smoothing > 0.0f)
#pragma unroll
      for (int e = 0; e < 4; e++)
        if (x[e] != -INFINITY) total += x[e];
  }
  float of_label;
  if (a.b.negatives != nullptr) {
    of_label = a.label_score[row];
  } else {
    of_label = scores[label];
    if (a.b.scale != nullptr) of_label = __fmul_rn(of_label, a.b.scale[label]);
    if (a.b.offset != nullptr) of_label = __fadd_rn(of_label, a.b.offset[label]);
  }
  const float warp_max = gpu::warp_max(own.row_max);
  if (gpu::lane_id() == 0) tops[gpu::warp_id()] = warp_max;
  __syncthreads();
  float best = of_label;
#pragma unroll
  for (int w = 0; w < LOSS_WARPS; w++) best = fmaxf(best, tops[w]);
  const float part = gpu::warp_sum(own.row_max > -INFINITY ? own.sum * expf(own.row_max - best) : own.sum);
  const float warp_total = gpu::warp_sum(total), warp_equal = gpu::warp_sum(static_cast<float>(equal));
  if (gpu::lane_id() == 0) {
    sums[gpu::warp_id()] = part;
    totals[gpu::warp_id()] = warp_total;
    equals[gpu::warp_id()] = warp_equal;
  }
  __syncthreads();
  if (thread > 0) return;
  const bool sampled = a.b.negatives != nullptr;
  float n = static_cast<float>(a.b.columns), rest = 0.0f, ratio = 1.0f;
  total = 0.0f;
#pragma unroll
  for (int w = 0; w < LOSS_WARPS; w++) {
    rest += sums[w];
    total += totals[w];
    n -= equals[w];
  }
  if (a.label_logq != nullptr && n > 0.0f) {
    const float S = static_cast<float>(a.b.columns);
    ratio = fmaxf(S - expf(a.label_logq[row]), 1e-6f * S) / n;
    total += n * logf(ratio);
  }
  if (sampled) {
    total += of_label;
    n += 1.0f;
  }
  const float share = expf(of_label - best), sum = sampled ? share + ratio * rest : rest;
  const float even = a.smoothing / n, wanted = 1.0f - a.smoothing;
  const double nll = log(static_cast<double>(sum)) + static_cast<double>(best) -
                     (1.0 - static_cast<double>(a.smoothing)) * static_cast<double>(of_label) -
                     static_cast<double>(even) * static_cast<double>(total);
  const float hot = a.b.weights[row] * a.b.state->scale[a.b.slot];
  a.nll[row] = nll;
  a.row_max[row] = best;
  a.hot[row] = hot * wanted;
  a.factor[row] = hot * ratio / sum;
  if (a.even != nullptr) a.even[row] = hot * even;
  a.hits[row] = !sampled && of_label >= best;
  if (a.row_loss != nullptr) a.row_loss[row] = static_cast<float>(nll);
  if (sampled) a.dlabel[row] = hot * (share / sum - even - wanted);
}

struct logistic {
  float slope, sum; // 1 / (1 + exp(-x)), log(1 + exp(x))
};

DEVICE logistic logistic_of(float x) { // -infinity: nothing
  const float e = expf(-fabsf(x)), w = 1.0f / (1.0f + e);
  return {x > 0.0f ? w : e * w, fmaxf(x, 0.0f) + log1pf(e)};
}

// Of gBCE and BPR.
__global__ void __launch_bounds__(LOSS_THREADS) binary_losses(loss_args a) {
  __shared__ float sums[LOSS_WARPS], slopes[LOSS_WARPS], equals[LOSS_WARPS];
  const int at = static_cast<int>(blockIdx.x), row = a.b.first + at, thread = static_cast<int>(threadIdx.x);
  if (row >= gpu::live_rows(a.b.n, a.b.state)) return; // the whole block
  const float *scores = a.b.scores + static_cast<size_t>(at) * static_cast<size_t>(a.b.ld);
  const float of_label = a.label_score[row], from = a.kind == LOSS_BPR ? of_label : 0.0f;
  float sum = 0.0f, slope = 0.0f;
  int equal = 0;
  for (int c = 4 * thread; c < a.b.columns; c += 4 * LOSS_THREADS) {
    float x[4];
    equal += load_scores(x, a.b, scores, c, a.b.labels[row]);
#pragma unroll
    for (int e = 0; e < 4; e++)
      if (x[e] != -INFINITY) {
        const logistic l = logistic_of(x[e] - from);
        sum += l.sum;
        slope += l.slope;
      }
  }
  sum = gpu::warp_sum(sum);
  slope = gpu::warp_sum(slope);
  const float warp_equal = gpu::warp_sum(static_cast<float>(equal));
  if (gpu::lane_id() == 0) {
    sums[gpu::warp_id()] = sum;
    slopes[gpu::warp_id()] = slope;
    equals[gpu::warp_id()] = warp_equal;
  }
  __syncthreads();
  if (thread > 0) return;
  float n = static_cast<float>(a.b.columns);
  sum = slope = 0.0f;
#pragma unroll
  for (int w = 0; w < LOSS_WARPS; w++) {
    sum += sums[w];
    slope += slopes[w];
    n -= equals[w];
  }
  if (a.kind == LOSS_GBCE) {
    const logistic l = logistic_of(-of_label);
    sum += a.beta * l.sum;
    slope = a.beta * l.slope;
    n += 1.0f;
  }
  const float each = n > 0.0f ? 1.0f / n : 0.0f, hot = a.b.weights[row] * a.b.state->scale[a.b.slot];
  a.nll[row] = static_cast<double>(sum) * static_cast<double>(each);
  a.row_max[row] = from;
  a.hot[row] = 0.0f;
  a.factor[row] = hot * each;
  a.hits[row] = 0;
  if (a.row_loss != nullptr) a.row_loss[row] = sum * each;
  a.dlabel[row] = -hot * each * slope;
}

// ---- gradients ---------------------------------------------------------------------------------------------------

struct gradient_args {
  block_args b;
  bool binary;
  const float *row_max, *factor, *hot, *even; // even: NULL without smoothing
  float *partial_g, *partial_q;
};

__global__ void __launch_bounds__(TILE_THREADS) gradients(gradient_args a) {
  const int live = gpu::live_rows(a.b.n, a.b.state);
  const int column = static_cast<int>(blockIdx.x) * WIDTH + 4 * static_cast<int>(threadIdx.x);
  const int here = a.b.columns - column, tile = static_cast<int>(blockIdx.y) * XENT_TILE;
  float scale[4] = {1.0f, 1.0f, 1.0f, 1.0f}, offset[4] = {}, sum_g[4] = {}, sum_q[4] = {};
  int token[4] = {};
  if (here > 0) {
    if (a.b.scale != nullptr) load_some(scale, a.b.scale + column, here, 1.0f);
    if (a.b.offset != nullptr) load_some(offset, a.b.offset + column, here, 0.0f);
#pragma unroll
    for (int e = 0; e < 4; e++)
      if (a.b.negatives == nullptr)
        token[e] = a.b.class_base + column + e;
      else if (e < here)
        token[e] = a.b.negatives[column + e];
  }
  for (int r = static_cast<int>(threadIdx.y); r < XENT_TILE && here > 0; r += TALL) {
    const int at = tile + r, row = a.b.first + at;
    if (at >= a.b.count) break;
    float *p =
        a.b.scores + static_cast<size_t>(at) * static_cast<size_t>(a.b.ld) + static_cast<size_t>(column);
    float x[4] = {};
    if (row < live) {
      const int label = a.b.labels[row];
      const float row_max = a.row_max[row], factor = a.factor[row], hot = a.hot[row],
                  even = a.even != nullptr ? a.even[row] : 0.0f;
      load_some(x, p, here, 0.0f);
#pragma unroll
      for (int e = 0; e < 4; e++) {
        const float v = __fmul_rn(x[e], scale[e]);
        const float s = __fadd_rn(v, offset[e]) - row_max;
        float g = (a.binary ? logistic_of(s).slope : expf(s)) * factor - even;
        if (token[e] == label) g = a.b.negatives == nullptr ? g - hot : 0.0f;
        sum_g[e] += g;
        sum_q[e] += g * v;
        x[e] = g * scale[e];
      }
    }
    gpu::store4(p, x); // rows have room for whole quads
  }
  if (a.partial_g != nullptr) keep_sums(a.partial_g, sum_g, 4, a.b.columns);
  if (a.partial_q != nullptr) keep_sums(a.partial_q, sum_q, 4, a.b.columns);
}

// ---- the step's result -------------------------------------------------------------------------------------------

struct result_args {
  rows n;
  int slot;
  const step_state *state;
  const double *nll;
  const float *weights;
  const int32_t *hits;
  step_result *result;
};

__global__ void __launch_bounds__(RESULT_THREADS) result(result_args a) {
  __shared__ double parts[3][RESULT_THREADS];
  const int live = gpu::live_rows(a.n, a.state), thread = static_cast<int>(threadIdx.x);
  double loss = 0, weight = 0, hits = 0;
  for (int row = thread; row < live; row += RESULT_THREADS) {
    const double w = static_cast<double>(a.weights[row]);
    loss += w * a.nll[row];
    weight += w;
    if (a.hits[row] != 0) hits += w;
  }
  parts[0][thread] = loss;
  parts[1][thread] = weight;
  parts[2][thread] = hits;
  for (int half = RESULT_THREADS / 2; half > 0; half /= 2) {
    __syncthreads();
    if (thread < half)
#pragma unroll
      for (int k = 0; k < 3; k++) parts[k][thread] += parts[k][thread + half];
  }
  if (thread > 0) return;
  slot_result *slot = a.result->slot + a.slot;
  slot->loss += parts[0][0];
  slot->weight += parts[1][0];
  slot->hits += parts[2][0];
}

// ---- rows and columns --------------------------------------------------------------------------------------------

template <class T> struct table_args {
  int hidden, columns, negatives, class_base; // negatives 0: full
  rows n;
  const step_state *state;
  bool cosine;
  float inv_temperature;
  const T *x, *table, *bias;
  const int32_t *labels, *negative_tokens;
  const float *negative_logq, *label_logq; // that scores are reduced by; NULL: 0
  uint8_t *touched;                        // NULL: not wanted, or no gradients
  T *dx;
  xent_work w;
};

template <bool VEC, class T> DEVICE float sum_squares(const T *p, int hidden) { // all lanes
  float sum = 0.0f;
  for (int h = 4 * gpu::lane_id(); h < hidden; h += STEP) {
    float x[4];
    load_quad<VEC>(x, p, h, hidden);
#pragma unroll
    for (int e = 0; e < 4; e++) sum += x[e] * x[e];
  }
  return gpu::warp_sum(sum);
}
template <bool VEC, class T, class U> DEVICE float dot(const T *p, const U *q, int hidden) { // all lanes
  float sum = 0.0f;
  for (int h = 4 * gpu::lane_id(); h < hidden; h += STEP) {
    float x[4], y[4];
    load_quad<VEC>(x, p, h, hidden);
    load_quad<VEC>(y, q, h, hidden);
#pragma unroll
    for (int e = 0; e < 4; e++) sum += x[e] * y[e];
  }
  return gpu::warp_sum(sum);
}

DEVICE int warp_row() {
  return static_cast<int>(blockIdx.x) * ROW_WARPS + gpu::warp_id();
}
DEVICE size_t row_at(int row, int hidden) {
  return static_cast<size_t>(row) * static_cast<size_t>(hidden);
}

// Full and dot: the scores' offset is the bias as it is.
template <class T>
__global__ void __launch_bounds__(256) bias_columns(float *offset, const T *bias, int columns) {
  const int j = static_cast<int>(blockIdx.x) * 256 + static_cast<int>(threadIdx.x);
  if (j < columns) offset[j] = gpu::to_float(bias[j]);
}

// Cosine or sampled: a warp a column.
template <bool VEC, class T> __global__ void __launch_bounds__(ROW_WARPS * 32) columns(table_args<T> a) {
  const int j = warp_row(), H = a.hidden;
  if (j >= a.columns) return;
  const int of = a.negatives > 0 ? a.negative_tokens[j] - a.class_base : j;
  const T *t = a.table + row_at(of, H);
  if (a.negatives > 0) {
    for (int h = 4 * gpu::lane_id(); h < H; h += STEP) {
      float x[4];
      load_quad<VEC>(x, t, h, H);
      store_quad<VEC>(a.w.negatives + row_at(j, H), x, h, H);
    }
  }
  const float inverse = a.cosine ? inverse_norm(sum_squares<VEC>(t, H)) : 1.0f;
  if (gpu::lane_id() > 0) return;
  if (a.cosine) a.w.scale[j] = inverse;
  if (a.w.offset != nullptr)
    a.w.offset[j] = (a.bias != nullptr ? gpu::to_float(a.bias[of]) : 0.0f) -
                    (a.negative_logq != nullptr ? a.negative_logq[j] : 0.0f);
  if (a.negatives == 0) return;
  a.w.classes[j] = of;
  if (a.touched != nullptr) gpu::set_flag(a.touched + of);
}

template <bool VEC, class T> __global__ void __launch_bounds__(ROW_WARPS * 32) prepare_rows(table_args<T> a) {
  const int row = warp_row(), H = a.hidden;
  if (row >= a.n.cap) return;
  const bool live = row < gpu::live_rows(a.n, a.state);
  const T *x = a.x + row_at(row, H);
  const float inverse = a.cosine && live ? inverse_norm(sum_squares<VEC>(x, H)) : 1.0f;
  const float factor = inverse * a.inv_temperature;
  for (int h = 4 * gpu::lane_id(); h < H; h += STEP) {
    float v[4] = {};
    if (live) load_quad<VEC>(v, x, h, H);
#pragma unroll
    for (int e = 0; e < 4; e++) v[e] *= factor;
    store_quad<VEC>(a.w.a + row_at(row, H), v, h, H);
  }
  if (!live) return;
  if (gpu::lane_id() == 0) a.w.inverse[row] = inverse;
  if (a.negatives == 0) return;
  const int label = a.labels[row] - a.class_base;
  const T *t = a.table + row_at(label, H);
  const float scale = a.cosine ? inverse_norm(sum_squares<VEC>(t, H)) : 1.0f;
  const float product = dot<VEC>(x, t, H) * factor * scale;
  if (gpu::lane_id() > 0) return;
  a.w.label_scale[row] = scale;
  a.w.label_dot[row] = product;
  a.w.label_score[row] = product + (a.bias != nullptr ? gpu::to_float(a.bias[label]) : 0.0f) -
                         (a.label_logq != nullptr ? a.label_logq[row] : 0.0f);
}

// Completes da_i: with sampled losses the matmuls lack the label's part.
template <bool VEC, class T>
DEVICE void whole_da(float (&v)[4], const float *da, const T *t, float g, int h, int hidden) {
  load_quad<VEC>(v, da, h, hidden);
  if (t == nullptr) return;
  float y[4];
  load_quad<VEC>(y, t, h, hidden);
#pragma unroll
  for (int e = 0; e < 4; e++) v[e] += g * y[e];
}

template <bool VEC, class T> __global__ void __launch_bounds__(ROW_WARPS * 32) finish_rows(table_args<T> a) {
  const int row = warp_row(), H = a.hidden;
  if (row >= a.n.cap) return;
  const bool live = row<gpu::live_rows(a.n, a.state), sampled = a.negatives> 0;
  const int label = live && sampled ? a.labels[row] - a.class_base : 0;
  const T *t = sampled ? a.table + row_at(label, H) : nullptr;
  const float g = live && sampled ? a.w.dlabel[row] : 0.0f,
              label_scale = live && sampled ? a.w.label_scale[row] : 1.0f;
  if (live) {
    const T *x = a.x + row_at(row, H);
    const float *da = a.w.da + row_at(row, H);
    const float inverse = a.w.inverse[row], factor = inverse * a.inv_temperature;
    float along = 0.0f;
    if (a.cosine) {
      for (int h = 4 * gpu::lane_id(); h < H; h += STEP) {
        float v[4], y[4];
        whole_da<VEC>(v, da, t, g * label_scale, h, H);
        load_quad<VEC>(y, x, h, H);
#pragma unroll
        for (int e = 0; e < 4; e++) along += v[e] * y[e];
      }
      along = gpu::warp_sum(along) * projection(inverse);
    }
    for (int h = 4 * gpu::lane_id(); h < H; h += STEP) {
      float v[4], y[4] = {};
      whole_da<VEC>(v, da, t, g * label_scale, h, H);
      if (a.cosine) load_quad<VEC>(y, x, h, H);
#pragma unroll
      for (int e = 0; e < 4; e++) v[e] = factor * (v[e] - along * y[e]);
      store_quad<VEC>(a.dx + row_at(row, H), v, h, H);
    }
  }
  if (!sampled) return;
  // The label's row of the table. Dead rows add zeros to the first class.
  const int to = a.negatives + row;
  if (a.w.drows != nullptr) {
    const float along = a.cosine && live ? g * a.w.label_dot[row] * projection(label_scale) : 0.0f;
    for (int h = 4 * gpu::lane_id(); h < H; h += STEP) {
      float v[4] = {}, y[4] = {};
      if (live) load_quad<VEC>(v, a.w.a + row_at(row, H), h, H);
      if (live && a.cosine) load_quad<VEC>(y, t, h, H);
#pragma unroll
      for (int e = 0; e < 4; e++) v[e] = g * label_scale * v[e] - along * y[e];
      store_quad<VEC>(a.w.drows + row_at(to, H), v, h, H);
    }
  }
  if (gpu::lane_id() > 0) return;
  a.w.classes[to] = label;
  if (a.w.dbias != nullptr) a.w.dbias[to] = g;
  if (live && a.touched != nullptr) gpu::set_flag(a.touched + label);
}

// to_j -= t_j c_j^2 q_j.
template <bool VEC, class T>
__global__ void __launch_bounds__(ROW_WARPS * 32)
    finish_columns(float *to, const T *table, const float *scale, const float *q, int n_columns, int hidden) {
  const int j = warp_row();
  if (j >= n_columns) return;
  const float along = q[j] * projection(scale[j]);
  for (int h = 4 * gpu::lane_id(); h < hidden; h += STEP) {
    float v[4], y[4];
    load_quad<VEC>(v, to + row_at(j, hidden), h, hidden);
    load_quad<VEC>(y, table + row_at(j, hidden), h, hidden);
#pragma unroll
    for (int e = 0; e < 4; e++) v[e] -= along * y[e];
    store_quad<VEC>(to + row_at(j, hidden), v, h, hidden);
  }
}

// ---- launchers ---------------------------------------------------------------------------------------------------

bool is_sampled(const xent_params *p) {
  return p->n_negatives > 0;
}

// Are scores reduced by the logs of expected counts?
bool is_reduced(const xent_params *p) {
  return is_sampled(p) && p->loss == LOSS_SOFTMAX && p->logq != LOGQ_NONE;
}

block_args block_of(const launch *l, const xent_params *p, const xent_work *w, int32_t first, int32_t count) {
  block_args b = {};
  b.columns = w->columns;
  b.ld = w->ld;
  b.first = first;
  b.count = count;
  b.class_base = p->class_base;
  b.slot = p->slot;
  b.n = p->n;
  b.state = l->state;
  b.scores = w->scores;
  b.scale = w->scale;
  b.offset = w->offset;
  b.labels = p->labels;
  b.negatives = is_sampled(p) ? p->negatives : nullptr;
  b.weights = p->weights;
  return b;
}

template <class T> table_args<T> table_of(const launch *l, const xent_params *p, const xent_work *w) {
  table_args<T> a = {};
  a.hidden = p->hidden;
  a.columns = w->columns;
  a.negatives = p->n_negatives;
  a.class_base = p->class_base;
  a.n = p->n;
  a.state = l->state;
  a.cosine = p->score == SCORE_COSINE;
  a.inv_temperature = p->inv_temperature;
  a.x = static_cast<const T *>(p->x);
  a.table = static_cast<const T *>(p->table);
  a.bias = static_cast<const T *>(p->bias);
  a.labels = p->labels;
  a.negative_tokens = p->negatives;
  a.negative_logq = is_reduced(p) ? p->negative_logq : nullptr;
  a.label_logq = is_reduced(p) && p->logq == LOGQ_STANDARD ? p->label_logq : nullptr;
  a.touched = p->dx != nullptr ? p->touched : nullptr;
  a.dx = static_cast<T *>(p->dx);
  a.w = *w;
  return a;
}

template <class T> bool vectors(const xent_params *p) {
  return p->hidden % 4 == 0 && on_16_bytes(static_cast<const T *>(p->x)) &&
         on_16_bytes(static_cast<const T *>(p->table)) && on_16_bytes(static_cast<const T *>(p->dx)) &&
         on_16_bytes(p->dtable);
}

cudaLaunchConfig_t warps(const launch *l, int n) {
  return launch_shape(l, dim3(static_cast<unsigned>(gpu::ceil_div(n, ROW_WARPS))), ROW_WARPS * 32, 0);
}

template <class T> cudaError_t start_columns(const launch *l, const xent_params *p, const xent_work *w) {
  if (p->score != SCORE_COSINE && !is_sampled(p)) {
    if (w->offset == nullptr) return cudaSuccess;
    const cudaLaunchConfig_t c =
        launch_shape(l, dim3(static_cast<unsigned>(gpu::ceil_div(w->columns, 256))), 256, 0);
    return cudaLaunchKernelEx(&c, bias_columns<T>, w->offset, static_cast<const T *>(p->bias), w->columns);
  }
  const table_args<T> a = table_of<T>(l, p, w);
  const cudaLaunchConfig_t c = warps(l, w->columns);
  return vectors<T>(p) ? cudaLaunchKernelEx(&c, columns<true, T>, a)
                       : cudaLaunchKernelEx(&c, columns<false, T>, a);
}

template <class T> cudaError_t start_rows(const launch *l, const xent_params *p, const xent_work *w) {
  const table_args<T> a = table_of<T>(l, p, w);
  const cudaLaunchConfig_t c = warps(l, p->n.cap);
  return vectors<T>(p) ? cudaLaunchKernelEx(&c, prepare_rows<true, T>, a)
                       : cudaLaunchKernelEx(&c, prepare_rows<false, T>, a);
}

template <class T> cudaError_t end_rows(const launch *l, const xent_params *p, const xent_work *w) {
  const table_args<T> a = table_of<T>(l, p, w);
  const cudaLaunchConfig_t c = warps(l, p->n.cap);
  return vectors<T>(p) ? cudaLaunchKernelEx(&c, finish_rows<true, T>, a)
                       : cudaLaunchKernelEx(&c, finish_rows<false, T>, a);
}

template <class T>
cudaError_t end_columns(const launch *l, const xent_params *p, const xent_work *w, float *to,
                        const T *table) {
  const cudaLaunchConfig_t c = warps(l, w->columns);
  return vectors<T>(p) ? cudaLaunchKernelEx(&c, finish_columns<true, T>, to, table, w->scale, w->q,
                                            w->columns, p->hidden)
                       : cudaLaunchKernelEx(&c, finish_columns<false, T>, to, table, w->scale, w->q,
                                            w->columns, p->hidden);
}

} // namespace

extern "C" cudaError_t launch_xent_columns(const launch *l, const xent_params *p, const xent_work *w) {
  return start_columns<float>(l, p, w);
}

extern "C" cudaError_t launch_xent_rows(const launch *l, const xent_params *p, const xent_work *w) {
  return p->n.cap < 1 ? cudaSuccess : start_rows<float>(l, p, w);
}

extern "C" cudaError_t launch_xent_losses(const launch *l, const xent_params *p, const xent_work *w,
                                          int32_t first, int32_t count) {
  loss_args a = {};
  a.b = block_of(l, p, w, first, count);
  a.label_score = w->label_score;
  a.label_logq = is_reduced(p) && p->logq == LOGQ_CORRECTED ? p->label_logq : nullptr;
  a.kind = p->loss;
  a.smoothing = p->smoothing;
  a.beta = p->beta;
  a.even = w->even;
  a.row_max = w->row_max;
  a.factor = w->factor;
  a.hot = w->hot;
  a.dlabel = w->dlabel;
  a.row_loss = p->row_loss;
  a.hits = w->hits;
  a.nll = w->nll;
  const cudaLaunchConfig_t c = launch_shape(l, dim3(static_cast<unsigned>(count)), LOSS_THREADS, 0);
  return p->loss == LOSS_SOFTMAX ? cudaLaunchKernelEx(&c, losses, a)
                                 : cudaLaunchKernelEx(&c, binary_losses, a);
}

extern "C" cudaError_t launch_xent_gradients(const launch *l, const xent_params *p, const xent_work *w,
                                             int32_t first, int32_t count) {
  gradient_args a = {};
  a.b = block_of(l, p, w, first, count);
  a.binary = p->loss != LOSS_SOFTMAX;
  a.even = w->even;
  a.row_max = w->row_max;
  a.factor = w->factor;
  a.hot = w->hot;
  a.partial_g = w->partial_g;
  a.partial_q = w->partial_q;
  const dim3 grid(static_cast<unsigned>(gpu::ceil_div(w->columns, WIDTH)),
                  static_cast<unsigned>(gpu::ceil_div(count, XENT_TILE)));
  const cudaLaunchConfig_t c = launch_shape(l, grid, dim3(LANES, TALL), 0);
  return cudaLaunchKernelEx(&c, gradients, a);
}

extern "C" cudaError_t launch_xent_result(const launch *l, const xent_params *p, const xent_work *w) {
  result_args a = {};
  a.n = p->n;
  a.slot = p->slot;
  a.state = l->state;
  a.nll = w->nll;
  a.weights = p->weights;
  a.hits = w->hits;
  a.result = l->result;
  const cudaLaunchConfig_t c = launch_shape(l, dim3(1), RESULT_THREADS, 0);
  return cudaLaunchKernelEx(&c, result, a);
}

extern "C" cudaError_t launch_xent_finish_rows(const launch *l, const xent_params *p, const xent_work *w) {
  return p->n.cap < 1 ? cudaSuccess : end_rows<float>(l, p, w);
}

extern "C" cudaError_t launch_xent_finish_columns(const launch *l, const xent_params *p, const xent_work *w,
                                                  float *to, const act *table) {
  return end_columns<float>(l, p, w, to, static_cast<const float *>(table));
}
