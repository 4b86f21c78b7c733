// What the host side of the CUDA backend (src/cuda, C) and the kernels (kernels/*.cu) share: the launchers.
//
// A launcher takes the op's own params struct (ops/ops.h) with device pointers in it, checks nothing, puts its kernels
// on l->stream and returns the first error of a launch. It never allocates, copies or synchronises. Grids are sized by
// capacities; the live counts, the step and the seed are read on the device, so that a captured graph serves every
// batch. Element type of `act`: by l->act_size, 4 float.
//
// launch_X_scratch gives the bytes of l->scratch that launcher X needs at the capacities of its params (whose pointers
// may be NULL then).
#ifndef SOUK_KERNELS_LAUNCH_H
#define SOUK_KERNELS_LAUNCH_H

#include <cuda_runtime.h>
#include "ops/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct launch {
  cudaStream_t stream;
  const step_state *state; // device memory
  step_result *result;     // device memory
  void *scratch;           // device memory, 256-byte aligned
  size_t act_size;
  int32_t multiprocessors;
} launch;

__attribute__((weak)) cudaError_t launch_cast(const launch *l, act *to, const float *from, size_t count);

__attribute__((weak)) cudaError_t launch_embed_forward(const launch *l, const embed_params *p);
__attribute__((weak)) cudaError_t launch_embed_backward(const launch *l, const embed_params *p);
__attribute__((weak)) size_t launch_embed_scratch(const embed_params *p, size_t act_size);

__attribute__((weak)) cudaError_t launch_norm_forward(const launch *l, const norm_params *p);
__attribute__((weak)) cudaError_t launch_norm_backward(const launch *l, const norm_params *p);
__attribute__((weak)) size_t launch_norm_scratch(const norm_params *p, size_t act_size);

__attribute__((weak)) cudaError_t launch_attention_forward(const launch *l, const attention_params *p);
__attribute__((weak)) cudaError_t launch_attention_backward(const launch *l, const attention_params *p);
__attribute__((weak)) size_t launch_attention_scratch(const attention_params *p, size_t act_size);

__attribute__((weak)) cudaError_t launch_gather_forward(const launch *l, const gather_params *p);
__attribute__((weak)) cudaError_t launch_gather_backward(const launch *l, const gather_params *p);
__attribute__((weak)) size_t launch_gather_scratch(const gather_params *p, size_t act_size);

__attribute__((weak)) cudaError_t launch_cls(const launch *l, const cls_params *p);
__attribute__((weak)) size_t launch_cls_scratch(const cls_params *p);

__attribute__((weak)) cudaError_t launch_grad_norm(const launch *l, const optim_params *p);
__attribute__((weak)) cudaError_t launch_adamw(const launch *l, const optim_params *p);
__attribute__((weak)) cudaError_t launch_lamb(const launch *l, const optim_params *p);
__attribute__((weak)) size_t launch_optim_scratch(const optim_params *p);

// The product x w^T is in pre or, where that is NULL, in y: pre += b, y = activation of that.
cudaError_t launch_bias_activation(const launch *l, const linear_params *p);
// dy becomes the gradient before the activation, 0 in rows past the live count; db (may be NULL) += its column sums.
cudaError_t launch_bias_activation_backward(const launch *l, const linear_params *p);
size_t launch_bias_activation_scratch(const linear_params *p, size_t act_size);
// to [columns] += column sums of partials [parts,columns], each divided by divisor [columns] (may be NULL).
cudaError_t launch_add_partials(const launch *l, float *to, const float *partials, int32_t parts,
                                int32_t columns, const float *divisor);

#ifdef __cplusplus
}
#endif

#endif
