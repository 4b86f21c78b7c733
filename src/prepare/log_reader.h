// Rows of behaviour logs and catalogues: csv (RFC 4180), tsv, text in columns between spaces, and jsonl;
// plain or gzip.
//
// A byte order mark at the start and empty lines are skipped. In csv a quoted field may hold separators, doubled
// quotes and line ends; quotes inside an unquoted field are text. If a quote does not close within MAX_ROW_LINES
// lines, only the line where it opens is rejected, and reading continues with the line after it.
#ifndef SOUK_PREPARE_LOG_READER_H
#define SOUK_PREPARE_LOG_READER_H

#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"

typedef enum log_kind { LOG_CSV, LOG_TSV, LOG_SPACE, LOG_JSONL } log_kind; // "csv|tsv|space|jsonl"

enum { MAX_COLUMNS = 64, MAX_LINE = 1 << 24, MAX_ROW_LINES = 100 };

typedef struct log_reader log_reader;

// columns[i]: a column's name (csv with header; a jsonl key, "a.b" for a key inside an object), its number
// from 1, or "" for none. With a header that has types behind a colon ("user_id:token", as RecBole writes),
// the part before the colon is the name too.
status log_open(log_reader **out, const char *path, log_kind kind, bool header, const char *const *columns,
                int n);
// The next row: values[i] is NULL for a column that is not asked for or empty in this row. A row that cannot
// be read (too few columns, broken quotes, bad json, text that is not UTF-8) sets *reject to the reason
// instead, a constant. Texts live until the next call.
status log_next(log_reader *r, const char **values, const char **reject, bool *end);
int64_t log_line(const log_reader *r);         // the first of the last row, from 1
const char *log_row_text(const log_reader *r); // the last row's beginning, valid UTF-8, for reports
double log_progress(const log_reader *r);
void log_close(log_reader *r); // NULL is safe

#endif
