// OpenBLAS chooses its kernels by the processor's model number, and on a model of Intel's that is younger than itself it
// takes those of 2004: Debian 12's (0.3.21) makes 32 GFLOP/s on a core of an Emerald Rapids (2023) that can do 143. It
// chooses while the program is loaded, and asks the environment first, so a younger model is answered for there (threads.c
// has the getenv) by what it can do. Models up to Sapphire Rapids (0x8f) are known to every OpenBLAS in use; on younger
// ones versions that do know them choose kernels for fp32 that are as fast as these two.
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
  __builtin_cpu_init(); // constructors of libraries run before the one that does this
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
