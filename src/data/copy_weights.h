// How much each row of copy counts in training: all the same, or by what came of it.
//
// Copy that was shown and clicked is worth imitating, copy that was not is not; but what was shown, and so what could be clicked, was chosen
// by a logging policy. Weighing a clicked row by 1 / propensity undoes that: in expectation the log-likelihood so weighted is the one of
// copy drawn in proportion to how often it would be clicked (inverse propensity scoring, as in eval/off_policy.h; Strehl, Langford,
// Li, Kakade: Learning from logged implicit exploration data, 2010). Weights above `clip` become `clip`, for rare copy would otherwise decide
// alone, and within a part weights are divided by their mean, so that they are worth as many rows as there are with a weight (self-normalised):
// the rate of learning does not depend on how often people click.
#ifndef SOUK_DATA_COPY_WEIGHTS_H
#define SOUK_DATA_COPY_WEIGHTS_H

#include "base/options.h"
#include "data/copy_rows.h"

typedef enum copy_feedback { COPY_FEEDBACK_NONE, COPY_FEEDBACK_IPS } copy_feedback;

typedef struct copy_config { // section "copy" of a run
  int feedback;              // copy_feedback
  double clip;               // largest weight of a clicked row, before they are divided by their mean
  bool history;              // false: sources are without the user's attributes and events
  double leash;              // weight of the leash (model/objectives/leash.h); 0: none
  char base
      [OPTION_STRING]; // run or checkpoint that the leash is tied to; "": the one that the run begins from
} copy_config;

extern const option copy_options[];
extern const size_t n_copy_options;

// weights [rows] of every row, whatever its part. COPY_FEEDBACK_NONE: 1. COPY_FEEDBACK_IPS: as above; rows that were not clicked have 0.
// ERR_ARGUMENT names the first row of the training part (counted from 1) whose click or propensity is not known, or says that none was clicked;
// rows of other parts without them have 0.
status copy_weights_set(const copy_rows *r, const copy_config *c, float *weights);

#endif
