// What a policy would have earned, from the log of another one: importance sampling over logged actions.
//
// Each row is an action that the logging policy took with a known probability b and that earned r; the policy under question would
// have taken it with probability q. With w = q / b:
//
//   IPS    mean of w r                unbiased where b > 0 wherever q > 0 (Horvitz, Thompson, 1952)
//   SNIPS  sum of w r / sum of w      a little biased, far less noisy, and in the range of r
//                                     (Hajek's ratio; Swaminathan, Joachims: The self-normalized estimator for counterfactual
//                                     learning, 2015)
//   clip   w is at most this (Ionides: Truncated importance sampling, 2008): less noise, at the price of a bias downwards for r >= 0
//   effective sample   (sum of w)^2 / sum of w^2 (Kish, 1965): how many rows of the policy's own this log is worth
//
// None of them means anything without the others, so they come in one struct and are told by one function: an estimate with its
// interval (percentile bootstrap over users, as bootstrap.h: all rows of a user are drawn together), the effective sample, the mean weight
// (1 where probabilities are right) and the share that was clipped.
#ifndef SOUK_EVAL_OFF_POLICY_H
#define SOUK_EVAL_OFF_POLICY_H

#include <jansson.h>
#include <stdio.h>
#include "eval/bootstrap.h"

// A log: n rows. All are borrowed.
typedef struct off_policy_log {
  const double *target;     // [n] q, 0 to 1
  const double *propensity; // [n] b, above 0 and at most 1
  const double *reward;     // [n] finite
  const int64_t *users;     // [n] whose row it is; in any order
  int64_t n;
} off_policy_log;

typedef struct off_policy_options {
  double clip;        // largest weight; 0: as large as they are
  int64_t replicates; // at least 1
  double level;       // of intervals, 0.95 say
  uint64_t seed;
} off_policy_options;

// A value, and where it lies.
typedef struct off_policy_value {
  double value;
  interval interval;
} off_policy_value;

typedef struct off_policy_estimate {
  int64_t rows, users;
  off_policy_value logged; // the mean reward of the log itself
  off_policy_value ips, snips;
  off_policy_value gain; // SNIPS less the log's mean, paired: over the same users
  double effective_sample, mean_weight, largest_weight;
  double clipped; // share of rows whose weight was above the clip
} off_policy_estimate;

// Fails, naming the row (counted from 1), on what is no probability or no number, and where all weights are 0.
status off_policy_estimate_of(const off_policy_log *log, const off_policy_options *o,
                              off_policy_estimate *out);
// The whole of it, as an object of a report; NULL: out of memory.
json_t *off_policy_json(const off_policy_estimate *e);
// The whole of it, as lines for people.
void off_policy_print(FILE *to, const char *policy, const off_policy_estimate *e);

#endif
