// y = activation(x w^T + b): the matmuls here, bias, activation and column sums in kernels/bias_activation.cu.
//
// Forward: the matmul is written where z is kept (pre, or else y), then one kernel computes y from it. With y_add the
// matmul is added to y, and the kernel adds the bias. Backward: one kernel turns dy into dz and leaves column sums
// for db; then dx = dz w and dw += dz^T x.
//
// Outside of a graph the matmuls take the live rows. A captured graph serves every batch, so its matmuls take whole
// capacities: dz is 0 in dead rows and x finite there (ops.h), so neither adds anything to dw, and what
// lands in dead rows of y and dx is finite.
#include "cuda/cuda.h"

// Bytes of scratch: the matmuls' workspace, then the kernels' partial sums.
enum { WORKSPACE_AT = 0, PARTIALS_AT = WORKSPACE_BYTES };

size_t cuda_linear_scratch(const linear_params *p, size_t act_size) {
  return PARTIALS_AT + launch_bias_activation_scratch(p, act_size);
}

static bool is_gelu(activation kind) {
  return kind == ACT_GELU_TANH || kind == ACT_GELU_ERF;
}

status cuda_linear_forward(op_ctx *ctx, const linear_params *p) {
  linear_params q = *p;
  if (!is_gelu(q.kind)) q.pre = NULL;
  const matmul_call z = {.m = cuda_rows(ctx, p->n),
                         .n = p->out,
                         .k = p->in,
                         .b_transposed = true,
                         .a = p->x,
                         .b = p->w,
                         .lda = p->in,
                         .ldb = p->in,
                         .c = q.pre != NULL ? q.pre : q.y,
                         .ldc = p->out,
                         .alpha = 1.0f,
                         .beta = p->y_add ? 1.0f : 0.0f};
  TRY(cuda_matmul(ctx, &z, WORKSPACE_AT));
  return cuda_check(launch_bias_activation(&ctx->at, &q), "launch bias and activation");
}

status cuda_linear_backward(op_ctx *ctx, const linear_params *p) {
  const int32_t n = cuda_rows(ctx, p->n);
  if (p->kind != ACT_NONE || p->db != NULL || ctx->capturing) {
    launch at = ctx->at;
    at.scratch = (char *)at.scratch + PARTIALS_AT;
    TRY(cuda_check(launch_bias_activation_backward(&at, p), "launch bias and activation, backward"));
  }
  if (p->dx != NULL) {
    const matmul_call dx = {.m = n,
                            .n = p->in,
                            .k = p->out,
                            .a = p->dy,
                            .b = p->w,
                            .lda = p->out,
                            .ldb = p->in,
                            .c = p->dx,
                            .ldc = p->in,
                            .alpha = 1.0f,
                            .beta = p->dx_add ? 1.0f : 0.0f};
    TRY(cuda_matmul(ctx, &dx, WORKSPACE_AT));
  }
  if (p->dw == NULL) return OK;
  const matmul_call dw = {.m = p->out,
                          .n = p->in,
                          .k = n,
                          .a_transposed = true,
                          .a = p->dy,
                          .b = p->x,
                          .lda = p->out,
                          .ldb = p->in,
                          .c = p->dw,
                          .ldc = p->in,
                          .alpha = 1.0f,
                          .beta = 1.0f};
  return cuda_matmul(ctx, &dw, WORKSPACE_AT);
}
