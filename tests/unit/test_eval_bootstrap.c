// The bootstrap: exact cases, coverage of a known truth, clusters, pairs, any number of threads.
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "eval/bootstrap.h"
#include "lib/check.h"

static void test_interval(void **unused) {
  (void)unused;
  double one[] = {3};
  interval r = central_interval(one, 1, 0.95);
  check_near(r.low, 3, 0);
  check_near(r.high, 3, 0);
  double values[101];
  for (int i = 0; i <= 100; i++) values[i] = (double)((i * 37) % 101); // 0..100 in some order
  r = central_interval(values, 101, 0.95);
  check_near(r.low, 2.5, 1e-12);
  check_near(r.high, 97.5, 1e-12);
  r = central_interval(values, 101, 1.0);
  check_near(r.low, 0, 0);
  check_near(r.high, 100, 0);
}

static void one_question_a_user(int64_t *slots, int64_t n) {
  for (int64_t i = 0; i < n; i++) slots[i] = 3 * i + 1; // slots may have gaps: users without questions
}

// Replicates have the bootstrap's mean and variance: those of a share over n draws.
static void test_moments(void **unused) {
  (void)unused;
  enum { N = 200, REPLICATES = 4000 };
  int64_t slots[N];
  int32_t ranks[N];
  one_question_a_user(slots, N);
  for (int i = 0; i < N; i++) ranks[i] = i < 50 ? 7 : 1000; // HR@10 is 1/4
  const int32_t *sets[] = {ranks};
  double *values = calloc((size_t)RANK_METRICS * REPLICATES, sizeof *values);
  assert_non_null(values);
  check_ok(bootstrap_metrics(&(bootstrap_questions){.slots = slots, .queries = N}, sets, 1, REPLICATES, 11,
                             values));
  const double *hr = values + (METRIC_HR + 2) * REPLICATES;
  double mean = 0, variance = 0;
  for (int i = 0; i < REPLICATES; i++) mean += hr[i] / REPLICATES;
  for (int i = 0; i < REPLICATES; i++) variance += (hr[i] - mean) * (hr[i] - mean) / (REPLICATES - 1);
  const double truth = 0.25 * 0.75 / N;
  check_near(mean, 0.25, 4 * sqrt(truth / REPLICATES));
  check_near(variance / truth, 1, 4 * sqrt(2.0 / REPLICATES));
  for (int i = 0; i < REPLICATES; i++) { // all metrics of a replicate are over the same users
    check_near(values[(METRIC_NDCG + 2) * REPLICATES + i], hr[i] / 3, 1e-12); // log2(8) = 3
    check_near(values[METRIC_MRR_ALL * REPLICATES + i], hr[i] / 7 + (1 - hr[i]) / 1000, 1e-12);
  }
  free(values);
}

// 95% intervals of 400 samples from a known distribution hold the truth about 95 times in 100.
static void test_coverage(void **unused) {
  (void)unused;
  enum { SAMPLES = 400, N = 300, REPLICATES = 200 };
  int64_t slots[N];
  int32_t ranks[N];
  one_question_a_user(slots, N);
  const int32_t *sets[] = {ranks};
  double *values = calloc((size_t)RANK_METRICS * REPLICATES, sizeof *values);
  assert_non_null(values);
  int hits = 0, ndcg_hits = 0;
  double truth = 0;
  for (int r = 1; r <= 10; r++) truth += 1.0 / log2(r + 1.0) / 40; // ranks are uniform on 1..40
  for (int sample = 0; sample < SAMPLES; sample++) {
    rng r = rng_at(77, 1, (uint32_t)sample, 0);
    for (int i = 0; i < N; i++) ranks[i] = 1 + (int32_t)rng_below(&r, 40);
    check_ok(bootstrap_metrics(&(bootstrap_questions){.slots = slots, .queries = N}, sets, 1, REPLICATES,
                               (uint64_t)sample, values));
    const interval hr = central_interval(values + (METRIC_HR + 2) * REPLICATES, REPLICATES, 0.95);
    const interval ndcg = central_interval(values + (METRIC_NDCG + 2) * REPLICATES, REPLICATES, 0.95);
    hits += hr.low <= 0.25 && 0.25 <= hr.high;
    ndcg_hits += ndcg.low <= truth && truth <= ndcg.high;
  }
  // 95% of 400 is 380; five standard deviations are 22.
  assert_in_range(hits, 358, 398);
  assert_in_range(ndcg_hits, 358, 398);
  free(values);
}

// The unit is the user: ten equal questions of each tell no more than one.
static void test_clusters(void **unused) {
  (void)unused;
  enum { USERS = 100, EACH = 10, REPLICATES = 2000 };
  int64_t slots[USERS * EACH];
  int32_t ranks[USERS * EACH];
  for (int i = 0; i < USERS * EACH; i++) {
    slots[i] = i / EACH;
    ranks[i] = i / EACH % 2 == 0 ? 1 : 0;
  }
  const int32_t *sets[] = {ranks};
  double *values = calloc((size_t)RANK_METRICS * REPLICATES, sizeof *values);
  assert_non_null(values);
  check_ok(bootstrap_metrics(&(bootstrap_questions){.slots = slots, .queries = USERS * EACH}, sets, 1,
                             REPLICATES, 3, values));
  const interval r = central_interval(values, REPLICATES, 0.95);
  check_near(r.high - r.low, 2 * 1.96 * sqrt(0.25 / USERS),
             0.025); // 0.196; by questions it were 0.062
  free(values);
}

// The same draws for all sets, for any number of threads, and for the first of more replicates.
static void test_pairs(void **unused) {
  (void)unused;
  enum { N = 97, REPLICATES = 60 };
  int64_t slots[N];
  int32_t ranks[2][N];
  one_question_a_user(slots, N);
  rng r = rng_at(1, 1, 1, 1);
  for (int i = 0; i < N; i++) ranks[0][i] = ranks[1][i] = (int32_t)rng_below(&r, 30);
  const int32_t *sets[] = {ranks[0], ranks[1]};
  double a[2 * RANK_METRICS * REPLICATES], b[2 * RANK_METRICS * REPLICATES],
      half[RANK_METRICS * REPLICATES / 2];
  const int threads = omp_get_max_threads();
  check_ok(
      bootstrap_metrics(&(bootstrap_questions){.slots = slots, .queries = N}, sets, 2, REPLICATES, 5, a));
  assert_memory_equal(a, a + RANK_METRICS * REPLICATES, RANK_METRICS * REPLICATES * sizeof *a);
  omp_set_num_threads(threads == 1 ? 3 : 1);
  check_ok(
      bootstrap_metrics(&(bootstrap_questions){.slots = slots, .queries = N}, sets, 2, REPLICATES, 5, b));
  omp_set_num_threads(threads);
  assert_memory_equal(a, b, sizeof a);
  check_ok(bootstrap_metrics(&(bootstrap_questions){.slots = slots, .queries = N}, sets, 1, REPLICATES / 2, 5,
                             half));
  for (int k = 0; k < RANK_METRICS; k++)
    assert_memory_equal(half + k * REPLICATES / 2, a + k * REPLICATES, REPLICATES / 2 * sizeof *a);
  check_ok(
      bootstrap_metrics(&(bootstrap_questions){.slots = slots, .queries = N}, sets, 2, REPLICATES, 6, b));
  assert_memory_not_equal(a, b, sizeof a);
  check_fails(bootstrap_metrics(&(bootstrap_questions){.slots = slots, .queries = 0}, sets, 1, 1, 1, a),
              ERR_ARGUMENT, "at least one question");
  check_fails(bootstrap_metrics(&(bootstrap_questions){.slots = slots, .queries = N}, sets, 1, 0, 1, a),
              ERR_ARGUMENT, "one replicate");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_interval), cmocka_unit_test(test_moments),
                                     cmocka_unit_test(test_coverage), cmocka_unit_test(test_clusters),
                                     cmocka_unit_test(test_pairs)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
