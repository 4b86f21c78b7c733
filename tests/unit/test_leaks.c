// Leaks on purpose: data and scorers that know the answers must be refused or told, and honest ones must not.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "data/writer.h"
#include "eval/baselines.h"
#include "eval/leaks.h"
#include "lib/check.h"
#include "lib/small_log.h"
#include "lib/tiny_dataset.h"

// Each user ends with an item of his own, which nothing before has: COMMON items, then one a user.
enum { USERS = 80, COMMON = 12, ITEMS = COMMON + USERS, EVENTS = 6 };

static char dir[256];

static dataset *open_own_ends(void) {
  vocab *v;
  dataset_writer *w;
  dataset *d;
  char name[32];
  int64_t counts[ITEMS] = {0};
  int32_t tokens[USERS][EVENTS];
  for (int32_t u = 0; u < USERS; u++)
    for (int32_t i = 0; i < EVENTS; i++) {
      const int32_t item = i == EVENTS - 1 ? COMMON + u : (u * 5 + i * i) % COMMON;
      tokens[u][i] = TOKEN_SPECIALS + item;
      counts[item] += i < EVENTS - 2;
    }
  tiny_directory(dir, sizeof dir);
  check_ok(vocab_new(&v));
  for (int32_t i = 0; i < ITEMS; i++) {
    snprintf(name, sizeof name, "item%d", i);
    check_ok(vocab_add(v, RANGE_ITEMS, name, counts[i], NULL));
  }
  check_ok(writer_open(&w, dir, 1 << 20, 4, true));
  for (int32_t u = 0; u < USERS; u++) {
    const int32_t sessions[EVENTS] = {0};
    const uint8_t events[EVENTS] = {0};
    const int64_t times[EVENTS] = {0, 1, 2, 3, 4, 5};
    snprintf(name, sizeof name, "user%d", u);
    check_ok(writer_add(w,
                        &(sequence){.user = u,
                                    .n = EVENTS,
                                    .valid_from = EVENTS - 2,
                                    .test_from = EVENTS - 1,
                                    .tokens = tokens[u],
                                    .events = events,
                                    .times = times,
                                    .sessions = sessions},
                        name));
  }
  dataset_info info = {.name = "ends", .n_event_types = 1, .event_types = {"none"}, .window = 8, .stride = 4};
  check_ok(writer_finish(w, &info, v, NULL));
  vocab_free(v);
  check_ok(dataset_open(&d, dir, true));
  return d;
}

static void close_data(dataset *d) {
  dataset_close(d);
  tiny_remove(dir);
}

static void knows_answer(void *self, int32_t thread, const query *q, float *scores) {
  (void)self, (void)thread;
  memset(scores, 0, ITEMS * sizeof *scores);
  if (q->target >= 0) scores[q->target] = 1;
}

static void all_alike(void *self, int32_t thread, const query *q, float *scores) {
  (void)self, (void)thread, (void)q;
  memset(scores, 0, ITEMS * sizeof *scores);
}

// What was never seen comes first, in an order that depends on the item alone, as of a model's initial weights.
static void likes_new_items(void *self, int32_t thread, const query *q, float *scores) {
  (void)self, (void)thread, (void)q;
  for (int32_t i = 0; i < ITEMS; i++) {
    rng r = rng_at(7, 1, (uint32_t)i, 0);
    scores[i] = (i >= COMMON) + (float)rng_unit(&r);
  }
}

// The same with an order of its own for each question.
static void draws_lots(void *self, int32_t thread, const query *q, float *scores) {
  (void)self, (void)thread;
  rng r = rng_at(8, 1, (uint32_t)q->sequence, 0);
  for (int32_t i = 0; i < ITEMS; i++) scores[i] = (i >= COMMON) + (float)rng_unit(&r);
}

static leak_suspicion suspicion_of(dataset *d, row_scorer score) {
  ranking_config c = ranking_defaults();
  ranking *r;
  ranking_result result;
  leak_suspicion s;
  c.query.part = EVAL_TEST;
  check_ok(ranking_open(&r, d, &c));
  check_ok(ranking_run_rows(r, score, NULL, &result));
  check_ok(leaks_suspect(r, &result, &s));
  ranking_result_free(&result);
  ranking_close(r);
  return s;
}

static void test_answers(void **unused) {
  (void)unused;
  char text[LEAK_TEXT];
  dataset *d = open_own_ends();
  const leak_suspicion s = suspicion_of(d, knows_answer);
  assert_int_equal(s.never, USERS);
  assert_int_equal(s.targets, USERS);
  assert_int_equal(s.hits, USERS);
  check_near(s.expected, 10, 1e-9);
  assert_true(s.suspected);
  assert_non_null(strstr(leaks_describe(&s, text), "80 of 80 items that no part before has"));
  const row_scorer honest[] = {all_alike, likes_new_items, draws_lots};
  for (size_t i = 0; i < sizeof honest / sizeof *honest; i++) {
    const leak_suspicion h = suspicion_of(d, honest[i]);
    assert_int_equal(h.targets, USERS);
    assert_false(h.suspected);
  }
  close_data(d);
}

// Baselines count the parts before the one asked about: a target that only the test part has must be to them as if it were not
// there, and stand behind all that they know.
static void test_counts_of_baselines(void **unused) {
  (void)unused;
  dataset *d = open_own_ends();
  ranking_config c = ranking_defaults();
  ranking *r;
  baselines *b;
  const baseline_config bc = {.prior = 1,
                              .window = 20,
                              .distance_power = 0.5,
                              .backward = 1,
                              .decay = 0.7,
                              .transition = 1,
                              .keep = 1000,
                              .memory = 1 << 20};
  c.query.part = EVAL_TEST;
  check_ok(ranking_open(&r, d, &c));
  check_ok(baselines_build(&b, d, EVAL_TEST, &bc));
  for (int32_t i = 0; i < ITEMS; i++) assert_true((ranking_known(r)[i] > 0) == (i < COMMON));
  for (int kind = 0; kind < BASELINES; kind++) {
    ranking_result result;
    leak_suspicion s;
    check_ok(ranking_run_rows(r, baseline_scorer((baseline_kind)kind), b, &result));
    check_ok(leaks_suspect(r, &result, &s));
    assert_false(s.suspected);
    for (int64_t i = 0; i < result.targets; i++) assert_true(result.ranks[RANK_FULL][i] > COMMON - EVENTS);
    query_chunk chunk;
    check_ok(queries_chunk((query_source *)ranking_queries(r), 0, &chunk));
    for (int64_t i = 0; i < chunk.count; i++) {
      float scores[ITEMS];
      baseline_scorer((baseline_kind)kind)(b, 0, &chunk.queries[i], scores);
      for (int32_t item = COMMON; item < ITEMS; item++) check_near(scores[item], 0, 0);
    }
    ranking_result_free(&result);
  }
  baselines_free(b);
  ranking_close(r);
  close_data(d);
}

// Counts of a vocabulary that has seen other events than the train parts.
static void test_counts_of_data(void **unused) {
  (void)unused;
  const char *const sequences[] = {"ABC|D|E", "BCA|E|D", "AAB|C|C", "D|A|B"};
  dataset *d;
  tiny_directory(dir, sizeof dir);
  small_log(dir, 6, sequences, 4);
  check_ok(dataset_open(&d, dir, true));
  check_ok(leaks_check_data(d));
  const int32_t all[] = {5, 5, 5, 3};
  check_ok(dataset_count_again(d, all));
  check_fails(leaks_check_data(d), ERR_FORMAT, "its counts are of other events, which may be held out");
  close_data(d);
  tiny_directory(dir, sizeof dir);
  tiny_dataset(dir, 30, 20, 0); // the test's, whose counts are made up
  check_ok(dataset_open(&d, dir, true));
  check_fails(leaks_check_data(d), ERR_FORMAT, "is counted");
  close_data(d);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers),
                                     cmocka_unit_test(test_counts_of_baselines),
                                     cmocka_unit_test(test_counts_of_data)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
