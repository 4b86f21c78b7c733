// What a run's configuration says otherwise than it did when its checkpoint was written.
#ifndef SOUK_TRAIN_CHANGES_H
#define SOUK_TRAIN_CHANGES_H

#include "train/config.h"

// Such options are allowed, but never go unsaid: one warning each, but for train.out. Options are compared by name; one that
// the checkpoint's program did not have was at its default. ERR_ARGUMENT: the checkpoint has an option that is unknown here.
status changes_tell(const checkpoint *before, const run_config *now);

#endif
