// Histories, texts of items, pairs of both, and pairs of a history and an item in one epoch, as data.mix says.
//
// The blocks are those of the histories. Each has, beside its own examples, its share of the epoch's texts and pairs: numbers that
// follow from how many windows come before it, so that whatever the order of the blocks, an epoch has the same.
#include <math.h>
#include <stdlib.h>
#include "base/memory.h"
#include "data/batch_bounds.h"
#include "data/data_mix.h"
#include "data/sources/pair_source.h"

typedef struct mix_source {
  batch_source base;
  data_mix mix;
  history_source *h;
  text_source texts;
  pair_source pairs, item_pairs;
  double rate[MIX_PARTS]; // texts and pairs for each window
} mix_source;

// Examples of a part in the blocks before this one.
static int64_t before(const mix_source *s, mix_part part, int64_t block) {
  int64_t begin, end;
  if (block == s->base.blocks) return (int64_t)floor(s->rate[part] * (double)s->h->windows);
  history_windows(s->h, block, &begin, &end);
  return (int64_t)floor(s->rate[part] * (double)begin);
}

static const pair_source *pairs_of(const mix_source *s, mix_part part) {
  return part == MIX_PAIRS ? &s->pairs : &s->item_pairs;
}

static status list_pairs(const mix_source *s, mix_part part, int64_t epoch, int64_t block, example_list *to) {
  const int64_t first = before(s, part, block), n = before(s, part, block + 1) - first;
  if (n == 0) return OK;
  return pair_source_list(pairs_of(s, part), epoch, block, first, n, before(s, part, s->base.blocks), to);
}

static status list(batch_source *self, int64_t epoch, int64_t block, example_list *to) {
  const mix_source *s = (const mix_source *)self;
  if (s->mix.weight[MIX_HISTORIES] > 0) TRY(s->h->base.calls->list(&s->h->base, epoch, block, to));
  const int64_t texts = epoch * before(s, MIX_TEXTS, s->base.blocks);
  TRY(text_source_list(&s->texts, texts + before(s, MIX_TEXTS, block),
                       texts + before(s, MIX_TEXTS, block + 1), to));
  TRY(list_pairs(s, MIX_PAIRS, epoch, block, to));
  return list_pairs(s, MIX_ITEM_PAIRS, epoch, block, to);
}

static double weight_of_pairs(const data_mix *m) {
  return m->weight[MIX_PAIRS] + m->weight[MIX_ITEM_PAIRS];
}

static bool shows_histories(const data_mix *m) {
  return m->weight[MIX_HISTORIES] > 0 || weight_of_pairs(m) > 0;
}

static bool shows_texts(const data_mix *m) {
  return m->weight[MIX_TEXTS] > 0 || m->weight[MIX_PAIRS] > 0;
}

static status read_blocks(batch_source *self, const int64_t *blocks, int n) {
  mix_source *s = (mix_source *)self;
  return shows_histories(&s->mix) ? s->h->base.calls->read(&s->h->base, blocks, n) : OK;
}

static status add(batch_source *self, batch *out, const example *e, const example_list *all) {
  mix_source *s = (mix_source *)self;
  if (e->task == MASK_TEXT) return text_source_add(&s->texts, out, e);
  if (e->task == MASK_PAIR) return pair_source_add(&s->pairs, out, e);
  if (e->task == MASK_ITEM_PAIR) return pair_source_add(&s->item_pairs, out, e);
  return s->h->base.calls->add(&s->h->base, out, e, all);
}

static void complete(batch_source *self, batch *out, int64_t epoch, int64_t index) {
  const mix_source *s = (const mix_source *)self;
  s->h->base.calls->complete(&s->h->base, out, epoch, index);
}

static status renew(batch_source *self) {
  const mix_source *s = (const mix_source *)self;
  return s->h->base.calls->renew(&s->h->base);
}

static status cover(batch_source *self, batcher_coverage *out) {
  const mix_source *s = (const mix_source *)self;
  if (s->mix.weight[MIX_HISTORIES] > 0) return s->h->base.calls->cover(&s->h->base, out);
  *out = (batcher_coverage){.window = s->h->w};
  return OK;
}

static void memory(const batch_source *self, batcher_memory *m) {
  const mix_source *s = (const mix_source *)self;
  s->h->base.calls->memory(&s->h->base, m);
  const double shown = s->base.blocks > s->base.group ? (double)s->base.group / (double)s->base.blocks : 1;
  if (s->mix.weight[MIX_HISTORIES] == 0) m->examples = 0;
  m->examples +=
      shown * (s->rate[MIX_TEXTS] + s->rate[MIX_PAIRS] + s->rate[MIX_ITEM_PAIRS]) * (double)s->h->windows;
  m->texts = text_source_bytes(&s->texts) + pair_source_bytes(&s->item_pairs);
}

static void close_source(batch_source *self) {
  mix_source *s = (mix_source *)self;
  text_source_close(&s->texts);
  pair_source_close(&s->pairs);
  pair_source_close(&s->item_pairs);
  if (s->h != NULL) s->h->base.calls->close(&s->h->base);
  free(s);
}

static const source_calls calls = {.cover = cover,
                                   .memory = memory,
                                   .close = close_source,
                                   .list = list,
                                   .read = read_blocks,
                                   .add = add,
                                   .complete = complete,
                                   .renew = renew};

// ---- life ----------------------------------------------------------------------------------------------------

// Histories have so many examples for each window, in the mean.
static double history_rate(const mix_source *s) {
  const double masked = s->h->masked_copies > 0 ? (double)s->h->c.dupe_factor + s->h->c.last_copies : 0;
  return masked + (s->h->copies > s->h->masked_copies);
}

static void find_rates(mix_source *s) {
  const double *w = s->mix.weight;
  double one = 1; // of weight: examples for each window
  if (w[MIX_HISTORIES] > 0)
    one = history_rate(s) / w[MIX_HISTORIES];
  else if (weight_of_pairs(&s->mix) > 0)
    one = 1 / weight_of_pairs(&s->mix);
  else
    one =
        (double)s->texts.n / (double)s->h->windows / w[MIX_TEXTS] * (1 + 1e-12); // not one fewer by rounding
  s->rate[MIX_TEXTS] = one * w[MIX_TEXTS];
  s->rate[MIX_PAIRS] = one * w[MIX_PAIRS];
  s->rate[MIX_ITEM_PAIRS] = one * w[MIX_ITEM_PAIRS];
}

static size_t more_kinds(const void *self, const double *windows, double all, example_kind *to) {
  const mix_source *s = self;
  size_t n = 0;
  if (s->rate[MIX_TEXTS] > 0) n = text_source_kinds(&s->texts, s->rate[MIX_TEXTS] * all + 1, to);
  for (mix_part part = MIX_PAIRS; part <= MIX_ITEM_PAIRS; part++)
    if (s->rate[part] > 0) n += pair_source_kinds(pairs_of(s, part), windows, s->rate[part], to + n);
  return n;
}

static status find_caps(mix_source *s) {
  const history_extra extra = {.self = s,
                               .kinds = more_kinds,
                               .most = (size_t)s->h->layout.max_positions + 1 +
                                       2 * (size_t)PAIR_KINDS * (size_t)s->h->w.length,
                               .alone = s->mix.weight[MIX_HISTORIES] == 0};
  TRY(history_find_caps(s->h, &extra));
  TRY(history_make_room(s->h));
  s->base.caps = s->h->base.caps;
  return OK;
}

static status open_parts(mix_source *s, dataset *d, const data_config *c, const seq_layout *layout) {
  batch_source *h;
  TRY(text_source_check(c, layout));
  if (s->mix.weight[MIX_TEXTS] > 0 && layout->items_only)
    return fail(ERR_ARGUMENT,
                "data.mix: of texts words are predicted, which needs model.item_classes = false");
  TRY(history_source_open(&h, d, c, layout, PART_TRAIN));
  s->h = (history_source *)h;
  if (shows_texts(&s->mix)) TRY(text_source_open(&s->texts, d, &s->h->c, layout, &s->h->masks));
  if (s->mix.weight[MIX_PAIRS] > 0) TRY(pair_source_open(&s->pairs, s->h, &s->texts, &s->h->c));
  if (s->mix.weight[MIX_ITEM_PAIRS] > 0) TRY(pair_source_open(&s->item_pairs, s->h, NULL, &s->h->c));
  s->base.blocks = h->blocks;
  s->base.group = h->group;
  find_rates(s);
  return find_caps(s);
}

status mix_source_open(batch_source **out, dataset *d, const data_config *c, const seq_layout *layout,
                       const data_mix *mix) {
  *out = NULL;
  mix_source *s;
  TRY(mem_new(&s, 1, sizeof *s, "the batcher"));
  s->base.calls = &calls;
  s->mix = *mix;
  const status rc = open_parts(s, d, c, layout);
  if (rc != OK) {
    close_source(&s->base);
    return rc;
  }
  *out = &s->base;
  return OK;
}
