// Lists of files: blanks, commas and patterns in names, folders, what is passed over, and the same file twice.
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/memory.h"
#include "base/options.h"
#include "prepare/input_files.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

static char dir[256], before[4096];

static int setup(void **unused) {
  (void)unused;
  tiny_directory(dir, sizeof dir);
  assert_non_null(getcwd(before, sizeof before));
  return chdir(dir);
}
static int teardown(void **unused) {
  (void)unused;
  if (chdir(before) != 0) return 1;
  tiny_remove(dir);
  return 0;
}

static void make(const char *name) {
  check_ok(file_write_atomic(name, "u,i\n", 4));
}

// The names that the list gives, joined by '|'.
static void expect(const char *list, const char *wanted) {
  char got[4096] = "";
  input_files f = {.names = NULL};
  check_ok(input_files_find(&f, list, "input.log"));
  for (size_t i = 0; i < f.n; i++) {
    if (i > 0) strcat(got, "|");
    strcat(got, f.names[i]);
  }
  assert_string_equal(got, wanted);
  input_files_free(&f);
}

static void expect_error(const char *list, status code, const char *sentence) {
  input_files f = {.names = NULL};
  check_fails(input_files_find(&f, list, "input.log"), code, sentence);
  input_files_free(&f);
}

static void test_names(void **unused) {
  (void)unused;
  make("e1.csv");
  make("e2.csv");
  make("a b.csv");
  expect("e1.csv, e2.csv", "e1.csv|e2.csv");
  expect("  e2.csv ,\te1.csv\n,", "e2.csv|e1.csv");
  expect("a b.csv", "a b.csv");
  expect("-", "-");
  expect("e1.csv,-", "e1.csv|-");
  expect("", "");
  expect(" , ,", "");
  expect_error("e1.csv, e3.csv", ERR_NOT_FOUND, "e3.csv does not exist");
  expect_error("e1.csv e2.csv", ERR_NOT_FOUND, "e1.csv e2.csv does not exist");
  char *many;
  check_ok(mem_new(&many, OPTION_STRING + 8, 1, "a list"));
  memset(many, 'a', OPTION_STRING + 1);
  expect_error(many, ERR_ARGUMENT, "input.log has more than 1023 bytes");
  free(many);
}

static void test_commas_in_names(void **unused) {
  (void)unused;
  make("a,b.csv");
  make("c.csv");
  expect("a,b.csv", "a,b.csv");
  make("d.csv");
  expect("c.csv, a,b.csv,d.csv,", "c.csv|a,b.csv|d.csv");
  make("c.csv, a"); // the longer name wins
  expect_error("c.csv, a,b.csv", ERR_NOT_FOUND, "b.csv does not exist");
}

static void test_patterns(void **unused) {
  (void)unused;
  check_ok(dir_make("logs"));
  make("logs/b.csv.gz");
  make("logs/a.csv.gz");
  make("logs/B.csv.gz");
  make("logs/c.csv");
  make("logs/_SUCCESS");
  make("logs/c.csv.crc");
  make("[x].csv");
  make("x.csv");
  expect("logs/*.csv.gz", "logs/B.csv.gz|logs/a.csv.gz|logs/b.csv.gz"); // by bytes, whatever the locale is
  expect("logs/?.csv*, x.csv", "logs/B.csv.gz|logs/a.csv.gz|logs/b.csv.gz|logs/c.csv|x.csv");
  expect("[x].csv", "[x].csv"); // exists as it is
  expect("[w-y].csv", "x.csv");
  expect("logs/_SUCCESS", "logs/_SUCCESS"); // asked for by its name
  expect_error("logs/*.tsv", ERR_NOT_FOUND, "input.log: no file matches \"logs/*.tsv\"");
  expect_error("nowhere/*", ERR_NOT_FOUND, "no file matches \"nowhere/*\"");
  check_ok(dir_make("marks"));
  make("marks/_SUCCESS");
  expect_error("marks/*", ERR_NOT_FOUND, "input.log: no file matches \"marks/*\" but 1 that are passed over");
}

static void test_folders(void **unused) {
  (void)unused;
  static const char *const names[] = {"day=2/part-1.csv",      "day=2/part-0.csv", "day=2/.part-0.csv.crc",
                                      "day=2/part-0.csv.crc",  "day=2/_SUCCESS",   "day=1/part-0.csv",
                                      "day=1/_committed_1234", "top.csv"};
  check_ok(dir_make("log/day=1"));
  check_ok(dir_make("log/day=2"));
  check_ok(dir_make("empty"));
  check_ok(dir_make("nested/day=1"));
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char path[300];
    check_ok(path_join(path, sizeof path, "log", names[i]));
    make(path);
  }
  assert_int_equal(mkfifo("log/day=1/pipe", 0600), 0); // reading it would wait for ever
  expect("log/day=2", "log/day=2/part-0.csv|log/day=2/part-1.csv");
  expect("log/day=2/", "log/day=2/part-0.csv|log/day=2/part-1.csv");
  expect("log/*", "log/day=1/part-0.csv|log/day=2/part-0.csv|log/day=2/part-1.csv|log/top.csv");
  input_files f = {.names = NULL};
  check_ok(input_files_find(&f, "log/day=1, log/day=2", "input.log"));
  assert_int_equal(f.n, 3);
  assert_int_equal(f.passed_over, 5);
  input_files_free(&f);
  check_ok(input_files_find(&f, "log", "input.log")); // with a warning
  assert_int_equal(f.n, 1);
  assert_int_equal(f.subfolders, 2);
  input_files_free(&f);
  expect_error("empty", ERR_ARGUMENT, "empty is an empty directory, but a file is needed");
  expect_error("nested", ERR_NOT_FOUND, "holds no files but 1 folders; \"nested/*\" reads");
}

static void test_twice(void **unused) {
  (void)unused;
  check_ok(dir_make("logs"));
  make("logs/a.csv");
  make("logs/b.csv");
  assert_int_equal(symlink("a.csv", "logs/link.csv"), 0);
  expect_error("logs/a.csv,logs/a.csv", ERR_ARGUMENT, "input.log names logs/a.csv twice");
  expect_error("logs/b.csv, logs/*.csv", ERR_ARGUMENT, "twice");
  expect_error("logs", ERR_ARGUMENT, "input.log names one file twice, as logs/a.csv and as logs/link.csv");
  expect_error("logs/a.csv, ./logs/a.csv", ERR_ARGUMENT, "as logs/a.csv and as ./logs/a.csv");
  expect_error("-, -", ERR_ARGUMENT, "input.log names - twice");
  expect("logs/a.csv, logs/b.csv", "logs/a.csv|logs/b.csv");
}

static void test_other_things(void **unused) {
  (void)unused;
  tiny_dataset("data", 4, 5, 0);
  expect_error("data", ERR_ARGUMENT,
               "data is a data set (--data.dir and --data take it), but a file is needed");
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      CASE(test_names),   CASE(test_commas_in_names), CASE(test_patterns),
      CASE(test_folders), CASE(test_twice),           CASE(test_other_things),
  };
  return cmocka_run_group_tests_name("lists of files", tests, NULL, NULL);
}
