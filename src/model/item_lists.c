// Rows that a batch reads; see item_lists.h.
#include "model/item_lists.h"

#include <stdlib.h>
#include <string.h>
#include "base/memory.h"

int32_t item_lists_rows(int32_t vocab_size, batch_caps caps, int64_t words) {
  const int64_t most = (int64_t)caps.tokens + caps.masked + caps.negatives + words;
  return most < vocab_size ? (int32_t)most : vocab_size;
}

status item_lists_new(item_lists **out, const item_content *content, int32_t vocab_size, int32_t base,
                      bool with_words, batch_caps caps) {
  static const char what[] = "the list of the items of a batch";
  *out = NULL;
  item_lists *l;
  TRY(mem_new(&l, 1, sizeof *l, what));
  *l = (item_lists){.vocab = vocab_size,
                    .base = base,
                    .content = content,
                    .with_words = with_words,
                    .cap = item_lists_rows(vocab_size, caps, with_words ? vocab_size - content->items : 0)};
  const size_t cap = (size_t)l->cap;
  status rc;
  TRY_GOTO(mem_new(&l->rows, cap, sizeof *l->rows, what), bad);
  TRY_GOTO(mem_new(&l->seen, (size_t)vocab_size / 64 + 1, sizeof *l->seen, what), bad);
  if (content != NULL) {
    TRY_GOTO(mem_new(&l->numbers, cap, sizeof *l->numbers, what), bad);
    TRY_GOTO(mem_new(&l->offsets, cap + 1, sizeof *l->offsets, what), bad);
    TRY_GOTO(mem_new(&l->words, (size_t)content->offsets[content->items], sizeof *l->words, what), bad);
  }
  *out = l;
  return OK;
bad:
  item_lists_free(l);
  return rc;
}

void item_lists_free(item_lists *l) {
  if (l == NULL) return;
  free(l->rows);
  free(l->numbers);
  free(l->offsets);
  free(l->words);
  free(l->seen);
  free(l);
}

static void see(item_lists *l, const int32_t *tokens, int32_t n) {
  for (int32_t i = 0; i < n; i++)
    if (tokens[i] >= 0) l->seen[tokens[i] / 64] |= UINT64_C(1) << tokens[i] % 64; // a label may be none
}

// Lists what was seen of tokens [from, to), and forgets it.
static void take(item_lists *l, int32_t from, int32_t to) {
  for (int32_t at = from; at < to;) {
    uint64_t *const word = &l->seen[at / 64], left = *word >> at % 64;
    const int32_t next = left != 0 ? at + __builtin_ctzll(left) : (at / 64 + 1) * 64;
    if (left != 0 && next < to) {
      l->rows[l->n++] = next;
      *word &= ~(UINT64_C(1) << next % 64);
    }
    at = left != 0 ? next + 1 : next;
  }
}

static void take_texts(item_lists *l) {
  const item_content *c = l->content;
  l->texts = l->offsets[0] = 0;
  for (int32_t i = 0; i < l->items; i++) {
    const int32_t item = l->numbers[i] = l->rows[i] - l->base;
    const int64_t first = c->offsets[item], n = c->offsets[item + 1] - first;
    if (n > 0) memcpy(l->words + l->texts, c->tokens + first, (size_t)n * sizeof *l->words);
    l->offsets[i + 1] = l->texts += (int32_t)n;
  }
}

void item_lists_make(item_lists *l, const batch *b) {
  const int32_t end = l->base + (l->content != NULL ? l->content->items : 0);
  see(l, b->ids, b->tokens);
  see(l, b->labels, b->n_masked);
  see(l, b->negatives, b->n_negatives);
  l->n = 0;
  take(l, l->base, end);
  l->items = l->n;
  if (l->content != NULL) take_texts(l);
  if (l->with_words) see(l, l->words, l->texts);
  take(l, 0, l->base);
  take(l, end, l->vocab);
}
