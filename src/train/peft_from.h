// Runs that begin with an adapter that is there (train.peft_from): factors of Hugging Face's peft, or of a run that was tuned on
// top of the same base.
#ifndef SOUK_TRAIN_PEFT_FROM_H
#define SOUK_TRAIN_PEFT_FROM_H

#include "model/checkpoint.h"
#include "train/config.h"

// Makes the adapter's form, rank, alpha, targets and the rest of section peft the defaults of the run's. Nothing where
// train.peft_from is not set.
status peft_from_adopt(run_config *c);

// Opens the adapter for a run that begins from `base` (train.init), whose model is m; *out NULL: there is none. ERR_ARGUMENT: it is
// not of this base, or not of the form that section peft says.
status peft_from_open(checkpoint **out, const run_config *c, const checkpoint *base, model *m);

#endif
