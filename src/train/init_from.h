// Parameters for another vocabulary (train.init_from): rows of the word table go by the names of their tokens, those of types by the
// names of events, positions by their number; all other parameters must have the shape that they had. What a checkpoint has no value of
// begins with its initial one, and so do words that it does not know.
//
// A new item's row and bias, where its vector is not made of content alone:
//   both, from a model whose items had content as well   zeros, so that the vector is the content's; bias as below
//   with a text, and items that were known               for each token of the text the mean row of the known items whose texts have it,
//                                                        weighted by how rare the token is: ln(1 + known items / those that have it)
//   with a text, and no known item (a BERT)              the mean of its words' rows
//   else                                                 the mean of the known items' rows
// and a bias by the same weights. An item is known if its old data set had events of it that were trained on.
#ifndef SOUK_TRAIN_INIT_FROM_H
#define SOUK_TRAIN_INIT_FROM_H

#include "model/checkpoint.h"

typedef struct grown {
  int32_t words, words_kept; // of the new vocabulary, attributes included; how many the checkpoint has
  int32_t items, items_kept;
  int32_t of_text;     // new items whose rows are made of their texts
  int32_t left_behind; // items of the checkpoint that the data set does not have
} grown;

// m has its initial values and, where its items have content, the data set's. Marks items that were known as known. ERR_ARGUMENT where a
// parameter that `run` freezes is not in the checkpoint's model, since it would keep its initial value: m itself, or the model that is
// tuned on top of m (init.h).
status init_from_load(const checkpoint *from, model *m, dataset *d, model *run, grown *out);

#endif
