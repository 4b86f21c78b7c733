// Optimiser steps over the descriptors of a model: neighbours with the same settings become one span.
#ifndef SOUK_TRAIN_OPTIMIZER_H
#define SOUK_TRAIN_OPTIMIZER_H

#include "model/model.h"
#include "train/config.h"

// Norm of all gradients into step_result, then AdamW or LAMB on every trainable parameter. Learning rate, step and clipping
// come from the step state of the last micro-batch. Needs params_make_moments().
status optimizer_step(model *m, const optim_config *o);

#endif
