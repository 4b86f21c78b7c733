// A model: an encoder (BERT over packed batches) and what its objectives add to it, written once against the op table.
#ifndef SOUK_MODEL_MODEL_H
#define SOUK_MODEL_MODEL_H

#include "data/batch.h"
#include "dist/dist.h"
#include "model/config.h"
#include "model/item_loss.h"
#include "model/params.h"

typedef struct model model;

#define BASE_WITHOUT_HEADS "none" // of model_run.base_objectives

typedef struct model_run { // what a run fixes about a model before memory is planned
  batch_caps caps;
  bool training;   // gradients and saved activations
  bool row_sparse; // the word table is updated by touched rows only (needs the sampled loss)
  int32_t threads, device;
  uint64_t seed; // of the initialisation
  bool averages; // of the weights, beside the moments (optim.ema)
  // Of a tuned model (peft_config.h): what its base was trained for, as in model_config.objectives; heads that are not among it
  // are trained whole. NULL: the same as the model; BASE_WITHOUT_HEADS: it has an encoder only. Lives as long as the model.
  const char *base_objectives;
  const char *freeze; // what is not trained, as in params_freeze; NULL: nothing. Lives as long as the model
  matmul_kind matmul;
  dist *dist; // of the processes that train together; NULL: this one alone
  // Of the encoder's output nothing is asked for but what objectives read (no model_hidden). If they read only rows that a
  // batch lists (objective.h), the last layer's feed-forward part and projection are computed at these alone.
  bool listed_rows;
  item_loss loss; // of objectives that predict items
} model_run;

// Floating-point operations that frozen parameters save a training step: for each token, each pair of tokens of a sequence,
// masked row, score of a masked row and sequence; and, whatever is frozen, those of a token that no objective reads.
typedef struct flops_spared {
  double token, square, masked, score, seq, unread;
} flops_spared;

// Backend memory that model_create would take, by what it is for.
typedef struct model_memory {
  int64_t parameters, frozen_parameters; // all of them, and the frozen ones; without padding
  int64_t elements;                      // of each trainable arena
  param_bytes params;
  size_t optimizer; // its table (model/optim_table.h)
  size_t batch, activations, activation_gradients, scratch;
  int32_t layers_reached; // by the backward pass
  flops_spared spared;
} model_memory;
// The plan alone: nothing is allocated on the device.
status model_plan(model_memory *out, const char *backend_name, const model_config *c, const model_run *run);
// Creates a model with initialised parameters: normal(0, init_std) by Philox, zero biases, unit norms.
status model_create(model **out, const char *backend_name, const model_config *c, const model_run *run);
void model_free(model *m); // NULL is safe
const model_config *model_get_config(const model *m);
const model_run *model_get_run(const model *m);                // as planned: capacities, training
const struct objective_list *model_objectives(const model *m); // by slot (objective.h)
param_set *model_params(model *m);
const backend *model_backend(const model *m);
op_ctx *model_ctx(model *m);
size_t model_bytes(const model *m); // backend memory in all, but for the optimiser's table

// Zeroes gradients, row flags, activations and results; parameters and moments stay. After a step that was not finite:
// rows past a later batch's counts must not hold its NaNs (ops.h: dead rows are finite).
status model_forget(model *m);
// Uploads the batch and writes the step state (counts from the batch; the rest from *state).
status model_set_batch(model *m, const batch *b, const step_state *state);
// Encoder over the current batch; training turns dropout on and keeps what the backward pass needs.
status model_forward(model *m, bool training);
// The objectives over the current batch: sums into their slots of step_result; with grads the gradients are accumulated for
// the whole model (forward must have been called with training = true).
status model_loss(model *m, bool grads);
// The next model_loss with grads is of the last micro-batch of a step: as soon as a bucket of gradients is complete, it is
// handed to the run's dist, to be summed over ranks. Then model_wait_gradients: ops that are launched afterwards get
// the sums.
void model_last_micro(model *m);
status model_wait_gradients(model *m);
// The same passes as model_forward(m, true) and model_loss(m, true), giving first the parameters and then every op's
// results to `see`. A NaN or an infinity begins in the first one with nonfinite > 0.
typedef struct tensor_report {
  char where[160];    // "forward of bert.encoder.layer.1.output.dense"
  const char *tensor; // "y"; "dw"; "value" for parameters
  int64_t rows, columns, nonfinite;
  int64_t first;  // element (row x columns + column) that is not finite; -1: none
  double largest; // of the finite ones, by magnitude
  double value;   // of element `first`
} tensor_report;
typedef void (*tensor_visitor)(void *self, const tensor_report *t);
status model_checked_pass(model *m, tensor_visitor see, void *self);
// Multiply-add counted as 2: floating-point operations of the forward pass of a batch; backward is twice that where
// nothing is frozen.
double model_config_flops(const model_config *c, const batch *b);
// Of forward and backward pass; and those of a model.
double model_step_flops(const model_config *c, const flops_spared *s, const batch *b);
double model_train_flops(const model *m, const batch *b);

// Hidden states of the current batch [tokens, H] host; not with model_run.listed_rows.
status model_hidden(model *m, float *hidden);

#endif
