// Whole runs of souk prepare, by hand: order, repeats, rejected rows, several files, catalogue, buckets.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "hdf5/hdf5_glue.h"
#include "prepare/prepare_internal.h"
#include "lib/check.h"
#include "lib/h5_dims.h"
#include "lib/prepare_run.h"

static void test_order_and_sessions(void **unused) {
  (void)unused;
  write_log("log", "u,i,t,s\nx,a,100,1\nx,d,9000,2\ny,a,5,1\nx,b,1900,1\nx,c,3701,7\nx,e,9000,2\n");
  begin("d");
  option_text("fields.user", "u");
  option_text("fields.item", "i");
  option_text("fields.time", "t");
  dataset *d = run_and_open();
  expect_user(d, "x",
              "a/0 b/0 c/1 | d/2 | e/2"); // 1800 s is no gap yet, 1801 is; equal times keep the file's order
  expect_user(d, "y", "a/0");             // too short to be split
  assert_true(dataset_get_info(d)->has_time);
  assert_int_equal(dataset_get_info(d)->test_targets, 1);
  dataset_close(d);
  option_text("fields.session", "s");
  d = run_and_open();
  expect_user(d, "x", "a/0 b/0 c/1 | d/2 | e/2");
  dataset_close(d);
  option_text("fields.session", "");
  option_text("filter.session_gap", "0");
  d = run_and_open();
  expect_user(d, "x", "a/0 b/0 c/0 | d/0 | e/0");
  dataset_close(d);
  option_text("fields.time", ""); // order in the file
  option_text("output.split", "none");
  d = run_and_open();
  expect_user(d, "x", "a/0 d/0 b/0 c/0 e/0");
  assert_false(dataset_get_info(d)->has_time);
  assert_int_equal(dataset_get_info(d)->train_tokens, 6);
  dataset_close(d);
}

static void test_repeats(void **unused) {
  (void)unused;
  write_log("log",
            "u,i,t,e\nx,a,0,view\nx,a,1500,cart\nx,b,2900,view\nx,a,3000,view\nx,a,3001,buy\nx,c,9000,view\n"
            "y,a,1,view\ny,a,2,view\n");
  begin("d");
  option_text("fields.user", "u");
  option_text("fields.item", "i");
  option_text("fields.time", "t");
  option_text("fields.event", "e");
  option_text("output.split", "none");
  dataset *d = run_and_open();
  expect_user(d, "x", "a.view/0 a.cart/0 b.view/0 a.view/0 a.buy/0 c.view/1");
  dataset_close(d);
  option_text("filter.repeats",
              "merge"); // b comes 2900 s after a's first event, but 1400 s after its last: one session
  d = run_and_open();
  expect_user(d, "x", "a.cart/0 b.view/0 a.buy/0 c.view/1");
  expect_user(d, "y", "a.view/0");
  dataset_close(d);
  option_text("filter.repeats", "first");
  d = run_and_open();
  expect_user(d, "x", "a.cart/0 b.view/0 c.view/1"); // a later return to a does not change a's event type
  json_t *j = report();
  assert_int_equal(count_of(j, "dropped_repeats"), 4);
  assert_int_equal(count_of(j, "sessions"), 3);
  json_decref(j);
  dataset_close(d);
  option_text("input.events", "view,buy");
  d = run_and_open();
  expect_user(d, "x", "a.view/0 b.view/1 c.view/2"); // the cart that bridged the gap is not there
  j = report();
  assert_int_equal(count_of(j, "skipped_events"), 1);
  json_decref(j);
  dataset_close(d);
}

static void test_rejects(void **unused) {
  (void)unused;
  write_log("log", "u,i,t,p\nx,a,1,2.5\n,a,1,1\nx,,2,1\nx,b,soon,1\nx,b,,1\nx,b,3,cheap\nx\n\"x,b,3,1\nx,"
                   "\xFF,4,1\nx,c,5,\n"
                   ",b,1,1\n,c,1,1\n,d,1,1\n");
  begin("d");
  option_text("fields.user", "u");
  option_text("fields.item", "i");
  option_text("fields.time", "t");
  option_text("fields.price", "p");
  check_fails(run(), ERR_FORMAT,
              "10 of 13 rows cannot be read (most: no user, first on line 3: ,a,1,1); input.max_rejects");
  option_text("input.max_rejects", "0.9");
  dataset *d = run_and_open();
  expect_user(d, "x", "a/0 | b/0 | c/0"); // an event whose price cannot be read stays
  json_t *j = report();
  static const struct {
    const char *reason;
    int rows, line;
    const char *text;
  } wanted[] = {{"no user", 4, 3, ",a,1,1"},
                {"no item", 1, 4, "x,,2,1"},
                {"time that cannot be read: not a number", 1, 5, "x,b,soon,1"},
                {"no time", 1, 6, "x,b,,1"},
                {"too few columns", 1, 8, "x"},
                {"a quote that is not closed", 1, 9, "\"x,b,3,1"},
                {"text that is not UTF-8", 1, 10, "x,?,4,1"}};
  const json_t *reasons = json_object_get(j, "rejects");
  assert_int_equal(json_array_size(reasons), sizeof wanted / sizeof *wanted);
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    const json_t *x = json_array_get(reasons, i), *first = json_object_get(x, "first");
    assert_string_equal(json_string_value(json_object_get(x, "reason")), wanted[i].reason);
    assert_int_equal(count_of(x, "rows"), wanted[i].rows);
    assert_int_equal(json_array_size(first), wanted[i].rows < 3 ? wanted[i].rows : 3);
    assert_int_equal(count_of(json_array_get(first, 0), "line"), wanted[i].line);
    assert_string_equal(json_string_value(json_object_get(json_array_get(first, 0), "text")), wanted[i].text);
  }
  const json_t *unknown = json_array_get(json_object_get(j, "unknown"), 0);
  assert_int_equal(count_of(unknown, "rows"), 1);
  assert_string_equal(json_string_value(json_object_get(unknown, "reason")),
                      "price: text that is not an amount of money");
  assert_int_equal(count_of(json_array_get(json_object_get(unknown, "first"), 0), "line"), 7);
  json_decref(j);
  dataset_close(d);
}

// A search has no item; it is no fault where events have types.
static void test_jsonl_without_items(void **unused) {
  (void)unused;
  write_log("log", "{\"user_id\":1,\"item_id\":7,\"event\":\"view\"}\n{\"user_id\":1,\"event\":\"search\"}\n{"
                   "\"user_id\":\"1\","
                   "\"item_id\":\"8\",\"event\":\"buy\"}\n");
  begin("d");
  option_text("input.format", "jsonl");
  option_text("fields.event", "event");
  dataset *d = run_and_open();
  expect_user(d, "1", "7.view/0 8.buy/0"); // numbers and texts are the same names
  json_t *j = report();
  assert_int_equal(count_of(j, "without_item"), 1);
  const json_t *rows = json_array_get(json_object_get(j, "without_item_rows"), 0);
  assert_int_equal(count_of(rows, "rows"), 1);
  const json_t *first = json_array_get(json_object_get(rows, "first"), 0);
  assert_int_equal(count_of(first, "line"), 2);
  assert_string_equal(json_string_value(json_object_get(first, "text")),
                      "{\"user_id\":1,\"event\":\"search\"}");
  assert_int_equal(count_of(j, "rejected"), 0);
  json_decref(j);
  dataset_close(d);
  option_text("fields.event", "");
  option_text("input.max_rejects", "1");
  d = run_and_open();
  j = report();
  assert_int_equal(count_of(j, "rejected"), 1);
  json_decref(j);
  dataset_close(d);
}

static void test_several_files(void **unused) {
  (void)unused;
  write_log("log", "user_id,item_id\nx,a\ny,b\n");
  write_log("log2", "other,item_id,user_id\n1,c,x\n");
  begin("d");
  char both[600];
  snprintf(both, sizeof both, "%s/log,%s/log2", dir, dir);
  option_text("input.log", both);
  dataset *d = run_and_open();
  expect_user(d, "x", "a/0 c/0"); // each file by its own header
  expect_user(d, "y", "b/0");
  dataset_close(d);
}

// ---- catalogue and attributes --------------------------------------------------------------------------------

static void read_tokens(const char *name, int32_t *out, hsize_t n) {
  char path[1200];
  hid_t file;
  hsize_t there;
  snprintf(path, sizeof path, "%s/items.h5", c.output.out);
  h5_lock();
  check_ok(h5_open(&file, path, "souk.items", 1));
  check_ok(h5_dims(file, path, name, H5T_STD_I32LE, 1, &there));
  assert_int_equal(there, n);
  check_ok(h5_read(file, path, name, H5T_NATIVE_INT32, 0, n, out));
  H5Fclose(file);
  h5_unlock();
}

static void test_catalogue(void **unused) {
  (void)unused;
  write_log("log", "user_id,item_id,event,price\nx,a,view,1\nx,b,buy,2\nx,c,view,30\nx,d,view,\nx,e,view,"
                   "50\ny,a,view,1\ny,c,view,50\n");
  write_log("cat", "id,name,kind,cost,more\na,\"Tea, "
                   "green\",drinks,1.5,m1\nb,Cup,things,20,m2\nz,unused,things,1,\nd,Pot,,,m4\n"
                   "b,again,drinks,9,\n,lost,x,1,\nc,Cup,things,dear,\n");
  begin("d");
  char path[300];
  check_ok(path_join(path, sizeof path, dir, "cat"));
  option_text("input.catalogue", path);
  option_text("fields.event", "event");
  option_text("fields.price", "price");
  option_text("catalogue.item", "id");
  option_text("catalogue.title", "name");
  option_text("catalogue.category", "kind");
  option_text("catalogue.price", "cost");
  option_text("catalogue.keep", "more");
  option_text("output.price_buckets", "2");
  option_text("output.split", "none");
  check_fails(run(), ERR_FORMAT, "1 of 7 rows cannot be read");
  option_text("input.max_rejects", "0.3");
  dataset *d = run_and_open();
  const vocab *v = dataset_vocab(d);
  // event=view (6 occurrences), event=buy; category=things (b, c twice), category=drinks (a twice); two price buckets;
  // items last.
  static const char *const names[] = {"event=view",      "event=buy", "category=things",
                                      "category=drinks", "price=1",   "price=2"};
  static const int64_t counts[] = {6, 1, 3, 2, 3, 3};
  assert_int_equal(vocab_begin(v, RANGE_ATTRIBUTES), TOKEN_SPECIALS);
  assert_int_equal(vocab_end(v, RANGE_ATTRIBUTES), TOKEN_SPECIALS + 6);
  assert_int_equal(vocab_size(v), TOKEN_SPECIALS + 6 + 5);
  for (int32_t i = 0; i < 6; i++) {
    assert_string_equal(vocab_token(v, TOKEN_SPECIALS + i), names[i]);
    assert_int_equal(vocab_token_count(v, TOKEN_SPECIALS + i), counts[i]);
  }
  // Prices: a 1.5 and b 20 by the catalogue, c (30 + 50) / 2 = 40 and e 50 by the log, d unknown. Half of the
  // known four are below 40.
  int32_t category[5], price[5];
  read_tokens("category", category, 5);
  read_tokens("price", price, 5);
  const int32_t first = vocab_begin(v, RANGE_ITEMS), things = 7, drinks = 8, cheap = 9, dear = 10;
  const struct {
    const char *item;
    int32_t category, price;
  } wanted[] = {{"a", drinks, cheap}, {"b", things, cheap}, {"c", things, dear}, {"d", 0, 0}, {"e", 0, dear}};
  for (size_t i = 0; i < 5; i++) {
    const int32_t row = vocab_find(v, RANGE_ITEMS, wanted[i].item) - first;
    assert_true(row >= 0);
    assert_int_equal(category[row], wanted[i].category);
    assert_int_equal(price[row], wanted[i].price);
  }
  json_t *j = report();
  assert_int_equal(count_of(j, "catalogue_rows"), 7);
  assert_int_equal(count_of(j, "catalogue_rejected"), 1);
  assert_int_equal(count_of(j, "catalogue_matched"), 4);
  assert_int_equal(count_of(j, "catalogue_repeated"), 1);
  assert_true(fabs(json_real_value(json_array_get(json_object_get(j, "price_edges"), 0)) - 40) < 1e-9);
  json_decref(j);
  char *text;
  size_t n;
  snprintf(path, sizeof path, "%s/d/catalogue.jsonl", dir);
  check_ok(file_read(path, 1 << 20, &text, &n));
  assert_string_equal(
      text,
      "{\"item\":\"a\",\"title\":\"Tea, green\",\"category\":\"drinks\",\"price\":\"1.5\",\"more\":\"m1\"}\n"
      "{\"item\":\"b\",\"title\":\"Cup\",\"category\":\"things\",\"price\":\"20\",\"more\":\"m2\"}\n"
      "{\"item\":\"d\",\"title\":\"Pot\",\"more\":\"m4\"}\n"
      "{\"item\":\"c\",\"title\":\"Cup\",\"category\":\"things\"}\n");
  free(text);
  dataset_close(d);
  option_text("output.attributes", "false");
  d = run_and_open();
  assert_int_equal(vocab_begin(dataset_vocab(d), RANGE_ITEMS), TOKEN_SPECIALS);
  dataset_close(d);
  option_text("catalogue.keep", "more,title");
  check_fails(run(), ERR_ARGUMENT, "catalogue.keep: \"title\" is a reserved name");
  option_text("catalogue.keep", "moar");
  check_fails(run(), ERR_FORMAT, "no column \"moar\"");
}

// Equal prices cannot be told apart: fewer buckets than asked for.
static void test_buckets(void **unused) {
  (void)unused;
  write_log("log", "user_id,item_id,price\nx,a,5\nx,b,5\nx,c,5\nx,d,5\nx,e,9\nx,f,5\n");
  begin("d");
  option_text("fields.price", "price");
  option_text("output.split", "none");
  dataset *d = run_and_open();
  const vocab *v = dataset_vocab(d);
  assert_int_equal(vocab_end(v, RANGE_ATTRIBUTES) - vocab_begin(v, RANGE_ATTRIBUTES), 2);
  assert_int_equal(vocab_token_count(v, vocab_find(v, RANGE_ATTRIBUTES, "price=1")), 5);
  assert_int_equal(vocab_token_count(v, vocab_find(v, RANGE_ATTRIBUTES, "price=2")), 1);
  dataset_close(d);
}

static void expect_warnings(size_t n, const char *const *texts) {
  json_t *j = report();
  const json_t *warnings = json_object_get(j, "warnings");
  assert_int_equal(json_array_size(warnings), n);
  for (size_t i = 0; i < n; i++)
    assert_string_equal(json_string_value(json_array_get(warnings, i)), texts[i]);
  json_decref(j);
}

// Files with the same fault are one warning, whatever its kind, and a column that all lack is told once.
static void test_warnings_of_many_files(void **unused) {
  (void)unused;
  write_log("log", "u;i\n1;NA\n");
  write_log("log2", "u;i\n1;a\n1;NA\n1;NA\n");
  write_log("log3", "u;i\n1;a\n");
  begin("d");
  option_text("fields.user", "u");
  option_text("fields.item", "i");
  char pattern[600];
  snprintf(pattern, sizeof pattern, "%s/log*", dir);
  option_text("input.log", pattern);
  dataset_close(run_and_open());
  expect_warnings(
      2,
      (const char *const[]){
          "log: ';' between the columns was guessed from the header; input.separator sets it; the same in 3 "
          "files in all",
          "log: rows with NA, NULL or the like in \"i\", taken as it is (input.missing names texts that "
          "mean no value): 1, the first on line 2; 3 in all, in 2 files"});
  write_log("log", "{\"u\":1,\"i\":\"a\",\"p\":NaN}\n");
  write_log("log2", "{\"u\":1,\"i\":\"a\",\"p\":NaN}\n");
  write_log("log3", "{\"u\":1,\"i\":\"a\",\"p\":5}\n");
  option_text("input.format", "jsonl");
  option_text("fields.session", "s");
  option_text("fields.price", "p");
  dataset_close(run_and_open());
  expect_warnings(3, (const char *const[]){
                         "fields.session: no row that is used has a value in \"s\"",
                         "log: rows with NaN or an infinity, which are unknown values: 1, the first on line "
                         "1; 2 in all, in 2 files",
                         "log: no row has a value in \"p\"; the same in 2 files in all"});
}

// Blanks around names make other names, which is told.
static void test_blanks_around_names(void **unused) {
  (void)unused;
  write_log("log", "user_id,item_id\nx,a\n x,a\nx,b \nx,c\ty\nx,\td\n");
  begin("d");
  dataset *d = run_and_open();
  assert_int_equal(dataset_get_info(d)->sequences, 2);
  dataset_close(d);
  expect_warnings(2, (const char *const[]){"log: rows with blanks before or behind the user's name, which "
                                           "are part of it: 1, the first on line 3",
                                           "log: rows with blanks before or behind the item's name, which "
                                           "are part of it: 2, the first on line 4"});
}

static void test_nothing_left(void **unused) {
  (void)unused;
  write_log("log", "user_id,item_id\nx,a\nx,b\n");
  begin("d");
  option_text("filter.min_user", "3");
  check_fails(run(), ERR_FORMAT, "no events are left after filtering");
  assert_false(dir_exists(c.output.out));
  write_log("log", "user_id,item_id,e\nx,a,view\ny,,search\n,b,view\n");
  begin("d");
  option_text("fields.event", "e");
  option_text("input.events", "search");
  option_text("input.max_rejects", "1");
  check_fails(run(), ERR_FORMAT,
              "of 3 rows 1 could not be read (most: no user, first on line 4: ,b,view), 1 are of event types "
              "that were not asked for, 1 have no item");
  write_log("log", "user_id,item_id\n");
  begin("d");
  check_fails(run(), ERR_FORMAT, "there are no rows");
  begin("d");
  option_text("input.log", " , ,");
  check_fails(run(), ERR_ARGUMENT, "input.log names no file");
  begin("d");
  option_text("input.catalogue", ",");
  check_fails(run(), ERR_ARGUMENT, "input.catalogue is set and names no file");
  begin("d");
  option_text("input.log", "");
  check_fails(run(), ERR_ARGUMENT, "input.log names no file");
  begin("d");
  option_text("input.events", "view");
  check_fails(run(), ERR_ARGUMENT, "input.events needs fields.event");
  begin("d");
  option_text("output.window", "5");
  check_fails(run(), ERR_ARGUMENT, "output.stride must not exceed output.window");
  begin("d");
  option_text("fields.item", "user_id");
  check_fails(run(), ERR_ARGUMENT, "fields.user and fields.item are the same column, \"user_id\"");
}

// A user whose history is longer than the exact histogram of lengths.
// Quantiles are lengths of users, never below the median.
static void test_lengths(void **unused) {
  (void)unused;
  write_log("log", "user_id,item_id\nx,a\ny,a\ny,b\n");
  begin("d");
  dataset_close(run_and_open());
  json_t *j = report();
  assert_int_equal(count_of(json_object_get(j, "length"), "median"), 2);
  assert_int_equal(count_of(json_object_get(j, "length"), "p95"), 2);
  json_decref(j);
}

static void test_long_history(void **unused) {
  (void)unused;
  enum { LONG = SHORT_LENGTHS + 10 };
  char *log, *at;
  check_ok(mem_new(&log, LONG * 16 + 100, 1, "a log"));
  at = log + sprintf(log, "user_id,item_id\n");
  for (int i = 0; i < LONG; i++) at += sprintf(at, "x,%d\n", i % 1000);
  sprintf(at, "y,1\ny,2\n");
  write_log("log", log);
  free(log);
  begin("d");
  option_text("output.shard_tokens", "1000");
  dataset *d = run_and_open();
  assert_int_equal(dataset_get_info(d)->longest, LONG);
  json_t *j = report();
  assert_int_equal(count_of(json_object_get(j, "length"), "max"), LONG);
  assert_int_equal(count_of(json_object_get(j, "length"), "median"), LONG);
  assert_int_equal(count_of(json_object_get(j, "length"), "min"), 2);
  json_decref(j);
  dataset_close(d);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      CASE(test_order_and_sessions),
      CASE(test_repeats),
      CASE(test_rejects),
      CASE(test_jsonl_without_items),
      CASE(test_several_files),
      CASE(test_catalogue),
      CASE(test_buckets),
      CASE(test_blanks_around_names),
      CASE(test_nothing_left),
      CASE(test_long_history),
      CASE(test_warnings_of_many_files),
      CASE(test_lengths),
  };
  return cmocka_run_group_tests_name("prepare", tests, NULL, NULL);
}
