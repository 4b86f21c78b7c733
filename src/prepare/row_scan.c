// Where rows end. The reader uses it to cut the file into blocks of whole rows, and the parsers use it again to find the rows
// of a block; so what it says of a row must not depend on how much text there is behind it.
#include <string.h>
#include "prepare/log_internal.h"

// ---- lines ---------------------------------------------------------------------------------------------------

// Eight bytes at a time: each byte of the sum counts the newlines at its place, in so few words that their total fits a byte.
int64_t count_lines(const char *text, size_t bytes) {
  enum { WORDS = 31 };
  const uint64_t ones = UINT64_C(0x0101010101010101), low = ~(ones << 7);
  int64_t n = 0;
  size_t i = 0;
  while (bytes - i >= 8) {
    uint64_t sum = 0;
    for (int k = 0; k < WORDS && bytes - i >= 8; k++, i += 8) {
      uint64_t x;
      memcpy(&x, text + i, 8);
      x ^= ones * '\n'; // the bytes of newlines are 0 now, and what follows finds those
      sum += ~(((x & low) + low) | x) >> 7 & ones;
    }
    n += (int64_t)(sum * ones >> 56);
  }
  for (; i < bytes; i++) n += text[i] == '\n';
  return n;
}

// A line's bytes without the CR before its newline; text that went through Windows twice has two.
static size_t without_cr(const char *text, size_t bytes) {
  while (bytes > 0 && text[bytes - 1] == '\r') bytes--;
  return bytes;
}

// Makes *row the first line. False: its end is not there yet.
static bool first_line(const char *text, size_t bytes, bool last, row_span *row) {
  const char *newline = memchr(text, '\n', bytes);
  if (newline == NULL && !last) return false;
  row->bytes = newline != NULL ? (size_t)(newline - text) : bytes;
  row->next = row->bytes + (newline != NULL);
  row->lines = 1;
  row->bytes = without_cr(text, row->bytes);
  return true;
}

// ---- quotes --------------------------------------------------------------------------------------------------

typedef enum quoting { ROW_WHOLE, ROW_MORE, ROW_BROKEN, ROW_OPEN } quoting;
typedef struct quote_scan {
  const char *begin, *at, *end, *line_end; // line_end: of the first line, NULL while it is not known
  bool last, backslash;
  int64_t lines, fields;
} quote_scan;

static bool at_separator(const log_plan *plan, const char *at, const char *end) {
  return at < end && *at == plan->separator[0] &&
         (plan->separator_bytes == 1 || ((size_t)(end - at) >= (size_t)plan->separator_bytes &&
                                         memcmp(at, plan->separator, (size_t)plan->separator_bytes) == 0));
}

// At a line end or the file's end.
static bool at_row_end(const quote_scan *s) {
  const char *at = s->at;
  while (at < s->end && *at == '\r') at++;
  return at < s->end ? *at == '\n' : s->last;
}

// From behind the opening quote to behind the closing one.
static quoting quoted_field(quote_scan *s) {
  for (;; s->at++) {
    if (s->at - s->begin >= MAX_LINE) return ROW_OPEN;
    if (s->at == s->end) return s->last ? ROW_OPEN : ROW_MORE;
    if (*s->at == '\n') {
      if (s->line_end == NULL) s->line_end = s->at;
      if (++s->lines > MAX_ROW_LINES) return ROW_OPEN;
    } else if (*s->at == '\\' && s->backslash) {
      if (s->at + 1 == s->end) return s->last ? ROW_OPEN : ROW_MORE;
      if (s->at[1] != '\n') s->at++;
    } else if (*s->at == '"') {
      if (s->at + 1 == s->end && !s->last) return ROW_MORE;
      if (s->at + 1 == s->end || s->at[1] != '"') break;
      s->at++; // doubled
    }
  }
  s->at++;
  return ROW_WHOLE;
}

// Behind a closing quote: could the text that follows make it a separator or a line end?
static bool more_decides(const log_plan *plan, const quote_scan *s) {
  const char *at = s->at;
  while (at < s->end && *at == '\r') at++;
  return !s->last && (at == s->end || s->end - s->at < plan->separator_bytes);
}

static quoting scan_quotes(const log_plan *plan, quote_scan *s) {
  for (s->lines = 1, s->fields = 1;; s->fields++, s->at += plan->separator_bytes) {
    if (s->at < s->end && *s->at == '"') {
      s->at++;
      const quoting state = quoted_field(s);
      if (state != ROW_WHOLE) return state;
    } else {
      while (s->at < s->end && *s->at != '\n' && !at_separator(plan, s->at, s->end)) s->at++;
    }
    if (s->at == s->end && !s->last) return ROW_MORE;
    if (at_row_end(s)) return ROW_WHOLE;
    if (!at_separator(plan, s->at, s->end)) return more_decides(plan, s) ? ROW_MORE : ROW_BROKEN;
  }
}

// Scans the row with one way of writing quotes.
static quoting try_quotes(const log_plan *plan, const char *text, size_t bytes, bool last, bool backslash,
                          quote_scan *s) {
  *s = (quote_scan){.begin = text, .at = text, .end = text + bytes, .last = last, .backslash = backslash};
  return scan_quotes(plan, s);
}

static bool as_expected(const log_plan *plan, const quote_scan *s) {
  return plan->fields_expected == 0 || s->fields == plan->fields_expected;
}

// A row whose first line has a quote.
static bool quoted_row(const log_plan *plan, const char *text, size_t bytes, bool last, row_span *row) {
  quote_scan s, other;
  quoting state = try_quotes(plan, text, bytes, last, plan->quotes == QUOTES_BACKSLASH, &s);
  if (state == ROW_MORE) return false;
  if (plan->quotes == QUOTES_AUTO && (state != ROW_WHOLE || !as_expected(plan, &s)) &&
      memmem(text, (size_t)(s.at - text), "\\\"", 2) != NULL) {
    const quoting repaired = try_quotes(plan, text, bytes, last, true, &other);
    if (repaired == ROW_MORE) return false;
    if (repaired == ROW_WHOLE && as_expected(plan, &other)) {
      state = repaired;
      s = other;
    }
  }
  if (state !=
      ROW_WHOLE) { // where a later line ends the row badly, the fault is the quote that this one left open
    row->reject = state == ROW_BROKEN && s.line_end == NULL ? "broken quotes" : "a quote that is not closed";
    return true;
  }
  row->bytes = without_cr(text, (size_t)(s.at - text));
  row->next = (size_t)(s.at - text);
  while (row->next < bytes && text[row->next] == '\r') row->next++;
  row->next += row->next < bytes;
  row->lines = s.lines;
  row->quoted = true;
  row->backslash = s.backslash;
  return true;
}

// ---- json documents ------------------------------------------------------------------------------------------

// Behind the bracket that closes the object at `at`, or NULL: it is not closed.
static const char *object_end(const char *at, const char *end) {
  int64_t depth = 0;
  char quote = '\0';
  for (; at < end; at++) {
    if (quote != '\0') {
      if (*at == '\\' && at + 1 < end)
        at++;
      else if (*at == quote)
        quote = '\0';
    } else if (*at == '"' || *at == '\'') {
      quote = *at;
    } else if (*at == '{' || *at == '[') {
      depth++;
    } else if ((*at == '}' || *at == ']') && --depth == 0) {
      return at + 1;
    }
  }
  return NULL;
}

// Objects that are not one a line: in one list, or spread over lines. Between them may be space, commas and the list's
// brackets. What is no object is a row of its line, for the parser to reject.
static bool document_row(const char *text, size_t bytes, bool last, row_span *row) {
  const char *at = text, *const end = text + bytes;
  while (at < end && memchr(" \t\r\n,[]", *at, 7) != NULL) at++;
  row->begin = (size_t)(at - text);
  row->lines_before = count_lines(text, row->begin);
  if (at < end && *at == '{') {
    const char *stop = object_end(at, end);
    if (stop == NULL && !last) return false;
    if (stop == NULL) stop = end;
    row->bytes = (size_t)(stop - at);
    row->next = (size_t)(stop - text);
    row->lines = count_lines(text, row->next);
    return true;
  }
  if (at == end && !last) { // no row, however much of it there is
    row->next = bytes;
    row->lines = row->lines_before;
    return true;
  }
  if (!first_line(at, (size_t)(end - at), last, row)) return false;
  row->next += row->begin;
  row->lines += row->lines_before;
  return true;
}

// ---- rows ----------------------------------------------------------------------------------------------------

bool row_scan(const log_plan *plan, const char *text, size_t bytes, bool last, row_span *row) {
  *row = (row_span){.begin = 0};
  if (plan->document) return document_row(text, bytes, last, row);
  if (!first_line(text, bytes, last, row)) return false;
  if (plan->quotes == QUOTES_NONE || memchr(text, '"', row->bytes) == NULL) return true;
  return quoted_row(plan, text, bytes, last, row);
}

size_t whole_rows(const log_plan *plan, const char *text, size_t bytes, bool last) {
  const bool lines = !plan->document && (plan->quotes == QUOTES_NONE || memchr(text, '"', bytes) == NULL);
  if (last) return bytes;
  if (lines) {
    const char *newline = memrchr(text, '\n', bytes);
    return newline != NULL ? (size_t)(newline + 1 - text) : 0;
  }
  size_t at = 0;
  for (row_span row; at < bytes && row_scan(plan, text + at, bytes - at, false, &row);) at += row.next;
  return at;
}

int64_t count_fields(const log_plan *plan, const char *row, size_t bytes, bool backslash) {
  if (plan->quotes != QUOTES_NONE) {
    quote_scan s;
    try_quotes(plan, row, bytes, true, backslash, &s);
    return s.fields;
  }
  int64_t n = 1;
  for (const char *at = row, *end = row + bytes; at < end; at++) {
    if (!at_separator(plan, at, end)) continue;
    n++;
    at += plan->separator_bytes - 1;
  }
  return n;
}
