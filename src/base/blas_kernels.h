// Which of OpenBLAS's kernels to ask for.
#ifndef SOUK_BASE_BLAS_KERNELS_H
#define SOUK_BASE_BLAS_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

// What OPENBLAS_CORETYPE should be on this machine where the user has not set it; NULL: OpenBLAS knows better. May be
// called while the program is loaded.
char *blas_kernels(void);
// The same from what cpuid tells: EAX of leaf 1, and what there is.
char *blas_kernels_of(bool intel, uint32_t signature, bool avx2, bool avx512);

#endif
