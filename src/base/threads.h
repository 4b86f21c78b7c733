// How many threads OpenMP's parallel regions have, and how they wait for each other.
#ifndef SOUK_BASE_THREADS_H
#define SOUK_BASE_THREADS_H

#include <stdint.h>

// Processors that this process may use, at least 1: those of its affinity mask, or fewer where the processor time of its
// control groups (v1 or v2) is limited to less; half a processor counts as one.
int32_t processors_usable(void);
// The same with the files of the control groups under root ("" for the machine's).
int32_t processors_allowed(const char *root, int32_t processors);

// For commands, once options are read: that many threads, or with 0 as many as OMP_NUM_THREADS says, or else one for each
// usable processor. Warns when threads outnumber processors.
void threads_use(int64_t wanted);
// wanted, or with 0 what threads_use has set.
int32_t threads_or_all(int64_t wanted);

#endif
