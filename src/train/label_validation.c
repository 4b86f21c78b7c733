// Validation on labelled rows; see label_validation.h.
#include "train/label_validation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "model/objectives/label_head.h"
#include "train/run_objectives.h"

status labels_publish(dataset *d, const label_set *l, const json_t *about) {
  json_t *j = label_set_to_json(l);
  if (j == NULL || (about != NULL && json_object_update(j, (json_t *)about) != 0)) {
    json_decref(j);
    return fail(ERR_MEMORY, "out of memory: the labels of a checkpoint");
  }
  dataset_set_labels(d, j);
  json_decref(j);
  return OK;
}

static int add_number(json_t *to, const char *name, double x) {
  return json_object_set_new(to, name, isfinite(x) ? json_real(x) : json_null());
}

// Names of labels may be long; cut, two could be one, or end within a character.
static int add_label(json_t *to, const char *figure, const char *label, double x) {
  const size_t bytes = strlen(figure) + strlen(label) + 2;
  char *name = malloc(bytes);
  if (name == NULL) return -1;
  snprintf(name, bytes, "%s/%s", figure, label);
  const int bad = add_number(to, name, x);
  free(name);
  return bad;
}

static status figures(const classification *before, const classification *after, const label_set *l,
                      json_t **out) {
  json_t *j = json_pack("{s:I}", "rows", (json_int_t)before->rows);
  int bad = j == NULL;
  for (const objective_metric *m = label_head_metrics; bad == 0 && m->name != NULL; m++) {
    double x;
    if (classification_value(before, m->name, &x)) bad |= add_number(j, m->name, x);
  }
  bad |= add_number(j, "log_loss_calibrated", after->log_loss);
  bad |= add_number(j, "ece_calibrated", after->ece);
  for (int32_t k = 0; bad == 0 && l->n > 1 && k < l->n && k < 32; k++) {
    bad |= add_label(j, "auc", l->names[k], before->of[k].auc);
    bad |= add_label(j, "f1", l->names[k], before->of[k].f1);
  }
  *out = bad == 0 ? j : NULL;
  if (bad == 0) return OK;
  json_decref(j);
  return fail(ERR_MEMORY, "out of memory: the figures of a validation");
}

static bool value_of(const classification *before, const classification *after, const char *name, double *x) {
  if (strcmp(name, "log_loss_calibrated") == 0) *x = after->log_loss;
  if (strcmp(name, "ece_calibrated") == 0) *x = after->ece;
  return strstr(name, "_calibrated") != NULL || classification_value(before, name, x);
}

static status judge(label_validator *v, const label_scores *s, const char *name, double *metric,
                    json_t **values) {
  classification before = {.labels = 0}, after = {.labels = 0};
  temperatures_fit(v->labels->temperatures, s);
  status rc = classification_run(&before, s, NULL);
  if (rc == OK) rc = classification_run(&after, s, v->labels->temperatures);
  if (rc == OK && !value_of(&before, &after, name, metric))
    rc = fail(ERR_INTERNAL, "nothing evaluates the metric %s of labels", name);
  if (rc == OK) rc = figures(&before, &after, v->labels, values);
  const classification_report report = {.before = &before,
                                        .after = &after,
                                        .names = (const char *const *)v->labels->names,
                                        .temperatures = v->labels->temperatures};
  if (rc == OK && v->plot[0] != '\0') rc = calibration_plot(v->plot, &report);
  classification_free(&before);
  classification_free(&after);
  return rc == OK ? labels_publish(v->d, v->labels, v->about) : rc;
}

static status run(validator *self, model *m, const char *name, double *metric, json_t **values) {
  label_validator *v = (label_validator *)self;
  float *logits;
  *values = NULL;
  TRY(mem_new(&logits, (size_t)v->rows->n * (size_t)v->labels->n + 1, sizeof *logits,
              "logits of the validation rows"));
  status rc = label_logits(m, v->rows, logits, NULL);
  const label_scores s = label_scores_of(v->rows, v->labels, logits);
  if (rc == OK) rc = judge(v, &s, name, metric, values);
  free(logits);
  return rc;
}

status label_validator_open(label_validator *v, const run_config *c) {
  objective_list l;
  const objective *of;
  const objective_metric *metric;
  TRY(objectives_parse(&l, c->train.objectives, "train.objectives"));
  TRY(objectives_find_metric(&l, c->train.metric, "train.metric", &of, &metric));
  v->base = (validator){.run = run, .smaller_is_better = metric->smaller_is_better};
  return OK;
}
