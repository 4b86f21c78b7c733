// OpenBLAS chooses its kernels by the processor's model number. For an Intel model that is newer than the library it
// falls back to kernels of 2004: Debian 12's (0.3.21) reaches 32 GFLOP/s on a core of an Emerald Rapids (2023) that
// can do 143. It chooses while the program is loaded, and looks at OPENBLAS_CORETYPE first, so for newer models we
// answer that getenv (in threads.c) by what the processor can do. Every OpenBLAS in use knows the models up to
// Sapphire Rapids (0x8f). Versions that know the newer ones choose kernels that are as fast in fp32 as the two chosen
// here.
#include "base/blas_kernels.h"

#include <stddef.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

enum { LAST_KNOWN = 0x8f };

char *blas_kernels_of(bool intel, uint32_t signature, bool avx2, bool avx512) {
  static char for_avx512[] = "SkylakeX", for_avx2[] = "Haswell";
  const uint32_t base = signature >> 8 & 15, model = (signature >> 4 & 15) | (signature >> 12 & 0xf0);
  const uint32_t family = base == 15 ? base + (signature >> 20 & 0xff) : base;
  const bool young = (family == 6 && model > LAST_KNOWN) || family > 15; // family 15: Pentium 4
  if (!intel || !young) return NULL;
  return avx512 ? for_avx512 : avx2 ? for_avx2 : NULL;
}

#if defined(__x86_64__)
char *blas_kernels(void) {
  unsigned signature, ebx, ecx, edx;
  __builtin_cpu_init(); // the constructors of libraries run before libgcc's, which calls this
  if (__get_cpuid(1, &signature, &ebx, &ecx, &edx) == 0) return NULL;
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  return blas_kernels_of(__builtin_cpu_is("intel"), signature, avx2, avx512);
}
#else
char *blas_kernels(void) {
  return NULL;
}
#endif
