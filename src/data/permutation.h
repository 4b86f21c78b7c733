// The i-th number of a random order of 0 .. n - 1, without a list of them.
//
// A Feistel network of four rounds over numbers of an even count of bits, whose round function is Philox (Luby and Rackoff, 1988),
// is a permutation of them; one that lies at n or beyond is put through it again until it does not (cycle walking: Black and
// Rogaway, 2002), fewer than four times in the mean.
#ifndef SOUK_DATA_PERMUTATION_H
#define SOUK_DATA_PERMUTATION_H

#include <stdint.h>
#include "base/philox.h"

// (key_a, key_b) names the order, as seed and stream do. 0 <= i < n, n < 2^62.
static inline int64_t permuted(uint64_t seed, uint32_t stream, uint32_t key_a, uint32_t key_b, int64_t i,
                               int64_t n) {
  int half = 1;
  while (n > (int64_t)1 << 2 * half) half++;
  const uint32_t mask = half < 32 ? (1u << half) - 1 : 0xFFFFFFFFu;
  do {
    uint32_t left = (uint32_t)((uint64_t)i >> half) & mask, right = (uint32_t)i & mask;
    for (uint32_t round = 0; round < 4; round++) {
      const uint32_t mixed = left ^ (philox4x32(seed, stream, right, round, key_a, key_b).v[0] & mask);
      left = right;
      right = mixed;
    }
    i = (int64_t)((uint64_t)left << half | right);
  } while (i >= n);
  return i;
}

#endif
