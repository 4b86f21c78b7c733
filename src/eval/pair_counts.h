// Which items follow or accompany which: counts of item pairs, as sparse rows, in bounded memory.
//
// A pair is an item and another one at most `window` items later in the same history. Row a of the table holds, for
// each b, the summed weight of the pairs (a, b): distance^-distance_power where b comes later, and `backward` times
// that where b comes earlier. window 1 and backward 0 count transitions; both directions at full weight count
// co-occurrences in a sliding window.
#ifndef SOUK_EVAL_PAIR_COUNTS_H
#define SOUK_EVAL_PAIR_COUNTS_H

#include <stdbool.h>
#include <stdint.h>
#include "data/dataset.h"
#include "eval/queries.h"

typedef struct pair_config {
  eval_part before; // pairs come from the parts before this one: EVAL_VALID train, EVAL_TEST also validation
  int32_t window;   // at least 1
  double distance_power;
  double backward; // 0: only what comes later
  bool reversed;   // histories are read from their newest event back: "later" is then what came earlier
  int32_t keep;    // longest row: the heaviest entries stay; 0: all
  int64_t memory;  // bytes to collect pairs in; when they need more, the data are read several times
} pair_config;

typedef struct pair_counts {
  int32_t items;
  int64_t *offsets; // [items + 1] row a is entries offsets[a] .. offsets[a + 1]
  int32_t *others;  // [offsets[items]] items, each once a row, in no particular order
  float *weights;   // [offsets[items]]
  double *totals;   // [items] sum of row a before any entry was cut off
  int64_t passes;   // times that the data were read
} pair_counts;

status pair_counts_build(pair_counts **out, dataset *d, const pair_config *c);
void pair_counts_free(pair_counts *t); // NULL is safe

#endif
