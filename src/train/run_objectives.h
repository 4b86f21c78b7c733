// What a run is trained for: train.objectives, model.pooler, and what comes with a checkpoint's model.
//
// The list says all; without one it is masked LM, and next session where there is a pooler. A pooler is there for next session
// and for nothing else, so where there is a list it decides. A run that starts from a checkpoint has the checkpoint's list and
// pooler by default; where the user sets one of the two, the other follows, and a line says so.
#ifndef SOUK_TRAIN_RUN_OBJECTIVES_H
#define SOUK_TRAIN_RUN_OBJECTIVES_H

#include "model/checkpoint.h"
#include "model/objective.h"
#include "train/config.h"

// After c->model has become a checkpoint's: sets train.objectives to its list, or leaves it empty where the model's options say
// as much.
status run_objectives_adopt(run_config *c);
// After the user's options were read over those adopted from a checkpoint.
status run_objectives_settle(run_config *c, const run_config *adopted);
// The list, and the model's pooler by it.
status run_objectives_list(const run_config *c, model_config *m, objective_list *l);
// A resumed run may drop objectives, but has no moments of new ones: ERR_ARGUMENT.
status run_objectives_check_resumed(const checkpoint *from, const model_config *now);

#endif
