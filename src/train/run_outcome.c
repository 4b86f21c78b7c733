// The outcome of a run; see run_outcome.h.
#include "train/run_outcome.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/file.h"

// As the loop chooses its best checkpoint: the first of several with the same figure stays.
static void take_validation(run_outcome *o, json_t *j, const char *metric, bool smaller_is_better) {
  const json_t *value = json_object_get(j, metric);
  if (!json_is_number(value)) return;
  const double v = json_number_value(value);
  if (o->best != NULL && !(smaller_is_better ? v < o->metric : v > o->metric)) return;
  json_decref(o->best);
  o->best = json_incref(j);
  o->best_step = o->step;
  o->metric = v;
}

static void take_end(run_outcome *o, const json_t *j) {
  const char *reason = json_string_value(json_object_get(j, "reason"));
  snprintf(o->reason, sizeof o->reason, "%s", reason != NULL ? reason : "complete");
  o->seconds = json_number_value(json_object_get(j, "seconds"));
  o->decay_steps = json_integer_value(json_object_get(j, "decay_steps"));
}

static void take_line(run_outcome *o, json_t *j, const char *metric, bool smaller_is_better) {
  const char *kind = json_string_value(json_object_get(j, "kind"));
  if (kind == NULL) return;
  o->step = json_integer_value(json_object_get(j, "step"));
  if (strcmp(kind, "valid") == 0) take_validation(o, j, metric, smaller_is_better);
  if (strcmp(kind, "end") == 0) take_end(o, j);
}

status run_outcome_read(run_outcome *o, const char *run_dir, const char *metric, bool smaller_is_better) {
  char path[PATH_MAX];
  bool there;
  line_reader *lines;
  *o = (run_outcome){.metric = NAN};
  TRY(path_join(path, sizeof path, run_dir, "metrics.jsonl"));
  TRY(file_look(path, &there));
  if (!there) return OK;
  TRY(lines_open(&lines, path, 1 << 20));
  status rc = OK;
  for (;;) {
    char *line;
    size_t bytes;
    bool end;
    rc = lines_next(lines, &line, &bytes, &end);
    if (rc != OK || end) break;
    json_t *j = json_loadb(line, bytes, 0, NULL); // of a run that was killed the last line may be incomplete
    take_line(o, j, metric, smaller_is_better);
    json_decref(j);
  }
  lines_close(lines);
  return rc;
}

void run_outcome_free(run_outcome *o) {
  json_decref(o->best);
  o->best = NULL;
}
