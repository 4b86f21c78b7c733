// Batches of rows of copy (data/copy_examples.h), which are in memory: one block, shuffled as a whole in each epoch.
#include <stdlib.h>
#include "base/memory.h"
#include "data/batch_bounds.h"
#include "data/copy_examples.h"
#include "data/sources/batch_source.h"

typedef struct copy_batches {
  batch_source base;
  copy_examples *e;
} copy_batches;

static bool trains(const copy_examples *e, int64_t i) {
  return e->rows->part[i] == COPY_TRAIN && e->weights[i] > 0;
}

static status list(batch_source *self, int64_t epoch, int64_t block, example_list *to) {
  const copy_examples *e = ((const copy_batches *)self)->e;
  (void)block;
  for (int64_t i = 0; i < e->rows->n; i++) {
    if (!trains(e, i)) continue;
    const copy_plan p = copy_examples_plan(e, i);
    const example one = {.sequence = i,
                         .id = (int64_t)((uint64_t)epoch * (uint64_t)e->rows->n + (uint64_t)i),
                         .end = p.written,
                         .length = p.rows,
                         .task = WRITE_COPY};
    TRY(examples_add(to, &one));
  }
  return OK;
}

static status read_rows(batch_source *self, const int64_t *blocks, int n) {
  (void)self;
  (void)blocks;
  (void)n;
  return OK;
}

static status add(batch_source *self, batch *out, const example *e, const example_list *all) {
  const copy_batches *s = (const copy_batches *)self;
  (void)all;
  return copy_examples_put(s->e, e->sequence, e->id, out)
             ? OK
             : fail(ERR_INTERNAL, "a row of copy of %d rows does not fit into its batch", e->length);
}

static void close_source(batch_source *self) {
  copy_batches *s = (copy_batches *)self;
  copy_examples_close(s->e);
  free(s);
}

static void memory(const batch_source *self, batcher_memory *m) {
  const copy_examples *e = ((const copy_batches *)self)->e;
  m->sequences = m->examples = (double)e->rows->n;
  m->sequence_bytes = copy_examples_bytes(e);
}

static status cover(batch_source *self, batcher_coverage *out) {
  const copy_examples *e = ((const copy_batches *)self)->e;
  const int64_t n = copy_rows_count(e->rows, COPY_TRAIN);
  *out = (batcher_coverage){.events = n, .covered = n};
  return OK;
}

static const source_calls calls = {
    .cover = cover, .memory = memory, .close = close_source, .list = list, .read = read_rows, .add = add};

// A row of any part fits into a batch, since a validation has batches of the same capacities.
static status find_caps(copy_batches *s, const data_config *c) {
  const copy_examples *e = s->e;
  batch_bounds bounds = {.rows = 0};
  example_kind *kinds;
  size_t n = 0;
  int32_t longest = 1, most = 1;
  TRY(mem_new(&kinds, (size_t)e->rows->n, sizeof *kinds, "the bounds of batches"));
  for (int64_t i = 0; i < e->rows->n; i++) {
    const copy_plan p = copy_examples_plan(e, i);
    if (p.rows > longest) longest = p.rows;
    if (p.written > most) most = p.written;
    if (trains(e, i)) kinds[n++] = (example_kind){.count = 1, .rows = p.rows, .masked = p.written};
  }
  bounds_add_total(&bounds, kinds, n);
  status rc =
      n > 0 ? bounds_set_all(&bounds, kinds, n) : fail(ERR_ARGUMENT, "there is no row of copy to train on");
  const int64_t tokens = c->batch_tokens > longest ? c->batch_tokens : longest;
  const int64_t seqs = c->batch_sequences > 0 && c->batch_sequences < tokens ? c->batch_sequences : tokens;
  if (rc == OK) s->base.caps = bounds_caps(&bounds, tokens, seqs, longest);
  if (s->base.caps.masked < most) s->base.caps.masked = most;
  bounds_free(&bounds);
  free(kinds);
  return rc;
}

static status open_all(copy_batches *s, dataset *d, const data_config *c, const seq_layout *layout) {
  copy_layout l;
  TRY(copy_layout_of(&l, d, c, layout));
  TRY(copy_examples_open(&s->e, d, &l));
  if (!c->copy.history) copy_examples_forget_users(s->e);
  TRY(copy_weights_set(s->e->rows, &c->copy, s->e->weights));
  return find_caps(s, c);
}

status copy_source_open(batch_source **out, dataset *d, const data_config *c, const seq_layout *layout,
                        data_part part) {
  *out = NULL;
  if (part == PART_VALID)
    return fail(ERR_INTERNAL, "copy is validated by eval/copy_scores.h, not from a batcher");
  copy_batches *s;
  TRY(mem_new(&s, 1, sizeof *s, "the batcher"));
  s->base = (batch_source){.calls = &calls, .blocks = 1, .group = 1};
  const status rc = open_all(s, d, c, layout);
  if (rc == OK)
    *out = &s->base;
  else
    close_source(&s->base);
  return rc;
}
