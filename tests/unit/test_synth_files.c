// The generated marketplace as files: the same seed makes the same bytes, and what the files say agrees with each other and with
// the truth beside them.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "prepare/log_reader.h"
#include "synth/synth_internal.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"
#include "lib/tiny_market.h"

static char dir[256];
static int setup(void **unused) {
  (void)unused;
  tiny_directory(dir, sizeof dir);
  return 0;
}
static int teardown(void **unused) {
  (void)unused;
  tiny_remove(dir);
  return 0;
}

static synth_config config_for(const char *name, int64_t users) {
  synth_config c = tiny_market(users, 120);
  c.length = 10;
  c.force = true;
  snprintf(c.out, sizeof c.out, "%s/%s", dir, name);
  return c;
}

static void run_quietly(const synth_config *c) {
  fflush(stdout);
  FILE *const kept = stdout; // the summary is for people
  stdout = fopen("/dev/null", "w");
  assert_non_null(stdout);
  const status rc = synth_run(c);
  fclose(stdout);
  stdout = kept;
  check_ok(rc);
}

static void checksum(const char *name, const char *file, char hex[65]) {
  char path[1200];
  snprintf(path, sizeof path, "%s/%s/%s", dir, name, file);
  check_ok(file_sha256(path, hex, NULL));
}

static void test_same_seed_same_bytes(void **unused) {
  (void)unused;
  char a[65], b[65];
  synth_config c = config_for("a", 40);
  run_quietly(&c);
  snprintf(c.out, sizeof c.out, "%s/b", dir);
  run_quietly(&c);
  checksum("a", "synth.json", a); // it lists the checksums of all the rest
  checksum("b", "synth.json", b);
  assert_string_equal(a, b);
  c.seed = 2;
  run_quietly(&c);
  checksum("a", "events.csv.gz", a);
  checksum("b", "events.csv.gz", b);
  assert_string_not_equal(a, b);
  // Promotions, items shown and reviews are drawn apart: without them nobody does anything else.
  c = config_for("c", 40);
  c.promotions = c.impressions = c.reviews = false;
  run_quietly(&c);
  checksum("a", "events.csv.gz", a);
  checksum("c", "events.csv.gz", b);
  assert_string_equal(a, b);
  c = config_for("a", 40);
  c.force = false;
  check_fails(synth_run(&c), ERR_ARGUMENT, "--force");
  c.out[0] = '\0';
  check_fails(synth_run(&c), ERR_ARGUMENT, "--out");
  snprintf(c.out, sizeof c.out, "%s", dir);
  check_fails(synth_run(&c), ERR_ARGUMENT, "it is left as it is");
}

static void test_market_files(void **unused) {
  (void)unused;
  char home[65], there[65];
  synth_config c = config_for("home", 40);
  run_quietly(&c);
  c = config_for("there", 40);
  c.market = 1;
  run_quietly(&c);
  checksum("home", "catalogue.csv", home);
  checksum("there", "catalogue.csv", there);
  assert_string_equal(home, there);
  checksum("home", "truth/users.csv.gz", home);
  checksum("there", "truth/users.csv.gz", there);
  assert_string_not_equal(home, there);
}

// More users are the same users and some more.
static void test_users_are_functions(void **unused) {
  (void)unused;
  char path[2][600];
  line_reader *r[2];
  const synth_config few = config_for("few", 20), many = config_for("many", 60);
  run_quietly(&few);
  run_quietly(&many);
  for (int i = 0; i < 2; i++) {
    snprintf(path[i], sizeof path[i], "%s/%s/truth/users.csv.gz", dir, i == 0 ? "few" : "many");
    check_ok(lines_open_input(&r[i], path[i], 1 << 16, NULL));
  }
  for (int line = 0; line <= 20; line++) {
    char *text[2];
    size_t bytes;
    bool end;
    for (int i = 0; i < 2; i++) {
      check_ok(lines_next(r[i], &text[i], &bytes, &end));
      assert_false(end);
    }
    assert_string_equal(text[0], text[1]);
  }
  lines_close(r[0]);
  lines_close(r[1]);
}

// csv and jsonl tell the same, row by row, and both in the order of time.
static void test_formats_agree(void **unused) {
  (void)unused;
  static const char *const columns[] = {"time",    "user_id", "session_id", "event",
                                        "item_id", "price",   "query"};
  enum { N = 7 };
  log_reader *r[2];
  char path[1200], last[32] = "";
  const synth_config c = config_for("m", 60);
  run_quietly(&c);
  snprintf(path, sizeof path, "%s/events.csv.gz", c.out);
  check_ok(log_open(&r[0], path, &(log_format){.kind = LOG_CSV, .header = true}, columns, N));
  snprintf(path, sizeof path, "%s/events.jsonl.gz", c.out);
  check_ok(log_open(&r[1], path, &(log_format){.kind = LOG_JSONL, .header = true}, columns, N));
  int rows = 0, searches = 0;
  for (;; rows++) {
    const char *v[2][MAX_COLUMNS], *reject;
    bool end[2];
    for (int i = 0; i < 2; i++) {
      check_ok(log_next(r[i], v[i], &reject, &end[i]));
      assert_null(reject);
    }
    assert_int_equal(end[0], end[1]);
    if (end[0]) break;
    assert_true(strcmp(v[0][0], last) >= 0);
    snprintf(last, sizeof last, "%s", v[0][0]);
    assert_memory_equal(v[0][0], v[1][0], 10); // the day; then a space or a T
    assert_memory_equal(v[0][0] + 11, v[1][0] + 11, 8);
    const bool search = strcmp(v[0][3], "search") == 0;
    searches += search;
    assert_int_equal(search, v[0][4] == NULL); // a search has words and no item
    assert_int_equal(search, v[0][6] != NULL);
    for (int k = 1; k < N; k++) {
      assert_int_equal(v[0][k] == NULL, v[1][k] == NULL);
      if (v[0][k] == NULL) continue;
      if (k == 5)
        assert_true(fabs(atof(v[0][k]) - atof(v[1][k])) < 1e-9);
      else
        assert_string_equal(v[0][k], v[1][k]);
    }
  }
  assert_true(rows > 600 && searches > 20);
  log_close(r[0]);
  log_close(r[1]);
}

// Impressions have a truth each, in the same order, and cells only for what could happen.
static void test_impressions(void **unused) {
  (void)unused;
  static const char *const columns[] = {"impression_id", "p_click", "p_cart", "p_buy"};
  static const char *const shown[] = {"impression_id", "time", "item_id", "click", "cart", "buy"};
  log_reader *r[2];
  char path[1200], last[32] = "";
  synth_config c = config_for("m", 200);
  run_quietly(&c);
  snprintf(path, sizeof path, "%s/truth/impressions.csv.gz", c.out);
  check_ok(log_open(&r[0], path, &(log_format){.kind = LOG_CSV, .header = true}, columns, 4));
  snprintf(path, sizeof path, "%s/impressions.csv.gz", c.out);
  check_ok(log_open(&r[1], path, &(log_format){.kind = LOG_CSV, .header = true}, shown, 6));
  int rows = 0, carts = 0;
  for (;; rows++) {
    const char *v[2][MAX_COLUMNS], *reject;
    bool end[2];
    for (int i = 0; i < 2; i++) check_ok(log_next(r[i], v[i], &reject, &end[i]));
    assert_int_equal(end[0], end[1]);
    if (end[0]) break;
    assert_string_equal(v[0][0], v[1][0]);
    assert_true(strcmp(v[1][1], last) >= 0);
    snprintf(last, sizeof last, "%s", v[1][1]);
    assert_int_equal(v[1][4] != NULL, strcmp(v[1][3], "1") == 0);
    assert_int_equal(v[1][5] != NULL, v[1][4] != NULL && strcmp(v[1][4], "1") == 0);
    carts += v[1][5] != NULL;
    for (int k = 1; k < 4; k++) assert_true(atof(v[0][k]) > 0 && atof(v[0][k]) < 1);
  }
  assert_true(rows > 300 && rows % OFFERS == 0 && carts > 5);
  log_close(r[0]);
  log_close(r[1]);
}

// The truth of promotions: an uplift is the difference of two probabilities, and some are negative.
static void test_truth(void **unused) {
  (void)unused;
  static const char *const columns[] = {"impression_id", "p_click", "p_purchase", "p_purchase_plain",
                                        "uplift"};
  static const char *const shown[] = {"impression_id", "promotion", "propensity", "click", "purchase"};
  log_reader *r[2];
  char path[1200];
  synth_config c = config_for("m", 400);
  run_quietly(&c);
  snprintf(path, sizeof path, "%s/truth/promotions.csv.gz", c.out);
  check_ok(log_open(&r[0], path, &(log_format){.kind = LOG_CSV, .header = true}, columns, 5));
  snprintf(path, sizeof path, "%s/promotions.csv.gz", c.out);
  check_ok(log_open(&r[1], path, &(log_format){.kind = LOG_CSV, .header = true}, shown, 5));
  int rows = 0, positive = 0, negative = 0;
  double clicks = 0, wanted = 0;
  for (;; rows++) {
    const char *v[2][MAX_COLUMNS], *reject;
    bool end[2];
    for (int i = 0; i < 2; i++) check_ok(log_next(r[i], v[i], &reject, &end[i]));
    assert_int_equal(end[0], end[1]);
    if (end[0]) break;
    assert_string_equal(v[0][0], v[1][0]);
    const double uplift = atof(v[0][4]);
    assert_true(fabs(atof(v[0][2]) - atof(v[0][3]) - uplift) < 2e-6);
    if (strcmp(v[1][1], "none") == 0) assert_true(fabs(uplift) < 1e-9);
    positive += uplift > 0.001;
    negative += uplift < -0.001;
    clicks += atof(v[1][3]);
    wanted += atof(v[0][1]);
  }
  assert_true(rows > 500 && positive > rows / 10 && negative > rows / 50);
  assert_true(fabs(clicks - wanted) < 4.5 * sqrt(wanted));
  log_close(r[0]);
  log_close(r[1]);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      CASE(test_same_seed_same_bytes), CASE(test_market_files), CASE(test_users_are_functions),
      CASE(test_formats_agree),        CASE(test_impressions),  CASE(test_truth),
  };
  return cmocka_run_group_tests_name("synth_files", tests, NULL, NULL);
}
