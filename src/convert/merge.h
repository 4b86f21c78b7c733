// souk merge: a checkpoint of a tuned model becomes one of a plain model, with what tuned it folded into the weights.
#ifndef SOUK_CONVERT_MERGE_H
#define SOUK_CONVERT_MERGE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"

typedef struct merge_result {
  int64_t step, folded; // parameters of low-rank adapters that are in the weights now
} merge_result;

// `from`: a checkpoint's directory; `out`: the new checkpoint, without optimiser state. It keeps what is known of the training,
// the vocabulary and its tokenizer, the catalogue, labels, texts of items and the mix, so that souk export makes the same bundle of it.
// It needs its base no more, and scores as before, to rounding. ERR_ARGUMENT: it is not tuned. ERR_UNSUPPORTED: by adapters, which
// cannot be folded. result may be NULL.
status merge_checkpoint(const char *from, const char *out, bool force, merge_result *result);

#endif
