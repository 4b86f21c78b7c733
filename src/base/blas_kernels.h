// Which of OpenBLAS's kernels to ask for.
#ifndef SOUK_BASE_BLAS_KERNELS_H
#define SOUK_BASE_BLAS_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

// The value of OPENBLAS_CORETYPE for this machine if the user has not set it; NULL: OpenBLAS chooses well by itself.
// May be called while the program is loaded.
char *blas_kernels(void);
// The same from cpuid's answers: EAX of leaf 1, and which instruction sets there are.
char *blas_kernels_of(bool intel, uint32_t signature, bool avx2, bool avx512);

#endif
