// Every vector kernel of both tables against plain loops in double: lengths around the borders of vectors, every
// alignment, nothing written outside, the accuracy that simd.h states. (Its products are in test_infer_kernels.c.)
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "lib/check.h"
#include "simd/simd.h"

static const size_t lengths[] = {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 97, 100, 768, 1025};
enum { N_LENGTHS = sizeof lengths / sizeof *lengths, ROOM = 1100, MARGIN = 8 };
static const float MARK = 12345.0f;
static const double U = 0x1p-24;

// An array of floats that starts `shift` floats into its memory, with marks around it.
typedef struct vec {
  float memory[ROOM + 2 * MARGIN];
  float *x;
  size_t n;
} vec;

static rng draw;

static void fresh(vec *v, size_t n, size_t shift, double spread) {
  for (size_t i = 0; i < ROOM + 2 * MARGIN; i++) v->memory[i] = MARK;
  v->x = v->memory + MARGIN + shift;
  v->n = n;
  for (size_t i = 0; i < n; i++) v->x[i] = (float)(spread * rng_normal(&draw));
}

static void check_margins(const vec *v) {
  for (const float *p = v->memory; p < v->memory + ROOM + 2 * MARGIN; p++)
    if ((p < v->x || p >= v->x + v->n) && !(*p == MARK))
      fail_msg("an element outside of %zu was written", v->n);
}

#define near(got, wanted, tolerance)                                                  \
  do {                                                                                \
    const double got_ = (got), wanted_ = (wanted);                                    \
    if (!(fabs(got_ - wanted_) <= (tolerance)))                                       \
      fail_msg("%s, n = %zu: %s is %.9g, not %.9g", k->name, n, #got, got_, wanted_); \
  } while (0)

// Calls f for every table, length and alignment.
static void each(void (*f)(const simd_table *k, size_t n, size_t shift)) {
  static const char *const names[] = {"c", "avx2"};
  for (size_t t = 0; t < 2; t++) {
    const simd_table *k = simd_named(names[t]);
    if (k == NULL) {
      print_message("this machine has no %s\n", names[t]);
      continue;
    }
    assert_string_equal(k->name, names[t]);
    draw = rng_at(1, 2, 3, 4);
    for (size_t i = 0; i < N_LENGTHS; i++)
      for (size_t shift = 0; shift < 4; shift++) f(k, lengths[i], shift);
  }
}

static void reductions(const simd_table *k, size_t n, size_t shift) {
  static vec a, b;
  fresh(&a, n, shift, 1);
  fresh(&b, n, 3 - shift, 1);
  double dot = 0, size = 0, squares = 0, top = -INFINITY;
  for (size_t i = 0; i < n; i++) {
    dot += (double)a.x[i] * (double)b.x[i];
    size += fabs((double)a.x[i] * (double)b.x[i]);
    squares += (double)a.x[i] * (double)a.x[i];
    top = fmax(top, a.x[i]);
  }
  near(k->dot(a.x, b.x, n), dot, U * (double)(n + 2) * size);
  near(k->sum_squares(a.x, n), squares, 1e-13 * squares);
  if (n == 0)
    assert_true(isinf(k->max(a.x, n)) && k->max(a.x, n) < 0);
  else
    near(k->max(a.x, n), top, 0);
  for (size_t i = 0; i < n; i++) { // wherever it stands
    const float was = a.x[i];
    a.x[i] = 100;
    near(k->max(a.x, n), 100, 0);
    a.x[i] = was;
  }
  for (size_t i = 0; i < n; i++) { // what is not a number is no largest one, nor does it hide one
    const float was = a.x[i];
    a.x[i] = NAN;
    double others = -INFINITY;
    for (size_t j = 0; j < n; j++)
      if (j != i) others = fmax(others, a.x[j]);
    assert_true((double)k->max(a.x, n) >= others && (double)k->max(a.x, n) <= others);
    a.x[i] = was;
  }
  for (size_t i = 0; i < n; i++) a.x[i] = -INFINITY;
  assert_true(k->max(a.x, n) < 0 && isinf(k->max(a.x, n)));
}

// x *= a; y += x.
static void scaled_sum(const simd_table *k, const vec *x, const vec *y, size_t n) {
  static vec x_was, y_was;
  memcpy(&x_was, x, sizeof x_was);
  memcpy(&y_was, y, sizeof y_was);
  k->scale_add(0.3f, x->x, y->x, n);
  for (size_t i = 0; i < n; i++) {
    const float was = x_was.memory[x->x - x->memory + (ptrdiff_t)i],
                sum = y_was.memory[y->x - y->memory + (ptrdiff_t)i];
    near(x->x[i], 0.3f * was, 0);
    near(y->x[i], sum + (double)0.3f * was, 2 * U * (fabs((double)sum) + fabs((double)was)));
  }
}

static void updates(const simd_table *k, size_t n, size_t shift) {
  static vec a, b, c;
  fresh(&a, n, shift, 1);
  fresh(&b, n, 3 - shift, 1);
  memcpy(&c, &b, sizeof c);
  k->axpy(0.37f, a.x, b.x, n);
  for (size_t i = 0; i < n; i++) {
    const double was = c.memory[b.x - b.memory + (ptrdiff_t)i];
    near(b.x[i], was + (double)0.37f * (double)a.x[i], 2 * U * (fabs(was) + fabs((double)a.x[i])));
  }
  memcpy(&c, &b, sizeof c);
  k->add(a.x, b.x, n);
  for (size_t i = 0; i < n; i++) {
    const float was = c.memory[b.x - b.memory + (ptrdiff_t)i];
    near(b.x[i], was + a.x[i], 0);
  }
  memcpy(&c, &b, sizeof c);
  k->scale(-1.7f, b.x, n);
  for (size_t i = 0; i < n; i++) near(b.x[i], c.memory[b.x - b.memory + (ptrdiff_t)i] * -1.7f, 0);
  memcpy(&c, &b, sizeof c);
  const float most = k->add_max(a.x, b.x, n);
  float want = -INFINITY;
  for (size_t i = 0; i < n; i++) {
    near(b.x[i], c.memory[b.x - b.memory + (ptrdiff_t)i] + a.x[i], 0);
    want = fmaxf(want, b.x[i]);
  }
  assert_true(most >= want && most <= want);
  scaled_sum(k, &a, &b, n);
  k->add(a.x, a.x, n); // in place
  check_margins(&a);
  check_margins(&b);
}

static void rows_added(const simd_table *k, size_t n, size_t shift) {
  enum { ROWS = 5, GAP = 3 };
  static float x[ROWS * (ROOM + GAP)];
  static vec y, want;
  for (size_t i = 0; i < ROWS * (n + GAP); i++) x[i] = (float)rng_normal(&draw);
  fresh(&y, n, shift, 1);
  memcpy(&want, &y, sizeof want);
  want.x = want.memory + (y.x - y.memory);
  k->add_rows(x, n + GAP, ROWS, y.x, n);
  for (size_t i = 0; i < ROWS; i++) k->add(x + i * (n + GAP), want.x, n);
  assert_memory_equal(y.memory, want.memory, sizeof y.memory);
}

static void exponentials(const simd_table *k, size_t n, size_t shift) {
  static vec a, b;
  fresh(&a, n, shift, 3);
  memcpy(&b, &a, sizeof b);
  const float sum = k->exp_sum(a.x, 1.25f, n);
  double want = 0;
  for (size_t i = 0; i < n; i++) {
    const float x = b.memory[a.x - a.memory + (ptrdiff_t)i] - 1.25f;
    const double e = exp((double)x);
    near(a.x[i], e, 1.2e-7 * e);
    want += e;
  }
  near(sum, want, (2e-7 + U * (double)n) * want);
  check_margins(&a);
}

static void logistics(const simd_table *k, size_t n, size_t shift) {
  static vec a, b;
  fresh(&a, n, shift, 3);
  if (n > 2) a.x[1] = -INFINITY; // an item that is left out
  memcpy(&b, &a, sizeof b);
  float slopes = 0.5f;
  const float sum = k->logistic(a.x, 1.25f, &slopes, n);
  double want = 0, all = 0;
  for (size_t i = 0; i < n; i++) {
    const double d = (double)(b.memory[a.x - a.memory + (ptrdiff_t)i] - 1.25f), p = 1 / (1 + exp(-d));
    near(a.x[i], p, 3e-7 * p + 2e-38);
    want += d > 0 ? d + log1p(exp(-d)) : log1p(exp(d));
    all += p;
  }
  near(sum, want, (4e-7 + U * (double)n) * want + 2e-38);
  near(slopes, 0.5 + all, (4e-7 + U * (double)n) * (0.5 + all));
  check_margins(&a);
}

static double gelu_tanh(double x) {
  return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

static double gelu_erf(double x) {
  return 0.5 * x * (1 + erf(x * M_SQRT1_2));
}

static double slope(double (*f)(double), double x) { // by finite differences of 4th order
  const double h = 1e-3;
  return (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h);
}

static void activations(const simd_table *k, size_t n, size_t shift) {
  static vec x, y;
  const struct {
    void (*forward)(const float *, float *, size_t);
    void (*back)(const float *, float *, size_t);
    double (*exact)(double);
  } all[] = {{k->gelu_tanh, k->gelu_tanh_back, gelu_tanh},
             {k->gelu_erf, k->gelu_erf_back, gelu_erf},
             {k->tanh_row, NULL, tanh}};
  for (size_t f = 0; f < 3; f++) {
    fresh(&x, n, shift, 2.5);
    fresh(&y, n, 3 - shift, 1);
    all[f].forward(x.x, y.x, n);
    for (size_t i = 0; i < n; i++) near(y.x[i], all[f].exact(x.x[i]), 1e-6);
    check_margins(&x);
    check_margins(&y);
    if (all[f].back != NULL) {
      for (size_t i = 0; i < n; i++) y.x[i] = 1.5f;
      all[f].back(x.x, y.x, n);
      for (size_t i = 0; i < n; i++) near(y.x[i], 1.5 * slope(all[f].exact, x.x[i]), 1e-6);
      check_margins(&y);
    }
    all[f].forward(x.x, x.x, n); // in place
    check_margins(&x);
  }
}

static void norms(const simd_table *k, size_t n, size_t shift) {
  if (n == 0) return;
  static vec x, gamma, beta, y, dy, dx, dgamma, dbeta;
  fresh(&x, n, shift, 1);
  for (size_t i = 0; i < n; i++) x.x[i] += 3; // a mean that a one-pass variance would feel
  fresh(&gamma, n, 3 - shift, 1);
  fresh(&beta, n, shift, 1);
  fresh(&y, n, 0, 1);
  float mean, rstd;
  const double eps = n == 1 ? 1 : 1e-5;
  k->norm_row(x.x, gamma.x, beta.x, (float)eps, y.x, &mean, &rstd, n);
  double m = 0, v = 0;
  for (size_t i = 0; i < n; i++) m += (double)x.x[i] / (double)n;
  for (size_t i = 0; i < n; i++) v += ((double)x.x[i] - m) * ((double)x.x[i] - m) / (double)n;
  const double r = 1 / sqrt(v + eps), size = 6 * r + 1;
  near(mean, m, 1e-6 * 4);
  near(rstd, r, 1e-5 * r * r);
  for (size_t i = 0; i < n; i++)
    near(y.x[i], ((double)x.x[i] - m) * r * (double)gamma.x[i] + (double)beta.x[i], 1e-5 * size * size);
  check_margins(&y);
  k->norm_row(x.x, gamma.x, beta.x, (float)eps, y.x, NULL, NULL, n);

  fresh(&dy, n, shift, 1);
  fresh(&dx, n, 2, 1);
  fresh(&dgamma, n, 1, 1);
  fresh(&dbeta, n, 0, 1);
  static vec dgamma_was, dbeta_was;
  memcpy(&dgamma_was, &dgamma, sizeof dgamma);
  memcpy(&dbeta_was, &dbeta, sizeof dbeta);
  k->norm_row_back(dy.x, x.x, gamma.x, mean, rstd, dx.x, dgamma.x, dbeta.x, n);
  double a = 0, b = 0;
  for (size_t i = 0; i < n; i++) {
    const double hat = ((double)x.x[i] - (double)mean) * (double)rstd,
                 g = (double)dy.x[i] * (double)gamma.x[i];
    a += g / (double)n;
    b += g * hat / (double)n;
  }
  for (size_t i = 0; i < n; i++) {
    const double hat = ((double)x.x[i] - (double)mean) * (double)rstd,
                 g = (double)dy.x[i] * (double)gamma.x[i];
    near(dx.x[i], (double)rstd * (g - a - hat * b), 2e-6 * (double)rstd * 10);
    near(dgamma.x[i], (double)dgamma_was.memory[MARGIN + 1 + i] + (double)dy.x[i] * hat, 1e-5);
    near(dbeta.x[i], (double)dbeta_was.memory[MARGIN + i] + (double)dy.x[i], 1e-6);
  }
  check_margins(&dx);
  check_margins(&dgamma);
  check_margins(&dbeta);
  k->norm_row_back(dy.x, x.x, gamma.x, mean, rstd, dy.x, dgamma.x, dbeta.x, n); // in place
  for (size_t i = 0; i < n; i++) near(dy.x[i], dx.x[i], 0);
}

static void dropouts(const simd_table *k, size_t n, size_t shift) {
  static vec x, was;
  static uint8_t bytes[ROOM + 4];
  for (size_t i = 0; i < ROOM + 4; i++) bytes[i] = (uint8_t)rng_below(&draw, 256);
  static const uint32_t thresholds[] = {1, 26, 128, 255};
  for (size_t t = 0; t < 4; t++) {
    fresh(&x, n, shift, 1);
    memcpy(&was, &x, sizeof was);
    k->dropout(bytes + shift, thresholds[t], dropout_scale(thresholds[t]), x.x, n);
    for (size_t i = 0; i < n; i++)
      near(x.x[i],
           bytes[shift + i] < thresholds[t]
               ? 0
               : was.memory[MARGIN + shift + i] * (256.0f / (256.0f - (float)thresholds[t])),
           0);
    check_margins(&x);
  }
}

static void counters(const simd_table *k, size_t n, size_t shift) {
  if (n > 100) return;
  uint32_t c0[104], c2[104], c3[104];
  uint8_t out[16 * 104 + 1];
  memset(out, 0xEE, sizeof out);
  for (size_t i = 0; i < 104; i++) {
    c0[i] = rng_u32(&draw);
    c2[i] = rng_u32(&draw);
    c3[i] = rng_u32(&draw);
  }
  const uint64_t seed = rng_u64(&draw);
  k->philox(seed, STREAM_DROPOUT + 9, c0 + shift, 41, c2 + shift, c3 + shift, out, n);
  for (size_t i = 0; i < n; i++) {
    const philox_out want =
        philox4x32(seed, STREAM_DROPOUT + 9, c0[shift + i], 41, c2[shift + i], c3[shift + i]);
    for (size_t j = 0; j < 16; j++) assert_int_equal(out[16 * i + j], want.v[j / 4] >> (8 * (j % 4)) & 255);
  }
  assert_int_equal(out[16 * n], 0xEE);
}

// The stated accuracy over all of a function's range, not only where normal draws fall.
static void sweep(const simd_table *k) {
  enum { STEPS = 200000 };
  double worst = 0, worst_gelu = 0, worst_erf = 0, worst_tanh = 0, worst_slope = 0, worst_log = 0;
  const size_t n = 1;
  for (int i = 0; i <= STEPS; i++) {
    float x = (float)(-87.0 + 175.0 * i / STEPS), y, e = x;
    k->exp_sum(&e, 0, 1);
    worst = fmax(worst, fabs((double)e / exp((double)x) - 1));
    float p = x, all = 0;
    const double d = (double)x, log_sum = (double)k->logistic(&p, 0, &all, 1);
    worst_slope = fmax(worst_slope, fabs((double)p * (1 + exp(-d)) - 1));
    worst_log = fmax(worst_log, fabs(log_sum / (d > 0 ? d + log1p(exp(-d)) : log1p(exp(d))) - 1));
    x = (float)(-20.0 + 40.0 * i / STEPS);
    k->gelu_tanh(&x, &y, 1);
    worst_gelu = fmax(worst_gelu, fabs((double)y - gelu_tanh(x)));
    k->gelu_erf(&x, &y, 1);
    worst_erf = fmax(worst_erf, fabs((double)y - gelu_erf(x)));
    k->tanh_row(&x, &y, 1);
    worst_tanh = fmax(worst_tanh, fabs((double)y - tanh((double)x)));
  }
  print_message("%s: exp %.2e relative; gelu_new %.2e, gelu %.2e, tanh %.2e absolute\n", k->name, worst,
                worst_gelu, worst_erf, worst_tanh);
  print_message("%s: logistic %.2e, its logarithm %.2e relative\n", k->name, worst_slope, worst_log);
  near(worst, 0, 1.2e-7);
  near(worst_slope, 0, 3e-7);
  near(worst_log, 0, 3e-7);
  near(worst_gelu, 0, 1e-6);
  near(worst_erf, 0, 1e-6);
  near(worst_tanh, 0, 2e-7);
  // Ends: exp never overflows nor turns negative, NaN stays NaN.
  float ends[] = {-INFINITY, -1e30f, -88.5f, 89.0f, 1e30f, INFINITY, NAN};
  k->exp_sum(ends, 0, 7);
  for (int i = 0; i < 3; i++) assert_true(ends[i] >= 0 && ends[i] < 2e-38f);
  for (int i = 3; i < 6; i++) assert_true(isfinite(ends[i]) && ends[i] > 1e38f);
  assert_true(isnan(ends[6]));
  float big[] = {-1e30f, -60.0f, 60.0f, 1e5f}, y[4], dy[4] = {1, 1, 1, 1};
  k->gelu_tanh(big + 1, y, 3);
  assert_true(y[0] == 0 && y[1] == 60.0f && y[2] == 1e5f);
  k->gelu_erf(big + 1, y, 3);
  assert_true(y[0] == 0 && y[1] == 60.0f && y[2] == 1e5f);
  k->gelu_tanh_back(big + 1, dy, 3);
  for (int i = 0; i < 3; i++) near(dy[i], i == 0 ? 0 : 1, 2e-7);
}

static void test_reductions(void **unused) {
  (void)unused;
  each(reductions);
}
static void test_updates(void **unused) {
  (void)unused;
  each(updates);
}
static void test_rows(void **unused) {
  (void)unused;
  each(rows_added);
}
static void test_exponentials(void **unused) {
  (void)unused;
  each(exponentials);
}
static void test_logistics(void **unused) {
  (void)unused;
  each(logistics);
}
static void test_activations(void **unused) {
  (void)unused;
  each(activations);
}
static void test_norms(void **unused) {
  (void)unused;
  each(norms);
}
static void test_dropout(void **unused) {
  (void)unused;
  each(dropouts);
}
static void test_philox(void **unused) {
  (void)unused;
  each(counters);
}

static void test_accuracy(void **unused) {
  (void)unused;
  static const char *const names[] = {"c", "avx2"};
  for (size_t t = 0; t < 2; t++)
    if (simd_named(names[t]) != NULL) sweep(simd_named(names[t]));
}

static void test_choice(void **unused) {
  (void)unused;
  assert_null(simd_named("sse9"));
  assert_non_null(simd_named("c"));
  assert_int_equal(setenv("SOUK_SIMD", "sse9", 1),
                   0); // what is not there falls back; the choice is made once
  assert_string_equal(simd()->name, "c");
  assert_int_equal(setenv("SOUK_SIMD", "avx2", 1), 0);
  assert_string_equal(simd()->name, "c");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_reductions), cmocka_unit_test(test_updates),
                                     cmocka_unit_test(test_rows),       cmocka_unit_test(test_exponentials),
                                     cmocka_unit_test(test_logistics),  cmocka_unit_test(test_activations),
                                     cmocka_unit_test(test_norms),      cmocka_unit_test(test_dropout),
                                     cmocka_unit_test(test_philox),     cmocka_unit_test(test_accuracy),
                                     cmocka_unit_test(test_choice)};
  return cmocka_run_group_tests_name("simd", tests, NULL, NULL);
}
