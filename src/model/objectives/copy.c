// Copy: a prefix language model writes the text of a promotion. Rows of a source (format/copy_sequence.h) see each other, those of the
// copy see the source and what was written before them, and at each the next token is predicted (UniLM, Dong et al., 2019; T5's prefix
// LM, Raffel et al., 2020).
//
//   parameters  copy.bias [C]; with a transform copy.transform.LayerNorm.weight and .bias [H], .dense.weight [H,H], .dense.bias [H]
//   batch       masked, labels, copy_weights, prefix_len
//   weight      of the batch: the sum of its copy_weights
//
// The head is that of item_head.h with parameters of its own, over the C tokens before the first item: words, slots and [SEP]. Whatever
// items are ranked by, a word's score is the product of row and vector over model.temperature, and its bias. It
// begins with what masked LM has learned, where there is that (train/copy_begin.h). A model is trained for copy alone, because then
// all of its batches are copy.
#include "model/objectives/item_head.h"

static status check_config(const model_config *c) {
  if (!c->cls_sep || c->segments < 2)
    return fail(ERR_ARGUMENT, "copy needs model.cls_sep = true and model.segments = 2 or more");
  return c->copy_classes > 0 ? OK : fail(ERR_ARGUMENT, "copy needs a vocabulary with words");
}

static void describe_params(void *state, param_set *s, const model_config *c) {
  item_head *self = state;
  self->class_base = 0;
  self->classes = (int32_t)c->copy_classes;
  item_head_add_params(self, s, c, "copy.", c->copy_classes);
}

static status forward(void *self, model_core *m, int32_t slot, bool grads) {
  return item_head_forward(self, m, slot, m->batch.copy_weights, grads);
}

static double weight_of(const batch *b) {
  double sum = 0;
  for (int32_t i = 0; i < b->n_masked; i++) sum += (double)b->copy_weights[i];
  return sum;
}

static double flops(const model_config *c, const batch *b) {
  return b->n_masked * item_head_row_flops(c, (double)c->copy_classes);
}

static const objective_metric metrics[] = {
    {"loss", true, false}, {"perplexity", true, false}, {"accuracy", false, false}, {NULL, false, false}};
static const char *const variants[] = {NULL};

const objective objective_copy = {.name = "copy",
                                  .head = "copy",
                                  .place = "copy",
                                  .loss_key = "loss",
                                  .accuracy_key = "accuracy",
                                  .label = "loss",
                                  .validation = "copy",
                                  .metrics = metrics,
                                  .variants = variants,
                                  .reads_listed = true,
                                  .check_config = check_config,
                                  .state_bytes = sizeof(item_head),
                                  .describe_params = describe_params,
                                  .plan_buffers = item_head_plan,
                                  .check = item_head_check,
                                  .forward = forward,
                                  .backward = item_head_backward,
                                  .weight = weight_of,
                                  .flops = flops,
                                  .spared = item_head_spared_rows};
