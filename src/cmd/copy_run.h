// Runs that are trained to write copy (objective copy): what they begin with, and the training itself.
#ifndef SOUK_CMD_COPY_RUN_H
#define SOUK_CMD_COPY_RUN_H

#include "cmd/run_options.h"
#include "model/checkpoint.h"

// What souk finetune --task promo has as defaults on top of a checkpoint: positions and segments that rows of copy of p->data need,
// and whether the checkpoint has to grow for them or for the data set's vocabulary (train.init_from in place of train.init).
status copy_beginning(run_beginning *p, const checkpoint *c);

// Trains as run_training does, with what the data set says in place of options that are 0.
status copy_training(run_config *c, const option_set *options, bool resume);

#endif
