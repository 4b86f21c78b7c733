// Learning a mix of a model's scores with counts (format/mix.h) on the validation part of a data set. The counts are those of the
// train part, so that no answer has been counted.
#ifndef SOUK_EVAL_MIX_LEARN_H
#define SOUK_EVAL_MIX_LEARN_H

#include "base/options.h"
#include "eval/mix_counts.h"
#include "eval/mix_fit.h"
#include "eval/ranking.h"

// Section "mix".
typedef struct mix_options {
  mix_count_config count;
  int64_t questions; // users whose validation targets are learned from; 0: all
  int64_t negatives; // random items of each question that stand for the rest of the catalogue
  double popular;    // share of the learning that is telling the answer from popular items
  int64_t top;       // items of each question that the model likes best
  int64_t seed;
  double prior, focus;
  char features[OPTION_STRING];
} mix_options;
extern const option mix_option_table[];
extern const size_t n_mix_options;

typedef struct mix_learned {
  int64_t questions, candidates;
  mix_fitted encoder, counts, both; // the encoder alone, the counts alone, the mix
  double seconds;
} mix_learned;

// Learns a mix for the model; its table holds the counts of the train part. Freed with mix_free.
status mix_learn(mix **out, dataset *d, model *m, const mix_options *o, mix_learned *learned);

// A mix for a model of a final training, which has seen the answers of the validation part: the weights of another run's mix, and
// the counts of this data set's train part, counted as they were for that.
status mix_from(mix **out, dataset *d, const mix_config *weights, int64_t memory);

// The questions of the learning as samples, for mix_fit: candidates are all items that the sums of `x` reach, the answer, what the
// model likes best, and random items, whose weights make them stand for the rest. The scores are the model's alone.
status mix_sample(mix_samples *out, dataset *d, model *m, const mix *x, const mix_options *o);

// The sums of the features that a text like "encoder, next, recent" names; "": all. What of encoder, popularity and reached it names
// goes to *f. Terms have no weights and gains of 0 yet.
status mix_features_parse(mix_config *c, mix_fitting *f, const char *text);

#endif
