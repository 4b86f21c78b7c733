// The leash, KL(base || tuned) over classes without whole logits: what lies between the matmuls of src/cuda/cuda_leash.c.
//
//   s_ij = inv_temperature x_i . t_j + b_j,  s0_ij likewise of the base;  p, p0 their softmax over j
//   loss_i = sum_j p0_ij (log p0_ij - log p_ij);   g_ij = weight_i scale (p_ij - p0_ij)
//
// losses: a block a row. It goes over both models' scores once with a running maximum and sum of exponentials in each thread
// (Milakov, Gimelshein: Online normalizer calculation for softmax, 2018), which the block combines, and once more for the loss: a sum of
// differences, since the difference of the two sums would lose its digits where the models still agree. Where they are the same bit by
// bit, loss and gradients are 0 (products are rounded before they are subtracted).
// gradients: a block 32 columns x LEASH_TILE rows, g written over the tuned model's scores; the columns' sums of g (for the bias)
// come with it, a row of partial sums a tile.
//
// Bytes: losses read 16 a pair of scores (the second time from the L2 cache, which blocks of scores are sized for), gradients read 8 and
// write 4, beside the matmuls' own. A lane takes one column at a time: 128 bytes a warp, whatever the alignment of biases.
//
// Determinism: no atomics; sums over columns by a block in a fixed order, those over rows as in xent.cu.
//
// Expected: up to 40 registers; shared memory 4 KB (gradients), below 200 bytes (losses).
#include <math.h>
#include "gpu.cuh"
#include "launch.h"
#include "rows.cuh"
#include "tile_sums.cuh"

namespace {

constexpr int LOSS_THREADS = 256, LOSS_WARPS = LOSS_THREADS / 32;

struct block_args {
  int columns, ld, first, count, slot;
  rows n;
  const step_state *state;
  const float *bias, *base_bias, *weights;
  float *row_loss;
  leash_work w;
};

DEVICE float with_bias(const float *scores, const float *bias, int c) {
  return bias != nullptr ? __fadd_rn(scores[c], bias[c]) : scores[c];
}

// Running maximum and sum of exp(score - maximum).
struct softmax_sum {
  float row_max, sum;
};

DEVICE void include(softmax_sum &s, float x) {
  if (x > s.row_max) {
    s.sum *= expf(s.row_max - x);
    s.row_max = x;
  }
  s.sum += expf(x - s.row_max);
}

// Of the whole block, in all threads. tops and sums: shared, [LOSS_WARPS], the block's own for this call.
DEVICE softmax_sum combine(softmax_sum own, float *tops, float *sums) {
  const float top = gpu::warp_max(own.row_max);
  if (gpu::lane_id() == 0) tops[gpu::warp_id()] = top;
  __syncthreads();
  float best = tops[0];
#pragma unroll
  for (int w = 1; w < LOSS_WARPS; w++) best = fmaxf(best, tops[w]);
  const float part = gpu::warp_sum(own.row_max > -INFINITY ? own.sum * expf(own.row_max - best) : 0.0f);
  if (gpu::lane_id() == 0) sums[gpu::warp_id()] = part;
  __syncthreads();
  float sum = 0.0f;
#pragma unroll
  for (int w = 0; w < LOSS_WARPS; w++) sum += sums[w];
  return {best, sum};
}

__global__ void __launch_bounds__(LOSS_THREADS) losses(block_args a) {
  __shared__ float tops[2][LOSS_WARPS], sums[2][LOSS_WARPS], parts[LOSS_WARPS];
  const int at = static_cast<int>(blockIdx.x), row = a.first + at, thread = static_cast<int>(threadIdx.x);
  if (row >= gpu::live_rows(a.n, a.state)) return; // the whole block
  const size_t begin = static_cast<size_t>(at) * static_cast<size_t>(a.ld);
  const float *scores = a.w.scores + begin, *base = a.w.base + begin;
  softmax_sum own = {-INFINITY, 0.0f}, own0 = {-INFINITY, 0.0f};
  for (int c = thread; c < a.columns; c += LOSS_THREADS) {
    include(own, with_bias(scores, a.bias, c));
    include(own0, with_bias(base, a.base_bias, c));
  }
  const softmax_sum all = combine(own, tops[0], sums[0]), all0 = combine(own0, tops[1], sums[1]);
  const float apart = logf(all.sum) - logf(all0.sum), share0 = 1.0f / all0.sum;
  float loss = 0.0f;
  for (int c = thread; c < a.columns; c += LOSS_THREADS) {
    const float s = with_bias(scores, a.bias, c) - all.row_max,
                s0 = with_bias(base, a.base_bias, c) - all0.row_max;
    loss += expf(s0) * share0 * (s0 - s + apart);
  }
  loss = gpu::warp_sum(loss);
  if (gpu::lane_id() == 0) parts[gpu::warp_id()] = loss;
  __syncthreads();
  if (thread > 0) return;
  double sum = 0;
#pragma unroll
  for (int w = 0; w < LOSS_WARPS; w++) sum += static_cast<double>(parts[w]);
  const float weight = a.weights != nullptr ? a.weights[row] : 1.0f, hot = weight * a.state->scale[a.slot];
  a.w.weight[row] = weight;
  a.w.nll[row] = sum;
  a.w.hits[row] = 0;
  a.w.row_max[row] = all.row_max;
  a.w.factor[row] = hot / all.sum;
  a.w.base_max[row] = all0.row_max;
  a.w.base_factor[row] = hot / all0.sum;
  if (a.row_loss != nullptr) a.row_loss[row] = static_cast<float>(sum);
}

__global__ void __launch_bounds__(TILE_THREADS) gradients(block_args a) {
  const int live = gpu::live_rows(a.n, a.state);
  const int column = static_cast<int>(blockIdx.x) * LANES + static_cast<int>(threadIdx.x);
  const int tile = static_cast<int>(blockIdx.y) * LEASH_TILE;
  float sum[1] = {0.0f};
  for (int r = static_cast<int>(threadIdx.y); r < LEASH_TILE && column < a.columns; r += TALL) {
    const int at = tile + r, row = a.first + at;
    if (at >= a.count) break;
    const size_t begin = static_cast<size_t>(at) * static_cast<size_t>(a.ld);
    float *scores = a.w.scores + begin;
    float g = 0.0f;
    if (row < live) {
      const float s = with_bias(scores, a.bias, column),
                  s0 = with_bias(a.w.base + begin, a.base_bias, column);
      g = __fmul_rn(expf(s - a.w.row_max[row]), a.w.factor[row]) -
          __fmul_rn(expf(s0 - a.w.base_max[row]), a.w.base_factor[row]);
    }
    scores[column] = g;
    sum[0] += g;
  }
  if (a.w.partial != nullptr) keep_sums(a.w.partial, sum, 1, a.columns);
}

block_args block_of(const launch *l, const leash_params *p, const leash_work *w, int32_t first,
                    int32_t count) {
  block_args a = {};
  a.columns = p->classes;
  a.ld = w->ld;
  a.first = first;
  a.count = count;
  a.slot = p->slot;
  a.n = p->n;
  a.state = l->state;
  a.bias = static_cast<const float *>(p->bias);
  a.base_bias = static_cast<const float *>(p->base_bias);
  a.weights = p->weights;
  a.row_loss = p->row_loss;
  a.w = *w;
  return a;
}

} // namespace

extern "C" cudaError_t launch_leash_losses(const launch *l, const leash_params *p, const leash_work *w,
                                           int32_t first, int32_t count) {
  const block_args a = block_of(l, p, w, first, count);
  const cudaLaunchConfig_t c = launch_shape(l, dim3(static_cast<unsigned>(count)), LOSS_THREADS, 0);
  return cudaLaunchKernelEx(&c, losses, a);
}

extern "C" cudaError_t launch_leash_gradients(const launch *l, const leash_params *p, const leash_work *w,
                                              int32_t first, int32_t count) {
  const block_args a = block_of(l, p, w, first, count);
  const dim3 grid(static_cast<unsigned>(gpu::ceil_div(p->classes, LANES)),
                  static_cast<unsigned>(gpu::ceil_div(count, LEASH_TILE)));
  const cudaLaunchConfig_t c = launch_shape(l, grid, dim3(LANES, TALL), 0);
  return cudaLaunchKernelEx(&c, gradients, a);
}
