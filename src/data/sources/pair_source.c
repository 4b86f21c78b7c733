// Pairs of a history and a text as examples; see pair_source.h.
#include "data/sources/pair_source.h"

#include <stdlib.h>
#include "base/memory.h"
#include "base/philox.h"
#include "data/permutation.h"

static const int64_t FIRST_ID = (int64_t)1 << 47; // texts have those below

status pair_source_open(pair_source *p, history_source *h, text_source *texts, const data_config *c) {
  const seq_layout *layout = &h->layout;
  *p = (pair_source){.h = h, .texts = texts, .c = c};
  if (layout->segments < 2) return fail(ERR_ARGUMENT, "data.mix: pairs need model.segments = 2 or more");
  p->room = (layout->max_positions - sequence_specials(layout, true, false)) / 2;
  if (c->text_tokens > 0 && c->text_tokens < p->room) p->room = (int32_t)c->text_tokens;
  return mem_new(&p->text, (size_t)p->room, sizeof *p->text, "a text");
}

void pair_source_close(pair_source *p) {
  free(p->text);
  p->text = NULL;
}

// ---- listing: lengths only, and the text is not known yet ----------------------------------------------------

static int32_t rows_of(const pair_source *p, int32_t history) {
  const seq_layout *l = &p->h->layout;
  const int64_t rows = (int64_t)history + p->room + sequence_specials(l, true, false);
  return rows < l->max_positions ? (int32_t)rows : l->max_positions;
}

// The window `w` of all; false: nothing comes behind its only event.
static bool cut_window(const pair_source *p, int64_t w, example *e) {
  const history_source *h = p->h;
  int64_t low = 0, high = history_sequences(h) - 1; // the last sequence whose windows begin at w or before
  while (low < high) {
    const int64_t middle = (low + high + 1) / 2;
    if (h->first_window[middle] <= w)
      low = middle;
    else
      high = middle - 1;
  }
  e->sequence = low;
  window_at(h->trains.lengths[low], h->w.length, h->w.stride, (int32_t)(w - h->first_window[low]), &e->begin,
            &e->end);
  if (e->end - e->begin < 2) return false;
  rng r = rng_at((uint64_t)p->c->seed, STREAM_CROP, (uint32_t)e->id, (uint32_t)(e->id >> 32));
  e->end = e->begin + 1 + (int32_t)rng_below(&r, (uint64_t)(e->end - e->begin - 1));
  e->length = rows_of(p, history_length(h, e->sequence, e->begin, e->end));
  return true;
}

status pair_source_list(const pair_source *p, int64_t epoch, int64_t block, int64_t first, int64_t n,
                        int64_t all, example_list *to) {
  int64_t begin, end;
  history_windows(p->h, block, &begin, &end);
  if (begin == end) return OK;
  for (int64_t k = 0; k < n; k++) {
    const uint32_t order = (uint32_t)((uint64_t)epoch * 0x9E3779B1u + (uint64_t)(k / (end - begin)));
    const int64_t w = begin + permuted((uint64_t)p->c->seed, STREAM_CROP, (uint32_t)block, order,
                                       k % (end - begin), end - begin);
    example e = {.id = FIRST_ID + epoch * all + first + k, .task = MASK_PAIR};
    if (cut_window(p, w, &e)) TRY(examples_add(to, &e));
  }
  return OK;
}

// ---- making a batch ------------------------------------------------------------------------------------------

// The item whose text is shown, and what next_session has to say: -1 nothing.
static int32_t choose_item(const pair_source *p, const example *e, int32_t next, int32_t *label) {
  rng r = rng_at((uint64_t)p->c->seed, STREAM_CROP, (uint32_t)e->id, (uint32_t)(e->id >> 32) ^ 0x80000000u);
  *label = -1;
  if (!(p->c->pair_false > 0)) return next;
  *label = 0;
  if (rng_unit(&r) >= p->c->pair_false) return next;
  const int32_t other = p->texts->items[rng_below(&r, (uint64_t)p->texts->n)];
  *label = other != next;
  return other;
}

status pair_source_add(pair_source *p, batch *out, const example *e) {
  sequence s;
  int32_t label = -1;
  history_find_sequence(p->h, e->sequence, &s);
  const int32_t first = dataset_get_info(p->h->d)->range_end[RANGE_ATTRIBUTES];
  const int32_t next =
      s.tokens[e->end] >= first ? s.tokens[e->end] - first : -1; // [UNK] in another vocabulary
  const int32_t item = next >= 0 ? choose_item(p, e, next, &label) : -1;
  const batch_input text = {.tokens = p->text,
                            .n = item >= 0 ? text_source_take(p->texts, item, p->room, p->text) : 0};
  const int32_t others = text.n > 0 ? text.n + sequence_specials(&p->h->layout, true, false)
                                    : sequence_specials(&p->h->layout, false, false);
  const batch_input history = history_take(p->h, &s, e->begin, e->end, p->h->layout.max_positions - others);
  const int32_t begin = out->tokens;
  const bool pair = text.n > 0; // an item without a text: the history alone
  if (!batch_add(out, &p->h->layout, &history, pair ? &text : NULL, e->id, NULL, NULL))
    return fail(ERR_INTERNAL, "a pair of %d rows does not fit into its batch", e->length);
  out->nsp_labels[out->seqs - 1] = pair ? label : -1;
  mask_rows(&p->h->masks, out, e, begin, out->tokens);
  return OK;
}

// ---- bounds --------------------------------------------------------------------------------------------------

// Of the cuts of a window four stand for all, and of the texts one of the mean length.
size_t pair_source_kinds(const pair_source *p, const double *windows, double rate, example_kind *to) {
  const text_source *t = p->texts;
  const int32_t specials = sequence_specials(&p->h->layout, true, false);
  double mean = 0;
  size_t kinds = 0;
  for (int32_t i = 0; i < t->n; i++) {
    const int64_t n = t->texts->offsets[t->items[i] + 1] - t->texts->offsets[t->items[i]];
    mean += (double)(n < p->room ? n : p->room) / t->n;
  }
  for (int32_t n = 2; n <= p->h->w.length; n++)
    for (int32_t k = 0; k < PAIR_KINDS && windows[n] > 0; k++) {
      const int32_t history = 1 + (n - 2) * (2 * k + 1) / (2 * PAIR_KINDS),
                    rows = history + (int32_t)mean + specials;
      const int32_t most = p->h->layout.max_positions;
      to[kinds++] = (example_kind){.count = windows[n] * rate / PAIR_KINDS,
                                   .rows = rows < most ? rows : most,
                                   .maskable = rows < most ? rows - specials : most - specials};
    }
  return kinds;
}
