// Rows of logs, with everything that csv, tsv and jsonl from elsewhere do.
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "base/file.h"
#include "format/utf8.h"
#include "prepare/log_reader.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

static char dir[256], path[300];

static int setup(void **unused) {
  (void)unused;
  tiny_directory(dir, sizeof dir);
  check_ok(path_join(path, sizeof path, dir, "log"));
  return 0;
}
static int teardown(void **unused) {
  (void)unused;
  tiny_remove(dir);
  return 0;
}

static const char *const by_name[] = {"b", "a"}, *const by_number[] = {"2", "1"};

static log_reader *reader(const char *text, log_kind kind, bool header) {
  log_reader *r;
  check_ok(file_write_atomic(path, text, strlen(text)));
  check_ok(log_open(&r, path, &(log_format){.kind = kind, .header = header},
                    kind == LOG_JSONL || header ? by_name : by_number, 2));
  return r;
}

static void expect_row(log_reader *r, int64_t line, const char *b, const char *a) {
  const char *values[MAX_COLUMNS], *reject;
  bool end;
  check_ok(log_next(r, values, &reject, &end));
  assert_false(end);
  if (reject != NULL) fail_msg("line %lld: %s", (long long)log_line(r), reject);
  assert_int_equal(log_line(r), line);
  const char *const wanted[2] = {b, a};
  for (int i = 0; i < 2; i++) {
    if (wanted[i] == NULL)
      assert_null(values[i]);
    else
      assert_string_equal(values[i], wanted[i]);
  }
}

static void expect_reject(log_reader *r, int64_t line, const char *reason) {
  const char *values[MAX_COLUMNS], *reject;
  bool end;
  check_ok(log_next(r, values, &reject, &end));
  assert_false(end);
  assert_non_null(reject);
  assert_string_equal(reject, reason);
  assert_int_equal(log_line(r), line);
}

static void expect_end(log_reader *r) {
  const char *values[MAX_COLUMNS], *reject;
  bool end;
  check_ok(log_next(r, values, &reject, &end));
  assert_true(end);
  log_close(r);
}

static void test_csv(void **unused) {
  (void)unused;
  log_reader *r = reader("a,b\n1,2\n4,\n5\n9,10", LOG_CSV, true); // no newline at the end
  expect_row(r, 2, "2", "1");
  expect_row(r, 3, NULL, "4");
  expect_reject(r, 4, "too few columns");
  expect_row(r, 5, "10", "9");
  expect_end(r);
}

static void test_csv_line_ends(void **unused) {
  (void)unused;
  log_reader *r = reader("\xEF\xBB\xBF"
                         "a,b\r\n1,2\r\n\r\n\n3,4\r\n\n",
                         LOG_CSV, true); // byte order mark, CRLF, empty lines
  expect_row(r, 2, "2", "1");
  expect_row(r, 5, "4", "3");
  expect_end(r);
  r = reader("\xEF\xBB\xBF"
             "1,2\n",
             LOG_CSV, false); // the mark is no part of the first field
  expect_row(r, 1, "2", "1");
  expect_end(r);
}

static void test_csv_quotes(void **unused) {
  (void)unused;
  log_reader *r =
      reader("\"a\",\"b\"\n\"x, \"\"y\"\"\",3\n\"\",\"\"\"\"\n\" padded \",\"\t\"\n", LOG_CSV, true);
  expect_row(r, 2, "3", "x, \"y\"");
  expect_row(r, 3, "\"", NULL);
  expect_row(r, 4, "\t", " padded ");
  expect_end(r);
  r = reader("a,b\n\"6\"7,8\n5\" screen,x \"quoted\" y\n1,\"2\"\n", LOG_CSV, true);
  expect_reject(r, 2, "broken quotes");
  expect_row(r, 3, "x \"quoted\" y", "5\" screen"); // quotes inside an unquoted field are text
  expect_row(r, 4, "2", "1");
  expect_end(r);
}

static void test_csv_embedded_newlines(void **unused) {
  (void)unused;
  log_reader *r = reader("a,b\n\"one\ntwo\r\nthree\",1\n\"\n\",2\nplain,3\n", LOG_CSV, true);
  expect_row(r, 2, "1", "one\ntwo\r\nthree"); // CRLF inside quotes stays
  expect_row(r, 5, "2", "\n");
  expect_row(r, 7, "3", "plain"); // line numbers go on behind them
  expect_end(r);
}

// A quote that never closes costs its own line and no other.
static void test_csv_open_quote(void **unused) {
  (void)unused;
  log_reader *r = reader("a,b\n1,2\n\"open,3\n4,5\n6,7\n", LOG_CSV, true);
  expect_row(r, 2, "2", "1");
  expect_reject(r, 3, "a quote that is not closed");
  assert_string_equal(log_row_text(r), "\"open,3");
  expect_row(r, 4, "5", "4");
  expect_row(r, 5, "7", "6");
  expect_end(r);
}

// Also when there are many, near one another (the next one's quote seems to close it) or far apart.
static void test_open_quotes(void **unused) {
  (void)unused;
  char text[1 << 14];
  for (int every = 1; every <= 256; every *= 2) {
    char *at = text;
    at += sprintf(at, "a,b\n");
    for (int i = 2; i <= 500; i++) at += sprintf(at, i % every == 0 ? "\"open %d,x\n" : "%d,y\n", i);
    log_reader *r = reader(text, LOG_CSV, true);
    for (int i = 2; i <= 500; i++) {
      char wanted[16];
      snprintf(wanted, sizeof wanted, "%d", i);
      if (i % every == 0)
        expect_reject(r, i, "a quote that is not closed");
      else
        expect_row(r, i, "y", wanted);
    }
    expect_end(r);
  }
}

static void test_tsv_and_space(void **unused) {
  (void)unused;
  log_reader *r = reader("a:token\tb:float\nx\t1.5\n\"q\t\"2\"\n\t\ny, z\t\r\n", LOG_TSV, true);
  expect_row(r, 2, "1.5", "x");
  expect_row(r, 3, "\"2\"", "\"q"); // no quoting in tsv
  expect_row(r, 4, NULL, NULL);
  expect_row(r, 5, NULL, "y, z");
  expect_end(r);
  r = reader("  x   y \n   \nz\tw\n", LOG_SPACE, false);
  expect_row(r, 1, "y", "x");
  expect_row(r, 3, "w", "z");
  expect_end(r);
}

static void test_jsonl(void **unused) {
  (void)unused;
  log_reader *r =
      reader("\xEF\xBB\xBF{\"a\": \"x\", \"b\": 3}\n{\"a\": null}\nnonsense\n[1]\n\n"
             "{\"b\": 2.5, \"a\": true}\n{\"a\": \"caf\\u00e9\", \"b\": {\"c\": 1}}\n{\"a\":\"\xFF\"}\n"
             "{\"a\": \"x\", \"b\": 1",
             LOG_JSONL, true);
  expect_row(r, 1, "3", "x");
  expect_row(r, 2, NULL, NULL);
  expect_reject(r, 3, "not valid json");
  expect_reject(r, 4, "not a json object");
  expect_row(r, 6, "2.5", "true");
  expect_row(r, 7, NULL, "caf\xC3\xA9"); // an object is no value
  expect_reject(r, 8, "text that is not UTF-8");
  assert_string_equal(log_row_text(r), "{\"a\":\"?\"}"); // reports stay text
  expect_reject(r, 9, "not valid json");
  expect_end(r);
}

static void test_json_paths(void **unused) {
  (void)unused;
  const char *const columns[] = {"item.id", "who.is.it"};
  const char *text =
      "{\"item\": {\"id\": 7}, \"who\": {\"is\": {\"it\": \"me\"}}}\n{\"item.id\": 8}\n{\"item\": 1}\n";
  const char *values[MAX_COLUMNS], *reject;
  log_reader *r;
  bool end;
  check_ok(file_write_atomic(path, text, strlen(text)));
  check_ok(log_open(&r, path, &(log_format){.kind = LOG_JSONL, .header = true}, columns, 2));
  check_ok(log_next(r, values, &reject, &end));
  assert_string_equal(values[0], "7");
  assert_string_equal(values[1], "me");
  check_ok(log_next(r, values, &reject, &end));
  assert_string_equal(values[0], "8"); // a key that has the dot itself
  assert_null(values[1]);
  check_ok(log_next(r, values, &reject, &end));
  assert_null(values[0]);
  log_close(r);
}

static void test_utf8(void **unused) {
  (void)unused;
  static const char *const good[] = {"",
                                     "a",
                                     "\x7F",
                                     "\xC2\x80",
                                     "\xDF\xBF",
                                     "\xE0\xA0\x80",
                                     "\xED\x9F\xBF",
                                     "\xEF\xBF\xBF",
                                     "\xF0\x90\x80\x80",
                                     "\xF4\x8F\xBF\xBF",
                                     "手机壳"};
  static const char *const bad[] = {"\x80",
                                    "\xC1\xBF",
                                    "\xC2",
                                    "\xC2x",
                                    "\xE0\x9F\xBF",
                                    "\xED\xA0\x80",
                                    "\xE4\xB8",
                                    "\xF0\x8F\xBF\xBF",
                                    "\xF4\x90\x80\x80",
                                    "\xF5\x80\x80\x80",
                                    "\xFF",
                                    "ok\xC3("};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_true(utf8_valid(good[i]));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(utf8_valid(bad[i]));
  log_reader *r = reader("a,b,c\n\xE6\x89\x8B,1,x\n\xE6\x89,2,x\n3,3,\xFF\n", LOG_CSV, true);
  expect_row(r, 2, "1", "\xE6\x89\x8B");
  expect_reject(r, 3, "text that is not UTF-8");
  assert_string_equal(log_row_text(r), "??,2,x");
  expect_row(r, 4, "3", "3"); // only columns that are asked for matter
  expect_end(r);
}

// An excerpt ends between characters.
static void test_excerpt(void **unused) {
  (void)unused;
  char text[512] = "";
  for (int i = 0; i < 60; i++) strcat(text, "手");
  strcat(text, ",1\n");
  log_reader *r = reader(text, LOG_CSV, false);
  const char *values[MAX_COLUMNS], *reject;
  bool end;
  check_ok(log_next(r, values, &reject, &end));
  assert_int_equal(strlen(log_row_text(r)), 120);
  assert_true(utf8_valid(log_row_text(r)));
  log_close(r);
  text[0] = 'x';
  memmove(text + 1, text + 3, strlen(text + 3) + 1);
  r = reader(text, LOG_CSV, false);
  check_ok(log_next(r, values, &reject, &end));
  assert_int_equal(strlen(log_row_text(r)), 118); // one and 39 of three bytes
  log_close(r);
}

static void write_gzip(const char *const *members, int n, size_t cut) {
  unsigned char all[1 << 12];
  size_t used = 0;
  for (int i = 0; i < n; i++) {
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)members[i];
    z.avail_in = (unsigned)strlen(members[i]);
    z.next_out = all + used;
    z.avail_out = (unsigned)(sizeof all - used);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    used += z.total_out;
    deflateEnd(&z);
  }
  check_ok(file_write_atomic(path, all, used - cut));
}

static void test_gzip(void **unused) {
  (void)unused;
  static const char *const members[] = {"a,b\n1,2\n3", ",4\n", "",
                                        "5,6\n"}; // a row across members, an empty member
  log_reader *r;
  write_gzip(members, 4, 0);
  check_ok(log_open(&r, path, &(log_format){.kind = LOG_CSV, .header = true}, by_name, 2));
  expect_row(r, 2, "2", "1");
  expect_row(r, 3, "4", "3");
  expect_row(r, 4, "6", "5");
  expect_end(r);
  write_gzip(members, 4, 9); // cut in the last member: an error, soon or late
  const char *values[MAX_COLUMNS], *reject;
  bool end = false;
  status rc = log_open(&r, path, &(log_format){.kind = LOG_CSV, .header = true}, by_name, 2);
  while (rc == OK && !end) rc = log_next(r, values, &reject, &end);
  assert_int_equal(rc, ERR_FORMAT);
  assert_non_null(strstr(fail_message(), "cut short"));
  log_close(r);
}

static void test_columns(void **unused) {
  (void)unused;
  log_reader *r;
  check_ok(file_write_atomic(path, "a,c\n", 4));
  check_fails(log_open(&r, path, &(log_format){.kind = LOG_CSV, .header = true}, by_name, 2), ERR_FORMAT,
              "no column \"b\"; its columns are: a, c");
  check_ok(log_open(&r, path, &(log_format){.kind = LOG_CSV, .header = true}, by_number,
                    2)); // numbers work beside a header
  expect_end(r);
  check_fails(log_open(&r, path, &(log_format){.kind = LOG_CSV, .header = false}, by_name, 2), ERR_ARGUMENT,
              "columns are numbers");
  check_ok(file_write_atomic(path, "\"a,b\n", 5));
  check_fails(log_open(&r, path, &(log_format){.kind = LOG_CSV, .header = true}, by_name, 2), ERR_FORMAT,
              "line 1: the header has a quote that is not closed");
  check_ok(file_write_atomic(path, "", 0));
  check_fails(log_open(&r, path, &(log_format){.kind = LOG_CSV, .header = true}, by_name, 2), ERR_FORMAT,
              "empty");
  check_ok(file_write_atomic(path, "a,b\nx\0,y\n1,2\n", 13));
  check_ok(log_open(&r, path, &(log_format){.kind = LOG_CSV, .header = true}, by_name, 2));
  expect_reject(r, 2, "a NUL byte"); // one row, not the file
  assert_string_equal(log_row_text(r), "x?,y");
  expect_row(r, 3, "2", "1");
  expect_end(r);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      CASE(test_csv),
      CASE(test_csv_line_ends),
      CASE(test_csv_quotes),
      CASE(test_csv_embedded_newlines),
      CASE(test_csv_open_quote),
      CASE(test_open_quotes),
      CASE(test_tsv_and_space),
      CASE(test_jsonl),
      CASE(test_json_paths),
      CASE(test_utf8),
      CASE(test_excerpt),
      CASE(test_gzip),
      CASE(test_columns),
  };
  return cmocka_run_group_tests_name("log reader", tests, NULL, NULL);
}
