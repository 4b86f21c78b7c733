// Random users out of those that have targets.
#ifndef SOUK_DATA_USER_SUBSET_H
#define SOUK_DATA_USER_SUBSET_H

#include "data/dataset.h"

// Users are sequences here. Each has a draw of the substream (seed, stream, sequence), and those with the smallest draws are
// chosen: a uniform sample without replacement that needs no state. The n users of a smaller sample are among those of a
// larger one.
typedef struct user_subset {
  bool test;     // users with targets in the test part; false: in the validation part
  int64_t users; // at most so many; 0: all
  uint64_t seed;
  uint32_t stream;
  const int64_t *among; // [n_among] sequences that may be chosen; NULL: any
  int64_t n_among;
} user_subset;

// *sequences [*n]: ascending; new.
status user_subset_choose(const user_subset *s, const dataset *d, int64_t **sequences, int64_t *n);

// Memory that choosing takes for a while, with so many users who have targets.
double user_subset_bytes(double users);

#endif
