/* Sample kernels of the simulator's tests. C linkage: the launchers are called from C and C++. */
#ifndef CUSIM_SAMPLES_H
#define CUSIM_SAMPLES_H
#include <cuda_runtime.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
/* All pointers are device memory; results are written, not accumulated into, unless said so. */
cudaError_t sample_saxpy(cudaStream_t s, int n, float a, const float *x, float *y); /* y += a x */
cudaError_t sample_sum(cudaStream_t s, int n, const float *x, float *total, float *partial,
                       unsigned *counter); /* partial: [64], counter: 0 */
cudaError_t sample_transpose(cudaStream_t s, int rows, int cols, const float *x,
                             float *y);                                                   /* x: [rows,cols] */
cudaError_t sample_softmax(cudaStream_t s, int rows, int cols, const float *x, float *y); /* by rows */
cudaError_t sample_layernorm(cudaStream_t s, int rows, int h, const float *x, const float *gamma,
                             const float *beta, float *y, float *mean, float *rstd);
cudaError_t sample_layernorm_bf16(cudaStream_t s, int rows, int h, const void *x, const float *gamma,
                                  const float *beta, void *y, float *mean, float *rstd);
cudaError_t sample_histogram(cudaStream_t s, int n, const int *x, int bins, int *count); /* count += */
cudaError_t sample_gemm_bf16(cudaStream_t s, int m, int n, int k, const void *a, const void *b,
                             float *c); /* c[m,n] = a[m,k] b[k,n]; multiples of 64, 64, 32 */
cudaError_t sample_gemm_tf32(cudaStream_t s, int m, int n, int k, const float *a, const float *b,
                             float *c);                        /* b: [n,k]; multiples of 16, 8, 8 */
cudaError_t sample_collectives(cudaStream_t s, uint32_t *out); /* [32][16]: what each lane got */
cudaError_t sample_primitive(cudaStream_t s, int kind, int blocks, int threads, int n,
                             float *out); /* for timing */
cudaError_t sample_smem(cudaStream_t s, size_t bytes,
                        float *out); /* out[0] = 1 through `bytes` of dynamic shared memory */
#ifdef __cplusplus
}
#endif
#endif
