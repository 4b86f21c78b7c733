// LoRA of the word table (peft.targets names word_embeddings): E' = E + s A B, A [V,r] and B [H,r] transposed, so that row i, of
// a word or an item, becomes e_i + s B a_i. AdaLoRA's form is E + s A diag(l) B: what follows has s B diag(l) in the place of s B then,
// which is as small, and whose gradient is taken apart once a step.
//
// The table is tied: embeddings, the head that ranks items, and the texts of items (item_vectors.h) read it. All of them read
// E', which is made whole at the beginning of a forward pass, as the table of item vectors is; its gradient is the sum of theirs, and
// is taken back to A and B at the end of the backward pass. E itself stays frozen: it has no gradient and no moments.
//
// The head would make a gradient of the whole table, 2 H operations a score. With the full softmax of dot scores it makes those of A and B
// instead (ops/ops.h, xent_params.low), 4 r a score: with G the gradients of scores, A gets s G' (X B) and B gets s X' (G A). A sampled loss
// reads few rows, and cosine scores need the length of e'_j, so these leave their gradients in the table's.
//
// Cost of a step besides: V H elements are copied, 2 V H r operations forward and 4 V H r backward, two buffers of V H floats.
//
// Where the loss is sampled, a step makes the R rows that its batch reads and no others (item_lists.h), one after the other in a table of R
// rows. Ids, labels and negatives are given to embeddings and head as places in the list, and the head's biases as a list of R, so that
// both read and write such a table as they do a whole one. R is at most the tokens, labels and negatives of a batch: a step then
// costs R H and R H r where it cost V H and V H r, and the gradient takes R H floats. The values of a row are those that it has in the whole
// table; its gradient too, but that of B is a sum over rows, which are added in other blocks. Evaluation reads the whole table, which is
// why there is room for it in any case. Where items have content, what is made of the table goes by token: then the rows of
// their list, words among them, are made where they are in the whole table, and its gradient is V H floats.
//
//   parameters  bert.embeddings.word_embeddings.lora_embedding_A [V,r] (zeros), .lora_embedding_B [H,r] (normal, standard deviation
//               1): names, initial values and s of Hugging Face's peft, whose A is [r,V]; here a row is a token's, as in the table.
//   adalora     the same two (both normal, standard deviation .02), and .lora_embedding_E [r,1], l (zeros). peft has no such layer.
//
// There is no dropout on this branch, nor has peft any: what is looked up has no input whose elements could be dropped.
// (peft changes the lookup alone; where the table is tied, its decoder stays what it was. docs/tuning.md)
#ifndef SOUK_MODEL_TABLE_TUNING_H
#define SOUK_MODEL_TABLE_TUNING_H

#include "model/core.h"
#include "model/item_lists.h"

typedef struct table_tuning {
  int32_t a, b, e;     // by index into the parameters; e -1: none (lora)
  act *up;             // [H,r] s B, or s B diag(l)
  float *d_up;         // [H,r]
  act *x_low, *dx_low; // [M,r] of a head's rows X: X s B, and its gradient G A
  act *table;          // [V,H] E', or [R,H] the rows of a list
  float *d_table;      // likewise; with lists there is room for R rows only
  bool in_place;       // passes of training make rows of the items' list in the whole table
  bool clean;          // in place: d_table is all zero
  act *made, *d_made;  // [R,H] in place: these rows and their gradients
  bool stale;          // `table` is of a step, which other parameters may follow
  uint64_t of;         // params.refreshes when it was made
  // Of passes over the rows of a list, with a table of their own; NULL where there are none.
  item_lists *lists; // host
  int32_t *rows; // [R + T + M + S] the list at hand; places in it of the batch's ids, labels and negatives
  int32_t *host_rows;     // the same on the host
  batch_view batch;       // the batch with these in place of its own
  act *a_rows, *d_a_rows; // [R,r] of A
  act *biases, *d_biases; // [R] of the head
} table_tuning;

// All do nothing where the table is not tuned (m->table is NULL).
status table_new(model_core *m); // the run's capacities are known
void table_free(table_tuning *t);
void table_describe_params(model_core *m); // behind the word table's
void table_plan_buffers(model_core *m);
status table_check(const model_core *m, size_t *scratch);
// Of a forward pass. A batch with negatives is taken to name as many rows as it has tokens, labels and negatives, if there are so many.
double table_flops(const model_config *c, const batch *b);

// The rows that a batch reads, if its pass will be one of training with a sampled loss; their count goes to m->listed. Behind items_list,
// which forgets the list before.
status table_list(model_core *m, const batch *b);
// The batch as embeddings are to see it: in a pass over a list its ids are places of rows of the table, of which there are so many.
const batch_view *table_batch(const model_core *m);
int32_t table_rows(const model_core *m);

status table_forward(model_core *m, bool training); // before anything reads the table
void table_forget(model_core *m);                   // all of the backend's memory is zero
status table_zero_gradient(model_core *m);          // before anything adds to it
status table_backward(model_core *m);               // once everything has

// Does a head with a loss over n_negatives (0: all classes) leave the gradients of the factors instead of the table's?
bool table_has_factors(const model_core *m, int32_t n_negatives);
// The head's op p then says so; rows x [M,H] go in before it and are used again behind it.
void table_set_factors(const model_core *m, xent_params *p);
// In a pass over a list p gets what is of the list in place of what is of all classes. bias: the parameter of the head's biases, by index.
void table_set_list(const model_core *m, xent_params *p);
status table_before_head(const model_core *m, int32_t bias, const xent_params *p);
status table_behind_head(const model_core *m, int32_t bias, const xent_params *p);

// The table of words and ids, [V,H], tuned or as it is; what adds to it (NULL: not wanted); does anything in it train?
const act *words_table(const model_core *m);
float *words_grad(const model_core *m);
bool words_train(const model_core *m);

#endif
