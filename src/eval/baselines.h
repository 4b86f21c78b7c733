// Baselines that only count, reported beside every model (docs/evaluation.md has the formulas).
//
// All learn from the parts before the one evaluated, which the model may also have as input. Items that they know
// nothing about are ranked by popularity.
#ifndef SOUK_EVAL_BASELINES_H
#define SOUK_EVAL_BASELINES_H

#include "base/options.h"
#include "data/dataset.h"
#include "eval/ranking.h"

typedef enum baseline_kind {
  BASELINE_POPULARITY,
  BASELINE_MARKOV,       // what followed the last item
  BASELINE_COOCCURRENCE, // what came along with the items of the history, cosine-normalised
  BASELINE_COMBINED, // both: transitions from the last item and co-occurrence, not normalised by the target
  BASELINES
} baseline_kind;
extern const char
    *const baseline_names[BASELINES]; // "popularity", "markov", "co-occurrence", "co-occurrence+markov"

// Section "baselines". The defaults were chosen on the validation part of Amazon Beauty.
typedef struct baseline_config {
  int learn;    // "before|train"
  double prior; // transitions that a popularity prior is worth
  int64_t
      window; // largest distance of a co-occurring pair; also the number of newest items of a history that are used
  double distance_power; // a pair t places apart counts t^-distance_power
  double
      backward; // weight of pairs in which the other item came earlier; those in which it came later have 1
  double decay; // weight of an item of the history relative to the next newer one
  double transition; // weight of transitions in the combination
  int64_t keep;      // longest row of a table
  int64_t memory;
} baseline_config;
extern const option baseline_options[];
extern const size_t n_baseline_options;

typedef struct baselines baselines;
// part: the one to be evaluated. d must outlive it.
status baselines_build(baselines **out, dataset *d, eval_part part, const baseline_config *c);
void baselines_free(baselines *b); // NULL is safe
// The scorer of a kind; its `self` is the baselines.
row_scorer baseline_scorer(baseline_kind kind);

#endif
