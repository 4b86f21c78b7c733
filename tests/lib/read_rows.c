// Reading logs as text; see read_rows.h.
#include "lib/read_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "format/utf8.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

char rows_file[300], rows_told[4096];
static char dir[256];

int rows_setup(void **unused) {
  (void)unused;
  tiny_directory(dir, sizeof dir);
  check_ok(path_join(rows_file, sizeof rows_file, dir, "log"));
  return 0;
}
int rows_teardown(void **unused) {
  (void)unused;
  tiny_remove(dir);
  return 0;
}

// ---- reading -------------------------------------------------------------------------------------------------

static void keep_told(void *unused, const log_remark *remark) {
  (void)unused;
  const size_t used = strlen(rows_told);
  assert_string_equal(remark->path, rows_file);
  if (remark->rows == 0)
    snprintf(rows_told + used, sizeof rows_told - used, "%s\n", remark->what);
  else
    snprintf(rows_told + used, sizeof rows_told - used, "%s: %lld, the first on line %lld\n", remark->what,
             (long long)remark->rows, (long long)remark->line);
}

static void add_row(FILE *to, const log_parser *p, const log_row *row, int n) {
  char excerpt[LOG_EXCERPT];
  log_parse_excerpt(p, excerpt);
  assert_true(utf8_valid(excerpt));
  fprintf(to, "%lld", (long long)row->line);
  for (int i = 0; i < n && row->reject == NULL; i++) {
    fprintf(to, " [%s]", row->text[i] != NULL ? row->text[i] : "-");
    if (row->text[i] != NULL) assert_int_equal(strlen(row->text[i]), row->bytes[i]);
  }
  if (row->reject != NULL) fprintf(to, " %s", row->reject);
  fputc('\n', to);
}

char *rows_as_text(const log_format *format, const char *const *columns, int n) {
  char *text = NULL;
  size_t bytes;
  FILE *to = open_memstream(&text, &bytes);
  log_reader *r;
  log_parser *p;
  log_block b = {.bytes = 0};
  log_row row;
  int64_t number = 0;
  bool end;
  check_ok(log_open(&r, rows_file, format, columns, n));
  check_ok(log_parser_new(&p, r));
  for (;;) {
    check_ok(log_read_block(r, &b, &end));
    if (end) break;
    assert_int_equal(b.number, number++);
    for (log_parse_begin(p, &b);;) {
      check_ok(log_parse_next(p, &row, &end));
      if (end) break;
      add_row(to, p, &row, n);
    }
  }
  rows_told[0] = '\0';
  log_tell(r, log_parser_counts(p), keep_told, NULL);
  log_block_free(&b);
  log_parser_free(p);
  log_close(r);
  fclose(to);
  return text;
}

static const size_t sizes[] = {0, 1, 2, 3, 5, 7, 11, 16, 33, 64, 100, 257};

void expect_rows(const char *text, log_format format, const char *const *columns, int n, const char *rows) {
  check_ok(file_write_atomic(rows_file, text, strlen(text)));
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    format.block_bytes = sizes[i];
    char *got = rows_as_text(&format, columns, n);
    if (strcmp(got, rows) != 0) fail_msg("blocks of %zu bytes: got\n%swanted\n%s", sizes[i], got, rows);
    free(got);
  }
}

void expect_told(const char *part) {
  if (strstr(rows_told, part) == NULL) fail_msg("\"%s\" was not told, but:\n%s", part, rows_told);
}
void expect_nothing_told(void) {
  assert_string_equal(rows_told, "");
}
