// Estimates of a policy's value from another one's log: exact cases, the truth within intervals as often as they say, what clipping does.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "eval/off_policy.h"
#include "lib/check.h"

static const off_policy_options few = {.replicates = 50, .level = 0.95, .seed = 3};

// By hand: weights 2, 0.5, 0, 3 and rewards 1, 0, 1, 1.
static void test_by_hand(void **unused) {
  (void)unused;
  const double q[] = {0.8, 0.25, 0, 0.6}, b[] = {0.4, 0.5, 0.5, 0.2}, r[] = {1, 0, 1, 1};
  const int64_t users[] = {7, 3, 7, 9};
  const off_policy_log log = {q, b, r, users, 4};
  off_policy_estimate e;
  check_ok(off_policy_estimate_of(&log, &few, &e));
  assert_int_equal(e.rows, 4);
  assert_int_equal(e.users, 3);
  check_near(e.logged.value, 0.75, 1e-12);
  check_near(e.ips.value, 5.0 / 4, 1e-12);
  check_near(e.snips.value, 5 / 5.5, 1e-12);
  check_near(e.gain.value, 5 / 5.5 - 0.75, 1e-12);
  check_near(e.effective_sample, 5.5 * 5.5 / 13.25, 1e-12);
  check_near(e.mean_weight, 5.5 / 4, 1e-12);
  check_near(e.largest_weight, 3, 1e-12);
  check_near(e.clipped, 0, 0);
  off_policy_options clipped = few;
  clipped.clip = 2.5;
  check_ok(off_policy_estimate_of(&log, &clipped, &e));
  check_near(e.ips.value, 4.5 / 4, 1e-12);
  check_near(e.snips.value, 4.5 / 5, 1e-12);
  check_near(e.clipped, 0.25, 1e-12);
  check_near(e.largest_weight, 2.5, 1e-12);
}

// The logging policy itself: weights are 1, and all estimates are the log's mean.
static void test_same_policy(void **unused) {
  (void)unused;
  enum { N = 300 };
  double b[N], r[N];
  int64_t users[N];
  rng g = rng_at(5, STREAM_EVAL, 1, 0);
  for (int i = 0; i < N; i++) {
    b[i] = 0.1 + 0.8 * rng_unit(&g);
    r[i] = rng_unit(&g);
    users[i] = (int64_t)rng_below(&g, 40);
  }
  off_policy_estimate e;
  check_ok(off_policy_estimate_of(&(off_policy_log){b, b, r, users, N}, &few, &e));
  check_near(e.ips.value, e.logged.value, 1e-12);
  check_near(e.snips.value, e.logged.value, 1e-12);
  check_near(e.effective_sample, N, 1e-9);
  check_near(e.gain.interval.low, 0, 1e-12);
  check_near(e.gain.interval.high, 0, 1e-12);
}

static void test_refused(void **unused) {
  (void)unused;
  double q[] = {0.5, 0.5}, b[] = {0.5, 0.5}, r[] = {1, 1};
  const int64_t users[] = {1, 2};
  const off_policy_log log = {q, b, r, users, 2};
  off_policy_estimate e;
  b[1] = 0;
  check_fails(off_policy_estimate_of(&log, &few, &e), ERR_ARGUMENT, "row 2 of the log: its propensity is 0");
  b[1] = 0.5, q[0] = 1.5;
  check_fails(off_policy_estimate_of(&log, &few, &e), ERR_ARGUMENT,
              "row 1 of the log: the policy's probability");
  q[0] = 0.5, r[1] = (double)NAN;
  check_fails(off_policy_estimate_of(&log, &few, &e), ERR_ARGUMENT, "row 2 of the log: its reward");
  r[1] = 1, q[0] = q[1] = 0;
  check_fails(off_policy_estimate_of(&log, &few, &e), ERR_ARGUMENT, "nothing that is in the log");
  check_fails(off_policy_estimate_of(&(off_policy_log){q, b, r, users, 0}, &few, &e), ERR_ARGUMENT, "1 to");
}

enum { ACTIONS = 4, USERS = 150, A_USER = 6, ROWS = USERS * A_USER };

// A log by a policy that knows users, whose rows go together: each user has clicks of its own. Returns the true value of the target.
static double simulate(uint32_t sample, double *q, double *b, double *r, int64_t *users) {
  rng g = rng_at(11, STREAM_EVAL, 2, sample);
  for (int64_t i = 0; i < ROWS; i++) users[i] = i / A_USER;
  for (int64_t u = 0; u < USERS; u++) {
    const double taste = rng_unit(&g), level = 0.2 + 0.3 * rng_unit(&g);
    double p[ACTIONS], logging[ACTIONS], target[ACTIONS], sums[2] = {0};
    for (int k = 0; k < ACTIONS; k++) {
      p[k] = level + 0.4 * (k % 2 == (taste > 0.5)) * taste;
      logging[k] = exp(0.8 * (k == 0) - 0.5 * taste * k);
      target[k] = exp(1.2 * (k % 2 == (taste > 0.5)));
      sums[0] += logging[k], sums[1] += target[k];
    }
    for (int64_t i = u * A_USER; i < (u + 1) * A_USER; i++) {
      double unit = rng_unit(&g);
      int k = 0;
      while (k + 1 < ACTIONS && unit >= logging[k] / sums[0]) unit -= logging[k++] / sums[0];
      q[i] = target[k] / sums[1];
      b[i] = logging[k] / sums[0];
      r[i] = rng_unit(&g) < p[k];
    }
  }
  // The value over the users' distribution: taste and level are uniform, so it is an integral (Simpson's rule would do; a fine grid does).
  double value = 0;
  enum { GRID = 2000 };
  for (int t = 0; t < GRID; t++) {
    const double taste = (t + 0.5) / GRID;
    double sum = 0, v = 0;
    for (int k = 0; k < ACTIONS; k++) {
      const double e = exp(1.2 * (k % 2 == (taste > 0.5)));
      sum += e;
      v += e * (0.35 + 0.4 * (k % 2 == (taste > 0.5)) * taste);
    }
    value += v / sum / GRID;
  }
  return value;
}

// 95% intervals of 300 logs hold the truth about 95 times in 100, and estimates are right on average; the log's own mean is far off.
static void test_coverage(void **unused) {
  (void)unused;
  enum { SAMPLES = 300 };
  static double q[ROWS], b[ROWS], r[ROWS];
  static int64_t users[ROWS];
  double snips = 0, ips = 0, logged = 0, truth = 0;
  int held = 0, held_ips = 0;
  const off_policy_options o = {.replicates = 200, .level = 0.95, .seed = 1};
  for (uint32_t s = 0; s < SAMPLES; s++) {
    off_policy_estimate e;
    truth = simulate(s, q, b, r, users);
    check_ok(off_policy_estimate_of(&(off_policy_log){q, b, r, users, ROWS}, &o, &e));
    held += e.snips.interval.low <= truth && truth <= e.snips.interval.high;
    held_ips += e.ips.interval.low <= truth && truth <= e.ips.interval.high;
    snips += e.snips.value / SAMPLES;
    ips += e.ips.value / SAMPLES;
    logged += e.logged.value / SAMPLES;
    assert_true(fabs(e.mean_weight - 1) < 0.3 && e.effective_sample < ROWS);
  }
  const double share = (double)held / SAMPLES, share_ips = (double)held_ips / SAMPLES;
  if (!(share > 0.90 && share < 0.985)) fail_msg("%.3f of the intervals of SNIPS hold the truth", share);
  if (!(share_ips > 0.90 && share_ips < 0.985))
    fail_msg("%.3f of the intervals of IPS hold the truth", share_ips);
  check_near(snips, truth, 0.004);
  check_near(ips, truth, 0.004);
  assert_true(truth - logged > 0.03);
}

// All rows of a user are drawn together: with every row thrice, intervals stay as wide, where rows by themselves would shrink them.
static void test_by_user(void **unused) {
  (void)unused;
  static double q[3 * ROWS], b[3 * ROWS], r[3 * ROWS];
  static int64_t users[3 * ROWS];
  off_policy_estimate once, thrice;
  const off_policy_options o = {.replicates = 400, .level = 0.95, .seed = 1};
  simulate(7, q, b, r, users);
  check_ok(off_policy_estimate_of(&(off_policy_log){q, b, r, users, ROWS}, &o, &once));
  for (int k = 1; k < 3; k++) {
    memcpy(q + k * ROWS, q, ROWS * sizeof *q);
    memcpy(b + k * ROWS, b, ROWS * sizeof *b);
    memcpy(r + k * ROWS, r, ROWS * sizeof *r);
    memcpy(users + k * ROWS, users, ROWS * sizeof *users);
  }
  check_ok(off_policy_estimate_of(&(off_policy_log){q, b, r, users, 3 * ROWS}, &o, &thrice));
  check_near(thrice.snips.interval.low, once.snips.interval.low, 1e-12);
  check_near(thrice.snips.interval.high, once.snips.interval.high, 1e-12);
  check_near(thrice.effective_sample, 3 * once.effective_sample, 1e-6);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_by_hand), cmocka_unit_test(test_same_policy),
                                     cmocka_unit_test(test_refused), cmocka_unit_test(test_coverage),
                                     cmocka_unit_test(test_by_user)};
  return cmocka_run_group_tests_name("off_policy", tests, NULL, NULL);
}
