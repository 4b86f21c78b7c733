// The CUDA backend: device, context, state and results, graphs, shape checks, and its table.
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cuda/cuda.h"
#include "ops/backend.h"
#include "ops/shapes.h"

enum { LEAST_CAPABILITY = 80 }; // sm_80: the oldest architecture that the kernels are compiled for

// ---- errors --------------------------------------------------------------------------------------------------

// Error messages belong to the program that loaded this object: this fail() passes them on.
static backend_host host;

status fail(status code, const char *format, ...) {
  char text[2048];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  const char *op = cuda_doing();
  return host.fail(code, "%s%s%s", op, op[0] != '\0' ? ": " : "", text);
}

status cuda_check(cudaError_t rc, const char *what) {
  if (rc == cudaSuccess) return OK;
  const cudaError_t taken = cudaGetLastError(); // or the next launch would report it again
  (void)taken;
  return fail(rc == cudaErrorMemoryAllocation ? ERR_MEMORY : ERR_INTERNAL,
              "the CUDA device failed to %s: %s (%s)%s", what, cudaGetErrorString(rc), cudaGetErrorName(rc),
              cuda_late(rc));
}

// ---- device --------------------------------------------------------------------------------------------------

static status find_device(int32_t device, struct cudaDeviceProp *prop) {
  int count = 0, driver = 0, runtime = 0;
  const cudaError_t rc = cudaGetDeviceCount(&count);
  if (rc != cudaSuccess) {
    const cudaError_t taken = cudaGetLastError();
    (void)taken;
  }
  if (rc == cudaErrorInsufficientDriver) {
    TRY(cuda_check(cudaDriverGetVersion(&driver), "report its driver's version"));
    TRY(cuda_check(cudaRuntimeGetVersion(&runtime), "report the runtime's version"));
    return driver == 0 ? fail(ERR_UNSUPPORTED, "there is no NVIDIA driver on this machine; use --device cpu")
                       : fail(ERR_UNSUPPORTED,
                              "the NVIDIA driver is for CUDA %d.%d, older than the runtime of this build, "
                              "%d.%d: a newer "
                              "driver is needed, or --device cpu",
                              driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
  }
  if (rc == cudaErrorNoDevice || (rc == cudaSuccess && count == 0))
    return fail(ERR_UNSUPPORTED, "there is no CUDA device on this machine; use --device cpu");
  if (rc != cudaSuccess)
    return fail(ERR_UNSUPPORTED, "CUDA does not start on this machine: %s (%s)", cudaGetErrorString(rc),
                cudaGetErrorName(rc));
  if (device < 0 || device >= count)
    return fail(ERR_UNSUPPORTED, "there is no CUDA device %d: this machine has %d, counted from 0", device,
                count);
  TRY(cuda_check(cudaGetDeviceProperties(prop, device), "report its properties"));
  const int capability = prop->major * 10 + prop->minor;
  if (capability < LEAST_CAPABILITY)
    return fail(ERR_UNSUPPORTED,
                "CUDA device %d (%s) has compute capability %d.%d; Souk needs 8.0 (Ampere) or newer", device,
                prop->name, prop->major, prop->minor);
  return OK;
}

static status cuda_probe(int32_t device) {
  struct cudaDeviceProp prop;
  return find_device(device, &prop);
}

static double gib(size_t bytes) {
  return (double)bytes / 0x1p30;
}

// The run's memory is known from its plan: too little is better reported now than in the first step.
static status check_memory(op_ctx *ctx) {
  size_t total;
  TRY(cuda_check(cudaMemGetInfo(&ctx->free_at_open, &total), "report its free memory"));
  if (ctx->planned <= ctx->free_at_open) return OK;
  return fail(
      ERR_MEMORY,
      "CUDA device %d (%s) has %.2f GiB free, the run needs %.2f GiB by its plan (souk plan shows it): "
      "lower data.batch_tokens and raise train.accumulate, or choose a smaller model",
      ctx->device, ctx->name, gib(ctx->free_at_open), gib(ctx->planned));
}

// ---- context -------------------------------------------------------------------------------------------------

static void cuda_close(op_ctx *ctx) {
  if (ctx == NULL) return;
  // Errors here have been reported where they arose; closing goes on regardless.
  cudaError_t ignored = cudaSetDevice(ctx->device);
  if (ctx->at.stream != NULL) ignored = cudaStreamSynchronize(ctx->at.stream);
  if (ctx->copies != NULL) ignored = cudaStreamSynchronize(ctx->copies);
  cuda_matmul_close(ctx);
  cuda_stages_close(ctx);
  if (ctx->pinned != NULL) ignored = cudaFreeHost(ctx->pinned);
  for (int i = 0; i < STAGES; i++)
    if (ctx->posted[i] != NULL) ignored = cudaEventDestroy(ctx->posted[i]);
  void *state;
  memcpy(&state, &ctx->at.state, sizeof state);
  ignored = cudaFree(state);
  ignored = cudaFree(ctx->at.result);
  ignored = cudaFree(ctx->at.scratch);
  if (ctx->copies != NULL) ignored = cudaStreamDestroy(ctx->copies);
  if (ctx->at.stream != NULL) ignored = cudaStreamDestroy(ctx->at.stream);
  (void)ignored;
  free(ctx);
}

static status open_streams(op_ctx *ctx) {
  TRY(cuda_check(cudaStreamCreateWithFlags(&ctx->at.stream, cudaStreamNonBlocking), "create a stream"));
  TRY(cuda_check(cudaStreamCreateWithFlags(&ctx->copies, cudaStreamNonBlocking), "create a stream"));
  void *state, *result;
  TRY(cuda_mem_alloc(ctx, sizeof(step_state), "the step's state", &state));
  ctx->at.state = state;
  TRY(cuda_mem_alloc(ctx, sizeof(step_result), "the step's results", &result));
  ctx->at.result = result;
  TRY(cuda_raw_alloc(ctx, ctx->scratch_bytes, "scratch of ops", &ctx->at.scratch));
  TRY(cuda_check(
      cudaHostAlloc((void **)&ctx->pinned, (STAGES + 1) * sizeof(step_result), cudaHostAllocDefault),
      "pin memory for results"));
  for (int i = 0; i < STAGES; i++)
    TRY(cuda_check(cudaEventCreateWithFlags(&ctx->posted[i], cudaEventDisableTiming), "create an event"));
  TRY(cuda_stages_open(ctx));
  return cuda_matmul_open(ctx);
}

static status cuda_open(op_ctx **out, const backend_config *cfg) {
  *out = NULL;
  struct cudaDeviceProp prop;
  TRY(find_device(cfg->device, &prop));
  TRY(cuda_check(cudaSetDevice(cfg->device), "be selected"));
  op_ctx *ctx = calloc(1, sizeof *ctx);
  if (ctx == NULL) return fail(ERR_MEMORY, "out of memory: cannot make the CUDA backend's context");
  ctx->device = cfg->device;
  ctx->planned = cfg->planned_bytes;
  ctx->matmul = cfg->matmul;
  ctx->scratch_bytes = cfg->scratch_bytes;
  ctx->at.act_size = sizeof(float);
  ctx->at.multiprocessors = prop.multiProcessorCount;
  snprintf(ctx->name, sizeof ctx->name, "%.60s, sm_%d%d, %.1f GiB", prop.name, prop.major, prop.minor,
           gib(prop.totalGlobalMem));
  status rc = check_memory(ctx);
  if (rc == OK) rc = open_streams(ctx);
  if (rc != OK) {
    cuda_close(ctx);
    return rc;
  }
  *out = ctx;
  return OK;
}

static status cuda_describe(op_ctx *ctx, char *text, size_t bytes) {
  int runtime = 0, driver = 0;
  TRY(cuda_check(cudaRuntimeGetVersion(&runtime), "report the runtime's version"));
  TRY(cuda_check(cudaDriverGetVersion(&driver), "report its driver's version"));
  snprintf(text, bytes,
           "cuda device %d, %s, %d multiprocessors, %s, CUDA %d.%d, driver for %d.%d, cuBLASLt %zu%s",
           ctx->device, ctx->name, ctx->at.multiprocessors,
           ctx->matmul == MATMUL_TF32 ? "fp32 with matmuls in tf32" : "fp32", runtime / 1000,
           runtime % 1000 / 10, driver / 1000, driver % 1000 / 10, cublasLtGetVersion(),
           cuda_waits() ? ", waiting after every op (SOUK_CUDA_SYNC)" : "");
  return OK;
}

int32_t cuda_rows(const op_ctx *ctx, rows n) {
  int32_t live = n.cap;
  if (n.kind == ROWS_TOKENS) live = ctx->host.tokens;
  if (n.kind == ROWS_SEQS) live = ctx->host.seqs;
  if (n.kind == ROWS_MASKED) live = ctx->host.masked;
  if (n.kind == ROWS_LISTED) live = ctx->host.listed;
  if (n.kind == ROWS_ITEMS) live = ctx->host.items;
  if (n.kind == ROWS_TEXTS) live = ctx->host.texts;
  return live < n.cap && !ctx->capturing ? live : n.cap;
}

// ---- shapes --------------------------------------------------------------------------------------------------

static status cuda_supports(op_kind kind, const void *params) {
  TRY(shapes_check("CUDA", kind, params));
  const int32_t d = kind == OP_ATTENTION ? ((const attention_params *)params)->head_size : 16;
  if (d == 16 || d == 32 || d == 64 || d == 128) return OK;
  return fail(ERR_UNSUPPORTED,
              "the CUDA backend's attention has kernels for head sizes (model.hidden / model.heads) of 16, "
              "32, 64 and 128, not %d",
              d);
}

static size_t cuda_scratch_bytes(op_kind kind, const void *params, int32_t threads) {
  (void)threads;
  switch (kind) {
  case OP_EMBED:
    return launch_embed_scratch(params, sizeof(float));
  case OP_NORM:
    return launch_norm_scratch(params, sizeof(float));
  case OP_LINEAR:
    return cuda_linear_scratch(params, sizeof(float));
  case OP_ATTENTION:
    return launch_attention_scratch(params, sizeof(float));
  case OP_GATHER:
    return launch_gather_scratch(params, sizeof(float));
  case OP_BAG:
    return launch_bag_scratch(params, sizeof(float));
  case OP_FUSE:
    return launch_fuse_scratch(params, sizeof(float));
  case OP_XENT:
    return cuda_xent_scratch(params, sizeof(float));
  case OP_LEASH:
    return cuda_leash_scratch(params);
  case OP_CLASSIFY:
    return launch_classify_scratch(params);
  case OP_ORTHOGONAL:
    return launch_orthogonal_scratch(params);
  case OP_SCALE:
    return launch_scale_scratch(params);
  case OP_DROP:
  case OP_IMPORTANCE:
  case OP_OPTIM: // in its table
  case OP_COUNT:
    break;
  }
  return 0;
}

// ---- state, results, graphs ----------------------------------------------------------------------------------

static status cuda_state_write(op_ctx *ctx, const step_state *state) {
  ctx->host = *state;
  void *to;
  memcpy(&to, &ctx->at.state, sizeof to); // const for the kernels, but the host writes it
  return cuda_upload(ctx, to, state, sizeof *state);
}

static status cuda_result_clear(op_ctx *ctx) {
  return cuda_zero(ctx, ctx->at.result, sizeof(step_result));
}

static status cuda_result_next(op_ctx *ctx) {
  return cuda_zero(ctx, ctx->at.result, offsetof(step_result, nonfinite)); // the last field
}

static status send_result(op_ctx *ctx, int32_t slot) {
  return cuda_check(cudaMemcpyAsync(&ctx->pinned[slot], ctx->at.result, sizeof(step_result),
                                    cudaMemcpyDeviceToHost, ctx->at.stream),
                    "copy its results to the host");
}

static status cuda_result_post(op_ctx *ctx) {
  if (ctx->n_posted == STAGES)
    return fail(ERR_INTERNAL, "a third result is posted before the first is taken");
  const int32_t slot = (ctx->first_post + ctx->n_posted) % STAGES;
  TRY(send_result(ctx, slot));
  TRY(cuda_check(cudaEventRecord(ctx->posted[slot], ctx->at.stream), "record an event"));
  ctx->n_posted++;
  return OK;
}

static status cuda_result_take(op_ctx *ctx, step_result *result) {
  if (ctx->n_posted == 0) return fail(ERR_INTERNAL, "a result is taken that was not posted");
  const int32_t slot = ctx->first_post;
  TRY(cuda_check(cudaEventSynchronize(ctx->posted[slot]), "finish a step"));
  *result = ctx->pinned[slot];
  ctx->first_post = (slot + 1) % STAGES;
  ctx->n_posted--;
  return OK;
}

static status cuda_result_read(op_ctx *ctx, step_result *result) {
  TRY(send_result(ctx, STAGES));
  TRY(cuda_check(cudaStreamSynchronize(ctx->at.stream), "finish a step"));
  *result = ctx->pinned[STAGES];
  return OK;
}

static status cuda_sync(op_ctx *ctx) {
  return cuda_check(cudaStreamSynchronize(ctx->at.stream), "finish the work queued on it");
}

static status cuda_graph_begin(op_ctx *ctx) {
  ctx->capturing = true;
  const status rc = cuda_check(cudaStreamBeginCapture(ctx->at.stream, cudaStreamCaptureModeThreadLocal),
                               "begin to capture a graph");
  if (rc != OK) ctx->capturing = false;
  return rc;
}

static status cuda_graph_end(op_ctx *ctx, void **graph) {
  *graph = NULL;
  ctx->capturing = false;
  cudaGraph_t captured;
  TRY(cuda_check(cudaStreamEndCapture(ctx->at.stream, &captured), "capture a graph"));
  cudaGraphExec_t exec;
  const cudaError_t rc = cudaGraphInstantiateWithFlags(&exec, captured, 0);
  TRY(cuda_check(cudaGraphDestroy(captured), "free a captured graph"));
  TRY(cuda_check(rc, "make a captured graph executable"));
  *graph = exec;
  return OK;
}

static status cuda_graph_launch(op_ctx *ctx, void *graph) {
  return graph == NULL ? OK : cuda_check(cudaGraphLaunch(graph, ctx->at.stream), "launch a graph");
}

static void cuda_graph_free(op_ctx *ctx, void *graph) {
  if (graph == NULL) return;
  cudaError_t ignored = cudaStreamSynchronize(ctx->at.stream);
  ignored = cudaGraphExecDestroy(graph);
  (void)ignored;
}

// ---- ops of one launcher -------------------------------------------------------------------------------------

#define LAUNCHED(op, params_type, what)                          \
  static status cuda_##op(op_ctx *ctx, const params_type *p) {   \
    return cuda_check(launch_##op(&ctx->at, p), "launch " what); \
  }
LAUNCHED(embed_forward, embed_params, "the embedding kernel")
LAUNCHED(embed_backward, embed_params, "the embedding's backward kernels")
LAUNCHED(norm_forward, norm_params, "the layer norm kernel")
LAUNCHED(norm_backward, norm_params, "the layer norm's backward kernels")
LAUNCHED(attention_forward, attention_params, "the attention kernel")
LAUNCHED(attention_backward, attention_params, "the attention's backward kernels")
LAUNCHED(gather_forward, gather_params, "the gather kernel")
LAUNCHED(gather_backward, gather_params, "the scatter-add kernels")
LAUNCHED(bag_forward, bag_params, "the kernel of means of rows")
LAUNCHED(bag_backward, bag_params, "the backward kernels of means of rows")
LAUNCHED(fuse_forward, fuse_params, "the kernel that fuses item vectors")
LAUNCHED(fuse_backward, fuse_params, "the backward kernels of fused item vectors")
LAUNCHED(classify, classify_params, "the classification loss")
LAUNCHED(drop, drop_params, "the dropout kernel")
LAUNCHED(orthogonal_forward, orthogonal_params, "the kernels of orthogonality")
LAUNCHED(orthogonal_backward, orthogonal_params, "the backward kernels of orthogonality")
LAUNCHED(importance, importance_params, "the kernel of importance")
LAUNCHED(scale_forward, scale_params, "the scaling kernel")
LAUNCHED(scale_backward, scale_params, "the scaling's backward kernels")

static const backend table = {
    .version = OPS_VERSION,
    .name = "cuda",
    .act_size = sizeof(float),
    .host_memory = false,
    .tf32 = true,
    .probe = cuda_probe,
    .open = cuda_open,
    .close = cuda_close,
    .supports = cuda_supports,
    .scratch_bytes = cuda_scratch_bytes,
    .describe = cuda_describe,
    .mem_alloc = cuda_mem_alloc,
    .mem_free = cuda_mem_free,
    .upload = cuda_upload,
    .download = cuda_download,
    .zero = cuda_zero,
    .copy = cuda_copy,
    .cast = cuda_cast,
    .sync = cuda_sync,
    .graph_begin = cuda_graph_begin,
    .graph_end = cuda_graph_end,
    .graph_launch = cuda_graph_launch,
    .graph_free = cuda_graph_free,
    .optim_bytes = cuda_optim_bytes,
    .optim_prepare = cuda_optim_prepare,
    .state_write = cuda_state_write,
    .result_clear = cuda_result_clear,
    .result_next = cuda_result_next,
    .result_post = cuda_result_post,
    .result_take = cuda_result_take,
    .result_read = cuda_result_read,
    .embed_forward = cuda_embed_forward,
    .embed_backward = cuda_embed_backward,
    .norm_forward = cuda_norm_forward,
    .norm_backward = cuda_norm_backward,
    .linear_forward = cuda_linear_forward,
    .linear_backward = cuda_linear_backward,
    .attention_forward = cuda_attention_forward,
    .attention_backward = cuda_attention_backward,
    .gather_forward = cuda_gather_forward,
    .gather_backward = cuda_gather_backward,
    .bag_forward = cuda_bag_forward,
    .bag_backward = cuda_bag_backward,
    .fuse_forward = cuda_fuse_forward,
    .fuse_backward = cuda_fuse_backward,
    .xent = cuda_xent,
    .leash = cuda_leash,
    .classify = cuda_classify,
    .drop = cuda_drop,
    .scale_forward = cuda_scale_forward,
    .scale_backward = cuda_scale_backward,
    .orthogonal_forward = cuda_orthogonal_forward,
    .orthogonal_backward = cuda_orthogonal_backward,
    .importance = cuda_importance,
    .grad_norm = cuda_grad_norm,
    .adamw = cuda_adamw,
    .lamb_update = cuda_lamb_update,
    .lamb_apply = cuda_lamb_apply,
    .average_weights = cuda_average_weights,
    .average_rescale = cuda_average_rescale,
};

__attribute__((visibility("default"))) const backend *souk_backend_11(const backend_host *h);
const backend *souk_backend_11(const backend_host *h) {
  host = *h;
  return cuda_table(&table);
}
