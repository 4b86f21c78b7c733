// Validation while training: ranking quality on a fixed random subset of the users' validation targets.
#ifndef SOUK_TRAIN_VALIDATION_H
#define SOUK_TRAIN_VALIDATION_H

#include "eval/ranking.h"
#include "model/objective.h"
#include "train/loop.h"
#include "train/mix_validation.h"

typedef struct rank_validator {
  validator base; // first
  ranking *questions;
  mix_validation mix;
} rank_validator;

// Does a run validate? Not with train.eval_every = 0, not where nothing is held out, and not if a final training (data.final)
// holds no users out of the validation part. *why: a sentence on why not although train.eval_every asks for it; NULL: none.
bool run_validates(const run_config *c, const dataset *d, const char **why);
// What a validation of a run evaluates, and what its objectives say of train.metric. ERR_ARGUMENT lists the metrics that they
// have.
status rank_validator_config(ranking_config *out, const objective_metric **metric, const run_config *c,
                             dataset *d);
// d must outlive v.
status rank_validator_open(rank_validator *v, dataset *d, const run_config *c);
void rank_validator_close(rank_validator *v);

#endif
