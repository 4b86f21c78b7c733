// Splits: cuts against the rule event by event, what breaks a split, targets, and the manifest's object.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "data/split.h"
#include "lib/check.h"
#include "prepare/prepare_internal.h"

enum { LONGEST = 40 };

static const char *breach(const data_split *s, int32_t n, int32_t valid_from, int32_t test_from,
                          const int64_t *times) {
  return split_breach(s, n, valid_from, test_from, times, 1000);
}

// A history in milliseconds: the log's events and what a shard has of them.
static int32_t random_history(rng *r, log_event *e, int64_t *times) {
  const int32_t n = 1 + (int32_t)rng_below(r, LONGEST);
  int64_t at = (int64_t)rng_below(r, 20000) - 10000; // before 1970, too
  for (int32_t i = 0; i < n; i++) {
    at += (int64_t)rng_below(r, 3) * (int64_t)rng_below(r, 1500); // many ties
    times[i] = at;
    const int64_t seconds = at >= 0 ? at / 1000 : -((999 - at) / 1000);
    e[i] = (log_event){.time = seconds, .nanos = (uint32_t)(at - 1000 * seconds) * 1000000};
  }
  return n;
}

static void test_time(void **unused) {
  (void)unused;
  rng r = rng_at(11, 1, 0, 0);
  for (int round = 0; round < 3000; round++) {
    log_event e[LONGEST];
    int64_t times[LONGEST];
    const int32_t n = random_history(&r, e, times);
    data_split s = {.kind = SPLIT_TIME, .said = true, .valid_from = (int64_t)rng_below(&r, 30) - 10};
    s.test_from = s.valid_from + (int64_t)rng_below(&r, 8);
    int32_t valid_from, test_from;
    cut_user(&s, "somebody", e, n, &valid_from, &test_from);
    for (int32_t i = 0; i < n; i++) {
      const int part = times[i] < 1000 * s.valid_from ? 0 : times[i] < 1000 * s.test_from ? 1 : 2;
      assert_int_equal(part, i < valid_from ? 0 : i < test_from ? 1 : 2);
    }
    assert_null(breach(&s, n, valid_from, test_from, times));
    for (int32_t v = 0; v <= n; v++) // any other cuts leak
      for (int32_t t = v; t <= n; t++)
        if (v != valid_from || t != test_from) assert_non_null(breach(&s, n, v, t, times));
    for (int32_t i = 1; i < n; i++)
      assert_int_equal(split_between(&s, e[i - 1].time, e[i].time), i == valid_from || i == test_from);
  }
  // Dates beyond what 64 bits hold in the unit of the times are behind everything, or before.
  const data_split late = {.kind = SPLIT_TIME, .said = true, .valid_from = INT64_MAX, .test_from = INT64_MAX};
  const data_split early = {
      .kind = SPLIT_TIME, .said = true, .valid_from = INT64_MIN, .test_from = INT64_MIN};
  const int64_t time = 5;
  assert_null(split_breach(&late, 1, 1, 1, &time, 1000000000));
  assert_null(split_breach(&early, 1, 0, 0, &time, 1000000000));
  assert_non_null(split_breach(&early, 1, 1, 1, &time, 1000000000));
}

static void test_leave_one_out(void **unused) {
  (void)unused;
  for (int32_t k = 1; k <= 4; k++) {
    const data_split s = {.kind = SPLIT_LEAVE_ONE_OUT, .said = true, .targets = k};
    for (int32_t n = 1; n <= 12; n++) {
      const log_event e[LONGEST] = {{0}};
      int32_t valid_from, test_from, from, to;
      cut_user(&s, "somebody", e, n, &valid_from, &test_from);
      assert_int_equal(valid_from, n > 2 * k ? n - 2 * k : n);
      assert_int_equal(test_from, n > 2 * k ? n - k : n);
      assert_null(breach(&s, n, valid_from, test_from, NULL));
      split_targets(&s, n, valid_from, test_from, true, &from, &to);
      assert_int_equal(to - from, n > 2 * k ? k : 0);
      for (int32_t v = 0; v < n; v++)
        for (int32_t t = v; t <= n; t++)
          if (v != valid_from || t != test_from) assert_non_null(breach(&s, n, v, t, NULL));
    }
  }
}

static void test_users(void **unused) {
  (void)unused;
  enum { USERS = 20000, EVENTS = 5 };
  data_split s = {
      .kind = SPLIT_USER, .said = true, .targets = 2, .valid_users = 0.1, .test_users = 0.25, .seed = 3};
  const data_split other = {
      .kind = SPLIT_USER, .said = true, .targets = 2, .valid_users = 0.1, .test_users = 0.25, .seed = 4};
  const log_event e[EVENTS] = {{0}};
  double parts[3] = {0}, moved = 0;
  for (int u = 0; u < USERS; u++) {
    char name[32];
    int32_t v, t, w, x, from, to;
    snprintf(name, sizeof name, "user%d", u);
    cut_user(&s, name, e, EVENTS, &v, &t);
    assert_null(breach(&s, EVENTS, v, t, NULL));
    const int part = v == EVENTS ? 0 : t == EVENTS ? 1 : 2;
    parts[part]++;
    for (int test = 0; test < 2; test++) {
      split_targets(&s, EVENTS, v, t, test == 1, &from, &to);
      assert_int_equal(from < to ? to - from : 0, part == 1 + test ? 2 : 0);
      assert_true(from >= to || to == EVENTS);
    }
    cut_user(&other, name, e, EVENTS, &w, &x);
    moved += v != w || t != x;
  }
  const double share[3] = {0.65, 0.1, 0.25};
  double same = 0;
  for (int i = 0; i < 3; i++) {
    check_near(parts[i] / USERS, share[i], 4 * sqrt(share[i] * (1 - share[i]) / USERS));
    same += share[i] * share[i];
  }
  check_near(moved / USERS, 1 - same, 4 * sqrt(same * (1 - same) / USERS)); // another seed: independent
  for (int32_t v = 0; v <= EVENTS; v++)
    for (int32_t t = v; t <= EVENTS; t++) {
      const bool whole = v == EVENTS || (v == 0 && (t == 0 || t == EVENTS));
      assert_true((breach(&s, EVENTS, v, t, NULL) == NULL) == whole);
    }
  // The first event is input, however many targets are asked for.
  int32_t from, to;
  s.targets = 1000000;
  split_targets(&s, EVENTS, 0, 0, true, &from, &to);
  assert_true(from == 1 && to == EVENTS);
  split_targets(&s, 1, 0, 0, true, &from, &to);
  assert_true(from >= to);
}

// What was never said is not checked: data sets of before may have other cuts.
static void test_unsaid(void **unused) {
  (void)unused;
  const data_split s = {.kind = SPLIT_LEAVE_ONE_OUT, .targets = 1};
  int32_t from, to;
  assert_null(breach(&s, 9, 2, 5, NULL));
  split_targets(&s, 9, 2, 5, true, &from, &to);
  assert_true(from == 5 && to == 9);
  split_targets(&s, 9, 2, 5, false, &from, &to);
  assert_true(from == 2 && to == 5);
}

static status read(data_split *s, const char *text) {
  const record_source from = {.path = "manifest.json", .writer = "souk 9.9"};
  json_t *j = json_loads(text, 0, NULL);
  assert_non_null(j);
  const status rc = split_from_json(s, json_object_get(j, "split"), &from);
  json_decref(j);
  return rc;
}

static void test_json(void **unused) {
  (void)unused;
  const struct {
    const char *json, *text;
  } good[] = {{"{\"split\": {\"kind\": \"leave_one_out\", \"targets\": 3}}", "leave_one_out, targets 3"},
              {"{\"split\": {\"kind\": \"time\", \"valid_from\": -1, \"test_from\": 1704844800}}",
               "time, validation from 1969-12-31T23:59:59Z, test from 2024-01-10T00:00:00Z"},
              {"{\"split\": {\"kind\": \"user\", \"targets\": 2, \"valid_users\": 0, \"test_users\": 0.25, "
               "\"seed\": 7}}",
               "user, validation 0 and test 0.25 of the users by seed 7, targets 2"}};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) { // there and back
    data_split s, again;
    char text[SPLIT_TEXT];
    check_ok(read(&s, good[i].json));
    assert_string_equal(split_describe(&s, text), good[i].text);
    json_t *j = json_object();
    assert_true(s.said && split_into_json(&s, j));
    char *dump = json_dumps(j, 0);
    check_ok(read(&again, dump));
    assert_string_equal(split_describe(&again, text), good[i].text);
    free(dump);
    json_decref(j);
  }
  data_split s;
  check_ok(read(&s, "{}"));
  assert_true(!s.said && s.kind == SPLIT_LEAVE_ONE_OUT && s.targets == 1);
  json_t *j = json_object();
  assert_true(split_into_json(&s, j) && json_object_size(j) == 0);
  json_decref(j);
  const struct {
    const char *json;
    status code;
    const char *text;
  } bad[] = {
      {"{\"split\": []}", ERR_FORMAT, "\"split.kind\" is missing"},
      {"{\"split\": {\"kind\": 1}}", ERR_FORMAT, "\"split.kind\" is missing"},
      {"{\"split\": {\"kind\": \"none\"}}", ERR_UNSUPPORTED, "souk 9.9 wrote it"},
      {"{\"split\": {\"kind\": \"later\"}}", ERR_UNSUPPORTED, "\"later\", which souk"},
      {"{\"split\": {\"kind\": \"leave_one_out\"}}", ERR_FORMAT, "\"split.targets\""},
      {"{\"split\": {\"kind\": \"leave_one_out\", \"targets\": 0}}", ERR_FORMAT, "\"split.targets\""},
      {"{\"split\": {\"kind\": \"leave_one_out\", \"targets\": 4294967297}}", ERR_FORMAT,
       "\"split.targets\""},
      {"{\"split\": {\"kind\": \"leave_one_out\", \"targets\": 1, \"seed\": 1}}", ERR_UNSUPPORTED, "seed"},
      {"{\"split\": {\"kind\": \"time\", \"valid_from\": 2, \"test_from\": 1}}", ERR_FORMAT,
       "\"split.test_from\""},
      {"{\"split\": {\"kind\": \"time\", \"valid_from\": \"2024\", \"test_from\": 1}}", ERR_FORMAT,
       "\"split.valid_from\""},
      {"{\"split\": {\"kind\": \"user\", \"targets\": 1, \"valid_users\": 1.5, \"test_users\": 0, \"seed\": "
       "1}}",
       ERR_FORMAT, "\"split.valid_users\""}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    check_fails(read(&s, bad[i].json), bad[i].code, bad[i].text);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_time), cmocka_unit_test(test_leave_one_out),
                                     cmocka_unit_test(test_users), cmocka_unit_test(test_unsaid),
                                     cmocka_unit_test(test_json)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
