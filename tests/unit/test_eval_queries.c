// The questions of an evaluation: histories, filtered items, negatives and their distribution, subsets of users.
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include "eval/queries.h"
#include "lib/check.h"
#include "lib/small_log.h"
#include "lib/tiny_dataset.h"

static char dir[256];

static query_config config_of(eval_part part) {
  return (query_config){.part = part, .seed = 7, .negatives = 3, .protocols = {true}, .filter_history = true};
}

// What is no candidate of the whole catalogue: the targets, and with the filter the items of the history.
static void check_excluded(const query *q, const char *letters) {
  char found[27] = "", *end = found;
  for (int32_t item = 0, i = 0; item < 26; item++) {
    bool out = i < q->n_seen && q->seen[i] == item && query_filters(q, i);
    i += i < q->n_seen && q->seen[i] == item;
    for (int32_t t = 0; t < q->n_targets; t++) out = out || q->targets[t] == item;
    if (out) *end++ = (char)('A' + item);
  }
  *end = '\0';
  assert_string_equal(found, letters);
}

// Every question by hand, with several targets a user, targets that are unknown or no items, and users without any.
static void test_questions(void **unused) {
  (void)unused;
  const char *const log[] = {"ACA|B|D", "EF||", "B.?|A.|BA", "|C|", "C||B"};
  dataset *d = small_open(dir, 8, log, 5);
  query_config c = config_of(EVAL_TEST);
  query_source *s;
  query_chunk k;
  check_ok(queries_open(&s, d, &c));
  assert_int_equal(queries_chunks(s), 1);
  check_ok(queries_chunk(s, 0, &k));
  assert_int_equal(k.count, 4);
  const struct {
    int64_t sequence;
    int32_t target, n;
    const char *excluded;
  } test[] = {{0, 3, 4, "ABCD"}, {2, 1, 5, "AB"}, {2, 0, 6, "AB"}, {4, 1, 1, "BC"}};
  for (int i = 0; i < 4; i++) {
    const query *q = &k.queries[i];
    assert_int_equal(q->sequence, test[i].sequence);
    assert_int_equal(q->target, test[i].target);
    assert_int_equal(q->n, test[i].n);
    check_excluded(q, test[i].excluded);
    for (int p = 0; p < RANK_PROTOCOLS; p++) assert_true(q->tie[p] >= 0 && q->tie[p] < 1);
  }
  assert_true(k.queries[1].slot == k.queries[2].slot && k.queries[0].slot != k.queries[1].slot);
  assert_int_equal(k.queries[1].tokens[2], TOKEN_UNK); // histories keep what the model may read
  queries_close(s);

  c.part = EVAL_VALID;
  check_ok(queries_open(&s, d, &c));
  check_ok(queries_chunk(s, 0, &k));
  assert_int_equal(k.count, 4); // users 0, 2 (twice, once a word) and 3
  assert_int_equal(k.queries[2].target, -1);
  check_excluded(&k.queries[2], "AB"); // just the history
  assert_int_equal(k.queries[3].n, 0);
  check_excluded(&k.queries[3], "C");
  queries_close(s);

  c.part = EVAL_TEST;
  c.filter_history = false;
  check_ok(queries_open(&s, d, &c));
  check_ok(queries_chunk(s, 0, &k));
  check_excluded(&k.queries[0], "D");
  queries_close(s);

  int64_t counts[8];
  check_ok(items_count(d, EVAL_VALID, counts));
  assert_memory_equal(counts, ((int64_t[]){2, 1, 2, 0, 1, 1, 0, 0}), sizeof counts);
  check_ok(items_count(d, EVAL_TEST, counts));
  assert_memory_equal(counts, ((int64_t[]){3, 2, 3, 0, 1, 1, 0, 0}), sizeof counts);
  small_close(d, dir);
}

static void check_negatives(const query *q, int32_t protocol, int32_t items, int32_t wanted) {
  assert_int_equal(q->n_negatives[protocol], wanted);
  for (int32_t i = 0; i < wanted; i++) {
    const int32_t item = q->negatives[protocol][i];
    assert_in_range(item, 0, items - 1);
    assert_int_not_equal(item, q->target);
    if (i > 0) assert_true(item > q->negatives[protocol][i - 1]); // distinct, ascending
    for (int32_t j = 0; j < q->n; j++) assert_int_not_equal(q->tokens[j], TOKEN_SPECIALS + item);
  }
}

static bool same_question(const query *a, const query *b) {
  bool same = a->sequence == b->sequence && a->target == b->target && a->n == b->n &&
              memcmp(a->tie, b->tie, sizeof a->tie) == 0;
  for (int32_t p = RANK_UNIFORM; p < RANK_PROTOCOLS; p++)
    same = same && a->n_negatives[p] == b->n_negatives[p] &&
           memcmp(a->negatives[p], b->negatives[p], (size_t)a->n_negatives[p] * sizeof(int32_t)) == 0;
  return same;
}

// Negatives are distinct and allowed; the same for any number of threads and for whoever else is evaluated.
static void test_negatives(void **unused) {
  (void)unused;
  enum { USERS = 300, ITEMS = 60 };
  dataset *d;
  tiny_directory(dir, sizeof dir);
  tiny_dataset(dir, USERS, ITEMS, 0);
  check_ok(dataset_open(&d, dir, true));
  query_config c = config_of(EVAL_TEST);
  c.protocols[RANK_UNIFORM] = c.protocols[RANK_POPULARITY] = true;
  c.negatives = 20;
  query_source *s, *other;
  query_chunk k, l;
  check_ok(queries_open(&s, d, &c));
  check_ok(queries_chunk(s, 0, &k));
  assert_int_equal(k.count, USERS);
  for (int64_t i = 0; i < k.count; i++) {
    check_negatives(&k.queries[i], RANK_UNIFORM, ITEMS, 20);
    check_negatives(&k.queries[i], RANK_POPULARITY, ITEMS, 20);
  }
  const int threads = omp_get_max_threads();
  for (int round = 0; round < 2; round++) {
    omp_set_num_threads(round == 0 ? 1 : 3);
    c.users = round == 0 ? 0 : 77;
    check_ok(queries_open(&other, d, &c));
    check_ok(queries_chunk(other, 0, &l));
    assert_int_equal(l.count, round == 0 ? USERS : 77);
    for (int64_t i = 0; i < l.count; i++) {
      assert_true(i == 0 || l.queries[i].sequence > l.queries[i - 1].sequence);
      assert_int_equal(l.queries[i].slot, i);
      assert_true(same_question(&k.queries[l.queries[i].sequence], &l.queries[i]));
    }
    queries_close(other);
  }
  omp_set_num_threads(threads);
  c.users = 0;
  c.seed = 8;
  check_ok(queries_open(&other, d, &c));
  check_ok(queries_chunk(other, 0, &l));
  int64_t same = 0;
  for (int64_t i = 0; i < l.count; i++) same += same_question(&k.queries[i], &l.queries[i]);
  assert_int_equal(same, 0);
  queries_close(other);
  queries_close(s);

  c.negatives = 1000; // more than there are: all that are allowed and have a count
  check_ok(queries_open(&s, d, &c));
  check_ok(queries_chunk(s, 0, &k));
  int64_t counts[ITEMS];
  check_ok(items_count(d, EVAL_TEST, counts));
  for (int64_t i = 0; i < k.count; i++) {
    const query *q = &k.queries[i];
    int32_t allowed = 0, counted = 0;
    for (int32_t item = 0; item < ITEMS; item++) {
      bool out = item == q->target;
      for (int32_t j = 0; j < q->n; j++) out = out || q->tokens[j] == TOKEN_SPECIALS + item;
      allowed += !out;
      counted += !out && counts[item] > 0;
    }
    check_negatives(q, RANK_UNIFORM, ITEMS, allowed);
    check_negatives(q, RANK_POPULARITY, ITEMS, counted);
  }
  queries_close(s);
  tiny_remove(dir);
  dataset_close(d);
}

// Each of `n` allowed items of weights w is among two successive draws without replacement with this probability.
static double inclusion(const double *w, int n, int i) {
  double total = 0, p = 0;
  for (int j = 0; j < n; j++) total += w[j];
  p = w[i] / total;
  for (int j = 0; j < n; j++)
    if (j != i) p += w[j] / total * w[i] / (total - w[j]);
  return p;
}

// Two negatives for each of many users with the same question: how often each item is drawn, against the probabilities.
static void check_distribution(const char *question, const char *rest, int32_t protocol) {
  enum { ITEMS = 8, USERS = 6000 };
  const char **log = calloc(USERS + 1, sizeof *log);
  assert_non_null(log);
  for (int i = 0; i < USERS; i++) log[i] = question;
  log[USERS] = rest;
  dataset *d = small_open(dir, ITEMS, log, USERS + 1);
  int64_t counts[ITEMS], drawn[ITEMS] = {0};
  double w[ITEMS], chi = 0;
  check_ok(items_count(d, EVAL_TEST, counts));
  for (int i = 0; i < ITEMS; i++) w[i] = protocol == RANK_UNIFORM ? 1 : (double)counts[i];
  for (const char *p = question; *p != '\0'; p++)
    if (*p != '|') w[*p - 'A'] = 0; // history and target
  query_config c = config_of(EVAL_TEST);
  c.protocols[protocol] = true;
  c.negatives = 2;
  query_source *s;
  check_ok(queries_open(&s, d, &c));
  for (int64_t chunk = 0; chunk < queries_chunks(s); chunk++) {
    query_chunk k;
    check_ok(queries_chunk(s, chunk, &k));
    for (int64_t i = 0; i < k.count; i++) {
      assert_int_equal(k.queries[i].n_negatives[protocol], 2);
      for (int j = 0; j < 2; j++) drawn[k.queries[i].negatives[protocol][j]]++;
    }
  }
  queries_close(s);
  int free_items = 0;
  for (int i = 0; i < ITEMS; i++) {
    const double p = inclusion(w, ITEMS, i), expected = USERS * p;
    if (w[i] <= 0) {
      assert_int_equal(drawn[i], 0);
      continue;
    }
    chi += ((double)drawn[i] - expected) * ((double)drawn[i] - expected) / (expected * (1 - p));
    free_items++;
  }
  // A sum of squared standard scores under one constraint: its mean is a little below their number.
  if (chi > 2.0 * free_items + 12)
    fail_msg("the draws do not follow the counts: %.1f over %d items", chi, free_items);
  small_close(d, dir);
  free(log);
}

static void test_distribution(void **unused) {
  (void)unused;
  // B 1, C 2, D 4, E 8, F 1, G 0 (never drawn by popularity), H 3; A 0, or twelve thousand: then nearly all draws are
  // rejected, and the race decides.
  check_distribution("||F", "BCCDDDDEEEEEEEEHHHF||", RANK_UNIFORM);
  check_distribution("||F", "BCCDDDDEEEEEEEEHHHF||", RANK_POPULARITY);
  check_distribution("AA||G", "BCCDDDDEEEEEEEEHHHF||", RANK_UNIFORM);
  check_distribution("AA||G", "BCCDDDDEEEEEEEEHHHF||", RANK_POPULARITY);
}

// Subsets are drawn uniformly: how often each user is chosen over many seeds.
static void test_subset(void **unused) {
  (void)unused;
  enum { USERS = 20, ROUNDS = 600 };
  const char *log[USERS];
  for (int i = 0; i < USERS; i++)
    log[i] = i % 5 == 4 ? "ABC||" : "AB|C|D"; // every fifth has nothing held out
  dataset *d = small_open(dir, 4, log, USERS);
  int64_t chosen[USERS] = {0};
  for (int round = 0; round < ROUNDS; round++) {
    query_config c = config_of(EVAL_TEST);
    c.users = 4;
    c.seed = round;
    query_source *s;
    query_chunk k;
    check_ok(queries_open(&s, d, &c));
    check_ok(queries_chunk(s, 0, &k));
    assert_int_equal(queries_chunks(s), 1);
    assert_int_equal(k.count, 4);
    for (int i = 0; i < 4; i++) chosen[k.queries[i].sequence]++;
    queries_close(s);
  }
  double chi = 0;
  for (int i = 0; i < USERS; i++) {
    const double expected = ROUNDS / 4.0, off = (double)chosen[i] - expected;
    if (i % 5 == 4)
      assert_int_equal(chosen[i], 0);
    else
      chi += off * off / (expected * 0.75);
  }
  assert_true(chi < 39.3); // 16 users: the 99.9% quantile of 16 degrees of freedom
  small_close(d, dir);
}

// More users than are kept in memory: each pass makes the questions again, the same ones.
static void test_many_users(void **unused) {
  (void)unused;
  enum { USERS = 66000 };
  dataset *d;
  tiny_directory(dir, sizeof dir);
  tiny_dataset(dir, USERS, 50, 3);
  check_ok(dataset_open(&d, dir, false));
  query_config c = config_of(EVAL_TEST);
  c.protocols[RANK_UNIFORM] = true;
  query_source *s;
  query_chunk k;
  check_ok(queries_open(&s, d, &c));
  assert_true(queries_chunks(s) > 16);
  double tie = -1;
  int32_t negative = -1;
  int64_t count = 0, last = -1;
  for (int64_t i = 0; i < queries_chunks(s); i++) {
    check_ok(queries_chunk(s, i, &k));
    for (int64_t j = 0; j < k.count; j++) {
      assert_true(k.queries[j].sequence > last && k.queries[j].slot == count + j);
      last = k.queries[j].sequence;
    }
    count += k.count;
    if (i == 3) tie = k.queries[5].tie[0], negative = k.queries[5].negatives[RANK_UNIFORM][1];
  }
  assert_int_equal(count, USERS);
  check_ok(queries_chunk(s, 3, &k));
  assert_true(memcmp(&tie, &k.queries[5].tie[0], sizeof tie) == 0);
  assert_int_equal(negative, k.queries[5].negatives[RANK_UNIFORM][1]);
  queries_close(s);
  small_close(d, dir);
}

static void test_errors(void **unused) {
  (void)unused;
  dataset *d = small_open(dir, 3, (const char *const[]){"|A|B", "|B|C"}, 2);
  query_config c = config_of(EVAL_VALID);
  query_source *s;
  c.protocols[RANK_UNIFORM] = true;
  c.negatives = 0;
  check_fails(queries_open(&s, d, &c), ERR_ARGUMENT, "between 1 and");
  c.negatives = 5;
  c.users = -1;
  check_fails(queries_open(&s, d, &c), ERR_ARGUMENT, "users >= 0");
  c.users = 0;
  c.protocols[RANK_POPULARITY] = true; // nothing comes before the validation part
  check_fails(queries_open(&s, d, &c), ERR_FORMAT, "no items to draw popular negatives from");
  queries_close(NULL);
  small_close(d, dir);
  d = small_open(dir, 0, (const char *const[]){".|.|."}, 1);
  check_fails(queries_open(&s, d, &c), ERR_FORMAT, "no items to rank");
  small_close(d, dir);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_questions),    cmocka_unit_test(test_negatives),
                                     cmocka_unit_test(test_distribution), cmocka_unit_test(test_subset),
                                     cmocka_unit_test(test_many_users),   cmocka_unit_test(test_errors)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
