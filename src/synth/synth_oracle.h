// The best that a ranking or a prediction can be on a generated marketplace: by the probabilities that things happened with.
#ifndef SOUK_SYNTH_SYNTH_ORACLE_H
#define SOUK_SYNTH_SYNTH_ORACLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { CUTOFFS = 4 }; // 1, 5, 10 and 20

// Ranking quality of an oracle that knows the probabilities.
typedef struct oracle {
  int64_t queries;
  double hr[CUTOFFS], ndcg[CUTOFFS], mrr;              // of what happened
  double expected_hr[CUTOFFS], expected_ndcg[CUTOFFS]; // of what could have happened, by the probabilities
  double loss, expected_loss;                          // -log p, nats
} oracle;

// Counts a question whose answer was drawn from p [n].
void oracle_count(oracle *o, const double *p, int32_t n, int32_t target);
json_t *oracle_json(const oracle *o); // new

// Predictions of yes or no, in bins of probability: the area under the curve of an oracle is exact but for ties within one.
enum { YES_BINS = 4096 };
typedef struct yes_oracle {
  int64_t n[2][YES_BINS];     // no, yes
  double loss, expected_loss; // nats
} yes_oracle;
void yes_count(yes_oracle *o, double p, bool happened);
double yes_auc(const yes_oracle *o);   // NaN where all answers are the same
json_t *yes_json(const yes_oracle *o); // new

#endif
