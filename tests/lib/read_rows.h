// The rows that a log becomes, as text. Every log is read with blocks of many sizes, down to a byte, which must not make a
// difference.
#ifndef SOUK_TESTS_READ_ROWS_H
#define SOUK_TESTS_READ_ROWS_H

#include "prepare/log_reader.h"

extern char rows_file[300];  // where the log lies
extern char rows_told[4096]; // what log_tell said of the last one, a sentence a line, without the file's name

// For cmocka: a directory for the log, and its end.
int rows_setup(void **unused);
int rows_teardown(void **unused);

// Columns that are asked for, and how many.
#define COLUMNS(...) \
  (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)
#define CSV  ((log_format){.kind = LOG_CSV, .header = true})
#define BARE ((log_format){.kind = LOG_CSV})
#define JSON ((log_format){.kind = LOG_JSONL})

// All rows of rows_file, one a line: where it begins, and its values ("-": none) or the reason why it is rejected. Freed with
// free().
char *rows_as_text(const log_format *format, const char *const *columns, int n);
// Fails unless `text` is read as `rows`, which are as rows_as_text writes them.
void expect_rows(const char *text, log_format format, const char *const *columns, int n, const char *rows);
// Fails unless this was a part of what was told of the last log; or nothing was.
void expect_told(const char *part);
void expect_nothing_told(void);

#endif
