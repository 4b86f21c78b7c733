// The frozen base beside a model of copy on a leash (copy.leash; model/objectives/leash.h).
#ifndef SOUK_TRAIN_LEASH_BASE_H
#define SOUK_TRAIN_LEASH_BASE_H

#include "model/model.h"
#include "train/config.h"

// Opens the base of a run and ties its model m to it; *out NULL: copy.leash is 0. It is what copy.base names or, where that is empty, the
// checkpoint that the run begins from; of a run that is tuned (section peft) that is its own base, the model without the
// tuned part. What tunes the checkpoint itself is folded into its weights. The caller frees it, behind m. Its memory comes on top of what
// souk plan says of m. ERR_ARGUMENT: there is none, it was not trained for copy, or it does not fit m.
status leash_base_open(model **out, const run_config *c, model *m, const dataset *d);

#endif
