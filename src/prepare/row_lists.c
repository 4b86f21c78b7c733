// Cells that are lists ("N55189 N42782", [1, 2], 'a|b'), and columns of which each is a value of one list: a row for each value, as
// the lists of json give. The values are found in place.
#include <string.h>
#include "base/memory.h"
#include "format/utf8.h"
#include "prepare/log_internal.h"

static const char MANY_VALUES[] = "lists of more than 1048576 values";

status append_value(log_parser *p, int column, list_value v) {
  TRY(mem_grow(&p->values, &p->values_cap, p->n_values + 1, sizeof *p->values, "values of lists"));
  const int32_t i = (int32_t)p->n_values++;
  p->values[i] = v;
  p->values[i].next = -1;
  if (p->first[column] < 0)
    p->first[column] = i;
  else
    p->values[p->last[column]].next = i;
  p->last[column] = i;
  return OK;
}

static bool is_value(log_parser *p, int column, const char *text, size_t bytes) {
  if (bytes == 0) return false;
  if (bytes > PLACEHOLDER_BYTES && p->plan->n_missing == 0) return true;
  return !means_no_value(p, column, text, bytes);
}

// ---- columns -------------------------------------------------------------------------------------------------

void begin_range(log_parser *p) {
  const int column = p->plan->lists.column;
  p->first[column] = -1;
  p->listed = UINT64_C(1) << column;
}

// Empty ones, with which tables fill short lists, are no values.
status add_from_range(log_parser *p, const char *row, const char *text, size_t bytes, log_row *out) {
  const int column = p->plan->lists.column;
  if (!is_value(p, column, text, bytes)) return OK;
  if (!p->ascii_row && !utf8_valid_bytes(text, bytes)) out->reject = LOG_NOT_UTF8;
  if (p->n_values == MAX_LIST_VALUES) out->reject = MANY_VALUES;
  if (out->reject != NULL) return OK;
  p->counts.seen |= UINT64_C(1) << column;
  return append_value(p, column,
                      (list_value){.at = (uint32_t)(text - row),
                                   .bytes = (uint32_t)bytes,
                                   .element = (int32_t)p->elements++});
}

// ---- values of a cell ----------------------------------------------------------------------------------------

typedef struct cell {
  const char *at, *end; // what is left; at is NULL behind the last value
  bool bracketed;       // values may be in quotes
} cell;

static void skip_spaces(cell *c) {
  while (c->at < c->end && *c->at == ' ') c->at++;
}

// As Python and json write lists and tuples, and Postgres arrays.
static cell open_cell(const char *text, size_t bytes) {
  static const char open[] = "[({", close[] = "])}";
  cell c = {.at = text, .end = text + bytes};
  const char *bracket = bytes >= 2 && *text != '\0' ? strchr(open, *text) : NULL;
  if (bracket != NULL && text[bytes - 1] == close[bracket - open]) {
    c = (cell){.at = text + 1, .end = text + bytes - 1, .bracketed = true};
    while (c.end > c.at && c.end[-1] == ' ') c.end--;
  }
  skip_spaces(&c);
  if (c.at == c.end) c.at = NULL;
  return c;
}

static bool at_list_separator(const log_plan *plan, const cell *c) {
  const size_t n = (size_t)plan->list_separator_bytes;
  return (size_t)(c->end - c->at) >= n && memcmp(c->at, plan->list_separator, n) == 0;
}

// Behind a value: the separator, with spaces around it, or the end. Runs of blanks are one separator; of others, one at the end
// ends the last value.
static bool take_separator(const log_plan *plan, cell *c) {
  bool there = at_list_separator(plan, c);
  if (!there) { // it may begin with a space itself
    skip_spaces(c);
    there = c->at == c->end || at_list_separator(plan, c);
  }
  if (there && c->at < c->end) c->at += plan->list_separator_bytes;
  if (there) skip_spaces(c);
  if (c->at == c->end) c->at = NULL;
  return there;
}

static const char *next_value(const log_plan *plan, cell *c, size_t *bytes) {
  const char *begin = c->at;
  if (c->bracketed && (*begin == '\'' || *begin == '"')) {
    const char *close = memchr(begin + 1, *begin, (size_t)(c->end - begin - 1));
    c->at = close != NULL ? close + 1 : begin;
    *bytes = close != NULL ? (size_t)(close - begin - 1) : 0;
    if (close != NULL && take_separator(plan, c)) return begin + 1;
  }
  const char *stop =
      memmem(begin, (size_t)(c->end - begin), plan->list_separator, (size_t)plan->list_separator_bytes);
  c->at = stop != NULL ? stop : c->end;
  *bytes = (size_t)(c->at - begin);
  take_separator(plan, c);
  while (*bytes > 0 && begin[*bytes - 1] == ' ') --*bytes;
  return begin;
}

static int64_t count_values(const log_plan *plan, const char *text, size_t bytes) {
  int64_t n = 0;
  size_t of_value;
  for (cell c = open_cell(text, bytes); c.at != NULL; n++) next_value(plan, &c, &of_value);
  return n;
}

// ---- rows ----------------------------------------------------------------------------------------------------

// Is the text of a list asked for as another column that is no list? It would be cut there too.
static bool is_shared(const log_parser *p, int column, const log_row *out) {
  const log_lists *const lists = &p->plan->lists;
  for (int i = 0; i < p->plan->n; i++)
    if (i != lists->column && (lists->beside >> i & 1) == 0 && out->text[i] == out->text[column]) return true;
  return false;
}
#define SHARED "a list that is the value of another column too"

// A cell of one value becomes that value.
static void take_single(log_parser *p, char *row, int column, log_row *out) {
  size_t bytes;
  cell c = open_cell(out->text[column], out->bytes[column]);
  const char *value = next_value(p->plan, &c, &bytes);
  if (bytes == out->bytes[column]) return; // the whole cell, which was looked at already
  if (is_shared(p, column, out)) {
    out->reject = SHARED;
    return;
  }
  row[value - row + (ptrdiff_t)bytes] = '\0';
  out->text[column] = is_value(p, column, value, bytes) ? value : NULL;
  out->bytes[column] = (uint32_t)bytes;
}

static status add_cell(log_parser *p, const char *row, int column, log_row *out) {
  size_t bytes;
  list_value v = {.element = 0};
  if (is_shared(p, column, out)) out->reject = SHARED;
  p->first[column] = -1;
  p->listed |= UINT64_C(1) << column;
  for (cell c = open_cell(out->text[column], out->bytes[column]); c.at != NULL; v.element++) {
    const char *value = next_value(p->plan, &c, &bytes);
    v.at = (uint32_t)(value - row);
    v.bytes = is_value(p, column, value, bytes) ? (uint32_t)bytes : NO_VALUE;
    TRY(append_value(p, column, v));
  }
  return OK;
}

// A column beside the list: one value for all, or one for each.
static status add_beside(log_parser *p, char *row, int column, int64_t values, log_row *out) {
  const log_lists *const lists = &p->plan->lists;
  const char *text = out->text[column];
  const uint32_t bytes = out->bytes[column];
  const int64_t n = count_values(p->plan, text, bytes);
  if (n == 1) {
    take_single(p, row, column, out);
    return OK;
  }
  if (lists->single != NULL && lists->single(lists->self, column, text, bytes, n == values)) return OK;
  if (n != values) {
    out->reject = "lists of different lengths";
    return OK;
  }
  count_finding(p, FOUND_BESIDE + column);
  return add_cell(p, row, column, out);
}

// The values of the list, in p->values or, a single one, in *out.
static status add_list(log_parser *p, char *row, log_row *out) {
  const int column = p->plan->lists.column;
  if (out->text[column] != NULL) p->elements = count_values(p->plan, out->text[column], out->bytes[column]);
  if (p->elements > MAX_LIST_VALUES) {
    out->reject = MANY_VALUES;
  } else if (p->elements == 1) {
    take_single(p, row, column, out);
  } else if (p->elements == 0) {
    p->listed = UINT64_C(1) << column; // and so there is no row
    p->first[column] = -1;
  } else {
    return add_cell(p, row, column, out);
  }
  return OK;
}

// Is column i the cell, cells[i], of the list or of a column before it, which has become a single value? It is that value too then:
// its text cannot be read as a list once more.
static bool is_value_already(const log_parser *p, const char *const *cells, int i, log_row *out) {
  const log_lists *const lists = &p->plan->lists;
  for (int k = 0; k < p->plan->n; k++) {
    const bool done = k == lists->column || (k < i && (lists->beside >> k & 1) != 0);
    if (!done || cells[k] != cells[i] || out->text[k] == cells[k]) continue;
    out->text[i] = out->text[k];
    out->bytes[i] = out->bytes[k];
    return true;
  }
  return false;
}

static status add_all_beside(log_parser *p, char *row, const char *const *cells, log_row *out) {
  const log_lists *const lists = &p->plan->lists;
  for (int i = 0; i < p->plan->n && p->elements > 0 && out->reject == NULL; i++)
    if (i != lists->column && (lists->beside >> i & 1) != 0 && out->text[i] != NULL &&
        !is_value_already(p, cells, i, out))
      TRY(add_beside(p, row, i, p->elements, out));
  return OK;
}

status split_lists(log_parser *p, char *row, log_row *out) {
  const log_plan *const plan = p->plan;
  const bool range = plan->range_end > 0, cells = plan->list_separator_bytes > 0;
  if (out->reject != NULL || (!range && (!cells || p->listed != 0))) return OK; // listed: a list of json
  const char *before[MAX_COLUMNS];
  memcpy(before, out->text, (size_t)plan->n * sizeof *before);
  if (!range) TRY(add_list(p, row, out));
  if (cells) TRY(add_all_beside(p, row, before, out));
  if (p->listed == 0) p->elements = 0; // one value: the row is as it is
  for (int i = 0; i < plan->n; i++)
    if ((p->listed >> i & 1) != 0) out->text[i] = NULL;
  if (out->reject == NULL && p->listed != 0)
    count_finding(p, p->elements > 0 ? FOUND_LIST : FOUND_EMPTY_LIST);
  return OK;
}
