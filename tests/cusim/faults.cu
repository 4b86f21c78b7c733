// Planted faults. Each kernel is wrong in one way; `good*` are right and must pass every checker.
#include "faults.h"
#include "gpu.cuh"

namespace {
constexpr int N = 256;
#define FAULT(name) __global__ void name(float *out, const float *in, unsigned *counter)
#define T           threadIdx.x
#define UNUSED      (void)in, (void)out, (void)counter

FAULT(good) {
  UNUSED;
  __shared__ float s[N];
  s[T] = in[T];
  __syncwarp();
  const float v = s[T ^ 1];
  __syncthreads();
  s[T] = v;
  __syncthreads();
  out[T] = s[T ^ 1];
}
FAULT(good_last_block) { // partial results, a fence, an atomic; the last block reads them
  __shared__ bool last;
  out[blockIdx.x * 64 + T] = in[blockIdx.x * 64 + T];
  __syncthreads();
  if (T == 0) {
    __threadfence();
    last = atomicAdd(counter, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (last)
    for (unsigned i = T; i < N; i += 64) out[i] = out[i] + 0.0f;
}
FAULT(good_flag) { // several blocks set the same flag
  UNUSED;
  gpu::set_flag(reinterpret_cast<uint8_t *>(counter));
  out[blockIdx.x * 64 + T] = in[blockIdx.x * 64 + T];
}

// ---- barriers --------------------------------------------------------------------------------------------------
FAULT(barrier_missing) { // reads the left neighbour without a barrier
  UNUSED;
  __shared__ float s[N];
  s[T] = in[T];
  out[T] = s[T == 0 ? 0 : T - 1];
}
FAULT(barrier_missing_mirror) {
  UNUSED;
  __shared__ float s[N];
  s[T] = in[T];
  out[T] = s[N - 1 - T];
}
FAULT(barrier_missing_loop) { // a barrier after the write, none before the next write
  UNUSED;
  __shared__ float s[N];
  float a = 0.0f;
  for (int k = 0; k < 4; k++) {
    s[T] = in[T] + static_cast<float>(k);
    __syncthreads();
    a += s[(T + 1) % N];
  }
  out[T] = a;
}
FAULT(syncwarp_missing) {
  UNUSED;
  __shared__ float s[N];
  s[T] = in[T];
  out[T] = s[T ^ 1];
}
FAULT(barrier_in_branch) {
  UNUSED;
  if (T < 16) __syncthreads();
  out[T] = in[T];
}
FAULT(barrier_two_places) {
  UNUSED;
  if (T < 16)
    __syncthreads();
  else
    __syncthreads();
  out[T] = in[T];
}
FAULT(barrier_after_return) {
  UNUSED;
  if (T >= 250) return;
  __syncthreads();
  out[T] = in[T];
}
FAULT(barrier_exit_late) { // a thread leaves while the others wait
  UNUSED;
  if (T == 255) return;
  __syncthreads();
  out[T] = in[T];
}

// ---- collectives -------------------------------------------------------------------------------------------------
FAULT(shfl_not_in_mask) {
  UNUSED;
  out[T] = __shfl_xor_sync(0x0000ffffu, in[T], 1);
}
FAULT(shfl_lanes_missing) { // a full mask inside a branch; the other lanes wait at a barrier
  UNUSED;
  float v = in[T];
  if ((T & 31) < 20) v = __shfl_xor_sync(gpu::FULL_WARP, v, 1);
  __syncthreads();
  out[T] = v;
}
FAULT(shfl_lane_exits) {
  UNUSED;
  if ((T & 31) == 31) return;
  out[T] = __shfl_xor_sync(gpu::FULL_WARP, in[T], 1);
}
FAULT(shfl_source_missing) {
  UNUSED;
  float v = in[T];
  if ((T & 31) < 16) v = __shfl_sync(0x0000ffffu, v, 20);
  out[T] = v;
}
FAULT(shfl_two_places) {
  UNUSED;
  float v = in[T];
  if ((T & 31) < 16)
    v = __shfl_xor_sync(gpu::FULL_WARP, v, 1);
  else
    v = __shfl_xor_sync(gpu::FULL_WARP, v, 1);
  out[T] = v;
}

// ---- addresses ---------------------------------------------------------------------------------------------------
__device__ float element(const float *s, int i) {
  return s[i];
}
FAULT(bounds_shared) {
  UNUSED;
  __shared__ float s[N];
  s[T] = in[T];
  __syncthreads();
  out[T] = element(s, static_cast<int>(T) + 1);
}
FAULT(bounds_dynamic) {
  UNUSED;
  DYN_SMEM(float, s);
  s[T + 1] = in[T];
  __syncthreads();
  out[T] = s[T + 1];
}
FAULT(bounds_global_read) {
  UNUSED;
  out[T] = in[T + 1];
}
FAULT(bounds_global_write) {
  UNUSED;
  out[T + 1] = in[T];
}
FAULT(bounds_global_far) {
  UNUSED;
  out[T] = in[T + 100000];
}
FAULT(bounds_atomic) {
  UNUSED;
  atomicAdd(out + N + T, in[T]);
}
FAULT(misaligned_float4) {
  UNUSED;
  if (T < 60) *reinterpret_cast<float4 *>(out + 4 * T + 1) = *reinterpret_cast<const float4 *>(in + 4 * T);
}
FAULT(misaligned_float2) {
  UNUSED;
  if (T < 100) *reinterpret_cast<float2 *>(out + 2 * T + 1) = *reinterpret_cast<const float2 *>(in + 2 * T);
}
FAULT(unwritten_shared) {
  UNUSED;
  __shared__ float s[N];
  if (T < N - 1) s[T] = in[T];
  __syncthreads();
  out[T] = s[T];
}
FAULT(copy) { // right; test_faults gives it wrong pointers
  UNUSED;
  out[T] = in[T];
}

// ---- asynchronous copies -----------------------------------------------------------------------------------------
FAULT(cp_no_wait) {
  UNUSED;
  __shared__ __align__(16) float s[N];
  if (T < 64) gpu::cp_async16(s + 4 * T, in + 4 * T, true);
  gpu::cp_async_commit();
  __syncthreads();
  out[T] = s[T];
}
FAULT(cp_no_barrier) {
  UNUSED;
  __shared__ __align__(16) float s[N];
  if (T < 64) gpu::cp_async16(s + 4 * T, in + 4 * T, true);
  gpu::cp_async_commit();
  gpu::cp_async_wait<0>();
  out[T] = s[N - 1 - T];
}
FAULT(cp_too_few) { // waits for the first of two groups, reads both
  UNUSED;
  __shared__ __align__(16) float s[N];
  if (T < 32) gpu::cp_async16(s + 4 * T, in + 4 * T, true);
  gpu::cp_async_commit();
  if (T < 32) gpu::cp_async16(s + 128 + 4 * T, in + 128 + 4 * T, true);
  gpu::cp_async_commit();
  gpu::cp_async_wait<1>();
  __syncthreads();
  out[T] = s[T];
}
FAULT(cp_misaligned) {
  UNUSED;
  __shared__ __align__(16) float s[N + 4];
  if (T < 60) gpu::cp_async16(s + 4 * T, in + 4 * T + 1, true);
  gpu::cp_async_commit();
  gpu::cp_async_wait<0>();
  __syncthreads();
  out[T] = s[T];
}
FAULT(cp_bounds) {
  UNUSED;
  __shared__ __align__(16) float s[N];
  if (T < 64) gpu::cp_async16(s + 4 * T, in + 4 * T + 4, true);
  gpu::cp_async_commit();
  gpu::cp_async_wait<0>();
  __syncthreads();
  out[T] = s[T];
}
FAULT(ldmatrix_global) { // rows in global memory
  UNUSED;
  uint32_t r[4];
  gpu::ldmatrix_x4(r, in + 4 * (T & 31));
  out[T] = __uint_as_float(r[0]);
}

// ---- races -------------------------------------------------------------------------------------------------------
FAULT(race_blocks_add) { // blocks add to one place without an atomic
  UNUSED;
  if (T == 0) out[0] += in[blockIdx.x];
}
FAULT(race_blocks_read) { // a block reads what another one writes
  UNUSED;
  const unsigned i = blockIdx.x * 64 + T;
  out[i] = in[i] + 0.0f * (i >= 64 ? out[i - 64] : 0.0f);
}
FAULT(race_no_fence) { // good_last_block without the fence
  __shared__ bool last;
  out[blockIdx.x * 64 + T] = in[blockIdx.x * 64 + T];
  __syncthreads();
  if (T == 0) last = atomicAdd(counter, 1u) == gridDim.x - 1;
  __syncthreads();
  if (last)
    for (unsigned i = T; i < N; i += 64) out[i] = out[i] + 0.0f;
}
FAULT(race_shared_add) {
  UNUSED;
  __shared__ float s;
  if (T == 0) s = 0.0f;
  __syncthreads();
  s += 1.0f;
  __syncthreads();
  out[T] = in[T] + 0.0f * s;
}

// ---- the rest ----------------------------------------------------------------------------------------------------
FAULT(endless) {
  UNUSED;
  const volatile unsigned *flag = counter;
  while (*flag == 0) {
  }
  out[T] = in[T];
}
__device__ float deep(int n, const float *in) {
  volatile float a[64];
  a[n & 63] = in[n & 63];
  return n <= 0 ? a[0] : deep(n - 1, in) + a[n & 63];
}
FAULT(stack_overflow) {
  UNUSED;
  out[T] = deep(100000, in);
}
FAULT(divide_by_zero) {
  UNUSED;
  out[T] = static_cast<float>(100 / static_cast<int>(*counter));
}
FAULT(trap) {
  UNUSED;
  if (T == 77) __trap();
  out[T] = in[T];
}
FAULT(foreign_local) { // a pointer to a local variable handed to another thread
  UNUSED;
  __shared__ volatile float *p[N];
  volatile float mine = in[T];
  p[T] = &mine;
  __syncthreads();
  out[T] = *p[T ^ 1];
  __syncthreads();
}

} // namespace

extern "C" cudaError_t fault_launch(cudaStream_t s, int fault, unsigned threads, float *out, const float *in,
                                    unsigned *counter) {
  typedef void (*kernel)(float *, const float *, unsigned *);
  static const struct {
    kernel k;
    unsigned blocks, threads, smem;
  } all[] = {
#define FAULT_ROW(name, blocks, threads, smem) {name, blocks, threads, smem},
      FAULT_KERNELS(FAULT_ROW)
#undef FAULT_ROW
  };
  cudaLaunchConfig_t c = {};
  c.gridDim = dim3(all[fault].blocks);
  c.blockDim = dim3(threads ? threads : all[fault].threads);
  c.dynamicSmemBytes = all[fault].smem * sizeof(float);
  c.stream = s;
  return cudaLaunchKernelEx(&c, all[fault].k, out, in, counter);
}
