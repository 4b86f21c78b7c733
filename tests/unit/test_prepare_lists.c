// Cells of a log that are lists, and columns that are one list together: rows for their values.
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "prepare/log_reader.h"
#include "lib/check.h"
#include "lib/read_rows.h"

enum { LIST_COLUMN = 1, BESIDE = 2, BESIDE_TOO = 3 }; // places of the columns that are asked for

// A time with spaces in it.
static bool is_clock(const void *self, int column, const char *text, size_t bytes, bool fits) {
  (void)fits;
  assert_ptr_equal(self, rows_told);
  return column == BESIDE && bytes > 2 && text[bytes - 1] == 'M';
}

static log_lists lists_between(const char *separator) {
  return (log_lists){.separator = separator,
                     .column = LIST_COLUMN,
                     .beside = 1 << BESIDE | 1 << BESIDE_TOO,
                     .single = is_clock,
                     .self = rows_told};
}

// MIND.
static void test_cells_are_lists(void **unused) {
  (void)unused;
  const log_lists spaces = lists_between("space");
  log_format f = {.kind = LOG_TSV, .lists = &spaces};
  expect_rows("1\tU1\t11/11/2019 9:05:58 AM\tN5 N4 N3\tN1-1\n2\tU2\t11/12/2019 6:11:30 PM\t\tN2-0\n"
              "3\tU3\t11/12/2019 6:11:31 PM\tN7\tN2-0\n4\tU4\tx\t  N1   N2 \t\n",
              f, COLUMNS("2", "4", "3"),
              "1 [U1] [N5] [11/11/2019 9:05:58 AM]\n1 [U1] [N4] [11/11/2019 9:05:58 AM]\n"
              "1 [U1] [N3] [11/11/2019 9:05:58 AM]\n3 [U3] [N7] [11/12/2019 6:11:31 PM]\n4 [U4] [N1] [x]\n"
              "4 [U4] [N2] [x]\n");
  expect_told("rows with lists, of which each value became a row: 2, the first on line 1");
  expect_told("rows with an empty list, which gave none: 1, the first on line 2");
  const log_lists pipes = lists_between("|"), commas = lists_between("comma"), wide = lists_between(", ");
  f = (log_format){.kind = LOG_SPACE, .lists = &pipes};
  expect_rows("1 a|b\n2 |\n3 a||b|\n", f, COLUMNS("1", "2"),
              "1 [1] [a]\n1 [1] [b]\n2 [2] [-]\n3 [3] [a]\n3 [3] [-]\n3 [3] [b]\n");
  f = (log_format){.kind = LOG_CSV, .header = true, .lists = &commas};
  expect_rows("u,i\n1,\"a,\"\"b\"\" ,c\"\n2,\"a\"\n\"3\",\"\"\n4,\" a, \"\n", f, COLUMNS("u", "i"),
              "2 [1] [a]\n2 [1] [\"b\"]\n2 [1] [c]\n3 [2] [a]\n5 [4] [a]\n");
  f.missing = "NA";
  expect_rows("u,i\n1,\"a,NA\"\n2,NA\n", f, COLUMNS("u", "i"), "2 [1] [a]\n2 [1] [-]\n");
  expect_told("values that mean none (input.missing): 2, the first on line 2");
  f = (log_format){.kind = LOG_CSV, .header = true, .lists = &wide};
  expect_rows("u;i\n1;a, b\n2;a,b\n", f, COLUMNS("u", "i"), "2 [1] [a]\n2 [1] [b]\n3 [2] [a,b]\n");
  const log_lists bars = lists_between(" | "), twice = lists_between("  ");
  f.lists = &bars;
  expect_rows("u;i\n1;a b | c|d | \n", f, COLUMNS("u", "i"), "2 [1] [a b]\n2 [1] [c|d]\n");
  f.lists = &twice;
  expect_rows("u;i\n1;['a b'  c d  e]\n", f, COLUMNS("u", "i"), "2 [1] [a b]\n2 [1] [c d]\n2 [1] [e]\n");
  f = (log_format){.kind = LOG_JSONL, .lists = &commas};
  expect_rows("{\"u\":1,\"i\":\"a,b\"}\n{\"u\":2,\"i\":[\"c,d\",\"e\"]}\n{\"u\":3,\"i\":\"\\u0061\"}\n", f,
              COLUMNS("u", "i"),
              "1 [1] [a]\n1 [1] [b]\n2 [2] [c,d]\n2 [2] [e]\n3 [3] [a]\n"); // a list of json is one already
}

static void test_lists_of_other_languages(void **unused) {
  (void)unused;
  const log_lists commas = lists_between(","), spaces = lists_between(" ");
  log_format f = {.kind = LOG_CSV, .header = true, .lists = &commas};
  expect_rows(
      "u;i\n1;[1, 2]\n2;['a', 'b, c', \"d's\"]\n3;[]\n4;(7,)\n5;{x,y}\n6;[z\n7;['a'b,'c]\n8;[ ]\n9;['']\n", f,
      COLUMNS("u", "i"),
      "2 [1] [1]\n2 [1] [2]\n3 [2] [a]\n3 [2] [b, c]\n3 [2] [d's]\n5 [4] [7]\n6 [5] [x]\n6 [5] [y]\n"
      "7 [6] [[z]\n8 [7] ['a'b]\n8 [7] ['c]\n10 [9] [-]\n");
  f.lists = &spaces;
  expect_rows("u,i\n1,[ 1  2 3]\n2,['a' 'b c']\n", f, COLUMNS("u", "i"),
              "2 [1] [1]\n2 [1] [2]\n2 [1] [3]\n3 [2] [a]\n3 [2] [b c]\n");
}

static void test_lists_beside_lists(void **unused) {
  (void)unused;
  const log_lists spaces = lists_between(" ");
  const log_format f = {.kind = LOG_TSV, .header = true, .lists = &spaces};
  expect_rows(
      "u\ti\tt\te\nx y\ta b\t1 2\tview\nz\ta b\t1\tview buy\nz\ta b\t1 2 3\tview\nz\ta\t1 2\tview\nz\ta "
      "b\t\t[v  w]\n"
      "z\ta b c\t1 2 PM\t\nz\ta\t[1]\t\n",
      f, COLUMNS("u", "i", "t", "e"),
      "2 [x y] [a] [1] [view]\n2 [x y] [b] [2] [view]\n3 [z] [a] [1] [view]\n3 [z] [b] [1] [buy]\n"
      "4 lists of different lengths\n5 lists of different lengths\n6 [z] [a] [-] [v]\n6 [z] [b] [-] [w]\n"
      "7 [z] [a] [1 2 PM] [-]\n7 [z] [b] [1 2 PM] [-]\n7 [z] [c] [1 2 PM] [-]\n8 [z] [a] [1] [-]\n");
  expect_told("rows with a list in \"t\" too, read value by value: 1, the first on line 2");
  expect_told("rows with a list in \"e\" too, read value by value: 2, the first on line 3");
  expect_rows("u\ti\na b\tc\nd\te\n", f, COLUMNS("u", "u"),
              "2 a list that is the value of another column too\n3 [d] [d]\n");
  const char *const same = "u\ti\te\na\t[v]\t['w']\nb\t[x y]\t[z]\n";
  expect_rows(same, f, COLUMNS("u", "i", "i"), "2 [a] [v] [v]\n3 [b] [x] [x]\n3 [b] [y] [y]\n");
  expect_rows(same, f, COLUMNS("u", "i", "e", "e"),
              "2 [a] [v] [w] [w]\n3 [b] [x] [z] [z]\n3 [b] [y] [z] [z]\n");
}

// RecBole.
static void test_header_says_list(void **unused) {
  (void)unused;
  const log_lists none = lists_between(""), pipes = lists_between("pipe");
  log_format f = {.kind = LOG_TSV, .header = true, .lists = &none};
  const char *const text = "u:token\tis:token_seq\tts:float_seq\n1\t11 12\t5 6\n2\t13\t7\n";
  expect_rows(text, f, COLUMNS("u", "is", "ts"), "2 [1] [11] [5]\n2 [1] [12] [6]\n3 [2] [13] [7]\n");
  expect_told("\"is:token_seq\" is a list with spaces between its values, as its type says");
  f.lists = &pipes;
  expect_rows(text, f, COLUMNS("u", "is"), "2 [1] [11 12]\n3 [2] [13]\n"); // the option is surer
  f.lists = NULL;
  expect_rows(text, f, COLUMNS("u", "is"), "2 [1] [11 12]\n3 [2] [13]\n"); // of a catalogue
}

// LightGCN, and tables with a column for each place.
static void test_range_of_columns(void **unused) {
  (void)unused;
  const log_lists none = lists_between("");
  log_format f = {.kind = LOG_SPACE, .lists = &none};
  expect_rows("0 10 11 12\n1 13\n2\n3 14  15 \n", f, COLUMNS("1", "2.."),
              "1 [0] [10]\n1 [0] [11]\n1 [0] [12]\n2 [1] [13]\n4 [3] [14]\n4 [3] [15]\n");
  expect_told("rows with an empty list, which gave none: 1, the first on line 3");
  expect_rows("0 10 11\n1 13\n 2 15 16 \n", f, COLUMNS("1", "2"), "1 [0] [10]\n2 [1] [13]\n3 [2] [15]\n");
  expect_told("a list, named 2..?): 1, the first on line 2");
  expect_rows("0 10 11 12\n1 13\n", f, COLUMNS("1", "2..3"), "1 [0] [10]\n1 [0] [11]\n2 [1] [13]\n");
  f.kind = LOG_CSV;
  expect_rows("0;10;\"1;1\";\n1;13\n2\n", f, COLUMNS("1", "2.."),
              "1 [0] [10]\n1 [0] [1;1]\n2 [1] [13]\n"); // guessed
  f.header = true;
  expect_rows("user,a,b,c,time\n7,x,,z,5\n8,,,,6\n9,x\xff,,,6\n10,x\n", f, COLUMNS("user", "2..4", "time"),
              "2 [7] [x] [5]\n2 [7] [z] [5]\n4 text that is not UTF-8\n5 too few columns\n");
  static const char *const names[] = {"u", "2..1"};
  log_reader *r;
  check_ok(file_write_atomic(rows_file, "u,i\n", 4));
  check_fails(log_open(&r, rows_file, &f, names, 2), ERR_FORMAT, "has no column \"2..1\"");
  const log_lists spaces = lists_between("space"), quote = lists_between("\"");
  f.lists = &quote;
  check_fails(log_open(&r, rows_file, &f, COLUMNS("u")), ERR_ARGUMENT,
              "input.list_separator: a separator is");
  f = (log_format){.kind = LOG_SPACE, .lists = &spaces};
  check_fails(log_open(&r, rows_file, &f, COLUMNS("1", "2")), ERR_ARGUMENT,
              "so no cell can hold a list; fields.item 2..");
}

static void test_many_values_of_a_cell(void **unused) {
  (void)unused;
  const size_t bytes = 2 * (size_t)(MAX_LIST_VALUES + 1) + 2;
  char *const text = malloc(bytes + 1);
  const log_lists spaces = lists_between(" "), none = lists_between("");
  memcpy(text, "1\t", 2);
  for (size_t i = 2; i < bytes; i += 2) memcpy(text + i, "a ", 2);
  check_ok(file_write_atomic(rows_file, text, bytes));
  char *got = rows_as_text(&(log_format){.kind = LOG_TSV, .lists = &spaces}, COLUMNS("1", "2"));
  assert_string_equal(got, "1 lists of more than 1048576 values\n");
  free(got);
  got = rows_as_text(&(log_format){.kind = LOG_SPACE, .lists = &none}, COLUMNS("1", "2.."));
  assert_string_equal(got, "1 lists of more than 1048576 values\n");
  free(got);
  free(text);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, rows_setup, rows_teardown)
  const struct CMUnitTest tests[] = {
      CASE(test_cells_are_lists),  CASE(test_lists_of_other_languages), CASE(test_lists_beside_lists),
      CASE(test_header_says_list), CASE(test_range_of_columns),         CASE(test_many_values_of_a_cell),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
