// Rows of logs as they come from elsewhere: separators, quotes, lists, dicts, long lines. Every text is read with blocks of many
// sizes, down to a byte, which must not make a difference.
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "format/utf8.h"
#include "prepare/log_reader.h"
#include "prepare/names.h"
#include "lib/check.h"
#include "lib/read_rows.h"

static void expect_refused(const char *text, const log_format *format, const char *column,
                           const char *sentence) {
  log_reader *r;
  check_ok(file_write_atomic(rows_file, text, strlen(text)));
  check_fails(log_open(&r, rows_file, format, &column, 1), ERR_FORMAT, sentence);
}

// ---- separators ----------------------------------------------------------------------------------------------

static void test_separator_is_guessed_and_told(void **unused) {
  (void)unused;
  expect_rows("u;i;t\n1;\"a;b\";3\n", CSV, COLUMNS("i", "u"), "2 [a;b] [1]\n");
  expect_told("';' between the columns was guessed from the header");
  expect_rows("u\ti\n1\ta,b\n", CSV, COLUMNS("i", "u"), "2 [a,b] [1]\n");
  expect_told("tab between the columns");
  expect_rows("u::i\n1::a:b\n", CSV, COLUMNS("i", "u"), "2 [a:b] [1]\n");
  expect_rows("u|i\n1|a\n", CSV, COLUMNS("i", "u"), "2 [a] [1]\n");
  expect_rows("u\x01i\n1\x01"
              "a\n",
              CSV, COLUMNS("i", "u"), "2 [a] [1]\n");
  expect_rows("u,i;j\n1,a\n", CSV, COLUMNS("u"), "2 [1]\n"); // a comma where it will do
  expect_nothing_told();
}

// MovieLens 1M: no header, and '|' and ':' inside the fields.
static void test_separator_without_header(void **unused) {
  (void)unused;
  expect_rows(
      "1::Toy Story (1995)::Animation|Children's|Comedy\n2::Jumanji (1995)::Adventure|Fantasy\n", BARE,
      COLUMNS("1", "2", "3"),
      "1 [1] [Toy Story (1995)] [Animation|Children's|Comedy]\n2 [2] [Jumanji (1995)] [Adventure|Fantasy]\n");
  expect_told("'::' between the columns was guessed from the first rows");
  expect_rows("1;a,b;3\n2;c,d,e;4\n", BARE, COLUMNS("1", "2"),
              "1 [1] [a,b]\n2 [2] [c,d,e]\n"); // equally many
  expect_rows("196\t242\t3\n186\t302\t3\n", BARE, COLUMNS("1", "2"), "1 [196] [242]\n2 [186] [302]\n");
}

static void test_excel_line(void **unused) {
  (void)unused;
  expect_rows("sep=;\r\nu;i\r\n1;a,b\r\n", CSV, COLUMNS("i", "u"), "3 [a,b] [1]\n");
  expect_rows("\xEF\xBB\xBFsep=|\n1|a\n", BARE, COLUMNS("2", "1"), "2 [a] [1]\n");
}

static void test_separator_is_set(void **unused) {
  (void)unused;
  log_format f = CSV;
  f.separator = "::";
  expect_rows("u::i\n1::\"a::\"\"b\"\n2:::x\n3:4\n", f, COLUMNS("i", "u"),
              "2 [a::\"b] [1]\n3 [:x] [2]\n4 too few columns\n");
  static const char *const names[][2] = {{"tab", "\t"},      {"\\t", "\t"},  {"pipe", "|"},
                                         {"semicolon", ";"}, {"comma", ","}, {"space", " "},
                                         {"\\x01", "\x01"},  {"^A", "\x01"}, {"#~#", "#~#"}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char text[64];
    snprintf(text, sizeof text, "u%si\n1%sa\n", names[i][1], names[i][1]);
    f.separator = names[i][0];
    expect_rows(text, f, COLUMNS("i", "u"), "2 [a] [1]\n");
  }
  log_reader *r;
  f.separator = "123456789";
  check_fails(log_open(&r, rows_file, &f, COLUMNS("i")), ERR_ARGUMENT, "up to 8 bytes");
  f.separator = "\"";
  check_fails(log_open(&r, rows_file, &f, COLUMNS("i")), ERR_ARGUMENT, "without quotes");
  f = (log_format){.kind = LOG_JSONL, .separator = ";"};
  check_fails(log_open(&r, rows_file, &f, COLUMNS("i")), ERR_ARGUMENT, "only csv and tsv have a separator");
}

static void test_wrong_separator_gets_a_hint(void **unused) {
  (void)unused;
  log_format f = CSV;
  f.separator = ",";
  expect_refused("a;b;c\n1;2;3\n", &f, "b", "its columns are: a;b;c; if ';' is between its columns");
  expect_refused("a;b;c\n1;2;3\n", &CSV, "d", "input.separator ';'"); // none fits, but this looks likely
  expect_refused("a,b,c\n1,2,3\n", &(log_format){.kind = LOG_TSV, .header = true}, "b", "input.format csv");
  f.options = "input.catalogue_";
  expect_refused("a;b;c\n1;2;3\n", &f, "b",
                 "set input.catalogue_format csv and input.catalogue_separator ';'");
  expect_rows("a,b\n1;2\n3\t4\n5::6\n7|8\n9\n", CSV, COLUMNS("a", "b"),
              "2 too few columns; is ';' the separator?\n"
              "3 too few columns; is a tab the separator?\n"
              "4 too few columns; is '::' the separator?\n"
              "5 too few columns; is '|' the separator?\n6 too few columns\n");
}

// ---- headers -------------------------------------------------------------------------------------------------

static void test_headers(void **unused) {
  (void)unused;
  expect_rows("\xEF\xBB\xBF \"u\" , \"i\"\t,x\n1,2,3\n", CSV, COLUMNS("i", "u"),
              "2 [2] [1]\n"); // mark, space and quotes
  expect_rows("\"u\"\t\"i\"\n1\t2\n", ((log_format){.kind = LOG_TSV, .header = true}), COLUMNS("i", "u"),
              "2 [2] [1]\n");
  expect_told("names in its header are in quotes");
  expect_rows("\"u\"\t\"i\"\n\"1\"\t\"a\tb\"\n",
              ((log_format){.kind = LOG_TSV, .header = true, .quotes = QUOTES_DOUBLE}), COLUMNS("i", "u"),
              "2 [a\tb] [1]\n");
  expect_rows("u:token,i:token\n1,2\n", CSV, COLUMNS("i", "u"), "2 [2] [1]\n");
  expect_rows("u,i,i\n1,2,3\n", CSV, COLUMNS("i", "u"), "2 [2] [1]\n");
  expect_told("2 columns are called \"i\": the first of them is used");
  expect_rows("\n\n\"u\n1\",i\n1,2\n", CSV, COLUMNS("u\n1"), "5 [1]\n"); // a name of two lines
  expect_rows("u,i\n1,2\n1,2,3\n1\n", CSV, COLUMNS("u"), "2 [1]\n3 [1]\n4 [1]\n");
  expect_told("rows with more or fewer columns than the header or the first row (a lost quote? a list, named "
              "2..?): 2, the first on line 3");
  expect_refused("u\033[31m,i\n", &CSV, "x", "its columns are");
  expect_refused("{\"u\":1}\n", &CSV, "u",
                 "looks like json, not like a header with names of columns; set input.format jsonl");
  expect_refused("[\n{\"u\":1}\n]\n", &CSV, "u", "set input.format jsonl");
  expect_refused("u i\n1 2\n", &CSV, "u",
                 "its columns are: u i; if spaces are between its columns, set input.format space");
  expect_refused("7,a\n8,b\n", &CSV, "u",
                 "its columns are: 7, a; if that is no header, set input.header false");
  char open[70000] = "\"u,i\n";
  memset(open + 6, 'x', sizeof open - 8);
  expect_refused(open, &CSV, "u", "line 1: the header has a quote that is not closed");
  expect_refused("\n\n", &CSV, "x", "is empty: a header line is expected");
}

static void test_columns_without_values_are_told(void **unused) {
  (void)unused;
  expect_rows("u,i,e\n1,a,\n2,b,\n", CSV, COLUMNS("u", "e"), "2 [1] [-]\n3 [2] [-]\n");
  expect_told("no row has a value in \"e\"");
  expect_rows("{\"u\":1,\"l\":[{\"x\":1}]}\n", JSON, COLUMNS("u", "l.x", "l.y"), "1 [1] [1] [-]\n");
  expect_told("no row has a value in \"l.y\"");
  assert_null(strstr(rows_told, "\"l.x\""));
  expect_rows("u,i\n1\n", CSV, COLUMNS("u", "i"), "2 too few columns\n");
  expect_nothing_told(); // there is no row
}

static void test_missing_values(void **unused) {
  (void)unused;
  const char *const text = "u,i\nNA,1\n\\N,2\nNULL,nan\nnaan,\n";
  expect_rows(text, CSV, COLUMNS("u", "i"), "2 [NA] [1]\n3 [\\N] [2]\n4 [NULL] [nan]\n5 [naan] [-]\n");
  expect_told("rows with NA, NULL or the like in \"u\", taken as it is (input.missing names texts that mean "
              "no value): 3, the first on line 2");
  expect_told(
      "in \"i\", taken as it is (input.missing names texts that mean no value): 1, the first on line 4");
  log_format f = CSV;
  f.missing = "NA, \\N,naan , NULL,";
  expect_rows(text, f, COLUMNS("u", "i"), "2 [-] [1]\n3 [-] [2]\n4 [-] [nan]\n5 [-] [-]\n");
  expect_told("values that mean none (input.missing): 4, the first on line 2");
  f = JSON;
  f.missing = "none at all";
  expect_rows("{\"u\":\"none at all\",\"i\":[\"a\",\"none at all\"]}\n{\"u\":\"NaN\",\"i\":null}\n", f,
              COLUMNS("u", "i"), "1 [-] [a]\n1 [-] [-]\n2 [NaN] [-]\n");
  expect_told("in \"u\", taken as it is");
}

static void test_hundred_thousand_columns(void **unused) {
  (void)unused;
  enum { N = 100000 };
  char *text = malloc(16 * N), *at = text, wanted[64];
  for (int i = 0; i < N; i++) at += sprintf(at, "%sc%d", i > 0 ? "," : "", i);
  *at++ = '\n';
  for (int i = 0; i < N; i++) at += sprintf(at, "%s%d", i > 0 ? "," : "", i);
  check_ok(file_write_atomic(rows_file, text, (size_t)(at - text)));
  char *got = rows_as_text(&CSV, COLUMNS("c99999", "c7"));
  snprintf(wanted, sizeof wanted, "2 [99999] [7]\n");
  assert_string_equal(got, wanted);
  free(got);
  log_reader *r;
  check_fails(log_open(&r, rows_file, &CSV, COLUMNS("d")), ERR_FORMAT, "... (100000)");
  free(text);
}

// ---- quotes and line ends --------------------------------------------------------------------------------------

static void test_backslash_quotes(void **unused) {
  (void)unused;
  const char *const spark =
      "t,i\n\"15\\\" sleeve, black\",1\n\"a\\\"b\",\"2\"\n\"c:\\dir\\\",3\n\"\",4\n\"\"\"\",5\n";
  expect_rows(spark, CSV, COLUMNS("t", "i"),
              "2 [15\" sleeve, black] [1]\n3 [a\"b] [2]\n4 [c:\\dir\\] [3]\n5 [-] [4]\n6 [\"] [5]\n");
  expect_told("rows with quotes behind backslashes, read as quotes: 2, the first on line 2");
  expect_rows("t,i\n\"x\\\",y\",\"z\"\n\"a\\\"b\",c,d\n", CSV, COLUMNS("t", "i"),
              "2 [x\",y] [z]\n3 broken quotes\n"); // the number of columns decides
  log_format f = CSV;
  f.quotes = QUOTES_DOUBLE;
  expect_rows("t,i\n\"15\\\" sleeve, black\",1\n", f, COLUMNS("t", "i"), "2 broken quotes\n");
  f.quotes = QUOTES_BACKSLASH;
  expect_rows("t,i\n\"x\\\\\",1\n\"a\\\",b\",2\n", f, COLUMNS("t", "i"), "2 [x\\] [1]\n3 [a\",b] [2]\n");
  f.quotes = QUOTES_NONE;
  expect_rows("t,i\n\"x,1\ny\",2\n", f, COLUMNS("t", "i"), "2 [\"x] [1]\n3 [y\"] [2]\n");
  expect_rows("t,i\n\"one\ntwo \\\"x\\\"\",1\n", CSV, COLUMNS("t", "i"),
              "2 [one\ntwo \"x\"] [1]\n"); // over two lines
}

static void test_line_ends(void **unused) {
  (void)unused;
  expect_rows("u,i\r1,2\r\r3,4\r", CSV, COLUMNS("u", "i"), "2 [1] [2]\n4 [3] [4]\n");
  expect_told("lines end with CR alone");
  expect_rows("u,i\r\n1,2\n3,4\r\n5,\"6\r\n7\"\r\n8,9", CSV, COLUMNS("u", "i"),
              "2 [1] [2]\n3 [3] [4]\n4 [5] [6\r\n7]\n6 [8] [9]\n");
  expect_rows("u,i\r\r\n\"1\",a\r\n\"2\",\"b\"\r\r\n3,c\r\r\n\"4\"x\r\n\"5\"\rx\n", CSV, COLUMNS("u", "i"),
              "2 [1] [a]\n3 [2] [b]\n4 [3] [c]\n5 broken quotes\n6 broken quotes\n");
  char blank[1100];
  memset(blank, '\n', sizeof blank);
  memcpy(blank, "u,i", 3);
  strcpy(blank + 1000, "1,2\n");
  expect_rows(blank, CSV, COLUMNS("u", "i"), "998 [1] [2]\n");            // empty lines count
  expect_rows("u,i\n1,a\rb\n", CSV, COLUMNS("u", "i"), "2 [1] [a\rb]\n"); // elsewhere it is text
  expect_nothing_told();
}

static void test_rows_have_a_hundred_lines(void **unused) {
  (void)unused;
  for (int lines = MAX_ROW_LINES; lines <= MAX_ROW_LINES + 1; lines++) {
    char text[512] = "u,i\n\"", field[256] = "", wanted[512];
    for (int i = 1; i < lines; i++) strcat(field, "\n");
    strcat(strcat(text, field), "\",x\n");
    if (lines == MAX_ROW_LINES)
      snprintf(wanted, sizeof wanted, "2 [%s] [x]\n", field);
    else
      snprintf(wanted, sizeof wanted, "2 a quote that is not closed\n%d a quote that is not closed\n",
               lines + 1);
    expect_rows(text, CSV, COLUMNS("u", "i"), wanted);
  }
}

// ---- lines that cost only themselves -----------------------------------------------------------------------------

static void expect_long_line(size_t bytes, bool newline, const char *rows) {
  FILE *f = fopen(rows_file, "w");
  fputs("u,i\n1,2\n3,", f);
  char block[1 << 12];
  memset(block, 'x', sizeof block);
  for (size_t i = 2, n; i < bytes; i += n) {
    n = bytes - i < sizeof block ? bytes - i : sizeof block;
    fwrite(block, 1, n, f);
  }
  fputs(newline ? "\n5,6\n" : "", f);
  fclose(f);
  log_reader *r;
  const char *values[1], *reject;
  bool end;
  char *got = NULL;
  size_t n;
  FILE *to = open_memstream(&got, &n);
  check_ok(log_open(&r, rows_file, &CSV, COLUMNS("u")));
  for (;;) {
    check_ok(log_next(r, values, &reject, &end));
    if (end) break;
    fprintf(to, "%lld %s\n", (long long)log_line(r), reject != NULL ? reject : values[0]);
    if (reject != NULL) assert_int_equal(strncmp(log_row_text(r), "3,xxxxxxxxxx", 12), 0);
  }
  log_close(r);
  fclose(to);
  assert_string_equal(got, rows);
  free(got);
}

static void test_long_lines(void **unused) {
  (void)unused;
  expect_long_line(MAX_LINE, true, "2 1\n3 3\n4 5\n");
  expect_long_line(MAX_LINE + 1, true, "2 1\n3 a line of more than 16 MiB\n4 5\n");
  expect_long_line(MAX_LINE + 3, true, "2 1\n3 a line of more than 16 MiB\n4 5\n");
  expect_long_line(3 * (size_t)MAX_LINE, true, "2 1\n3 a line of more than 16 MiB\n4 5\n");
  expect_long_line(2 * (size_t)MAX_LINE, false, "2 1\n3 a line of more than 16 MiB\n");
}

// A quote that closes after 16 MiB, on the 18th line.
static void test_long_quotes(void **unused) {
  (void)unused;
  char *line = malloc((1 << 20) + 1);
  memset(line, 'x', 1 << 20);
  line[1 << 20] = '\n';
  FILE *f = fopen(rows_file, "w");
  fputs("u,i\n\"", f);
  for (int i = 0; i < 17; i++) fwrite(line, 1, (1 << 20) + 1, f);
  fputs("\",2\n5,6\n", f);
  fclose(f);
  free(line);
  char *got = rows_as_text(&CSV, COLUMNS("u"));
  assert_int_equal(strncmp(got, "2 a quote that is not closed\n3 [xxx", 35), 0);
  assert_string_equal(strrchr(got, '\n') - 6, "20 [5]\n");
  free(got);
}

// Each row has its own bound.
static void test_many_list_values(void **unused) {
  (void)unused;
  static const log_join join = {"", ""};
  const log_format f = {.kind = LOG_JSONL, .join = &join};
  FILE *to = fopen(rows_file, "w");
  for (int row = 0; row < 3; row++) {
    fputs("{\"a\":[1", to);
    for (int i = 1; i < MAX_LIST_VALUES + (row == 2); i++) fputs(",1", to);
    fputs("]}\n", to);
  }
  fclose(to);
  char *got = rows_as_text(&f, COLUMNS("a"));
  assert_int_equal(strncmp(got, "1 [111", 6), 0);
  const char *second = strchr(got, '\n') + 1;
  assert_int_equal(strncmp(second, "2 [111", 6), 0);
  assert_string_equal(strchr(second, '\n') + 1, "3 lists of more than 1048576 values\n");
  free(got);
}

static void test_names_have_a_limit(void **unused) {
  (void)unused;
  assert_null(name_too_long(NAME_ITEM, 1024));
  assert_string_equal(name_too_long(NAME_ITEM, 1025), "an item name of more than 1024 bytes");
  assert_null(name_too_long(NAME_EVENT, 63));
  assert_string_equal(name_too_long(NAME_EVENT, 64), "an event type of more than 63 bytes");
  assert_non_null(name_too_long(NAME_USER, 1 << 20));
  assert_non_null(name_too_long(NAME_SESSION, 1025));
  assert_non_null(name_too_long(NAME_CATEGORY, 1025));
}

// ---- json ----------------------------------------------------------------------------------------------------

static void test_json_numbers_keep_their_text(void **unused) {
  (void)unused;
  expect_rows(
      "{\"a\":19.99,\"b\":9223372036854775808}\n{\"a\":1e3,\"b\":123456789012345678901234567890}\n"
      "{\"a\":1.0,\"b\":-0}\n{\"a\":1E-5,\"b\":1e999}\n",
      JSON, COLUMNS("a", "b"),
      "1 [19.99] [9223372036854775808]\n2 [1e3] [123456789012345678901234567890]\n3 [1.0] [-0]\n4 [1E-5] "
      "[1e999]\n");
  expect_rows(
      "{\"a\":01}\n{\"a\":1.}\n{\"a\":.5}\n{\"a\":+1}\n{\"a\":1e}\n{\"a\":-}\n{\"a\":0x1}\n", JSON,
      COLUMNS("a"),
      "1 not valid json\n2 not valid json\n3 not valid json\n4 not valid json\n5 not valid json\n6 not "
      "valid json\n"
      "7 not valid json\n");
}

static void test_json_nan(void **unused) {
  (void)unused;
  expect_rows("{\"a\":NaN,\"b\":1}\n{\"a\":Infinity,\"b\":-Infinity}\n{\"a\":null,\"b\":NaNa}\n", JSON,
              COLUMNS("a", "b"), "1 [-] [1]\n2 [-] [-]\n3 not valid json\n");
  expect_told("rows with NaN or an infinity, which are unknown values: 2, the first on line 1");
}

static void test_json_is_strict(void **unused) {
  (void)unused;
  static const char *const bad[] = {"{\"a\":1,}",   "{\"a\" 1}",   "{a:1}",       "{\"a\":1}}",
                                    "{\"a\":[1,]}", "{\"a\":tru}", "{\"a\":1} x", "{\"a\":'x'}",
                                    "{\"a\":None}", "{\"a\":(1)}", "{",           "{\"a\":"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    expect_rows(bad[i], JSON, COLUMNS("a"), "1 not valid json\n");
  expect_rows("{\"a\":\"x\ty\"}", JSON, COLUMNS("a"), "1 a control character in a string\n");
  expect_rows("\"\n{\"a\":\"\\", JSON, COLUMNS("a"), "1 a string does not end\n2 a string does not end\n");
  expect_rows("{\"a\":\"\\x\"}", JSON, COLUMNS("a"), "1 unknown escape in a string\n");
  expect_rows("{\"a\":\"\\ud800\"}", JSON, COLUMNS("a"), "1 half of a surrogate pair\n");
  expect_rows("{\"z\":\"\\u0000\"}", JSON, COLUMNS("a"), "1 a string contains a NUL\n");
  expect_rows("{\"b\":1,\"a\":1,\"a\":2}\n{\"c\":1,\"c\":2,\"a\":3}\n", JSON, COLUMNS("a"),
              "1 a json key that appears twice\n2 [3]\n");
  char deep[256] = "{\"z\":";
  for (int i = 0; i < 40; i++) strcat(deep, "[");
  expect_rows(deep, JSON, COLUMNS("a"), "1 json that is nested too deeply\n");
  expect_rows("{\"a\":\"\\u624b \\ud83d\\ude00\\n\\\"\"}\n{\"\\u0061\":\"key\"}\n", JSON, COLUMNS("a"),
              "1 [\xE6\x89\x8B \xF0\x9F\x98\x80\n\"]\n2 [key]\n");
}

// OTTO's sessions, and a list of names.
static void test_json_lists_are_rows(void **unused) {
  (void)unused;
  expect_rows(
      "{\"session\":11,\"events\":[{\"aid\":101,\"ts\":1659304800025,\"type\":\"clicks\"},"
      "{\"aid\":102,\"ts\":1659304904511,\"type\":\"carts\"}]}\n{\"session\":12,\"events\":[]}\n"
      "{\"session\":13,\"events\":[{\"ts\":5},{\"aid\":103,\"type\":null}]}\n",
      JSON, COLUMNS("session", "events.aid", "events.ts", "events.type"),
      "1 [11] [101] [1659304800025] [clicks]\n1 [11] [102] [1659304904511] [carts]\n3 [13] [-] [5] [-]\n"
      "3 [13] [103] [-] [-]\n");
  expect_told("rows with lists, of which each value became a row: 2, the first on line 1");
  expect_told("rows with an empty list, which gave none: 1, the first on line 2");
  expect_rows("{\"s\":1,\"items\":[\"a\",\"b\"]}\n{\"items\":[7,null],\"s\":2}\n{\"s\":3,\"items\":\"c\"}\n",
              JSON, COLUMNS("s", "items"), "1 [1] [a]\n1 [1] [b]\n2 [2] [7]\n2 [2] [-]\n3 [3] [c]\n");
  expect_rows("{\"items\":[\"a\",\"b\"],\"times\":[1,2]}\n{\"items\":[\"a\",\"b\"],\"times\":[1]}\n",
              JSON, // side by side
              COLUMNS("items", "times"), "1 [a] [1]\n1 [b] [2]\n2 lists of different lengths\n");
  expect_rows("{\"items\":[\"a\"],\"times\":[1,2]}\n", JSON, COLUMNS("items", "times"),
              "1 lists of different lengths\n");
  expect_rows("{\"a.b\":1,\"a\":{\"b\":2}}\n{\"a\":{\"b\":2},\"a.b\":1}\n{\"a\":{\"b\":[2,3]},\"a.b\":1}\n",
              JSON, COLUMNS("a.b"), "1 [1]\n2 [1]\n3 [1]\n"); // the longer key counts
  expect_rows("{\"l\":[{\"a\":{\"b\":1},\"a.b\":2},{\"a.b\":3,\"a\":{\"b\":4}},{\"a\":{\"b\":5}}]}\n", JSON,
              COLUMNS("l.a.b"), "1 [2]\n1 [3]\n1 [5]\n");
  expect_rows("{\"o\":[{\"i\":[1,2]}]}\n{\"o\":[[1]]}\n", JSON, COLUMNS("o.i", "o"),
              "1 a list in a list\n2 a list in a list\n");
  expect_rows("{\"i\":[{\"u\":\"x\"},{\"u\":\"y\"}],\"l\":[[1,2],[3]]}\n", JSON,
              COLUMNS("i.1.u", "l.0.1", "l.5"),
              "1 [y] [2] [-]\n"); // a number picks one value
  expect_rows("{\"i\":[{\"a\":1},{\"a\":2}]}\n", JSON, COLUMNS("i"), "1 [-]\n1 [-]\n");
  expect_told("rows with an object for \"i\", which is no value");
}

static void test_json_lists_are_joined(void **unused) {
  (void)unused;
  static const log_join join[] = {{" > ", " | "}, {" ", " "}, {", ", ", "}};
  log_format f = JSON;
  f.join = join;
  expect_rows(
      "{\"category\":[\"Beauty\",\"Combs\"],\"description\":[\"One.\",\"\",\"Two.\"],\"n\":[1,2.50,true]}\n"
      "{\"category\":[[\"Sports\",\"Dance\"],[\"Toys\"]],\"description\":[],\"n\":[null]}\n"
      "{\"category\":[\"Books\"],\"description\":\"x\",\"n\":{\"a\":1}}\n",
      f, COLUMNS("category", "description", "n"),
      "1 [Beauty > Combs] [One. Two.] [1, 2.50, true]\n2 [Sports > Dance | Toys] [-] [-]\n3 [Books] [x] "
      "[-]\n");
  expect_told("rows with lists that were joined to one text: 2, the first on line 1");
  expect_told(
      "rows with an object for \"n\", which is no value (name what is in it: n.KEY): 1, the first on line 3");
  expect_rows("{\"details\":{\"brand\":\"B\"},\"images\":[{\"u\":\"x\"},{\"u\":\"y\"}]}\n", f,
              COLUMNS("details.brand", "images.0.u", "images.u"), "1 [B] [x] [x, y]\n");
}

static void test_json_documents(void **unused) {
  (void)unused;
  const char *const rows = "2 [1] [a]\n5 [2] [}{]\n";
  expect_rows("[\n{\"u\":1,\"i\":\"a\"},\n\n\n{\"u\":2,\"i\":\"}{\"}\n]\n", JSON, COLUMNS("u", "i"), rows);
  expect_told("it is one list of json");
  expect_rows("[{\"u\":1},{\"u\":2}]", JSON, COLUMNS("u"), "1 [1]\n1 [2]\n");
  expect_rows("[]", JSON, COLUMNS("u"), "");
  expect_rows("u,i\n", JSON, COLUMNS("u"), "1 not valid json\n");
  expect_told("it does not begin like json; input.format says what it is");
  expect_rows("[\n  {\n    \"u\": 1,\n    \"i\": [\"a\"]\n  },\n  {\n    \"u\": 2\n  }\n]\n", JSON,
              COLUMNS("u", "i"), "2 [1] [a]\n6 [2] [-]\n");
  expect_rows("{\n  \"u\": 1\n}\n{\n  \"u\": 2\n}\n", JSON, COLUMNS("u"), "1 [1]\n4 [2]\n");
  expect_told("its json objects are spread over lines");
  expect_rows("[\n{\"u\":1},\nx\n{\"u\":\n", JSON, COLUMNS("u"),
              "2 [1]\n3 not valid json\n4 not valid json\n");
}

// Documents in which no row ends for more than 16 MiB; each would take hours if a row, or a line, were read again for every line.
static void expect_long_document(const char *unit, const char *rows) {
  enum { BYTES = 5 << 23 };
  FILE *f = fopen(rows_file, "w");
  fputs("[\n", f);
  for (size_t i = 0; i < BYTES; i += strlen(unit)) fputs(unit, f);
  fputs("{\"u\":1}]\n", f);
  fclose(f);
  char *got = rows_as_text(&JSON, COLUMNS("u"));
  if (rows != NULL) assert_string_equal(got, rows);
  size_t lines = 0;
  for (const char *at = got; (at = strchr(at, '\n')) != NULL; at++) lines++;
  assert_in_range(lines, 1, 100);
  free(got);
}

static void test_long_documents(void **unused) {
  (void)unused;
  expect_long_document("\n", "41943042 [1]\n");
  expect_long_document("{\n", NULL);
  expect_long_document("{\nx\n", NULL);
}

// Amazon 2014.
static void test_python_dicts(void **unused) {
  (void)unused;
  static const log_join join[] = {{" > ", " | "}, {" ", " "}, {", ", ", "}, {" ", " "}, {" ", " "}};
  log_format f = JSON;
  f.join = join;
  expect_rows(
      "{'categories': [['Sports', 'Dance']], 'title': \"Girls' Ballet\", 'price': 3.17, 'x': None, 'y': "
      "True}\n"
      "{u'title': u'caf\\xe9 \\u624b\\ud83d\\ude00 \\'q\\' \\d', 'categories': ('A', 'B',), 'price': 12L, "
      "'x': nan, "
      "'y': False, }\n"
      "{'title': 'open}\n{'title': \"\\x00\"}\n{\"title\": \"json\"}\n",
      f, COLUMNS("categories", "title", "price", "x", "y"),
      "1 [Sports > Dance] [Girls' Ballet] [3.17] [-] [true]\n"
      "2 [A > B] [caf\xC3\xA9 \xE6\x89\x8B\xF0\x9F\x98\x80 'q' \\d] [12] [-] [false]\n"
      "3 not valid json\n4 not valid json\n5 [-] [json] [-] [-] [-]\n");
  expect_told("rows that are Python dicts, read like json: 2, the first on line 1");
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, rows_setup, rows_teardown)
  const struct CMUnitTest tests[] = {
      CASE(test_separator_is_guessed_and_told),
      CASE(test_separator_without_header),
      CASE(test_excel_line),
      CASE(test_separator_is_set),
      CASE(test_wrong_separator_gets_a_hint),
      CASE(test_headers),
      CASE(test_columns_without_values_are_told),
      CASE(test_missing_values),
      CASE(test_hundred_thousand_columns),
      CASE(test_backslash_quotes),
      CASE(test_line_ends),
      CASE(test_rows_have_a_hundred_lines),
      CASE(test_long_lines),
      CASE(test_long_quotes),
      CASE(test_many_list_values),
      CASE(test_names_have_a_limit),
      CASE(test_json_numbers_keep_their_text),
      CASE(test_json_nan),
      CASE(test_json_is_strict),
      CASE(test_json_lists_are_rows),
      CASE(test_json_lists_are_joined),
      CASE(test_json_documents),
      CASE(test_long_documents),
      CASE(test_python_dicts),
  };
  return cmocka_run_group_tests_name("rows of logs", tests, NULL, NULL);
}
