// Chooses the kernels once, and packs matrices for them.
#include "simd/simd.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "simd/simd_tables.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const simd_table *chosen;

const simd_table *simd_named(const char *name) {
  if (strcmp(name, "c") == 0) return &simd_table_c;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (strcmp(name, "avx2") == 0 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return &simd_table_avx2;
#endif
  return NULL;
}

static void choose(void) {
  const char *wanted = getenv("SOUK_SIMD");
  chosen = simd_named(wanted != NULL && wanted[0] != '\0' ? wanted : "avx2");
  if (chosen == NULL) chosen = &simd_table_c;
}

const simd_table *simd(void) {
  pthread_once(&once, choose);
  return chosen;
}

enum { PANEL_COLUMNS = 16 };

size_t gemm_packed_size(size_t n, size_t k) {
  return (n + PANEL_COLUMNS - 1) / PANEL_COLUMNS * PANEL_COLUMNS * k;
}

void gemm_pack(const float *b, size_t ldb, size_t n, size_t k, float *packed) {
  const simd_table *table = simd();
  for (size_t j0 = 0; j0 < n; j0 += PANEL_COLUMNS, packed += PANEL_COLUMNS * k) {
    if (n - j0 >= PANEL_COLUMNS) {
      table->pack_panel(b + j0 * ldb, ldb, k, packed);
      continue;
    }
    const size_t width = n - j0 < PANEL_COLUMNS ? n - j0 : PANEL_COLUMNS;
    const float *from = b + j0 * ldb;
    memset(packed, 0, PANEL_COLUMNS * k * sizeof *packed);
    // Copies one cache line of every column at a time, so that both reads and writes touch few lines.
    for (size_t p0 = 0; p0 < k; p0 += 16) {
      const size_t p1 = p0 + 16 < k ? p0 + 16 : k;
      for (size_t j = 0; j < width; j++)
        for (size_t p = p0; p < p1; p++) packed[p * PANEL_COLUMNS + j] = from[j * ldb + p];
    }
  }
}

void gemm_pack_rows(const float *bt, size_t ldb, size_t n, size_t k, float *packed) {
  for (size_t j0 = 0; j0 < n; j0 += PANEL_COLUMNS) {
    const size_t width = n - j0 < PANEL_COLUMNS ? n - j0 : PANEL_COLUMNS;
    const float *from = bt + j0;
    if (width == PANEL_COLUMNS) { // a copy of known size needs no call
      for (size_t p = 0; p < k; p++, packed += PANEL_COLUMNS, from += ldb)
        memcpy(packed, from, PANEL_COLUMNS * sizeof *packed);
      continue;
    }
    for (size_t p = 0; p < k; p++, packed += PANEL_COLUMNS, from += ldb) {
      memcpy(packed, from, width * sizeof *packed);
      memset(packed + width, 0, (PANEL_COLUMNS - width) * sizeof *packed);
    }
  }
}
