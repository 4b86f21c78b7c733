// The peak that reported shares refer to.
#ifndef SOUK_TRAIN_PEAK_H
#define SOUK_TRAIN_PEAK_H

#include <stdint.h>

// Largest fp32 multiply-add rate of this machine in FLOP/s, by a short matmul (CPU).
double measure_peak(int32_t threads);
double measure_peak_bytes(int32_t threads); // of memory, meanwhile

#endif
