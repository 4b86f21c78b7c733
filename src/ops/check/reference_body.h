// The references' one source; see reference.h. REAL is the element type, MATH(f) libm's f for it.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/philox.h"
#include "ops/check/reference.h"

struct op_ctx {
  step_state state;
  step_result result;
  bool tf32; // operands of matmuls are rounded
};

// Fields of the params structs as arrays of REAL, whatever their declared type.
static REAL *reals(const void *p) {
  return (REAL *)p;
}

static int64_t live(const op_ctx *ctx, rows n) {
  const int32_t counts[] = {[ROWS_FIXED] = n.cap,
                            [ROWS_TOKENS] = ctx->state.tokens,
                            [ROWS_SEQS] = ctx->state.seqs,
                            [ROWS_MASKED] = ctx->state.masked,
                            [ROWS_LISTED] = ctx->state.listed,
                            [ROWS_ITEMS] = ctx->state.items,
                            [ROWS_TEXTS] = ctx->state.texts};
  return counts[n.kind];
}

// An operand of a matmul of a linear layer or of scores, as the hardware takes it.
static REAL operand(const op_ctx *ctx, REAL x) {
  return ctx->tf32 ? (REAL)round_to_tf32((float)x) : x;
}

// ---- dropout -------------------------------------------------------------------------------------------------

// Philox4x32-10 from its paper; byte `index` of the 16 output bytes.
static uint32_t philox_byte(uint64_t seed, uint32_t stream, const uint32_t counter[4], int index) {
  uint32_t x[4] = {counter[0], counter[1], counter[2], counter[3]};
  uint32_t key[2] = {(uint32_t)(seed & 0xFFFFFFFFu), (uint32_t)(seed >> 32) ^ stream};
  for (int round = 0; round < 10; round++) {
    const uint64_t a = 0xD2511F53ull * x[0], b = 0xCD9E8D57ull * x[2];
    const uint32_t next[4] = {(uint32_t)(b >> 32) ^ x[1] ^ key[0], (uint32_t)(b & 0xFFFFFFFFu),
                              (uint32_t)(a >> 32) ^ x[3] ^ key[1], (uint32_t)(a & 0xFFFFFFFFu)};
    memcpy(x, next, sizeof x);
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return x[index / 4] >> (8 * (index % 4)) & 255u;
}

// The factor of an element: 0 if it is dropped.
static REAL keep_factor(dropout drop, uint32_t byte) {
  return byte < drop.threshold ? 0 : (REAL)256 / (REAL)(256 - (int32_t)drop.threshold);
}

static REAL hidden_keep(const op_ctx *ctx, const batch_view *b, dropout drop, int64_t row, int64_t channel) {
  if (drop.threshold == 0) return 1;
  const int32_t s = b->seq_of[row];
  const uint64_t id = (uint64_t)b->seq_ids[s];
  const uint32_t position = (uint32_t)(row - b->cu_seqlens[s]);
  const uint32_t counter[4] = {(uint32_t)id, (uint32_t)ctx->state.step,
                               position + ((uint32_t)(id >> 32) << 16), (uint32_t)(channel / 16)};
  return keep_factor(drop,
                     philox_byte(ctx->state.seed, STREAM_DROPOUT + drop.site, counter, (int)(channel % 16)));
}

static REAL path_keep(const op_ctx *ctx, const batch_view *b, dropout path, int64_t row) {
  if (path.threshold == 0) return 1;
  const uint64_t id = (uint64_t)b->seq_ids[b->seq_of[row]];
  const uint32_t counter[4] = {(uint32_t)id, (uint32_t)ctx->state.step, (uint32_t)(id >> 32), 0};
  return keep_factor(path, philox_byte(ctx->state.seed, STREAM_PATH + path.site, counter, 0));
}

static REAL attention_keep(const op_ctx *ctx, const batch_view *b, dropout drop, int32_t s, int32_t head,
                           int32_t query, int32_t key) {
  if (drop.threshold == 0) return 1;
  const uint64_t id = (uint64_t)b->seq_ids[s];
  const uint32_t counter[4] = {(uint32_t)id, (uint32_t)ctx->state.step,
                               (uint32_t)query + ((uint32_t)(id >> 32) << 16),
                               (uint32_t)(key / 64 * 4 + key % 8 / 2) + ((uint32_t)head << 20)};
  return keep_factor(
      drop, philox_byte(ctx->state.seed, STREAM_DROPOUT + drop.site, counter, key % 64 / 8 * 2 + key % 2));
}

// ---- ops, by family ------------------------------------------------------------------------------------------

#include "ops/check/reference_layers.h"
#include "ops/check/reference_tables.h"
#include "ops/check/reference_losses.h"
#include "ops/check/reference_optimizer.h"

// ---- the rest of a backend -----------------------------------------------------------------------------------

static status probe(int32_t device) {
  (void)device;
  return OK;
}

static status open_reference(op_ctx **out, const backend_config *cfg) {
  TRY(mem_new(out, 1, sizeof **out, "a reference backend"));
  (*out)->tf32 = cfg->matmul == MATMUL_TF32;
  return OK;
}

static void close_reference(op_ctx *ctx) {
  free(ctx);
}

static status supports(op_kind kind, const void *params) {
  (void)kind;
  (void)params;
  return OK;
}

static size_t scratch_bytes(op_kind kind, const void *params, int32_t threads) {
  (void)kind;
  (void)params;
  (void)threads;
  return 0;
}

static status allocate(op_ctx *ctx, size_t bytes, const char *what, void **out) {
  (void)ctx;
  return mem_new(out, bytes, 1, what);
}

static void release(op_ctx *ctx, void *p) {
  (void)ctx;
  free(p);
}

static status transfer(op_ctx *ctx, void *to, const void *from, size_t bytes) {
  (void)ctx;
  memcpy(to, from, bytes);
  return OK;
}

static status state_write(op_ctx *ctx, const step_state *state) {
  ctx->state = *state;
  return OK;
}

static status result_clear(op_ctx *ctx) {
  memset(&ctx->result, 0, sizeof ctx->result);
  return OK;
}

static status result_read(op_ctx *ctx, step_result *result) {
  *result = ctx->result;
  return OK;
}

const backend REFERENCE = {
    .version = OPS_VERSION,
    .name = REFERENCE_NAME,
    .act_size = sizeof(REAL),
    .host_memory = true,
    .tf32 = true,
    .probe = probe,
    .open = open_reference,
    .close = close_reference,
    .supports = supports,
    .scratch_bytes = scratch_bytes,
    .mem_alloc = allocate,
    .mem_free = release,
    .upload = transfer,
    .download = transfer,
    .optim_bytes = optim_bytes,
    .optim_prepare = optim_prepare,
    .state_write = state_write,
    .result_clear = result_clear,
    .result_read = result_read,
    .embed_forward = embed_forward,
    .embed_backward = embed_backward,
    .norm_forward = norm_forward,
    .norm_backward = norm_backward,
    .linear_forward = linear_forward,
    .linear_backward = linear_backward,
    .attention_forward = attention_forward,
    .attention_backward = attention_backward,
    .gather_forward = gather_forward,
    .gather_backward = gather_backward,
    .bag_forward = bag_forward,
    .bag_backward = bag_backward,
    .fuse_forward = fuse_forward,
    .fuse_backward = fuse_backward,
    .xent = xent,
    .leash = leash,
    .classify = classify,
    .drop = drop,
    .scale_forward = scale_forward,
    .scale_backward = scale_backward,
    .orthogonal_forward = orthogonal_forward,
    .orthogonal_backward = orthogonal_backward,
    .importance = importance,
    .grad_norm = grad_norm,
    .adamw = adamw,
    .lamb_update = lamb_update,
    .lamb_apply = lamb_apply,
    .average_weights = average_weights,
    .average_rescale = average_rescale,
};
