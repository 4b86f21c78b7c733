// Item vectors of content and id. Bound by memory: three rows read and one written for each item, nothing but a copy for
// other rows. With a list the rows are taken in its order. The gate's logistic function is made once, into scratch, and each thread keeps its own sums for dgate behind
// it, which are added in the order of threads.
#include <math.h>
#include <omp.h>
#include <string.h>
#include "base/philox.h"
#include "ops/cpu/cpu.h"
#include "simd/simd.h"

size_t cpu_fuse_scratch(const fuse_params *p, int32_t threads) {
  return ((size_t)threads + 1) * (size_t)p->hidden * sizeof(float);
}

static const float *open_gate(op_ctx *ctx, const fuse_params *p) {
  float *open = (float *)(void *)ctx->scratch;
  for (int32_t j = 0; p->gate != NULL && j < p->hidden; j++)
    open[j] = 1.0f / (1.0f + expf(-((const float *)p->gate)[j]));
  return open;
}

// m_i of ops.h.
static bool has_id(const op_ctx *ctx, const fuse_params *p, int64_t item) {
  if (p->gate == NULL || (p->known != NULL && p->known[item] == 0)) return false;
  if (p->id_threshold == 0) return true;
  const philox_out r =
      philox4x32(ctx->state.seed, STREAM_ID, (uint32_t)item, (uint32_t)ctx->state.step, 0, 0);
  return (r.v[0] & 255u) >= p->id_threshold;
}

static bool is_item(const fuse_params *p, int64_t v) {
  return v >= p->base && v < p->base + p->items;
}

// Rows to make, and of these row k of e and, if that is an item, of content.
static int64_t rows_made(const op_ctx *ctx, const fuse_params *p) {
  return p->list != NULL ? rows_live(ctx, p->listed) : p->vocab;
}
static int64_t row_of(const fuse_params *p, int64_t k) {
  return p->list != NULL ? p->list[k] : k;
}
static size_t content_at(const fuse_params *p, int64_t k) {
  return (size_t)(p->list != NULL ? k : k - p->base) * (size_t)p->hidden;
}

status cpu_fuse_forward(op_ctx *ctx, const fuse_params *p) {
  const size_t H = (size_t)p->hidden, bytes = H * sizeof(float);
  const float *open = open_gate(ctx, p);
  const int64_t n = rows_made(ctx, p);
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t k = 0; k < n; k++) {
    const int64_t v = row_of(p, k);
    const float *id = (const float *)p->id + (size_t)v * H;
    float *e = (float *)p->e + (size_t)v * H;
    memcpy(e, is_item(p, v) ? (const float *)p->content + content_at(p, k) : id, bytes);
    if (!is_item(p, v) || !has_id(ctx, p, v - p->base)) continue;
    for (size_t j = 0; j < H; j++) e[j] += open[j] * id[j];
  }
  return OK;
}

// Of an item that has its id.
static void id_backward(const fuse_params *p, const float *open, const float *id, const float *de, float *did,
                        float *dgate) {
  const size_t H = (size_t)p->hidden;
  for (size_t j = 0; did != NULL && j < H; j++) did[j] += open[j] * de[j];
  for (size_t j = 0; p->dgate != NULL && j < H; j++) dgate[j] += id[j] * de[j];
}

// dgate: the thread's sums.
static void row_backward(const op_ctx *ctx, const fuse_params *p, int64_t k, const float *open,
                         float *dgate) {
  const size_t H = (size_t)p->hidden;
  const int64_t v = row_of(p, k);
  const float *de = p->de + (size_t)v * H;
  float *did = p->did != NULL ? p->did + (size_t)v * H : NULL;
  if (!is_item(p, v)) {
    if (did != NULL) simd()->add(de, did, H);
    if (p->list != NULL) memset((float *)p->dcontent + content_at(p, k), 0, H * sizeof *de);
    return;
  }
  memcpy((float *)p->dcontent + content_at(p, k), de, H * sizeof *de);
  if (has_id(ctx, p, v - p->base)) id_backward(p, open, (const float *)p->id + (size_t)v * H, de, did, dgate);
}

status cpu_fuse_backward(op_ctx *ctx, const fuse_params *p) {
  const size_t H = (size_t)p->hidden, bytes = H * sizeof(float);
  const float *open = open_gate(ctx, p);
  float *partial = (float *)(void *)ctx->scratch + H;
  const int64_t n = rows_made(ctx, p);
  int32_t parts = 1;
#pragma omp parallel num_threads(ctx->threads)
  {
    float *dgate = partial + (size_t)omp_get_thread_num() * H;
    memset(dgate, 0, bytes);
#pragma omp single
    parts = omp_get_num_threads();
#pragma omp for schedule(static)
    for (int64_t k = 0; k < n; k++) {
      row_backward(ctx, p, k, open, dgate);
      if (p->list != NULL) memset(p->de + (size_t)p->list[k] * H, 0, bytes);
    }
  }
  for (int32_t t = 0; p->dgate != NULL && t < parts; t++)
    for (size_t j = 0; j < H; j++) p->dgate[j] += open[j] * (1 - open[j]) * partial[(size_t)t * H + j];
  return OK;
}
