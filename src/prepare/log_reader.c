// Rows of logs; see log_reader.h. A row is copied once and split into fields in place.
#include "prepare/log_reader.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "base/path_kind.h"
#include "format/utf8.h"

enum { MAX_FIELDS = 4096, EXCERPT = 120 };

struct log_reader {
  line_reader *lines;
  char *path;
  log_kind kind;
  int n;
  char *names[MAX_COLUMNS]; // wanted; NULL none
  int field[MAX_COLUMNS];   // its place in a row, -1 none
  int fields_needed;
  int64_t line; // of the row
  char *row;    // a working copy; quoted fields may span lines
  size_t row_cap, row_bytes;
  int row_lines;
  char *pushed; // lines that were read ahead and given back: pushed[at, bytes), each ended by '\n'
  size_t pushed_cap, pushed_at, pushed_bytes;
  int64_t next_line;
  char *field_at[MAX_FIELDS];
  json_t *json;
  char number[MAX_COLUMNS][32];
  char excerpt[EXCERPT + 4];
};

// ---- text ----------------------------------------------------------------------------------------------------

// The row's beginning, cut between characters; bytes that are not UTF-8 become '?'.
static void take_excerpt(log_reader *r) {
  const char *p = r->row;
  size_t at = 0;
  while (*p != '\0') {
    const size_t n = utf8_length(p, strnlen(p, 4));
    if (at + (n > 0 ? n : 1) > EXCERPT) break;
    if (n == 0) {
      r->excerpt[at++] = '?';
      p++;
    } else {
      memcpy(r->excerpt + at, p, n);
      at += n;
      p += n;
    }
  }
  r->excerpt[at] = '\0';
}

// ---- lines ---------------------------------------------------------------------------------------------------

// The next physical line: one that was pushed back, or a new one.
static status next_line(log_reader *r, bool append, bool *end) {
  char *line;
  size_t bytes;
  if (r->pushed_at < r->pushed_bytes) {
    line = r->pushed + r->pushed_at;
    bytes = (size_t)((char *)memchr(line, '\n', r->pushed_bytes - r->pushed_at) - line);
    r->pushed_at += bytes + 1;
    *end = false;
  } else {
    TRY(lines_next(r->lines, &line, &bytes, end));
    if (*end) return OK;
  }
  r->next_line++;
  const size_t at = append ? r->row_bytes + 1 : 0;
  TRY(mem_grow(&r->row, &r->row_cap, at + bytes + 1, 1, "a row"));
  if (append) r->row[at - 1] = '\n';
  memcpy(r->row + at, line, bytes);
  r->row[at + bytes] = '\0';
  r->row_bytes = at + bytes;
  if (!append) r->line = r->next_line;
  return OK;
}

// Keeps the first line of the row and gives the others back, in front of lines that were given back earlier.
static status push_back(log_reader *r) {
  char *rest = strchr(r->row, '\n');
  if (rest == NULL) return OK;
  const size_t bytes = r->row_bytes - (size_t)(rest + 1 - r->row) + 1; // with a '\n' at the end
  const size_t unread = r->pushed_bytes - r->pushed_at;
  TRY(mem_grow(&r->pushed, &r->pushed_cap, bytes + unread, 1, "rows read ahead"));
  if (unread > 0) memmove(r->pushed + bytes, r->pushed + r->pushed_at, unread);
  memcpy(r->pushed, rest + 1, bytes - 1);
  r->pushed[bytes - 1] = '\n';
  r->pushed_at = 0;
  r->pushed_bytes = bytes + unread;
  r->next_line = r->line;
  *rest = '\0';
  r->row_bytes = (size_t)(rest - r->row);
  return OK;
}

// The state of the row's quotes after scanning from *at, given the state before.
typedef enum quote_state { FIELD_START, UNQUOTED, QUOTED, QUOTE_IN_QUOTED, BROKEN } quote_state;
static void scan_quotes(const log_reader *r, size_t *at, quote_state *state) {
  for (; *at < r->row_bytes && *state != BROKEN; (*at)++) {
    const char c = r->row[*at];
    switch (*state) {
    case FIELD_START:
      *state = c == '"' ? QUOTED : c == ',' ? FIELD_START : UNQUOTED;
      break;
    case UNQUOTED: {
      const char *comma = memchr(r->row + *at, ',', r->row_bytes - *at);
      *at = comma != NULL ? (size_t)(comma - r->row) : r->row_bytes - 1;
      if (comma != NULL) *state = FIELD_START;
      break;
    }
    case QUOTED:
      if (c == '"') *state = QUOTE_IN_QUOTED;
      break;
    case QUOTE_IN_QUOTED: // doubled, or the end of the field
      *state = c == '"' ? QUOTED : c == ',' ? FIELD_START : BROKEN;
      break;
    case BROKEN:
      break;
    }
  }
}

static bool blank(const log_reader *r) {
  return r->row[r->kind == LOG_SPACE ? strspn(r->row, " \t") : 0] == '\0';
}

static status read_row(log_reader *r, const char **reject, bool *end) {
  const bool first = r->next_line == 0;
  do {
    TRY(next_line(r, false, end));
    if (*end) return OK;
    if (first && r->line == 1 && strncmp(r->row, "\xEF\xBB\xBF", 3) == 0) {
      r->row_bytes -= 3;
      memmove(r->row, r->row + 3, r->row_bytes + 1);
    }
  } while (blank(r));
  if (r->kind != LOG_CSV || memchr(r->row, '"', r->row_bytes) == NULL) return OK;
  size_t at = 0;
  quote_state state = FIELD_START;
  for (int lines = 1;; lines++) {
    bool over = lines == MAX_ROW_LINES || r->row_bytes >= MAX_LINE;
    scan_quotes(r, &at, &state);
    if (state == QUOTED && !over) TRY(next_line(r, true, &over));
    if (state == QUOTED && !over) continue;
    if (state == QUOTED) *reject = "a quote that is not closed";
    if (state == BROKEN) *reject = "broken quotes";
    return *reject != NULL ? push_back(r) : OK;
  }
}

// ---- fields --------------------------------------------------------------------------------------------------

// Splits the row in place. Returns the number of fields, or -1 for misplaced quotes or too many fields.
static int split_csv(log_reader *r) {
  char *p = r->row;
  int n = 0;
  for (;;) {
    if (n == MAX_FIELDS) return -1;
    r->field_at[n++] = p;
    char *to = p;
    if (*p == '"') {
      for (p++; *p != '\0'; p++) {
        if (*p == '"' && p[1] != '"') break;
        if (*p == '"') p++;
        *to++ = *p;
      }
      if (*p != '"' || (p[1] != ',' && p[1] != '\0')) return -1;
      p++;
    } else {
      p += strcspn(p, ",");
      to = p;
    }
    const char stop = *p;
    *to = '\0';
    if (stop == '\0') return n;
    p++;
  }
}

static int split_plain(log_reader *r, bool runs) {
  const char *const set = runs ? " \t" : "\t";
  char *p = r->row;
  int n = 0;
  if (runs) p += strspn(p, set);
  for (;;) {
    if (n == MAX_FIELDS) return -1;
    r->field_at[n++] = p;
    p += strcspn(p, set);
    if (*p == '\0') return n;
    *p++ = '\0';
    if (runs) p += strspn(p, set);
    if (runs && *p == '\0') return n;
  }
}

static int split_row(log_reader *r) {
  if (r->kind == LOG_CSV) return split_csv(r);
  return split_plain(r, r->kind == LOG_SPACE);
}

static int number_of(const char *name) {
  char *end;
  const long k = strtol(name, &end, 10);
  return *name != '\0' && *end == '\0' && k >= 1 && k <= MAX_FIELDS ? (int)k : 0;
}

static status read_header(log_reader *r) {
  bool end;
  const char *reject = NULL;
  TRY(read_row(r, &reject, &end));
  if (end) return fail(ERR_FORMAT, "%s is empty: a header line is expected", r->path);
  const int n = reject == NULL ? split_row(r) : -1;
  if (n < 0)
    return fail(ERR_FORMAT, "%s line %lld: the header's quotes are broken", r->path, (long long)r->line);
  for (int i = 0; i < r->n; i++) {
    if (r->names[i] == NULL) continue;
    for (int k = 0; k < n && r->field[i] < 0; k++) {
      const size_t bare = strcspn(r->field_at[k], ":");
      if (strcmp(r->field_at[k], r->names[i]) == 0 ||
          (bare == strlen(r->names[i]) && strncmp(r->field_at[k], r->names[i], bare) == 0))
        r->field[i] = k;
    }
    if (r->field[i] < 0 && number_of(r->names[i]) > 0 && number_of(r->names[i]) <= n)
      r->field[i] = number_of(r->names[i]) - 1;
    if (r->field[i] < 0) {
      char list[512] = "";
      for (int k = 0; k < n && strlen(list) + strlen(r->field_at[k]) + 4 < sizeof list; k++) {
        strcat(list, k > 0 ? ", " : "");
        strcat(list, r->field_at[k]);
      }
      return fail(ERR_FORMAT, "%s has no column \"%s\"; its columns are: %s", r->path, r->names[i], list);
    }
  }
  return OK;
}

status log_open(log_reader **out, const char *path, log_kind kind, bool header, const char *const *columns,
                int n) {
  *out = NULL;
  log_reader *r;
  TRY(mem_new(&r, 1, sizeof *r, "a log reader"));
  status rc;
  r->kind = kind;
  r->n = n;
  TRY_GOTO(mem_strdup(&r->path, path), bad);
  if (dir_exists(path)) TRY_GOTO(path_check(path, PATH_FILE), bad);
  TRY_GOTO(lines_open_input(&r->lines, path, MAX_LINE, NULL), bad);
  for (int i = 0; i < n; i++) {
    r->field[i] = -1;
    if (columns[i][0] != '\0') TRY_GOTO(mem_strdup(&r->names[i], columns[i]), bad);
  }
  if (kind != LOG_JSONL && header) TRY_GOTO(read_header(r), bad);
  for (int i = 0; i < n; i++) {
    if (kind != LOG_JSONL && !header && r->names[i] != NULL) {
      r->field[i] = number_of(r->names[i]) - 1;
      if (r->field[i] < 0) {
        rc = fail(ERR_ARGUMENT, "%s has no header, so columns are numbers from 1, not \"%s\"", path,
                  r->names[i]);
        goto bad;
      }
    }
    if (r->field[i] >= r->fields_needed) r->fields_needed = r->field[i] + 1;
  }
  *out = r;
  return OK;
bad:
  log_close(r);
  return rc;
}

// A key of the object, or, with dots, of an object inside it.
static const json_t *json_find(const json_t *object, const char *name) {
  const json_t *found = json_object_get(object, name);
  const char *dot = strchr(name, '.');
  if (found != NULL || dot == NULL || dot == name || dot - name > 200) return found;
  char part[256];
  memcpy(part, name, (size_t)(dot - name));
  part[dot - name] = '\0';
  const json_t *inner = json_object_get(object, part);
  return inner != NULL ? json_find(inner, dot + 1) : NULL;
}

static const char *json_text(log_reader *r, int i, const json_t *value) {
  if (json_is_string(value)) return json_string_value(value);
  if (json_is_integer(value))
    snprintf(r->number[i], sizeof r->number[i], "%lld", (long long)json_integer_value(value));
  else if (json_is_real(value))
    snprintf(r->number[i], sizeof r->number[i], "%.17g", json_real_value(value));
  else if (json_is_boolean(value))
    snprintf(r->number[i], sizeof r->number[i], "%s", json_is_true(value) ? "true" : "false");
  else
    return NULL;
  return r->number[i];
}

status log_next(log_reader *r, const char **values, const char **reject, bool *end) {
  *reject = NULL;
  TRY(read_row(r, reject, end));
  if (*end) return OK;
  take_excerpt(r);
  for (int i = 0; i < r->n; i++) values[i] = NULL;
  if (*reject != NULL) return OK;
  if (r->kind == LOG_JSONL) {
    json_decref(r->json);
    r->json = json_loadb(r->row, r->row_bytes, 0, NULL);
    if (!json_is_object(r->json)) {
      *reject = r->json == NULL ? "not valid json" : "not a json object";
      return OK;
    }
    for (int i = 0; i < r->n; i++)
      if (r->names[i] != NULL) values[i] = json_text(r, i, json_find(r->json, r->names[i]));
  } else {
    const int n = split_row(r);
    if (n < 0)
      *reject = "broken quotes";
    else if (n < r->fields_needed)
      *reject = "too few columns";
    if (*reject != NULL) return OK;
    for (int i = 0; i < r->n; i++) {
      if (r->field[i] < 0) continue;
      values[i] = r->field_at[r->field[i]];
      if (!utf8_valid(values[i])) *reject = "text that is not UTF-8";
    }
  }
  for (int i = 0; i < r->n; i++)
    if (values[i] != NULL && values[i][0] == '\0') values[i] = NULL;
  return OK;
}

int64_t log_line(const log_reader *r) {
  return r->line;
}
const char *log_row_text(const log_reader *r) {
  return r->excerpt;
}
double log_progress(const log_reader *r) {
  return lines_progress(r->lines);
}

void log_close(log_reader *r) {
  if (r == NULL) return;
  lines_close(r->lines);
  json_decref(r->json);
  for (int i = 0; i < r->n; i++) free(r->names[i]);
  free(r->path);
  free(r->row);
  free(r->pushed);
  free(r);
}
