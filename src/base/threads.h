// How many threads OpenMP's parallel regions have, and how they wait for each other.
#ifndef SOUK_BASE_THREADS_H
#define SOUK_BASE_THREADS_H

#include <stdbool.h>
#include <stdint.h>

// Processors that this process may use, at least 1: those of its affinity mask, or fewer where the processor time of its
// control groups (v1 or v2) is limited to less; half a processor counts as one.
int32_t processors_usable(void);
// The same, reading the files of the control groups under `root` ("": the machine's own); for tests.
int32_t processors_allowed(const char *root, int32_t processors);

// Cores among the processors that this process may use: hyperthreads of one core count once. At least 1, and no more than
// processors_usable(); as many where the kernel does not tell.
int32_t cores_usable(void);
// Cores among the first n processors of a machine, of which may[i] says whether processor i counts, by the files under `root`
// ("": the machine's own).
int32_t cores_among(const char *root, const bool *may, int32_t n);

// For commands, after their options are read: sets the number of threads. 0 means OMP_NUM_THREADS if it is set, else
// one for each usable processor. Warns if there are more threads than processors.
void threads_use(int64_t wanted);
// The number of threads to use: `wanted`, or for 0 what threads_use has set.
int32_t threads_or_all(int64_t wanted);

#endif
