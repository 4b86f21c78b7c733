// bench: what the simulator's primitives cost, and a training step of a small BERT in cuBLASLt calls and launches.
// Prints one line each; docs/cusim.md quotes it. make bench-cusim
#include "samples.h"
#include "tap.h"
#include <cublasLt.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

static double now() { // processor time, but where several threads share the work
  timespec t;
#ifdef CUSIM_MT
  clock_gettime(CLOCK_MONOTONIC, &t);
#else
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
#endif
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}
template <class F> static double fastest(F f) {
  double best = 1e9;
  for (int i = 0; i < 5; i++) {
    const double start = now();
    f();
    MUST(cudaDeviceSynchronize());
    const double t = now() - start;
    if (t < best) best = t;
  }
  return best;
}
static void primitives(float *out) {
  static const char *const names[] = {"thread without a barrier",
                                      "__syncthreads",
                                      "__shfl_xor_sync",
                                      "warp_sum",
                                      "mma.m16n8k16",
                                      "ldmatrix.x4"};
  for (int kind = 0; kind < 6; kind++) {
    const int n = kind ? 200 : 0, blocks = kind ? 8 : 1000, threads = 128;
    const double t = fastest([&] { MUST(sample_primitive(nullptr, kind, blocks, threads, n, out)); });
    const double calls = static_cast<double>(blocks) * threads * (kind ? n : 1);
    printf("%-26s %7.1f ns a thread, %8.1f ns a warp\n", names[kind], t / calls * 1e9, t / calls * 32e9);
  }
}
static cublasLtHandle_t handle;
static void matmul(int m, int n, int k, float *a, float *b, float *d) {
  cublasLtMatmulDesc_t desc;
  cublasLtMatrixLayout_t la, lb, ld;
  const cublasOperation_t t = CUBLAS_OP_T;
  const float one = 1, zero = 0;
  MUST(cublasLtMatmulDescCreate(&desc, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  MUST(cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_TRANSA, &t, sizeof t));
  MUST(cublasLtMatrixLayoutCreate(&la, CUDA_R_32F, static_cast<uint64_t>(k), static_cast<uint64_t>(m), k));
  MUST(cublasLtMatrixLayoutCreate(&lb, CUDA_R_32F, static_cast<uint64_t>(k), static_cast<uint64_t>(n), k));
  MUST(cublasLtMatrixLayoutCreate(&ld, CUDA_R_32F, static_cast<uint64_t>(m), static_cast<uint64_t>(n), m));
  MUST(cublasLtMatmul(handle, desc, &one, a, la, b, lb, &zero, d, ld, d, ld, nullptr, nullptr, 0, nullptr));
  for (cublasLtMatrixLayout_t l : {la, lb, ld}) cublasLtMatrixLayoutDestroy(l);
  cublasLtMatmulDescDestroy(desc);
}
static float *zeros(size_t n) {
  float *p;
  MUST(cudaMalloc(&p, n * sizeof(float)));
  MUST(cudaMemset(p, 0, n * sizeof(float)));
  return p;
}

int main() {
  constexpr int T = 512, H = 64, F = 256, V = 1024; // 2 layers of 64, as in the tests of training
  float *a = zeros(512 * 1024), *b = zeros(512 * 1024), *c = zeros(1024 * 1024), *small = zeros(4096);
  MUST(cublasLtCreate(&handle));
  primitives(small);
  const double matmul = fastest([&] { matmul(512, 512, 512, a, b, c); });
  printf("cublasLtMatmul 512x512x512 %7.2f ms, %.1f Gflop/s\n", matmul * 1e3,
         2e-9 * 512 * 512 * 512 / matmul);
  const double norm = fastest(
      [&] { MUST(sample_layernorm(nullptr, 512, 256, a, small, small, b, small + 1024, small + 2048)); });
  const double bf16 = fastest([&] { MUST(sample_gemm_bf16(nullptr, 256, 256, 256, a, b, c)); });
  const double soft = fastest([&] { MUST(sample_softmax(nullptr, 512, 512, c, b)); });
  printf("layernorm 512x256          %7.2f ms\nmma matmul 256x256x256    %7.2f ms\nsoftmax 512x512          "
         "  %7.2f ms\n",
         norm * 1e3, bf16 * 1e3, soft * 1e3);
  // The matmuls and row kernels of one step: forward and backward of two layers and the head.
  const double step = fastest([&] {
    for (int pass = 0; pass < 3; pass++) { // forward, gradients of activations, of weights
      for (int layer = 0; layer < 2; layer++) {
        matmul(3 * H, T, H, a, b, c);
        matmul(H, T, H, a, b, c);
        matmul(F, T, H, a, b, c);
        matmul(H, T, F, a, b, c);
        for (int i = 0; i < 2; i++)
          MUST(sample_layernorm(nullptr, T, H, a, small, small, b, small + 1024, small + 2048));
        MUST(sample_softmax(nullptr, T, 64, a, b)); // attention's rows
        MUST(sample_saxpy(nullptr, T * F, 1.0f, a, b));
      }
      matmul(V, T / 8, H, a, b, c);
      MUST(sample_softmax(nullptr, T / 8, V, c, b));
    }
    MUST(sample_saxpy(nullptr, 164 << 10, 1.0f, a, b));
  });
  printf("a step of 2x%d, %d tokens    %6.1f ms without attention's matmuls\n", H, T, step * 1e3);
  for (float *p : {a, b, c, small}) MUST(cudaFree(p));
  cublasLtDestroy(handle);
  return 0;
}
