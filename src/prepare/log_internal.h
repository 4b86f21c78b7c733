// What the parts of the log reader share: how rows are laid out, where one ends, and a parser's state.
#ifndef SOUK_PREPARE_LOG_INTERNAL_H
#define SOUK_PREPARE_LOG_INTERNAL_H

#include "prepare/log_reader.h"

enum { MAX_SEPARATOR = 8, EXCERPT_BYTES = 120, MAX_MISSING = 32, PLACEHOLDER_BYTES = 4 };
#define LONG_LINE "a line of more than 16 MiB" // MAX_LINE

// A column that is asked for, and where it is.
typedef struct wanted_field {
  int64_t field; // from 0
  int column;
} wanted_field;

// How rows are read; fixed once the file is open.
typedef struct log_plan {
  log_kind kind;
  char separator[MAX_SEPARATOR + 1]; // csv and tsv
  int separator_bytes;
  log_quotes quotes;
  const char *options; // as log_format.options; a constant
  bool document;       // jsonl: objects may span lines, and be values of one list
  int n;
  char *names[MAX_COLUMNS];         // NULL: not asked for
  wanted_field wanted[MAX_COLUMNS]; // by rising field
  int n_wanted;
  int64_t fields_needed;   // columns that a row must have
  int64_t fields_expected; // columns of the header or the first row; 0: not known
  char *missing;           // owned; the texts below lie in it
  struct {
    const char *text;
    size_t bytes;
  } missing_texts[MAX_MISSING];
  int n_missing;
  bool joins;
  log_join join[MAX_COLUMNS];
  uint64_t objects;  // columns whose objects become texts
  uint64_t optional; // columns, as log_format has them
  bool has_lists;
  log_lists lists;
  char list_separator[MAX_SEPARATOR + 1];
  int list_separator_bytes;       // 0: cells are single values
  int64_t range_begin, range_end; // fields of the list, from 0; range_end is 0 where it is a cell
} log_plan;

// ---- where rows end (row_scan.c) ---------------------------------------------------------------------------------

// A row at the beginning of some text, without its line end.
typedef struct row_span {
  size_t begin, bytes;  // begin > 0: behind space and commas between the objects of a json document
  size_t next;          // where the next row begins
  int64_t lines;        // line ends in [0, next), counting the file's end as one
  int64_t lines_before; // of them in [0, begin)
  bool quoted;          // fields in quotes, well-formed
  bool backslash;       // quotes in them are behind backslashes
  const char *reject;   // quotes that are not well-formed: the row is its first line
} row_span;

// The row at text[0, bytes); `last`: the file ends there. False: more text is needed to tell where it ends.
bool row_scan(const log_plan *plan, const char *text, size_t bytes, bool last, row_span *row);
// The length of the longest part of text[0, bytes) that is whole rows.
size_t whole_rows(const log_plan *plan, const char *text, size_t bytes, bool last);
int64_t count_lines(const char *text, size_t bytes);
// The columns of a row without its line end; quotes must be well-formed.
int64_t count_fields(const log_plan *plan, const char *row, size_t bytes, bool backslash);

// ---- opening (log_header.c) ----------------------------------------------------------------------------------------

enum { NOTES = 4, NOTE_BYTES = 256 };
typedef struct log_notes {
  char text[NOTES][NOTE_BYTES];
  int n;
} log_notes;
__attribute__((format(printf, 2, 3))) void add_note(log_notes *notes, const char *format, ...);

// Reads a separator's name; "" and NULL are none, of no bytes.
status read_separator(const char *name, char separator[MAX_SEPARATOR + 1], int *bytes);
// Finds separator and columns from the file's beginning, of which more follows unless `last`. *used: the bytes of the
// header, of *lines lines.
status plan_columns(log_plan *plan, const char *path, bool header, const char *text, size_t bytes, bool last,
                    size_t *used, int64_t *lines, log_notes *notes);

// ---- fields ----------------------------------------------------------------------------------------------------------

typedef struct list_value { // of a column whose path leads through a list
  uint32_t at, bytes;       // its text in the row; bytes is NO_VALUE where there is none
  int32_t element, list;    // its place in the list, from 0; which of the lists in the list
  int32_t next;             // of the same column; -1: none
} list_value;
enum { NO_VALUE = UINT32_MAX };

typedef struct text_chunk text_chunk;

struct log_parser {
  const log_plan *plan;
  log_block *block;
  size_t at;           // next row
  int64_t line;        // of it
  bool ascii, has_nul; // of the block
  bool ascii_row;
  char raw[EXCERPT_BYTES]; // the row's beginning as it stands in the file
  size_t raw_bytes;
  log_counts counts;
  // Rows that one row of json has become: those of elements [element, elements) are still to come.
  log_row base; // what they have in common
  int64_t element, elements;
  uint64_t listed; // a bit a column
  char *row;       // where list values lie
  list_value *values;
  size_t n_values, values_cap;
  int32_t first[MAX_COLUMNS], last[MAX_COLUMNS]; // of a listed column's values; -1: none
  text_chunk *chunks, *chunk;                    // texts that are made: first, and the one being filled
};

void count_finding(log_parser *p, int finding);
// Does a text stand for no value? Counts it, and also one that only looks like it. To be called for texts of up to
// PLACEHOLDER_BYTES, and for all where the plan has missing_texts.
bool means_no_value(log_parser *p, int column, const char *text, size_t bytes);
// A text of that many bytes that lives as long as the block.
status new_text(log_parser *p, size_t bytes, char **text);

// The field at *at of a row of columns that ends at `end`; quoted ones lose their quotes, in place. *at moves to the next one,
// NULL: there is none.
char *next_field(const log_plan *plan, char **at, char *end, const row_span *row, size_t *bytes);
// Splits a row of columns in place (row_fields.c).
status split_fields(log_parser *p, char *row, const row_span *span, log_row *out);
// Lists in a row that is split (row_lists.c): p->listed and the rest as split_json has them.
status split_lists(log_parser *p, char *row, log_row *out);
// For split_fields, of a row with a range: before its fields, and for each of those in the range.
void begin_range(log_parser *p);
status add_from_range(log_parser *p, const char *row, const char *text, size_t bytes, log_row *out);
// Adds a value to a listed column; v.next does not count.
status append_value(log_parser *p, int column, list_value v);
// Reads a row of json or a Python dict in place (json_rows.c). Where a path led through a list, p->listed is not 0, and the row
// becomes p->elements rows: *out has what they have in common, p->values the rest.
status split_json(log_parser *p, char *row, size_t bytes, log_row *out);
// Decodes a Python string in place (python_text.c): *at is at its opening quote, behind any prefix, and moves behind the
// closing one; the text is [*text, *text + *bytes). False: it is not well-formed.
bool python_text(char **at, const char *end, char **text, size_t *bytes);

#endif
