// The beginning of a log in columns: which separator it has, and which column is which.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "prepare/log_internal.h"

void add_note(log_notes *notes, const char *format, ...) {
  if (notes->n == NOTES) return;
  va_list args;
  va_start(args, format);
  vsnprintf(notes->text[notes->n++], NOTE_BYTES, format, args);
  va_end(args);
}

// ---- separators ----------------------------------------------------------------------------------------------

// Those that are guessed, the likelier ones first, and names for some.
static const char *const candidates[] = {",", "\t", ";", "::", "|", "\x01"};
enum { CANDIDATES = sizeof candidates / sizeof *candidates };
static const struct {
  const char *name, *separator;
} named[] = {{"tab", "\t"},  {"\\t", "\t"},     {"comma", ","},      {"semicolon", ";"}, {"pipe", "|"},
             {"space", " "}, {"\\x01", "\x01"}, {"\\u0001", "\x01"}, {"\\001", "\x01"},  {"^A", "\x01"}};

static void set_separator(log_plan *plan, const char *separator) {
  snprintf(plan->separator, sizeof plan->separator, "%s", separator);
  plan->separator_bytes = (int)strlen(plan->separator);
}

status read_separator(const char *name, char separator[MAX_SEPARATOR + 1], int *bytes) {
  *bytes = 0;
  if (name == NULL || name[0] == '\0') return OK;
  for (size_t i = 0; i < sizeof named / sizeof *named; i++)
    if (strcmp(name, named[i].name) == 0) name = named[i].separator;
  if (strlen(name) > MAX_SEPARATOR || strpbrk(name, "\"\r\n") != NULL)
    return fail(ERR_ARGUMENT,
                "a separator is a text of up to %d bytes without quotes and line ends, or one of tab, comma, "
                "semicolon, "
                "pipe, space and \\x01, not \"%s\"",
                MAX_SEPARATOR, name);
  *bytes = snprintf(separator, MAX_SEPARATOR + 1, "%s", name);
  return OK;
}

// For messages.
static const char *separator_name(const char *separator, char buf[16]) {
  if (strcmp(separator, "\t") == 0) return "tab";
  if (strcmp(separator, "\x01") == 0) return "\\x01";
  snprintf(buf, 16, "'%s'", separator);
  return buf;
}

// ---- names ---------------------------------------------------------------------------------------------------

typedef struct header {
  char *copy; // of its row, split in place
  char **names;
  int64_t n;
  bool quoted; // names have quotes, which are text here
} header;

static void free_header(header *h) {
  free(h->copy);
  free(h->names);
}

// A name without the space around it and, where quotes are text, without quotes.
static char *trim_name(header *h, char *name, size_t bytes) {
  while (bytes > 0 && (*name == ' ' || *name == '\t')) {
    name++;
    bytes--;
  }
  while (bytes > 0 && (name[bytes - 1] == ' ' || name[bytes - 1] == '\t')) bytes--;
  if (bytes >= 2 && name[0] == '"' && name[bytes - 1] == '"') {
    name++;
    bytes -= 2;
    h->quoted = true;
  }
  name[bytes] = '\0';
  return name;
}

static status split_header(const log_plan *plan, const char *row, const row_span *span, header *h) {
  size_t cap = 0;
  status rc;
  *h = (header){.n = 0};
  TRY(mem_strndup(&h->copy, row, span->bytes));
  char *at = h->copy, *const end = at + span->bytes;
  while (plan->kind == LOG_SPACE && (*at == ' ' || *at == '\t')) at++;
  while (at != NULL) {
    size_t bytes;
    TRY_GOTO(mem_grow(&h->names, &cap, (size_t)h->n + 1, sizeof *h->names, "the names of columns"), bad);
    char *name = next_field(plan, &at, end, span, &bytes);
    h->names[h->n++] = trim_name(h, name, bytes);
  }
  return OK;
bad:
  free_header(h);
  return rc;
}

static int64_t number_of(const char *name) {
  char *end;
  const long k = strtol(name, &end, 10);
  return *name >= '0' && *name <= '9' && *end == '\0' && k >= 1 && k <= MAX_LINE ? k : 0;
}

// A column's place, from 0; -1: there is none. *times: how often the name is there.
static int64_t find_name(const header *h, const char *wanted, int *times) {
  int64_t found = -1;
  *times = 0;
  for (int64_t k = 0; k < h->n; k++) {
    const size_t bare = strcspn(h->names[k], ":");
    const bool typed = bare == strlen(wanted) && strncmp(h->names[k], wanted, bare) == 0;
    if (!typed && strcmp(h->names[k], wanted) != 0) continue;
    if (found < 0) found = k;
    ++*times;
  }
  if (found < 0 && number_of(wanted) > 0 && number_of(wanted) <= h->n) found = number_of(wanted) - 1;
  return found;
}

// The name of a list that is a range of columns is none of a column.
static bool has_column(const log_plan *plan, int i) {
  return plan->names[i] != NULL && !(plan->range_end > 0 && i == plan->lists.column);
}

static bool is_optional(const log_plan *plan, int i) {
  return (plan->optional >> i & 1) != 0;
}

static bool has_all(const log_plan *plan, const header *h) {
  int times;
  for (int i = 0; i < plan->n; i++)
    if (has_column(plan, i) && !is_optional(plan, i) && find_name(h, plan->names[i], &times) < 0)
      return false;
  return true;
}

static void want_field(log_plan *plan, int column, int64_t field) {
  int k = plan->n_wanted++;
  for (; k > 0 && plan->wanted[k - 1].field > field; k--) plan->wanted[k] = plan->wanted[k - 1];
  plan->wanted[k] = (wanted_field){.field = field, .column = column};
  if (field >= plan->fields_needed) plan->fields_needed = field + 1;
}

// ", " and the like between a header's first names.
static void list_names(const header *h, char *list, size_t size) {
  size_t used = 0;
  list[0] = '\0';
  for (int64_t k = 0; k < h->n; k++) {
    const size_t bytes = strlen(h->names[k]);
    if (used + bytes + 16 > size) {
      snprintf(list + used, size - used, ", ... (%lld)", (long long)h->n);
      if (used == 0) snprintf(list, size, "%.*s...", (int)(size - 20), h->names[k]);
      break;
    }
    used += (size_t)snprintf(list + used, size - used, "%s%s", k > 0 ? ", " : "", h->names[k]);
  }
}

// What to set if the names look like something else than a header: several with another separator between them, say.
static void header_hint(const log_plan *plan, const header *h, char *hint, size_t size) {
  const char *first = h->names[0];
  hint[0] = '\0';
  for (int i = 0; h->n == 1 && plan->kind != LOG_SPACE && i < CANDIDATES; i++) {
    char buf[16];
    if (strstr(first, candidates[i]) == NULL || strcmp(candidates[i], plan->separator) == 0) continue;
    const char *name = separator_name(candidates[i], buf);
    snprintf(hint, size, "; if %s is between its columns, set %sformat csv and %sseparator %s", name,
             plan->options, plan->options, name);
    return;
  }
  if (h->n == 1 && strchr(first, ' ') != NULL)
    snprintf(hint, size, "; if spaces are between its columns, set %sformat space", plan->options);
  for (int64_t k = 0; hint[0] == '\0' && k < h->n; k++)
    if (number_of(h->names[k]) > 0)
      snprintf(hint, size, "; if that is no header, set %sheader false and number the columns",
               plan->options);
}

// RecBole's lists are between spaces, and their columns say so.
static void take_list_type(log_plan *plan, const char *name, log_notes *notes) {
  const char *type = strchr(name, ':');
  if (type == NULL || strcmp(type, ":token_seq") != 0 || plan->list_separator_bytes > 0) return;
  plan->list_separator[0] = ' ';
  plan->list_separator_bytes = 1;
  add_note(notes, "\"%.100s\" is a list with spaces between its values, as its type says", name);
}

static status bind_names(log_plan *plan, const header *h, const char *path, log_notes *notes) {
  for (int i = 0; i < plan->n; i++) {
    int times;
    if (!has_column(plan, i)) continue;
    const int64_t field = find_name(h, plan->names[i], &times);
    if (field < 0 && is_optional(plan, i)) continue;
    if (field < 0) {
      char list[512], hint[128];
      list_names(h, list, sizeof list);
      header_hint(plan, h, hint, sizeof hint);
      return fail(ERR_FORMAT, "%s has no column \"%s\"; its columns are: %s%s", path, plan->names[i], list,
                  hint);
    }
    if (times > 1)
      add_note(notes, "%d columns are called \"%.100s\": the first of them is used", times, plan->names[i]);
    want_field(plan, i, field);
    if (plan->has_lists && i == plan->lists.column) take_list_type(plan, h->names[field], notes);
  }
  if (h->quoted && plan->quotes == QUOTES_NONE)
    add_note(notes,
             "names in its header are in quotes, which are text in this format; %squotes double "
             "reads them as quotes",
             plan->options);
  return OK;
}

// ---- guessing ------------------------------------------------------------------------------------------------

// The first row of the file that is not blank, with the separator that is set; *at is `bytes` where there is none. False: more
// text is needed.
static bool first_row(const log_plan *plan, const char *text, size_t bytes, bool last, size_t *at,
                      int64_t *lines, row_span *row) {
  *lines = 0;
  *row = (row_span){.begin = 0};
  for (*at = 0; *at < bytes; *at += row->next) {
    if (!row_scan(plan, text + *at, bytes - *at, last, row)) return false;
    const char *begin = text + *at;
    const size_t space = plan->kind == LOG_SPACE ? strspn(begin, " \t") : 0;
    if (row->reject != NULL || row->bytes > space) return true;
    *lines += row->lines;
  }
  *row = (row_span){.begin = 0};
  return last;
}

// With a header, the separator with which all names are there.
static status guess_by_header(log_plan *plan, const char *text, size_t bytes, bool last, int *best) {
  size_t at;
  int64_t lines;
  row_span row;
  *best = -1;
  for (int i = 0; i < CANDIDATES && *best < 0; i++) {
    set_separator(plan, candidates[i]);
    if (!first_row(plan, text, bytes, last, &at, &lines, &row) || row.reject != NULL) continue;
    header h;
    TRY(split_header(plan, text + at, &row, &h));
    if (has_all(plan, &h)) *best = i;
    free_header(&h);
  }
  return OK;
}

// Without one, the separator with which the first rows have columns enough, and better equally many.
static int guess_by_rows(log_plan *plan, const char *text, size_t bytes, bool last) {
  enum { ROWS = 20 };
  int best = -1, best_score = 0;
  for (int i = 0; i < CANDIDATES; i++) {
    size_t at = 0;
    int64_t first = 0;
    int rows = 0, equal = 0, enough = 0, in_range = 0;
    row_span row;
    set_separator(plan, candidates[i]);
    for (; rows < ROWS && at < bytes && row_scan(plan, text + at, bytes - at, last, &row); at += row.next) {
      if (row.bytes == 0) continue;
      const int64_t fields = row.reject != NULL ? 0 : count_fields(plan, text + at, row.bytes, row.backslash);
      if (rows++ == 0) first = fields;
      equal += fields == first;
      enough += fields >= plan->fields_needed;
      in_range += fields > plan->range_begin;
    }
    const bool fits = plan->range_end > 0 ? in_range > 0 : equal == rows;
    const int score = enough < rows || rows == 0 ? 0 : 1 + fits;
    if (score > best_score) {
      best = i;
      best_score = score;
    }
  }
  return best;
}

static status guess_separator(log_plan *plan, bool has_header, const char *text, size_t bytes, bool last,
                              log_notes *notes) {
  int best;
  char buf[16];
  if (has_header)
    TRY(guess_by_header(plan, text, bytes, last, &best));
  else
    best = guess_by_rows(plan, text, bytes, last);
  set_separator(plan, candidates[best < 0 ? 0 : best]);
  if (best > 0)
    add_note(notes, "%s between the columns was guessed from the %s; %sseparator sets it",
             separator_name(plan->separator, buf), has_header ? "header" : "first rows", plan->options);
  return OK;
}

// ---- the whole -----------------------------------------------------------------------------------------------

static status number_columns(log_plan *plan, const char *path) {
  for (int i = 0; i < plan->n; i++) {
    if (!has_column(plan, i)) continue;
    const int64_t number = number_of(plan->names[i]);
    if (number == 0)
      return fail(ERR_ARGUMENT, "%s has no header, so columns are numbers from 1, not \"%s\"", path,
                  plan->names[i]);
    want_field(plan, i, number - 1);
  }
  return OK;
}

static bool begins_json(const char *text, size_t bytes) {
  return bytes >= 2 && ((text[0] == '{' && memchr("\"'}\n\r ", text[1], 6) != NULL) ||
                        (text[0] == '[' && memchr("{\n\r", text[1], 3) != NULL));
}

static status read_header(log_plan *plan, const char *path, const char *text, size_t bytes, bool last,
                          size_t *used, int64_t *lines, log_notes *notes) {
  size_t at;
  row_span row;
  const bool whole = first_row(plan, text, bytes, last, &at, lines, &row);
  if (whole && at == bytes) return fail(ERR_FORMAT, "%s is empty: a header line is expected", path);
  if (begins_json(text + at, bytes - at))
    return fail(ERR_FORMAT, "%s looks like json, not like a header with names of columns; set %sformat jsonl",
                path, plan->options);
  if (!whole && bytes <= MAX_LINE) // its line is there, so a quote goes on behind it
    row.reject = "a quote that is not closed";
  else if (!whole || row.bytes > MAX_LINE)
    return fail(ERR_FORMAT, "%s line %lld: the header is longer than %d bytes", path, (long long)*lines + 1,
                MAX_LINE);
  if (row.reject != NULL)
    return fail(ERR_FORMAT, "%s line %lld: the header has %s", path, (long long)*lines + 1, row.reject);
  if (memchr(text + at, '\0', row.bytes) != NULL)
    return fail(ERR_FORMAT, "%s line %lld: the header holds a NUL byte", path, (long long)*lines + 1);
  header h;
  TRY(split_header(plan, text + at, &row, &h));
  const status rc = bind_names(plan, &h, path, notes);
  if (plan->range_end == 0) plan->fields_expected = h.n;
  free_header(&h);
  *used = at + row.next;
  *lines += row.lines;
  return rc;
}

// A cell of these formats cannot hold the separator of the columns.
static status check_list_separator(const log_plan *plan, const char *path) {
  const char *columns = plan->kind == LOG_SPACE ? " " : plan->separator;
  if (plan->list_separator_bytes == 0 || plan->quotes != QUOTES_NONE ||
      strcmp(plan->list_separator, columns) != 0)
    return OK;
  return fail(ERR_ARGUMENT,
              "%s: %slist_separator is what stands between the columns too, so no cell can hold a list; "
              "fields.item 2.. makes a list of all columns from the second on",
              path, plan->options);
}

// Without a header, as many columns as the first row has.
static status expect_fields(log_plan *plan, const char *text, size_t bytes, bool last) {
  size_t at;
  int64_t blank;
  row_span row;
  header h;
  if (plan->range_end > 0 || !first_row(plan, text, bytes, last, &at, &blank, &row) || row.reject != NULL ||
      at >= bytes)
    return OK;
  TRY(split_header(plan, text + at, &row, &h));
  plan->fields_expected = h.n;
  free_header(&h);
  return OK;
}

status plan_columns(log_plan *plan, const char *path, bool has_header, const char *text, size_t bytes,
                    bool last, size_t *used, int64_t *lines, log_notes *notes) {
  *used = 0;
  *lines = 0;
  if (!has_header) TRY(number_columns(plan, path));
  if (plan->kind == LOG_TSV && plan->separator_bytes == 0) set_separator(plan, "\t");
  if (plan->kind == LOG_CSV && plan->separator_bytes == 0)
    TRY(guess_separator(plan, has_header, text, bytes, last, notes));
  if (has_header) TRY(read_header(plan, path, text, bytes, last, used, lines, notes));
  TRY(check_list_separator(plan, path));
  if (has_header) return OK;
  return expect_fields(plan, text, bytes, last);
}
