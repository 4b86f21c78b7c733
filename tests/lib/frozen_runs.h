// What freezing promises, checked on a backend by name: tests/unit/test_frozen.c on the CPU, tests/cuda/test_cuda_frozen.c
// on a device.
#ifndef SOUK_TESTS_FROZEN_RUNS_H
#define SOUK_TESTS_FROZEN_RUNS_H

#include "model/model.h"

enum { FROZEN_RECIPES = 4 };

// A model of a few thousand parameters: 0 post-norm, 1 pre-norm, 2 post-norm with pooler and dropout, 3 pre-norm, sampled
// loss with row flags. `freeze` as in model_run.
model *frozen_model(const char *device, int recipe, const char *freeze, bool moments);
batch *frozen_batch(const model *m, int32_t first);
// Gradients of what is trained are, bit for bit, those of a model that trains everything. One after the other for
// some lists of patterns and, with `every`, for each parameter frozen alone and each trained alone.
void check_frozen_gradients(const char *device, bool every);
// 20 steps with AdamW and with LAMB: what is frozen stays byte for byte, the rest moves, and the norm is of what is trained.
void check_frozen_steps(const char *device);

#endif
