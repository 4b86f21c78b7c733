// Sweeps: what their file may say, values of trials, ranking, who goes on from a rung, and the record.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"
#include "sweep/sweep_internal.h"

static char dir[64];

static const char *write_plan(const char *text) {
  static char path[128];
  snprintf(path, sizeof path, "%s/sweep.yaml", dir);
  check_ok(file_write_atomic(path, text, strlen(text)));
  return path;
}

static void read_plan(sweep_plan *p, const char *text) {
  check_ok(sweep_plan_open(p, write_plan(text)));
}

#define RANGES                                                                                     \
  "ranges:\n"                                                                                      \
  "  optim: {lr: {log_uniform: [1e-4, 1e-2]}, kind: [adamw, lamb], min_lr: {uniform: [0, 0.5]}}\n" \
  "  model.layers: {integers: [1, 4]}\n"                                                           \
  "  model.hidden: {integers: [64, 256, 64]}\n"                                                    \
  "  data: {negatives: {log_integers: [1, 1024]}}\n"

// ---- the file ------------------------------------------------------------------------------------------------

static void test_file(void **unused) {
  (void)unused;
  sweep_plan p;
  read_plan(&p, "base: sasrec\ntrials: 7\nseed: 3\nfixed: {data: {dir: shop, duplicates: 2}, train.steps: "
                "2k}\n" RANGES);
  assert_string_equal(p.settings.base, "sasrec");
  assert_int_equal(p.settings.trials, 7);
  assert_int_equal(p.n_fixed, 3);
  assert_string_equal(p.fixed[0].name, "data.dir");
  assert_string_equal(p.fixed[1].name, "data.dupe_factor"); // never by an old name
  assert_string_equal(p.fixed[2].value, "2k");
  assert_int_equal(p.n_ranges, 6);
  assert_string_equal(p.ranges[3].name, "model.layers");
  assert_false(p.halving);
  assert_int_equal(p.n_rungs, 1);
  sweep_plan_close(&p);
  read_plan(&p, "base: x\nhalving: {by: epochs, rungs: [1, 3, 9], factor: 4}\n" RANGES);
  assert_int_equal(p.settings.by, SWEEP_EPOCHS);
  assert_int_equal(p.n_rungs, 3);
  check_near(p.rungs[2], 9, 0);
  sweep_plan_close(&p);
}

static void test_mistakes(void **unused) {
  (void)unused;
  static const struct {
    const char *text, *says;
  } cases[] = {
      {"base: x\nrange: {}\n", "sweep.yaml line 2: a sweep has base, trials"},
      {"base: x\ntrials: many\n" RANGES, "sweep.yaml line 2: trials must be a whole number"},
      {"base: x\nranges:\n  optim:\n    lrr: [1, 2]\n",
       "line 4: unknown option \"optim.lrr\"; did you mean \"optim.lr\"?"},
      {"base: x\nfixed: {optimm: {lr: 1}}\n" RANGES, "line 2: unknown option \"optimm\""},
      {"base: x\nranges:\n  optim.lr: [0.1, fast]\n", "line 3: optim.lr must be a number, not \"fast\""},
      {"base: x\nranges:\n  optim.lr: {uniform: [0.1, 1000]}\n", "line 3: optim.lr = 1000 is out of range"},
      {"base: x\nranges:\n  optim.lr: {uniform: [0.1, 0.1]}\n", "must go from a smaller to a larger"},
      {"base: x\nranges:\n  optim.lr: {log_uniform: [0, 0.1]}\n",
       "log_uniform of optim.lr must begin above 0"},
      {"base: x\nranges:\n  optim.lr: {uniform: 3}\n", "uniform of optim.lr needs its two ends"},
      {"base: x\nranges:\n  optim.lr: {uniform: [1, 2, 3]}\n", "uniform of optim.lr needs its two ends"},
      {"base: x\nranges:\n  optim.lr: {normal: [1, 2]}\n", "line 3: optim.lr needs a range"},
      {"base: x\nranges:\n  optim.lr: 3\n", "line 3: optim.lr needs a range"},
      {"base: x\nranges:\n  optim.kind: {uniform: [1, 2]}\n",
       "optim.kind is no number, so its range is a list"},
      {"base: x\nranges:\n  model.layers: {uniform: [1, 2]}\n",
       "model.layers is a whole number, so its range is integers"},
      {"base: x\nranges:\n  model.layers: {integers: [1, 8, 0.5]}\n",
       "the distance of values of model.layers"},
      {"base: x\nranges:\n  model.layers: []\n", "model.layers has no choices"},
      {"base: x\nranges:\n  model.layers: [[1]]\n", "a choice of model.layers must be one value"},
      {"base: x\nfixed: {optim.lr: [1, 2]}\n" RANGES,
       "optim.lr must be one value; what differs belongs in ranges"},
      {"base: x\nfixed: {optim.lr: 1}\n" RANGES, "line 4: optim.lr is given in line 2 already"},
      {"base: x\nfixed:\n  data.duplicates: 1\n  data.dupe_factor: 2\n" RANGES,
       "line 4: data.dupe_factor is given in line 3"},
      {"base: x\nfixed: {train.out: y}\n" RANGES, "line 2: train.out is what the sweep itself gives"},
      {"base: x\nranges: {data.dir: [a, b]}\n", "data.dir must be the same for all trials"},
      {"base: x\nranges: {train: {metric: [mrr, loss]}}\n", "train.metric must be the same for all trials"},
      {"base: x\nbase: y\n" RANGES, "line 2: base is given twice"},
      {"base: x\n", "sweep.yaml: ranges has no option"},
      {RANGES, "sweep.yaml: base names no configuration"},
      {"base: x\nhalving: {factor: 3}\n" RANGES, "halving needs rungs"},
      {"base: x\nhalving: {rungs: [3, 2]}\n" RANGES,
       "line 2: halving.rungs is a list of 2 to 16 rising numbers"},
      {"base: x\nhalving: {rungs: [1.5, 2]}\n" RANGES, "halving.rungs are whole numbers of steps or epochs"},
      {"base: x\nhalving: {rungs: [1, 2], factor: 1}\n" RANGES, "halving.factor = 1 is out of range"},
      {"base: x\nhalving: {rungs: [1, 2], speed: 1}\n" RANGES, "unknown option \"halving.speed\""},
      {"base: x\nfixed: {train.steps: 5}\nhalving: {rungs: [1, 2]}\n" RANGES,
       "halving.rungs says how long a run is"},
      {"- base\n", "line 1: a map is expected"},
      {"base: [x\n", "sweep.yaml line"},
      {"base: &a {b: *a}\n", "sweep.yaml line 1: base must be one value"},
      {"", "line 1: a map is expected"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    sweep_plan p;
    const char *path = write_plan(cases[i].text);
    const status rc = sweep_plan_open(&p, path);
    sweep_plan_close(&p);
    if (rc == OK) fail_msg("no error, but \"%s\" is expected of:\n%s", cases[i].says, cases[i].text);
    if (strstr(fail_message(), cases[i].says) == NULL)
      fail_msg("\"%s\" does not say \"%s\"", fail_message(), cases[i].says);
  }
}

// ---- values --------------------------------------------------------------------------------------------------

static double number(const sweep_plan *p, size_t range, int64_t trial) {
  char text[OPTION_STRING], *end;
  sweep_value(text, p, range, trial);
  const double v = strtod(text, &end);
  assert_true(end != text && *end == '\0');
  return v;
}

static void test_values(void **unused) {
  (void)unused;
  enum { N = 4000 };
  sweep_plan p;
  read_plan(&p, "base: x\n" RANGES);
  int below = 0, lamb = 0, layers[5] = {0}, small = 0;
  double mean = 0;
  for (int64_t t = 1; t <= N; t++) {
    char text[OPTION_STRING];
    const double lr = number(&p, 0, t), least = number(&p, 2, t), count = number(&p, 3, t);
    const double hidden = number(&p, 4, t), negatives = number(&p, 5, t);
    assert_true(lr >= 1e-4 && lr <= 1e-2);
    assert_true(least >= 0 && least <= 0.5);
    assert_true(count == 1 || count == 2 || count == 3 || count == 4);
    assert_true(hidden == 64 || hidden == 128 || hidden == 192 || hidden == 256);
    assert_true(negatives >= 1 && negatives <= 1024 && negatives == floor(negatives));
    sweep_value(text, &p, 1, t);
    assert_true(strcmp(text, "adamw") == 0 || strcmp(text, "lamb") == 0);
    below += lr < 1e-3;
    lamb += strcmp(text, "lamb") == 0;
    layers[(int)count]++;
    small += negatives < 32;
    mean += least / N;
  }
  // Within five standard deviations of what the distributions say.
  const double five = 5 * sqrt(0.25 * N);
  check_near(below, 0.5 * N, five);
  check_near(lamb, 0.5 * N, five);
  check_near(small, N * log(32) / log(1025), five);
  check_near(mean, 0.25, 5 * 0.5 / sqrt(12.0 * N));
  for (int k = 1; k <= 4; k++) check_near(layers[k], 0.25 * N, five);
  sweep_plan_close(&p);
}

// A value depends on seed, trial and name, and on nothing else.
static void test_same_values(void **unused) {
  (void)unused;
  sweep_plan p, q, r;
  read_plan(&p, "base: x\ntrials: 5\n" RANGES);
  read_plan(&q,
            "base: y\ntrials: 50\nranges: {data.window: [1, 2, 3], optim.lr: {log_uniform: [1e-4, 1e-2]}}\n");
  read_plan(&r, "base: x\nseed: 2\n" RANGES);
  int same = 0;
  for (int64_t t = 1; t <= 100; t++) {
    char a[OPTION_STRING], b[OPTION_STRING], c[OPTION_STRING];
    sweep_value(a, &p, 0, t);
    sweep_value(b, &q, 1, t);
    sweep_value(c, &r, 0, t);
    assert_string_equal(a, b);
    same += strcmp(a, c) == 0;
  }
  assert_true(same < 3);
  sweep_plan_close(&p);
  sweep_plan_close(&q);
  sweep_plan_close(&r);
}

// ---- ranking -------------------------------------------------------------------------------------------------

static void open_trials(sweep *s, const char *halving, int64_t n) {
  char text[1024];
  *s = (sweep){.lock = -1, .n_trials = n};
  snprintf(s->dir, sizeof s->dir, "%s", dir);
  snprintf(s->metric, sizeof s->metric, "ndcg@10");
  snprintf(text, sizeof text, "base: x\n%s" RANGES, halving);
  read_plan(&s->plan, text);
  s->trials = calloc((size_t)n, sizeof *s->trials);
  assert_non_null(s->trials);
}

static void set(sweep *s, int64_t trial, int32_t rung, double metric) {
  s->trials[trial - 1].rungs[rung] = (trial_result){.state = RESULT_DONE, .metric = metric};
}

static void set_failed(sweep *s, int64_t trial, int32_t rung) {
  s->trials[trial - 1].rungs[rung] = (trial_result){.state = RESULT_FAILED, .metric = 9};
}

static void expect(int64_t *found, int64_t n, const int64_t *wanted, int64_t n_wanted) {
  assert_int_equal(n, n_wanted);
  for (int64_t i = 0; i < n; i++) assert_int_equal(found[i], wanted[i]);
  free(found);
}
#define EXPECT(found, n, ...) \
  expect(found, n, (const int64_t[]){__VA_ARGS__}, sizeof((int64_t[]){__VA_ARGS__}) / 8)

static void test_order(void **unused) {
  (void)unused;
  sweep s;
  int64_t *order;
  open_trials(&s, "", 7);
  set(&s, 1, 0, NAN);
  set_failed(&s, 2, 0);
  set(&s, 3, 0, 0.1);
  set(&s, 4, 0, 0.3);
  set(&s, 5, 0, 0.1);
  set(&s, 7, 0, 0.2); // trial 6 has no result
  check_ok(rank_all(&s, &order));
  EXPECT(order, 7, 4, 7, 3, 5, 1, 2, 6);
  s.smaller_is_better = true;
  check_ok(rank_all(&s, &order));
  EXPECT(order, 7, 3, 5, 7, 4, 1, 2, 6);
  sweep_close(&s);
}

static void test_halving(void **unused) {
  (void)unused;
  sweep s;
  int64_t *members, n;
  bool complete, may;
  open_trials(&s, "halving: {rungs: [10, 30, 90], factor: 3}\n", 10);
  assert_int_equal(sweep_going_on(&s.plan, 9), 3);
  assert_int_equal(sweep_going_on(&s.plan, 10), 4);
  assert_int_equal(sweep_going_on(&s.plan, 1), 1);
  check_ok(rung_members(&s, 0, &members, &n, &complete));
  assert_true(complete);
  EXPECT(members, n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
  for (int64_t t = 1; t <= 9; t++) set(&s, t, 0, 0.1 * (double)(t * 7 % 10));
  // 7 4 1 8 5 2 9 6 3: the best are 7, 4, 1, 8 so far, whatever trial 10 comes to 5 has no place any more.
  check_ok(trial_may_go_on(&s, 8, &may));
  assert_true(may);
  check_ok(trial_may_go_on(&s, 5, &may));
  assert_false(may);
  check_ok(trial_may_go_on(&s, 10, &may)); // has no result yet
  assert_true(may);
  check_ok(rung_members(&s, 1, &members, &n, &complete));
  assert_false(complete);
  free(members);
  set_failed(&s, 10, 0);
  check_ok(rung_members(&s, 1, &members, &n, &complete));
  assert_true(complete);
  EXPECT(members, n, 1, 4, 7, 8); // in the order of their numbers
  set(&s, 1, 1, 0.95);
  set(&s, 4, 1, 0.8);
  set(&s, 7, 1, NAN);
  set_failed(&s, 8, 1);
  check_ok(rung_members(&s, 2, &members, &n, &complete));
  EXPECT(members, n, 1, 4);
  set(&s, 1, 2, 0.96);
  check_ok(trial_may_go_on(&s, 1, &may)); // it is at the end
  assert_false(may);
  sweep_close(&s);
}

// A rung of which nothing has a figure lets nobody on.
static void test_nobody_goes_on(void **unused) {
  (void)unused;
  sweep s;
  int64_t *members, n;
  bool complete;
  open_trials(&s, "halving: {rungs: [10, 30]}\n", 3);
  for (int64_t t = 1; t <= 3; t++) set_failed(&s, t, 0);
  check_ok(rung_members(&s, 1, &members, &n, &complete));
  assert_int_equal(n, 0);
  free(members);
  sweep_close(&s);
}

// ---- commands ------------------------------------------------------------------------------------------------

static char *words_of(const sweep *s, int64_t trial, int32_t rung, bool whole) {
  static char text[4096];
  char **words;
  check_ok(trial_words(s, trial, rung, "RUN", whole, &words));
  text[0] = '\0';
  for (char **w = words; *w != NULL; w++) {
    strcat(text, *w);
    strcat(text, " ");
  }
  words_free(words);
  return text;
}

static void expect_words(const char *text, const char *wanted, bool there) {
  if ((strstr(text, wanted) != NULL) != there) fail_msg("\"%s\" in: %s", wanted, text);
}

static void test_commands(void **unused) {
  (void)unused;
  sweep s;
  open_trials(&s, "halving: {rungs: [10, 30, 90], factor: 3}\nfixed: {data.dir: a b}\n", 3);
  s.threads = 2;
  set(&s, 1, 1, 0.5);
  expect_words(words_of(&s, 1, 0, false), "--train.steps 90 --train.epochs 0 --train.minutes 0 ", true);
  expect_words(words_of(&s, 1, 0, false), "--pause_steps 10 --train.out RUN --resume", true);
  expect_words(words_of(&s, 1, 2, false), "--pause_steps", false);
  expect_words(words_of(&s, 1, 1, true), "--resume", false);
  expect_words(words_of(&s, 1, 1, true), "--data.dir a b --optim.lr ", true);
  expect_words(words_of(&s, 1, 1, true), "--train.threads 2 --train.tried 3 ", true);
  snprintf(s.trials[0].rungs[1].reason, 32, "paused");
  s.trials[0].rungs[1].step = 30;
  expect_words(words_of(&s, 1, 1, true), "--pause_steps 30 ", true);
  sweep_close(&s);
  // What the clock has ended is repeated by its number of steps, with the learning rates that it had.
  open_trials(&s, "fixed: {train.minutes: 5, train.steps: 900, optim.schedule: linear}\n", 2);
  s.timed = true;
  set(&s, 2, 0, 0.5);
  s.trials[1].rungs[0].step = 123;
  s.trials[1].rungs[0].decay_steps = 900;
  expect_words(words_of(&s, 2, 0, false), "--train.minutes 5 --train.steps 900 ", true);
  expect_words(words_of(&s, 2, 0, true),
               "--train.steps 123 --train.epochs 0 --train.minutes 0 --optim.decay_steps 900 ", true);
  expect_words(words_of(&s, 2, 0, true), "--train.minutes 5", false);
  s.trials[1].rungs[0].decay_steps = 0;
  expect_words(words_of(&s, 2, 0, true), "--train.minutes 0 --optim.schedule constant ", true);
  expect_words(words_of(&s, 2, 0, true), "linear", false);
  sweep_close(&s);
}

// ---- the record ----------------------------------------------------------------------------------------------

static void append_text(const char *text) {
  char path[128];
  snprintf(path, sizeof path, "%s/trials.jsonl", dir);
  FILE *f = fopen(path, "a");
  assert_non_null(f);
  fputs(text, f);
  fclose(f);
}

static void test_record(void **unused) {
  (void)unused;
  sweep s;
  open_trials(&s, "", 3);
  s.threads = 2;
  check_ok(record_open(&s));
  check_ok(record_head(&s));
  trial_result r = {.state = RESULT_DONE,
                    .metric = 0.125,
                    .best_step = 20,
                    .step = 30,
                    .seconds = 1.5,
                    .decay_steps = 30,
                    .reason = "complete",
                    .figures = json_pack("{s:f}", "hr@10", 0.25)};
  check_ok(record_result(&s, 2, 0, &r));
  r = (trial_result){.state = RESULT_FAILED, .metric = NAN, .message = strdup("no \"room\"")};
  check_ok(record_result(&s, 3, 0, &r));
  append_text("{\"kind\":\"result\",\"trial\":1,"); // what a killed process leaves
  sweep_close(&s);
  for (int round = 0; round < 2; round++) {
    check_ok(sweep_open(&s, dir, NULL, NULL));
    assert_int_equal(s.n_trials, 3);
    assert_int_equal(s.threads, 2);
    assert_int_equal(trial_last_rung(&s, 1), round - 1);
    const trial_result *two = trial_last_result(&s, 2), *three = trial_last_result(&s, 3);
    check_near(two->metric, 0.125, 0);
    assert_int_equal(two->best_step, 20);
    assert_string_equal(two->reason, "complete");
    check_near(json_number_value(json_object_get(two->figures, "hr@10")), 0.25, 0);
    assert_int_equal(three->state, RESULT_FAILED);
    assert_string_equal(three->message, "no \"room\"");
    check_ok(record_open(&s)); // removes the incomplete line, so that the next one stands by itself
    r = (trial_result){.state = RESULT_DONE, .metric = 0.5};
    if (round == 0) check_ok(record_result(&s, 1, 0, &r));
    if (round == 1) check_near(trial_last_result(&s, 1)->metric, 0.5, 0);
    sweep_close(&s);
    if (round == 0) continue;
    append_text("{\"kind\":\"result\",\"trial\":4,\"rung\":1}\n");
    check_fails(sweep_open(&s, dir, NULL, NULL), ERR_FORMAT,
                "trials.jsonl line 5: the sweep has no such trial");
    sweep_close(&s);
  }
}

static int set_up(void **unused) {
  (void)unused;
  tiny_directory(dir, sizeof dir);
  char path[128];
  snprintf(path, sizeof path, "%s/base.yaml", dir);
  return file_write_atomic(path, "", 0) == OK ? 0 : 1;
}

static int tear_down(void **unused) {
  (void)unused;
  return dir_remove(dir) == OK ? 0 : 1;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_file),           cmocka_unit_test(test_mistakes), cmocka_unit_test(test_values),
      cmocka_unit_test(test_same_values),    cmocka_unit_test(test_order),    cmocka_unit_test(test_halving),
      cmocka_unit_test(test_nobody_goes_on), cmocka_unit_test(test_commands), cmocka_unit_test(test_record),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
