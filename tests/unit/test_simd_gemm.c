// simd's gemm and the softmax of attention: right against plain loops in double, nothing written outside, and a row has the
// same bits alone and in company.
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "lib/check.h"
#include "simd/simd.h"

static const char *const names[] = {"c", "avx2"};

static float *random_floats(size_t n, uint32_t stream) {
  float *x = malloc((n + 1) * sizeof *x);
  assert_non_null(x);
  rng r = rng_at(4, stream, 0, 0);
  for (size_t i = 0; i < n; i++) x[i] = (float)(rng_unit(&r) * 2.0 - 1.0);
  return x;
}

// How a product is asked for: A transposed, B packed, C added to, with a bias.
typedef struct form {
  bool transposed, packed, add, bias;
} form;

// A [m,k], B [k,n] and C [m,n] with gaps of 3 after their rows; gaps of C must stay as they were.
static void check_gemm(const simd_table *t, size_t m, size_t n, size_t k, form f) {
  const size_t a_stride = (f.transposed ? m : k) + 3, ldb = n + 3, ldc = n + 3;
  float *a = random_floats((f.transposed ? k : m) * a_stride, 1), *b = random_floats(k * ldb, 2);
  float *bias = random_floats(n, 3), *c = random_floats(m * ldc, 4), *was = random_floats(m * ldc, 4);
  float *packed = malloc((gemm_packed_size(n, k) + 1) * sizeof *packed), *alone = malloc(ldc * sizeof *alone);
  assert_true(packed != NULL && alone != NULL);
  gemm_pack_rows(b, ldb, n, k, packed);
  simd_gemm g = {.m = m,
                 .n = n,
                 .k = k,
                 .a = a,
                 .a_row = f.transposed ? 1 : a_stride,
                 .a_step = f.transposed ? a_stride : 1,
                 .b = f.packed ? packed : b,
                 .packed = f.packed,
                 .b_row = ldb,
                 .bias = f.bias ? bias : NULL,
                 .add = f.add,
                 .c = c,
                 .c_row = ldc};
  t->gemm(&g);
  for (size_t i = 0; i < m; i++) {
    for (size_t j = 0; j < n; j++) {
      double sum = f.add ? was[i * ldc + j] : f.bias ? bias[j] : 0.0;
      for (size_t p = 0; p < k; p++) sum += (double)a[i * g.a_row + p * g.a_step] * b[p * ldb + j];
      if (!(fabs(c[i * ldc + j] - sum) <= 2e-6 * sqrt((double)k + 1.0)))
        fail_msg("%s %zu x %zu x %zu: c[%zu][%zu] is %g, not %g", t->name, m, n, k, i, j,
                 (double)c[i * ldc + j], sum);
    }
    assert_memory_equal(c + i * ldc + n, was + i * ldc + n, (ldc - n) * sizeof *c);
    memcpy(alone, was + i * ldc, ldc * sizeof *alone);
    simd_gemm one = g;
    one.m = 1;
    one.a = a + i * g.a_row;
    one.c = alone;
    t->gemm(&one);
    assert_memory_equal(alone, c + i * ldc, ldc * sizeof *alone);
  }
  void *const all[] = {a, b, bias, c, was, packed, alone};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static void test_gemm(void **state) {
  (void)state;
  static const size_t ms[] = {1, 2, 5, 6, 7, 13, 64}, ns[] = {1, 15, 16, 17, 64, 85},
                      ks[] = {0, 1, 5, 65, 256, 257};
  for (size_t t = 0; t < 2; t++) {
    const simd_table *table = simd_named(names[t]);
    if (table == NULL) continue;
    for (size_t i = 0; i < sizeof ms / sizeof *ms; i++)
      for (size_t j = 0; j < sizeof ns / sizeof *ns; j++)
        for (size_t p = 0; p < sizeof ks / sizeof *ks; p++)
          for (int how = 0; how < 12; how++)
            check_gemm(table, ms[i], ns[j], ks[p], (form){how & 1, how & 2, how / 4 == 1, how / 4 == 2});
  }
}

// ---- softmax -------------------------------------------------------------------------------------------------

enum { MOST = 112 };
static const float SCALE = 0.25f;

static void check_row(const simd_table *t, const float *scores, size_t n, float *p, double *lse) {
  double best = -INFINITY, sum = 0;
  float row[MOST + 1];
  for (size_t j = 0; j <= MOST; j++) row[j] = j < n ? scores[j] : 777.0f;
  for (size_t j = 0; j < n; j++) best = fmax(best, (double)(scores[j] * SCALE));
  for (size_t j = 0; j < n; j++) sum += exp((double)scores[j] * SCALE - best);
  *lse = best + log(sum);
  assert_true(fabs((double)t->softmax_row(row, SCALE, n) - *lse) <= 2e-6 * (1 + fabs(*lse)));
  const size_t room = (n + 15) / 16 * 16;
  for (size_t j = 0; j < n; j++) {
    const double want = exp((double)scores[j] * SCALE - *lse);
    if (!(fabs((double)row[j] - want) <= 2e-6 * want + 1e-30))
      fail_msg("%s, n = %zu: %g, not %g", t->name, n, (double)row[j], want);
  }
  for (size_t j = n; j < room; j++) assert_memory_equal(&row[j], &(float){0}, sizeof *row);
  assert_true(row[room] > 776.0f || room == MOST);
  memcpy(p, row, n * sizeof *p);
}

static void check_back(const simd_table *t, const float *scores, const uint8_t *bytes, double lse, size_t n) {
  enum { THRESHOLD = 64 };
  const float factor = dropout_scale(THRESHOLD), delta = 0.3f;
  float s[MOST + 1], d[MOST + 1], *dp = random_floats(MOST, 9);
  const size_t room = (n + 15) / 16 * 16;
  for (size_t j = 0; j <= MOST; j++) {
    s[j] = j < n ? scores[j] : 777.0f;
    d[j] = j < n ? dp[j] : 777.0f;
  }
  t->softmax_row_back(s, d, bytes, THRESHOLD, factor, SCALE, (float)lse, delta, n);
  for (size_t j = 0; j < n; j++) {
    const double p = exp((double)scores[j] * SCALE - (double)(float)lse);
    const double keep = bytes == NULL ? 1 : bytes[j] < THRESHOLD ? 0 : (double)factor;
    const double slope = SCALE * p * ((double)dp[j] * keep - (double)delta);
    if (!(fabs((double)s[j] - p * keep) <= 3e-6 * p + 1e-30) ||
        !(fabs((double)d[j] - slope) <= 3e-6 * p + 1e-30))
      fail_msg("%s, n = %zu: %g and %g, not %g and %g", t->name, n, (double)s[j], (double)d[j], p * keep,
               slope);
  }
  for (size_t j = n; j < room; j++) {
    assert_memory_equal(&s[j], &(float){0}, sizeof *s);
    assert_memory_equal(&d[j], &(float){0}, sizeof *d);
  }
  if (room < MOST) assert_true(s[room] > 776.0f && d[room] > 776.0f);
  free(dp);
}

static void test_softmax(void **state) {
  (void)state;
  static const double spreads[] = {1, 30, 900};
  for (size_t t = 0; t < 2; t++) {
    const simd_table *table = simd_named(names[t]);
    if (table == NULL) continue;
    for (size_t n = 1; n <= MOST; n++)
      for (size_t k = 0; k < 3; k++) {
        float *scores = random_floats(n, 7), p[MOST];
        uint8_t bytes[MOST];
        double lse;
        rng r = rng_at(5, 1, 0, 0);
        for (size_t j = 0; j < MOST; j++) bytes[j] = (uint8_t)rng_below(&r, 256);
        for (size_t j = 0; j < n; j++) scores[j] = (float)(scores[j] * spreads[k]);
        check_row(table, scores, n, p, &lse);
        check_back(table, scores, NULL, lse, n);
        check_back(table, scores, bytes, lse, n);
        free(scores);
      }
    float broken[16] = {1, NAN, 2};
    assert_true(isnan(table->softmax_row(broken, SCALE, 3)) && isnan(broken[0]));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_gemm), cmocka_unit_test(test_softmax)};
  return cmocka_run_group_tests_name("simd_gemm", tests, NULL, NULL);
}
