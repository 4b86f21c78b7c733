// Batches of labelled rows (data/labelled_rows.h), which are in memory: one block, shuffled as a whole in each epoch.
#include <stdlib.h>
#include "base/memory.h"
#include "data/batch_bounds.h"
#include "data/labelled_rows.h"
#include "data/sources/batch_source.h"

typedef struct labelled_source {
  batch_source base;
  const labelled_rows *rows;
  seq_layout layout;
} labelled_source;

static status list(batch_source *self, int64_t epoch, int64_t block, example_list *to) {
  const labelled_source *s = (const labelled_source *)self;
  (void)block;
  for (int64_t i = 0; i < s->rows->n; i++) {
    const int32_t length = labelled_length(s->rows, i, &s->layout);
    const example e = {.sequence = i,
                       .id = (int64_t)((uint64_t)epoch * (uint64_t)s->rows->n + (uint64_t)i),
                       .end = length,
                       .length = length};
    TRY(examples_add(to, &e));
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
  (void)all;
  const labelled_source *s = (const labelled_source *)self;
  return labelled_put(s->rows, e->sequence, &s->layout, e->id, true, out)
             ? OK
             : fail(ERR_INTERNAL, "a labelled row of %d tokens does not fit into its batch", e->length);
}

static void close_source(batch_source *self) {
  free(self);
}

static void memory(const batch_source *self, batcher_memory *m) {
  const labelled_source *s = (const labelled_source *)self;
  m->sequences = m->examples = (double)s->rows->n;
  m->sequence_bytes = labelled_bytes(s->rows);
}

static status cover(batch_source *self, batcher_coverage *out) {
  const labelled_source *s = (const labelled_source *)self;
  *out = (batcher_coverage){.events = s->rows->n, .covered = s->rows->n};
  return OK;
}

static const source_calls calls = {
    .cover = cover, .memory = memory, .close = close_source, .list = list, .read = read_rows, .add = add};

static status find_caps(labelled_source *s, const data_config *c) {
  const int32_t longest = s->layout.max_positions;
  batch_bounds bounds = {.rows = 0};
  example_kind *kinds;
  size_t n = 0;
  TRY(mem_new(&kinds, (size_t)longest + 1, sizeof *kinds, "the bounds of batches"));
  for (int32_t k = 0; k <= longest; k++) kinds[k] = (example_kind){.rows = k};
  for (int64_t i = 0; i < s->rows->n; i++) kinds[labelled_length(s->rows, i, &s->layout)].count++;
  for (int32_t k = 0; k <= longest; k++)
    if (kinds[k].count > 0) kinds[n++] = kinds[k];
  bounds_add_total(&bounds, kinds, n);
  const status rc = bounds_set_all(&bounds, kinds, n);
  const int64_t tokens = c->batch_tokens > longest ? c->batch_tokens : longest;
  const int64_t seqs = c->batch_sequences > 0 && c->batch_sequences < tokens ? c->batch_sequences : tokens;
  s->base.caps = bounds_caps(&bounds, tokens, seqs, longest);
  if (s->base.caps.masked < 1) s->base.caps.masked = 1; // nothing is masked, and a buffer has a row
  s->base.caps.targets = s->base.caps.seqs * s->rows->targets;
  bounds_free(&bounds);
  free(kinds);
  return rc;
}

status labelled_source_open(batch_source **out, dataset *d, const data_config *c, const seq_layout *layout,
                            data_part part) {
  *out = NULL;
  const labelled_rows *rows = dataset_labelled(d);
  if (part == PART_VALID)
    return fail(ERR_INTERNAL, "labelled rows are validated on by eval/label_scores.h, not from a batcher");
  if (rows->n == 0) return fail(ERR_ARGUMENT, "labels.train: there is no row to train on");
  labelled_source *s;
  TRY(mem_new(&s, 1, sizeof *s, "the batcher"));
  s->base = (batch_source){.calls = &calls, .blocks = 1, .group = 1};
  s->rows = rows;
  s->layout = *layout;
  const status rc = find_caps(s, c);
  if (rc == OK)
    *out = &s->base;
  else
    close_source(&s->base);
  return rc;
}
