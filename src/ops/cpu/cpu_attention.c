// Softmax attention inside each sequence of a packed batch.
//
// A task is one work item (a sequence and a block of at most 64 queries) of one head: the block's scores against all
// its keys live in the thread's scratch and nowhere else. The backward pass takes a whole sequence of one head as
// its task, so that dk and dv have one owner; it recomputes the probabilities block by block from lse.
//
// Products go to simd's gemm: heads are narrow and most purchase histories short, and a call of BLAS with its packing
// would cost more than the work. What is multiplied from the right transposed (keys for the scores; values for their
// gradient) is packed once a task. Rows of scores are padded to 16, with zeros once they are probabilities.
//
// The bytes of dropout are made for a block at a time, because the generator runs over full vectors only if it has many
// counters (base/philox.h says which byte belongs to which element).
#include <math.h>
#include <omp.h>
#include <string.h>
#include "base/philox.h"
#include "ops/cpu/cpu.h"
#include "simd/simd.h"

enum { LANES = 16, TILE_KEYS = 64, TILE_COUNTERS = 4, GROUP = 64 };

static size_t rounded(size_t n, size_t to) {
  return (n + to - 1) / to * to;
}

// Floats of scratch of a thread: two blocks of 64 x keys, keys and values packed, the block's bytes.
typedef struct layout {
  size_t d, keys, values, bytes, total;
} layout;

static layout lay_out(const attention_params *p) {
  const size_t L = rounded((size_t)p->max_length, LANES), D = (size_t)p->head_size;
  layout l = {.d = ATTENTION_BLOCK * L};
  l.keys = 2 * l.d;
  l.values = l.keys + L * D;
  l.bytes = l.values + L * D;
  l.total = rounded(l.bytes + ATTENTION_BLOCK * rounded(L, TILE_KEYS) / sizeof(float), LANES);
  return l;
}

size_t cpu_attention_scratch(const attention_params *p, int32_t threads) {
  return (size_t)threads * lay_out(p).total * sizeof(float);
}

typedef struct task {
  const attention_params *p;
  const op_ctx *ctx;
  int32_t sequence, head, first, count; // queries [first, first + count)
  int32_t keys;                         // keys that some query of the block sees
  int32_t n, prefix;                    // tokens of the sequence; of its source part
  size_t row;                           // first row of the sequence in the batch
  size_t room;                          // keys, rounded up to LANES
  float *s, *d;                         // [count][room] scores or probabilities; their gradient
  float *packed_keys, *packed_values;
  uint8_t *bytes; // [count][keys, rounded up to TILE_KEYS] of dropout
} task;

// Keys that query q sees are [0, n_visible).
static int32_t count_visible(const task *t, int32_t q) {
  if (t->p->kind == ATTENTION_FULL) return t->n;
  if (t->p->kind == ATTENTION_PREFIX && q < t->prefix) return t->prefix;
  return q + 1;
}

static const float *part(const task *t, int which, int32_t i) { // q, k or v of row i of the sequence
  const size_t D = (size_t)t->p->head_size, H = D * (size_t)t->p->heads;
  return (const float *)t->p->qkv + (t->row + (size_t)i) * 3 * H + (size_t)which * H + (size_t)t->head * D;
}

static void set_sequence(task *t, int32_t sequence) {
  const batch_view *b = t->p->batch;
  t->sequence = sequence;
  t->row = (size_t)b->cu_seqlens[sequence];
  t->n = b->cu_seqlens[sequence + 1] - b->cu_seqlens[sequence];
  t->prefix = t->p->kind == ATTENTION_PREFIX ? b->prefix_len[sequence] : 0;
}

static void set_block(task *t, int32_t first) {
  t->first = first;
  t->count = t->n - first < ATTENTION_BLOCK ? t->n - first : ATTENTION_BLOCK;
  t->keys = count_visible(t, first + t->count - 1); // no query of a block sees more than its last one
  t->room = rounded((size_t)t->keys, LANES);
}

// x [count,room] = rows from `from` (of width D, `stride` apart) times packed keys or values, without the scale.
static void against_packed(const task *t, const float *from, size_t stride, const float *packed, float *x) {
  const simd_gemm g = {.m = (size_t)t->count,
                       .n = t->room,
                       .k = (size_t)t->p->head_size,
                       .a = from,
                       .a_row = stride,
                       .a_step = 1,
                       .b = packed,
                       .packed = true,
                       .c = x,
                       .c_row = t->room};
  simd()->gemm(&g);
}

// y [count,D] (rows `stride` apart) = x times rows of keys or values.
static void weighted(const task *t, const float *x, const float *from, float *y, size_t stride) {
  const simd_gemm g = {.m = (size_t)t->count,
                       .n = (size_t)t->p->head_size,
                       .k = (size_t)t->keys,
                       .a = x,
                       .a_row = t->room,
                       .a_step = 1,
                       .b = from,
                       .b_row = 3 * (size_t)(t->p->heads * t->p->head_size),
                       .c = y,
                       .c_row = stride};
  simd()->gemm(&g);
}

// y [keys,D] (rows of qkv) += x^T times the rows at `from` (of width D, `stride` apart) of the block.
static void add_transposed(const task *t, const float *x, const float *from, size_t stride, float *y) {
  const simd_gemm g = {.m = (size_t)t->keys,
                       .n = (size_t)t->p->head_size,
                       .k = (size_t)t->count,
                       .a = x,
                       .a_row = 1,
                       .a_step = t->room,
                       .b = from,
                       .b_row = stride,
                       .add = true,
                       .c = y,
                       .c_row = 3 * (size_t)(t->p->heads * t->p->head_size)};
  simd()->gemm(&g);
}

static void pack(const task *t, int which, int32_t keys, float *packed) {
  const size_t D = (size_t)t->p->head_size;
  gemm_pack(part(t, which, 0), 3 * D * (size_t)t->p->heads, (size_t)keys, D, packed);
}

// ---- dropout -------------------------------------------------------------------------------------------------

static size_t bytes_stride(const task *t) {
  return rounded((size_t)t->keys, TILE_KEYS);
}

// The 64 bytes of four counters, in the order of their keys: two of each counter at a time.
static void order_bytes(const uint8_t *from, uint8_t *to) {
  for (int group = 0; group < TILE_KEYS / 8; group++)
    for (int quad = 0; quad < TILE_COUNTERS; quad++)
      memcpy(to + 8 * group + 2 * quad, from + 16 * quad + 2 * group, 2);
}

// Bytes of all elements of the block. Tiles of a row follow each other, and rows do.
static void draw_bytes(const task *t) {
  const dropout drop = t->p->drop;
  if (drop.threshold == 0) return;
  const uint64_t id = (uint64_t)t->p->batch->seq_ids[t->sequence];
  const int32_t tiles = (t->keys + TILE_KEYS - 1) / TILE_KEYS, n = t->count * tiles;
  uint32_t c0[GROUP], c2[GROUP], c3[GROUP];
  uint8_t raw[16 * GROUP];
  for (int32_t at = 0; at < n; at += GROUP / TILE_COUNTERS) {
    const int32_t stop = at + GROUP / TILE_COUNTERS < n ? at + GROUP / TILE_COUNTERS : n;
    size_t counters = 0;
    for (int32_t i = at; i < stop; i++) {
      const uint32_t query = (uint32_t)(t->first + i / tiles), tile = (uint32_t)(i % tiles);
      for (uint32_t quad = 0; quad < TILE_COUNTERS; quad++, counters++) {
        c0[counters] = (uint32_t)id;
        c2[counters] = query | (uint32_t)(id >> 32) << 16;
        c3[counters] = (tile * TILE_COUNTERS + quad) | (uint32_t)t->head << 20;
      }
    }
    simd()->philox(t->ctx->state.seed, STREAM_DROPOUT + drop.site, c0, (uint32_t)t->ctx->state.step, c2, c3,
                   raw, counters);
    for (int32_t i = at; i < stop; i++)
      order_bytes(raw + TILE_KEYS * (i - at), t->bytes + (size_t)TILE_KEYS * (size_t)i);
  }
}

// ---- forward -------------------------------------------------------------------------------------------------

static void forward_block(const task *t) {
  const simd_table *k = simd();
  const attention_params *p = t->p;
  const size_t D = (size_t)p->head_size, H = D * (size_t)p->heads;
  float *out = (float *)p->out + (t->row + (size_t)t->first) * H + (size_t)t->head * D;
  float *lse = p->lse + (size_t)t->head * (size_t)p->n.cap + t->row + t->first;
  pack(t, 1, t->keys, t->packed_keys);
  against_packed(t, part(t, 0, t->first), 3 * H, t->packed_keys, t->s);
  draw_bytes(t);
  for (int32_t i = 0; i < t->count; i++) {
    const size_t n_visible = (size_t)count_visible(t, t->first + i), room = rounded(n_visible, LANES);
    float *s = t->s + (size_t)i * t->room;
    lse[i] = k->softmax_row(s, p->scale, n_visible);
    if (p->drop.threshold > 0)
      k->dropout(t->bytes + (size_t)i * bytes_stride(t), p->drop.threshold, dropout_scale(p->drop.threshold),
                 s, n_visible);
    if (t->room > room) memset(s + room, 0, (t->room - room) * sizeof *s);
  }
  weighted(t, t->s, part(t, 2, 0), out, H);
}

static task new_task(const op_ctx *ctx, const attention_params *p) {
  const layout l = lay_out(p);
  float *scratch = (float *)(void *)ctx->scratch + (size_t)omp_get_thread_num() * l.total;
  return (task){.p = p,
                .ctx = ctx,
                .s = scratch,
                .d = scratch + l.d,
                .packed_keys = scratch + l.keys,
                .packed_values = scratch + l.values,
                .bytes = (uint8_t *)(scratch + l.bytes)};
}

status cpu_attention_forward(op_ctx *ctx, const attention_params *p) {
  const int64_t tasks = (int64_t)ctx->state.work * p->heads;
#pragma omp parallel num_threads(ctx->threads)
  {
    task t = new_task(ctx, p);
#pragma omp for schedule(dynamic, 8)
    for (int64_t i = 0; i < tasks; i++) {
      const int32_t *item = p->batch->work + 2 * (i / p->heads);
      t.head = (int32_t)(i % p->heads);
      set_sequence(&t, item[0]);
      set_block(&t, item[1]);
      forward_block(&t);
    }
  }
  return OK;
}

// dq, dk, dv of one block. With P the probabilities, R = dropout(P): dv += R^T dout; dP = dropout(dout v^T);
// dS = P (dP - rowsum(P dP)) = P (dP - dout . out); dq = scale dS k; dk += scale dS^T q.
static void backward_block(const task *t) {
  const simd_table *k = simd();
  const attention_params *p = t->p;
  const size_t D = (size_t)p->head_size, H = D * (size_t)p->heads, stride = 3 * H, head = (size_t)t->head * D;
  const size_t at = t->row + (size_t)t->first;
  const float *dout = (const float *)p->dout + at * H + head, *out = (const float *)p->out + at * H + head;
  const float *lse = p->lse + (size_t)t->head * (size_t)p->n.cap + at;
  float *dq = (float *)p->dqkv + at * stride + head;
  float *dk = (float *)p->dqkv + t->row * stride + H + head, *dv = dk + H;
  const uint32_t threshold = p->drop.threshold;
  against_packed(t, part(t, 0, t->first), stride, t->packed_keys, t->s);
  against_packed(t, dout, H, t->packed_values, t->d);
  draw_bytes(t);
  for (int32_t i = 0; i < t->count; i++) {
    const size_t n_visible = (size_t)count_visible(t, t->first + i), room = rounded(n_visible, LANES);
    float *s = t->s + (size_t)i * t->room, *d = t->d + (size_t)i * t->room;
    const float delta = k->dot(dout + (size_t)i * H, out + (size_t)i * H, D);
    k->softmax_row_back(s, d, threshold > 0 ? t->bytes + (size_t)i * bytes_stride(t) : NULL, threshold,
                        dropout_scale(threshold), p->scale, lse[i], delta, n_visible);
    if (t->room > room) {
      memset(s + room, 0, (t->room - room) * sizeof *s);
      memset(d + room, 0, (t->room - room) * sizeof *d);
    }
  }
  add_transposed(t, t->s, dout, H, dv);
  weighted(t, t->d, part(t, 1, 0), dq, stride);
  add_transposed(t, t->d, part(t, 0, t->first), stride, dk);
}

status cpu_attention_backward(op_ctx *ctx, const attention_params *p) {
  const int64_t tasks = (int64_t)ctx->state.seqs * p->heads;
#pragma omp parallel num_threads(ctx->threads)
  {
    task t = new_task(ctx, p);
    const size_t D = (size_t)p->head_size, H = D * (size_t)p->heads;
#pragma omp for schedule(dynamic, 8)
    for (int64_t i = 0; i < tasks; i++) {
      t.head = (int32_t)(i % p->heads);
      set_sequence(&t, (int32_t)(i / p->heads));
      for (int32_t j = 0; j < t.n; j++) {
        float *dk = (float *)p->dqkv + (t.row + (size_t)j) * 3 * H + H + (size_t)t.head * D;
        memset(dk, 0, D * sizeof(float));
        memset(dk + H, 0, D * sizeof(float));
      }
      pack(&t, 1, t.n, t.packed_keys);
      pack(&t, 2, t.n, t.packed_values);
      for (int32_t first = 0; first < t.n; first += ATTENTION_BLOCK) {
        set_block(&t, first);
        backward_block(&t);
      }
    }
  }
  return OK;
}
