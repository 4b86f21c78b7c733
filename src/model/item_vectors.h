// Item vectors of content (model.items = content | both): the table that embeddings and item head read where there is one.
//
//   content_i = W_t mean of E_w over the words w of text i  +  W_d f_i  +  b
//   e_i       = content_i + m_i sigmoid(g) o id_i       (content alone: content_i)
//
// E is the encoder's word table, whose rows of items are the ids; f_i are dense features (zeros: none). m_i is 0 for an item that no event
// of training has, and by id dropout (model.id_dropout; ops/ops.h, fuse). W_t begins as the identity, so that a text begins as the mean
// of its words; the gate g begins at 0.
//
// The table [V,H] is made at the beginning of a forward pass, and its gradient is taken back at the end of the backward pass: whole
// where the loss is a full softmax, which reads all of it, and in evaluation, where it is kept as long as the parameters stay. A step
// of a sampled loss makes the rows that its batch reads (item_lists.h) and leaves the others as they are: the same values, since a row
// depends on no other. Their gradient is zero then, but in the sums over items (W_t, W_d, b) rows are added in other blocks than over the
// whole table, so these gradients are the same up to rounding.
//
//   parameters  items.content.text.weight [H,H] (with texts), items.content.features.weight [H,F] (with features),
//               items.content.bias [H], items.gate [H] (both)
//
// An item that was never trained on is no candidate in training: as a wrong answer each time, its words would be pushed away from what every
// user likes, and ranking it last is what they would learn. So its bias is kept at UNKNOWN_BIAS (items_hide_unknown), where neither
// softmax nor binary losses see it or move it. In evaluation, and where vectors are taken (item_head.h), it has the mean of the others'
// biases, which stands for an item of middling popularity.
#ifndef SOUK_MODEL_ITEM_VECTORS_H
#define SOUK_MODEL_ITEM_VECTORS_H

#include "model/core.h"
#include "model/item_content.h"

typedef struct item_vectors item_vectors;

#define UNKNOWN_BIAS (-10000.0f)

// All do nothing for a model of ids, which has none (m->items is NULL).
status items_new(model_core *m);
void items_free(item_vectors *v);
void items_describe_params(model_core *m); // before the word table's
void items_plan_buffers(model_core *m);
status items_check(model_core *m, size_t *scratch);
// Of a forward pass. A batch with negatives is taken to name as many items as it has tokens, labels and negatives, if there are so many.
double items_flops(const model_config *c, const batch *b);

// The rows that a batch reads, if its pass will be one of training with a sampled loss; counts go to m->listed.
status items_list(model_core *m, const batch *b);
// [*cap] these rows, of an item with content; where the word table is tuned, those of their words are among them.
const int32_t *items_listed(const model_core *m, int32_t *cap);
void items_forget(model_core *m); // all of the backend's memory is zero

// The table of the coming pass. training: always, with id dropout; else only if the parameters have changed.
status items_forward(model_core *m, bool training);
status items_zero_gradient(model_core *m); // before the losses add to it
status items_backward(model_core *m);      // after the embeddings have added to it

// The model's content, which is copied to the backend; what was there is replaced.
status model_set_items(model *m, const item_content *content);
// The same for a model that has none. One that has keeps its own, but items that `content`, which is of the same items, says were
// trained on, are known from now on.
status model_add_items(model *m, const item_content *content);
// The content of a data set's items, where the model's vectors have any; the counts are those of the training part.
status model_take_items(model *m, dataset *d);
const item_content *
model_items(const model *m); // NULL: a model of ids, or none was set yet; lives as long as the model
// Before the first step: the biases of items that were never trained on become UNKNOWN_BIAS, and those that were there and are known by
// now the mean of the others.
status items_hide_unknown(model *m);
// Biases for a pass without training, [V]; NULL: those of the parameters.
const act *items_biases(const model_core *m);
status items_upload(model_core *m); // after backend memory was cleared

// For export: the table that embeddings and item head read, [V,H], and the items' biases, [V], as evaluation takes them; of items with
// content. And the bias that an item gets which was never trained on. A model without a head that ranks items has no biases: then they
// are left alone, and the bias is 0.
status model_used_table(model *m, float *table, float *biases);
status model_new_item_bias(model *m, float *bias);
// bias [count] host: of tokens [first, first + count), from the parameter of this index. Those of items that were never trained on become the mean
// of the others'.
status items_mend_biases(model_core *m, int32_t biases, int32_t first, int32_t count, float *bias);

#endif
