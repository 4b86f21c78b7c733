// The k best of many scored items, for ranked lists.
#ifndef SOUK_INFER_TOP_K_H
#define SOUK_INFER_TOP_K_H

#include <stdint.h>

typedef struct ranked {
  float score;
  int32_t item;
} ranked;

// A heap with the worst kept score at the root. Of equal scores the item with the lower number is the better.
typedef struct top_k {
  ranked *at; // [n] of room for k
  int32_t n, k;
  float threshold;    // a score has to be above it to be kept, if items come in ascending order
  int32_t overflowed; // an item whose score is not finite; -1: none. For the caller, who sees the scores
} top_k;

top_k top_k_in(ranked *room, int32_t k); // room [k], the caller's
void top_k_keep(top_k *t, ranked x);     // if it is among the k best so far
void top_k_sort(top_k *t);               // best first, in place; afterwards nothing more may be kept

#endif
