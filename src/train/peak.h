// The peak that reported shares of peak refer to.
#ifndef SOUK_TRAIN_PEAK_H
#define SOUK_TRAIN_PEAK_H

#include <stdint.h>

// The largest fp32 multiply-add rate in FLOP/s (a multiply-add is two) of `threads` threads (0: as threads_use has set) on the
// cores that this process may use: more threads than processors count as the processors. Takes about 0.03 s of each processor
// and no memory; other jobs on the machine hardly change it.
double measure_peak(int32_t threads);

#endif
