// Labels by a teacher; see labelled_pseudo.h.
#include "cmd/labelled_pseudo.h"

#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/memory.h"
#include "cmd/label_model.h"
#include "eval/label_choice.h"
#include "model/checkpoint_find.h"

// Rows as the teacher reads them, and the labels that it is sure of [n, targets].
typedef struct judged_rows {
  labelled_rows of;
  int32_t *labels;
  int64_t taken;
} judged_rows;

static void judged_free(judged_rows *j) {
  labelled_free(&j->of);
  free(j->labels);
}

static status judge(label_model *t, const char *files, const char *source, bool unlabelled, double threshold,
                    judged_rows *out, double *precision, int64_t *judged) {
  float *logits;
  TRY(label_model_read(t, files, source, unlabelled, ROWS_ALONE, &out->of));
  const size_t n = (size_t)out->of.n;
  TRY(mem_new(&logits, n * (size_t)t->labels.n, sizeof *logits, "a teacher's logits"));
  status rc = mem_new(&out->labels, n * (size_t)out->of.targets, sizeof *out->labels, "a teacher's labels");
  if (rc == OK) rc = label_logits(t->m, &out->of, logits, NULL);
  const label_scores s = label_scores_of(&out->of, &t->labels, logits);
  if (rc == OK) out->taken = pseudo_labels(&s, t->labels.temperatures, threshold, out->labels);
  if (rc == OK && precision != NULL) *precision = pseudo_precision(&s, out->labels, judged);
  free(logits);
  return rc;
}

static status check_labels(const label_model *t, const label_set *labels) {
  bool same = t->labels.n == labels->n && t->labels.single == labels->single &&
              strcmp(t->labels.task, labels->task) == 0;
  for (int32_t k = 0; same && k < labels->n; k++) same = strcmp(t->labels.names[k], labels->names[k]) == 0;
  return same ? OK
              : fail(ERR_ARGUMENT,
                     "labels.teacher: %s has other labels than labels.train, so it cannot label rows for it",
                     t->c->dir);
}

// A teacher that is wrong about what it is sure of teaches its mistakes.
static status check_precision(label_model *t, const labelled_config *l) {
  judged_rows held = {.taken = 0};
  double precision = 0;
  int64_t judged = 0;
  status rc = judge(t, l->valid, "labels.valid", false, l->pseudo, &held, &precision, &judged);
  judged_free(&held);
  TRY(rc);
  if (judged == 0)
    return fail(ERR_ARGUMENT,
                "labels.pseudo: of no row of labels.valid is the teacher as sure as %g; lower it, or leave "
                "labels.unlabelled out",
                l->pseudo);
  log_info("labels.valid: where the teacher is sure (%g) it is right in %.1f%% of %lld labels", l->pseudo,
           100 * precision, (long long)judged);
  return precision >= l->pseudo_precision
             ? OK
             : fail(
                   ERR_ARGUMENT,
                   "labels.pseudo: where the teacher is sure (%g) it is right in %.1f%% of %lld labels of "
                   "labels.valid, less than labels.pseudo_precision = %g; a higher labels.pseudo takes fewer "
                   "labels",
                   l->pseudo, 100 * precision, (long long)judged, l->pseudo_precision);
}

static bool has_label(const int32_t *labels, int32_t n) {
  for (int32_t k = 0; k < n; k++)
    if (labels[k] >= 0) return true;
  return false;
}

// Teacher and student may read a row differently, but must agree on which rows there are.
static status append(labelled_rows *train, const labelled_rows *student, const judged_rows *taught) {
  const int32_t T = student->targets;
  status rc = OK;
  bool same = student->n == taught->of.n;
  for (int64_t i = 0; same && i < student->n; i++) same = student->lines[i] == taught->of.lines[i];
  if (!same)
    return fail(ERR_ARGUMENT,
                "labels.teacher can read other rows of labels.unlabelled than this run: its vocabulary is "
                "another one");
  for (int64_t i = 0; rc == OK && i < student->n; i++) {
    seq_input first, second;
    if (!has_label(taught->labels + i * T, T)) continue;
    labelled_get(student, i, &first, &second);
    rc = labelled_add(train, &first, &second, taught->labels + i * T, student->lines[i]);
  }
  return rc;
}

static status teach(label_model *t, labelled_rows *train, const labelled_rows *student,
                    const label_set *labels, const run_config *c, json_t *about) {
  judged_rows taught = {.taken = 0};
  TRY(check_labels(t, labels));
  memcpy(&t->run->labels, &c->labels, sizeof c->labels); // the columns are those of this run's files
  TRY(check_precision(t, &c->labels));
  status rc =
      judge(t, c->labels.unlabelled, "labels.unlabelled", true, c->labels.pseudo, &taught, NULL, NULL);
  const int64_t first = train->n;
  if (rc == OK) rc = append(train, student, &taught);
  if (rc == OK && c->labels.weights != LABEL_WEIGHTS_AUTO) rc = labelled_weigh_taught(train, labels, first);
  if (rc == OK)
    log_info("labels.unlabelled: %lld of %lld rows get the teacher's labels", (long long)taught.taken,
             (long long)taught.of.n);
  if (rc == OK &&
      json_object_set_new(about, "pseudo",
                          json_pack("{s:s,s:f,s:I,s:I}", "teacher", t->c->dir, "threshold", c->labels.pseudo,
                                    "rows", (json_int_t)taught.of.n, "taken", (json_int_t)taught.taken)) != 0)
    rc = fail(ERR_MEMORY, "out of memory: the report on labelled rows");
  judged_free(&taught);
  return rc;
}

status labelled_add_pseudo(labelled_rows *train, const labelled_rows *student, const label_set *labels,
                           const run_config *c, json_t *about) {
  label_model t;
  const char *where = c->labels.teacher[0] != '\0' ? c->labels.teacher : c->train.init;
  if (c->labels.valid[0] == '\0')
    return fail(ERR_ARGUMENT,
                "labels.unlabelled needs labels.valid, on which it is checked what the teacher is sure of");
  status rc =
      label_model_open(&t, where, WHICH_AUTO, false, c->data.dir, c->train.device, (int32_t)c->train.threads);
  if (rc == OK) rc = teach(&t, train, student, labels, c, about);
  label_model_close(&t);
  return rc;
}
