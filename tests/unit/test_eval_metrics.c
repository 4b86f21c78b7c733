// Ranks and metrics against plain definitions.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "eval/rank_metrics.h"
#include "lib/check.h"

// The definitions, one rank at a time.
static double plain(int32_t metric, int32_t rank) {
  if (rank < 1) return 0;
  if (metric == METRIC_MRR_ALL) return 1.0 / rank;
  const int32_t cutoff = rank_cutoffs[metric % RANK_CUTOFFS];
  if (rank > cutoff) return 0;
  return metric < METRIC_NDCG ? 1.0 : metric < METRIC_MRR ? 1.0 / log2(rank + 1.0) : 1.0 / rank;
}

static void test_metrics(void **unused) {
  (void)unused;
  int32_t ranks[500];
  rng r = rng_at(1, 2, 3, 4);
  for (int i = 0; i < 500; i++) ranks[i] = (int32_t)rng_below(&r, i % 2 == 0 ? 25 : 2000); // 0 among them
  rank_metrics m;
  rank_metrics_of(ranks, 500, &m);
  for (int32_t k = 0; k < RANK_METRICS; k++) {
    double sum = 0;
    for (int i = 0; i < 500; i++) sum += plain(k, ranks[i]);
    check_near(m.value[k], sum / 500, 1e-12);
  }
  check_near(m.value[METRIC_HR], m.value[METRIC_NDCG], 1e-15);
  rank_metrics_of(ranks, 0, &m);
  for (int32_t k = 0; k < RANK_METRICS; k++) check_near(m.value[k], 0, 0);
  // By hand: ranks 1, 3, 11 and a miss.
  rank_metrics_of((const int32_t[]){1, 3, 11, 0}, 4, &m);
  check_near(m.value[METRIC_HR + 0], 0.25, 1e-15);
  check_near(m.value[METRIC_HR + 2], 0.5, 1e-15);
  check_near(m.value[METRIC_HR + 3], 0.75, 1e-15);
  check_near(m.value[METRIC_NDCG + 1], (1.0 + 0.5) / 4, 1e-15); // log2(4) = 2
  check_near(m.value[METRIC_MRR + 2], (1.0 + 1.0 / 3) / 4, 1e-15);
  check_near(m.value[METRIC_MRR_ALL], (1.0 + 1.0 / 3 + 1.0 / 11) / 4, 1e-15);
}

static void test_names(void **unused) {
  (void)unused;
  for (int32_t k = 0; k < RANK_METRICS; k++) assert_int_equal(rank_metric_find(rank_metric_name(k)), k);
  assert_int_equal(rank_metric_find("ndcg@10"), METRIC_NDCG + 2);
  assert_int_equal(rank_metric_find("hr@7"), -1);
  assert_int_equal(rank_metric_find(""), -1);
  assert_string_equal(rank_metric_name(SET_METRICS), "");
}

static void test_weights(void **unused) {
  (void)unused;
  rank_counts a = {{0}, 0, 0}, b = {{0}, 0, 0};
  const int32_t ranks[] = {1, 0, 20, 21, 7};
  for (int i = 0; i < 5; i++) {
    rank_counts_add(&a, ranks[i], i + 1);
    for (int j = 0; j <= i; j++) rank_counts_add(&b, ranks[i], 1);
  }
  rank_metrics x, y;
  rank_counts_metrics(&a, &x);
  rank_counts_metrics(&b, &y);
  for (int32_t k = 0; k < RANK_METRICS; k++) check_near(x.value[k], y.value[k], 1e-14);
}

// Scores in any blocks give the standing that one look at each gives.
static void test_counting(void **unused) {
  (void)unused;
  enum { N = 3000 };
  float scores[N];
  rng r = rng_at(1, 2, 3, 5);
  for (int round = 0; round < 40; round++) {
    const int levels = 1 + round; // many ties in the first rounds
    for (int i = 0; i < N; i++)
      scores[i] = i % 17 == 0 ? -INFINITY : (float)rng_below(&r, (uint64_t)levels) - 5.0f;
    const float target = (float)rng_below(&r, (uint64_t)levels) - 5.0f;
    const float tolerance = round % 2 == 0 ? 0.0f : 1.0f;
    rank_standing plain_standing = {0, 0}, s = {0, 0};
    for (int i = 0; i < N; i++) {
      plain_standing.above += scores[i] > target + tolerance;
      plain_standing.tied += scores[i] <= target + tolerance && scores[i] >= target - tolerance;
    }
    for (int at = 0; at < N;) {
      int n = 1 + (int)rng_below(&r, 700);
      n = n < N - at ? n : N - at;
      rank_count(scores + at, n, target, tolerance, &s);
      at += n;
    }
    rank_count(scores, 0, target, tolerance, &s);
    assert_int_equal(s.above, plain_standing.above);
    assert_int_equal(s.tied, plain_standing.tied);
  }
  float *many = malloc(((1 << 20) + 5) * sizeof *many); // more than one inner block
  assert_non_null(many);
  for (int i = 0; i < (1 << 20) + 5; i++) many[i] = (float)(i % 4);
  rank_standing s = {0, 0};
  rank_count(many, (1 << 20) + 5, 2.0f, 0.0f, &s);
  assert_int_equal(s.above, (1 << 18) + 1); // the five beyond are 0, 1, 2, 3, 0
  assert_int_equal(s.tied, (1 << 18) + 1);
  free(many);
}

// A target among its ties is placed uniformly: chi-square with 9 degrees of freedom, 27.9 is the 99.9% quantile.
static void test_ties(void **unused) {
  (void)unused;
  int64_t at[10] = {0};
  rng r = rng_at(9, 2, 3, 6);
  for (int i = 0; i < 20000; i++) {
    const int32_t rank = rank_place((rank_standing){.above = 4, .tied = 9}, rng_unit(&r));
    assert_in_range(rank, 5, 14);
    at[rank - 5]++;
  }
  double chi = 0;
  for (int i = 0; i < 10; i++) chi += (double)((at[i] - 2000) * (at[i] - 2000)) / 2000;
  assert_true(chi < 27.9);
  assert_int_equal(rank_place((rank_standing){0, 0}, 0.999), 1);
  assert_int_equal(rank_place((rank_standing){7, 2}, nextafter(1.0, 0.0)), 10);
  assert_int_equal(rank_place((rank_standing){0, 1 << 30}, nextafter(1.0, 0.0)), (1 << 30) + 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_metrics), cmocka_unit_test(test_names),
                                     cmocka_unit_test(test_weights), cmocka_unit_test(test_counting),
                                     cmocka_unit_test(test_ties)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
