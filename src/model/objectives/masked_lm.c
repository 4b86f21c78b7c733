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
                                       .loss_key = "loss",
                                       .label = "loss",
                                       .forward = forward,
                                       .weight = weight_of,
                                       ITEM_HEAD_OBJECTIVE};
