// Which items of an example are masked at random for masked-LM training.
//
// The n items of an example that may be masked are cut into spans of geometric length, with the mean `spans`; the example's end
// cuts the last one off. Each span is masked as a whole with probability p, or not at all. A mean of 1 is BERT's choice, every
// item by itself. SpanBERT (Joshi et al., 2020, arXiv 1907.10529) draws spans until 15% are masked; here p holds for each item,
// and the number that is masked is left to chance, as it is for single items.
//
// With popularity e the rate depends on how often an item is in the training data:
//   r_i = min(1, c max(count_i, 1/2)^e), with c such that the mean of r_1 .. r_n is p.
// e > 0 masks frequent items more often, e < 0 rare ones, and the expected share of every example stays p. A span of k items
// is masked with the mean of their rates.
#ifndef SOUK_DATA_MASKING_H
#define SOUK_DATA_MASKING_H

#include <stdbool.h>
#include <stdint.h>
#include "base/philox.h"

typedef struct masking {
  double probability; // p, in [0, 1]
  double spans;       // mean length of a span in items, at least 1
  double popularity;  // e; 0: all items alike
} masking;

// Of an example's items, one after the other.
typedef struct mask_walk {
  masking how;
  const double *rates; // [items], NULL where all items are alike
  int32_t items, next; // how many, and the one that comes
  int32_t left;        // items of the current span that come
  bool masked;         // is the current span?
} mask_walk;

// r of n items: counts[n] becomes the rates. p in [0, 1].
void masking_rates(double *counts, int32_t n, double p, double popularity);
// rates: of the items as masking_rates made them, and read until the walk is over; NULL: each is masked with p.
mask_walk masking_walk(const masking *how, const double *rates, int32_t items);
// Is the next item masked? Draws one number where a span begins, and before it one for the length if spans are longer than 1.
bool masking_next(mask_walk *w, rng *r);

// Of the number W of items that are masked of n: the log of a bound on the mean of exp(theta W), theta > 0, which is that mean
// except where popularity counts; and the log of a bound on the probability that W = 0, likewise.
double masking_log_moment(const masking *how, int32_t n, double theta);
double masking_log_none(const masking *how, int32_t n);

#endif
