// What the files of the CUDA backend's host side share.
//
// The backend is a shared object that is loaded when it is asked for (ops/backend.c). Kernels are launched through
// kernels/launch.h, matmuls go through cuBLASLt (cuda_matmul). One stream computes; uploads go through pinned memory
// on a second one (cuda_memory.c). Nothing in a step allocates or waits, except result_read and download.
#ifndef SOUK_CUDA_CUDA_H
#define SOUK_CUDA_CUDA_H

#include <cublasLt.h>
#include <cuda_runtime.h>
#include "launch.h"
#include "ops/ops.h"

enum { STAGES = 2, WORKSPACE_BYTES = 32 << 20, DEVICE_TEXT = 96 };
enum { STAGE_BYTES = 1 << 20 };

// One half of the pinned upload buffer, with its copy on the device.
typedef struct stage {
  char *host, *device;
  cudaEvent_t copied;   // recorded on the copy stream: the device copy holds the bytes
  cudaEvent_t consumed; // recorded on the compute stream: the device copy has been copied to its destination
  bool pending;         // `consumed` was recorded and not waited for yet
} stage;

struct op_ctx {
  launch at; // stream, state, result, scratch
  int32_t device;
  matmul_kind matmul;
  char name[DEVICE_TEXT]; // "NVIDIA H100 80GB HBM3 (sm_90, 79.1 GiB)"
  step_state host;        // what state_write was last given: live counts for matmuls outside of a graph
  bool capturing;         // between graph_begin and graph_end: matmuls run over whole capacities
  size_t scratch_bytes, planned, free_at_open;
  cudaStream_t copies;
  stage stages[STAGES];
  int32_t current; // stage that is being filled
  size_t filled;
  step_result *pinned; // [STAGES + 1]: posted results, and one for result_read
  cudaEvent_t posted[STAGES];
  int32_t first_post, n_posted;
  cublasLtHandle_t blas;
  struct matmul_cache *matmuls; // cuda_matmul.c
};

// OK, or fails with a sentence: what was tried, and CUDA's own message. `what` completes "the CUDA device failed to
// ...".
status cuda_check(cudaError_t rc, const char *what);

// ---- SOUK_CUDA_SYNC (cuda_checked.c) -------------------------------------------------------------------------

// The table itself or, with SOUK_CUDA_SYNC, one that waits for every op.
const backend *cuda_table(const backend *table);
bool cuda_waits(void);                 // is SOUK_CUDA_SYNC set?
const char *cuda_doing(void);          // if so, the current op with its shape, for messages; "": none
const char *cuda_late(cudaError_t rc); // if not, a hint for the message that an earlier op may be the cause

// Live rows of n at the host; whole capacities while a graph is captured.
int32_t cuda_rows(const op_ctx *ctx, rows n);

// ---- memory (cuda_memory.c) ----------------------------------------------------------------------------------

status cuda_stages_open(op_ctx *ctx);
void cuda_stages_close(op_ctx *ctx);
status cuda_mem_alloc(op_ctx *ctx, size_t bytes, const char *what, void **out);
// The same, not zeroed: for scratch, which holds whatever earlier ops left. The simulator reports reads of unwritten
// scratch.
status cuda_raw_alloc(op_ctx *ctx, size_t bytes, const char *what, void **out);
void cuda_mem_free(op_ctx *ctx, void *p);
status cuda_upload(op_ctx *ctx, void *to, const void *from, size_t bytes);
status cuda_download(op_ctx *ctx, void *to, const void *from, size_t bytes);
status cuda_zero(op_ctx *ctx, void *p, size_t bytes);
status cuda_copy(op_ctx *ctx, void *to, const void *from, size_t bytes);
status cuda_cast(op_ctx *ctx, act *to, const float *from, size_t count);

// ---- matmuls (cuda_matmul.c) -------------------------------------------------------------------------------

// C[m,n] (row-major, leading dimension ldc) = alpha op(A) op(B) + beta C, where op(A) is [m,k] and op(B) is [k,n];
// A is stored [m,k], or [k,m] if a_transposed; B [k,n], or [n,k] if b_transposed. m, n or k of 0 is allowed: C becomes
// beta C. Types: float, multiplied as ctx->matmul says. Repeats give the same bits.
typedef struct matmul_call {
  int32_t m, n, k;
  bool a_transposed, b_transposed;
  const void *a, *b;
  int32_t lda, ldb; // elements of a stored row
  void *c;
  int32_t ldc;
  float alpha, beta; // beta 0: C is not read; or 1
} matmul_call;

status cuda_matmul_open(op_ctx *ctx);
void cuda_matmul_close(op_ctx *ctx);
// The workspace of a matmul lies at ctx->at.scratch + scratch_at, 256-byte aligned, WORKSPACE_BYTES large.
status cuda_matmul(op_ctx *ctx, const matmul_call *p, size_t scratch_at);

// ---- ops of several kernels and matmuls ---------------------------------------------------------------------

status cuda_linear_forward(op_ctx *ctx, const linear_params *p);
status cuda_linear_backward(op_ctx *ctx, const linear_params *p);
size_t cuda_linear_scratch(const linear_params *p, size_t act_size);
status cuda_xent(op_ctx *ctx, const xent_params *p);
size_t cuda_xent_scratch(const xent_params *p, size_t act_size);
status cuda_leash(op_ctx *ctx, const leash_params *p);
size_t cuda_leash_scratch(const leash_params *p);

// ---- the optimiser's table (cuda_optim.c) --------------------------------------------------------------------

size_t cuda_optim_bytes(const optim_params *p);
status cuda_optim_prepare(op_ctx *ctx, const optim_params *p);
status cuda_grad_norm(op_ctx *ctx, const optim_params *p);
status cuda_adamw(op_ctx *ctx, const optim_params *p);
status cuda_lamb_update(op_ctx *ctx, const optim_params *p);
status cuda_lamb_apply(op_ctx *ctx, const optim_params *p);
status cuda_average_weights(op_ctx *ctx, const optim_params *p);
status cuda_average_rescale(op_ctx *ctx, const optim_params *p);

#endif
