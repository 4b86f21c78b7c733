// What a tuned checkpoint's model comes to: its low-rank adapters folded into the weights, in memory.
#ifndef SOUK_MODEL_CHECKPOINT_FOLDED_H
#define SOUK_MODEL_CHECKPOINT_FOLDED_H

#include "model/checkpoint.h"

// Is it tuned by lora or adalora, so that other models have its weights only folded?
bool checkpoint_is_folded(const checkpoint *c);

// Reads the values of such a checkpoint into m, folded as souk merge does it (tuning_fold.h): of the parameters that both have,
// but for what tunes either. whole (NULL: none) builds on it: only values that whole takes from there are read. Needs room for
// the checkpoint's model on the CPU. The caller refreshes the parameters.
status checkpoint_read_folded(const checkpoint *c, model *m, const checkpoint *whole);

// checkpoint_load() without an optimiser, for a model that is not tuned as the checkpoint is.
status checkpoint_load_folded(const checkpoint *c, model *m);

#endif
