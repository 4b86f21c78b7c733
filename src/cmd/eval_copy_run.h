// souk eval RUN --copy: how good the copy is that a run writes for the rows of its data set.
#ifndef SOUK_CMD_EVAL_COPY_RUN_H
#define SOUK_CMD_EVAL_COPY_RUN_H

#include "cmd/copy_writer.h"
#include "cmd/eval_copy.h"

typedef struct eval_copy_run_how {
  const char *where, *data; // run or checkpoint; data set, "": the run's
  int which, device, part;  // part 0: validation, else test
  bool raw, other_data;
  int32_t threads;
} eval_copy_run_how;

// The model's perplexity at the references, and the figures of what it writes for the same requests: the checkpoint becomes a bundle in a
// temporary directory, from which the inference library decodes.
status eval_copy_run(const eval_copy_run_how *run, const copy_decoding *decoding, const eval_copy_flags *f,
                     const eval_copy_how *how);

#endif
