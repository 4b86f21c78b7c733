// Batches of examples that were masked elsewhere (nvidia_shards.h): they only need packing. A block is a shard.
#include <stdlib.h>
#include "base/memory.h"
#include "data/batch_bounds.h"
#include "data/sources/batch_source.h"
#include "data/sources/nvidia_shards.h"

enum {
  ENOUGH_ROWS = 65536,
  MAX_GROUP = 16
}; // to shuffle together; fewer shards than that where shards are large

typedef struct nvidia_source {
  batch_source base;
  nvidia_shards *shards;
  seq_layout layout;
  nvidia_rows *rows[MAX_GROUP];
  int64_t first[MAX_GROUP], end[MAX_GROUP]; // rows of each
} nvidia_source;

static status list(batch_source *self, int64_t epoch, int64_t block, example_list *to) {
  const nvidia_source *s = (const nvidia_source *)self;
  const int32_t *lengths = nvidia_lengths(s->shards);
  const int64_t all = nvidia_first(s->shards, nvidia_count(s->shards));
  for (int64_t i = nvidia_first(s->shards, (int32_t)block); i < nvidia_first(s->shards, (int32_t)block + 1);
       i++) {
    const example e = {.sequence = i,
                       .id = (int64_t)((uint64_t)epoch * (uint64_t)all + (uint64_t)i),
                       .end = lengths[i],
                       .length = lengths[i]};
    TRY(examples_add(to, &e));
  }
  return OK;
}

static void drop(nvidia_source *s) {
  for (int i = 0; i < MAX_GROUP; i++) {
    nvidia_rows_free(s->rows[i]);
    s->rows[i] = NULL;
  }
}

static status read_shards(batch_source *self, const int64_t *blocks, int n) {
  nvidia_source *s = (nvidia_source *)self;
  drop(s);
  for (int i = 0; i < n; i++) {
    TRY(nvidia_read(&s->rows[i], s->shards, (int32_t)blocks[i]));
    s->first[i] = nvidia_first(s->shards, (int32_t)blocks[i]);
    s->end[i] = nvidia_first(s->shards, (int32_t)blocks[i] + 1);
  }
  return OK;
}

static status add(batch_source *self, batch *out, const example *e, const example_list *all) {
  (void)all;
  const nvidia_source *s = (const nvidia_source *)self;
  int k = 0;
  while (e->sequence < s->first[k] || e->sequence >= s->end[k]) k++;
  premasked p;
  nvidia_get(s->rows[k], e->sequence, &p);
  if (!batch_has_room(out, p.n))
    return fail(ERR_INTERNAL, "an example of %d rows does not fit into its batch", p.n);
  const int32_t begin = out->tokens;
  for (int32_t i = 0; i < p.n; i++) {
    out->ids[begin + i] = p.tokens[i];
    out->types[begin + i] = p.segments[i] * s->layout.n_event_types;
  }
  sequence_positions(&s->layout, p.n, out->positions + begin);
  batch_end_sequence(out, p.n, e->id);
  out->nsp_labels[out->seqs - 1] = p.next;
  for (int32_t i = 0; i < p.n_masked; i++)
    if (!batch_add_masked(out, begin + p.positions[i], p.labels[i], 1.0f))
      return fail(ERR_INTERNAL, "the masks of an example do not fit into its batch");
  return OK;
}

static void close_source(batch_source *self) {
  nvidia_source *s = (nvidia_source *)self;
  drop(s);
  free(s);
}

static void memory(const batch_source *self, batcher_memory *m) {
  const nvidia_source *s = (const nvidia_source *)self;
  const double all = (double)nvidia_first(s->shards, nvidia_count(s->shards)),
               share = s->base.blocks > s->base.group ? (double)s->base.group / (double)s->base.blocks : 1;
  m->sequences = m->examples = all * share;
  m->sequence_bytes = nvidia_rows_bytes(s->shards) * share;
}

static status cover(batch_source *self, batcher_coverage *out) {
  const nvidia_source *s = (const nvidia_source *)self;
  const int64_t all = nvidia_first(s->shards, nvidia_count(s->shards));
  *out = (batcher_coverage){.events = all, .covered = all};
  return OK;
}

static const source_calls calls = {
    .cover = cover, .memory = memory, .close = close_source, .list = list, .read = read_shards, .add = add};

static status check_config(const dataset *d, const data_config *c, const seq_layout *layout, data_part part) {
  const char *dir = dataset_dir(d);
  if (part == PART_VALID)
    return fail(ERR_ARGUMENT, "%s holds masked examples, not histories: there is nothing to validate on",
                dir);
  TRY(training_choice_check(&c->trains, d));
  if (c->negatives > 0)
    return fail(ERR_ARGUMENT, "data.negatives = %lld: %s has no items to sample; set it to 0",
                (long long)c->negatives, dir);
  if (layout->segments < 2)
    return fail(ERR_ARGUMENT, "%s has pairs of sentences: model.segments must be 2 or more", dir);
  const int32_t longest = dataset_get_info(d)->longest;
  if (longest > layout->max_positions)
    return fail(
        ERR_ARGUMENT,
        "%s has examples of %d tokens, model.max_positions is %d; raise it, or make shards of shorter "
        "examples",
        dir, longest, layout->max_positions);
  return OK;
}

// The examples of shards [first, stop) by their length; each may have P masked rows, or as many as it has rows.
static size_t kinds_of(const nvidia_shards *s, int32_t first, int32_t stop, example_kind *by_length,
                       int32_t longest) {
  const int32_t most = nvidia_most_masked(s);
  for (int32_t n = 0; n <= longest; n++)
    by_length[n] = (example_kind){.rows = n, .masked = most < n ? most : n};
  for (int64_t i = nvidia_first(s, first); i < nvidia_first(s, stop); i++)
    by_length[nvidia_lengths(s)[i]].count++;
  size_t kinds = 0;
  for (int32_t n = 0; n <= longest; n++)
    if (by_length[n].count > 0) by_length[kinds++] = by_length[n];
  return kinds;
}

static status find_caps(nvidia_source *s, const data_config *c) {
  const int32_t longest = s->layout.max_positions;
  batch_bounds bounds = {.rows = 0};
  example_kind *by_length;
  TRY(mem_new(&by_length, (size_t)longest + 1, sizeof *by_length, "the bounds of batches"));
  const int32_t shards = nvidia_count(s->shards);
  status rc = OK;
  for (int32_t i = 0; shards > s->base.group && rc == OK && i < shards; i++)
    rc = bounds_add_block(&bounds, by_length, kinds_of(s->shards, i, i + 1, by_length, longest));
  const size_t kinds = kinds_of(s->shards, 0, shards, by_length, longest);
  bounds_add_total(&bounds, by_length, kinds);
  if (rc == OK) rc = bounds_set_all(&bounds, by_length, kinds);
  const int64_t tokens = c->batch_tokens > longest ? c->batch_tokens : longest;
  const int64_t seqs = c->batch_sequences > 0 && c->batch_sequences < tokens ? c->batch_sequences : tokens;
  s->base.caps = bounds_caps(&bounds, tokens, seqs, longest);
  s->base.most_masked = nvidia_most_masked(s->shards);
  if (s->base.caps.masked < s->base.most_masked) s->base.caps.masked = s->base.most_masked; // of one example
  bounds_free(&bounds);
  free(by_length);
  return rc;
}

status nvidia_source_open(batch_source **out, dataset *d, const data_config *c, const seq_layout *layout,
                          data_part part) {
  *out = NULL;
  TRY(check_config(d, c, layout, part));
  nvidia_source *s;
  TRY(mem_new(&s, 1, sizeof *s, "the batcher"));
  nvidia_shards *shards = dataset_premasked(d);
  s->base.calls = &calls;
  s->shards = shards;
  s->layout = *layout;
  const int32_t n = nvidia_count(shards);
  const int64_t rows = nvidia_first(shards, n), wanted = ENOUGH_ROWS / (rows / n + 1) + 1;
  s->base.blocks = n;
  s->base.group = (int)(wanted < MAX_GROUP ? wanted : MAX_GROUP);
  const status rc = find_caps(s, c);
  if (rc != OK) {
    close_source(&s->base);
    return rc;
  }
  *out = &s->base;
  return OK;
}
