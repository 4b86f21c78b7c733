/* cusim: stands in for cuda_runtime.h. From C it is the host interface; from C++ it adds the language of .cu
 * files (g++ -x c++ file.cu) and the launch of kernels. */
#ifndef CUSIM_CUDA_RUNTIME_H
#define CUSIM_CUDA_RUNTIME_H
#include "cuda_runtime_api.h"

#ifdef __cplusplus
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <tuple>
#include <type_traits>
#include <utility>

// ---- the language --------------------------------------------------------------------------------------------
#define __host__
#define __device__
#define __global__
#define __constant__    static const
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))
// Static shared arrays. With one OS thread they are plain statics in a section of their own, which the runtime
// can poison and shadow and round which AddressSanitizer puts red zones. With several, each thread has a copy.
#if defined(CUSIM_MT)
#define __shared__ static thread_local
#else
#define __shared__ static __attribute__((section("cusim_shared")))
#endif

// Real variables rather than macros, because the launch configuration has members gridDim and blockDim. They use the
// fast thread-local storage model, except where the shared arrays would not fit beside them in a library loaded with dlopen.
#if defined(CUSIM_MT)
#define CUSIM_TLS
#else
#define CUSIM_TLS __attribute__((tls_model("initial-exec")))
#endif
extern __thread uint3 threadIdx CUSIM_TLS, blockIdx CUSIM_TLS;
extern __thread dim3 blockDim CUSIM_TLS, gridDim CUSIM_TLS;
static constexpr int warpSize = 32;

// ---- launches ------------------------------------------------------------------------------------------------
namespace cusim {

struct site { // a place in the user's source
  const char *file;
  int line;
};

// A launch as the runtime gets it: `run` calls the kernel with the arguments copied into `arguments`.
struct kernel_call {
  const char *text; // "&cfg, name<8>, a, b": the launch as it was written
  site at;
  const void *function;
  void (*run)(void *arguments);
  void (*destroy)(void *arguments);
  void *arguments;
  size_t argument_bytes;
};
cudaError_t enqueue_kernel(const cudaLaunchConfig_t *config, const kernel_call &call);

template <typename... P, typename... A>
CUSIM_CHECKED inline cudaError_t launch(site at, const char *text, const cudaLaunchConfig_t *config,
                                        void (*kernel)(P...), A &&...args) {
  static_assert(sizeof...(P) == sizeof...(A), "wrong number of kernel arguments");
  struct pack {
    void (*kernel)(P...);
    std::tuple<P...> args;
  };
  kernel_call call = {text,    at,          reinterpret_cast<const void *>(kernel), nullptr, nullptr,
                      nullptr, sizeof(pack)};
  call.run = [](void *p) { std::apply(static_cast<pack *>(p)->kernel, static_cast<pack *>(p)->args); };
  call.destroy = [](void *p) { delete static_cast<pack *>(p); };
  call.arguments = new pack{kernel, std::tuple<P...>(std::forward<A>(args)...)};
  return enqueue_kernel(config, call);
}

} // namespace cusim

// A macro, so that reports can name the kernel and the line of its launch.
#define cudaLaunchKernelEx(...) cusim::launch(cusim::site{__FILE__, __LINE__}, #__VA_ARGS__, __VA_ARGS__)

// The toolkit's C++ conveniences. Always inlined: the runtime names the caller of the C function.
#define CUSIM_INLINE inline __attribute__((always_inline))
template <class... P>
CUSIM_CHECKED CUSIM_INLINE cudaError_t cudaFuncSetAttribute(void (*kernel)(P...), cudaFuncAttribute attr,
                                                            int value) {
  return cudaFuncSetAttribute(reinterpret_cast<const void *>(kernel), attr, value);
}
template <class... P>
CUSIM_CHECKED CUSIM_INLINE cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *attr, void (*kernel)(P...)) {
  return cudaFuncGetAttributes(attr, reinterpret_cast<const void *>(kernel));
}
template <class... P>
CUSIM_CHECKED CUSIM_INLINE cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks,
                                                                                     void (*kernel)(P...),
                                                                                     int block_size,
                                                                                     size_t smem) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, reinterpret_cast<const void *>(kernel),
                                                       block_size, smem);
}
template <class T> CUSIM_CHECKED CUSIM_INLINE cudaError_t cudaMalloc(T **p, size_t size) {
  return cudaMalloc(reinterpret_cast<void **>(p), size);
}
template <class T> CUSIM_CHECKED CUSIM_INLINE cudaError_t cudaMallocHost(T **p, size_t size) {
  return cudaMallocHost(reinterpret_cast<void **>(p), size);
}
template <class T>
CUSIM_CHECKED CUSIM_INLINE cudaError_t cudaHostAlloc(T **p, size_t size, unsigned int flags) {
  return cudaHostAlloc(reinterpret_cast<void **>(p), size, flags);
}

#include "cusim_device.h"
#endif
#endif
