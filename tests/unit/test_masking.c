// Which items are masked: rates, spans, and how many there are of them, against all that can be drawn.
#include <math.h>
#include <string.h>
#include "data/masking.h"
#include "lib/check.h"

enum { MOST = 12 };

static double mean_of(const double *x, int32_t n) {
  double sum = 0;
  for (int32_t i = 0; i < n; i++) sum += x[i];
  return sum / n;
}

static void test_rates(void **unused) {
  (void)unused;
  rng r = rng_at(5, 1, 0, 0);
  int held = 0, below = 0;
  for (int i = 0; i < 2000; i++) {
    const int32_t n = 1 + (int32_t)rng_below(&r, 60);
    const double p = rng_unit(&r), e = 4 * rng_unit(&r) - 2;
    double counts[60], rates[60], c = 0;
    for (int32_t k = 0; k < n; k++) counts[k] = floor(exp(12 * rng_unit(&r))) - (k % 7 == 0);
    memcpy(rates, counts, sizeof rates);
    masking_rates(rates, n, p, e);
    check_near(mean_of(rates, n), p, 1e-12);
    for (int32_t k = 0; k < n; k++) { // c is the same for all but those that are held at 1
      const double weight = pow(counts[k] > 0 ? counts[k] : 0.5, e);
      assert_true(rates[k] >= 0 && rates[k] <= 1);
      if (rates[k] < 1) c = rates[k] / weight;
    }
    for (int32_t k = 0; k < n && c > 0; k++) {
      const double weight = pow(counts[k] > 0 ? counts[k] : 0.5, e);
      if (rates[k] < 1)
        check_near(rates[k], c * weight, 1e-12);
      else
        assert_true(c * weight >= 1 - 1e-12);
      *(rates[k] < 1 ? &below : &held) += 1;
    }
  }
  assert_true(held > 1000 && below > 1000);
}

static void test_rates_at_the_ends(void **unused) {
  (void)unused;
  double all[] = {1, 1000, 30}, none[] = {1, 1000, 30}, alike[] = {1, 1000, 30};
  masking_rates(all, 3, 1, -1.5);
  masking_rates(none, 3, 0, 2);
  masking_rates(alike, 3, 0.3, 0);
  for (int i = 0; i < 3; i++) {
    check_near(all[i], 1, 1e-15);
    assert_true(none[i] == 0);
    check_near(alike[i], 0.3, 1e-15);
  }
  double skewed[] = {1, 1, 98}; // in proportion the third would have a rate of 1.47
  masking_rates(skewed, 3, 0.5, 1);
  assert_true(skewed[2] == 1);
  check_near(skewed[0], 0.25, 1e-15);
  masking_rates(NULL, 0, 0.5, 1);
}

// Single items: one number each, as it was before there were spans.
static void test_single_items(void **unused) {
  (void)unused;
  rng a = rng_at(3, STREAM_MASK, 4, 5), b = a;
  const masking how = {.probability = 0.3, .spans = 1};
  mask_walk walk = masking_walk(&how, NULL, 500);
  for (int i = 0; i < 500; i++) assert_int_equal(masking_next(&walk, &a), rng_unit(&b) < 0.3);
  assert_true(rng_u64(&a) == rng_u64(&b));
}

// Every item is masked with its rate, be it first, last or between; of two neighbours both are with k p + (1 - k) p^2.
static void test_every_item_has_the_rate(void **unused) {
  (void)unused;
  enum { TIMES = 100000 };
  static const double spans[] = {1, 1.5, 3, 20};
  static const double rates[MOST] = {0.1, 0.9, 0.3, 1, 0, 0.5, 0.2, 0.2, 0.7, 0.4, 0.6, 0.1};
  rng r = rng_at(8, 1, 0, 0);
  for (int s = 0; s < 8; s++) {
    const masking how = {.probability = s < 4 ? 0.35 : mean_of(rates, MOST), .spans = spans[s % 4]};
    const double p = how.probability, k = 1 - 1 / how.spans;
    int count[MOST] = {0}, both = 0, all = 0;
    for (int t = 0; t < TIMES; t++) {
      mask_walk walk = masking_walk(&how, s < 4 ? NULL : rates, MOST);
      bool before = false;
      for (int i = 0; i < MOST; i++) {
        const bool masked = masking_next(&walk, &r);
        count[i] += masked, all += masked, both += masked && before;
        before = masked;
      }
    }
    const double wide = 5 * sqrt(MOST * how.spans / TIMES); // five standard deviations, and more
    check_near((double)all / TIMES, p * MOST, wide);
    for (int i = 0; i < MOST && s < 4; i++)
      check_near((double)count[i] / TIMES, p, 5 * sqrt(p * (1 - p) / TIMES));
    for (int i = 0; i < MOST && s == 4; i++)
      check_near((double)count[i] / TIMES, rates[i], 5 * sqrt(0.25 / TIMES));
    if (s < 4) check_near((double)both / TIMES / (MOST - 1), k * p + (1 - k) * p * p, wide / MOST);
  }
}

// The mean of f(W) over everything that can be drawn: where the n items are cut, and which spans are masked.
static double mean_over_all(const masking *how, const double *rates, int32_t n, double (*f)(int32_t, double),
                            double theta) {
  const double k = 1 - 1 / how->spans;
  double mean = 0;
  for (uint32_t cuts = 0; cuts < 1u << (n - 1); cuts++) {
    int32_t length[MOST] = {1}, spans = 1;
    double chance = 1, rate[MOST] = {rates[0]};
    for (int32_t i = 1; i < n; i++) {
      const bool cut = cuts >> (i - 1) & 1;
      chance *= cut ? 1 - k : k;
      spans += cut;
      length[spans - 1]++;
      rate[spans - 1] += rates[i];
    }
    for (uint32_t masked = 0; chance > 0 && masked < 1u << spans; masked++) {
      double c = chance;
      int32_t w = 0;
      for (int32_t s = 0; s < spans; s++) {
        const bool is = masked >> s & 1;
        c *= is ? rate[s] / length[s] : 1 - rate[s] / length[s];
        w += is ? length[s] : 0;
      }
      mean += c * f(w, theta);
    }
  }
  return mean;
}

static double power_of(int32_t w, double theta) {
  return exp(theta * w);
}

static double is_none(int32_t w, double theta) {
  (void)theta;
  return w == 0;
}

static void test_how_many(void **unused) {
  (void)unused;
  rng r = rng_at(11, 1, 0, 0);
  for (int i = 0; i < 60; i++) {
    const int32_t n = 1 + (int32_t)rng_below(&r, 8);
    const masking how = {.probability = 0.02 + 0.96 * rng_unit(&r),
                         .spans = i % 3 == 0 ? 1 : 1 + 6 * rng_unit(&r),
                         .popularity = i % 2 == 0 ? 0 : 4 * rng_unit(&r) - 2};
    double rates[MOST];
    for (int32_t k = 0; k < n; k++) rates[k] = 1 + (double)rng_below(&r, 500);
    masking_rates(rates, n, how.probability, how.popularity);
    const double theta = exp2(6 * rng_unit(&r) - 4);
    const double moment = log(mean_over_all(&how, rates, n, power_of, theta));
    const double none = log(mean_over_all(&how, rates, n, is_none, theta));
    if (how.popularity == 0) {
      check_near(masking_log_moment(&how, n, theta), moment, 1e-10 * (1 + moment));
      check_near(masking_log_none(&how, n), none, 1e-10 * (1 - none));
    } else {
      assert_true(masking_log_moment(&how, n, theta) > moment - 1e-10);
      assert_true(masking_log_none(&how, n) > none - 1e-10);
    }
  }
}

// Where the closed form is delicate: all or none are masked, spans longer than any example, theta tiny or huge.
static void test_how_many_at_the_ends(void **unused) {
  (void)unused;
  static const double thetas[] = {0x1p-10, 0.3, 128};
  for (int i = 0; i < 3; i++)
    for (double spans = 1; spans <= 1000; spans *= 10)
      for (double e = 0; e <= 1; e++) {
        const masking all = {1, spans, e}, none = {0, spans, e}, half = {0.5, spans, e};
        check_near(masking_log_moment(&all, 500, thetas[i]), 500 * thetas[i], 1e-9 * 500 * thetas[i]);
        assert_true(masking_log_none(&all, 500) == -INFINITY);
        check_near(masking_log_moment(&none, 500, thetas[i]), 0, 1e-6);
        check_near(masking_log_none(&none, 500), 0, 1e-12);
        const double moment = masking_log_moment(&half, 500, thetas[i]);
        assert_true(moment >= 250 * thetas[i] && moment <= 500 * thetas[i]); // exp is convex; W <= 500
      }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rates),        cmocka_unit_test(test_rates_at_the_ends),
      cmocka_unit_test(test_single_items), cmocka_unit_test(test_every_item_has_the_rate),
      cmocka_unit_test(test_how_many),     cmocka_unit_test(test_how_many_at_the_ends),
  };
  return cmocka_run_group_tests_name("masking", tests, NULL, NULL);
}
