// Rows of logs, read twice; see log_rows.h.
#include "fuzz/log_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "format/utf8.h"
#include "fuzz/fuzz.h"

static void write_remark(void *to, const log_remark *remark) {
  fprintf(to, "%s: %s: %lld, line %lld\n", remark->path, remark->what, (long long)remark->rows,
          (long long)remark->line);
}

static void write_row(FILE *to, const log_parser *p, const log_row *row, int n) {
  char excerpt[LOG_EXCERPT];
  log_parse_excerpt(p, excerpt);
  require(strlen(excerpt) <= 120 && utf8_valid(excerpt));
  fprintf(to, "%lld %s: %s\n", (long long)row->line, excerpt, row->reject != NULL ? row->reject : "");
  for (int i = 0; i < n; i++) {
    if (row->text[i] == NULL) continue;
    require(row->reject == NULL);
    require(row->bytes[i] > 0 && strlen(row->text[i]) == row->bytes[i] && utf8_valid(row->text[i]));
    fprintf(to, "%d %s\n", i, row->text[i]);
  }
}

static void write_blocks(FILE *to, log_reader *r, log_parser *p, int n) {
  log_block b = {.bytes = 0};
  log_row row;
  for (bool end;;) {
    if (log_read_block(r, &b, &end) != OK || end) break;
    for (log_parse_begin(p, &b);;) {
      require_ok(log_parse_next(p, &row, &end));
      if (end) break;
      write_row(to, p, &row, n);
    }
  }
  log_block_free(&b);
}

static char *read_rows(const char *path, const log_format *format, const char *const *columns, int n) {
  char *text = NULL;
  size_t bytes;
  log_reader *r;
  log_parser *p;
  if (log_open(&r, path, format, columns, n) != OK) return NULL;
  FILE *to = open_memstream(&text, &bytes);
  require(to != NULL);
  require_ok(log_parser_new(&p, r));
  write_blocks(to, r, p, n);
  log_tell(r, log_parser_counts(p), write_remark, to);
  log_parser_free(p);
  log_close(r);
  fclose(to);
  return text;
}

void fuzz_same_rows(const char *path, log_format format, const char *const *columns, int n) {
  format.block_bytes = 1;
  char *small = read_rows(path, &format, columns, n);
  format.block_bytes = 1 << 20;
  char *large = read_rows(path, &format, columns, n);
  require((small == NULL) == (large == NULL));
  if (small != NULL) require(strcmp(small, large) == 0);
  free(small);
  free(large);
}
