// Texts of items as examples; see text_source.h.
#include "data/sources/text_source.h"

#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "data/permutation.h"

enum { PERMUTATION_OF_TEXTS = 0x74657874 };
static const int64_t FIRST_ID = (int64_t)1 << 46; // histories have those below

static int32_t length_of(const text_source *t, int32_t item) {
  return (int32_t)(t->texts->offsets[item + 1] - t->texts->offsets[item]);
}

// Tokens of an item's text that are no attributes.
static int32_t words_of(const text_source *t, int32_t item) {
  const int32_t first = dataset_get_info(t->d)->range_end[RANGE_WORDS];
  const int32_t *text = t->texts->tokens + t->texts->offsets[item];
  int32_t n = length_of(t, item);
  while (n > 0 && text[n - 1] >= first) n--;
  return n;
}

int32_t text_source_take(const text_source *t, int32_t item, int32_t room, int32_t *to) {
  const int32_t *text = t->texts->tokens + t->texts->offsets[item];
  const int32_t n = length_of(t, item), words = words_of(t, item);
  const int32_t over = n > room ? n - room : 0, kept = over < words ? words - over : 0;
  memcpy(to, text, (size_t)kept * sizeof *to);
  const int32_t rest = n - words < room - kept ? n - words : room - kept;
  memcpy(to + kept, text + words, (size_t)rest * sizeof *to);
  return kept + rest;
}

// ---- life ----------------------------------------------------------------------------------------------------

status text_source_check(const data_config *c, const seq_layout *layout) {
  if (layout->asks == ASKS_NEXT)
    return fail(ERR_ARGUMENT,
                "data.mix: texts and pairs are masked, and train.objectives does not name masked_lm");
  if (!layout->cls_sep) return fail(ERR_ARGUMENT, "data.mix: texts and pairs need model.cls_sep = true");
  if (layout->max_positions < 8)
    return fail(ERR_ARGUMENT, "data.mix: texts and pairs need model.max_positions = 8 or more");
  if (c->negatives > 0 && !layout->items_only)
    return fail(ERR_ARGUMENT,
                "data.mix: negatives are items, so no word could be predicted with data.negatives = %lld; "
                "set it to 0",
                (long long)c->negatives);
  return OK;
}

static status find_items(text_source *t) {
  TRY(mem_new(&t->items, (size_t)t->texts->items, sizeof *t->items, "items with texts"));
  for (int32_t i = 0; i < t->texts->items; i++)
    if (words_of(t, i) > 0) t->items[t->n++] = i;
  return t->n > 0 ? OK
                  : fail(ERR_ARGUMENT, "data.mix: no item of %s has a text with words", dataset_dir(t->d));
}

status text_source_open(text_source *t, dataset *d, const data_config *c, const seq_layout *layout,
                        token_masks *masks) {
  *t = (text_source){.d = d, .c = c, .layout = *layout, .masks = masks};
  TRY(dataset_item_texts(d, &t->texts));
  if (t->texts == NULL)
    return fail(ERR_ARGUMENT,
                "data.mix: %s has no texts of items; souk prepare --words and --catalogue make them",
                dataset_dir(d));
  TRY(find_items(t));
  t->room = layout->max_positions - sequence_specials(layout, false, false);
  if (c->text_tokens > 0 && c->text_tokens < t->room) t->room = (int32_t)c->text_tokens;
  return mem_new(&t->text, (size_t)t->room, sizeof *t->text, "a text");
}

void text_source_close(text_source *t) {
  free(t->items);
  free(t->text);
  t->items = t->text = NULL;
}

double text_source_bytes(const text_source *t) {
  if (t->texts == NULL) return 0;
  return (double)(t->texts->items + 1) * sizeof *t->texts->offsets +
         (double)t->texts->offsets[t->texts->items] * sizeof *t->texts->tokens +
         (double)t->n * sizeof *t->items;
}

// ---- examples ------------------------------------------------------------------------------------------------

static int32_t rows_of(const text_source *t, int32_t item) {
  const int32_t n = length_of(t, item);
  return (n < t->room ? n : t->room) + sequence_specials(&t->layout, false, false);
}

status text_source_list(const text_source *t, int64_t from, int64_t stop, example_list *to) {
  for (int64_t p = from; p < stop; p++) {
    const int64_t order = p / t->n;
    const int64_t i =
        permuted((uint64_t)t->c->seed, STREAM_SHUFFLE, PERMUTATION_OF_TEXTS, (uint32_t)order, p % t->n, t->n);
    const example e = {
        .sequence = t->items[i], .id = FIRST_ID + p, .length = rows_of(t, t->items[i]), .task = MASK_TEXT};
    TRY(examples_add(to, &e));
  }
  return OK;
}

status text_source_add(text_source *t, batch *out, const example *e) {
  const batch_input text = {.tokens = t->text,
                            .n = text_source_take(t, (int32_t)e->sequence, t->room, t->text)};
  const int32_t begin = out->tokens;
  if (!batch_add(out, &t->layout, &text, NULL, e->id, NULL, NULL))
    return fail(ERR_INTERNAL, "a text of %d rows does not fit into its batch", e->length);
  mask_rows(t->masks, out, e, begin, out->tokens);
  return OK;
}

size_t text_source_kinds(const text_source *t, double count, example_kind *to) {
  const int32_t longest = t->layout.max_positions, specials = sequence_specials(&t->layout, false, false);
  size_t kinds = 0;
  for (int32_t n = 0; n <= longest; n++)
    to[n] = (example_kind){.rows = n, .maskable = n > specials ? n - specials : 1};
  for (int32_t i = 0; i < t->n; i++) to[rows_of(t, t->items[i])].count += count / t->n;
  for (int32_t n = 0; n <= longest; n++)
    if (to[n].count > 0) to[kinds++] = to[n];
  return kinds;
}
