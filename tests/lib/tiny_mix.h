// Small learned mixes, for tests.
#ifndef SOUK_TESTS_TINY_MIX_H
#define SOUK_TESTS_TINY_MIX_H

#include "eval/mix_counts.h"

extern const mix_config tiny_mix_config; // of three sums, one a channel

// The mix of the settings *c with counts of the parts before `before`; mix_free().
mix *tiny_mix(dataset *d, eval_part before, const mix_config *c, const mix_count_config *count);

// The same, counted as *c itself says, which becomes the mix of the checkpoint DIR/checkpoint.
mix *tiny_mix_saved(const char *dir, dataset *d, eval_part before, const mix_config *c);

#endif
