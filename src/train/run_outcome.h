// What a run has come to, from its metrics.jsonl: for programs that compare runs.
#ifndef SOUK_TRAIN_RUN_OUTCOME_H
#define SOUK_TRAIN_RUN_OUTCOME_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"

typedef struct run_outcome {
  int64_t step;        // of the last line
  char reason[32];     // of the line of kind "end": complete, patience, paused, signal; "": it has not ended
  double seconds;      // of training
  int64_t decay_steps; // of its learning rate; 0: none, the rate does not decay (or the run has not ended)
  json_t *best;        // the line of the best validation; NULL: no validation yet
  int64_t best_step;
  double metric; // its figure; NaN without one
} run_outcome;

// metric: as in train.metric. A run without metrics has an empty outcome. run_outcome_free() is due after an error, too.
status run_outcome_read(run_outcome *o, const char *run_dir, const char *metric, bool smaller_is_better);
void run_outcome_free(run_outcome *o);

#endif
