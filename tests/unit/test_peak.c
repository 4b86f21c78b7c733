// The peak: no product of BLAS is faster, and it follows the processors that the process may use.
#include <cblas.h>
#include <omp.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include "base/threads.h"
#include "lib/check.h"
#include "train/peak.h"

// What a sanitizer or -O0 makes of the loops is not the processor's limit.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
enum { TRUE_SPEED = 0 };
#else
enum { TRUE_SPEED = 1 };
#endif

static double seconds_of(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// The best rate of a square product on one thread, over its processor time.
static double blas_rate(void) {
  enum { N = 512, TRIES = 8 };
  static float a[N * N], b[N * N], c[N * N];
  for (int i = 0; i < N * N; i++) a[i] = b[i] = (float)(i % 7) * 0.25f;
  double best = 1e30;
  openblas_set_num_threads(1);
  for (int i = 0; i < TRIES; i++) {
    const double start = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, N, N, N, 1.0f, a, N, b, N, 0.0f, c, N);
    const double seconds = seconds_of(CLOCK_THREAD_CPUTIME_ID) - start;
    if (seconds < best) best = seconds;
  }
  return 2.0 * N * N * N / best;
}

// 3%: the clock may have been higher for one than for the other. Below a quarter the loops would not be what BLAS does.
static void test_no_product_is_faster(void **unused) {
  (void)unused;
  if (!TRUE_SPEED) skip();
  double share = 0;
  for (int i = 0; i < 3 && !(share > 0.25 && share <= 1.03); i++) share = blas_rate() / measure_peak(1);
  if (!(share > 0.25 && share <= 1.03)) fail_msg("BLAS reaches %.0f%% of the peak", 100 * share);
}

// More threads than processors are no more than the processors: on one processor, two threads have the peak of one. This is not
// compared with two processors, which may be two halves of one core even where a virtual machine calls them cores.
static void test_pinned(void **unused) {
  (void)unused;
  cpu_set_t before, one;
  assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
  if (!TRUE_SPEED) skip();
  CPU_ZERO(&one);
  for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
    if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
  double ratio = 0;
  assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
  for (int i = 0; i < 5 && !(ratio > 0.85 && ratio < 1.15); i++) ratio = measure_peak(2) / measure_peak(1);
  assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
  if (!(ratio > 0.85 && ratio < 1.15))
    fail_msg("on one processor two threads have %.2f times the peak of one", ratio);
}

// Two processors have twice the peak of one, or as much as one where they are halves of a core that the machine does not tell of.
static void test_two_are_one_or_twice(void **unused) {
  (void)unused;
  if (!TRUE_SPEED || cores_usable() < 2) skip();
  double ratio = 0;
  for (int i = 0; i < 5 && !(ratio > 0.85 && ratio < 2.3); i++) ratio = measure_peak(2) / measure_peak(1);
  if (!(ratio > 0.85 && ratio < 2.3)) fail_msg("two threads have %.2f times the peak of one", ratio);
}

static void test_start_up(void **unused) {
  (void)unused;
  if (!TRUE_SPEED) skip();
  double least = 1e30;
  for (int i = 0; i < 3; i++) {
    const double start = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    assert_true(measure_peak(1) > 0);
    const double seconds = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - start;
    if (seconds < least) least = seconds;
  }
  if (least > 0.1) fail_msg("measuring the peak takes %.0f ms of a processor", 1000 * least);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_no_product_is_faster),
      cmocka_unit_test(test_pinned),
      cmocka_unit_test(test_two_are_one_or_twice),
      cmocka_unit_test(test_start_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
