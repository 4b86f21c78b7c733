// Pair: what becomes of an item that a user is shown, as several probabilities (click, cart, buy), of which a row may know any:
// [CLS] history [SEP] item [SEP].
#include "model/objectives/label_head.h"

static status check_config(const model_config *c) {
  TRY(label_head_check_config(c));
  if (c->segments < 2) return fail(ERR_ARGUMENT, "pair needs model.segments = 2 or more");
  return c->label_kind == LABELS_SEVERAL ? OK : fail(ERR_ARGUMENT, "pair needs model.label_kind = several");
}

const objective objective_pair = {.name = "pair", .check_config = check_config, LABEL_HEAD_OBJECTIVE};
