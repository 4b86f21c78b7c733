// Softmax attention inside each sequence of a packed batch.
//
// A task is one work item (a sequence and a block of at most 64 queries) of one head: the block's scores against all
// its keys live in the thread's scratch and nowhere else. The backward pass takes a whole sequence of one head as
// its task, so that dk and dv have one owner; it recomputes the probabilities block by block from lse.
//
// Matmuls of a block go to BLAS when the sequence is long enough to pay for the call; purchase histories of eight
// items do not, and take the plain loops (dot, axpy), where a call and its packing would cost more than the work.
#include <cblas.h>
#include <math.h>
#include <omp.h>
#include <string.h>
#include "base/philox.h"
#include "ops/cpu/cpu.h"
#include "simd/simd.h"

enum { SMALL_KEYS = 24 };

// Scratch of a thread: two blocks of 64 x keys, of the longest sequence.
size_t cpu_attention_scratch(const attention_params *p, int32_t threads) {
  return (size_t)threads * 2 * ATTENTION_BLOCK * (size_t)p->max_length * sizeof(float);
}

typedef struct task {
  const attention_params *p;
  const op_ctx *ctx;
  int32_t sequence, head, first, count; // queries [first, first + count)
  int32_t keys;                         // keys that some query of the block sees
  int32_t n, prefix;                    // tokens of the sequence; of its source part
  size_t row;                           // first row of the sequence in the batch
  float *s, *d;                         // [count][keys] scores or probabilities; their gradient
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
}

// s = scale q k^T, unseen keys left unset.
static void scores(const task *t) {
  const int32_t D = t->p->head_size, ld = 3 * D * t->p->heads;
  if (t->keys >= SMALL_KEYS) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, t->count, t->keys, D, t->p->scale,
                part(t, 0, t->first), ld, part(t, 1, 0), ld, 0.0f, t->s, t->keys);
    return;
  }
  const simd_table *k = simd();
  for (int32_t i = 0; i < t->count; i++) {
    const int32_t n_visible = count_visible(t, t->first + i);
    const float *q = part(t, 0, t->first + i);
    for (int32_t j = 0; j < n_visible; j++)
      t->s[i * t->keys + j] = t->p->scale * k->dot(q, part(t, 1, j), (size_t)D);
  }
}

// Dropout of one row of probabilities or of their gradients; base/philox.h says which byte belongs to which element.
static void drop_row(const task *t, int32_t query, int32_t n_visible, float *x) {
  const dropout drop = t->p->drop;
  const uint64_t id = (uint64_t)t->p->batch->seq_ids[t->sequence];
  const uint32_t c2_value = (uint32_t)query | (uint32_t)(id >> 32) << 16;
  const float scale = dropout_scale(drop.threshold);
  for (int32_t tile = 0; tile < n_visible; tile += 64) {
    uint32_t c0[4], c2[4], c3[4];
    uint8_t bytes[64];
    for (uint32_t quad = 0; quad < 4; quad++) {
      c0[quad] = (uint32_t)id;
      c2[quad] = c2_value;
      c3[quad] = ((uint32_t)tile / 64 * 4 + quad) | (uint32_t)t->head << 20;
    }
    simd()->philox(t->ctx->state.seed, STREAM_DROPOUT + drop.site, c0, (uint32_t)t->ctx->state.step, c2, c3,
                   bytes, 4);
    const int32_t width = n_visible - tile < 64 ? n_visible - tile : 64;
    for (int32_t j = 0; j < width; j++) {
      const uint8_t byte = bytes[16 * (j % 8 / 2) + j / 8 * 2 + j % 2];
      x[tile + j] = byte < drop.threshold ? 0.0f : x[tile + j] * scale;
    }
  }
}

static void forward_block(const task *t) {
  const simd_table *k = simd();
  const attention_params *p = t->p;
  const int32_t D = p->head_size, H = D * p->heads;
  float *out = (float *)p->out + (t->row + (size_t)t->first) * (size_t)H + (size_t)t->head * (size_t)D;
  float *lse = p->lse + (size_t)t->head * (size_t)p->n.cap + t->row + t->first;
  scores(t);
  for (int32_t i = 0; i < t->count; i++) {
    const int32_t n_visible = count_visible(t, t->first + i);
    float *s = t->s + i * t->keys;
    const float row_max = k->max(s, (size_t)n_visible), sum = k->exp_sum(s, row_max, (size_t)n_visible);
    lse[i] = row_max + logf(sum);
    k->scale(1.0f / sum, s, (size_t)n_visible);
    if (p->drop.threshold > 0) drop_row(t, t->first + i, n_visible, s);
    if (t->keys > n_visible) memset(s + n_visible, 0, (size_t)(t->keys - n_visible) * sizeof(float));
  }
  if (t->keys >= SMALL_KEYS) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, t->count, D, t->keys, 1.0f, t->s, t->keys,
                part(t, 2, 0), 3 * H, 0.0f, out, H);
    return;
  }
  for (int32_t i = 0; i < t->count; i++) {
    memset(out + (size_t)i * (size_t)H, 0, (size_t)D * sizeof(float));
    for (int32_t j = 0; j < t->keys; j++)
      k->axpy(t->s[i * t->keys + j], part(t, 2, j), out + (size_t)i * (size_t)H, (size_t)D);
  }
}

static task new_task(const op_ctx *ctx, const attention_params *p) {
  const size_t block = ATTENTION_BLOCK * (size_t)p->max_length;
  task t = {.p = p, .ctx = ctx};
  t.s = (float *)(void *)ctx->scratch + (size_t)omp_get_thread_num() * 2 * block;
  t.d = t.s + block;
  return t;
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
  const int32_t D = p->head_size, H = D * p->heads, keys = t->keys;
  const size_t stride = 3 * (size_t)H, head = (size_t)t->head * (size_t)D;
  const float *dout = (const float *)p->dout + (t->row + (size_t)t->first) * (size_t)H + head;
  const float *out = (const float *)p->out + (t->row + (size_t)t->first) * (size_t)H + head;
  const float *lse = p->lse + (size_t)t->head * (size_t)p->n.cap + t->row + t->first;
  float *dq = (float *)p->dqkv + (t->row + (size_t)t->first) * stride + head;
  float *dk = (float *)p->dqkv + t->row * stride + (size_t)H + head, *dv = dk + H;
  const bool large = keys >= SMALL_KEYS;
  scores(t);
  if (large)
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, t->count, keys, D, 1.0f, dout, H, part(t, 2, 0),
                3 * H, 0.0f, t->d, keys);
  for (int32_t i = 0; i < t->count; i++) {
    const int32_t n_visible = count_visible(t, t->first + i);
    float *s = t->s + i * keys, *d = t->d + i * keys;
    const float *dout_row = dout + (size_t)i * (size_t)H;
    const float delta = k->dot(dout_row, out + (size_t)i * (size_t)H, (size_t)D);
    k->exp_sum(s, lse[i], (size_t)n_visible);
    if (keys > n_visible) memset(s + n_visible, 0, (size_t)(keys - n_visible) * sizeof(float));
    if (!large)
      for (int32_t j = 0; j < n_visible; j++) d[j] = k->dot(dout_row, part(t, 2, j), (size_t)D);
    if (p->drop.threshold > 0) {
      drop_row(t, t->first + i, n_visible, d);
      for (int32_t j = 0; j < n_visible; j++) d[j] = s[j] * (d[j] - delta);
      drop_row(t, t->first + i, n_visible, s);
    } else {
      for (int32_t j = 0; j < n_visible; j++) d[j] = s[j] * (d[j] - delta);
    }
    if (keys > n_visible) memset(d + n_visible, 0, (size_t)(keys - n_visible) * sizeof(float));
  }
  if (large) {
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, keys, D, t->count, 1.0f, t->s, keys, dout, H, 1.0f,
                dv, 3 * H);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, t->count, D, keys, p->scale, t->d, keys,
                part(t, 1, 0), 3 * H, 0.0f, dq, 3 * H);
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, keys, D, t->count, p->scale, t->d, keys,
                part(t, 0, t->first), 3 * H, 1.0f, dk, 3 * H);
    return;
  }
  for (int32_t i = 0; i < t->count; i++) {
    float *dq_row = dq + (size_t)i * stride;
    memset(dq_row, 0, (size_t)D * sizeof(float));
    for (int32_t j = 0; j < keys; j++) {
      const float ds = p->scale * t->d[i * keys + j];
      k->axpy(t->s[i * keys + j], dout + (size_t)i * (size_t)H, dv + (size_t)j * stride, (size_t)D);
      k->axpy(ds, part(t, 1, j), dq_row, (size_t)D);
      k->axpy(ds, part(t, 0, t->first + i), dk + (size_t)j * stride, (size_t)D);
    }
  }
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
      for (int32_t first = 0; first < t.n; first += ATTENTION_BLOCK) {
        set_block(&t, first);
        backward_block(&t);
      }
    }
  }
  return OK;
}
