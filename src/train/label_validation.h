// Validation of runs that are trained on labels: figures of eval/classification.h on the validation rows, whose temperatures become
// part of the checkpoints.
#ifndef SOUK_TRAIN_LABEL_VALIDATION_H
#define SOUK_TRAIN_LABEL_VALIDATION_H

#include "eval/classification.h"
#include "eval/label_scores.h"
#include "model/objective.h"
#include "train/loop.h"

typedef struct label_validator {
  validator base; // first
  dataset *d;
  const labelled_rows *rows;
  label_set *labels; // whose temperatures it sets
  json_t *about;     // further fields of the checkpoints' "labels"; borrowed
  const char *plot;  // where calibration is drawn; "": nowhere
} label_validator;

// ERR_ARGUMENT lists the metrics that there are, where train.metric is none of them. All that it points to must outlive it.
status label_validator_open(label_validator *v, const run_config *c);

// Field "labels" of the checkpoints that are written of d: the set, and the fields of `about` (may be NULL).
status labels_publish(dataset *d, const label_set *l, const json_t *about);

// Draws the share that holds over the predicted probability, in bins, before and after temperatures: one panel, or one a label.
status calibration_plot(const char *path, const classification_report *r);

#endif
