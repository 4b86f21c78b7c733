// Options that have changed since a run's checkpoint was written.
#ifndef SOUK_TRAIN_CHANGES_H
#define SOUK_TRAIN_CHANGES_H

#include "train/config.h"

// Changes are allowed, with one warning for each but train.out. Options are compared by name; one that the
// checkpoint's program did not have counts as its default. ERR_ARGUMENT: the checkpoint has an option that is unknown
// here.
status changes_tell(const checkpoint *before, const run_config *now);

#endif
