// A classifier on the pooler, as Hugging Face's BertForSequenceClassification has it: pooler, dropout, one linear layer.
//
//   parameters  classifier.weight [C,H] and .bias [C]; the pooler's
//   batch       cu_seqlens, targets, target_weights
//   weight      of the batch: the sum of the weights of known labels
//
// model.labels = C logits. model.label_kind single: a sequence has one of C labels (softmax, one target). several: each label
// holds or does not, by itself (sigmoid, C targets, any of them unknown). The objectives classify and pair both have this head and
// differ in what their rows are: a text, or a user's behaviour and an item.
#ifndef SOUK_MODEL_OBJECTIVES_LABEL_HEAD_H
#define SOUK_MODEL_OBJECTIVES_LABEL_HEAD_H

#include "model/core.h"
#include "model/objective.h"
#include "model/objectives/pooler.h"

typedef struct label_head {
  int32_t w, b; // by index into the parameters
  pooler pooler;
  act *dropped; // [B,H] pooled, after dropout
  act *logits;  // [B,C]; with gradients they take its place
} label_head;

status label_head_check_config(const model_config *c);
void label_head_describe(void *self, param_set *s, const model_config *c);
void label_head_plan(void *self, model_core *m);
status label_head_check(const void *self, model_core *m, int32_t slot, size_t *scratch);
status label_head_forward(void *self, model_core *m, int32_t slot, bool grads);
status label_head_backward(void *self, model_core *m);
double label_head_weight(const batch *b);
double label_head_flops(const model_config *c, const batch *b);
void label_head_spared(const void *self, const model_core *m, flops_spared *s);
extern const objective_metric label_head_metrics[];
extern const char *const label_head_variants[];

// What their tables have in common; the rest is each one's own.
#define LABEL_HEAD_OBJECTIVE                                                                                \
  .head = "labels", .place = "classifier", .loss_key = "loss", .accuracy_key = "accuracy", .label = "loss", \
  .validation = "classification", .metrics = label_head_metrics, .variants = label_head_variants,           \
  .state_bytes = sizeof(label_head), .describe_params = label_head_describe,                                \
  .plan_buffers = label_head_plan, .check = label_head_check, .forward = label_head_forward,                \
  .backward = label_head_backward, .weight = label_head_weight, .flops = label_head_flops,                  \
  .spared = label_head_spared

// The list's objective with this head; NULL: there is none.
const objective *objectives_labels(const objective_list *l);

// After model_forward(m, false): the logits of the current batch's sequences [seqs, C] host and, where pooled is not NULL, their
// vectors after the pooler [seqs, H]. ERR_ARGUMENT for a model that was trained for no objective with this head.
status model_label_logits(model *m, float *logits, float *pooled);

#endif
