// Validation of runs that are trained to write copy: loss, perplexity and accuracy of the tokens of the validation rows.
#ifndef SOUK_TRAIN_COPY_VALIDATION_H
#define SOUK_TRAIN_COPY_VALIDATION_H

#include "data/copy_examples.h"
#include "train/loop.h"

typedef struct copy_validator {
  validator base; // first
  copy_examples *examples;
} copy_validator;

// Does the run write copy (train.objectives)?
bool run_writes_copy(const run_config *c);
// ERR_ARGUMENT lists the metrics that there are, where train.metric is none of them. d must outlive it.
status copy_validator_open(copy_validator *v, dataset *d, const run_config *c);
void copy_validator_close(copy_validator *v);

#endif
