// Processors; see processors.h.
#include "format/processors.h"

#include <sched.h>

int32_t processors_in_mask(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

int32_t threads_wanted(int32_t threads) {
  const int32_t n = threads < 0 ? processors_in_mask() : threads;
  return n < 1 ? 1 : n;
}
