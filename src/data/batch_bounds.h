// How large the batches of a data set become: the capacities of their buffers, and of the grids of a captured step.
//
// A batch is a run of examples in random order whose rows fit the token budget T. Its sequences, its items of attention
// work and its masked rows are sums over these examples, and stay close to T times their mean share of a row, so
// that is what there should be room for, and not for the worst that could be drawn (T / 3 sequences where the
// shortest history has 3 rows; every row masked).
//
// Let an example have l rows and add w. For any theta > 0, with psi such that the mean of exp(theta w - psi l) over the
// examples is 1, sums over a random run satisfy (Chernoff; for drawing without replacement by Hoeffding: Probability
// inequalities for sums of bounded random variables, 1963, theorem 4)
//   P(sum of w >= m and sum of l <= T) <= exp(-theta m + psi T),
// so m = (50 + psi T) / theta is reached by one batch in e^50 = 5e21 of a given number of examples; that it may be any
// number costs a factor of T at most. theta is chosen such that m is smallest. Masks that are drawn enter by the
// mean of exp(theta w) over them (masking.h). What no batch can exceed bounds m too.
//
// A small data set is one group of blocks, whose examples are drawn from together. Of a larger one m is the larger of what
// all examples and what the block with the largest share of a row give (of an example, where the number of sequences is
// what limits a batch). For groups that differ from both that is not quite a proof, and it need not be one. No batch can
// pass its capacities, since every call that adds to it refuses (batch.h): the batcher ends a batch where sequences or work
// would not fit, and masks no more rows than there is room for (batcher.h). Both follow from seed, epoch and index alone,
// as capacities follow from the data and the configuration.
#ifndef SOUK_DATA_BATCH_BOUNDS_H
#define SOUK_DATA_BATCH_BOUNDS_H

#include <stddef.h>
#include "data/batch.h"
#include "data/dataset.h"
#include "data/masking.h"

typedef struct example_kind { // examples that are alike
  double count;               // expected in an epoch
  int32_t rows;               // of a batch, each
  int32_t maskable;           // items that are masked as `masking` says, at least one of them
  int32_t masked;             // rows that are masked for certain, where maskable is 0
} example_kind;

typedef enum counted { COUNT_SEQS, COUNT_WORK, COUNT_MASKED, COUNTS } counted;
enum { ALL_BLOCKS = 2 * COUNTS, BOUND_SETS };

typedef struct batch_bounds {
  masking masking;
  // Of the blocks with most for each row and for each example, and of all blocks.
  struct {
    double share;
    example_kind *kinds;
    size_t n, cap;
  } sets[BOUND_SETS];
  double total[COUNTS], rows; // of all examples that an epoch can have
  double *moments;            // for the kinds of a block
  size_t moments_cap;
} batch_bounds;

// The examples of all blocks; and, where a batch is not drawn from all of them together, those of each block.
status bounds_set_all(batch_bounds *b, const example_kind *kinds, size_t n);
status bounds_add_block(batch_bounds *b, const example_kind *kinds, size_t n);
// The most examples that an epoch can have, of all blocks.
void bounds_add_total(batch_bounds *b, const example_kind *kinds, size_t n);
void bounds_free(batch_bounds *b); // safe on a zeroed one

// Capacities of batches of at most `tokens` rows and `seqs` sequences, with room for at least one example of `longest`
// rows. Negatives are left to the caller.
batch_caps bounds_caps(batch_bounds *b, int64_t tokens, int64_t seqs, int32_t longest);

// Capacities of batches of queries: a history of every sequence of d (whose train part stands for it) and [MASK]. Who
// adds queries until one does not fit needs no more; where short histories follow each other it is sooner.
status bounds_of_queries(batch_caps *out, const dataset *d, const seq_layout *layout, int64_t tokens,
                         int64_t seqs);

#endif
