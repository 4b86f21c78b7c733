// Pairs of a history and a text or an item as examples; see pair_source.h.
#include "data/sources/pair_source.h"

#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/philox.h"
#include "data/permutation.h"
#include "format/order.h"

static const int64_t FIRST_ID = (int64_t)1 << 47, FIRST_OF_ITEMS = (int64_t)3 << 47; // texts have those below

static int32_t first_item(const pair_source *p) {
  return dataset_get_info(p->h->d)->range_end[RANGE_ATTRIBUTES];
}

static int32_t items_of(const pair_source *p) {
  return dataset_get_info(p->h->d)->range_end[RANGE_ITEMS] - first_item(p);
}

// Tokens of an item's text; 0: the data set has none.
static int32_t text_of(const pair_source *p, int32_t item, const int32_t **tokens) {
  const item_texts *t = p->texts != NULL ? p->texts->texts : p->item_texts;
  if (t == NULL) return 0;
  *tokens = t->tokens + t->offsets[item];
  return (int32_t)(t->offsets[item + 1] - t->offsets[item]);
}

// Where no item comes in training, each counts one.
static status count_items(pair_source *p) {
  const vocab *v = dataset_vocab(p->h->d);
  const int32_t n = items_of(p);
  TRY(mem_new(&p->below, (size_t)n + 1, sizeof *p->below, "counts of items"));
  for (int32_t i = 0; i < n; i++) p->below[i + 1] = p->below[i] + vocab_token_count(v, first_item(p) + i);
  if (p->below[n] == 0)
    for (int32_t i = 0; i < n; i++) p->below[i + 1] = i + 1;
  return n > 0 ? OK : fail(ERR_ARGUMENT, "data.mix: %s has no items for item_pairs", dataset_dir(p->h->d));
}

status pair_source_open(pair_source *p, history_source *h, text_source *texts, const data_config *c) {
  const seq_layout *layout = &h->layout;
  *p = (pair_source){.h = h, .texts = texts, .c = c};
  if (layout->segments < 2) return fail(ERR_ARGUMENT, "data.mix: pairs need model.segments = 2 or more");
  p->room = (layout->max_positions - sequence_specials(layout, true, false)) / 2;
  if (c->text_tokens > 0 && c->text_tokens < p->room) p->room = (int32_t)c->text_tokens;
  TRY(mem_new(&p->text, (size_t)p->room, sizeof *p->text, "a text"));
  if (texts != NULL) return OK;
  TRY(dataset_item_texts(h->d, &p->item_texts));
  TRY(count_items(p));
  int32_t longest = 1; // item and text
  for (int32_t i = 0; i < items_of(p); i++) {
    const int32_t *tokens, n = 1 + text_of(p, i, &tokens);
    if (n > longest) longest = n;
  }
  if (longest < p->room) p->room = longest;
  return OK;
}

void pair_source_close(pair_source *p) {
  free(p->text);
  free(p->below);
  p->text = NULL;
  p->below = NULL;
}

double pair_source_bytes(const pair_source *p) {
  return p->below == NULL ? 0 : ((double)items_of(p) + 1) * sizeof *p->below;
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
  // The last sequence whose windows begin at w or before.
  const int64_t low = order_place_int64(h->first_window, 1, history_sequences(h), w + 1) - 1;
  e->sequence = low;
  window_at(h->trains.lengths[low], h->w.length, h->w.stride, (int32_t)(w - h->first_window[low]), &e->begin,
            &e->end);
  if (e->end - e->begin < 2) return false;
  rng r = rng_at((uint64_t)p->c->seed, STREAM_CROP, (uint32_t)e->id, (uint32_t)(e->id >> 32));
  e->end = e->begin + 1 + (int32_t)rng_below(&r, (uint64_t)(e->end - e->begin - 1));
  e->length = rows_of(p, history_length(h, e->sequence, e->begin, e->end, true));
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
    example e = {.id = p->texts != NULL ? FIRST_ID : FIRST_OF_ITEMS,
                 .task = p->texts != NULL ? MASK_PAIR : MASK_ITEM_PAIR};
    e.id += epoch * all + first + k;
    if (cut_window(p, w, &e)) TRY(examples_add(to, &e));
  }
  return OK;
}

// ---- making a batch ------------------------------------------------------------------------------------------

// Some item, as pair_source.h says.
static int32_t draw_item(const pair_source *p, rng *r) {
  if (p->texts != NULL) return p->texts->items[rng_below(r, (uint64_t)p->texts->n)];
  const int32_t n = items_of(p);
  const int64_t x = (int64_t)rng_below(r, (uint64_t)p->below[n]); // the first item with below[item + 1] > x
  return (int32_t)order_place_int64(p->below, 1, n, x + 1) - 1;
}

static bool in_history(const sequence *s, const example *e, int32_t token) {
  for (int32_t i = e->begin; i < e->end; i++)
    if (s->tokens[i] == token) return true;
  return false;
}

// Cuts the history shorter, to where what comes next is new in it. False: nowhere.
static bool cut_before_new(const sequence *s, example *e) {
  while (e->end > e->begin && in_history(s, e, s->tokens[e->end])) e->end--;
  return e->end > e->begin;
}

// The item that is shown, and what next_session has to say: -1 nothing.
static int32_t choose_item(const pair_source *p, const sequence *s, const example *e, int32_t next,
                           int32_t *label) {
  rng r = rng_at((uint64_t)p->c->seed, STREAM_CROP, (uint32_t)e->id, (uint32_t)(e->id >> 32) ^ 0x80000000u);
  *label = -1;
  if (!(p->c->pair_false > 0)) return next;
  *label = 0;
  if (rng_unit(&r) >= p->c->pair_false) return next;
  int32_t other = draw_item(p, &r);
  for (int tries = 0; p->texts == NULL && tries < 16 && in_history(s, e, first_item(p) + other); tries++)
    other = draw_item(p, &r);
  *label = other != next;
  return other;
}

// The second segment in p->text; how long it is.
static int32_t show_item(pair_source *p, int32_t item) {
  const int32_t *tokens;
  if (p->texts != NULL) return text_source_take(p->texts, item, p->room, p->text);
  const int32_t all = text_of(p, item, &tokens), n = all < p->room - 1 ? all : p->room - 1;
  p->text[0] = first_item(p) + item;
  if (n > 0) memcpy(p->text + 1, tokens, (size_t)n * sizeof *tokens);
  return 1 + n;
}

status pair_source_add(pair_source *p, batch *out, const example *listed) {
  sequence s;
  example cut = *listed;
  const example *e = &cut;
  int32_t label = -1;
  history_find_sequence(p->h, e->sequence, &s);
  const bool some = p->texts != NULL || cut_before_new(&s, &cut);
  if (!some) cut = *listed;
  const int32_t next = s.tokens[e->end] - first_item(p); // below 0: [UNK] in another vocabulary
  const int32_t item = some && next >= 0 ? choose_item(p, &s, e, next, &label) : -1;
  const batch_input text = {.tokens = p->text, .n = item >= 0 ? show_item(p, item) : 0};
  const int32_t others = text.n > 0 ? text.n + sequence_specials(&p->h->layout, true, false)
                                    : sequence_specials(&p->h->layout, false, false);
  const batch_input history =
      history_take(p->h, &s, e->begin, e->end, true, p->h->layout.max_positions - others);
  const int32_t begin = out->tokens;
  const bool pair = text.n > 0; // an item without a text: the history alone
  if (!batch_add(out, &p->h->layout, &history, pair ? &text : NULL, e->id, NULL, NULL))
    return fail(ERR_INTERNAL, "a pair of %d rows does not fit into its batch", e->length);
  out->nsp_labels[out->seqs - 1] = pair ? label : -1;
  const int32_t kept = pair && p->texts == NULL ? text.n + 1 : 0; // rows at the end, with [SEP]
  mask_rows(&p->h->masks, out, e, begin, out->tokens - kept);
  return OK;
}

// ---- bounds --------------------------------------------------------------------------------------------------

static double mean_second(const pair_source *p) {
  const int32_t n = p->texts != NULL ? p->texts->n : items_of(p);
  double sum = 0;
  for (int32_t i = 0; i < n; i++) {
    const int32_t *tokens, own = p->texts == NULL,
                           all = own + text_of(p, own ? i : p->texts->items[i], &tokens);
    sum += (double)(all < p->room ? all : p->room);
  }
  return sum / n;
}

// Of the cuts of a window four stand for all, and of the texts one of the mean length.
size_t pair_source_kinds(const pair_source *p, const double *windows, double rate, example_kind *to) {
  const int32_t specials = sequence_specials(&p->h->layout, true, false);
  const int32_t mean = (int32_t)mean_second(p);
  size_t kinds = 0;
  for (int32_t n = 2; n <= p->h->w.length; n++)
    for (int32_t k = 0; k < PAIR_KINDS && windows[n] > 0; k++) {
      const int32_t history = 1 + (n - 2) * (2 * k + 1) / (2 * PAIR_KINDS), rows = history + mean + specials;
      const int32_t most = p->h->layout.max_positions;
      to[kinds++] = (example_kind){.count = windows[n] * rate / PAIR_KINDS,
                                   .rows = rows < most ? rows : most,
                                   .maskable = rows < most ? rows - specials : most - specials};
    }
  return kinds;
}
