// Text files: vocabularies, metrics, json, logs and catalogues, also compressed; see inspect.h.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "inspect/inspect.h"
#include "format/utf8.h"
#include "prepare/log_reader.h"

enum { SHOWN = 500 }; // bytes of a line

// Copies a line for display: shortened, and without bytes that are not text.
static json_t *shown_line(const char *line) {
  char buf[SHOWN + 8];
  const size_t bytes = strlen(line), n = utf8_cut(line, bytes, SHOWN);
  snprintf(buf, sizeof buf, "%.*s%s", (int)n, line, n < bytes ? " ..." : "");
  if (!utf8_valid(buf))
    for (char *p = buf; *p != '\0'; p++)
      if ((unsigned char)*p >= 0x80) *p = '?';
  return json_string(buf);
}

// ---- vocab.tsv -----------------------------------------------------------------------------------------------

static status inspect_vocab(const inspect_request *q, line_reader *lines, json_t *out) {
  TRY(inspect_begin(out, "vocabulary", q->path));
  json_t *first = json_array(), *last = json_array();
  int64_t n = 1, counted = 0, total = 0; // the first line is read
  json_array_append_new(first, json_string("[PAD]\t0"));
  status rc = OK;
  for (;;) {
    char *line;
    size_t bytes;
    bool end;
    rc = lines_next(lines, &line, &bytes, &end);
    if (rc != OK || end) break;
    char *tab = strrchr(line, '\t'), *stop = NULL;
    const long long count = tab != NULL ? strtoll(tab + 1, &stop, 10) : 0;
    if (tab == NULL || stop == tab + 1 || *stop != '\0' || count < 0 ||
        __builtin_add_overflow(total, (int64_t)count, &total)) {
      rc = fail(ERR_FORMAT, "%s line %lld: TOKEN <tab> COUNT is expected", q->path,
                (long long)lines_number(lines));
      break;
    }
    n++;
    counted += count > 0;
    if (n <= 5 + q->rows) json_array_append_new(first, shown_line(line));
    json_array_append_new(last, shown_line(line));
    if ((int64_t)json_array_size(last) > q->rows) json_array_remove(last, 0);
  }
  json_object_set_new(out, "tokens", json_integer(n));
  json_object_set_new(out, "with_occurrences", json_integer(counted));
  json_object_set_new(out, "occurrences", json_integer(total));
  json_object_set_new(out, "first", first);
  json_object_set_new(out, "last", last);
  return rc;
}

// ---- metrics.jsonl -------------------------------------------------------------------------------------------

static double number(const json_t *j, const char *key) {
  return json_number_value(json_object_get(j, key));
}

// Keeps the newest line of each kind, and the best validation.
static void take_metrics(json_t *out, const json_t *j, const char *kind) {
  char key[64];
  snprintf(key, sizeof key, "last_%.40s", kind);
  json_object_set(out, key, (json_t *)(uintptr_t)j);
  if (strcmp(kind, "valid") != 0) return;
  const json_t *best = json_object_get(out, "best_valid");
  const bool ranked = json_object_get(j, "ndcg@10") != NULL;
  const bool better =
      ranked ? number(j, "ndcg@10") > number(best, "ndcg@10") : number(j, "loss") < number(best, "loss");
  if (best == NULL || better) json_object_set(out, "best_valid", (json_t *)(uintptr_t)j);
}

static status inspect_metrics(const inspect_request *q, line_reader *lines, json_t *first, json_t *out) {
  TRY(inspect_begin(out, "metrics of a run", q->path));
  json_t *counts = json_object();
  json_object_set_new(out, "lines", counts);
  status rc = OK;
  for (json_t *j = json_incref(first);;) {
    const char *kind = json_string_value(json_object_get(j, "kind"));
    if (kind != NULL) {
      json_object_set_new(counts, kind, json_integer(1 + json_integer_value(json_object_get(counts, kind))));
      take_metrics(out, j, kind);
    }
    json_decref(j);
    char *line;
    size_t bytes;
    bool end;
    rc = lines_next(lines, &line, &bytes, &end);
    if (rc != OK || end) break;
    json_error_t error;
    j = json_loadb(line, bytes, 0, &error);
    if (j == NULL) { // the last line of a killed run may be cut
      json_object_set_new(out, "unreadable_line", json_integer(lines_number(lines)));
    }
  }
  return rc;
}

// ---- tables --------------------------------------------------------------------------------------------------

// Shows the beginning of a log or catalogue. The number of rows is left out, because long files are not read to the
// end.
static status inspect_table(const inspect_request *q, line_reader *lines, char *first, const char *kind,
                            json_t *out) {
  TRY(inspect_begin(out, kind, q->path));
  json_t *rows = json_array();
  json_object_set_new(out, "first", rows);
  json_array_append_new(rows, shown_line(first));
  for (int64_t i = 0; i < q->rows; i++) {
    char *line;
    size_t bytes;
    bool end;
    TRY(lines_next(lines, &line, &bytes, &end));
    if (end) break;
    json_array_append_new(rows, shown_line(line));
  }
  return OK;
}

// The whole file as one json value.
static status inspect_json(const inspect_request *q, json_t *out) {
  json_t *j;
  TRY(read_json(q->path, &j));
  const json_t *schema = json_object_get(j, "schema");
  char kind[128];
  snprintf(kind, sizeof kind, "json%s%s", json_is_string(schema) ? ": " : "",
           json_is_string(schema) ? json_string_value(schema) : "");
  TRY(inspect_begin(out, kind, q->path));
  json_object_set_new(out, "content", j);
  return OK;
}

// ---- choice --------------------------------------------------------------------------------------------------

static bool control_characters(const char *line) {
  for (; *line != '\0'; line++)
    if ((unsigned char)*line < 32 && !isspace((unsigned char)*line)) return true;
  return false;
}

// The kind of a text by its first line: columns with one of the usual separators between them, or else "text".
static const char *kind_of_line(const char *line) {
  static const char *const separators[] = {",", ";", "|", "::"};
  const size_t bytes = strlen(line);
  if (strchr(line, '\t') != NULL) return "tsv";
  if (line[0] == '#' || strstr(line, ": ") != NULL || (bytes > 0 && line[bytes - 1] == ':'))
    return "text"; // a configuration, perhaps
  for (size_t i = 0; i < sizeof separators / sizeof *separators; i++)
    if (strstr(line, separators[i]) != NULL) return "csv";
  return "text";
}

// A row of Amazon 2014's, say, which json_loads does not read.
static bool is_python_dict(const char *line) {
  return strncmp(line, "{'", 2) == 0 || strncmp(line, "{u'", 3) == 0;
}

static status choose(const inspect_request *q, line_reader *lines, json_t *out) {
  char *line;
  size_t bytes;
  bool end;
  do { // up to the first line that says something
    if (lines_next(lines, &line, &bytes, &end) != OK) return fail_prefix(ERR_FORMAT, "no file of Souk's");
  } while (!end && line[strspn(line, " \t")] == '\0');
  if (end) return fail(ERR_FORMAT, "%s holds nothing but empty lines", q->path);
  if (strncmp(line, "\xEF\xBB\xBF", 3) == 0) line += 3;
  if (strcmp(line, "[PAD]\t0") == 0) return inspect_vocab(q, lines, out);
  if (control_characters(line))
    return fail(ERR_FORMAT, "%s is not a file that Souk knows: it is not text and has no known format",
                q->path);
  if (line[0] == '{' || line[0] == '[') {
    json_t *j = json_loads(line, 0, NULL);
    if (j == NULL && is_python_dict(line)) {
      char row[SHOWN + 1];
      snprintf(row, sizeof row, "%s", line);
      return inspect_table(q, lines, row, "jsonl (Python dicts)", out);
    }
    if (!json_is_object(j)) {
      json_decref(j);
      return inspect_json(q, out);
    }
    status rc;
    char *copy = json_dumps(j, JSON_COMPACT);
    if (copy == NULL)
      rc = fail(ERR_MEMORY, "out of memory: inspecting %s", q->path);
    else if (json_is_string(json_object_get(j, "kind")) && json_is_integer(json_object_get(j, "step")))
      rc = inspect_metrics(q, lines, j, out);
    else if (json_object_get(j, "schema") != NULL)
      rc = inspect_json(q, out);
    else
      rc = inspect_table(q, lines, copy,
                         json_is_string(json_object_get(j, "item")) ? "catalogue (jsonl)" : "jsonl", out);
    free(copy);
    json_decref(j);
    return rc;
  }
  char shown[SHOWN + 1]; // a copy: the reader's line is only valid until the next one
  snprintf(shown, sizeof shown, "%s", line);
  const char *kind = kind_of_line(shown);
  if (strcmp(kind, "text") == 0 && !utf8_valid(line))
    return fail(ERR_FORMAT,
                "%s is not a file that Souk knows: it is not text in UTF-8 and has no known format", q->path);
  return inspect_table(q, lines, shown, kind, out);
}

status inspect_text(const inspect_request *q, json_t *out) {
  line_reader *lines;
  TRY(lines_open_input(&lines, q->path, MAX_LINE, NULL));
  const status rc = choose(q, lines, out);
  lines_close(lines);
  return rc;
}
