// The batch that a model's ops are timed on. Ids follow Zipf's law with exponent 1 (words of a language and sales of a
// shop both come close), scattered over the vocabulary, so that popular rows are not neighbours. Lengths of histories
// are the shortest plus a geometric tail, cut off at the longest. Masked rows are distinct and ascending.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/philox.h"
#include "ops/bench/bench_internal.h"

static const double MEAN_TAIL = 3.8; // Amazon Beauty: 5 items at the least, 8.8 in the mean
enum { SPREAD = 1000003 };           // a prime larger than any vocabulary here

static int32_t zipf(rng *r, int32_t n) {
  const double rank = exp(rng_unit(r) * log((double)n + 1)) - 1; // in [0, n)
  return (int32_t)((int64_t)rank * SPREAD % n);
}

static int32_t draw_length(rng *r, const bench_model *m) {
  if (m->shortest >= m->length) return m->length;
  const double tail = -log(1 - rng_unit(r)) * MEAN_TAIL;
  const double n = m->shortest + floor(tail);
  return n < m->length ? (int32_t)n : m->length;
}

// What the batch is made of on the host.
typedef struct draft {
  int32_t tokens, seqs, masked, work, negatives;
  int32_t *ids, *types, *positions, *seq_of, *cu_seqlens, *work_items, *masked_rows, *labels, *cls_labels,
      *negative_ids;
  int64_t *seq_ids;
  float *weights, *label_logq, *negative_logq;
} draft;

static void draft_free(draft *d) {
  void *all[] = {d->ids,        d->types,   d->positions,  d->seq_of,       d->cu_seqlens,
                 d->work_items, d->labels,  d->cls_labels, d->masked_rows,  d->negative_ids,
                 d->seq_ids,    d->weights, d->label_logq, d->negative_logq};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

// Each array is as long as there are tokens (and one more): a batch of them is small beside the operands.
static status draft_new(draft *d, int32_t tokens, int32_t negatives) {
  static const char what[] = "a batch of the benchmark";
  const size_t n = (size_t)tokens + 1;
  memset(d, 0, sizeof *d);
  int32_t **const words[] = {&d->ids,        &d->types,       &d->positions, &d->seq_of,
                             &d->cu_seqlens, &d->masked_rows, &d->labels,    &d->cls_labels};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) TRY(mem_new(words[i], n, sizeof(int32_t), what));
  TRY(mem_new(&d->work_items, 2 * n, sizeof(int32_t), what));
  TRY(mem_new(&d->seq_ids, n, sizeof(int64_t), what));
  TRY(mem_new(&d->weights, n, sizeof(float), what));
  TRY(mem_new(&d->label_logq, n, sizeof(float), what));
  d->negatives = negatives;
  TRY(mem_new(&d->negative_ids, (size_t)negatives, sizeof(int32_t), what));
  return mem_new(&d->negative_logq, (size_t)negatives, sizeof(float), what);
}

// `count` of the n rows from `first` on, chosen at random (Knuth's selection sampling).
static void mask_rows(draft *d, rng *r, int32_t first, int32_t n, int32_t count) {
  for (int32_t i = 0; i < n && count > 0; i++) {
    if ((int64_t)rng_below(r, (uint64_t)(n - i)) >= count) continue;
    d->masked_rows[d->masked++] = first + i;
    count--;
  }
}

static void add_sequence(draft *d, rng *r, const bench_model *m, int32_t n) {
  const int32_t s = d->seqs++, first = d->tokens;
  d->seq_ids[s] = 1000003LL * s;
  d->cls_labels[s] = (int32_t)rng_below(r, 2);
  for (int32_t i = 0; i < n; i++) {
    d->ids[first + i] = zipf(r, m->vocab);
    d->types[first + i] = m->types > 1 && i >= n / 2;
    d->positions[first + i] = i;
    d->seq_of[first + i] = s;
  }
  for (int32_t q = 0; q < n; q += ATTENTION_BLOCK, d->work++) {
    d->work_items[2 * d->work] = s;
    d->work_items[2 * d->work + 1] = q;
  }
  const int32_t count = (int32_t)lround(m->masked * n);
  mask_rows(d, r, first, n, count > 0 ? count : 1);
  d->tokens += n;
  d->cu_seqlens[s + 1] = d->tokens;
}

static void draw(draft *d, const bench_model *m, int32_t tokens) {
  rng r = rng_at(5, STREAM_SYNTH, 0, 0);
  while (d->tokens < tokens) {
    const int32_t n = draw_length(&r, m), left = tokens - d->tokens;
    add_sequence(d, &r, m, n < left ? n : left);
  }
  for (int32_t i = 0; i < d->masked; i++) {
    d->labels[i] = d->ids[d->masked_rows[i]];
    d->weights[i] = 1;
    d->label_logq[i] = -2;
  }
  for (int32_t i = 0; i < d->negatives; i++) {
    d->negative_ids[i] = zipf(&r, m->vocab);
    d->negative_logq[i] = -2;
  }
}

static int32_t mark(uint8_t *seen, const int32_t *ids, int32_t n) {
  int32_t fresh = 0;
  for (int32_t i = 0; i < n; i++) {
    fresh += seen[ids[i]] == 0;
    seen[ids[i]] = 1;
  }
  return fresh;
}

static status state_facts(bench_batch *b, const draft *d, const bench_model *m) {
  uint8_t *classes;
  TRY(mem_new(&classes, (size_t)m->vocab, 1, "a batch of the benchmark"));
  b->facts = (batch_facts){.tokens = d->tokens, .seqs = d->seqs, .masked = d->masked, .work = d->work};
  for (int32_t s = 0; s < d->seqs; s++) {
    const int32_t n = d->cu_seqlens[s + 1] - d->cu_seqlens[s];
    b->facts.squares += (double)n * n;
    if (n > b->facts.positions) b->facts.positions = n;
  }
  b->facts.types = m->types > 1 ? 2 : 1;
  b->facts.classes = mark(classes, d->labels, d->masked) + mark(classes, d->negative_ids, d->negatives);
  b->facts.words = mark(b->touched, d->ids, d->tokens);
  b->facts.touched = b->facts.words + mark(b->touched, d->labels, d->masked) +
                     mark(b->touched, d->negative_ids, d->negatives);
  free(classes);
  return OK;
}

static status send(bench_batch *b, const backend *be, op_ctx *ctx, const void *from, size_t bytes, void *to) {
  void *p;
  TRY(be->mem_alloc(ctx, bytes, "a batch of the benchmark", &p));
  b->parts[b->n_parts++] = p;
  memcpy(to, &p, sizeof p);
  return be->upload(ctx, p, from, bytes);
}

static status send_all(bench_batch *b, const draft *d, const backend *be, op_ctx *ctx) {
#define SEND(field, from, count) TRY(send(b, be, ctx, from, (size_t)(count) * sizeof *(from), &b->view.field))
  SEND(ids, d->ids, d->tokens);
  SEND(types, d->types, d->tokens);
  SEND(positions, d->positions, d->tokens);
  SEND(seq_of, d->seq_of, d->tokens);
  SEND(cu_seqlens, d->cu_seqlens, d->seqs + 1);
  SEND(seq_ids, d->seq_ids, d->seqs);
  SEND(work, d->work_items, 2 * d->work);
  SEND(masked, d->masked_rows, d->masked);
  SEND(labels, d->labels, d->masked);
  SEND(weights, d->weights, d->masked);
  SEND(label_logq, d->label_logq, d->masked);
  SEND(cls_labels, d->cls_labels, d->seqs);
  SEND(negatives, d->negative_ids, d->negatives);
  SEND(negative_logq, d->negative_logq, d->negatives);
#undef SEND
  return OK;
}

status bench_batch_make(bench_batch *b, const bench_model *m, int32_t tokens, const backend *be,
                        op_ctx *ctx) {
  memset(b, 0, sizeof *b);
  draft d;
  status rc;
  TRY_GOTO(draft_new(&d, tokens, m->negatives), done);
  TRY_GOTO(mem_new(&b->touched, (size_t)m->vocab, 1, "a batch of the benchmark"), done);
  draw(&d, m, tokens);
  TRY_GOTO(state_facts(b, &d, m), done);
  TRY_GOTO(send_all(b, &d, be, ctx), done);
done:
  draft_free(&d);
  if (rc != OK) bench_batch_free(b, be, ctx);
  return rc;
}

void bench_batch_free(bench_batch *b, const backend *be, op_ctx *ctx) {
  for (int32_t i = 0; i < b->n_parts; i++) be->mem_free(ctx, b->parts[i]);
  free(b->touched);
  memset(b, 0, sizeof *b);
}
