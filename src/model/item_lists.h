// Which rows of the table of item vectors, or of a tuned word table, a batch reads: those of its tokens, its labels and its negatives.
// Where the loss is sampled these are all that a step needs, so the model makes them alone, forward and backward, and not the vectors of
// a whole catalogue (item_vectors.h, table_tuning.h). A full softmax reads every row, and so does evaluation.
//
// A token is listed once, whatever its place in the batch, and in the order of the vocabulary, so that what is made of a list depends on the
// batch's tokens alone, and sums over items are in the same order as over the whole table.
#ifndef SOUK_MODEL_ITEM_LISTS_H
#define SOUK_MODEL_ITEM_LISTS_H

#include "data/batch.h"
#include "model/item_content.h"

typedef struct item_lists {
  int32_t vocab, base;         // rows of the table; token of the first item
  const item_content *content; // of the items, which outlives the lists; NULL: a list is of tokens alone
  bool with_words;             // the words of the items' texts are listed too
  int32_t cap;                 // rows of a list, at most
  int32_t n, items, texts;     // of the list at hand: rows, items among them, words of their texts
  int32_t *rows;               // [cap] tokens, ascending: the items first, then the others
  int32_t *numbers;            // [cap] of the items, from 0; this and the next two NULL without content
  int32_t *offsets;            // [cap + 1] where the text of each item begins in `words`; the end
  int32_t *words;              // [words of all items] their texts, one after the other
  uint64_t *seen;              // [vocab / 64 + 1] a bit a token; zeros between two lists
} item_lists;

// Rows that a list of a batch of these capacities can have. words: tokens that texts may be made of, if they are listed too; else 0.
int32_t item_lists_rows(int32_t vocab_size, batch_caps caps, int64_t words);
// with_words: the rows of the words of the items' texts are listed as well, which a table that is made itself is read by.
status item_lists_new(item_lists **out, const item_content *content, int32_t vocab_size, int32_t base,
                      bool with_words, batch_caps caps);
void item_lists_free(item_lists *l); // NULL is safe
// The list of a batch, in place of the one before. Allocates nothing.
void item_lists_make(item_lists *l, const batch *b);

#endif
