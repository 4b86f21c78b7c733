// LoRA of the word table (peft.targets names word_embeddings): E' = E + s A B, A [V,r] and B [H,r] transposed, so that row i, of
// a word or an item, becomes e_i + s B a_i.
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
//   parameters  bert.embeddings.word_embeddings.lora_embedding_A [V,r] (zeros), .lora_embedding_B [H,r] (normal, standard deviation
//               1): names, initial values and s of Hugging Face's peft, whose A is [r,V]; here a row is a token's, as in the table.
//
// There is no dropout on this branch, nor has peft any: what is looked up has no input whose elements could be dropped.
// (peft changes the lookup alone; where the table is tied, its decoder stays what it was. docs/tuning.md)
#ifndef SOUK_MODEL_TABLE_TUNING_H
#define SOUK_MODEL_TABLE_TUNING_H

#include "model/core.h"

typedef struct table_tuning {
  int32_t a, b;        // by index into the parameters
  act *up;             // [H,r] s B
  float *d_up;         // [H,r]
  act *x_low, *dx_low; // [M,r] of a head's rows X: X s B, and its gradient G A
  act *table;          // [V,H] E'
  float *d_table;      // [V,H]
  bool stale;          // `table` is of a step, which other parameters may follow
  uint64_t of;         // params.refreshes when it was made
} table_tuning;

// All do nothing where the table is not tuned (m->table is NULL).
status table_new(model_core *m);
void table_free(table_tuning *t);
void table_describe_params(model_core *m); // behind the word table's
void table_plan_buffers(model_core *m);
status table_check(const model_core *m, size_t *scratch);
double table_flops(const model_config *c); // of a forward pass, whatever the batch

status table_forward(model_core *m, bool training); // before anything reads the table
void table_forget(model_core *m);                   // all of the backend's memory is zero
status table_zero_gradient(model_core *m);          // before anything adds to it
status table_backward(model_core *m);               // once everything has

// Does a head with a loss over n_negatives (0: all classes) leave the gradients of the factors instead of the table's?
bool table_has_factors(const model_core *m, int32_t n_negatives);
// The head's op p then says so; rows x [M,H] go in before it and are used again behind it.
void table_set_factors(const model_core *m, xent_params *p);
status table_before_head(const model_core *m, const xent_params *p);
status table_behind_head(const model_core *m, const xent_params *p);

// The table of words and ids, [V,H], tuned or as it is; what adds to it (NULL: not wanted); does anything in it train?
const act *words_table(const model_core *m);
float *words_grad(const model_core *m);
bool words_train(const model_core *m);

#endif
