// Validation while training: ranking quality on a fixed random subset of the users' validation targets.
#ifndef SOUK_TRAIN_VALIDATION_H
#define SOUK_TRAIN_VALIDATION_H

#include "eval/ranking.h"
#include "train/loop.h"

typedef struct rank_validator {
  validator base; // first
  ranking *questions;
} rank_validator;

// What a validation evaluates. metric: a name that ranking_metric_find() knows.
status rank_validator_config(ranking_config *out, int64_t users, int64_t seed, const char *metric);
// d must outlive v.
status rank_validator_open(rank_validator *v, dataset *d, int64_t users, int64_t seed, const char *metric);
void rank_validator_close(rank_validator *v);

#endif
