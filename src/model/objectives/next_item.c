// Next item: no row sees a later one, and at each the head of item_head.h predicts what comes behind it (Kang, McAuley:
// Self-attentive sequential recommendation, 2018; GPT). Weight of a batch: its `next_weights`.
#include "model/objectives/item_head.h"

static status forward(void *self, model_core *m, int32_t slot, bool grads) {
  return item_head_forward(self, m, slot, m->batch.next_weights, grads);
}

static double weight_of(const batch *b) {
  double sum = 0;
  for (int32_t i = 0; i < b->n_masked; i++) sum += b->next_weights[i];
  return sum;
}

const objective objective_next_item = {.name = "next_item",
                                       .loss_key = "next_loss",
                                       .label = "next item",
                                       .forward = forward,
                                       .weight = weight_of,
                                       ITEM_HEAD_OBJECTIVE};
