// The head that predicts tokens at rows of the encoder's output, and the vectors that ranking and bundles are made of.
//
// The rows (batch.masked) go through a transform, if model.head says so, and are scored against the word table (which the
// encoder's embeddings share) and a bias: full softmax cross-entropy over all classes or, with negatives in the batch, a
// sampled one. Masked LM and next item both have this head, with the same parameters; each counts the rows by weights of its own.
// Copy has one of its own (copy.c) that works the same way, over other rows of the table.
//
//   parameters  cls.predictions.bias [V]; with the transform .transform.LayerNorm.weight and .bias [H], .transform.dense.weight
//               [H,H], .bias [H]
//   batch       masked, labels; negatives, negative_logq, label_logq
#ifndef SOUK_MODEL_OBJECTIVES_ITEM_HEAD_H
#define SOUK_MODEL_OBJECTIVES_ITEM_HEAD_H

#include "model/core.h"
#include "model/objective.h"

typedef struct item_head {
  int32_t class_base, classes; // rows of the word table that are scored, and of the bias
  bool ranks; // items are ranked by it: model.score is of it, and biases may be item_vectors.h's
  int32_t bias, w, b, norm_w, norm_b; // by index into the parameters; -1: no transform
  act *rows, *pre, *transform;        // [M,H] rows of the encoder's output, before GELU, after it
  act *y;                             // [M,H] what is scored: after the norm, or the rows as they are
  norm_saved norm;
  act *dy, *d_transform, *d_rows; // [M,H]
} item_head;

// What the objectives with this head have in their tables (objective.h); `self` is an item_head.
status item_head_check_config(const model_config *c);
void item_head_describe(void *self, param_set *s, const model_config *c);
// The same of a head of another name and other classes, which the caller has set: parameters prefix + "bias" [biases] and so on.
void item_head_add_params(item_head *self, param_set *s, const model_config *c, const char *prefix,
                          int64_t biases);
void item_head_plan(void *self, model_core *m);
status item_head_check(const void *self, model_core *m, int32_t slot, size_t *scratch);
// The batch's rows through the head, into y.
status item_head_rows(const item_head *self, const model_core *m);
// weights [M]: of the rows, for this objective.
status item_head_forward(void *self, model_core *m, int32_t slot, const float *weights, bool grads);
status item_head_backward(void *self, model_core *m);
double item_head_flops(const model_config *c, const batch *b);
double item_head_row_flops(const model_config *c, double classes); // of one row
void item_head_spared(const void *self, const model_core *m, flops_spared *s);
// The same of a head whose classes are its own: all of it is counted by rows.
void item_head_spared_rows(const void *self, const model_core *m, flops_spared *s);
extern const objective_metric item_head_metrics[];
extern const char *const item_head_variants[];

// What their tables have in common; the rest is each one's own.
#define ITEM_HEAD_OBJECTIVE                                                                                \
  .head = "items", .place = "cls.predictions", .validation = "ranking", .metrics = item_head_metrics,      \
  .variants = item_head_variants, .reads_listed = true, .check_config = item_head_check_config,            \
  .state_bytes = sizeof(item_head), .describe_params = item_head_describe, .plan_buffers = item_head_plan, \
  .check = item_head_check, .backward = item_head_backward, .flops = item_head_flops,                      \
  .spared = item_head_spared

// User vectors of the current batch's rows after model_forward(m, false): u [n_masked, H + 1] host. For
// cosine scores u is normalised and divided by the temperature; the last element is 1 (it meets the bias). ERR_ARGUMENT for a
// model that was trained for no objective with this head.
status model_user_vectors(model *m, float *u);
// Item vectors of classes [first, first + count): v [count, H + 1] host; the last element is the bias.
status model_item_vectors(model *m, int32_t first, int32_t count, float *v);

#endif
