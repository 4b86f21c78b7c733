// What a sweep has found: its table and the winner's command; see sweep.h.
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/memory.h"
#include "base/terminal.h"
#include "model/objectives/label_head.h"
#include "sweep/sweep_internal.h"

// ---- the table -----------------------------------------------------------------------------------------------

// Figures of the best validation that are shown beside the metric, where there are.
static const char *const figures[] = {"ndcg@10", "hr@10", "mrr", "auc", "f1_macro", "log_loss"};
enum { FIGURES = sizeof figures / sizeof *figures, OWN_COLUMNS = 6 };

static bool has_figure(const sweep *s, const char *name) {
  if (strcmp(name, s->metric) == 0) return false;
  for (int64_t i = 1; i <= s->n_trials; i++) {
    const trial_result *r = trial_last_result(s, i);
    if (r != NULL && json_is_number(json_object_get(r->figures, name))) return true;
  }
  return false;
}

// One cell, or with trial 0 the heading; false: the table has no such column.
static bool own_cell(char text[OPTION_STRING], const sweep *s, int64_t trial, int column) {
  char buf[32];
  static const char *const headings[OWN_COLUMNS] = {"trial", "rung", "", "at step", "steps", "time"};
  if (column == 1 && !s->plan.halving) return false;
  if (trial == 0) {
    snprintf(text, OPTION_STRING, "%s", column == 2 ? s->metric : headings[column]);
    return true;
  }
  const trial_result *r = trial_last_result(s, trial);
  const bool validated = !isnan(r->metric);
  text[0] = '\0';
  if (column == 0) snprintf(text, OPTION_STRING, "%lld", (long long)trial);
  if (column == 1) snprintf(text, OPTION_STRING, "%d", trial_last_rung(s, trial) + 1);
  if (column == 2) snprintf(text, OPTION_STRING, validated ? "%.5f" : "none", r->metric);
  if (column == 3 && validated) snprintf(text, OPTION_STRING, "%lld", (long long)r->best_step);
  if (column == 4) snprintf(text, OPTION_STRING, "%lld", (long long)r->step);
  if (column == 5) snprintf(text, OPTION_STRING, "%s", human_seconds(buf, r->seconds));
  return true;
}

static bool figure_cell(char text[OPTION_STRING], const sweep *s, int64_t trial, int column) {
  if (!has_figure(s, figures[column])) return false;
  snprintf(text, OPTION_STRING, "%s", trial == 0 ? figures[column] : "");
  const json_t *v = trial > 0 ? json_object_get(trial_last_result(s, trial)->figures, figures[column]) : NULL;
  if (json_is_number(v)) snprintf(text, OPTION_STRING, "%.5f", json_number_value(v));
  return true;
}

static bool cell(char text[OPTION_STRING], const sweep *s, int64_t trial, int column) {
  // Trial, rung and metric, further figures, the rest of its own, and the options.
  if (column < 3) return own_cell(text, s, trial, column);
  if (column < 3 + FIGURES) return figure_cell(text, s, trial, column - 3);
  if (column < OWN_COLUMNS + FIGURES) return own_cell(text, s, trial, column - FIGURES);
  const size_t range = (size_t)(column - OWN_COLUMNS - FIGURES);
  if (trial == 0)
    snprintf(text, OPTION_STRING, "%s", s->plan.ranges[range].name);
  else
    sweep_value(text, &s->plan, range, trial);
  return true;
}

static int width_of(const sweep *s, int column) {
  char text[OPTION_STRING];
  int width = 0;
  for (int64_t trial = 0; trial <= s->n_trials; trial++) {
    if (trial > 0 && !trial_is_done(s, trial)) continue;
    if (!cell(text, s, trial, column)) return 0;
    const int w = text_columns(text);
    if (w > width) width = w;
  }
  return width;
}

static void print_row(const sweep *s, int64_t trial, const int *widths, int columns, FILE *to) {
  char text[OPTION_STRING];
  for (int c = 0; c < columns; c++) {
    if (widths[c] == 0 || !cell(text, s, trial, c)) continue;
    fprintf(to, "%s%*s%s", c > 0 ? "  " : "", widths[c] - text_columns(text), "", text);
  }
  fputc('\n', to);
}

static status print_table(const sweep *s, const int64_t *order, FILE *to) {
  const int columns = OWN_COLUMNS + FIGURES + (int)s->plan.n_ranges;
  int *widths;
  TRY(mem_new(&widths, (size_t)columns, sizeof *widths, "the table of trials"));
  for (int c = 0; c < columns; c++) widths[c] = width_of(s, c);
  print_row(s, 0, widths, columns, to);
  for (int64_t i = 0; i < s->n_trials; i++)
    if (trial_is_done(s, order[i])) print_row(s, order[i], widths, columns, to);
  free(widths);
  return OK;
}

static void print_failures(const sweep *s, const int64_t *order, FILE *to) {
  for (int64_t i = 0; i < s->n_trials; i++) {
    const trial_result *r = trial_last_result(s, order[i]);
    if (r != NULL && r->state == RESULT_FAILED)
      fprintf(to, "trial %lld failed: %s\n", (long long)order[i], r->message);
  }
}

// ---- the winner ----------------------------------------------------------------------------------------------

// A word as a shell reads it.
static void print_word(const char *word, FILE *to) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,:=+@%";
  if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
    fputs(word, to);
    return;
  }
  fputc('\'', to);
  for (; *word != '\0'; word++)
    if (*word == '\'')
      fputs("'\\''", to);
    else
      fputc(*word, to);
  fputc('\'', to);
}

// Is it a figure of labelled rows?
static bool is_of_labels(const char *metric) {
  const objective_metric *m = label_head_metrics;
  while (m->name != NULL && strcmp(m->name, metric) != 0) m++;
  return m->name != NULL;
}

static status print_command(const sweep *s, int64_t trial, FILE *to) {
  char out[PATH_MAX], **words;
  TRY(path_join(out, sizeof out, s->dir, "winner"));
  TRY(trial_words(s, trial, trial_last_rung(s, trial), out, true, &words));
  fputs("\nthe winner from scratch, on validation as above:\n    souk pretrain", to);
  for (char **w = words; *w != NULL; w++) {
    fputc(' ', to);
    print_word(*w, to);
  }
  words_free(words);
  char dir[PATH_MAX];
  TRY(trial_dir(s, trial, dir));
  const bool labels = is_of_labels(s->metric);
  fprintf(to, "\non %s, once:\n    souk eval ", labels ? "rows that no trial has seen" : "the test part");
  print_word(dir, to);
  fputs(labels ? " --labels FILE\n" : "\n", to);
  return OK;
}

static void print_counts(const sweep *s, FILE *to) {
  int64_t done = 0, failed = 0;
  for (int64_t i = 1; i <= s->n_trials; i++) {
    const trial_result *r = trial_last_result(s, i);
    done += r != NULL && r->state == RESULT_DONE;
    failed += r != NULL && r->state == RESULT_FAILED;
  }
  fprintf(to, "\n%lld configuration%s compared on validation by %s", (long long)(done + failed),
          done + failed == 1 ? "" : "s", s->metric);
  if (failed > 0) fprintf(to, ", of which %lld failed", (long long)failed);
  if (s->tried_before > 0) fprintf(to, ", after %lld before", (long long)s->tried_before);
  if (done + failed < s->n_trials)
    fprintf(to, "; %lld of %lld are still to come (--resume)", (long long)(s->n_trials - done - failed),
            (long long)s->n_trials);
  fputc('\n', to);
}

status sweep_print(const sweep *s, FILE *to) {
  int64_t *order;
  TRY(rank_all(s, &order));
  status rc = trial_is_done(s, order[0]) ? print_table(s, order, to) : OK;
  if (rc == OK) print_failures(s, order, to);
  if (rc == OK) print_counts(s, to);
  if (rc == OK && trial_is_done(s, order[0]) && !isnan(trial_last_result(s, order[0])->metric))
    rc = print_command(s, order[0], to);
  free(order);
  TRY(rc);
  return fflush(to) == 0 && !ferror(to) ? OK : fail(ERR_IO, "cannot write the table: %s", strerror(errno));
}
