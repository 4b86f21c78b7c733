// How good a run's labels are; see eval_labels.h.
#include "cmd/eval_labels.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "cmd/label_model.h"
#include "train/label_validation.h"
#include "train/tried.h"

static status report_json(const eval_labels_how *how, const label_model *l, const classification_report *r,
                          int64_t tried, char **text) {
  json_t *j = classification_json(r);
  if (j != NULL) {
    json_object_set_new(j, "task", json_string(l->labels.task));
    json_object_set_new(j, "checkpoint", json_string(l->c->dir));
    json_object_set_new(j, "step", json_integer((json_int_t)l->c->state.step));
    json_object_set_new(j, "file", json_string(how->labels));
    if (tried > 0) json_object_set_new(j, "chosen_among", json_integer((json_int_t)tried));
  }
  *text = j != NULL ? json_dumps(j, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
  json_decref(j);
  return *text != NULL ? OK : fail(ERR_MEMORY, "out of memory: the evaluation as json");
}

static status print_chosen(int64_t tried) {
  if (tried == 0) return OK;
  return printf("chosen    among %lld configuration%s on validation\n\n", (long long)tried,
                tried == 1 ? "" : "s") > 0
             ? OK
             : fail(ERR_IO, "cannot write the evaluation: %s", strerror(errno));
}

// Prints before it writes files, so that the figures are there whatever becomes of these.
static status tell(const eval_labels_how *how, const label_model *l, const classification_report *r) {
  char *text;
  int64_t tried;
  TRY(tried_before(&tried, l->c));
  TRY(report_json(how, l, r, tried, &text));
  status rc = OK;
  if (!how->json) rc = print_chosen(tried);
  if (rc == OK && !how->json) rc = classification_print(r, stdout);
  if (how->json && (puts(text) < 0 || fflush(stdout) != 0))
    rc = fail(ERR_IO, "cannot write the evaluation: %s", strerror(errno));
  if (rc == OK && how->figures[0] != '\0') rc = file_write_atomic(how->figures, text, strlen(text));
  if (rc == OK && how->plot[0] != '\0') rc = calibration_plot(how->plot, r);
  free(text);
  return rc;
}

static status judge(const eval_labels_how *how, const label_model *l, const labelled_rows *of,
                    const float *logits) {
  classification before = {.labels = 0}, after = {.labels = 0};
  const label_scores s = label_scores_of(of, &l->labels, logits);
  status rc = classification_run(&before, &s, NULL);
  if (rc == OK) rc = classification_run(&after, &s, l->labels.temperatures);
  const classification_report report = {.before = &before,
                                        .after = &after,
                                        .names = (const char *const *)l->labels.names,
                                        .temperatures = l->labels.temperatures};
  log_status_end();
  if (rc == OK) rc = tell(how, l, &report);
  classification_free(&before);
  classification_free(&after);
  return rc;
}

status eval_labels(const eval_labels_how *how) {
  label_model l;
  labelled_rows of = {.n = 0};
  float *logits = NULL;
  const named_path paths[] = {{"--figures", how->figures}, {"--plot", how->plot}};
  status rc;
  TRY(paths_check_distinct(paths, sizeof paths / sizeof *paths));
  TRY_GOTO(label_model_open(&l, how->where, how->which, how->raw, how->data, how->device, how->threads),
           done);
  TRY_GOTO(label_model_read(&l, how->labels, "--labels", false, ROWS_ALONE, &of), done);
  TRY_GOTO(mem_new(&logits, (size_t)of.n * (size_t)l.labels.n, sizeof *logits, "logits"), done);
  log_doing("scoring");
  TRY_GOTO(label_logits(l.m, &of, logits, NULL), done);
  rc = judge(how, &l, &of, logits);
done:
  log_status_end();
  free(logits);
  labelled_free(&of);
  label_model_close(&l);
  return rc;
}
