// Losses of the logits of few classes (next sentence, ratings; clicks and carts): loss, weight, hits and the gradient of the
// logits.
//
//   one       nll(i) = log sum_c exp(z(i,c)) - z(i,label);  dz(i,c) = weight_i scale (softmax(z(i,.))_c - [c is label])
//   several   nll(i,c) = log(1 + exp(z)) - label z;         dz(i,c) = weight_ic scale (1 / (1 + exp(-z)) - label)
//
// A warp a row, lane l taking classes l, l + 32, ...: two or three classes leave most lanes idle, but there is one row a
// sequence, so the whole op is a few microseconds of launches whatever is done; in return 4096 classes are read in whole
// lines. Bytes: 4 C a row read (three times, twice of it from the cache) and 4 C written; the floor is one read and one
// write. Each lane reads and writes the same classes in every pass, so dz may lie in z's place.
//
// The maximum is subtracted first (several: with e = exp(-|z|) the loss is log(1 + e) + max(z, 0) - label z, and nothing
// overflows). Exponentials and their sum are float, as precise as the logits; the row's logarithm is double. Rows put their loss into scratch, and a second kernel of one block adds them up, always in the same order,
// so that results are the same bits in a repeat; it leaves rows past the live count alone, which may hold anything.
//
// Expected: below 40 registers, no shared memory in the first kernel and three sums of eight warps in the second.
#include "gpu.cuh"
#include "launch.h"
#include "philox.cuh"

namespace {

constexpr int BLOCK = 256, WARPS = BLOCK / 32;

struct row_result {
  double loss, weight, hits;
};

// z and dz may be the same memory; weights may be NULL.
template <class T>
__global__ void __launch_bounds__(BLOCK)
    classify_rows(const T *z, T *dz, const int32_t *__restrict__ labels, const float *__restrict__ weights,
                  int classes, rows n, int slot, const step_state *__restrict__ state,
                  row_result *__restrict__ out) {
  const int i = static_cast<int>(blockIdx.x) * WARPS + gpu::warp_id(), lane = gpu::lane_id();
  if (i >= gpu::live_rows(n, state)) return; // the whole warp
  z += static_cast<int64_t>(i) * classes;
  if (dz != nullptr) dz += static_cast<int64_t>(i) * classes;
  const int label = labels[i];
  if (label < 0) {
    if (dz != nullptr)
      for (int c = lane; c < classes; c += 32) dz[c] = gpu::from_float<T>(0.0f);
    if (lane == 0) out[i] = {0.0, 0.0, 0.0};
    return;
  }
  float row_max = -INFINITY;
  for (int c = lane; c < classes; c += 32) row_max = fmaxf(row_max, gpu::to_float(z[c]));
  row_max = gpu::warp_max(row_max);
  float sum = 0.0f;
  float at_label = 0.0f; // in the lane that has this class
  // Does a class before the label score as high? The first of the highest is the prediction.
  bool earlier = false;
  for (int c = lane; c < classes; c += 32) {
    const float x = gpu::to_float(z[c]);
    sum += expf(x - row_max);
    if (c == label) at_label = x;
    earlier = earlier || (x == row_max && c < label);
  }
  sum = gpu::warp_sum(sum);
  earlier = __any_sync(gpu::FULL_WARP, earlier) != 0;
  at_label = __shfl_sync(gpu::FULL_WARP, at_label, label % 32);
  const float weight = weights != nullptr ? weights[i] : 1.0f;
  if (lane == 0) {
    const double w = static_cast<double>(weight);
    out[i] = {
        w * (log(static_cast<double>(sum)) + static_cast<double>(row_max) - static_cast<double>(at_label)), w,
        at_label == row_max && !earlier ? w : 0.0};
  }
  if (dz == nullptr) return;
  const float scale = weight * state->scale[slot];
  for (int c = lane; c < classes; c += 32) {
    const float share = expf(gpu::to_float(z[c]) - row_max) / sum;
    dz[c] = gpu::from_float<T>((share - (c == label ? 1.0f : 0.0f)) * scale);
  }
}

// The same for labels that each hold or not: a label, and a weight, a logit.
template <class T>
__global__ void __launch_bounds__(BLOCK)
    several_rows(const T *z, T *dz, const int32_t *__restrict__ labels, const float *__restrict__ weights,
                 int classes, rows n, int slot, const step_state *__restrict__ state,
                 row_result *__restrict__ out) {
  const int i = static_cast<int>(blockIdx.x) * WARPS + gpu::warp_id(), lane = gpu::lane_id();
  if (i >= gpu::live_rows(n, state)) return; // the whole warp
  const int64_t first = static_cast<int64_t>(i) * classes;
  const float scale = state->scale[slot];
  double loss = 0.0, sum = 0.0, hits = 0.0;
  for (int c = lane; c < classes; c += 32) {
    const int label = labels[first + c];
    const float x = gpu::to_float(z[first + c]), weight = weights != nullptr ? weights[first + c] : 1.0f;
    const float e = expf(-fabsf(x)), share = (x > 0.0f ? 1.0f : e) / (1.0f + e);
    if (dz != nullptr)
      dz[first + c] =
          gpu::from_float<T>(label < 0 ? 0.0f : (share - static_cast<float>(label)) * weight * scale);
    if (label < 0) continue;
    const double w = static_cast<double>(weight), margin = x > 0.0f ? static_cast<double>(x) : 0.0;
    loss += w * (log1p(static_cast<double>(e)) + margin - (label == 1 ? static_cast<double>(x) : 0.0));
    sum += w;
    hits += (x > 0.0f) == (label == 1) ? w : 0.0;
  }
  loss = gpu::warp_sum(loss);
  sum = gpu::warp_sum(sum);
  hits = gpu::warp_sum(hits);
  if (lane == 0) out[i] = {loss, sum, hits};
}

// One block.
__global__ void __launch_bounds__(BLOCK)
    classify_add(const row_result *__restrict__ of_row, rows n, int slot,
                 const step_state *__restrict__ state, step_result *result) {
  __shared__ double of_warp[3][WARPS];
  const int live = gpu::live_rows(n, state);
  double sums[3] = {};
  for (int i = static_cast<int>(threadIdx.x); i < live; i += BLOCK) {
    sums[0] += of_row[i].loss;
    sums[1] += of_row[i].weight;
    sums[2] += of_row[i].hits;
  }
#pragma unroll
  for (int k = 0; k < 3; k++) {
    sums[k] = gpu::warp_sum(sums[k]);
    if (gpu::lane_id() == 0) of_warp[k][gpu::warp_id()] = sums[k];
  }
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int w = 0; w < WARPS; w++) {
    result->slot[slot].loss += of_warp[0][w];
    result->slot[slot].weight += of_warp[1][w];
    result->slot[slot].hits += of_warp[2][w];
  }
}

template <class T> cudaError_t run(const launch *l, const classify_params *p) {
  cudaLaunchConfig_t c =
      launch_shape(l, dim3(static_cast<unsigned>(gpu::ceil_div(p->n.cap, WARPS))), BLOCK, 0);
  row_result *of_row = static_cast<row_result *>(l->scratch);
  const auto kernel = p->kind == CLASSIFY_SEVERAL ? several_rows<T> : classify_rows<T>;
  const cudaError_t rc =
      cudaLaunchKernelEx(&c, kernel, static_cast<const T *>(p->logits), static_cast<T *>(p->dlogits),
                         p->labels, p->weights, p->classes, p->n, p->slot, l->state, of_row);
  if (rc != cudaSuccess) return rc;
  c.gridDim = dim3(1);
  return cudaLaunchKernelEx(&c, classify_add, static_cast<const row_result *>(of_row), p->n, p->slot,
                            l->state, l->result);
}

} // namespace

extern "C" size_t launch_classify_scratch(const classify_params *p) {
  return static_cast<size_t>(p->n.cap) * sizeof(row_result);
}

extern "C" cudaError_t launch_classify(const launch *l, const classify_params *p) {
  return p->n.cap == 0 ? cudaSuccess : run<float>(l, p);
}
