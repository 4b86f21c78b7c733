// Several targets of a user: metrics against plain definitions, ranks of ties, both readings from a data set to intervals.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "eval/bootstrap.h"
#include "eval/ranking.h"
#include "data/writer.h"
#include "lib/check.h"
#include "lib/small_log.h"
#include "lib/tiny_dataset.h"

static char dir[256];

// ---- metrics ---------------------------------------------------------------------------------------------------

// The metrics of one ranked list by their definitions: right[i] says whether place i (from 0) holds a relevant item.
static void plain_metrics(const bool *right, int32_t places, int32_t relevant, rank_metrics *out) {
  *out = (rank_metrics){0};
  for (int32_t c = 0; c < RANK_CUTOFFS; c++) {
    const int32_t k = rank_cutoffs[c];
    double hits = 0, gain = 0, ideal = 0, average = 0, first = 0;
    for (int32_t i = 0; i < k; i++) {
      if (i < relevant) ideal += log(2) / log(i + 2);
      if (i >= places || !right[i]) continue;
      hits++;
      gain += log(2) / log(i + 2);
      average += hits / (i + 1);
      if (first <= 0) first = 1.0 / (i + 1);
    }
    out->value[METRIC_HR + c] = hits > 0;
    out->value[METRIC_RECALL + c] = hits / relevant;
    out->value[METRIC_PRECISION + c] = hits / k;
    out->value[METRIC_NDCG + c] = gain / ideal;
    out->value[METRIC_MAP + c] = average / fmin(relevant, k);
    out->value[METRIC_MRR + c] = first;
  }
  for (int32_t i = places - 1; i >= 0; i--)
    if (right[i]) out->value[METRIC_MRR_ALL] = 1.0 / (i + 1);
}

static void test_metrics(void **unused) {
  (void)unused;
  enum { QUERIES = 400, PLACES = 40 };
  int32_t ranks[QUERIES * PLACES], relevant[QUERIES], at = 0;
  rank_metrics sum = {0}, one, found;
  rng r = rng_at(3, 1, 0, 0);
  for (int q = 0; q < QUERIES; q++) {
    bool right[PLACES] = {false};
    const int32_t known = (int32_t)rng_below(&r, 30), unknown = (int32_t)rng_below(&r, 3) + (known == 0);
    relevant[q] = known + unknown;
    for (int32_t i = 0; i < unknown; i++) ranks[at + i] = 0; // in front, so that sorting has something to do
    for (int32_t i = 0; i < known;) {
      const int32_t place = (int32_t)rng_below(&r, PLACES);
      if (right[place]) continue;
      right[place] = true;
      ranks[at + unknown + i++] = place + 1;
    }
    rank_set_sort(ranks + at, relevant[q]);
    at += relevant[q];
    plain_metrics(right, PLACES, relevant[q], &one);
    for (int m = 0; m < SET_METRICS; m++) sum.value[m] += one.value[m] / QUERIES;
  }
  rank_sets_metrics(ranks, relevant, QUERIES, &found);
  for (int m = 0; m < SET_METRICS; m++) check_near(found.value[m], sum.value[m], 1e-12);
}

// With one relevant item the figures are those of plain ranks, and the others are as the header says.
static void test_one_relevant(void **unused) {
  (void)unused;
  enum { QUERIES = 300 };
  int32_t ranks[QUERIES], relevant[QUERIES];
  rng r = rng_at(4, 1, 0, 0);
  for (int i = 0; i < QUERIES; i++) {
    ranks[i] = (int32_t)rng_below(&r, 30); // 0 too
    relevant[i] = 1;
  }
  rank_metrics plain, set;
  rank_metrics_of(ranks, QUERIES, &plain);
  rank_sets_metrics(ranks, relevant, QUERIES, &set);
  for (int m = 0; m < RANK_METRICS; m++) check_near(set.value[m], plain.value[m], 1e-12);
  for (int c = 0; c < RANK_CUTOFFS; c++) {
    check_near(set.value[METRIC_RECALL + c], plain.value[METRIC_HR + c], 1e-12);
    check_near(set.value[METRIC_PRECISION + c], plain.value[METRIC_HR + c] / rank_cutoffs[c], 1e-12);
    check_near(set.value[METRIC_MAP + c], plain.value[METRIC_MRR + c], 1e-12);
  }
}

// ---- ranks -----------------------------------------------------------------------------------------------------

// Two relevant items that tie with two others, behind one that is above: every pair of places among four is as likely.
static void test_ties(void **unused) {
  (void)unused;
  enum { ROUNDS = 6000 };
  const rank_standing standings[2] = {{.above = 1, .tied = 2}, {.above = 1, .tied = 2}};
  const float scores[2] = {0.5f, 0.5f}, tolerances[2] = {0, 0};
  int64_t seen[6][6] = {{0}};
  int32_t ranks[2], order[2];
  int64_t gaps[2];
  rng r = rng_at(5, 1, 0, 0);
  for (int i = 0; i < ROUNDS; i++) {
    const double units[2] = {rng_unit(&r), rng_unit(&r)};
    const rank_set set = {2, standings, 1, scores, tolerances, units};
    rank_place_set(&set, ranks, order, gaps);
    rank_set_sort(ranks, 2);
    assert_in_range(ranks[0], 2, 4);
    assert_in_range(ranks[1], ranks[0] + 1, 5);
    seen[ranks[0]][ranks[1]]++;
  }
  double chi = 0;
  for (int a = 2; a <= 4; a++)
    for (int b = a + 1; b <= 5; b++) chi += pow((double)seen[a][b] - ROUNDS / 6.0, 2) / (ROUNDS / 6.0);
  assert_true(chi < 20.5); // the 99.9% quantile of 5 degrees of freedom
}

// Scores that differ: the ranks are those of the sorted list. Scores from a few values: still no two ranks are the same, and
// a better score never has the worse rank.
static void test_places(void **unused) {
  (void)unused;
  enum { ITEMS = 60, ROUNDS = 300 };
  rng r = rng_at(6, 1, 0, 0);
  for (int round = 0; round < ROUNDS; round++) {
    const bool coarse = round % 2 == 1;
    const int32_t n = 1 + (int32_t)rng_below(&r, 20);
    float all[ITEMS], tolerances[ITEMS] = {0};
    double units[ITEMS];
    rank_standing standings[ITEMS] = {{0}};
    int32_t ranks[ITEMS], order[ITEMS];
    int64_t gaps[ITEMS];
    for (int i = 0; i < ITEMS; i++) {
      all[i] = coarse ? (float)rng_below(&r, 4) : (float)rng_unit(&r) + (float)i * 1e-3f;
      units[i] = rng_unit(&r);
    }
    for (int32_t t = 0; t < n; t++) rank_count(all + n, ITEMS - n, all[t], 0, &standings[t]);
    const rank_set set = {n, standings, 1, all, tolerances, units};
    rank_place_set(&set, ranks, order, gaps);
    for (int32_t t = 0; t < n; t++) {
      int32_t above = 0, tied = 0;
      for (int32_t i = 0; i < ITEMS; i++) {
        above += all[i] > all[t];
        tied += i != t && !(all[i] > all[t]) && !(all[i] < all[t]);
      }
      assert_in_range(ranks[t], above + 1, above + tied + 1);
      for (int32_t i = 0; i < t; i++) assert_int_not_equal(ranks[i], ranks[t]);
    }
  }
}

// ---- from a data set -------------------------------------------------------------------------------------------

// A score for every user and item, the same for several items.
static float score_of(const query *q, int32_t item) {
  return (float)((q->sequence * 7 + item * item * 5 + item) % 11);
}
static void score_row(void *self, int32_t thread, const query *q, float *scores) {
  (void)thread;
  for (int32_t i = 0; i < *(const int32_t *)self; i++) scores[i] = score_of(q, i);
}

static void run(dataset *d, eval_part part, int reading, ranking_result *out) {
  ranking_config c = ranking_defaults();
  ranking *r;
  int32_t items =
      dataset_get_info(d)->range_end[RANGE_ITEMS] - dataset_get_info(d)->range_end[RANGE_ATTRIBUTES];
  c.query.part = part;
  c.query.reading = reading;
  c.query.protocols[RANK_UNIFORM] = c.query.protocols[RANK_POPULARITY] = true;
  c.query.negatives = 4;
  check_ok(ranking_open(&r, d, &c));
  check_ok(ranking_run_rows(r, score_row, &items, out));
  ranking_close(r);
}

// Items above the target that are no targets and not filtered, and those that tie with it.
static void check_question(const query *q, int32_t items, const int32_t *ranks, int32_t protocol) {
  for (int32_t t = 0; t < q->n_targets; t++) {
    int32_t above = 0, tied = 0;
    if (q->targets[t] < 0) {
      assert_int_equal(ranks[t], 0);
      continue;
    }
    for (int32_t i = 0; i < items; i++) {
      bool target = false, candidate = protocol == RANK_FULL;
      for (int32_t j = 0; j < q->n_targets; j++) target = target || q->targets[j] == i;
      for (int32_t j = 0; candidate && j < q->n; j++) candidate = q->tokens[j] != TOKEN_SPECIALS + 1 + i;
      for (int32_t j = 0; j < q->n_negatives[protocol]; j++) {
        assert_true(q->negatives[protocol][j] != i || !target); // a right answer is no negative
        candidate = candidate || q->negatives[protocol][j] == i;
      }
      if (i == q->targets[t] || !(candidate || target)) continue;
      above += score_of(q, i) > score_of(q, q->targets[t]);
      tied += (int32_t)score_of(q, i) == (int32_t)score_of(q, q->targets[t]);
    }
    assert_in_range(ranks[t], above + 1, above + tied + 1);
  }
}

static void test_all(void **unused) {
  (void)unused;
  enum { ITEMS = 14 };
  // Targets that repeat, are in the history, unknown, no items; users with one target, none, no history.
  const char *const log[] = {"ACA|B|DEDFAB", "EF||", "B.?|A.|BA?K.?", "|CC|", "C||B", "||LMN", "GHIJ|K|L"};
  dataset *d = small_open(dir, ITEMS, log, 7);
  ranking_result result;
  run(d, EVAL_TEST, TARGETS_ALL, &result);
  const int32_t wanted[] = {5, 6, 1, 3, 1}; // ? and . are three unknown ones of the third user
  assert_int_equal(result.queries, 5);
  assert_int_equal(result.users, 5);
  assert_memory_equal(result.relevant, wanted, sizeof wanted);
  assert_int_equal(result.targets, 16);
  assert_int_equal(result.unknown, 3);
  assert_int_equal(result.no_history, 1);
  query_config c = ranking_defaults().query;
  c.part = EVAL_TEST;
  c.reading = TARGETS_ALL;
  c.protocols[RANK_UNIFORM] = c.protocols[RANK_POPULARITY] = true;
  c.negatives = 4;
  query_source *s;
  query_chunk k;
  check_ok(queries_open(&s, d, &c));
  check_ok(queries_chunk(s, 0, &k));
  assert_int_equal(k.queries[0].n, 4); // the history ends at the cut
  const int32_t first[] = {3, 4, 5, 0, 1};
  assert_memory_equal(k.queries[0].targets, first, sizeof first);
  for (int64_t i = 0; i < k.count; i++)
    for (int p = 0; p < RANK_PROTOCOLS; p++)
      check_question(&k.queries[i], ITEMS, result.ranks[p] + k.queries[i].target_at, p);
  queries_close(s);
  // The metrics are the means of the plain ones.
  rank_metrics sum = {0}, one;
  const int32_t *ranks = result.ranks[RANK_FULL];
  for (int64_t i = 0; i < result.queries; ranks += result.relevant[i++]) {
    bool right[ITEMS] = {false};
    for (int32_t t = 0; t < result.relevant[i]; t++)
      if (ranks[t] > 0) right[ranks[t] - 1] = true;
    plain_metrics(right, ITEMS, result.relevant[i], &one);
    for (int m = 0; m < SET_METRICS; m++) sum.value[m] += one.value[m] / (double)result.queries;
  }
  for (int m = 0; m < SET_METRICS; m++) check_near(result.metrics[RANK_FULL].value[m], sum.value[m], 1e-12);
  ranking_result_free(&result);
  small_close(d, dir);
}

// With one target a user both readings ask the same questions: the same ranks, negatives, figures and intervals.
static void test_readings_agree(void **unused) {
  (void)unused;
  enum { USERS = 300, REPLICATES = 50 };
  dataset *d;
  tiny_directory(dir, sizeof dir);
  tiny_dataset(dir, USERS, 60, 0);
  check_ok(dataset_open(&d, dir, true));
  ranking_result next, all;
  run(d, EVAL_TEST, TARGETS_NEXT, &next);
  run(d, EVAL_TEST, TARGETS_ALL, &all);
  assert_int_equal(next.queries, all.queries);
  assert_int_equal(next.fewest_negatives, all.fewest_negatives);
  double *a = calloc(SET_METRICS * REPLICATES, sizeof *a), *b = calloc(SET_METRICS * REPLICATES, sizeof *b);
  assert_true(a != NULL && b != NULL);
  for (int p = 0; p < RANK_PROTOCOLS; p++) {
    assert_memory_equal(next.ranks[p], all.ranks[p], USERS * sizeof(int32_t));
    for (int m = 0; m < RANK_METRICS; m++)
      check_near(all.metrics[p].value[m], next.metrics[p].value[m], 1e-12);
    const bootstrap_questions one = {next.slots, NULL, USERS}, set = {all.slots, all.relevant, USERS};
    check_ok(bootstrap_metrics(&one, (const int32_t *const[]){next.ranks[p]}, 1, REPLICATES, 9, a));
    check_ok(bootstrap_metrics(&set, (const int32_t *const[]){all.ranks[p]}, 1, REPLICATES, 9, b));
    for (int i = 0; i < RANK_METRICS * REPLICATES; i++) check_near(a[i], b[i], 1e-12);
    for (int i = 0; i < RANK_CUTOFFS * REPLICATES; i++)
      check_near(b[METRIC_RECALL * REPLICATES + i], b[METRIC_HR * REPLICATES + i], 1e-12);
  }
  free(a);
  free(b);
  ranking_result_free(&next);
  ranking_result_free(&all);
  small_close(d, dir);
}

// Users of thousands of targets: the list of a history's items is kept once, not for each question, and a chunk ends.
static void test_long_histories(void **unused) {
  (void)unused;
  enum { USERS = 100, LENGTH = 1000, ITEMS = 5000 };
  vocab *v;
  dataset_writer *w;
  tiny_directory(dir, sizeof dir);
  check_ok(vocab_new(&v));
  char name[32];
  for (int32_t i = 0; i < ITEMS; i++) {
    snprintf(name, sizeof name, "i%d", i);
    check_ok(vocab_add(v, RANGE_ITEMS, name, 0, NULL));
  }
  check_ok(writer_open(&w, dir, 1 << 20, 0, true));
  int32_t tokens[LENGTH], sessions[LENGTH] = {0};
  uint8_t events[LENGTH] = {0};
  int64_t times[LENGTH] = {0};
  for (int32_t u = 0; u < USERS; u++) {
    for (int32_t i = 0; i < LENGTH; i++) tokens[i] = TOKEN_SPECIALS + (u * 31 + i * 17) % ITEMS;
    const sequence s = {0, u, LENGTH, 1, 1, tokens, events, times, sessions};
    check_ok(writer_add(w, &s, "user"));
  }
  dataset_info info = {.name = "long", .n_event_types = 1, .event_types = {"none"}, .window = 8, .stride = 4};
  check_ok(writer_finish(w, &info, v, NULL));
  vocab_free(v);
  dataset *d;
  check_ok(dataset_open(&d, dir, true));
  query_config c = {.part = EVAL_TEST, .seed = 7, .protocols = {true}, .filter_history = true};
  query_source *s;
  query_chunk k;
  check_ok(queries_open(&s, d, &c));
  assert_int_equal(queries_chunks(s), 2); // of at most 65,536 targets: 65 users and 35
  check_ok(queries_chunk(s, 0, &k));
  assert_int_equal(k.count, 65 * (LENGTH - 1));
  const query *last = &k.queries[k.count - 1];
  assert_true(last->seen == k.queries[k.count - 2].seen && last->n_seen == LENGTH);
  int32_t filtered = 0;
  for (int32_t i = 0; i < last->n_seen; i++) filtered += query_filters(last, i);
  assert_int_equal(filtered, LENGTH - 1);
  assert_true(queries_memory(d, &c, 1).held < 40e6); // a list a question would be 200 MB
  queries_close(s);
  small_close(d, dir);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_metrics),       cmocka_unit_test(test_one_relevant),
      cmocka_unit_test(test_ties),          cmocka_unit_test(test_places),
      cmocka_unit_test(test_all),           cmocka_unit_test(test_readings_agree),
      cmocka_unit_test(test_long_histories)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
