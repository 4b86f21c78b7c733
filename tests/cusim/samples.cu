// Sample kernels: the usual shapes of device code, each using one part of the simulator. They compile with nvcc too
// (conform.sh), and take the same sources on both sides.
#include "samples.h"
#include "gpu.cuh"

namespace {

constexpr int BLOCK = 256;

cudaLaunchConfig_t launch_config(cudaStream_t s, dim3 grid, dim3 block, size_t smem) {
  cudaLaunchConfig_t c = {};
  c.gridDim = grid;
  c.blockDim = block;
  c.dynamicSmemBytes = smem;
  c.stream = s;
  return c;
}
dim3 grid_of(int n) {
  return dim3(static_cast<unsigned>(n));
}

__global__ void __launch_bounds__(BLOCK)
    saxpy(int n, float a, const float *__restrict__ x, float *__restrict__ y) {
  const int i = static_cast<int>(blockIdx.x * BLOCK + threadIdx.x);
  if (i < n) y[i] = fmaf(a, x[i], y[i]);
}

// Blocks add up their share; the last one to finish adds up the blocks.
__device__ float block_sum(float v, float *shared) {
  v = gpu::warp_sum(v);
  if (gpu::lane_id() == 0) shared[gpu::warp_id()] = v;
  __syncthreads();
  v = threadIdx.x < BLOCK / 32 ? shared[threadIdx.x] : 0.0f;
  __syncthreads();
  return gpu::warp_sum(v); // right in warp 0
}
__global__ void __launch_bounds__(BLOCK)
    sum(int n, const float *__restrict__ x, float *total, float *partial, unsigned *counter) {
  __shared__ float shared[BLOCK / 32];
  __shared__ bool last;
  float v = 0.0f;
  for (int i = static_cast<int>(blockIdx.x * BLOCK + threadIdx.x); i < n;
       i += static_cast<int>(gridDim.x) * BLOCK)
    v += x[i];
  v = block_sum(v, shared);
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = v;
    __threadfence();
    last = atomicAdd(counter, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (!last) return;
  v = block_sum(threadIdx.x < gridDim.x ? partial[threadIdx.x] : 0.0f, shared);
  if (threadIdx.x == 0) {
    *total = v;
    *counter = 0;
  }
}

constexpr int TILE = 32, TILE_ROWS = 8;
__global__ void transpose(int rows, int cols, const float *__restrict__ x, float *__restrict__ y) {
  __shared__ float tile[TILE][TILE + 1]; // + 1: no bank conflicts in the columns
  const int tx = static_cast<int>(threadIdx.x), ty = static_cast<int>(threadIdx.y);
  const int x0 = static_cast<int>(blockIdx.x) * TILE, y0 = static_cast<int>(blockIdx.y) * TILE;
  for (int r = ty; r < TILE; r += TILE_ROWS)
    if (y0 + r < rows && x0 + tx < cols) tile[r][tx] = x[(y0 + r) * cols + x0 + tx];
  __syncthreads();
  for (int r = ty; r < TILE; r += TILE_ROWS)
    if (x0 + r < cols && y0 + tx < rows) y[(x0 + r) * rows + y0 + tx] = tile[tx][r];
}

__global__ void __launch_bounds__(128)
    softmax(int rows, int cols, const float *__restrict__ x, float *__restrict__ y) { // a warp a row
  const int row = static_cast<int>(blockIdx.x) * 4 + gpu::warp_id(), lane = gpu::lane_id();
  if (row >= rows) return; // whole warps; there is no barrier below
  float top = -INFINITY, total = 0.0f;
  for (int i = lane; i < cols; i += 32) top = fmaxf(top, x[row * cols + i]);
  top = gpu::warp_max(top);
  for (int i = lane; i < cols; i += 32) total += __expf(x[row * cols + i] - top);
  const float scale = 1.0f / gpu::warp_sum(total);
  for (int i = lane; i < cols; i += 32) y[row * cols + i] = __expf(x[row * cols + i] - top) * scale;
}

template <class T>
__global__ void __launch_bounds__(128)
    layernorm(int rows, int h, const T *__restrict__ x, const float *__restrict__ gamma,
              const float *__restrict__ beta, T *__restrict__ y, float *__restrict__ mean,
              float *__restrict__ rstd) {
  const int row = static_cast<int>(blockIdx.x) * 4 + gpu::warp_id(), lane = gpu::lane_id();
  if (row >= rows) return;
  const T *xr = x + static_cast<size_t>(row) * static_cast<size_t>(h);
  T *yr = y + static_cast<size_t>(row) * static_cast<size_t>(h);
  float total = 0.0f, squares = 0.0f, v[4], g[4], b[4];
  for (int i = lane * 4; i < h; i += 128) {
    gpu::load4(v, xr + i);
    total += v[0] + v[1] + v[2] + v[3];
  }
  const float mu = gpu::warp_sum(total) / static_cast<float>(h);
  for (int i = lane * 4; i < h; i += 128) {
    gpu::load4(v, xr + i);
    for (int j = 0; j < 4; j++) squares += (v[j] - mu) * (v[j] - mu);
  }
  const float rs = rsqrtf(gpu::warp_sum(squares) / static_cast<float>(h) + 1e-5f);
  for (int i = lane * 4; i < h; i += 128) {
    gpu::load4(v, xr + i);
    gpu::load4(g, gamma + i);
    gpu::load4(b, beta + i);
    for (int j = 0; j < 4; j++) v[j] = (v[j] - mu) * rs * g[j] + b[j];
    gpu::store4(yr + i, v);
  }
  if (lane == 0) mean[row] = mu, rstd[row] = rs;
}

__global__ void histogram(int n, const int *__restrict__ x, int bins, int *count) {
  DYN_SMEM(int, local);
  for (int i = static_cast<int>(threadIdx.x); i < bins; i += BLOCK) local[i] = 0;
  __syncthreads();
  const int i = static_cast<int>(blockIdx.x * BLOCK + threadIdx.x);
  if (i < n) atomicAdd(&local[x[i]], 1);
  __syncthreads();
  for (int k = static_cast<int>(threadIdx.x); k < bins; k += BLOCK)
    if (local[k]) atomicAdd(&count[k], local[k]);
}

// c = a b in bf16: 64x64 tiles by four warps, two stages of cp.async, 16-byte chunks swizzled against conflicts.
constexpr int BM = 64, BN = 64, BK = 32;
DEVICE int chunk_a(int r, int c) {
  return r * BK + ((c ^ ((r >> 1) & 3)) << 3);
} // chunk c of row r of a 64x32 tile
DEVICE int chunk_b(int r, int c) {
  return r * BN + ((c ^ (r & 7)) << 3);
} // of a 32x64 tile
__global__ void __launch_bounds__(128)
    gemm_bf16(int n, int k, const bf16 *__restrict__ a, const bf16 *__restrict__ b, float *__restrict__ c) {
  DYN_SMEM(bf16, smem);
  bf16 *sa = smem, *sb = smem + 2 * BM * BK;
  const int t = static_cast<int>(threadIdx.x), lane = gpu::lane_id(), warp = gpu::warp_id();
  const int m0 = static_cast<int>(blockIdx.y) * BM, n0 = static_cast<int>(blockIdx.x) * BN;
  auto load = [&](int stage, int k0) {
    for (int i = t; i < BM * BK / 8; i += 128)
      gpu::cp_async16(sa + stage * BM * BK + chunk_a(i >> 2, i & 3),
                      a + (m0 + (i >> 2)) * k + k0 + (i & 3) * 8, true);
    for (int i = t; i < BK * BN / 8; i += 128)
      gpu::cp_async16(sb + stage * BK * BN + chunk_b(i >> 3, i & 7),
                      b + (k0 + (i >> 3)) * n + n0 + (i & 7) * 8, true);
    gpu::cp_async_commit();
  };
  float d[8][4] = {};
  load(0, 0);
  for (int k0 = 0, stage = 0; k0 < k; k0 += BK, stage ^= 1) {
    if (k0 + BK < k)
      load(stage ^ 1, k0 + BK);
    else
      gpu::cp_async_commit(); // an empty group keeps the count
    gpu::cp_async_wait<1>();
    __syncthreads();
    for (int kk = 0; kk < BK / 16; kk++) {
      uint32_t fa[4], fb[4];
      gpu::ldmatrix_x4(fa, sa + stage * BM * BK + chunk_a(warp * 16 + (lane & 15), kk * 2 + (lane >> 4)));
      for (int j = 0; j < BN / 16; j++) {
        gpu::ldmatrix_x4_trans(fb,
                               sb + stage * BK * BN + chunk_b(kk * 16 + (lane & 15), j * 2 + (lane >> 4)));
        gpu::mma_m16n8k16_bf16(d[2 * j], fa, fb[0], fb[1]);
        gpu::mma_m16n8k16_bf16(d[2 * j + 1], fa, fb[2], fb[3]);
      }
    }
    __syncthreads(); // the next load overwrites this stage
  }
  for (int j = 0; j < 8; j++)
    for (int h = 0; h < 2; h++) {
      float *out = c + (m0 + warp * 16 + (lane >> 2) + 8 * h) * n + n0 + j * 8 + (lane & 3) * 2;
      *reinterpret_cast<float2 *>(out) = make_float2(d[j][2 * h], d[j][2 * h + 1]);
    }
}
__global__ void __launch_bounds__(32)
    gemm_tf32(int n, int k, const float *__restrict__ a, const float *__restrict__ b,
              float *__restrict__ c) { // a warp a 16x8 tile
  const int g = gpu::lane_id() >> 2, t = gpu::lane_id() & 3, m0 = static_cast<int>(blockIdx.y) * 16,
            n0 = static_cast<int>(blockIdx.x) * 8;
  float d[4] = {};
  for (int k0 = 0; k0 < k; k0 += 8) {
    const float *ar = a + (m0 + g) * k + k0 + t, *br = b + (n0 + g) * k + k0 + t;
    const uint32_t fa[4] = {gpu::to_tf32(ar[0]), gpu::to_tf32(ar[8 * k]), gpu::to_tf32(ar[4]),
                            gpu::to_tf32(ar[8 * k + 4])};
    gpu::mma_m16n8k8_tf32(d, fa, gpu::to_tf32(br[0]), gpu::to_tf32(br[4]));
  }
  for (int h = 0; h < 2; h++)
    for (int e = 0; e < 2; e++) c[(m0 + g + 8 * h) * n + n0 + 2 * t + e] = d[2 * h + e];
}

__global__ void collectives(uint32_t *out) {
  const unsigned lane = threadIdx.x;
  uint32_t *o = out + lane * 16;
  const unsigned half = lane < 16 ? 0x0000ffffu : 0xffff0000u;
  o[0] = __shfl_sync(gpu::FULL_WARP, lane * 3, static_cast<int>(lane + 5));
  o[1] = __shfl_up_sync(gpu::FULL_WARP, lane, 3, 16);
  o[2] = __shfl_down_sync(gpu::FULL_WARP, lane, 2, 8);
  o[3] = __shfl_xor_sync(half, lane, 7);
  o[4] = __ballot_sync(gpu::FULL_WARP, lane % 3 == 0);
  o[5] = static_cast<uint32_t>(__any_sync(half, lane == 20));
  o[6] = static_cast<uint32_t>(__all_sync(half, lane >= 16));
  o[7] = __match_any_sync(gpu::FULL_WARP, lane / 5);
  o[8] = __reduce_add_sync(gpu::FULL_WARP, lane);
  o[9] = static_cast<uint32_t>(__reduce_min_sync(gpu::FULL_WARP, static_cast<int>(lane) - 10));
  o[10] = __reduce_max_sync(half, lane);
  o[11] = __reduce_xor_sync(gpu::FULL_WARP, lane * lane);
  int all_equal;
  o[12] = __match_all_sync(half, lane / 16, &all_equal);
  o[12] += static_cast<unsigned>(all_equal);
  o[13] = static_cast<uint32_t>(__syncthreads_count(lane % 4 == 1));
  o[14] = static_cast<uint32_t>(__syncthreads_or(lane == 31)) +
          2u * static_cast<uint32_t>(__syncthreads_and(lane < 31));
  o[15] = __activemask() >> lane & 1u; // which other lanes are active is not defined
}

__global__ void primitive(int kind, int n, float *out) {
  __shared__ __align__(16) bf16 s[256];
  float v = static_cast<float>(threadIdx.x), d[4] = {v, v, v, v};
  uint32_t a[4] = {1, 2, 3, 4};
  if (kind == 5) {
    for (unsigned i = threadIdx.x; i < 256; i += blockDim.x) s[i] = gpu::from_float<bf16>(v);
    __syncthreads();
  }
  for (int i = 0; i < n; i++) {
    if (kind == 1)
      __syncthreads();
    else if (kind == 2)
      v += __shfl_xor_sync(gpu::FULL_WARP, v, 1);
    else if (kind == 3)
      v = gpu::warp_sum(v);
    else if (kind == 4)
      gpu::mma_m16n8k16_bf16(d, a, a[0], a[1]);
    else if (kind == 5)
      gpu::ldmatrix_x4(a, s + (threadIdx.x & 31) * 8);
  }
  if (threadIdx.x == 0) out[blockIdx.x] = v + d[0] + static_cast<float>(a[0]);
}

__global__ void smem_user(int n, float *out) {
  DYN_SMEM(float, s);
  for (int i = static_cast<int>(threadIdx.x); i < n; i += 32) s[i] = 1.0f;
  __syncthreads();
  if (threadIdx.x == 0) out[0] = s[n - 1];
}

} // namespace

extern "C" cudaError_t sample_saxpy(cudaStream_t s, int n, float a, const float *x, float *y) {
  const cudaLaunchConfig_t c = launch_config(s, grid_of(gpu::ceil_div(n, BLOCK)), dim3(BLOCK), 0);
  return cudaLaunchKernelEx(&c, saxpy, n, a, x, y);
}
extern "C" cudaError_t sample_sum(cudaStream_t s, int n, const float *x, float *total, float *partial,
                                  unsigned *counter) {
  const int blocks = gpu::ceil_div(n, BLOCK) < 64 ? gpu::ceil_div(n, BLOCK) : 64;
  const cudaLaunchConfig_t c = launch_config(s, grid_of(blocks), dim3(BLOCK), 0);
  return cudaLaunchKernelEx(&c, sum, n, x, total, partial, counter);
}
extern "C" cudaError_t sample_transpose(cudaStream_t s, int rows, int cols, const float *x, float *y) {
  const dim3 grid(static_cast<unsigned>(gpu::ceil_div(cols, TILE)),
                  static_cast<unsigned>(gpu::ceil_div(rows, TILE)));
  const cudaLaunchConfig_t c = launch_config(s, grid, dim3(TILE, TILE_ROWS), 0);
  return cudaLaunchKernelEx(&c, transpose, rows, cols, x, y);
}
extern "C" cudaError_t sample_softmax(cudaStream_t s, int rows, int cols, const float *x, float *y) {
  const cudaLaunchConfig_t c = launch_config(s, grid_of(gpu::ceil_div(rows, 4)), dim3(128), 0);
  return cudaLaunchKernelEx(&c, softmax, rows, cols, x, y);
}
extern "C" cudaError_t sample_layernorm(cudaStream_t s, int rows, int h, const float *x, const float *gamma,
                                        const float *beta, float *y, float *mean, float *rstd) {
  const cudaLaunchConfig_t c = launch_config(s, grid_of(gpu::ceil_div(rows, 4)), dim3(128), 0);
  return cudaLaunchKernelEx(&c, layernorm<float>, rows, h, x, gamma, beta, y, mean, rstd);
}
extern "C" cudaError_t sample_layernorm_bf16(cudaStream_t s, int rows, int h, const void *x,
                                             const float *gamma, const float *beta, void *y, float *mean,
                                             float *rstd) {
  const cudaLaunchConfig_t c = launch_config(s, grid_of(gpu::ceil_div(rows, 4)), dim3(128), 0);
  return cudaLaunchKernelEx(&c, layernorm<bf16>, rows, h, static_cast<const bf16 *>(x), gamma, beta,
                            static_cast<bf16 *>(y), mean, rstd);
}
extern "C" cudaError_t sample_histogram(cudaStream_t s, int n, const int *x, int bins, int *count) {
  const cudaLaunchConfig_t c = launch_config(s, grid_of(gpu::ceil_div(n, BLOCK)), dim3(BLOCK),
                                             static_cast<size_t>(bins) * sizeof(int));
  return cudaLaunchKernelEx(&c, histogram, n, x, bins, count);
}
extern "C" cudaError_t sample_gemm_bf16(cudaStream_t s, int m, int n, int k, const void *a, const void *b,
                                        float *out) {
  const cudaLaunchConfig_t c =
      launch_config(s, dim3(static_cast<unsigned>(n / BN), static_cast<unsigned>(m / BM)), dim3(128),
                    2 * (BM * BK + BK * BN) * sizeof(bf16));
  return cudaLaunchKernelEx(&c, gemm_bf16, n, k, static_cast<const bf16 *>(a), static_cast<const bf16 *>(b),
                            out);
}
extern "C" cudaError_t sample_gemm_tf32(cudaStream_t s, int m, int n, int k, const float *a, const float *b,
                                        float *out) {
  const cudaLaunchConfig_t c =
      launch_config(s, dim3(static_cast<unsigned>(n / 8), static_cast<unsigned>(m / 16)), dim3(32), 0);
  return cudaLaunchKernelEx(&c, gemm_tf32, n, k, a, b, out);
}
extern "C" cudaError_t sample_collectives(cudaStream_t s, uint32_t *out) {
  const cudaLaunchConfig_t c = launch_config(s, dim3(1), dim3(32), 0);
  return cudaLaunchKernelEx(&c, collectives, out);
}
extern "C" cudaError_t sample_primitive(cudaStream_t s, int kind, int blocks, int threads, int n,
                                        float *out) {
  const cudaLaunchConfig_t c = launch_config(s, grid_of(blocks), dim3(static_cast<unsigned>(threads)), 0);
  return cudaLaunchKernelEx(&c, primitive, kind, n, out);
}
extern "C" cudaError_t sample_smem(cudaStream_t s, size_t bytes, float *out) {
  if (bytes > 48 << 10) {
    const cudaError_t e =
        cudaFuncSetAttribute(smem_user, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
    if (e != cudaSuccess) return e;
  }
  const cudaLaunchConfig_t c = launch_config(s, dim3(1), dim3(32), bytes);
  return cudaLaunchKernelEx(&c, smem_user, static_cast<int>(bytes / sizeof(float)), out);
}
