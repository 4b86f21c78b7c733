// Doubts about columns: times that are implausible, and ids that two files spell in two ways.
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "prepare/id_match.h"
#include "prepare/time_survey.h"
#include "format/vocabulary.h"
#include "lib/check.h"

// ---- times ---------------------------------------------------------------------------------------------------

static char said[8][1600];
static int n_said;
static void keep(void *unused, const char *sentence) {
  (void)unused;
  assert_true(n_said < 8);
  snprintf(said[n_said++], sizeof said[0], "%s", sentence);
}

static void add(time_survey *s, time_format format, const char *text, int64_t line) {
  event_time t;
  const char *why;
  assert_true(time_parse(format, 0, text, strlen(text), &t, &why));
  survey_add(s, t, line, text, strlen(text));
}

static void judge(const time_survey *s, time_format format) {
  n_said = 0;
  survey_judge(s, format, 0, "t\033", keep, NULL);
}

static void expect_said(int i, const char *part) {
  if (i >= n_said) fail_msg("sentence %d is missing: %s", i, part);
  if (strstr(said[i], part) == NULL) fail_msg("\"%s\" does not say \"%s\"", said[i], part);
}

static void test_each_wrong_unit_is_told_with_the_right_one(void **unused) {
  (void)unused;
  static const char *const written[] = {"1650000000", "1650000000123", "1650000000123456",
                                        "1650000000123456789"};
  for (int is = 0; is < 4; is++)
    for (int as = 0; as < 4; as++) {
      time_survey s = {.count = 0};
      event_time t;
      const char *why;
      if (!time_parse((time_format)as, 0, written[is], strlen(written[is]), &t, &why)) {
        assert_true(is == 3 && as == 0); // nanoseconds are out of the range of seconds
        continue;
      }
      add(&s, (time_format)as, written[is], 7);
      judge(&s, (time_format)as);
      assert_int_equal(n_said, is != as);
      if (is == as) continue;
      char wanted[100];
      snprintf(wanted, sizeof wanted, "; --time_format %s would give 2022-04-15 05:20:00",
               time_format_names[is]);
      expect_said(0, wanted);
      expect_said(0, "on line 7 is read as ");
      expect_said(0, "1 of 1 times in \"t\\x1b\" lie ");
    }
}

static void test_mixed_units_name_both_sides(void **unused) {
  (void)unused;
  time_survey s = {.count = 0};
  s.file = "logs/a.csv";
  for (int i = 0; i < 50; i++) add(&s, TIME_MILLISECONDS, "1650000000123", i + 2);
  add(&s, TIME_MILLISECONDS, "1650000000", 52);
  add(&s, TIME_MILLISECONDS, "1650000000123456", 53);
  judge(&s, TIME_MILLISECONDS);
  assert_int_equal(n_said, 2);
  expect_said(0, "1 of 52 times in \"t\\x1b\" lie before 1990: \"1650000000\" on a.csv line 52");
  expect_said(0,
              "--time_format seconds would give 2022-04-15 05:20:00 UTC (the column mixes units or forms)");
  expect_said(1, "lie after 2100: \"1650000000123456\" on a.csv line 53");
}

// The first may be a zero; what most of them are says more of the unit.
static void test_most_times_decide_the_unit(void **unused) {
  (void)unused;
  time_survey s = {.count = 0};
  add(&s, TIME_SECONDS, "99999999999999", 2); // of another year than the rest
  for (int i = 0; i < 9; i++) add(&s, TIME_SECONDS, "5000000000", i + 3);
  judge(&s, TIME_SECONDS);
  assert_int_equal(n_said, 1);
  expect_said(0, "\"99999999999999\" on line 2");
  s = (time_survey){.count = 0};
  add(&s, TIME_MILLISECONDS, "-2000000000000", 2);
  for (int i = 0; i < 9; i++) add(&s, TIME_MILLISECONDS, "1650000000", i + 3);
  judge(&s, TIME_MILLISECONDS);
  assert_int_equal(n_said, 1);
  expect_said(
      0, "\"-2000000000000\" on line 2 is read as 1906-08-16 20:26:40 UTC; --time_format seconds would give "
         "2022-04-15 05:20:00 UTC for \"1650000000\"");
  s = (time_survey){.count = 0};
  for (int i = 1; i < 9; i++) add(&s, TIME_SECONDS, (const char[2]){(char)('0' + i), '\0'}, i);
  judge(&s, TIME_SECONDS);
  assert_int_equal(n_said, 1);
  expect_said(0, "; if they are no times and only rise with time, --time_format order says so");
}

static void test_outliers(void **unused) {
  (void)unused;
  time_survey s = {.count = 0};
  for (int i = 0; i < 90; i++) add(&s, TIME_ISO, i % 2 == 0 ? "2019-05-01" : "2021-06-01", i + 2);
  judge(&s, TIME_ISO);
  assert_int_equal(n_said, 0);
  add(&s, TIME_ISO, "2014-05-01", 92); // a gap of five years is no wonder
  judge(&s, TIME_ISO);
  assert_int_equal(n_said, 0);
  add(&s, TIME_ISO, "2005-01-05", 93);
  add(&s, TIME_ISO, "2005-01-02", 94);
  add(&s, TIME_ISO, "2060-01-02", 95);
  judge(&s, TIME_ISO);
  assert_int_equal(n_said, 2);
  expect_said(0,
              "2 of 94 times in \"t\\x1b\" lie more than 5 years from all others: \"2005-01-05\" on line 93");
  expect_said(1, "1 of 94 times");
  n_said = 0;
  survey_judge_future(&s, 2026, "t", keep, NULL);
  assert_int_equal(n_said, 1);
  expect_said(0, "1 of 94 times in \"t\" lie after next year: \"2060-01-02\" on line 95");
  n_said = 0;
  survey_judge_future(&s, 2059, "t", keep, NULL); // next year is plausible
  assert_int_equal(n_said, 0);
}

// Half of the times in one decade and half in another are no outliers.
static void test_two_halves(void **unused) {
  (void)unused;
  time_survey s = {.count = 0};
  for (int i = 0; i < 40; i++) add(&s, TIME_ISO, i % 2 == 0 ? "1999-05-01" : "2021-06-01", i + 2);
  judge(&s, TIME_ISO);
  assert_int_equal(n_said, 0);
}

// Blocks that are surveyed apart and merged in their order are the whole.
static void test_merged_surveys(void **unused) {
  (void)unused;
  static time_survey all, merged, part;
  rng r = rng_at(8, STREAM_SYNTH, 2, 0);
  time_span whole = {.events = 0};
  for (int i = 0; i < 3000; i++) {
    const event_time t = {(int64_t)(rng_unit(&r) * 1e10) - 3000000000,
                          (uint32_t)rng_below(&r, 4) * 250000000};
    char text[SURVEY_TEXT];
    snprintf(text, sizeof text, "%lld", (long long)t.seconds);
    survey_add(&all, t, i, text, strlen(text));
    survey_add(&part, t, i, text, strlen(text));
    span_add(&whole, t, i % 10 == 0);
    if (i % 500 != 499) continue;
    survey_merge(&merged, &part);
    memset(&part, 0, sizeof part);
  }
  assert_memory_equal(&merged, &all, sizeof all);
  assert_int_equal(whole.finest, TIME_UNIT_MILLISECONDS);
  assert_int_equal(whole.gaps, 2700);
}

static void test_gaps(void **unused) {
  (void)unused;
  time_span s = {.events = 0};
  for (int i = 0; i < 9; i++) span_add(&s, (event_time){1650000000 + i / 3, 0}, i % 3 == 0);
  n_said = 0;
  span_judge(&s, "t", 1800, keep, NULL);
  assert_int_equal(n_said, 1);
  expect_said(0, "all events of each user have the same time");
  span_add(&s, (event_time){1650000002, 1}, false); // one nanosecond is a gap
  n_said = 0;
  span_judge(&s, "t", 1800, keep, NULL);
  assert_int_equal(n_said, 0);
  assert_int_equal(s.finest, TIME_UNIT_NANOSECONDS);
  for (int64_t i = 0; i < 8; i++) span_add(&s, (event_time){1650000002 + (i + 1) * 70000000, 0}, false);
  span_judge(&s, "t", 1800, keep, NULL);
  assert_int_equal(n_said, 1);
  expect_said(0, "of two years or more");
  s = (time_span){.events = 0}; // a handful of gaps says nothing
  for (int64_t i = 0; i < 11; i++) {
    span_add(&s, (event_time){1000000000 + i * 70000000, 0}, i == 0);
    n_said = 0;
    span_judge(&s, "t", 1800, keep, NULL);
    assert_int_equal(n_said, i == 10);
  }
  s = (time_span){.events = 0}; // days: every event a session of its own
  for (int64_t i = 0; i < 11; i++) {
    span_add(&s, (event_time){1650000000 + i * 86400, 0}, i == 0);
    n_said = 0;
    span_judge(&s, "t", 1800, keep, NULL);
    assert_int_equal(n_said, i == 10);
  }
  expect_said(0, "no two events of a user are within 1800 s of each other");
  n_said = 0;
  span_judge(&s, "t", 0, keep, NULL);
  span_judge(&s, "t", 86400, keep, NULL);
  span_add(&s, (event_time){1650864000, 1000}, false);
  span_judge(&s, "t", 1800, keep, NULL);
  assert_int_equal(n_said, 0);
}

// ---- ids -----------------------------------------------------------------------------------------------------

static intern *names_of(const char *const *texts) {
  intern *t;
  int32_t id;
  check_ok(intern_new(&t));
  for (; *texts != NULL; texts++) check_ok(intern_add(t, *texts, &id));
  return t;
}

static void expect_match(id_rule rule, const char *name, const char *id, bool matches) {
  intern *names = names_of((const char *const[]){"other", name, NULL});
  const uint8_t take[2] = {1, 1};
  id_match *m;
  check_ok(id_match_new(&m, rule, names, take));
  const int32_t found = id_match_find(m, id);
  if (found != (matches ? 1 : -1))
    fail_msg("by %s \"%s\" finds %d for \"%s\"", id_rule_names[rule], id, found, name);
  id_match_free(m);
  intern_free(names);
}

static void test_rules(void **unused) {
  (void)unused;
  static const struct {
    const char *name, *id;
    id_rule rule;
  } pairs[] = {{"a", " a", ID_SPACES},         {"a", "\"a\"", ID_SPACES},
               {"abc", "ABC", ID_CASE},        {"0200100015", "200100015", ID_ZEROS},
               {"7", "007", ID_ZEROS},         {"101", "101.0", ID_NUMBER},
               {"101.00", "101", ID_NUMBER},   {"0101", "101.", ID_NUMBER},
               {"101", "item_101", ID_DIGITS}, {"sku-0042x", "42", ID_DIGITS},
               {"0", "000", ID_ZEROS}};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    expect_match(ID_EXACT, pairs[i].name, pairs[i].id, false);
    expect_match(pairs[i].rule, pairs[i].name, pairs[i].id, true);
    expect_match(pairs[i].rule, pairs[i].id, pairs[i].name, true);
    expect_match(pairs[i].rule, pairs[i].name, pairs[i].name, true);
  }
  expect_match(ID_NUMBER, "101", "101.5", false);
  expect_match(ID_NUMBER, "101", "101.0x", false);
  expect_match(ID_ZEROS, "1", "10", false);
  expect_match(ID_CASE, "É", "é", false); // of ASCII alone
  expect_match(ID_DIGITS, "a1", "a", false);
}

// Several names may come to the same; names that are not taken are not found.
static void test_names_with_one_key(void **unused) {
  (void)unused;
  intern *names = names_of((const char *const[]){"A", "x", "a", "aA", "Aa", NULL});
  const uint8_t take[5] = {1, 1, 1, 0, 1};
  id_match *m;
  check_ok(id_match_new(&m, ID_CASE, names, take));
  int32_t at = id_match_find(m, "a");
  assert_int_equal(at, 0);
  at = id_match_next(m, at);
  assert_int_equal(at, 2);
  assert_int_equal(id_match_next(m, at), -1);
  assert_int_equal(id_match_find(m, "AA"), 4);
  id_match_free(m);
  check_ok(id_match_new(&m, ID_EXACT, names, take));
  assert_int_equal(id_match_find(m, "aA"), -1);
  assert_int_equal(id_match_find(m, "Aa"), 4);
  id_match_free(m);
  intern_free(names);
}

static void expect_suggestion(const char *const *ids, const char *const *names, id_rule rule, int64_t hits) {
  intern *a = names_of(ids), *b = names_of(names);
  uint8_t take[16];
  memset(take, 1, sizeof take);
  char id[MAX_NAME_BYTES + 1], name[MAX_NAME_BYTES + 1];
  id_rule found;
  int64_t n;
  check_ok(id_match_suggest(a, b, take, &found, &n, id, name));
  if (found != rule || n != hits)
    fail_msg("%s, with %lld, is suggested instead of %s", id_rule_names[found], (long long)n,
             id_rule_names[rule]);
  if (rule != ID_EXACT) assert_true(intern_find(a, id) >= 0 && intern_find(b, name) >= 0);
  intern_free(a);
  intern_free(b);
}

static void test_suggestions(void **unused) {
  (void)unused;
#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
  expect_suggestion(LIST("01", "02"), LIST("1", "2", "3"), ID_ZEROS, 2);
  expect_suggestion(LIST("1.0", "2.0"), LIST("1", "2"), ID_NUMBER, 2);
  expect_suggestion(LIST("A1", "B2"), LIST("a1", "b2"), ID_CASE, 2);
  expect_suggestion(LIST("i1", "i2"), LIST("1", "2"), ID_DIGITS, 2);
  expect_suggestion(LIST("x1", "x2"), LIST("y1", "y2"), ID_EXACT, 0); // two shops, perhaps
  expect_suggestion(LIST("i1", "q", "r", "s"), LIST("1"), ID_EXACT, 0);
  expect_suggestion(LIST("q"), LIST("r"), ID_EXACT, 0);
#undef LIST
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_each_wrong_unit_is_told_with_the_right_one),
      cmocka_unit_test(test_mixed_units_name_both_sides),
      cmocka_unit_test(test_most_times_decide_the_unit),
      cmocka_unit_test(test_outliers),
      cmocka_unit_test(test_two_halves),
      cmocka_unit_test(test_merged_surveys),
      cmocka_unit_test(test_gaps),
      cmocka_unit_test(test_rules),
      cmocka_unit_test(test_names_with_one_key),
      cmocka_unit_test(test_suggestions),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
