// What AdaLoRA asks of its factors P besides the products: the norm of C = P P^T - 1 and its gradient 2 C P / |C|, and the
// importance of every rank (ops/ops.h; Zhang et al.: Adaptive budget allocation for parameter-efficient fine-tuning, 2023).
//
// All of it is small: ranks are 4 to 64, a factor 12 x 768 is 36 KB and stays in L2, and the ops run once a step and factor. So
// they are written for their order of sums, which is fixed, and for few launches. An element of C is a warp's: its lanes go
// through the width together, 128 bytes of a row at a time (of a factor whose ranks are columns the accesses are strided, which
// the cache hides). |C| is one block's. The gradient is a thread an element, r products each. Importance is a block a rank: each
// element is read and written once, 24 bytes, the floor, and the rank's mean is added up over the block.
//
// Sums in double: C's diagonal is near 0 where P is near orthogonal, and the norm is small against its terms.
//
// Expected: up to 48 registers; no shared memory but the sums of a block's warps.
#include "gpu.cuh"
#include "launch.h"
#include "philox.cuh"

namespace {

constexpr int BLOCK = 256, WARPS = BLOCK / 32;

// Element j of rank k.
DEVICE size_t place(int ranks, int width, bool columns, int k, int j) {
  return columns ? static_cast<size_t>(j) * static_cast<size_t>(ranks) + static_cast<size_t>(k)
                 : static_cast<size_t>(k) * static_cast<size_t>(width) + static_cast<size_t>(j);
}

// A warp an element of c [ranks,ranks].
__global__ void __launch_bounds__(BLOCK)
    covariance(const float *__restrict__ p, double *__restrict__ c, int ranks, int width, bool columns) {
  const int at = static_cast<int>(blockIdx.x) * WARPS + gpu::warp_id();
  if (at >= ranks * ranks) return; // the whole warp
  const int k = at / ranks, l = at % ranks;
  double sum = 0.0;
  for (int j = gpu::lane_id(); j < width; j += 32)
    sum += static_cast<double>(p[place(ranks, width, columns, k, j)]) *
           static_cast<double>(p[place(ranks, width, columns, l, j)]);
  sum = gpu::warp_sum(sum);
  if (gpu::lane_id() == 0) c[at] = k == l ? sum - 1.0 : sum;
}

// The sum over a block; all threads call it, and thread 0 has it.
DEVICE double block_sum(double sum) {
  __shared__ double of_warp[WARPS];
  sum = gpu::warp_sum(sum);
  if (gpu::lane_id() == 0) of_warp[gpu::warp_id()] = sum;
  __syncthreads();
  sum = 0.0;
  for (int w = 0; w < WARPS; w++) sum += of_warp[w];
  __syncthreads();
  return sum;
}

// One block: norm [1] and, unless NULL, value [1].
__global__ void __launch_bounds__(BLOCK)
    norm_of(const double *__restrict__ c, double *__restrict__ norm, float *__restrict__ value, int n) {
  double squares = 0.0;
  for (int i = static_cast<int>(threadIdx.x); i < n; i += BLOCK) squares += c[i] * c[i];
  squares = block_sum(squares);
  if (threadIdx.x != 0) return;
  *norm = sqrt(squares);
  if (value != nullptr) *value = static_cast<float>(sqrt(squares));
}

__global__ void __launch_bounds__(BLOCK)
    add_gradient(const float *__restrict__ p, float *__restrict__ dp, const double *__restrict__ c,
                 const double *__restrict__ norm, float scale, int ranks, int width, bool columns) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * BLOCK + static_cast<int>(threadIdx.x);
  if (at >= static_cast<int64_t>(ranks) * width || !(*norm > 0.0)) return;
  const int k = columns ? static_cast<int>(at % ranks) : static_cast<int>(at / width);
  const int j = columns ? static_cast<int>(at / ranks) : static_cast<int>(at % width);
  double sum = 0.0;
  for (int l = 0; l < ranks; l++)
    sum += c[static_cast<size_t>(k) * static_cast<size_t>(ranks) + static_cast<size_t>(l)] *
           static_cast<double>(p[place(ranks, width, columns, l, j)]);
  dp[at] += static_cast<float>(2.0 * static_cast<double>(scale) / *norm * sum);
}

typedef struct importance_args {
  int ranks, width;
  bool columns;
  const float *p, *g;
  float *ipt, *unc, *score;
  float beta1, beta2;
  const step_state *state;
  const step_result *result;
} importance_args;

// Block k is rank k.
__global__ void __launch_bounds__(BLOCK) importance_of(importance_args a) {
  const int k = static_cast<int>(blockIdx.x);
  const bool refused = a.result->nonfinite != 0; // of all threads alike
  const double bound = static_cast<double>(a.state->clip_norm) / (sqrt(a.result->grad_sumsq) + 1e-6);
  const float clip = a.state->clip_norm > 0.0f && bound < 1.0 ? static_cast<float>(bound) : 1.0f;
  double sum = 0.0;
  for (int j = static_cast<int>(threadIdx.x); !refused && j < a.width; j += BLOCK) {
    const size_t at = place(a.ranks, a.width, a.columns, k, j);
    const float i = fabsf(a.p[at] * (a.g[at] * clip));
    const float ipt = a.beta1 * a.ipt[at] + (1.0f - a.beta1) * i;
    const float unc = a.beta2 * a.unc[at] + (1.0f - a.beta2) * fabsf(i - ipt);
    a.ipt[at] = ipt;
    a.unc[at] = unc;
    sum += static_cast<double>(ipt * unc);
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0 && !refused) a.score[k] += static_cast<float>(sum / static_cast<double>(a.width));
}

cudaError_t make_covariance(const launch *l, const orthogonal_params *p, float *value) {
  double *c = static_cast<double *>(l->scratch);
  const int n = p->ranks * p->ranks;
  cudaLaunchConfig_t config = launch_shape(l, dim3(static_cast<unsigned>(gpu::ceil_div(n, WARPS))), BLOCK, 0);
  const cudaError_t rc = cudaLaunchKernelEx(&config, covariance, p->p, c, p->ranks, p->width, p->columns);
  if (rc != cudaSuccess) return rc;
  config.gridDim = dim3(1);
  return cudaLaunchKernelEx(&config, norm_of, static_cast<const double *>(c), c + n, value, n);
}

} // namespace

extern "C" cudaError_t launch_orthogonal_forward(const launch *l, const orthogonal_params *p) {
  return make_covariance(l, p, p->value);
}

extern "C" cudaError_t launch_orthogonal_backward(const launch *l, const orthogonal_params *p) {
  const cudaError_t rc = make_covariance(l, p, nullptr);
  if (rc != cudaSuccess) return rc;
  const double *c = static_cast<const double *>(l->scratch);
  const int64_t n = static_cast<int64_t>(p->ranks) * p->width;
  const cudaLaunchConfig_t config =
      launch_shape(l, dim3(static_cast<unsigned>((n + BLOCK - 1) / BLOCK)), BLOCK, 0);
  return cudaLaunchKernelEx(&config, add_gradient, p->p, p->dp, c, c + p->ranks * p->ranks, p->scale,
                            p->ranks, p->width, p->columns);
}

extern "C" size_t launch_orthogonal_scratch(const orthogonal_params *p) {
  return (static_cast<size_t>(p->ranks) * static_cast<size_t>(p->ranks) + 1) * sizeof(double);
}

extern "C" cudaError_t launch_importance(const launch *l, const importance_params *p) {
  const importance_args a = {p->ranks, p->width, p->columns, p->p,     p->g,     p->ipt,
                             p->unc,   p->score, p->beta1,   p->beta2, l->state, l->result};
  const cudaLaunchConfig_t c = launch_shape(l, dim3(static_cast<unsigned>(p->ranks)), BLOCK, 0);
  return cudaLaunchKernelEx(&c, importance_of, a);
}
