// The batch of a fixture; see batch_fill.h.
#include "ops/check/batch_fill.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"

// What one field is filled with. Each repetition of a grown batch draws the same.
typedef struct filling {
  const fixture *f;
  batch_range range;
  size_t live, once; // elements that are live, and those of a repetition
  bool
      last; // which of the two: what is past the live count is at the end of the range (floats: NaN), else at the begin
  rng start; // of the field's own: fields that are added change no other's values
} filling;

void host_batch_free(host_batch *h) {
  free(h->memory);
}

size_t host_batch_bytes(const host_batch *h, const batch_field *f) {
  return batch_elements(f, h->caps) * f->size;
}

// ---- values --------------------------------------------------------------------------------------------------

static int64_t past_live(const filling *w) {
  return w->last ? w->range.below - 1 : w->range.from < 0 ? 0 : w->range.from;
}

// Numbers: the first one is popular, so that rows of a table meet. Labels: any of them, or none.
static void fill_numbers(int32_t *to, size_t n, const filling *w, bool popular) {
  const uint64_t range = (uint64_t)(w->range.below - w->range.from);
  rng r = w->start;
  for (size_t i = 0; i < n; i++) {
    if (i < w->live && i % w->once == 0) r = w->start;
    const bool first = popular && rng_below(&r, 2) == 0;
    const int64_t x = w->range.from + (first ? 0 : (int64_t)rng_below(&r, range));
    to[i] = (int32_t)(i < w->live ? x : past_live(w));
  }
}

static void fill_weights(float *to, size_t n, const filling *w) {
  static const float some[] = {1.0f, 1.0f, 0.5f, 0.0f, 2.25f};
  rng r = w->start;
  for (size_t i = 0; i < n; i++) {
    if (i < w->live && i % w->once == 0) r = w->start;
    to[i] = i >= w->live ? (w->last ? NAN : 1.0f) : some[rng_below(&r, 5)];
    if (i < w->live) to[i] *= (float)fixture_sign(w->f, (int32_t)(i / w->once));
  }
}

static void fill_logs(float *to, size_t n, const filling *w) {
  rng r = w->start;
  for (size_t i = 0; i < n; i++) {
    if (i < w->live && i % w->once == 0) r = w->start;
    to[i] = i < w->live ? -5.0f * (float)rng_unit(&r) : w->last ? NAN : 1.0f;
  }
}

// Token rows of a repetition: any of its own.
static void fill_rows(int32_t *to, size_t n, const filling *w) {
  const int32_t times = w->f->repeat > 0 ? w->f->repeat : 1, tokens = w->f->batch.tokens / times;
  rng r = w->start;
  for (size_t i = 0; i < n; i++) {
    if (i < w->live && i % w->once == 0) r = w->start;
    to[i] = (int32_t)(i < w->live ? (int64_t)rng_below(&r, (uint64_t)tokens) + (int64_t)(i / w->once) * tokens
                                  : past_live(w));
  }
}

// Rows in any order, live ones first; those past the live count backwards for `last`.
static status shuffled_rows(int32_t *to, const batch_spec *b, rng r, bool last) {
  int32_t *all;
  TRY(mem_new(&all, (size_t)b->tokens_cap, sizeof *all, "a batch of the op checks"));
  for (int32_t i = 0; i < b->tokens_cap; i++) all[i] = i;
  for (int32_t i = b->tokens - 1; i > 0; i--) {
    const int32_t k = (int32_t)rng_below(&r, (uint64_t)i + 1), t = all[i];
    all[i] = all[k];
    all[k] = t;
  }
  for (int32_t i = 0; i < b->masked_cap; i++)
    to[i] = all[i < b->masked || !last ? i : b->masked_cap - 1 - (i - b->masked)];
  free(all);
  return OK;
}

// The same with no row twice, of the masked ones.
static status fill_distinct(int32_t *to, const filling *w) {
  batch_spec once = w->f->batch;
  const int32_t times = w->f->repeat > 0 ? w->f->repeat : 1, masked = once.masked;
  once.tokens /= times;
  once.masked /= times;
  if (times > 1) once.tokens_cap = once.tokens;
  if (times > 1) once.masked_cap = once.masked;
  TRY(shuffled_rows(to, &once, w->start, w->last));
  for (int32_t i = once.masked; times > 1 && i < masked; i++)
    to[i] = to[i % once.masked] + i / once.masked * once.tokens;
  return OK;
}

static status fill_field(void *to, const batch_field *f, size_t n, const filling *w) {
  switch (f->kind) {
  case BATCH_LAYOUT:
    break;
  case BATCH_NUMBER:
  case BATCH_LABEL:
    fill_numbers(to, n, w, f->kind == BATCH_NUMBER);
    break;
  case BATCH_WEIGHT:
    fill_weights(to, n, w);
    break;
  case BATCH_LOGQ:
    fill_logs(to, n, w);
    break;
  case BATCH_ROW:
    fill_rows(to, n, w);
    if (w->f->batch.distinct && w->live > 0) return fill_distinct(to, w);
  }
  return OK;
}

// ---- layout --------------------------------------------------------------------------------------------------

// Sequence ids of one word and of more, since dropout counters hold both halves.
static int64_t sequence_id(int32_t s) {
  return s % 2 == 0 ? s : ((int64_t)(1 + s % 5) << 32) + 1000003 * (int64_t)s;
}

static void lay_past_live(host_batch *h, const batch_counts *live, bool last) {
  const int32_t sequence = last && live->seqs > 0 ? live->seqs - 1 : 0;
  for (int32_t s = live->seqs; s < h->caps.seqs; s++) {
    h->a.seq_ids[s] = -(int64_t)last;
    h->a.prefix_len[s] = last ? 9 : 0;
    h->a.cu_seqlens[s + 1] = last ? h->caps.tokens : 0;
  }
  for (int32_t row = live->tokens; row < h->caps.tokens; row++) h->a.seq_of[row] = sequence;
  for (int32_t i = live->work; i < h->caps.work; i++) h->a.work[2 * i] = sequence;
}

static void lay_sequences(host_batch *h, const fixture *f, bool last) {
  const batch_spec *b = &f->batch;
  const int32_t times = f->repeat > 0 ? f->repeat : 1, once = b->seqs / times;
  const rng start = rng_at(7, 2, f->random.a, f->random.b);
  rng r = start;
  batch_counts live = {.tokens = 0};
  for (int32_t s = 0; s < b->seqs; s++) {
    if (s % once == 0) r = start;
    const int32_t n = b->lengths[s % once];
    batch_put_sequence(&h->a, &live, n, sequence_id(s % once));
    h->a.prefix_len[s] = (int32_t)rng_below(&r, (uint64_t)n + 1);
  }
  batch_list_work(&h->a, &live);
  lay_past_live(h, &live, last);
}

// ---- the whole -----------------------------------------------------------------------------------------------

static void leave_out(host_batch *h, const batch_field *f) {
  void *const none = NULL;
  memcpy((char *)&h->a + f->at, &none, sizeof none);
}

status host_batch_make(host_batch *h, const fixture *f, fill filler) {
  memset(h, 0, sizeof *h);
  const batch_spec *b = &f->batch;
  const batch_limits limit = {.tokens = b->tokens_cap,
                              .seqs = b->seqs_cap,
                              .vocab = b->vocab,
                              .types = b->n_types,
                              .positions = b->n_positions,
                              .class_begin = b->class_base,
                              .class_end = b->class_base + b->classes,
                              .seq_classes = b->small_classes,
                              .target_classes = 2};
  const batch_counts live = {.tokens = b->tokens,
                             .seqs = b->seqs,
                             .masked = b->masked,
                             .negatives = b->negatives,
                             .targets = b->seqs * b->targets};
  batch_range ranges[N_BATCH_FIELDS];
  batch_ranges(&limit, ranges);
  h->caps = (batch_counts){.tokens = b->tokens_cap,
                           .seqs = b->seqs_cap,
                           .masked = b->masked_cap,
                           .negatives = b->negatives,
                           .targets = b->seqs_cap * b->targets};
  h->caps.work = batch_max_work(h->caps);
  TRY(mem_new(&h->memory, batch_bytes(h->caps) + 1, 1, "a batch of the op checks"));
  batch_place(&h->a, h->caps, h->memory);
  lay_sequences(h, f, filler == FILL_NAN);
  for (int32_t i = 0; i < N_BATCH_FIELDS; i++) {
    const batch_field *field = &batch_fields[i];
    const size_t n = batch_elements(field, h->caps), on = batch_elements(field, live);
    const bool repeats = field->count != BATCH_COUNT_negatives && f->repeat > 1;
    if (n == 0 || (field->kind != BATCH_LAYOUT && !field->real && ranges[i].from >= ranges[i].below)) {
      leave_out(h, field);
      continue;
    }
    const filling w = {.f = f,
                       .range = ranges[i],
                       .live = on,
                       .once = repeats ? on / (size_t)f->repeat : on,
                       .last = filler == FILL_NAN,
                       .start = rng_at(philox_name(field->name), 2, f->random.a, f->random.b)};
    TRY(fill_field(batch_array(&h->a, field), field, n, &w));
  }
  return OK;
}
