// Opening a log and cutting it into blocks of whole rows; see log_reader.h.
#include "prepare/log_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/byte_stream.h"
#include "base/memory.h"
#include "base/path_kind.h"
#include "prepare/log_internal.h"

#ifdef SOUK_SMALL_BUFFERS // for fuzzing, so that small inputs cross the end of a block too
enum { BLOCK_BYTES = 64 };
#else
enum { BLOCK_BYTES = 1 << 20 };
#endif

struct log_reader {
  log_plan plan;
  log_notes notes;
  char *path;
  byte_stream *bytes;
  bool eof;
  bool cr_lines; // lines end with CR alone
  size_t block_bytes;
  char *carry; // [carry_at, carry_bytes): read, but not yet in a block
  size_t carry_at, carry_bytes, carry_cap;
  int64_t next_block, next_line;
  int64_t lines_to_skip; // of an object that is not closed
  // log_next
  log_block block;
  log_parser *parser;
  bool in_block;
  log_row row;
  char excerpt[LOG_EXCERPT];
};

// ---- bytes ---------------------------------------------------------------------------------------------------

// Reads `cap` bytes; fewer are the last before the end or an error.
static status read_source(log_reader *r, char *to, size_t cap, size_t *got) {
  *got = 0;
  if (r->eof || cap == 0) return OK;
  TRY(byte_stream_read(r->bytes, to, cap, got));
  r->eof = *got == 0;
  for (size_t i = 0; r->cr_lines && i < *got; i++)
    if (to[i] == '\r') to[i] = '\n';
  return OK;
}

// ---- opening -------------------------------------------------------------------------------------------------

// Until `wanted` bytes of the file's beginning are there.
static status read_beginning(log_reader *r, size_t wanted) {
  TRY(mem_grow(&r->carry, &r->carry_cap, wanted, 1, "the beginning of a log"));
  while (!r->eof && r->carry_bytes < wanted) {
    size_t got;
    TRY(read_source(r, r->carry + r->carry_bytes, wanted - r->carry_bytes, &got));
    r->carry_bytes += got;
  }
  return OK;
}

static const char *beginning(const log_reader *r, size_t *bytes) {
  *bytes = r->carry_bytes - r->carry_at;
  return r->carry + r->carry_at;
}

static void skip_mark(log_reader *r) {
  if (r->carry_bytes >= 3 && memcmp(r->carry, "\xEF\xBB\xBF", 3) == 0) r->carry_at = 3;
}

// Macintoshes before 2001 ended lines with CR.
static void find_line_ends(log_reader *r) {
  if (memchr(r->carry, '\n', r->carry_bytes) != NULL || memchr(r->carry, '\r', r->carry_bytes) == NULL)
    return;
  r->cr_lines = true;
  for (size_t i = 0; i < r->carry_bytes; i++)
    if (r->carry[i] == '\r') r->carry[i] = '\n';
  add_note(&r->notes, "its lines end with CR alone, as old Macintoshes wrote them");
}

// Objects that do not stand one on a line: a list of them, or the first one spread over lines.
static void find_document(log_reader *r) {
  size_t bytes;
  const char *at = beginning(r, &bytes), *const end = at + bytes;
  while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) at++;
  if (at < end && *at != '[' && *at != '{')
    add_note(&r->notes, "it does not begin like json; %sformat says what it is", r->plan.options);
  if (at == end || (*at != '[' && *at != '{')) return;
  const bool list = *at++ == '[';
  while (at < end && (*at == ' ' || *at == '\t')) at++;
  const bool line_ends = at < end && (*at == '\n' || *at == '\r');
  r->plan.document = line_ends || (list && at < end && (*at == '{' || *at == ']'));
  if (r->plan.document)
    add_note(&r->notes, list ? "it is one list of json: each object in it is a row"
                             : "its json objects are spread over lines: each is a row");
}

// A first line of "sep=;", by which Excel is told the separator, tells it to us too.
static void take_excel_line(log_reader *r) {
  size_t bytes;
  const char *text = beginning(r, &bytes);
  const char *newline = bytes > 5 ? memchr(text, '\n', bytes) : NULL;
  if (r->plan.kind != LOG_CSV || r->plan.separator_bytes > 0 || newline == NULL ||
      memcmp(text, "sep=", 4) != 0)
    return;
  const size_t line = (size_t)(newline - text);
  if (line != 5 && !(line == 6 && text[5] == '\r')) return;
  r->plan.separator[0] = text[4];
  r->plan.separator_bytes = 1;
  r->carry_at += line + 1;
  r->next_line++;
}

// The header may be long: up to MAX_LINE, of which most have far less.
static status open_columns(log_reader *r, bool header) {
  size_t bytes, used = 0;
  int64_t lines = 0;
  const char *text = beginning(r, &bytes);
  while (!r->eof && bytes <= MAX_LINE && memchr(text, '\n', bytes) == NULL) {
    TRY(read_beginning(r, 2 * r->carry_bytes));
    text = beginning(r, &bytes);
  }
  take_excel_line(r);
  text = beginning(r, &bytes);
  TRY(plan_columns(&r->plan, r->path, header, text, bytes, r->eof, &used, &lines, &r->notes));
  r->carry_at += used;
  r->next_line += lines;
  return OK;
}

// The texts between the commas, without the space around them.
static status read_missing(log_plan *p, const char *list) {
  if (list == NULL || list[0] == '\0') return OK;
  TRY(mem_strdup(&p->missing, list));
  char *rest = NULL;
  for (char *text = strtok_r(p->missing, ",", &rest); text != NULL; text = strtok_r(NULL, ",", &rest)) {
    text += strspn(text, " ");
    size_t bytes = strlen(text);
    while (bytes > 0 && text[bytes - 1] == ' ') bytes--;
    if (bytes == 0) continue;
    if (p->n_missing == MAX_MISSING)
      return fail(ERR_ARGUMENT, "input.missing has more than %d texts", MAX_MISSING);
    p->missing_texts[p->n_missing].text = text;
    p->missing_texts[p->n_missing++].bytes = bytes;
  }
  return OK;
}

// "2..", "2..5": columns of a value each.
static void read_range(log_plan *p, const char *name) {
  char *end;
  const long long from = strtoll(name, &end, 10);
  if (*name < '1' || *name > '9' || strncmp(end, "..", 2) != 0 || from > MAX_LINE) return;
  const char *last = end + 2;
  const long long to = *last == '\0' ? MAX_LINE : strtoll(last, &end, 10);
  if (*last != '\0' && (*last < '1' || *last > '9' || *end != '\0' || to < from || to > MAX_LINE)) return;
  p->range_begin = from - 1;
  p->range_end = to;
}

static status plan_lists(log_plan *p, const log_lists *lists) {
  p->has_lists = true;
  p->lists = *lists;
  if (p->kind != LOG_JSONL && p->names[lists->column] != NULL) read_range(p, p->names[lists->column]);
  const status rc = read_separator(lists->separator, p->list_separator, &p->list_separator_bytes);
  return rc == OK ? OK : fail_prefix(rc, "%slist_separator", p->options);
}

static status make_plan(log_reader *r, const log_format *f, const char *const *columns, int n) {
  log_plan *p = &r->plan;
  p->kind = f->kind;
  const bool separated = f->kind == LOG_CSV || f->kind == LOG_TSV;
  p->quotes = !separated || (f->kind == LOG_TSV && f->quotes == QUOTES_AUTO) ? QUOTES_NONE : f->quotes;
  p->n = n;
  p->options = f->options != NULL ? f->options : "input.";
  p->joins = f->join != NULL;
  p->optional = f->optional;
  p->objects = f->join != NULL ? f->objects : 0;
  TRY(read_missing(p, f->missing));
  for (int i = 0; i < n; i++) {
    if (columns[i][0] != '\0') TRY(mem_strdup(&p->names[i], columns[i]));
    if (f->join != NULL) p->join[i] = f->join[i];
  }
  if (!separated && f->separator != NULL && f->separator[0] != '\0')
    return fail(ERR_ARGUMENT,
                "%s: only csv and tsv have a separator, which %sseparator sets; set %sformat csv", r->path,
                p->options, p->options);
  TRY(read_separator(f->separator, p->separator, &p->separator_bytes));
  return f->lists != NULL ? plan_lists(p, f->lists) : OK;
}

log_kind log_kind_of(const char *path) {
  const path_form form = path_form_of(path);
  if (form == FORM_JSONL) return LOG_JSONL;
  return form == FORM_TSV ? LOG_TSV : LOG_CSV;
}

status log_open(log_reader **out, const char *path, const log_format *format, const char *const *columns,
                int n) {
  enum { BEGINNING = 1 << 16 };
  *out = NULL;
  log_reader *r;
  TRY(mem_new(&r, 1, sizeof *r, "a log reader"));
  status rc;
  r->block_bytes = format->block_bytes > 0 ? format->block_bytes : BLOCK_BYTES;
  r->next_line = r->lines_to_skip = 1;
  TRY_GOTO(make_plan(r, format, columns, n), bad);
  TRY_GOTO(byte_stream_open(
               &r->bytes, path,
               &(byte_stream_how){.encoding = format->encoding, .encoding_option = format->encoding_option}),
           bad);
  TRY_GOTO(mem_strdup(&r->path, byte_stream_name(r->bytes)), bad);
  TRY_GOTO(read_beginning(r, BEGINNING), bad);
  skip_mark(r);
  find_line_ends(r);
  if (format->kind == LOG_JSONL)
    find_document(r);
  else
    TRY_GOTO(open_columns(r, format->header), bad);
  *out = r;
  return OK;
bad:
  log_close(r);
  return rc;
}

void log_close(log_reader *r) {
  if (r == NULL) return;
  byte_stream_close(r->bytes);
  log_parser_free(r->parser);
  log_block_free(&r->block);
  for (int i = 0; i < r->plan.n; i++) free(r->plan.names[i]);
  free(r->plan.missing);
  free(r->carry);
  free(r->path);
  free(r);
}

// ---- blocks --------------------------------------------------------------------------------------------------

void log_block_free(log_block *b) {
  free(b->data);
  *b = (log_block){.bytes = 0};
}

// Fills the block up to `wanted` bytes, first with what was left over.
static status fill_block(log_reader *r, log_block *b, size_t wanted) {
  TRY(mem_grow(&b->data, &b->cap, wanted + 1, 1, "a block of rows"));
  size_t left = r->carry_bytes - r->carry_at, got;
  if (left > wanted - b->bytes) left = wanted - b->bytes;
  if (left > 0) memcpy(b->data + b->bytes, r->carry + r->carry_at, left);
  r->carry_at += left;
  b->bytes += left;
  TRY(read_source(r, b->data + b->bytes, wanted - b->bytes, &got));
  b->bytes += got;
  return OK;
}

static bool at_end(const log_reader *r) {
  return r->eof && r->carry_at == r->carry_bytes;
}

// Puts what follows the block's whole rows in front of what has not been read yet.
static status give_back(log_reader *r, log_block *b, size_t whole) {
  const size_t rest = b->bytes - whole, unread = r->carry_bytes - r->carry_at;
  if (rest <= r->carry_at) {
    r->carry_at -= rest;
  } else {
    TRY(mem_grow(&r->carry, &r->carry_cap, rest + unread, 1, "the rest of a block"));
    if (unread > 0) memmove(r->carry + rest, r->carry + r->carry_at, unread);
    r->carry_at = 0;
    r->carry_bytes = rest + unread;
  }
  if (rest > 0) memcpy(r->carry + r->carry_at, b->data + whole, rest);
  b->bytes = whole;
  return OK;
}

// The end of the lines that a row of more than MAX_LINE bytes costs: its first one. In a document, where that row is an object
// that does not close, the next lines may begin others; so that this ends soon, each of several in a row costs twice as
// many lines as the one before. NULL: the end is not there yet.
static const char *long_row_end(const log_reader *r, const log_block *b, int64_t *lines) {
  const char *const end = b->data + b->bytes, *at = NULL;
  for (*lines = 0; *lines < r->lines_to_skip; ++*lines) {
    const char *from = at != NULL ? at : b->data, *newline = memchr(from, '\n', (size_t)(end - from));
    if (newline == NULL) break;
    at = newline + 1;
  }
  return at;
}

// The block begins with a row that is too long: its beginning is kept, the rest is passed over.
static status skip_line(log_reader *r, log_block *b, int64_t *lines) {
  enum { KEPT = 256 };
  char start[KEPT];
  const size_t kept = b->bytes < KEPT ? b->bytes : KEPT;
  memcpy(start, b->data, kept);
  const char *stop = long_row_end(r, b, lines);
  while (stop == NULL && !at_end(r)) {
    b->bytes = 0;
    TRY(fill_block(r, b, BLOCK_BYTES));
    stop = long_row_end(r, b, lines);
  }
  TRY(give_back(r, b, stop != NULL ? (size_t)(stop - b->data) : b->bytes));
  memcpy(b->data, start, kept);
  b->bytes = kept;
  b->reject = LONG_LINE;
  if (r->plan.document && r->lines_to_skip < INT32_MAX) r->lines_to_skip *= 2;
  return OK;
}

status log_read_block(log_reader *r, log_block *b, bool *end) {
  b->bytes = 0;
  b->reject = NULL;
  size_t whole = 0;
  for (size_t wanted = r->block_bytes;; wanted *= 2) { // until it has a whole row
    TRY(fill_block(r, b, wanted));
    whole = whole_rows(&r->plan, b->data, b->bytes, at_end(r));
    if (whole > 0 || at_end(r) || b->bytes > MAX_LINE + 2) break; // two more: the line end
  }
  *end = b->bytes == 0;
  if (*end) return OK;
  b->number = r->next_block++;
  b->first_line = r->next_line;
  int64_t lines;
  if (whole > 0) {
    TRY(give_back(r, b, whole));
    lines = count_lines(b->data, b->bytes);
    if (whole >= r->block_bytes / 2) r->lines_to_skip = 1; // not for a line between two such objects
  } else {
    TRY(skip_line(r, b, &lines));
  }
  b->data[b->bytes] = '\0';
  r->next_line += lines;
  b->progress = byte_stream_progress(r->bytes);
  return OK;
}

// ---- rows, one by one ----------------------------------------------------------------------------------------

status log_next(log_reader *r, const char **values, const char **reject, bool *end) {
  if (r->parser == NULL) TRY(log_parser_new(&r->parser, r));
  for (;;) {
    if (!r->in_block) {
      TRY(log_read_block(r, &r->block, end));
      if (*end) return OK;
      log_parse_begin(r->parser, &r->block);
      r->in_block = true;
    }
    TRY(log_parse_next(r->parser, &r->row, end));
    if (!*end) break;
    r->in_block = false;
  }
  log_parse_excerpt(r->parser, r->excerpt);
  *reject = r->row.reject;
  for (int i = 0; i < r->plan.n; i++) values[i] = r->row.text[i];
  return OK;
}

int64_t log_line(const log_reader *r) {
  return r->row.line;
}
const char *log_row_text(const log_reader *r) {
  return r->excerpt;
}
double log_progress(const log_reader *r) {
  return r->block.progress;
}

// ---- what there is to tell -----------------------------------------------------------------------------------

const log_counts *log_reader_counts(const log_reader *r) {
  static const log_counts none;
  return r->parser != NULL ? log_parser_counts(r->parser) : &none;
}

status log_parser_new(log_parser **out, const log_reader *r) {
  TRY(mem_new(out, 1, sizeof **out, "a parser of rows"));
  (*out)->plan = &r->plan;
  return OK;
}

static const char *const finding_texts[FOUND_STRUCTURE] = {
    "rows with more or fewer columns than the header or the first row (a lost quote? a list, named 2..?)",
    "rows with quotes behind backslashes, read as quotes",
    "rows with NaN or an infinity, which are unknown values",
    "rows that are Python dicts, read like json",
    "rows with lists, of which each value became a row",
    "rows with an empty list, which gave none",
    "rows with lists that were joined to one text",
    "values that mean none (input.missing)",
};

enum { COLUMN_SHOWN = 200 }; // bytes

const char *log_no_value(char *text, const char *column) {
  snprintf(text, LOG_NO_VALUE, "no row has a value in \"%.*s\"", COLUMN_SHOWN, column);
  return text;
}

static void describe_finding(char *text, size_t room, int finding, const char *column) {
  if (finding < FOUND_STRUCTURE)
    snprintf(text, room, "%s", finding_texts[finding]);
  else if (finding >= FOUND_BESIDE)
    snprintf(text, room, "rows with a list in \"%.*s\" too, read value by value", COLUMN_SHOWN, column);
  else if (finding < FOUND_PLACEHOLDER)
    snprintf(text, room, "rows with an object for \"%.*s\", which is no value (name what is in it: %.*s.KEY)",
             COLUMN_SHOWN, column, COLUMN_SHOWN, column);
  else
    snprintf(text, room,
             "rows with NA, NULL or the like in \"%.*s\", taken as it is (input.missing names texts that "
             "mean no value)",
             COLUMN_SHOWN, column);
}

void log_tell(const log_reader *r, const log_counts *counts,
              void (*tell)(void *self, const log_remark *remark), void *self) {
  char text[2 * COLUMN_SHOWN + LOG_NO_VALUE];
  const char *what;
  for (int i = 0; (what = byte_stream_note(r->bytes, i)) != NULL; i++)
    tell(self, &(log_remark){r->path, what, 0, 0});
  for (int i = 0; i < r->notes.n; i++) tell(self, &(log_remark){r->path, r->notes.text[i], 0, 0});
  for (int i = 0; i < LOG_FINDINGS; i++) {
    if (counts->of[i].rows == 0) continue;
    describe_finding(text, sizeof text, i,
                     i < FOUND_STRUCTURE ? NULL : r->plan.names[(i - FOUND_STRUCTURE) % MAX_COLUMNS]);
    tell(self, &(log_remark){r->path, text, counts->of[i].rows, counts->of[i].line});
  }
  // Of a catalogue, only its reader knows which rows count.
  for (int i = 0; !r->plan.joins && counts->rows > 0 && i < r->plan.n; i++) {
    if (r->plan.names[i] == NULL || ((counts->seen | r->plan.optional) >> i & 1) != 0) continue;
    tell(self, &(log_remark){r->path, log_no_value(text, r->plan.names[i]), 0, 0});
  }
}
