// Floats to the activation type, rounded to nearest, ties to even.
//
// Memory: reads 4 and writes act_size bytes an element, which is the floor. A thread per element, so accesses of a warp
// are whole lines.
#include "gpu.cuh"
#include "launch.h"

namespace {

constexpr int BLOCK = 256;

template <class T>
__global__ void __launch_bounds__(BLOCK) cast(T *__restrict__ to, const float *__restrict__ from, size_t count) {
  const size_t i = static_cast<size_t>(blockIdx.x) * BLOCK + threadIdx.x;
  if (i < count) to[i] = gpu::from_float<T>(from[i]);
}

} // namespace

extern "C" cudaError_t launch_cast(const launch *l, act *to, const float *from, size_t count) {
  const cudaLaunchConfig_t c =
      launch_shape(l, dim3(static_cast<unsigned>((count + BLOCK - 1) / BLOCK)), BLOCK, 0);
  return cudaLaunchKernelEx(&c, cast<float>, static_cast<float *>(to), from, count);
}
