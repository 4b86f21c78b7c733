// The last part of the self test: tiny models that must learn a tiny task on the device.
#ifndef SOUK_TRAIN_SELFTEST_H
#define SOUK_TRAIN_SELFTEST_H

#include <stdint.h>
#include "ops/ops.h"

enum { SELFTEST_RUNS = 3 };

typedef struct selftest_outcome {
  const char *name;   // what kind of model and optimiser
  double first, last; // masked-LM loss, nats a masked row: mean of the first and of the last steps
  double wanted;      // an upper bound for `last`
} selftest_outcome;

// Trains tiny model `run` on sequences that go round a circle of items. Returns an error only if training is
// impossible; the caller compares the losses.
status selftest_train(int32_t run, const char *device, int32_t ordinal, int32_t threads, matmul_kind matmul,
                      selftest_outcome *out);

#endif
