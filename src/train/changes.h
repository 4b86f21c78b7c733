// Options that have changed since a run's checkpoint was written.
#ifndef SOUK_TRAIN_CHANGES_H
#define SOUK_TRAIN_CHANGES_H

#include "train/config.h"

// Changes are allowed, with one warning for each but train.out. Options are compared by name; one that the
// checkpoint's program did not have counts as its default (run_config_read).
status changes_tell(const run_config *before, const run_config *now);

#endif
