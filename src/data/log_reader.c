// Rows of logs; see log_reader.h. A row is copied once and cut in place.
#include "data/log_reader.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"

enum { MAX_FIELDS = 4096, EXCERPT = 120 };

struct log_reader {
  line_reader *lines;
  char *path;
  log_kind kind;
  int n;
  char *names[MAX_COLUMNS]; // wanted; NULL none
  int field[MAX_COLUMNS];   // its place in a row, -1 none
  int fields_needed;
  char *row; // a working copy; quoted fields may span lines
  size_t row_cap, row_bytes;
  char *field_at[MAX_FIELDS];
  json_t *json;
  char number[MAX_COLUMNS][32];
  char excerpt[EXCERPT + 4];
};

static status next_line(log_reader *r, bool append, bool *end) {
  char *line;
  size_t bytes;
  TRY(lines_next(r->lines, &line, &bytes, end));
  if (*end) return OK;
  const size_t at = append ? r->row_bytes + 1 : 0;
  if (at + bytes > MAX_LINE)
    return fail(ERR_FORMAT, "%s line %lld: the row is too long", r->path, (long long)lines_number(r->lines));
  TRY(mem_grow(&r->row, &r->row_cap, at + bytes + 1, 1, "a row"));
  if (append) r->row[at - 1] = '\n';
  memcpy(r->row + at, line, bytes + 1);
  r->row_bytes = at + bytes;
  return OK;
}

// Is a quoted field open at the end of the row?
static bool quote_open(const log_reader *r) {
  bool open = false;
  for (size_t i = 0; i < r->row_bytes; i++) open ^= r->row[i] == '"';
  return open;
}

// Cuts the row in place. Returns the number of fields, or -1 for misplaced quotes or too many fields.
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

static status read_row(log_reader *r, bool *end) {
  TRY(next_line(r, false, end));
  while (!*end && r->kind == LOG_CSV && quote_open(r)) {
    TRY(next_line(r, true, end));
    if (*end) {
      *end = false; // the row stays broken and is rejected by split_csv
      break;
    }
  }
  return OK;
}

static int number_of(const char *name) {
  char *end;
  const long k = strtol(name, &end, 10);
  return *name != '\0' && *end == '\0' && k >= 1 && k <= MAX_FIELDS ? (int)k : 0;
}

static status read_header(log_reader *r) {
  bool end;
  TRY(read_row(r, &end));
  if (end) return fail(ERR_FORMAT, "%s is empty: a header line is wanted", r->path);
  if (strncmp(r->row, "\xEF\xBB\xBF", 3) == 0) memmove(r->row, r->row + 3, r->row_bytes - 2);
  const int n = split_row(r);
  if (n < 0) return fail(ERR_FORMAT, "%s line 1: the header's quotes are broken", r->path);
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
  TRY_GOTO(lines_open(&r->lines, path, MAX_LINE), bad);
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

static const char *json_text(log_reader *r, int i, const json_t *value) {
  if (json_is_string(value)) return json_string_value(value);
  if (json_is_integer(value))
    snprintf(r->number[i], sizeof r->number[i], "%lld", (long long)json_integer_value(value));
  else if (json_is_real(value))
    snprintf(r->number[i], sizeof r->number[i], "%.17g", json_real_value(value));
  else
    return NULL;
  return r->number[i];
}

status log_next(log_reader *r, const char **values, const char **reject, bool *end) {
  *reject = NULL;
  TRY(read_row(r, end));
  if (*end) return OK;
  snprintf(r->excerpt, sizeof r->excerpt, "%.*s", EXCERPT, r->row);
  for (int i = 0; i < r->n; i++) values[i] = NULL;
  if (r->kind == LOG_JSONL) {
    json_decref(r->json);
    r->json = json_loadb(r->row, r->row_bytes, 0, NULL);
    if (!json_is_object(r->json)) {
      *reject = "not a json object";
      return OK;
    }
    for (int i = 0; i < r->n; i++)
      if (r->names[i] != NULL) values[i] = json_text(r, i, json_object_get(r->json, r->names[i]));
  } else {
    const int n = split_row(r);
    if (n < 0)
      *reject = "broken quotes";
    else if (n < r->fields_needed)
      *reject = "too few columns";
    if (*reject != NULL) return OK;
    for (int i = 0; i < r->n; i++)
      if (r->field[i] >= 0) values[i] = r->field_at[r->field[i]];
  }
  for (int i = 0; i < r->n; i++)
    if (values[i] != NULL && values[i][0] == '\0') values[i] = NULL;
  return OK;
}

int64_t log_line(const log_reader *r) {
  return lines_number(r->lines);
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
  free(r);
}
