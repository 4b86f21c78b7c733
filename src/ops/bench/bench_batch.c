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

// The batch on the host, with room for as many of everything as there are tokens: small beside the operands.
typedef struct draft {
  batch_counts caps, live;
  batch_arrays a;
  char *memory;
} draft;

static status draft_new(draft *d, int32_t tokens, int32_t negatives) {
  memset(d, 0, sizeof *d);
  d->caps = (batch_counts){.tokens = tokens,
                           .seqs = tokens,
                           .masked = tokens,
                           .negatives = negatives,
                           .targets = BENCH_TARGETS * tokens};
  TRY(mem_new(&d->memory, batch_bytes(d->caps), 1, "a batch of the benchmark"));
  batch_place(&d->a, d->caps, d->memory);
  return OK;
}

// `count` of the n rows from `first` on, chosen at random (Knuth's selection sampling).
static void mask_rows(draft *d, rng *r, int32_t first, int32_t n, int32_t count) {
  for (int32_t i = 0; i < n && count > 0; i++) {
    if ((int64_t)rng_below(r, (uint64_t)(n - i)) >= count) continue;
    d->a.masked[d->live.masked++] = first + i;
    count--;
  }
}

static void add_sequence(draft *d, rng *r, const bench_model *m, int32_t n) {
  const int32_t s = d->live.seqs, first = d->live.tokens;
  for (int32_t i = 0; i < n; i++) {
    d->a.ids[first + i] = zipf(r, m->vocab);
    d->a.types[first + i] = m->types > 1 && i >= n / 2;
    d->a.positions[first + i] = i;
  }
  batch_put_sequence(&d->a, &d->live, n, 1000003LL * s);
  d->a.nsp_labels[s] = (int32_t)rng_below(r, 2);
  for (int32_t i = 0; i < BENCH_TARGETS; i++) {
    d->a.targets[d->live.targets] = (s + i) % 2;
    d->a.target_weights[d->live.targets++] = 1;
  }
  const int32_t count = (int32_t)lround(m->masked * n);
  mask_rows(d, r, first, n, count > 0 ? count : 1);
}

static void draw(draft *d, const bench_model *m, int32_t tokens) {
  rng r = rng_at(5, STREAM_SYNTH, 0, 0);
  while (d->live.tokens < tokens) {
    const int32_t n = draw_length(&r, m), left = tokens - d->live.tokens;
    add_sequence(d, &r, m, n < left ? n : left);
  }
  batch_list_work(&d->a, &d->live);
  for (int32_t i = 0; i < d->live.masked; i++) {
    d->a.labels[i] = d->a.ids[d->a.masked[i]];
    d->a.weights[i] = 1;
    d->a.label_logq[i] = -2;
  }
  d->live.negatives = m->negatives;
  for (int32_t i = 0; i < d->live.negatives; i++) {
    d->a.negatives[i] = zipf(&r, m->vocab);
    d->a.negative_logq[i] = -2;
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
  const batch_counts n = d->live;
  const batch_arrays *a = &d->a;
  b->facts = (batch_facts){.tokens = n.tokens, .seqs = n.seqs, .masked = n.masked, .work = n.work};
  for (int32_t s = 0; s < n.seqs; s++) {
    const int32_t length = a->cu_seqlens[s + 1] - a->cu_seqlens[s];
    b->facts.squares += (double)length * length;
    if (length > b->facts.positions) b->facts.positions = length;
  }
  b->facts.types = m->types > 1 ? 2 : 1;
  b->facts.classes = mark(classes, a->labels, n.masked) + mark(classes, a->negatives, n.negatives);
  b->facts.words = mark(b->touched, a->ids, n.tokens);
  b->facts.touched =
      b->facts.words + mark(b->touched, a->labels, n.masked) + mark(b->touched, a->negatives, n.negatives);
  free(classes);
  return OK;
}

// The view has exactly what is live.
static status send_all(bench_batch *b, const draft *d, const backend *be, op_ctx *ctx) {
  TRY(be->mem_alloc(ctx, batch_bytes(d->live), "a batch of the benchmark", &b->memory));
  batch_place(&b->view, d->live, b->memory);
  for (int32_t i = 0; i < N_BATCH_FIELDS; i++) {
    const batch_field *f = &batch_fields[i];
    const size_t bytes = batch_elements(f, d->live) * f->size;
    if (bytes > 0) TRY(be->upload(ctx, batch_array(&b->view, f), batch_array(&d->a, f), bytes));
  }
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
  free(d.memory);
  if (rc != OK) bench_batch_free(b, be, ctx);
  return rc;
}

void bench_batch_free(bench_batch *b, const backend *be, op_ctx *ctx) {
  be->mem_free(ctx, b->memory);
  free(b->touched);
  memset(b, 0, sizeof *b);
}
