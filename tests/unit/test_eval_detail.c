// What an evaluation tells beside its tables: figures of lists against numbers counted by hand, and text that cannot become markup.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/shell.h"
#include "eval/html.h"
#include "eval/list_figures.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

static void add_list(exposure *x, int32_t n, int32_t *items) {
  float scores[32] = {0};
  exposure_add(x, &(ranked_list){n, items, scores});
}

// Items 0 to 3 were had 4, 2, 2 and 0 times by 4, 2, 1 and no users of four.
static item_popularity popularity(void) {
  static int64_t events[] = {4, 2, 2, 0}, users[] = {4, 2, 1, 0};
  static double percentile[] = {87.5, 50, 50, 12.5};
  return (item_popularity){4, 4, events, users, percentile};
}

static void test_lists(void **unused) {
  (void)unused;
  const item_popularity p = popularity();
  exposure x;
  list_figures f[LIST_CUTOFFS];
  check_ok(exposure_new(&x, 4));
  add_list(&x, 2, (int32_t[]){0, 1});
  add_list(&x, 2, (int32_t[]){0, 2});
  exposure_figures(&x, &p, f);
  for (int32_t c = 0; c < LIST_CUTOFFS; c++) {
    assert_int_equal(f[c].items, 3);
    check_near(f[c].coverage, 0.75, 1e-12);
    check_near(f[c].gini, 0.375, 1e-12); // (-3*0 - 1*1 + 1*1 + 3*2) / (4 * 4)
    check_near(f[c].popularity.information, (0 + 0 + 1 + 2) / 4.0, 1e-12);
    check_near(f[c].popularity.events, (4 + 4 + 2 + 2) / 4.0, 1e-12);
    check_near(f[c].popularity.percentile, (87.5 + 87.5 + 50 + 50) / 4, 1e-12);
    check_near(f[c].popularity.nobodys, 0, 1e-12);
  }
  exposure_free(&x);
}

// Always the same one, and all of them.
static void test_extremes(void **unused) {
  (void)unused;
  const item_popularity p = popularity();
  exposure x;
  list_figures f[LIST_CUTOFFS];
  check_ok(exposure_new(&x, 4));
  for (int i = 0; i < 9; i++) add_list(&x, 1, (int32_t[]){3});
  exposure_figures(&x, &p, f);
  check_near(f[0].gini, 0.75, 1e-12);
  check_near(f[0].coverage, 0.25, 1e-12);
  check_near(f[0].popularity.information, 2, 1e-12); // as if one of four users had it
  check_near(f[0].popularity.nobodys, 1, 1e-12);
  exposure_free(&x);
  check_ok(exposure_new(&x, 4));
  add_list(&x, 4, (int32_t[]){3, 1, 2, 0});
  exposure_figures(&x, &p, f);
  check_near(f[0].gini, 0, 1e-12);
  check_near(f[0].coverage, 1, 1e-12);
  exposure_free(&x);
}

static void test_cutoffs(void **unused) {
  (void)unused;
  int32_t items[30];
  exposure x;
  for (int32_t i = 0; i < 30; i++) items[i] = i;
  check_ok(exposure_new(&x, 30));
  add_list(&x, 20, items);
  for (int32_t c = 0; c < LIST_CUTOFFS; c++)
    for (int32_t i = 0; i < 30; i++) assert_int_equal(x.times[c][i], i < list_cutoffs[c]);
  exposure_free(&x);
}

static void test_counts(void **unused) {
  (void)unused;
  char dir[256];
  dataset *d;
  item_popularity p;
  int64_t events = 0, counted[20];
  double percentiles = 0;
  tiny_directory(dir, sizeof dir);
  tiny_dataset(dir, 50, 20, 0);
  check_ok(dataset_open(&d, dir, false));
  check_ok(items_count(d, EVAL_TEST, counted));
  check_ok(item_popularity_make(&p, d, EVAL_TEST));
  assert_int_equal(p.users_in_all, 50);
  for (int32_t i = 0; i < 20; i++) {
    assert_int_equal(p.events[i], counted[i]);
    assert_true(p.users[i] <= p.events[i] && (p.users[i] > 0) == (p.events[i] > 0));
    events += p.users[i] < p.events[i];
    percentiles += p.percentile[i];
  }
  assert_true(events > 0);                // some user has an item twice
  check_near(percentiles / 20, 50, 1e-9); // whatever the counts are
  item_popularity_free(&p);
  dataset_close(d);
  tiny_remove(dir);
}

static void read_back(const char *path, char *text, size_t room) {
  FILE *f = fopen(path, "r");
  assert_non_null(f);
  text[fread(text, 1, room - 1, f)] = '\0';
  fclose(f);
}

static void test_text(void **unused) {
  (void)unused;
  char dir[256], path[300], text[512];
  out_file *f;
  tiny_directory(dir, sizeof dir);
  snprintf(path, sizeof path, "%s/text", dir);
  check_ok(out_open(&f, path));
  check_ok(html_text(f, "<script>\"a\" & 'b'</script>\x1b[2J\xff\xe2\x80\xae\nz"));
  check_ok(out_commit(f));
  read_back(path, text, sizeof text);
  assert_string_equal(text,
                      "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/script&gt;\\x1b[2J\\xff\\u202e\nz");
  tiny_remove(dir);
}

// Labels are text in charts, too, and marks beyond every scale are drawn within the picture.
static void test_marks(void **unused) {
  (void)unused;
  char dir[256], path[300], text[8192];
  const html_mark marks[] = {{"</svg><b>", 1e-7, 0, 3e-7, true, true},
                             {"zero", 0, 0, 0, true, false},
                             {"large", 12345, 0, 0, false, false},
                             {"below", -3, -4, -1, true, false}};
  out_file *f;
  tiny_directory(dir, sizeof dir);
  snprintf(path, sizeof path, "%s/marks", dir);
  for (int32_t n = 1; n <= 4; n++) {
    check_ok(out_open(&f, path));
    check_ok(html_marks(f, "<i>", marks, n));
    check_ok(out_commit(f));
    read_back(path, text, sizeof text);
    assert_null(strstr(text, "<b>"));
    assert_null(strstr(text, "<i>"));
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    for (const char *p = text; (p = strstr(p, "cx=\"")) != NULL; p++)
      assert_true(strtod(p + 4, NULL) >= 210 && strtod(p + 4, NULL) <= 650);
  }
  tiny_remove(dir);
}

static void test_command(void **unused) {
  (void)unused;
  char *text;
  check_ok(shell_command(&text, "souk eval", 4, (char *[]){"a b", "it's", "--k=5", ""}));
  assert_string_equal(text, "souk eval 'a b' 'it'\\''s' --k=5 ''");
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_lists),   cmocka_unit_test(test_extremes),
                                     cmocka_unit_test(test_cutoffs), cmocka_unit_test(test_counts),
                                     cmocka_unit_test(test_text),    cmocka_unit_test(test_marks),
                                     cmocka_unit_test(test_command)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
