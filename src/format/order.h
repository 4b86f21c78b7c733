// Numbers in ascending order: comparisons for qsort and bsearch, and the place of a value.
#ifndef SOUK_FORMAT_ORDER_H
#define SOUK_FORMAT_ORDER_H

#include <stdint.h>

#define ORDER_OF(name, type)                               \
  static inline int name(const void *a, const void *b) {   \
    const type x = *(const type *)a, y = *(const type *)b; \
    return (x > y) - (x < y);                              \
  }
ORDER_OF(order_int32, int32_t)
ORDER_OF(order_int64, int64_t)
ORDER_OF(order_uint64, uint64_t)
ORDER_OF(order_float, float)
ORDER_OF(order_double, double)
#undef ORDER_OF

// The first place in [from, to) of a list that ascends there whose number is at least `value`; `to` if there is none.
#define PLACE_OF(name, type)                                                           \
  static inline int64_t name(const type *list, int64_t from, int64_t to, type value) { \
    int64_t low = from, high = to;                                                     \
    while (low < high) {                                                               \
      const int64_t middle = low + (high - low) / 2;                                   \
      if (list[middle] < value)                                                        \
        low = middle + 1;                                                              \
      else                                                                             \
        high = middle;                                                                 \
    }                                                                                  \
    return low;                                                                        \
  }
PLACE_OF(order_place, int32_t)
PLACE_OF(order_place_int64, int64_t)
#undef PLACE_OF

#endif
