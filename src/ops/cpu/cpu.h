// What the files of the CPU backend share. One file an op; fp32; matmuls through cblas, the rest vectorised
// through src/simd and threaded with OpenMP.
#ifndef SOUK_OPS_CPU_CPU_H
#define SOUK_OPS_CPU_CPU_H

#include "ops/ops.h"

struct op_ctx {
  int32_t threads;
  step_state state;
  step_result result;
  step_result posted[2]; // results that were posted and not taken, the oldest first
  int32_t n_posted;
  char *scratch; // scratch_bytes, 64-byte aligned
  size_t scratch_bytes;
};

// Live rows of `n`, never above its capacity.
static inline int32_t rows_live(const op_ctx *ctx, rows n) {
  int32_t live = n.cap;
  if (n.kind == ROWS_TOKENS) live = ctx->state.tokens;
  if (n.kind == ROWS_SEQS) live = ctx->state.seqs;
  if (n.kind == ROWS_MASKED) live = ctx->state.masked;
  if (n.kind == ROWS_LISTED) live = ctx->state.listed;
  if (n.kind == ROWS_ITEMS) live = ctx->state.items;
  if (n.kind == ROWS_TEXTS) live = ctx->state.texts;
  return live < n.cap ? live : n.cap;
}

status cpu_embed_forward(op_ctx *ctx, const embed_params *p);
status cpu_embed_backward(op_ctx *ctx, const embed_params *p);
status cpu_norm_forward(op_ctx *ctx, const norm_params *p);
status cpu_norm_backward(op_ctx *ctx, const norm_params *p);
status cpu_linear_forward(op_ctx *ctx, const linear_params *p);
status cpu_linear_backward(op_ctx *ctx, const linear_params *p);
status cpu_attention_forward(op_ctx *ctx, const attention_params *p);
status cpu_attention_backward(op_ctx *ctx, const attention_params *p);
status cpu_gather_forward(op_ctx *ctx, const gather_params *p);
status cpu_gather_backward(op_ctx *ctx, const gather_params *p);
status cpu_bag_forward(op_ctx *ctx, const bag_params *p);
status cpu_bag_backward(op_ctx *ctx, const bag_params *p);
status cpu_fuse_forward(op_ctx *ctx, const fuse_params *p);
status cpu_fuse_backward(op_ctx *ctx, const fuse_params *p);
status cpu_xent(op_ctx *ctx, const xent_params *p);
status cpu_leash(op_ctx *ctx, const leash_params *p);
status cpu_classify(op_ctx *ctx, const classify_params *p);
status cpu_drop(op_ctx *ctx, const drop_params *p);
status cpu_scale_forward(op_ctx *ctx, const scale_params *p);
status cpu_scale_backward(op_ctx *ctx, const scale_params *p);
status cpu_orthogonal_forward(op_ctx *ctx, const orthogonal_params *p);
status cpu_orthogonal_backward(op_ctx *ctx, const orthogonal_params *p);
status cpu_importance(op_ctx *ctx, const importance_params *p);
status cpu_grad_norm(op_ctx *ctx, const optim_params *p);
status cpu_adamw(op_ctx *ctx, const optim_params *p);
status cpu_lamb_update(op_ctx *ctx, const optim_params *p);
status cpu_lamb_apply(op_ctx *ctx, const optim_params *p);
status cpu_average_weights(op_ctx *ctx, const optim_params *p);
status cpu_average_rescale(op_ctx *ctx, const optim_params *p);
size_t cpu_optim_bytes(const optim_params *p);
status cpu_optim_prepare(op_ctx *ctx, const optim_params *p);

// Rows [*begin, *end) of n for part `part` of `parts`, boundaries at multiples of `grain`.
static inline void split_rows(int64_t n, int64_t grain, int32_t parts, int32_t part, int64_t *begin,
                              int64_t *end) {
  const int64_t blocks = (n + grain - 1) / grain;
  *begin = blocks * part / parts * grain;
  *end = blocks * (part + 1) / parts * grain;
  if (*begin > n) *begin = n;
  if (*end > n) *end = n;
}

// Dropout of hidden rows [begin, end) of x, in place; see base/philox.h. ROWS_TOKENS or, where rows are sequences, ROWS_SEQS.
void cpu_dropout_rows(const op_ctx *ctx, const batch_view *batch, dropout drop, rows_kind kind,
                      int32_t hidden, int64_t begin, int64_t end, float *x);

// Stochastic depth of the same rows: those of a sequence that goes without the branch become 0, the others are scaled.
void cpu_path_rows(const op_ctx *ctx, const batch_view *batch, dropout path, int32_t hidden, int64_t begin,
                   int64_t end, float *x);

// Scratch each op needs at its params' capacities, in bytes (cpu_backend.c sums nothing: it takes the maximum).
size_t cpu_embed_scratch(const embed_params *p, int32_t threads);
size_t cpu_norm_scratch(const norm_params *p, int32_t threads);
size_t cpu_linear_scratch(const linear_params *p, int32_t threads);
size_t cpu_attention_scratch(const attention_params *p, int32_t threads);
size_t cpu_drop_scratch(const drop_params *p, int32_t threads);
size_t cpu_scale_scratch(const scale_params *p, int32_t threads);
size_t cpu_orthogonal_scratch(const orthogonal_params *p);
size_t cpu_gather_scratch(const gather_params *p);
size_t cpu_fuse_scratch(const fuse_params *p, int32_t threads);
size_t cpu_xent_scratch(const xent_params *p, int32_t threads);
size_t cpu_leash_scratch(const leash_params *p, int32_t threads);

#endif
