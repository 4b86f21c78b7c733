// Figures of labels as json and for people; see classification.h.
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "eval/classification.h"
#include "format/printable.h"

static json_t *number(double x) {
  return isfinite(x) ? json_real(x) : json_null();
}

// ---- json ----------------------------------------------------------------------------------------------------

static json_t *bins_json(const calibration_bin *bins) {
  json_t *all = json_array();
  for (int k = 0; k < CALIBRATION_BINS; k++) {
    const double n = (double)bins[k].n;
    json_array_append_new(all,
                          json_pack("{s:I,s:o,s:o}", "rows", (json_int_t)bins[k].n, "probability",
                                    number(bins[k].probability / n), "holds", number(bins[k].holds / n)));
  }
  return all;
}

static json_t *label_json(const classification_report *r, int32_t k) {
  const label_figures *f = &r->before->of[k], *g = &r->after->of[k];
  json_t *j =
      json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:o,s:o}", "name", r->names[k], "known", (json_int_t)f->known,
                "holds", (json_int_t)f->positives, "tp", (json_int_t)f->tp, "fp", (json_int_t)f->fp, "fn",
                (json_int_t)f->fn, "auc", number(f->auc), "f1", number(f->f1));
  if (r->before->single) return j;
  const size_t at = (size_t)k * CALIBRATION_BINS;
  json_object_set_new(j, "log_loss", number(f->log_loss));
  json_object_set_new(j, "ece", number(f->ece));
  json_object_set_new(j, "temperature", number(r->temperatures[k]));
  json_object_set_new(j, "log_loss_calibrated", number(g->log_loss));
  json_object_set_new(j, "ece_calibrated", number(g->ece));
  json_object_set_new(j, "bins", bins_json(r->before->bins + at));
  json_object_set_new(j, "bins_calibrated", bins_json(r->after->bins + at));
  return j;
}

static void add_single(json_t *j, const classification_report *r) {
  const classification *c = r->before;
  json_t *table = json_array();
  for (int32_t k = 0; k < c->labels; k++) {
    json_t *line = json_array();
    for (int32_t i = 0; i < c->labels; i++)
      json_array_append_new(line, json_integer((json_int_t)c->confusion[k * c->labels + i]));
    json_array_append_new(table, line);
  }
  json_object_set_new(j, "confusion", table);
  json_object_set_new(j, "temperature", number(r->temperatures[0]));
  json_object_set_new(j, "bins", bins_json(c->bins));
  json_object_set_new(j, "bins_calibrated", bins_json(r->after->bins));
}

json_t *classification_json(const classification_report *r) {
  const classification *c = r->before;
  json_t *labels = json_array();
  for (int32_t k = 0; k < c->labels; k++) json_array_append_new(labels, label_json(r, k));
  json_t *j =
      json_pack("{s:s,s:I,s:I,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "kind", c->single ? "single" : "several",
                "rows", (json_int_t)c->rows, "known", (json_int_t)c->known, "auc", number(c->auc), "log_loss",
                number(c->log_loss), "accuracy", number(c->accuracy), "f1_micro", number(c->f1_micro),
                "f1_macro", number(c->f1_macro), "ece", number(c->ece), "log_loss_calibrated",
                number(r->after->log_loss), "ece_calibrated", number(r->after->ece), "labels", labels);
  if (j != NULL && c->single) add_single(j, r);
  return j;
}

// ---- tables --------------------------------------------------------------------------------------------------

enum { WIDEST_TABLE = 12, NAME = 20 };

static void print_number(FILE *to, double x) {
  if (isfinite(x))
    fprintf(to, " %9.4f", x);
  else
    fprintf(to, " %9s", "-");
}

static void print_whole(const classification_report *r, FILE *to) {
  const struct {
    const char *name;
    double before, after;
  } lines[] = {{"auc", r->before->auc, r->after->auc},
               {"log loss", r->before->log_loss, r->after->log_loss},
               {"calibration error", r->before->ece, r->after->ece},
               {"accuracy", r->before->accuracy, r->after->accuracy},
               {"F1 micro", r->before->f1_micro, r->after->f1_micro},
               {"F1 macro", r->before->f1_macro, r->after->f1_macro}};
  fprintf(to, "%-*s %9s %9s\n", NAME, "", "model", "calibrated");
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    fprintf(to, "%-*s", NAME, lines[i].name);
    print_number(to, lines[i].before);
    print_number(to, lines[i].after);
    fputc('\n', to);
  }
}

static void print_labels(const classification_report *r, FILE *to) {
  const bool single = r->before->single;
  char name[96];
  fprintf(to, "\n%-*s %9s %9s %9s %9s", NAME, "label", "rows", "holds", "auc", "F1");
  fprintf(to, single ? "\n" : " %9s %9s %9s %9s\n", "log loss", "ece", "T", "ece at T");
  for (int32_t k = 0; k < r->before->labels; k++) {
    const label_figures *f = &r->before->of[k];
    fprintf(to, "%-*.*s %9lld %9lld", NAME, NAME, printable(name, sizeof name, r->names[k], ""),
            (long long)f->known, (long long)f->positives);
    print_number(to, f->auc);
    print_number(to, f->f1);
    if (!single) print_number(to, f->log_loss);
    if (!single) print_number(to, f->ece);
    if (!single) print_number(to, r->temperatures[k]);
    if (!single) print_number(to, r->after->of[k].ece);
    fputc('\n', to);
  }
}

static void print_confusion(const classification_report *r, FILE *to) {
  const classification *c = r->before;
  char name[96];
  if (c->labels > WIDEST_TABLE) return;
  fprintf(to, "\ntaken for");
  for (int32_t k = 0; k < c->labels; k++)
    fprintf(to, "%*s%9.9s", k == 0 ? NAME - 9 + 1 : 1, "", printable(name, sizeof name, r->names[k], ""));
  for (int32_t k = 0; k < c->labels; k++) {
    fprintf(to, "\n%-*.*s", NAME, NAME, printable(name, sizeof name, r->names[k], ""));
    for (int32_t i = 0; i < c->labels; i++) fprintf(to, " %9lld", (long long)c->confusion[k * c->labels + i]);
  }
  fprintf(to, "\n\ntemperature %.4g\n", r->temperatures[0]);
}

status classification_print(const classification_report *r, FILE *to) {
  fprintf(to, "%lld rows, %lld known labels\n\n", (long long)r->before->rows, (long long)r->before->known);
  print_whole(r, to);
  print_labels(r, to);
  if (r->before->single) print_confusion(r, to);
  return fflush(to) == 0 ? OK : fail(ERR_IO, "cannot write the evaluation: %s", strerror(errno));
}
