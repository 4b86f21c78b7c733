// Masked LM: the head of item_head.h predicts what stood at the rows that were masked. Weight of a batch: its `weights`.
#include "model/objectives/item_head.h"

static status forward(void *self, model_core *m, int32_t slot, bool grads) {
  return item_head_forward(self, m, slot, m->batch.weights, grads);
}

static double weight_of(const batch *b) {
  double sum = 0;
  for (int32_t i = 0; i < b->n_masked; i++) sum += b->weights[i];
  return sum;
}

const objective objective_masked_lm = {.name = "masked_lm",
                                       .head = "items",
                                       .place = "cls.predictions",
                                       .loss_key = "loss",
                                       .label = "loss",
                                       .validation = "ranking",
                                       .metrics = item_head_metrics,
                                       .variants = item_head_variants,
                                       .reads_listed = true,
                                       .check_config = item_head_check_config,
                                       .state_bytes = sizeof(item_head),
                                       .describe_params = item_head_describe,
                                       .plan_buffers = item_head_plan,
                                       .check = item_head_check,
                                       .forward = forward,
                                       .backward = item_head_backward,
                                       .weight = weight_of,
                                       .flops = item_head_flops,
                                       .spared = item_head_spared};
