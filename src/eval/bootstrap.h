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

// slots [queries]: the user of each question, questions of a user next to each other. ranks [sets][queries].
// values [sets][RANK_METRICS][replicates] is written. Replicates differ by their index only: the first n of more
// are the same as n alone, for any number of threads.
status bootstrap_metrics(const int64_t *slots, int64_t queries, const int32_t *const *ranks, int32_t sets,
                         int64_t replicates, uint64_t seed, double *values);

// The central `level` (0.95, say) of n >= 1 values, by linear interpolation between order statistics; values is sorted.
interval central_interval(double *values, int64_t n, double level);

#endif
