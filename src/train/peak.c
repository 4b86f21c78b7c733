// The peak that reported shares refer to: how many fp32 multiply-adds the cores of this process can do.
//
// What limits every product is how many fused multiply-adds a core can start, so that is what is measured: loops over
// registers alone, for each kind of vector that the processor has, with more independent sums than a core has multiply-adds
// under way (4 or 5 cycles long, 2 a cycle, so 8 to 10; here are 12). No product is faster. A square product by BLAS, which
// used to be the peak, is slow itself where BLAS does not know the processor or other jobs run beside it.
//
// A thread's rate is over its own processor time, which stands still while another job has the core, and the best of several
// tries counts: one that was disturbed, or came before the clock had risen, is only slower. All threads run at once, because
// a core's clock may fall when its neighbours work. Two hyperthreads share the units of a core. While both run each has half,
// but where other jobs keep them apart each looks like a core: so the sum is at most the best thread's rate times the cores.
#include "train/peak.h"

#include <math.h>
#include <omp.h>
#include <time.h>
#include "base/threads.h"
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

enum { SUMS = 12, ROUNDS = 1 << 20, TRIES = 6 }; // about 2 ms a try

// ---- loops over registers -------------------------------------------------------------------------------------

// Four floats in plain C, which compilers turn into the vectors that every processor of this kind has.
typedef float four __attribute__((vector_size(16)));
#define LOOP loop_c
#define INSTRUCTIONS
#define VECTOR four
#define ALL(a) ((four){a, a, a, a})
#if defined(__aarch64__)
#define MULTIPLY_ADD(s, x, y) ((four)vfmaq_f32((float32x4_t)(y), (float32x4_t)(s), (float32x4_t)(x)))
#else
#define MULTIPLY_ADD(s, x, y) ((s) * (x) + (y))
#endif
#include "train/peak_loop.h"

#if defined(__x86_64__)
#define LOOP         loop_avx2
#define INSTRUCTIONS __attribute__((target("avx2,fma")))
#define VECTOR       __m256
#define ALL          _mm256_set1_ps
#define MULTIPLY_ADD _mm256_fmadd_ps
#include "train/peak_loop.h"

#define LOOP         loop_avx512
#define INSTRUCTIONS __attribute__((target("avx512f")))
#define VECTOR       __m512
#define ALL          _mm512_set1_ps
#define MULTIPLY_ADD _mm512_fmadd_ps
#include "train/peak_loop.h"
#endif

typedef struct variant {
  float (*loop)(int32_t rounds);
  int32_t width; // floats of a vector
} variant;

enum { VARIANTS = 3 };

static int32_t find_variants(variant v[VARIANTS]) {
  int32_t n = 0;
  v[n++] = (variant){loop_c, 4};
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) v[n++] = (variant){loop_avx2, 8};
  if (__builtin_cpu_supports("avx512f")) v[n++] = (variant){loop_avx512, 16};
#endif
  return n;
}

// ---- rates ----------------------------------------------------------------------------------------------------

static double thread_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// FLOP/s of the calling thread while it has a core; a multiply-add counts as two.
static double thread_rate(const variant *v) {
  const double start = thread_seconds();
  const float result = v->loop(ROUNDS);
  const double seconds = thread_seconds() - start;
  __asm__ volatile("" : : "m"(result)); // a use of it, or the loop need not run
  return seconds > 0 ? 2.0 * SUMS * ROUNDS * v->width / seconds : 0;
}

double measure_peak(int32_t threads) {
  variant variants[VARIANTS];
  const int32_t n_variants = find_variants(variants), processors = processors_usable();
  const int32_t wanted = threads_or_all(threads), n = wanted < processors ? wanted : processors;
  const int32_t cores = n < cores_usable() ? n : cores_usable();
  double most = 0, most_thread = 0; // of all threads together, of one
  for (int32_t i = 0; i < n_variants * TRIES; i++) {
    double all = 0, one = 0;
#pragma omp parallel num_threads(n) reduction(+ : all) reduction(max : one)
    {
      one = thread_rate(&variants[i % n_variants]);
      all = one;
    }
    most = fmax(most, all);
    most_thread = fmax(most_thread, one);
  }
  return fmin(most, most_thread * cores);
}
