// Processors of this process.
#ifndef SOUK_FORMAT_PROCESSORS_H
#define SOUK_FORMAT_PROCESSORS_H

#include <stdint.h>

// How many its affinity mask has; 0: nobody knows.
int32_t processors_in_mask(void);
// What `threads` of include/souk/infer.h means: at least 1; a negative one is a thread for each processor.
int32_t threads_wanted(int32_t threads);

#endif
