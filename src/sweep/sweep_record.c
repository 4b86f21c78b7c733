// trials.jsonl; see sweep_internal.h.
//
// A line of kind "sweep" says what the results belong to; a later one, of a sweep that has grown, counts instead. A line of kind
// "result" is of one trial at one rung; a later one of the same (a failed trial that was tried again) counts instead.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "sweep/sweep_internal.h"

enum { LINE_BYTES = 1 << 20 };

void result_free(trial_result *r) {
  free(r->message);
  json_decref(r->figures);
  *r = (trial_result){.state = RESULT_NONE};
}

static status record_path(const sweep *s, char path[PATH_MAX]) {
  return path_join(path, PATH_MAX, s->dir, "trials.jsonl");
}

// ---- reading -------------------------------------------------------------------------------------------------

static status bad_line(const line_reader *lines, const char *path, const char *what) {
  return fail(ERR_FORMAT, "%s line %lld: %s", path, (long long)lines_number(lines), what);
}

static int64_t whole_of(const json_t *j, const char *name) {
  return json_integer_value(json_object_get(j, name));
}

static const char *text_of(const json_t *j, const char *name) {
  const char *text = json_string_value(json_object_get(j, name));
  return text != NULL ? text : "";
}

static status take_head(sweep *s, const json_t *j, const line_reader *lines, const char *path) {
  const int64_t trials = whole_of(j, "trials");
  sweep_trial *all;
  if (strcmp(text_of(j, "schema"), "souk.sweep") != 0 || whole_of(j, "version") != 1)
    return fail(ERR_UNSUPPORTED, "%s is no record of a sweep, or one of a newer version of Souk", path);
  if (trials < s->n_trials || trials < 1 || trials > SWEEP_MOST_TRIALS)
    return bad_line(lines, path, "the number of trials makes no sense");
  TRY(mem_new(&all, (size_t)trials, sizeof *all, "the trials of a sweep"));
  if (s->n_trials > 0) memcpy(all, s->trials, (size_t)s->n_trials * sizeof *all);
  free(s->trials);
  s->trials = all;
  s->n_trials = trials;
  s->threads = whole_of(j, "threads");
  s->tried_before = whole_of(j, "tried_before");
  s->threads_given = json_is_true(json_object_get(j, "threads_given"));
  s->timed = json_is_true(json_object_get(j, "timed"));
  s->smaller_is_better = json_is_true(json_object_get(j, "smaller_is_better"));
  snprintf(s->metric, sizeof s->metric, "%s", text_of(j, "metric"));
  return OK;
}

static status read_result(trial_result *r, const json_t *j) {
  const json_t *metric = json_object_get(j, "metric");
  *r = (trial_result){.state = strcmp(text_of(j, "state"), "done") == 0 ? RESULT_DONE : RESULT_FAILED,
                      .metric = json_is_number(metric) ? json_number_value(metric) : NAN,
                      .best_step = whole_of(j, "best_step"),
                      .step = whole_of(j, "step"),
                      .seconds = json_number_value(json_object_get(j, "seconds")),
                      .decay_steps = whole_of(j, "decay_steps"),
                      .figures = json_incref(json_object_get(j, "figures"))};
  snprintf(r->reason, sizeof r->reason, "%s", text_of(j, "reason"));
  return mem_strdup(&r->message, text_of(j, "message"));
}

static status take_result(sweep *s, const json_t *j, const line_reader *lines, const char *path) {
  const int64_t trial = whole_of(j, "trial"), rung = whole_of(j, "rung");
  if (trial < 1 || trial > s->n_trials || rung < 1 || rung > s->plan.n_rungs)
    return bad_line(lines, path, "the sweep has no such trial or rung");
  trial_result *r = &s->trials[trial - 1].rungs[rung - 1];
  result_free(r);
  return read_result(r, j);
}

static status take_line(sweep *s, const json_t *j, const line_reader *lines, const char *path) {
  const char *kind = text_of(j, "kind");
  if (strcmp(kind, "sweep") == 0) return take_head(s, j, lines, path);
  if (s->n_trials == 0) return bad_line(lines, path, "a line of kind \"sweep\" is expected first");
  if (strcmp(kind, "result") == 0) return take_result(s, j, lines, path);
  return bad_line(lines, path, "its kind is neither \"sweep\" nor \"result\"");
}

// Calls `take` for each line, whose last may be incomplete: then it is left out. copy: where whole lines go; may be NULL.
static status each_line(sweep *s, const char *path, bool take, out_file *copy) {
  line_reader *lines;
  TRY(lines_open(&lines, path, LINE_BYTES));
  status rc = OK;
  for (;;) {
    char *line;
    size_t bytes;
    bool end;
    rc = lines_next(lines, &line, &bytes, &end);
    if (rc != OK || end) break;
    json_t *j = json_loadb(line, bytes, 0, NULL);
    if (j == NULL && mem_json_failed()) rc = fail(ERR_MEMORY, "out of memory: cannot read %s", path);
    if (j != NULL && take) rc = take_line(s, j, lines, path);
    if (j != NULL && rc == OK && copy != NULL) rc = out_printf(copy, "%s\n", line);
    json_decref(j);
    if (rc != OK || j == NULL) break;
  }
  lines_close(lines);
  return rc;
}

status record_load(sweep *s) {
  char path[PATH_MAX];
  bool there;
  TRY(record_path(s, path));
  TRY(file_look(path, &there));
  return there ? each_line(s, path, true, NULL) : OK;
}

// ---- writing -------------------------------------------------------------------------------------------------

status record_open(sweep *s) {
  char path[PATH_MAX];
  bool there;
  out_file *copy;
  TRY(record_path(s, path));
  TRY(file_look(path, &there));
  if (there) {
    TRY(out_open(&copy, path));
    const status rc = each_line(s, path, false, copy);
    TRY(out_finish(copy, rc));
  }
  return append_open(&s->record, path, APPEND_TO);
}

// Line and newline in one write, and to disk: trials are few. Takes over j.
static status append(sweep *s, json_t *j) {
  char *text = j != NULL ? json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
  json_decref(j);
  if (text == NULL)
    return fail(ERR_MEMORY, "out of memory: cannot compose a line of %s/trials.jsonl", s->dir);
  const size_t n = strlen(text);
  text[n] = '\n';
  status rc = append_write(s->record, text, n + 1);
  if (rc == OK) rc = append_sync(s->record);
  free(text);
  return rc;
}

status record_head(sweep *s) {
  return append(s, json_pack("{s:s,s:s,s:i,s:s,s:I,s:I,s:I,s:b,s:b,s:I,s:s,s:b}", "kind", "sweep", "schema",
                             "souk.sweep", "version", 1, "created_by", "souk " SOUK_VERSION, "seed",
                             (json_int_t)s->plan.settings.seed, "trials", (json_int_t)s->n_trials, "threads",
                             (json_int_t)s->threads, "threads_given", s->threads_given, "timed", s->timed,
                             "tried_before", (json_int_t)s->tried_before, "metric", s->metric,
                             "smaller_is_better", s->smaller_is_better));
}

static json_t *values_of(const sweep *s, int64_t trial) {
  char text[OPTION_STRING];
  json_t *j = json_object();
  for (size_t i = 0; i < s->plan.n_ranges; i++) {
    sweep_value(text, &s->plan, i, trial);
    if (json_object_set_new(j, s->plan.ranges[i].name, json_string(text)) == 0) continue;
    json_decref(j);
    return NULL;
  }
  return j;
}

static json_t *result_json(const sweep *s, int64_t trial, int32_t rung, const trial_result *r) {
  const bool done = r->state == RESULT_DONE;
  json_t *j = json_pack("{s:s,s:I,s:i,s:s,s:o}", "kind", "result", "trial", (json_int_t)trial, "rung",
                        rung + 1, "state", done ? "done" : "failed", "values", values_of(s, trial));
  if (j == NULL) return NULL;
  int bad = 0;
  if (done && isfinite(r->metric)) {
    bad |= json_object_set_new(j, "metric", json_real(r->metric));
    bad |= json_object_set_new(j, "best_step", json_integer(r->best_step));
  }
  if (done && r->figures != NULL) bad |= json_object_set(j, "figures", r->figures);
  bad |= json_object_set_new(j, "step", json_integer(r->step));
  bad |= json_object_set_new(j, "seconds", json_real(r->seconds));
  bad |= json_object_set_new(j, "decay_steps", json_integer(r->decay_steps));
  bad |= json_object_set_new(j, "reason", json_string(r->reason));
  if (!done) bad |= json_object_set_new(j, "message", json_string(r->message));
  if (bad == 0) return j;
  json_decref(j);
  return NULL;
}

status record_result(sweep *s, int64_t trial, int32_t rung, trial_result *r) {
  trial_result *kept = &s->trials[trial - 1].rungs[rung];
  result_free(kept);
  *kept = *r;
  *r = (trial_result){.state = RESULT_NONE};
  return append(s, result_json(s, trial, rung, kept));
}
