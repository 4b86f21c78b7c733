// Logs in columns: csv, tsv and space-separated, with and without a header, plain and gzip.
//
// Rows that are read, written again with every field in quotes, and read again are the same rows.
// Rows are the same wherever blocks end.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "format/utf8.h"
#include "prepare/log_reader.h"
#include "prepare/prepare_internal.h"
#include "fuzz/fuzz.h"
#include "fuzz/log_rows.h"

enum { COLUMNS = 4 };
static const char *const named[COLUMNS] = {"user_id", "item_id", "3", ""}, *const numbered[COLUMNS] = {
                                                                               "1", "2", "3", "5"};

typedef struct text {
  char *data;
  size_t bytes;
  FILE *to;
} text;

static void check_value(const char *value) {
  event_time t;
  const char *why;
  money price;
  require(value[0] != '\0');
  require(utf8_valid(value));
  if (money_parse(value, strlen(value), &price, &why)) require(isfinite(price.value));
  for (int format = 0; format < TIME_FORMAT_COUNT; format++)
    if (time_parse((time_format)format, 0, value, strlen(value), &t, &why)) require(t.nanos < 1000000000);
}

static void check_row(const log_reader *r, int64_t *line) {
  require(log_line(r) > *line);
  *line = log_line(r);
  require(strlen(log_row_text(r)) <= 120 && utf8_valid(log_row_text(r)));
  const double progress = log_progress(r);
  require(progress >= 0 && progress <= 1);
}

static void write_row(FILE *to, const char *const *values) {
  for (int i = 0; i < COLUMNS; i++) {
    fputs(i > 0 ? ",\"" : "\"", to);
    for (const char *p = values[i] != NULL ? values[i] : ""; *p != '\0'; p++)
      fputs((char[]){*p, *p == '"' ? *p : '\0', '\0'}, to);
    fputc('"', to);
  }
  fputc('\n', to);
}

// Reads it all; where `again` is not NULL, the good rows are written to it.
static void read_all(const char *path, log_kind kind, bool header, FILE *again) {
  log_reader *r;
  const char *values[COLUMNS], *reject;
  bool end;
  int64_t line = 0;
  if (log_open(&r, path, &(log_format){.kind = kind, .header = header}, header ? named : numbered, COLUMNS) !=
      OK) {
    require_sentence(path);
    return;
  }
  for (;;) {
    if (log_next(r, values, &reject, &end) != OK) {
      require_sentence(path);
      break;
    }
    if (end) break;
    check_row(r, &line);
    if (reject != NULL) continue;
    fuzz_accepted();
    for (int i = 0; i < COLUMNS; i++)
      if (values[i] != NULL) check_value(values[i]);
    if (again != NULL) write_row(again, values);
  }
  log_close(r);
}

static text open_text(void) {
  text t = {.data = NULL};
  t.to = open_memstream(&t.data, &t.bytes);
  require(t.to != NULL);
  return t;
}

// A first row that no other format's mark has room in.
static void write_header(FILE *to) {
  for (int i = 0; i < 300; i++) fputc('x', to);
  fputs(",b,c,d\n", to);
}

static void round_trip(const char *path) {
  static const char *const columns[COLUMNS] = {"1", "2", "3", "4"};
  text first = open_text(), second = open_text();
  write_header(first.to);
  write_header(second.to);
  read_all(path, LOG_CSV, false, first.to);
  fclose(first.to);
  log_reader *r;
  const char *values[COLUMNS], *reject;
  bool end;
  require_ok(log_open(&r, fuzz_file(1, first.data, first.bytes),
                      &(log_format){.kind = LOG_CSV, .header = true}, columns, COLUMNS));
  for (;;) {
    require_ok(log_next(r, values, &reject, &end));
    if (end) break;
    require(reject == NULL);
    write_row(second.to, values);
  }
  log_close(r);
  fclose(second.to);
  require(first.bytes == second.bytes && memcmp(first.data, second.data, first.bytes) == 0);
  free(first.data);
  free(second.data);
}

// With one of the formats, which one the input's length says: all of them would take too long.
static void same_rows(const char *path, size_t bytes) {
  static const log_lists commas = {.separator = ",", .column = 1, .beside = 1 << 2 | 1 << 3},
                         spaces = {.separator = " ", .column = 1, .beside = 1 << 2};
  static const log_format formats[] = {
      {.kind = LOG_CSV, .header = true},          {.kind = LOG_CSV},
      {.kind = LOG_CSV, .quotes = QUOTES_DOUBLE}, {.kind = LOG_CSV, .quotes = QUOTES_BACKSLASH},
      {.kind = LOG_CSV, .separator = "::"},       {.kind = LOG_SPACE},
      {.kind = LOG_CSV, .lists = &commas},        {.kind = LOG_TSV, .lists = &spaces},
  };
  const log_format f = formats[bytes % (sizeof formats / sizeof *formats)];
  fuzz_same_rows(path, f, f.header ? named : numbered, COLUMNS);
  static const log_lists range = {.column = 1};
  static const char *const columns[] = {"1", "2.."};
  fuzz_same_rows(path, (log_format){.kind = bytes % 2 == 0 ? LOG_CSV : LOG_SPACE, .lists = &range}, columns,
                 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  const char *path = fuzz_file(0, data, bytes);
  for (log_kind kind = LOG_CSV; kind <= LOG_SPACE; kind++) {
    read_all(path, kind, true, NULL);
    if (kind != LOG_CSV) read_all(path, kind, false, NULL);
  }
  same_rows(path, bytes);
  round_trip(path);
  return 0;
}
