// The products of src/simd that inference rests on: right, and the same bits for a row alone and in company.
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "lib/check.h"
#include "simd/simd.h"

static float *random_floats(size_t n, uint32_t stream) {
  float *x = malloc((n + 1) * sizeof *x);
  assert_non_null(x);
  rng r = rng_at(3, stream, 0, 0);
  for (size_t i = 0; i < n; i++) x[i] = (float)(rng_unit(&r) * 2.0 - 1.0);
  return x;
}

// c [m,n] with row stride n + 3, whose gaps must stay as they were.
static void check_product(const simd_table *t, size_t m, size_t n, size_t k, bool with_bias, bool rows) {
  const size_t lda = k + 2, ldc = n + 3;
  float *a = random_floats(m * lda, 1), *b = random_floats(n * k, 2), *bias = random_floats(n, 3);
  float *bt = malloc((n * k + 1) * sizeof *bt), *c = malloc(m * ldc * sizeof *c);
  float *packed = malloc((gemm_packed_size(n, k) + 1) * sizeof *packed);
  assert_true(bt != NULL && c != NULL && packed != NULL);
  for (size_t j = 0; j < n; j++)
    for (size_t p = 0; p < k; p++) bt[p * n + j] = b[j * k + p];
  for (size_t i = 0; i < m * ldc; i++) c[i] = 777.0f;
  if (rows)
    gemm_pack_rows(bt, n, n, k, packed);
  else
    gemm_pack(b, k, n, k, packed);
  t->gemm_packed(a, lda, packed, with_bias ? bias : NULL, c, ldc, m, n, k);
  for (size_t i = 0; i < m; i++) {
    for (size_t j = 0; j < ldc; j++) {
      double sum = j < n && with_bias ? bias[j] : 0.0;
      for (size_t p = 0; j < n && p < k; p++) sum += (double)a[i * lda + p] * b[j * k + p];
      if (j < n && fabs(c[i * ldc + j] - sum) > 2e-6 * sqrt((double)k + 1.0))
        fail_msg("%s %zu x %zu x %zu: c[%zu][%zu] is %g, not %g", t->name, m, n, k, i, j,
                 (double)c[i * ldc + j], sum);
      if (j >= n) assert_true(c[i * ldc + j] > 776.0f); // a gap
    }
  }
  float *alone = malloc((n + 1) * sizeof *alone);
  assert_non_null(alone);
  for (size_t i = 0; i < m; i++) {
    t->gemm_packed(a + i * lda, lda, packed, with_bias ? bias : NULL, alone, n, 1, n, k);
    assert_memory_equal(alone, c + i * ldc, n * sizeof *alone);
  }
  void *const all[] = {a, b, bias, bt, c, packed, alone};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static void products(void **state) {
  (void)state;
  static const char *const names[] = {"c", "avx2"};
  static const size_t ms[] = {1, 2, 3, 5, 6, 7, 13}, ns[] = {1, 15, 16, 17, 64, 85, 150},
                      ks[] = {0, 1, 5, 65, 256, 257, 600};
  for (size_t t = 0; t < 2; t++) {
    const simd_table *table = simd_named(names[t]);
    if (table == NULL) continue;
    for (size_t i = 0; i < sizeof ms / sizeof *ms; i++)
      for (size_t j = 0; j < sizeof ns / sizeof *ns; j++)
        for (size_t p = 0; p < sizeof ks / sizeof *ks; p++)
          check_product(table, ms[i], ns[j], ks[p], (i + j) % 2 == 0, (j + p) % 2 == 0);
  }
}

static void packing_pads_with_zeros(void **state) {
  (void)state;
  const float b[6] = {1, 2, 3, 4, 5, 6};
  float packed[2 * 16];
  assert_int_equal(gemm_packed_size(3, 2), 32);
  memset(packed, 0xff, sizeof packed);
  gemm_pack(b, 2, 3, 2, packed);
  for (size_t p = 0; p < 2; p++)
    for (size_t j = 0; j < 16; j++)
      assert_true(fabsf(packed[p * 16 + j] - (j < 3 ? b[j * 2 + p] : 0)) < 1e-9f);
  float rows[2 * 16];
  const float bt[6] = {1, 3, 5, 2, 4, 6};
  memset(rows, 0xff, sizeof rows);
  gemm_pack_rows(bt, 3, 3, 2, rows);
  assert_memory_equal(rows, packed, sizeof packed);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(products), cmocka_unit_test(packing_pads_with_zeros)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
