// metrics.jsonl: one object a line, written line by line, so that a killed run loses none.
#include "train/metrics.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/file.h"
#include "base/memory.h"
#include "format/utf8.h"
#include "train/events.h"

struct metric_sink {
  append_file *f;
  event_log *events; // may be NULL
  char path[PATH_MAX];
};

// Should a line stay when the run resumes after `step`? Not if it is incomplete, of a later step, or of kind "end".
static bool keeps(const char *line, size_t bytes, int64_t step) {
  json_t *j = json_loadb(line, bytes, 0, NULL);
  const json_t *s = json_object_get(j, "step");
  const char *kind = json_string_value(json_object_get(j, "kind"));
  const bool keep =
      json_is_integer(s) && json_integer_value(s) <= step && kind != NULL && strcmp(kind, "end") != 0;
  json_decref(j);
  return keep;
}

// Rewrites the file with the lines of steps up to `step`.
static status truncate_after(const char *path, int64_t step) {
  bool there;
  TRY(file_look(path, &there));
  if (!there) return OK;
  line_reader *lines = NULL;
  out_file *out = NULL;
  status rc;
  TRY_GOTO(lines_open(&lines, path, 1 << 20), done);
  TRY_GOTO(out_open(&out, path), done);
  mem_json_failed(); // resets the flag
  for (;;) {
    char *line;
    size_t bytes;
    bool end;
    rc = lines_next(lines, &line, &bytes, &end);
    if (rc == ERR_FORMAT || (rc == OK && end)) break; // after a power cut zeros may follow what was synced
    if (rc != OK) goto done;
    if (keeps(line, bytes, step)) {
      TRY_GOTO(out_printf(out, "%s\n", line), done);
    } else if (mem_json_failed()) {
      rc = fail(ERR_MEMORY, "out of memory: cannot read %s", path);
      goto done;
    }
  }
  rc = out_commit(out);
  out = NULL;
done:
  out_abort(out);
  lines_close(lines);
  return rc;
}

status metrics_found(const char *run_dir, bool *found) {
  char path[PATH_MAX];
  struct stat st;
  TRY(path_join(path, sizeof path, run_dir, "metrics.jsonl"));
  TRY(file_look(path, found));
  *found = *found && stat(path, &st) == 0 && st.st_size > 0;
  return OK;
}

status metrics_keep(const char *run_dir, char kept[32]) {
  char path[PATH_MAX], aside[PATH_MAX];
  bool taken = true;
  TRY(path_join(path, sizeof path, run_dir, "metrics.jsonl"));
  for (int i = 1; taken; i++) {
    snprintf(kept, 32, "metrics.%d.jsonl", i);
    TRY(path_join(aside, sizeof aside, run_dir, kept));
    TRY(file_look(aside, &taken));
  }
  return path_rename(path, aside);
}

status sink_open(metric_sink **out, const char *run_dir, int64_t resume_step, bool tensorboard) {
  *out = NULL;
  metric_sink *s;
  TRY(mem_new(&s, 1, sizeof *s, "the metrics file"));
  status rc = path_join(s->path, sizeof s->path, run_dir, "metrics.jsonl");
  if (rc == OK && resume_step >= 0) rc = truncate_after(s->path, resume_step);
  if (rc == OK) rc = append_open(&s->f, s->path, resume_step < 0 ? APPEND_ANEW : APPEND_TO);
  if (rc == OK && tensorboard) rc = events_open(&s->events, run_dir, resume_step);
  if (rc != OK) {
    append_close(s->f);
    free(s);
    return rc;
  }
  *out = s;
  return OK;
}

static status to_tensorboard(metric_sink *s, const json_t *j) {
  const char *kind = json_string_value(json_object_get(j, "kind")), *name;
  if (s->events == NULL || kind == NULL || (strcmp(kind, "train") != 0 && strcmp(kind, "valid") != 0))
    return OK;
  event_scalar scalars[EVENT_SCALARS];
  char tags[EVENT_SCALARS][EVENT_TAG];
  size_t n = 0;
  json_t *value;
  json_object_foreach((json_t *)j, name, value) {
    if (!json_is_number(value) || strcmp(name, "step") == 0 || n == EVENT_SCALARS) continue;
    const size_t room = EVENT_TAG - 2 - strlen(kind); // a tag is UTF-8 throughout
    snprintf(tags[n], EVENT_TAG, "%s/%.*s", kind, (int)utf8_cut(name, strlen(name), room), name);
    scalars[n] = (event_scalar){tags[n], json_number_value(value)};
    n++;
  }
  return events_write(s->events, json_integer_value(json_object_get(j, "step")), scalars, n);
}

status sink_write(metric_sink *s, json_t *j) {
  char *text = j != NULL ? json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
  status rc = OK;
  if (text == NULL) rc = fail(ERR_MEMORY, "out of memory: cannot compose a line of %s", s->path);
  if (rc == OK) { // line and newline in one write
    const size_t n = strlen(text);
    text[n] = '\n';
    rc = append_write(s->f, text, n + 1);
    if (rc == OK) rc = to_tensorboard(s, j);
  }
  json_decref(j);
  free(text);
  return rc;
}

status sink_sync(metric_sink *s) {
  TRY(append_sync(s->f));
  return s->events != NULL ? events_sync(s->events) : OK;
}

status sink_close(metric_sink *s) {
  if (s == NULL) return OK;
  const status rc = append_close(s->f), closed = events_close(s->events);
  free(s);
  return rc != OK ? rc : closed;
}
