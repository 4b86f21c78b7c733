// Buckets of numbers that hold about equally many each: prices, ratings, columns of users.
#ifndef SOUK_PREPARE_QUANTILE_BUCKETS_H
#define SOUK_PREPARE_QUANTILE_BUCKETS_H

#include <stddef.h>
#include <stdint.h>

enum { MAX_BUCKETS = 1000 };

// Bucket k, from 1, holds what is below edges[k - 1] (the last one all the rest) and not below edges[k - 2]. Full of zeros: none.
typedef struct quantile_buckets {
  double edges[MAX_BUCKETS];
  int32_t n;
} quantile_buckets;

// Edges at equal shares of values[n], which are sorted; equal edges become one, so there may be fewer buckets than `wanted`.
void quantile_buckets_make(quantile_buckets *q, double *values, size_t n, int64_t wanted);
// From 1; 0: there are no buckets, or the value is not known (NaN).
int32_t quantile_bucket(const quantile_buckets *q, double value);

#endif
