// How far a run has come: what is in a checkpoint beside parameters and moments.
#ifndef SOUK_MODEL_TRAIN_STATE_H
#define SOUK_MODEL_TRAIN_STATE_H

#include <stdint.h>
#include "base/record.h"

typedef struct train_state {
  int64_t step, epoch, index; // optimiser steps done; place of the next batch
  int64_t tokens;             // trained on so far
  double seconds;             // of training so far
  double best_metric;
  int64_t best_step, bad_evals;
  char best_name[OPTION_STRING]; // metric it is about
  int64_t skipped;               // steps left out because a gradient was not finite
  // Sums since the last metrics line, so that a resumed run writes the same next line (see step_result).
  double mlm_loss, mlm_weight, cls_loss, cls_rows, cls_hits;
} train_state;

// Both from one table (train_state.c): a new field is a line there.
json_t *train_state_to_json(const train_state *t); // new; NULL: no memory
status train_state_from_json(train_state *t, const json_t *j, const record_source *from);

#endif
