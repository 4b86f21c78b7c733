// The peak that reported shares refer to: the best rate of a square fp32 matmul with all threads, by BLAS alone.
#include <cblas.h>
#include <omp.h>
#include <stdlib.h>
#include "base/log.h"
#include "base/memory.h"
#include "base/threads.h"
#include "train/peak.h"

enum { N = 768, TRIES = 4 }; // N x N matrices, three a thread

double measure_peak_bytes(int32_t threads) {
  return threads_or_all(threads) * 3.0 * N * N * sizeof(float);
}

double measure_peak(int32_t threads) {
  const int32_t n = threads_or_all(threads);
  float *a;
  if (mem_new(&a, (size_t)n * 3 * N * N, sizeof *a, "the peak measurement") != OK) return 0;
  for (size_t i = 0; i < (size_t)n * 3 * N * N; i++) a[i] = (float)(i % 7) * 0.25f;
  double best = 1e30;
  openblas_set_num_threads(1);
  for (int i = 0; i < TRIES; i++) {
    const double start = now_seconds();
#pragma omp parallel num_threads(n)
    {
      float *x = a + (size_t)omp_get_thread_num() * 3 * N * N;
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, N, N, N, 1.0f, x, N, x + N * N, N, 0.0f,
                  x + 2 * N * N, N);
    }
    const double seconds = now_seconds() - start;
    if (seconds < best) best = seconds;
  }
  free(a);
  return 2.0 * N * N * N * n / best;
}
