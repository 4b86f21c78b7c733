// Pair counts against all pairs looked at one by one, and the baselines' scores by hand.
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include "eval/baselines.h"
#include "eval/pair_counts.h"
#include "lib/check.h"
#include "lib/small_log.h"
#include "lib/tiny_dataset.h"

static char dir[256];

// ---- pair counts -----------------------------------------------------------------------------------------------

// The whole table as a matrix [items][items], by the definition. Only for data sets whose tokens are all items.
static void plain_pairs(dataset *d, const pair_config *c, int32_t items, double *w) {
  sequence_block *b;
  memset(w, 0, (size_t)items * (size_t)items * sizeof *w);
  check_ok(block_read(&b, d, 0, dataset_get_info(d)->sequences));
  for (int64_t i = 0; i < block_count(b); i++) {
    sequence s;
    block_get(b, i, &s);
    const int32_t n = c->before == EVAL_TEST ? s.test_from : s.valid_from;
    for (int32_t x = 0; x < n; x++) {
      for (int32_t y = 0; y < n; y++) {
        const int32_t apart = y - x, distance = abs(apart);
        if (apart == 0 || distance > c->window) continue;
        w[(s.tokens[x] - TOKEN_SPECIALS) * items + s.tokens[y] - TOKEN_SPECIALS] +=
            pow(distance, -c->distance_power) * (apart > 0 ? 1.0 : c->backward);
      }
    }
  }
  block_free(b);
}

static void check_table(const pair_counts *t, const double *w, int32_t keep) {
  for (int32_t a = 0; a < t->items; a++) {
    uint8_t seen[64] = {0};
    double total = 0, lightest = INFINITY;
    int32_t distinct = 0;
    for (int32_t b = 0; b < t->items; b++) {
      total += w[a * t->items + b];
      distinct += w[a * t->items + b] > 0;
    }
    const int64_t n = t->offsets[a + 1] - t->offsets[a];
    assert_int_equal(n, keep > 0 && keep < distinct ? keep : distinct);
    for (int64_t i = t->offsets[a]; i < t->offsets[a + 1]; i++) {
      assert_false(seen[t->others[i]]);
      seen[t->others[i]] = 1;
      check_near(t->weights[i], w[a * t->items + t->others[i]], 1e-5 * (1 + total));
      if ((double)t->weights[i] < lightest) lightest = (double)t->weights[i];
    }
    for (int32_t b = 0; b < t->items; b++) // what was cut off is lighter
      if (!seen[b]) assert_true(w[a * t->items + b] <= lightest + 1e-5);
    check_near(t->totals[a], total, 1e-5 * (1 + total));
  }
}

static void test_pairs(void **unused) {
  (void)unused;
  enum { ITEMS = 30 };
  dataset *d;
  tiny_directory(dir, sizeof dir);
  tiny_dataset(dir, 300, ITEMS, 0); // some items have more pairs than there are items: dense rows
  check_ok(dataset_open(&d, dir, true));
  double *w = calloc(ITEMS * ITEMS, sizeof *w);
  assert_non_null(w);
  const pair_config cases[] = {
      {EVAL_VALID, 1, 0, 0, false, 0, 1 << 20},    {EVAL_TEST, 1, 0, 0, false, 0, 1 << 20},
      {EVAL_TEST, 3, 1, 0, false, 0, 1 << 20},     {EVAL_VALID, 20, 0.5, 0.3, false, 0, 1 << 20},
      {EVAL_TEST, 1000, 0, 1, false, 0, 1 << 20},  {EVAL_TEST, 4, 0.5, 0.3, false, 5, 1 << 20},
      {EVAL_TEST, 20, 0.5, 0.3, false, 0, 4 << 10}};
  const int threads = omp_get_max_threads();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    pair_counts *t, *again;
    pair_config c = cases[i];
    plain_pairs(d, &c, ITEMS, w);
    check_ok(pair_counts_build(&t, d, &c));
    check_table(t, w, c.keep);
    assert_true(c.memory >= 1 << 20 ? t->passes == 2 : t->passes > 2);
    // Least memory (a row at a time) and one thread: the same table to the last bit.
    c.memory = 0;
    omp_set_num_threads(threads == 1 ? 3 : 1);
    check_ok(pair_counts_build(&again, d, &c));
    omp_set_num_threads(threads);
    assert_int_equal(again->passes, ITEMS + 1);
    assert_memory_equal(t->offsets, again->offsets, (ITEMS + 1) * sizeof *t->offsets);
    assert_memory_equal(t->others, again->others, (size_t)t->offsets[ITEMS] * sizeof *t->others);
    assert_memory_equal(t->weights, again->weights, (size_t)t->offsets[ITEMS] * sizeof *t->weights);
    assert_memory_equal(t->totals, again->totals, ITEMS * sizeof *t->totals);
    pair_counts_free(t);
    pair_counts_free(again);
  }
  pair_counts *t;
  pair_config bad = cases[0];
  bad.window = 0;
  check_fails(pair_counts_build(&t, d, &bad), ERR_ARGUMENT, "a window of at least 1");
  assert_null(t);
  pair_counts_free(NULL);
  free(w);
  small_close(d, dir);
}

// Tokens that are no items are not there for the distance either; items of later parts are not counted.
static void test_pairs_of_items(void **unused) {
  (void)unused;
  dataset *d = small_open(dir, 4, (const char *const[]){"A.?B|C|D", "||A", "D||"}, 3);
  pair_counts *t;
  const pair_config c = {.before = EVAL_VALID, .window = 1, .memory = 1 << 16};
  check_ok(pair_counts_build(&t, d, &c));
  assert_memory_equal(t->offsets, ((int64_t[]){0, 1, 1, 1, 1}), 5 * sizeof(int64_t));
  assert_int_equal(t->others[0], 1);
  check_near(t->weights[0], 1, 0);
  pair_counts_free(t);
  small_close(d, dir);
}

// ---- baselines -------------------------------------------------------------------------------------------------

static baseline_config defaults(void) {
  baseline_config c;
  const option_section section = {"baselines", "Counting baselines", baseline_options, n_baseline_options,
                                  &c};
  check_ok(options_defaults(&(option_set){.sections = &section, .count = 1}));
  return c;
}

// The score that a baseline gives `item` after `history` (letters).
static double score_of(baselines *b, baseline_kind kind, const char *history, char item, int32_t items) {
  int32_t tokens[32];
  query q = {.n = (int32_t)strlen(history), .tokens = tokens, .target = 0};
  for (int32_t i = 0; i < q.n; i++)
    tokens[i] = history[i] == '.' ? TOKEN_SPECIALS : TOKEN_SPECIALS + 1 + (history[i] - 'A');
  float *scores = calloc((size_t)items, sizeof *scores);
  assert_non_null(scores);
  for (int32_t i = 0; i < items; i++) scores[i] = NAN; // every one must be written
  baseline_scorer(kind)(b, 0, &q, scores);
  const double score = (double)scores[item - 'A'];
  for (int32_t i = 0; i < items; i++) assert_true(isfinite(scores[i]));
  free(scores);
  return score;
}

static void test_baselines(void **unused) {
  (void)unused;
  // Train: A B C, A B, B A. With validation: A B C D, A B E, B A C. Counts before test: A 3, B 3, C 2, D 1, E 1 of 10.
  // Transitions: A>B 2, A>C 1, B>C 1, B>E 1, B>A 1, C>D 1.
  const char *const log[] = {"ABC|D|E", "AB|E|C", "BA|C|A"};
  dataset *d = small_open(dir, 6, log, 3);
  baseline_config c = defaults();
  c.prior = 0.5;
  c.window = 2;
  c.distance_power = 1;
  c.backward = 0.5;
  c.decay = 0.25;
  c.transition = 3;
  baselines *b;
  check_ok(baselines_build(&b, d, EVAL_TEST, &c));
  const double popular[] = {0.3, 0.3, 0.2, 0.1, 0.1, 0};
  for (int i = 0; i < 6; i++) {
    check_near(score_of(b, BASELINE_POPULARITY, "AB", (char)('A' + i), 6), popular[i], 1e-7);
    check_near(score_of(b, BASELINE_MARKOV, "E", (char)('A' + i), 6), 0.5 * popular[i],
               1e-7); // nothing followed E
    check_near(score_of(b, BASELINE_MARKOV, "", (char)('A' + i), 6), 0.5 * popular[i], 1e-7);
  }
  check_near(score_of(b, BASELINE_MARKOV, "CA", 'B', 6), 2 + 0.5 * 0.3, 1e-6);
  check_near(score_of(b, BASELINE_MARKOV, "CA.", 'B', 6), 2 + 0.5 * 0.3,
             1e-6); // the last item, not the last token
  check_near(score_of(b, BASELINE_MARKOV, "CA", 'C', 6), 1 + 0.5 * 0.2, 1e-6);
  check_near(score_of(b, BASELINE_MARKOV, "CA", 'D', 6), 0.5 * 0.1, 1e-7);
  // Weights of pairs. A's row, forward: B 1 (ABCD) + 1 (ABE), C 1/2 (ABCD) + 1 (BAC), E 1/2 (ABE); backward at half:
  // B 1/2 (BAC). B's row: C 1 + 1/2 (BAC), D 1/2, E 1, A 1 (BAC), and backward A 1/2 + 1/2.
  const double a_b = 2.5, a_c = 1.5, b_c = 1.5, a_e = 0.5, b_e = 1.0;
  const double e = 1e-6; // popularity orders what is equal otherwise
  check_near(score_of(b, BASELINE_COOCCURRENCE, "A", 'B', 6), a_b / 3 + 0.3 * e, 1e-6);
  check_near(score_of(b, BASELINE_COOCCURRENCE, "BA", 'C', 6), (a_c + 0.25 * b_c) / sqrt(6.0), 1e-6);
  check_near(score_of(b, BASELINE_COOCCURRENCE, "BFA", 'C', 6), a_c / sqrt(6.0),
             1e-6); // B is beyond the window
  check_near(score_of(b, BASELINE_COOCCURRENCE, "B.A", 'E', 6), (a_e + 0.25 * b_e) / sqrt(3.0), 1e-6);
  check_near(score_of(b, BASELINE_COOCCURRENCE, "F", 'C', 6), 0.2 * e, 1e-12);
  check_near(score_of(b, BASELINE_COMBINED, "BA", 'C', 6), (a_c + 0.25 * b_c) / sqrt(3.0) + 3 * 1.0 / 3,
             1e-6);
  check_near(score_of(b, BASELINE_COMBINED, "BA", 'E', 6), (a_e + 0.25 * b_e) / sqrt(3.0), 1e-6);
  check_near(score_of(b, BASELINE_COMBINED, "", 'A', 6), 0.3 * e, 1e-12);
  baselines_free(b);

  // Learning from train only: no D or E at all.
  c.learn = 1;
  check_ok(baselines_build(&b, d, EVAL_TEST, &c));
  check_near(score_of(b, BASELINE_POPULARITY, "AB", 'A', 6), 3.0 / 7, 1e-7);
  check_near(score_of(b, BASELINE_POPULARITY, "AB", 'D', 6), 0, 0);
  check_near(score_of(b, BASELINE_MARKOV, "A", 'C', 6), 0.5 / 7, 1e-7);
  baselines_free(b);
  // So does the validation part.
  c.learn = 0;
  check_ok(baselines_build(&b, d, EVAL_VALID, &c));
  check_near(score_of(b, BASELINE_POPULARITY, "AB", 'A', 6), 3.0 / 7, 1e-7);
  baselines_free(b);
  baselines_free(NULL);
  small_close(d, dir);
}

// On logs that follow a cycle the transitions win, and all beat popularity.
static void test_order(void **unused) {
  (void)unused;
  dataset *d;
  tiny_directory(dir, sizeof dir);
  tiny_dataset(dir, 400, 60, 0);
  check_ok(dataset_open(&d, dir, true));
  const baseline_config c = defaults();
  ranking_config rc = ranking_defaults();
  rc.query.part = EVAL_TEST;
  baselines *b;
  ranking *r;
  double hr[BASELINES];
  check_ok(baselines_build(&b, d, EVAL_TEST, &c));
  check_ok(ranking_open(&r, d, &rc));
  for (int kind = 0; kind < BASELINES; kind++) {
    ranking_result result;
    check_ok(ranking_run_rows(r, baseline_scorer((baseline_kind)kind), b, &result));
    hr[kind] = result.metrics[RANK_FULL].value[METRIC_HR];
    ranking_result_free(&result);
  }
  assert_true(hr[BASELINE_MARKOV] > 0.6); // the next item follows the cycle with probability 0.8
  for (int kind = 1; kind < BASELINES; kind++) assert_true(hr[kind] > 3 * hr[BASELINE_POPULARITY]);
  baselines_free(b);
  ranking_close(r);
  small_close(d, dir);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_pairs), cmocka_unit_test(test_pairs_of_items),
                                     cmocka_unit_test(test_baselines), cmocka_unit_test(test_order)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
