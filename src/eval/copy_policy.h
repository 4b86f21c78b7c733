// What a model of copy would earn as a policy, from a log of impressions with clicks.
//
// The data set (souk prepare --copy) has every candidate of an impression as a row: rows beside each other of the same user, time,
// item and context, of which the one that was shown says click and propensity. What is chosen is a style, with the propensity of the style; its
// candidates are wordings of it, as many for each style. The policy of a model is its distribution over an impression's styles, each in
// proportion to the probability of its candidates together, given the request and the user's history (copy_scores.h): of one wording
// a style, what the model thinks of the words beside the style would be in it too, which differs from wording to wording by factors.
//   drawn   the style is drawn from that distribution
//   best    the most probable style is shown (of equals the first)
// Both are judged by eval/off_policy.h, with the click as reward: SNIPS beside its interval by user, IPS, effective sample and clipping.
//
// How much of it is personal: every impression is asked about once more with the history of another user, who is drawn by name from those
// of the part. `swapped` is the drawn policy with these histories, and `differs` the share of requests (item and terms) whose most
// probable style is another one then.
//
// Where the truth is known (a generated marketplace's truth/copy.csv.gz: the probability of a click of each style for each
// impression), the true values come beside the estimates.
#ifndef SOUK_EVAL_COPY_POLICY_H
#define SOUK_EVAL_COPY_POLICY_H

#include "data/copy_examples.h"
#include "eval/off_policy.h"
#include "model/model.h"

typedef struct copy_policy_config {
  copy_part part;
  off_policy_options how;
  const char *truth; // file; NULL: not known
} copy_policy_config;

// True values, clicks an impression; intervals by user.
typedef struct copy_policy_truth {
  off_policy_value logged; // of the styles that were shown
  off_policy_value drawn, best, swapped;
  off_policy_value gain_drawn, gain_best; // less logged
  off_policy_value personal;              // drawn less swapped: what the right history is worth
  off_policy_value personal_best;         // the same for the most probable style
  double oracle;                          // of the best style for each
} copy_policy_truth;

typedef struct copy_policy {
  int64_t impressions, candidates;
  off_policy_estimate drawn, best, swapped;
  off_policy_value differs;
  bool known;
  copy_policy_truth truth;
} copy_policy;

// m: a model of copy, created for evaluation, whose capacities hold any one row. e and d: of that data set. Fails, naming the row of copy.jsonl (counted
// from 1), where impressions are not as above, and where the truth does not fit.
status copy_policy_run(copy_policy *out, model *m, const copy_examples *e, const dataset *d,
                       const copy_policy_config *c);
json_t *copy_policy_json(const copy_policy *p); // NULL: out of memory
void copy_policy_print(FILE *to, const copy_policy *p);

#endif
