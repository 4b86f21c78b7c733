// The training that souk pretrain and souk finetune have in common.
#ifndef SOUK_CMD_RUN_TRAINING_H
#define SOUK_CMD_RUN_TRAINING_H

#include "base/options.h"
#include "train/config.h"

// Trains a run: opens its data set, prepares validations if there is a validation part, and goes through the loop. options: what
// the run's config.yaml holds.
status run_training(run_config *c, const option_set *options, bool resume);

#endif
