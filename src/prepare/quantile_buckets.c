// Buckets by quantile; see quantile_buckets.h.
#include "prepare/quantile_buckets.h"

#include <math.h>
#include <stdlib.h>
#include "format/order.h"

void quantile_buckets_make(quantile_buckets *q, double *values, size_t n, int64_t wanted) {
  q->n = 0;
  if (n == 0 || wanted < 1) return;
  qsort(values, n, sizeof *values, order_double);
  q->n = 1;
  for (int64_t k = 1; k < wanted; k++) {
    const double edge = values[n * (size_t)k / (size_t)wanted];
    if (edge > (q->n > 1 ? q->edges[q->n - 2] : values[0])) q->edges[q->n++ - 1] = edge;
  }
}

int32_t quantile_bucket(const quantile_buckets *q, double value) {
  if (q->n == 0 || isnan(value)) return 0;
  int32_t k = 1;
  while (k < q->n && value >= q->edges[k - 1]) k++;
  return k;
}
