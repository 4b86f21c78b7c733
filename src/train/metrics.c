// metrics.jsonl: one object a line, flushed line by line, so that a killed run loses none.
#include "train/metrics.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"

struct metric_sink {
  FILE *f;
  char path[PATH_MAX];
};

// Rewrites the file with the lines of steps up to `step`.
static status truncate_after(const char *path, int64_t step) {
  if (!file_exists(path)) return OK;
  line_reader *lines = NULL;
  out_file *out = NULL;
  status rc;
  TRY_GOTO(lines_open(&lines, path, 1 << 20), done);
  TRY_GOTO(out_open(&out, path), done);
  for (;;) {
    char *line;
    size_t bytes;
    bool end;
    TRY_GOTO(lines_next(lines, &line, &bytes, &end), done);
    if (end) break;
    json_t *j = json_loadb(line, bytes, 0, NULL);
    const json_t *s = json_object_get(j, "step");
    const bool keep =
        json_is_integer(s) && json_integer_value(s) <= step; // a line cut short by a kill is dropped
    json_decref(j);
    if (keep) TRY_GOTO(out_printf(out, "%s\n", line), done);
  }
  rc = out_commit(out);
  out = NULL;
done:
  out_abort(out);
  lines_close(lines);
  return rc;
}

status sink_open(metric_sink **out, const char *run_dir, int64_t resume_step) {
  *out = NULL;
  metric_sink *s;
  TRY(mem_new(&s, 1, sizeof *s, "the metrics file"));
  status rc = path_join(s->path, sizeof s->path, run_dir, "metrics.jsonl");
  if (rc == OK && resume_step >= 0) rc = truncate_after(s->path, resume_step);
  if (rc == OK) {
    s->f = fopen(s->path, resume_step >= 0 ? "ae" : "we");
    if (s->f == NULL) rc = fail(ERR_IO, "cannot open %s: %s", s->path, strerror(errno));
  }
  if (rc != OK) {
    free(s);
    return rc;
  }
  *out = s;
  return OK;
}

status sink_write(metric_sink *s, json_t *j) {
  char *text = j != NULL ? json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
  json_decref(j);
  if (text == NULL) return fail(ERR_INTERNAL, "cannot compose a line of %s", s->path);
  const bool good = fprintf(s->f, "%s\n", text) >= 0 && fflush(s->f) == 0;
  free(text);
  return good ? OK : fail(ERR_IO, "cannot write %s: %s", s->path, strerror(errno));
}

status sink_close(metric_sink *s) {
  if (s == NULL) return OK;
  const status rc = fclose(s->f) == 0 ? OK : fail(ERR_IO, "cannot write %s: %s", s->path, strerror(errno));
  free(s);
  return rc;
}
