// The sparse counts of the learned mix (format/mix.h) from a data set.
#ifndef SOUK_EVAL_MIX_COUNTS_H
#define SOUK_EVAL_MIX_COUNTS_H

#include "data/dataset.h"
#include "eval/queries.h"
#include "format/mix.h"

typedef struct mix_count_config {
  int64_t
      neighbours; // kept for each item, those with the most weight: the table's size is bounded by items x neighbours
  int64_t window;        // largest distance of a pair
  double distance_power; // a pair t places apart counts t^-distance_power
  int64_t memory;        // bytes to collect pairs in
} mix_count_config;

// Counts the parts before `before` (pair_counts.h): EVAL_VALID train, EVAL_TEST also validation. Freed with mix_table_free,
// also after an error.
status mix_count(mix_table *out, dataset *d, eval_part before, const mix_count_config *c);

#endif
