// Confidence intervals by the percentile bootstrap over users (B. Efron, R. Tibshirani, An introduction to the
// bootstrap, 1993): users are drawn with replacement, as many as there are, and the metrics computed again.
//
// The same draws serve every set of ranks over the same questions, so the difference of two sets in a replicate is
// the difference over the same users: intervals are paired without further work.
#ifndef SOUK_EVAL_BOOTSTRAP_H
#define SOUK_EVAL_BOOTSTRAP_H

#include <stdint.h>
#include "base/status.h"
#include "eval/rank_metrics.h"

typedef struct interval {
  double low, high;
} interval;

// What the ranks of every set are about. slots [queries]: the user of each question, questions of a user next to each
// other. relevant [queries]: of how many relevant items each question has ranks, sorted (rank_set_sort); NULL: of one.
typedef struct bootstrap_questions {
  const int64_t *slots;
  const int32_t *relevant;
  int64_t queries;
} bootstrap_questions;

// How many metrics there are: RANK_METRICS with one relevant item, SET_METRICS with several.
int32_t bootstrap_width(const bootstrap_questions *q);

// ranks [sets][queries, or the sum of relevant]. values [sets][bootstrap_width][replicates] is written. Replicates differ
// by their index only: the first n of more are the same as n alone, for any number of threads.
status bootstrap_metrics(const bootstrap_questions *q, const int32_t *const *ranks, int32_t sets,
                         int64_t replicates, uint64_t seed, double *values);

// How often a replicate has each of n things (users, copies): weight [n] is written. n is at least 1.
void bootstrap_draw(uint64_t seed, int64_t replicate, int32_t n, uint32_t *weight);

// The central `level` (0.95, say) of n >= 1 values, by linear interpolation between order statistics; values is sorted.
interval central_interval(double *values, int64_t n, double level);

#endif
