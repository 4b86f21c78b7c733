// An objective: one thing that a model can be trained for, with the head, the parameters and the loss that belong to it.
//
// A model has a list of objectives with weights (train.objectives, model_config.objectives). The place of an objective in
// the list is its slot: there ops find the scale of its gradients (step_state.scale) and leave its sums
// (step_result.slot). Everything around the model walks slots and asks the objective what it needs to know; nothing
// else knows an objective by name but the code that uses one head in particular (ranking, export), the option model.pooler,
// which stands for next session, and what reads files of version 0.1.0.
//
// Every loss is normalised over the global step, which is all micro-batches on all ranks between two updates:
//
//   what is trained = sum over objectives k of  weight_k / W_k * sum over rows of (row weight * nll)
//
// where W_k is the sum of the rows' weights over the whole step. So accumulating two halves of a batch, or spreading them over
// two ranks, gives the gradient of the whole batch. W_k must be known before the first backward pass: it is the sum of
// `weight` below over the batches of the step, made by objectives_add_weights() and the run's dist in train/step_queue.c, and
// objectives_scales() turns it into the scales.
//
// A new objective is a file in objectives/, a line in OBJECTIVES, and a line in ops/batch_fields.h for each of its labels.
#ifndef SOUK_MODEL_OBJECTIVE_H
#define SOUK_MODEL_OBJECTIVE_H

#include "data/batch.h"
#include "model/model.h"

// Names in options and files. The order has no meaning.
#define OBJECTIVES(OBJECTIVE) \
  OBJECTIVE(masked_lm)        \
  OBJECTIVE(next_item)        \
  OBJECTIVE(next_session)     \
  OBJECTIVE(classify)         \
  OBJECTIVE(pair)             \
  OBJECTIVE(copy)             \
  OBJECTIVE(leash)

typedef struct model_core model_core; // core.h

// A figure of validation that a checkpoint can be chosen by.
typedef struct objective_metric {
  const char *name;
  bool smaller_is_better;
  bool with_variants; // see objective.variants
} objective_metric;

typedef struct objective {
  const char *name;
  const char *head;  // objectives with the same one share its parameters
  const char *place; // of the loss, as the search for a NaN names it: a prefix of its parameters
  // Figures of its slot in lines of metrics: mean loss, share of hits (NULL: none); and the loss in the line of progress.
  const char *loss_key, *accuracy_key, *label;
  // Its validation (train/validation.h finds it by the name) and the metrics that this has. "variants" go before the name of a
  // metric with a slash: popularity/hr@10; loss and the like have none. Both end with a NULL.
  const char *validation;
  const objective_metric *metrics;
  const char *const *variants;

  bool reads_listed; // of the encoder's output it reads the rows that a batch lists (`masked`) and no others
  // What the model must be like. ERR_ARGUMENT names the option.
  status (*check_config)(const model_config *c);
  // A model's own copy: parameter indices and buffers, of which nobody else knows.
  size_t state_bytes;
  // Adds its parameters, in the order in which the backward pass finishes them.
  void (*describe_params)(void *self, param_set *s, const model_config *c);
  void (*plan_buffers)(void *self, model_core *m); // core.h: plan_kept, plan_gradient
  status (*check)(const void *self, model_core *m, int32_t slot, size_t *scratch); // op_check() of every op
  // From the encoder's output to the sums of the slot. With grads it keeps what its backward pass needs.
  status (*forward)(void *self, model_core *m, int32_t slot, bool grads);
  // Accumulates the gradients of its parameters and, if anything below is trained, that of the encoder's output.
  status (*backward)(void *self, model_core *m);
  double (*weight)(const batch *b); // sum of the rows' weights
  // Floating-point operations of its forward pass on a batch; a multiply-add counts as 2.
  double (*flops)(const model_config *c, const batch *b);
  // Adds those that frozen parameters spare its backward pass (model.h).
  void (*spared)(const void *self, const model_core *m, flops_spared *s);
} objective;

#define OBJECTIVE(name) extern const objective objective_##name;
OBJECTIVES(OBJECTIVE)
#undef OBJECTIVE

// ---- lists of them -------------------------------------------------------------------------------------------

// Objectives by slot, and the weight of each in what is trained.
typedef struct objective_list {
  int32_t n;
  const objective *of[MAX_SLOTS];
  double weight[MAX_SLOTS];
} objective_list;

// "masked_lm 1, next_session 0.5"; a weight that is left out is 1. `where` is the option or field that an error names.
status objectives_parse(objective_list *out, const char *text, const char *where);
// A model's: what model_config.objectives says; where it says nothing, masked LM, and next session if there is a pooler.
status objectives_of(objective_list *out, const model_config *c);
// The list as text, weights that are not 1 included.
void objectives_text(const objective_list *l, char text[OPTION_STRING]);

// The slot of an objective; -1: it is not in the list.
int32_t objectives_slot(const objective_list *l, const objective *of);

// The first slot of an objective with this one's head; -1: there is none.
int32_t objectives_head_slot(const objective_list *l, const objective *of);
const objective *objective_named(const char *name); // NULL: there is none

// The one whose head ranks items: next item or else masked LM; NULL: neither is there.
const objective *objectives_ranking(const objective_list *l);
// What is predicted at the rows of its histories, and so who sees whom: masked LM alone lets every row see all others. (Of copy
// only its sources are histories, in which every row sees all others too.)
seq_asks objectives_asks(const objective_list *l);

// Adds the weight of a batch to the sums of a global step.
void objectives_add_weights(const objective_list *l, const batch *b, double sums[MAX_SLOTS]);
// The scales of a step from the sums over all of its batches. Where nothing has a weight the scale does not matter.
void objectives_scales(const objective_list *l, const double sums[MAX_SLOTS], float scale[MAX_SLOTS]);
// Both for a step of one batch.
void objectives_batch_scales(const objective_list *l, const batch *b, float scale[MAX_SLOTS]);

// The objective of the list that has a validation metric of this name, and what it says of it. ERR_ARGUMENT lists the
// metrics that there are; `where` as above.
status objectives_find_metric(const objective_list *l, const char *name, const char *where,
                              const objective **of, const objective_metric **metric);

// ---- a model's -----------------------------------------------------------------------------------------------

// The state of an objective in a model, and what the model shares with its objectives (*core). NULL: it does not have it.
void *model_objective(model *m, const objective *kind, model_core **core);

#endif
