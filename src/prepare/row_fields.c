// Rows in columns, split in place. What is not asked for is passed over without a look at its bytes.
#include <string.h>
#include "format/utf8.h"
#include "prepare/log_internal.h"

// ---- one field -----------------------------------------------------------------------------------------------

static char *find_separator(const log_plan *plan, char *at, char *end) {
  if (plan->separator_bytes == 1) {
    char *found = memchr(at, plan->separator[0], (size_t)(end - at));
    return found != NULL ? found : end;
  }
  char *found = memmem(at, (size_t)(end - at), plan->separator, (size_t)plan->separator_bytes);
  return found != NULL ? found : end;
}

// From behind the opening quote to behind the closing one; *to is the end of the text, which begins there too.
static char *unquote(char *at, char *end, bool backslash, char **to) {
  char *out = at;
  while (at < end) {
    if (*at == '"') {
      if (at + 1 == end || at[1] != '"') break;
      at++;
    } else if (backslash && *at == '\\' && at + 1 < end && (at[1] == '"' || at[1] == '\\')) {
      at++;
    }
    *out++ = *at++;
  }
  *to = out;
  return at < end ? at + 1 : end;
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

// Fields between runs of blanks; the row has none at its beginning.
static char *next_word(char **at, char *end, size_t *bytes) {
  char *begin = *at, *p = begin;
  while (p < end && !is_blank(*p)) p++;
  *bytes = (size_t)(p - begin);
  while (p < end && is_blank(*p)) p++;
  *at = p < end ? p : NULL;
  return begin;
}

char *next_field(const log_plan *plan, char **at, char *end, const row_span *row, size_t *bytes) {
  char *begin = *at, *stop, *text_end;
  if (plan->kind == LOG_SPACE) return next_word(at, end, bytes);
  if (row->quoted && begin < end && *begin == '"') {
    stop = unquote(++begin, end, row->backslash, &text_end);
  } else {
    stop = find_separator(plan, begin, end);
    text_end = stop;
  }
  *bytes = (size_t)(text_end - begin);
  *at = stop < end ? stop + plan->separator_bytes : NULL;
  return begin;
}

// ---- rows ----------------------------------------------------------------------------------------------------

static void take_field(log_parser *p, int column, char *text, size_t bytes, log_row *out) {
  if (bytes == 0) return;
  if ((bytes <= PLACEHOLDER_BYTES || p->plan->n_missing > 0) && means_no_value(p, column, text, bytes))
    return;
  text[bytes] = '\0'; // on the separator, the closing quote or the line end
  out->text[column] = text;
  out->bytes[column] = (uint32_t)bytes;
  p->counts.seen |= UINT64_C(1) << column;
  if (!p->ascii_row && !utf8_valid_bytes(text, bytes)) out->reject = LOG_NOT_UTF8;
}

// Plain fields between separators of one byte, by far the most common.
static int64_t split_plain(log_parser *p, char *at, char *end, log_row *out) {
  const log_plan *const plan = p->plan;
  const char separator = plan->separator[0];
  const wanted_field *want = plan->wanted, *const want_end = want + plan->n_wanted;
  int64_t field = 0;
  for (;; field++) {
    char *stop = memchr(at, separator, (size_t)(end - at));
    const bool last = stop == NULL;
    if (last) stop = end;
    for (; want < want_end && want->field == field; want++)
      take_field(p, want->column, at, (size_t)(stop - at), out);
    if (last) return field + 1;
    at = stop + 1;
  }
}

// `row`: where offsets of list values begin.
static status split_any(log_parser *p, const char *row, char *at, char *end, const row_span *span,
                        log_row *out, int64_t *fields) {
  const log_plan *const plan = p->plan;
  const wanted_field *want = plan->wanted, *const want_end = want + plan->n_wanted;
  int64_t field = 0;
  if (plan->range_end > 0) begin_range(p);
  for (; at != NULL; field++) {
    size_t bytes;
    char *text = next_field(plan, &at, end, span, &bytes);
    for (; want < want_end && want->field == field; want++) take_field(p, want->column, text, bytes, out);
    if (field >= plan->range_begin && field < plan->range_end) TRY(add_from_range(p, row, text, bytes, out));
  }
  *fields = field;
  return OK;
}

// The reason to reject a row of too few columns: one that seems to have another separator says so.
static const char *too_few(const log_plan *plan, const char *row, size_t bytes, int64_t fields) {
  static const struct {
    const char *separator, *reason;
  } others[] = {{";", "too few columns; is ';' the separator?"},
                {"\t", "too few columns; is a tab the separator?"},
                {"::", "too few columns; is '::' the separator?"},
                {"|", "too few columns; is '|' the separator?"},
                {",", "too few columns; is ',' the separator?"}};
  if (fields == 1 && bytes > 1 && row[bytes - 1] == ':' && strspn(row, "0123456789") == bytes - 1)
    return "too few columns; a number and a colon, as where Netflix's files name the film of the lines that "
           "follow: make it a column of theirs";
  for (size_t i = 0; fields == 1 && plan->kind != LOG_SPACE && i < sizeof others / sizeof *others; i++)
    if (memmem(row, bytes, others[i].separator, strlen(others[i].separator)) != NULL) return others[i].reason;
  return "too few columns";
}

status split_fields(log_parser *p, char *row, const row_span *span, log_row *out) {
  const log_plan *const plan = p->plan;
  char *at = row, *const end = row + span->bytes;
  int64_t fields;
  p->ascii_row = p->ascii || utf8_is_ascii(row, span->bytes);
  if (plan->kind != LOG_SPACE && !span->quoted && plan->separator_bytes == 1 && plan->range_end == 0) {
    fields = split_plain(p, row, end, out);
  } else {
    while (plan->kind == LOG_SPACE && at < end && is_blank(*at)) at++;
    TRY(split_any(p, row, at, end, span, out, &fields));
  }
  if (span->backslash) count_finding(p, FOUND_BACKSLASH);
  if (fields < plan->fields_needed)
    out->reject = too_few(plan, row, span->bytes, fields);
  else if (plan->fields_expected > 0 && fields != plan->fields_expected)
    count_finding(p, FOUND_UNEVEN);
  return OK;
}
