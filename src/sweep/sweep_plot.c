// Pictures of a sweep: curves of its best trials, and the metric over each option; see sweep.h.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "sweep/sweep_internal.h"
#include "train/plot.h"
#include "train/plot_panel.h"

// ---- curves --------------------------------------------------------------------------------------------------

enum { CURVES = 8 }; // runs of a plot

static bool has_figure(const sweep *s, int64_t trial) {
  return trial_is_done(s, trial) && !isnan(trial_last_result(s, trial)->metric);
}

static status plot_curves(const sweep *s, const int64_t *order) {
  char dirs[CURVES][PATH_MAX], picture[PATH_MAX], names[2 * OPTION_STRING];
  const char *runs[CURVES];
  size_t n = 0;
  for (int64_t i = 0; i < s->n_trials && n < CURVES && has_figure(s, order[i]); i++) {
    TRY(trial_dir(s, order[i], dirs[n]));
    runs[n] = dirs[n];
    n++;
  }
  snprintf(names, sizeof names, "valid/%s,train/loss,train/next_loss", s->metric);
  TRY(path_join(picture, sizeof picture, s->dir, "curves.svg"));
  TRY(plot_runs(runs, n, names, picture));
  log_info("%s shows the curves of the best %zu", picture, n);
  return OK;
}

// ---- options -------------------------------------------------------------------------------------------------

static void axis_of_range(axis *a, const sweep_range *r) {
  if (r->kind == RANGE_CHOICES)
    axis_names(a, (const char *const *)r->choices, r->n_choices);
  else if (r->kind == RANGE_LOG_UNIFORM || r->kind == RANGE_LOG_INTEGERS)
    axis_log(a, r->low, r->high);
  else
    axis_linear(a, r->low, r->high, 6);
}

// Where a trial's value is on that axis.
static double value_of(const sweep *s, size_t range, int64_t trial) {
  char text[OPTION_STRING];
  const sweep_range *r = &s->plan.ranges[range];
  sweep_value(text, &s->plan, range, trial);
  if (r->kind != RANGE_CHOICES) return strtod(text, NULL);
  size_t i = 0;
  while (i + 1 < r->n_choices && strcmp(r->choices[i], text) != 0) i++;
  return (double)i;
}

static axis axis_of_metric(const sweep *s) {
  double low = INFINITY, high = -INFINITY;
  axis a;
  for (int64_t trial = 1; trial <= s->n_trials; trial++) {
    if (!has_figure(s, trial)) continue;
    low = fmin(low, trial_last_result(s, trial)->metric);
    high = fmax(high, trial_last_result(s, trial)->metric);
  }
  axis_linear(&a, low, high, 5);
  return a;
}

// Trials that went further are drawn stronger, and the winner in another colour.
static status draw_trials(const sweep *s, size_t range, int64_t winner, const axis *x, const axis *y,
                          out_file *f) {
  for (int64_t trial = 1; trial <= s->n_trials; trial++) {
    if (!has_figure(s, trial)) continue;
    const double strength = (trial_last_rung(s, trial) + 1.0) / s->plan.n_rungs;
    TRY(out_printf(f, "<circle fill=\"%s\" fill-opacity=\"%.2f\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\"><title>",
                   trial == winner ? "#d55e00" : "#0072b2", 0.25 + 0.65 * strength,
                   axis_place(x, value_of(s, range, trial)),
                   axis_place(y, trial_last_result(s, trial)->metric), trial == winner ? "5" : "3.5"));
    TRY(out_printf(f, "trial %lld: %.5f</title></circle>\n", (long long)trial,
                   trial_last_result(s, trial)->metric));
  }
  return OK;
}

static status draw_ranges(const sweep *s, int64_t winner, out_file *f) {
  const size_t n = s->plan.n_ranges, columns = n > 1 ? 2 : 1, lines = (n + columns - 1) / columns;
  TRY(svg_begin(f, columns * PANEL_W, lines * PANEL_H));
  for (size_t i = 0; i < n; i++) {
    axis x, y = axis_of_metric(s);
    axis_of_range(&x, &s->plan.ranges[i]);
    TRY(panel_begin(f, (double)(i % columns * PANEL_W), (double)(i / columns * PANEL_H), s->metric,
                    s->plan.ranges[i].name, &x, &y));
    TRY(draw_trials(s, i, winner, &x, &y, f));
  }
  return out_printf(f, "</svg>\n");
}

static status plot_ranges(const sweep *s, int64_t winner) {
  char picture[PATH_MAX];
  out_file *f;
  TRY(path_join(picture, sizeof picture, s->dir, "options.svg"));
  TRY(out_open(&f, picture));
  TRY(out_finish(f, draw_ranges(s, winner, f)));
  log_info("%s shows %s over each option", picture, s->metric);
  return OK;
}

status sweep_plot(const sweep *s) {
  int64_t *order;
  TRY(rank_all(s, &order));
  status rc = has_figure(s, order[0]) ? plot_curves(s, order) : OK;
  if (rc == OK && has_figure(s, order[0])) rc = plot_ranges(s, order[0]);
  free(order);
  return rc;
}
