// The CPU backend: context, memory, shape checks, and its table.
//
// OpenBLAS is told to use one thread: every op splits its work above BLAS, so there is one pool and the epilogue
// of a matmul runs on rows that are still in cache.
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fault.h"
#include "base/memory.h"
#include "base/threads.h"
#include "ops/cpu/cpu.h"
#include "ops/shapes.h"
#include "simd/simd.h"

static status cpu_probe(int32_t device) {
  (void)device;
  return OK;
}

static status cpu_open(op_ctx **out, const backend_config *cfg) {
  *out = NULL;
  op_ctx *ctx;
  TRY(mem_new(&ctx, 1, sizeof *ctx, "the CPU backend"));
  ctx->threads = threads_or_all(cfg->threads);
  ctx->scratch_bytes = cfg->scratch_bytes;
  const status rc = mem_new(&ctx->scratch, cfg->scratch_bytes, 1, "op scratch");
  if (rc != OK) {
    free(ctx);
    return rc;
  }
  openblas_set_num_threads(1);
  *out = ctx;
  return OK;
}

static void cpu_close(op_ctx *ctx) {
  if (ctx == NULL) return;
  free(ctx->scratch);
  free(ctx);
}

static status cpu_supports(op_kind kind, const void *params) {
  return shapes_check("CPU", kind, params);
}

static size_t cpu_scratch_bytes(op_kind kind, const void *params, int32_t threads) {
  const int32_t n = threads_or_all(threads);
  switch (kind) {
  case OP_EMBED:
    return cpu_embed_scratch(params, n);
  case OP_NORM:
    return cpu_norm_scratch(params, n);
  case OP_LINEAR:
    return cpu_linear_scratch(params, n);
  case OP_ATTENTION:
    return cpu_attention_scratch(params, n);
  case OP_XENT:
    return cpu_xent_scratch(params, n);
  case OP_LEASH:
    return cpu_leash_scratch(params, n);
  case OP_GATHER:
    return cpu_gather_scratch(params);
  case OP_FUSE:
    return cpu_fuse_scratch(params, n);
  case OP_DROP:
    return cpu_drop_scratch(params, n);
  case OP_ORTHOGONAL:
    return cpu_orthogonal_scratch(params);
  case OP_SCALE:
    return cpu_scale_scratch(params, n);
  case OP_BAG:
  case OP_IMPORTANCE:
  case OP_CLASSIFY:
  case OP_OPTIM: // in its table
  case OP_COUNT:
    break;
  }
  return 0;
}

static status cpu_describe(op_ctx *ctx, char *text, size_t bytes) {
  const char *blas = openblas_get_config(); // "OpenBLAS 0.3.21 NO_LAPACKE ...": its version is enough
  const size_t name = strcspn(blas, " "),
               version = blas[name] == '\0' ? 0 : 1 + strcspn(blas + name + 1, " ");
  snprintf(text, bytes, "cpu, %d thread%s, %s kernels, %.*s (%s)", ctx->threads, ctx->threads == 1 ? "" : "s",
           simd()->name, (int)(name + version), blas, openblas_get_corename());
  return OK;
}

static status cpu_mem_alloc(op_ctx *ctx, size_t bytes, const char *what, void **out) {
  (void)ctx;
  *out = NULL;
  const size_t room = bytes == 0 ? 256 : (bytes + 255) / 256 * 256;
  void *p = bytes > SIZE_MAX / 2 || fault_at(FAULT_ALLOC) ? NULL : aligned_alloc(256, room);
  if (p == NULL) return fail(ERR_MEMORY, "out of memory: cannot get %zu bytes for %s", bytes, what);
  memset(p, 0, room);
  *out = p;
  return OK;
}

static void cpu_mem_free(op_ctx *ctx, void *p) {
  (void)ctx;
  free(p);
}

static status cpu_transfer(op_ctx *ctx, void *to, const void *from, size_t bytes) {
  (void)ctx;
  if (bytes > 0) memcpy(to, from, bytes);
  return OK;
}

static status cpu_zero(op_ctx *ctx, void *p, size_t bytes) {
  (void)ctx;
  if (bytes > 0) memset(p, 0, bytes);
  return OK;
}

static status cpu_cast(op_ctx *ctx, act *to, const float *from, size_t count) {
  return cpu_transfer(ctx, to, from, count * sizeof(float));
}

static status cpu_nothing(op_ctx *ctx) {
  (void)ctx;
  return OK;
}

static status cpu_graph_end(op_ctx *ctx, void **graph) {
  (void)ctx;
  *graph = NULL;
  return OK;
}

static status cpu_graph_launch(op_ctx *ctx, void *graph) {
  (void)ctx;
  (void)graph;
  return OK;
}

static void cpu_graph_free(op_ctx *ctx, void *graph) {
  (void)ctx;
  (void)graph;
}

static status cpu_state_write(op_ctx *ctx, const step_state *state) {
  ctx->state = *state;
  return OK;
}

static status cpu_result_clear(op_ctx *ctx) {
  memset(&ctx->result, 0, sizeof ctx->result);
  return OK;
}

static status cpu_result_next(op_ctx *ctx) {
  const int32_t refused = ctx->result.nonfinite;
  memset(&ctx->result, 0, sizeof ctx->result);
  ctx->result.nonfinite = refused;
  return OK;
}

static status cpu_result_post(op_ctx *ctx) {
  if (ctx->n_posted == 2) return fail(ERR_INTERNAL, "a third result is posted before the first is taken");
  ctx->posted[ctx->n_posted++] = ctx->result;
  return OK;
}

static status cpu_result_take(op_ctx *ctx, step_result *result) {
  if (ctx->n_posted == 0) return fail(ERR_INTERNAL, "a result is taken that was not posted");
  *result = ctx->posted[0];
  ctx->posted[0] = ctx->posted[1];
  ctx->n_posted--;
  return OK;
}

static status cpu_result_read(op_ctx *ctx, step_result *result) {
  *result = ctx->result;
  return OK;
}

const backend backend_cpu = {
    .version = OPS_VERSION,
    .name = "cpu",
    .act_size = sizeof(float),
    .host_memory = true,
    .probe = cpu_probe,
    .open = cpu_open,
    .close = cpu_close,
    .supports = cpu_supports,
    .scratch_bytes = cpu_scratch_bytes,
    .describe = cpu_describe,
    .mem_alloc = cpu_mem_alloc,
    .mem_free = cpu_mem_free,
    .upload = cpu_transfer,
    .download = cpu_transfer,
    .zero = cpu_zero,
    .copy = cpu_transfer,
    .cast = cpu_cast,
    .sync = cpu_nothing,
    .graph_begin = cpu_nothing,
    .graph_end = cpu_graph_end,
    .graph_launch = cpu_graph_launch,
    .graph_free = cpu_graph_free,
    .optim_bytes = cpu_optim_bytes,
    .optim_prepare = cpu_optim_prepare,
    .state_write = cpu_state_write,
    .result_clear = cpu_result_clear,
    .result_next = cpu_result_next,
    .result_post = cpu_result_post,
    .result_take = cpu_result_take,
    .result_read = cpu_result_read,
    .embed_forward = cpu_embed_forward,
    .embed_backward = cpu_embed_backward,
    .norm_forward = cpu_norm_forward,
    .norm_backward = cpu_norm_backward,
    .linear_forward = cpu_linear_forward,
    .linear_backward = cpu_linear_backward,
    .attention_forward = cpu_attention_forward,
    .attention_backward = cpu_attention_backward,
    .gather_forward = cpu_gather_forward,
    .gather_backward = cpu_gather_backward,
    .bag_forward = cpu_bag_forward,
    .bag_backward = cpu_bag_backward,
    .fuse_forward = cpu_fuse_forward,
    .fuse_backward = cpu_fuse_backward,
    .xent = cpu_xent,
    .leash = cpu_leash,
    .classify = cpu_classify,
    .drop = cpu_drop,
    .scale_forward = cpu_scale_forward,
    .scale_backward = cpu_scale_backward,
    .orthogonal_forward = cpu_orthogonal_forward,
    .orthogonal_backward = cpu_orthogonal_backward,
    .importance = cpu_importance,
    .grad_norm = cpu_grad_norm,
    .adamw = cpu_adamw,
    .lamb_update = cpu_lamb_update,
    .lamb_apply = cpu_lamb_apply,
    .average_weights = cpu_average_weights,
    .average_rescale = cpu_average_rescale,
};
