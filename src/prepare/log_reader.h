// Rows of behaviour logs and catalogues: csv (RFC 4180), tsv, text in columns between spaces, and jsonl; plain or
// compressed.
//
// Two levels. A log_reader finds where rows end and gives blocks of whole rows (log_read_block, one thread at a time); a
// log_parser, of which each thread has its own, splits the rows of a block into texts, in place. Where blocks end depends on
// the file alone. log_next is both in one, for a single thread.
//
// A byte order mark at the start and empty lines are skipped. In csv a quoted field may hold separators, doubled quotes and
// line ends, which stay as they are; quotes inside an unquoted field are text. If a quote does not close within MAX_ROW_LINES
// lines, only the line where it opens is rejected, and reading continues with the line after it. What is repaired, guessed or
// left out is counted and told (log_tell).
#ifndef SOUK_PREPARE_LOG_READER_H
#define SOUK_PREPARE_LOG_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

typedef enum log_kind { LOG_CSV, LOG_TSV, LOG_SPACE, LOG_JSONL } log_kind; // "csv|tsv|space|jsonl"
// By the name of the file; csv where it says nothing.
log_kind log_kind_of(const char *path);
// How a quote inside a quoted field is written: doubled (RFC 4180), behind a backslash (Spark), or quotes are text. Auto:
// doubled, and behind a backslash in those rows that come out right only so.
typedef enum log_quotes { QUOTES_AUTO, QUOTES_DOUBLE, QUOTES_BACKSLASH, QUOTES_NONE } log_quotes;

enum { MAX_COLUMNS = 64, MAX_LINE = 1 << 24, MAX_ROW_LINES = 100, LOG_EXCERPT = 128 };
enum { MAX_LIST_VALUES = 1 << 20 }; // in the lists of one row of json

// What stands between the values of a list that becomes one text.
typedef struct log_join {
  const char *values; // of one list
  const char *lists;  // between the lists in a list
} log_join;

// Cells of columns that are lists. Each value becomes a row, in order, with the row's other texts.
typedef struct log_lists {
  const char *separator; // like log_format.separator; "" or NULL: cells are single values
  int column; // whose list it is. Its name may be a range of numbers, "2.." or "2..5": columns of a value each
  uint64_t beside; // a bit a column: may hold a list of the same length, or one value for all
  // Is a text of several values one nevertheless? fits: they are as many as the list has. Any thread asks. NULL: never.
  bool (*single)(const void *self, int column, const char *text, size_t bytes, bool fits);
  const void *self;
} log_lists;

typedef struct log_format {
  log_kind kind;
  bool header;            // the first line names the columns; jsonl has none
  const char *separator;  // csv: "" or NULL: guessed; else see log_open
  log_quotes quotes;      // csv; tsv, where auto is none
  const log_join *join;   // [columns] jsonl; NULL: each value of a list becomes a row
  const log_lists *lists; // NULL: none
  uint64_t
      objects; // a bit a column, where there is join: an object is the text that format/item_attributes.h makes of it
  uint64_t optional;   // a bit a column: a header may lack it, and then no row has it
  const char *missing; // texts that mean no value, separated by commas; NULL: none
  size_t block_bytes;  // 0: about 1 MiB
  const char *options; // how the options above are called, for messages: "input.catalogue_"; NULL: "input."
  const char *encoding, *encoding_option; // as byte_stream_how has them
} log_format;

// The reason why a row is rejected that has bytes which its encoding does not have.
#define LOG_NOT_UTF8 "text that is not UTF-8"

typedef struct log_reader log_reader;
typedef struct log_parser log_parser;

// A row. Texts are NUL-terminated, hold no other NUL, are UTF-8 and live as long as their block.
typedef struct log_row {
  int64_t line;       // where it begins, from 1
  const char *reject; // NULL, or the reason why it cannot be read, a constant; then it has no texts
  const char *text[MAX_COLUMNS]; // [columns]; NULL: the column is not asked for, or empty in this row
  uint32_t bytes[MAX_COLUMNS];   // of each text
} log_row;

// Whole rows in file order.
typedef struct log_block {
  int64_t number;     // from 0
  int64_t first_line; // from 1
  char *data;         // [bytes + 1 of cap], owned
  size_t bytes, cap;
  double progress;    // share of the file that is read, behind the block; -1: of a pipe, not known
  const char *reject; // not NULL: the block is the beginning of one line that cannot be read, and this is why
} log_block;

// columns[i]: a column's name (csv with header; a path in jsonl), its number from 1, or "" for none. With a header that has
// types behind a colon ("user_id:token", as RecBole writes), the part before the colon is the name too. A jsonl path "a.b" is
// key b of the object at key a; a number picks a value of a list ("images.0.url"), and a path through a whole list gives a
// row for each of its values: several paths through one list go together, and so do lists of the same length.
//
// A separator is a text of up to 8 bytes, or one of the names tab, comma, semicolon, pipe, space and "\t", "\x01".
status log_open(log_reader **out, const char *path, const log_format *format, const char *const *columns,
                int n);
void log_close(log_reader *r); // NULL is safe

// ---- blocks ----------------------------------------------------------------------------------------------------

// The next block into *b (zeroed at first; its memory is used again); *end instead behind the last row.
status log_read_block(log_reader *r, log_block *b, bool *end);
void log_block_free(log_block *b); // of a zeroed block too

// A parser for blocks of r, which must stay open.
status log_parser_new(log_parser **out, const log_reader *r);
void log_parser_free(log_parser *p); // NULL is safe
// The rows of b one after the other; b->data is split in place, so a block can be parsed once.
void log_parse_begin(log_parser *p, log_block *b);
status log_parse_next(log_parser *p, log_row *row, bool *end);
// The last row's beginning as it stands in the file, for reports: valid UTF-8 of at most 120 bytes.
void log_parse_excerpt(const log_parser *p, char excerpt[LOG_EXCERPT]);

// ---- rows, one by one --------------------------------------------------------------------------------------------

// The next row: values[i] as log_row.text; *reject as log_row.reject. They live until the next call.
status log_next(log_reader *r, const char **values, const char **reject, bool *end);
int64_t log_line(const log_reader *r);         // the first of the last row, from 1
const char *log_row_text(const log_reader *r); // the last row's excerpt
double log_progress(const log_reader *r);      // as log_block.progress

// ---- what there is to tell ---------------------------------------------------------------------------------------

// What was met in rows that were read, how often, and on which line first (0: never).
typedef enum log_finding {
  FOUND_UNEVEN,                                      // more or fewer columns than the header or the first row
  FOUND_BACKSLASH,                                   // quotes behind backslashes
  FOUND_UNKNOWN,                                     // NaN or an infinity for a number: no value
  FOUND_PYTHON,                                      // Python's dicts instead of json
  FOUND_LIST,                                        // lists whose values became rows
  FOUND_EMPTY_LIST,                                  // lists without values: no row
  FOUND_JOINED,                                      // lists that became a text
  FOUND_MISSING,                                     // texts of log_format.missing: no value
  FOUND_STRUCTURE,                                   // + column: objects where a value is expected: no value
  FOUND_PLACEHOLDER = FOUND_STRUCTURE + MAX_COLUMNS, // + column: NA, NULL and the like, taken as they are
  FOUND_BESIDE = FOUND_PLACEHOLDER + MAX_COLUMNS,    // + column: lists beside the list
  LOG_FINDINGS = FOUND_BESIDE + MAX_COLUMNS
} log_finding;
typedef struct log_counts {
  struct {
    int64_t rows, line;
  } of[LOG_FINDINGS];
  uint64_t seen; // a bit a column: a row has a value in it
  int64_t rows;  // that were read, without rejected ones
} log_counts;
const log_counts *log_parser_counts(const log_parser *p);
const log_counts *log_reader_counts(const log_reader *r); // of log_next
void log_counts_add(log_counts *to, const log_counts *more);
// A thing that was guessed, repaired or left out.
typedef struct log_remark {
  const char *path; // of the file
  const char *what; // without control characters that were not there before, and without the numbers below
  int64_t rows;     // how many; 0: it is the file as such
  int64_t line;     // of the first of them
} log_remark;
// Calls `tell` for each of them: of the file as such, and of *counts.
void log_tell(const log_reader *r, const log_counts *counts,
              void (*tell)(void *self, const log_remark *remark), void *self);
// Writes what log_tell says of a column in which no row has a value, into text[LOG_NO_VALUE].
enum { LOG_NO_VALUE = 256 };
const char *log_no_value(char *text, const char *column);

#endif
