// Pairs of behaviour and what came next as examples for masked LM: [CLS] history [SEP] text of the next item [SEP], or the item
// itself, [CLS] history [SEP] item [SEP], as souk finetune --task pair is asked later: its token, and its text where the data set has one.
//
// A part of the source that mixes (mix_source.c). A pair is of a training window, cut at a random place: what stands before it is
// the history, and the item there is shown. With data.pair_false a share of the pairs shows another item, and next_session learns
// which (0: the next item, 1: another). Texts are those of items that have one, evenly drawn.
//
// Items are made such that nothing but whom they suit gives the answer away: another item is drawn by how often items come in
// training (evenly, if none does), and neither it nor the true one is in the history that is shown. So a window is cut a
// little earlier, where what came next was new; without such a place it is a history alone.
//
// Rows of a history and of a text are masked, and an item of a pair never is.
#ifndef SOUK_DATA_SOURCES_PAIR_SOURCE_H
#define SOUK_DATA_SOURCES_PAIR_SOURCE_H

#include "data/sources/history_internal.h"
#include "data/sources/text_source.h"

typedef struct pair_source {
  history_source *h;
  text_source *texts; // NULL: items
  const data_config *c;
  const item_texts *item_texts; // where items are shown; NULL: they have no texts
  int32_t room;                 // tokens of a text in a pair, at most
  int32_t *text;                // [room] at hand
  int64_t *
      below; // [items + 1] how often the items before this one come in training, when items are drawn; NULL: texts
} pair_source;

// h, texts and c must outlive it; texts NULL: pairs with items.
status pair_source_open(pair_source *p, history_source *h, text_source *texts, const data_config *c);
void pair_source_close(pair_source *p); // of a zeroed one, too
double pair_source_bytes(const pair_source *p);

// Appends n pairs of a block in an epoch; the first of them is number `first` of the epoch, of `all`.
status pair_source_list(const pair_source *p, int64_t epoch, int64_t block, int64_t first, int64_t n,
                        int64_t all, example_list *to);
// The history's block has been read.
status pair_source_add(pair_source *p, batch *out, const example *e);
// The kinds of pairs, `rate` of each of windows[n] windows of n events; at most PAIR_KINDS for each length, returns how many.
enum { PAIR_KINDS = 4 };
size_t pair_source_kinds(const pair_source *p, const double *windows, double rate, example_kind *to);

#endif
