// souk inspect FILE: prints what any file that Souk writes holds.
//
// The file may come from anybody, so a child process (child.h) reads it and sends json, which this process prints.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/child.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/terminal.h"
#include "cmd/cmd.h"
#include "inspect/inspect.h"
#include "prepare/prepare.h"
#include "format/printable.h"
#include "train/config.h"

enum { MAX_ANSWER = 256 << 20, COLUMNS = 16, CELL = 400, SECONDS = 3600 };

typedef struct inspect_flags {
  bool json, verify;
  int64_t rows;
} inspect_flags;

static const option flag_options[] = {
    {"json", OPT_BOOL, offsetof(inspect_flags, json), "false", 0, 0, NULL, "print json, for programs"},
    {"verify", OPT_BOOL, offsetof(inspect_flags, verify), "true", 0, 0, NULL,
     "check the checksums of a directory's files"},
    {"rows", OPT_INT, offsetof(inspect_flags, rows), "3", 0, 1000, NULL, "sequences, rows or tokens to show"},
};

// ---- the child -----------------------------------------------------------------------------------------------

typedef struct answer_head {
  int32_t rc;
  uint64_t bytes; // of json, or of the message
} answer_head;

static void serve(void *self, int channel) {
  const inspect_request *q = self;
  child_time_limit(SECONDS);
  json_t *j = NULL;
  status rc = inspect(q, &j);
  char *text = rc == OK ? json_dumps(j, JSON_COMPACT) : NULL;
  if (rc == OK && text == NULL) rc = fail(ERR_FORMAT, "%s sent names that are not text", q->path);
  const char *send = rc == OK ? text : fail_message();
  const answer_head head = {(int32_t)rc, strlen(send)};
  if (channel_write(channel, &head, sizeof head)) channel_write(channel, send, strlen(send));
  free(text);
  json_decref(j);
}

static status ask(const inspect_request *q, json_t **out) {
  child *c;
  char what[400], *text = NULL;
  answer_head head;
  json_t *j = NULL;
  snprintf(what, sizeof what, "the process that reads %.300s", q->path);
  TRY(child_start(&c, what, serve, (void *)(uintptr_t)q));
  status rc;
  TRY_GOTO(child_receive(c, &head, sizeof head), done);
  if (head.bytes > MAX_ANSWER || head.rc < OK || head.rc >= STATUS_COUNT) {
    rc = fail(ERR_FORMAT, "%s sent an invalid reply", what);
    goto done;
  }
  TRY_GOTO(mem_new(&text, (size_t)head.bytes + 1, 1, "an answer"), done);
  TRY_GOTO(child_receive(c, text, (size_t)head.bytes), done);
  if (head.rc != OK) {
    rc = fail((status)head.rc, "%s", text);
    goto done;
  }
  j = json_loadb(text, (size_t)head.bytes, 0, NULL);
  if (!json_is_object(j)) {
    rc = fail(ERR_FORMAT, "%s sent an invalid reply", what);
    goto done;
  }
  *out = json_incref(j);
done:
  json_decref(j);
  free(text);
  child_stop(c);
  return rc;
}

// ---- configurations ------------------------------------------------------------------------------------------

// A text that is none of the known kinds may be a configuration of a run, or of souk prepare.
static status read_configuration(const char *path, json_t *j) {
  static run_config run;
  static prepare_config prepare;
  option_section sections[RUN_SECTIONS + 4];
  option_set set = {.sections = sections};
  char *text = NULL;
  set.count = run_sections(&run, sections);
  TRY(options_defaults(&set));
  const char *kind = "configuration of a run";
  status rc = options_yaml(&set, path);
  if (rc != OK) {
    failure as_run;
    failure_keep(&as_run, rc);
    kind = "configuration of souk prepare";
    set.count = prepare_sections(&prepare, sections);
    TRY(options_defaults(&set));
    rc = options_yaml(&set, path);
    if (rc != OK)
      return fail(ERR_FORMAT, "%s is of no known kind, and not a valid configuration either: %s", path,
                  as_run.message);
  }
  TRY(options_dump(&set, &text));
  json_object_clear(j);
  json_object_set_new(j, "kind", json_string(kind));
  json_object_set_new(j, "config", json_string(text));
  free(text);
  return OK;
}

// ---- printing ------------------------------------------------------------------------------------------------

static const char *scalar_text(const char *key, const json_t *v, char buf[CELL]) {
  char size[32];
  if (json_is_string(v))
    printable(buf, CELL, json_string_value(v), "\t");
  else if (json_is_integer(v) && strstr(key, "bytes") != NULL && json_integer_value(v) >= 10240)
    snprintf(buf, CELL, "%s", human_bytes(size, (double)json_integer_value(v)));
  else if (json_is_integer(v))
    snprintf(buf, CELL, "%lld", (long long)json_integer_value(v));
  else if (json_is_real(v))
    snprintf(buf, CELL, "%.6g", json_real_value(v));
  else
    snprintf(buf, CELL, "%s", json_is_true(v) ? "yes" : json_is_false(v) ? "no" : "none");
  return buf;
}

// An object inside a cell: line 3, text "a,b".
static const char *object_text(const json_t *object, char buf[CELL]) {
  char part[CELL], text[CELL];
  const char *key;
  json_t *v;
  buf[0] = '\0';
  json_object_foreach((json_t *)(uintptr_t)object, key, v) {
    const char *mark = json_is_string(v) ? "\"" : "";
    const int n = snprintf(part, CELL, "%s%s %s%s%s", buf[0] != '\0' ? ", " : "", key, mark,
                           scalar_text(key, v, text), mark);
    if (n < 0 || (size_t)n >= CELL - strlen(buf)) break;
    strcat(buf, part);
  }
  return buf;
}

static bool is_flat(const json_t *array) { // of scalars, and short
  size_t i;
  json_t *v;
  json_array_foreach((json_t *)(uintptr_t)array, i,
                     v) if (json_is_object(v) || json_is_array(v) ||
                            (json_is_string(v) && json_string_length(v) > 60)) return false;
  return true;
}

static const char *cell_text(const char *key, const json_t *v, char buf[CELL]) {
  if (!json_is_array(v)) return scalar_text(key, v, buf);
  size_t i, used = 0;
  json_t *x;
  char part[CELL];
  buf[0] = '\0';
  json_array_foreach((json_t *)(uintptr_t)v, i, x) {
    const char *gap = i == 0 ? "" : strcmp(key, "shape") == 0 ? " x " : json_is_object(x) ? "; " : ", ";
    const int n = snprintf(buf + used, CELL - used, "%s%s", gap,
                           json_is_object(x) ? object_text(x, part) : scalar_text("", x, part));
    if (n < 0 || (size_t)n >= CELL - used) break;
    used += (size_t)n;
  }
  return buf;
}

// Prints objects with similar keys as a table, one object a line.
static void print_table(FILE *to, const json_t *table, int indent) {
  const char *keys[COLUMNS];
  int widths[COLUMNS], n = 0;
  size_t i;
  json_t *row, *v;
  const char *key;
  char buf[CELL];
  json_array_foreach((json_t *)(uintptr_t)table, i, row) {
    json_object_foreach(row, key, v) {
      int k = 0;
      while (k < n && strcmp(keys[k], key) != 0) k++;
      if (k == n && n < COLUMNS) {
        keys[n] = key;
        widths[n++] = text_columns(key);
      }
      const int w = k < COLUMNS ? text_columns(cell_text(key, v, buf)) : 0;
      if (k < n && w > widths[k]) widths[k] = w;
    }
  }
  for (int64_t line = -1; line < (int64_t)json_array_size(table); line++) {
    fprintf(to, "%*s", indent, "");
    for (int k = 0; k < n; k++) {
      const json_t *cell = line < 0 ? NULL : json_object_get(json_array_get(table, (size_t)line), keys[k]);
      const char *text = line < 0 ? keys[k] : cell != NULL ? cell_text(keys[k], cell, buf) : "";
      const int pad = widths[k] - text_columns(text);
      if (json_is_number(cell)) fprintf(to, "%*s", pad, "");
      fprintf(to, "%s", text);
      if (!json_is_number(cell) && k + 1 < n) fprintf(to, "%*s", pad, "");
      if (k + 1 < n) fprintf(to, "  ");
    }
    fprintf(to, "\n");
  }
}

static void print_object(FILE *to, const json_t *j, int indent);

static void print_value(FILE *to, const char *key, const json_t *v, int indent) {
  char buf[CELL];
  size_t i;
  json_t *x;
  if (json_is_object(v)) {
    fprintf(to, "%*s%s\n", indent, "", key);
    print_object(to, v, indent + 2);
  } else if (json_is_array(v) && json_array_size(v) > 0 && json_is_object(json_array_get(v, 0))) {
    fprintf(to, "%*s%s\n", indent, "", key);
    print_table(to, v, indent + 2);
  } else if (json_is_array(v) && !is_flat(v)) {
    fprintf(to, "%*s%s\n", indent, "", key);
    json_array_foreach((json_t *)(uintptr_t)v, i, x)
        fprintf(to, "%*s%s\n", indent + 2, "", cell_text(key, x, buf));
  } else if (json_is_string(v) && strchr(json_string_value(v), '\n') != NULL) {
    fprintf(to, "%*s%s\n", indent, "", key);
    for (const char *p = json_string_value(v); *p != '\0';) {
      const int n = (int)strcspn(p, "\n");
      fprintf(to, "%*s%.*s\n", indent + 2, "", n, p);
      p += n + (p[n] == '\n');
    }
  } else {
    fprintf(to, "%*s%-*s %s\n", indent, "", 20 - indent > 0 ? 20 - indent : 0, key, cell_text(key, v, buf));
  }
}

static void print_object(FILE *to, const json_t *j, int indent) {
  const char *key;
  json_t *v;
  json_object_foreach((json_t *)(uintptr_t)j, key, v) print_value(to, key, v, indent);
}

// The texts are a file's, so their control characters are escaped.
static status print_text(const json_t *j) {
  char *text = NULL;
  size_t bytes;
  FILE *to = open_memstream(&text, &bytes);
  if (to == NULL) return fail(ERR_MEMORY, "out of memory: printing");
  print_object(to, j, 0);
  char *shown = fclose(to) == 0 ? malloc(4 * bytes + 1) : NULL; // a byte becomes at most four
  if (shown != NULL) fputs(printable(shown, 4 * bytes + 1, text, "\t\n"), stdout);
  free(text);
  free(shown);
  return shown != NULL ? OK : fail(ERR_MEMORY, "out of memory: printing");
}

// ---- the command ---------------------------------------------------------------------------------------------

status cmd_inspect(int argc, char **argv) {
  static inspect_flags flags;
  const option_section sections[] = {
      {"", "Options", flag_options, sizeof flag_options / sizeof *flag_options, &flags}};
  const option_set set = {
      .usage = "souk inspect FILE [--json] [--no-verify] [--rows N]",
      .summary = "Prints what a file or directory holds: data sets, shards, vocabularies, checkpoints, "
                 "runs, bundles,\nsafetensors, .npy, HDF5, metrics, configurations, logs. Told apart by "
                 "content, not by name.",
      .sections = sections,
      .count = 1};
  const char *path = NULL;
  size_t n;
  bool help;
  TRY(options_defaults(&set));
  TRY(options_args(&set, argc, argv, &path, 1, &n, &help));
  if (help) return OK;
  if (n == 0) return fail(ERR_ARGUMENT, "souk inspect needs a FILE");
  json_t *j = NULL;
  const inspect_request q = {.path = path, .verify = flags.verify, .rows = flags.rows};
  log_doing("reading %s", path);
  TRY(ask(&q, &j));
  log_status_end();
  status rc = OK;
  const char *kind = json_string_value(json_object_get(j, "kind"));
  if (kind != NULL && strcmp(kind, "text") == 0) rc = read_configuration(path, j);
  if (rc == OK && flags.json) {
    char *text = json_dumps(j, JSON_INDENT(1));
    if (text == NULL) rc = fail(ERR_MEMORY, "out of memory: printing");
    if (text != NULL) puts(text);
    free(text);
  } else if (rc == OK) {
    rc = print_text(j);
  }
  json_decref(j);
  return rc;
}
