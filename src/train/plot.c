// Curves of metrics.jsonl as SVG; see plot.h.
//
// Long runs have more lines than a panel has pixels, and a polyline through all of them would be a large file that
// shows a thick smear. Beyond BUCKETS points the steps are divided into that many stretches: the line goes through
// their means, over a band from their smallest to their largest value.
#include "train/plot.h"

#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/path_kind.h"
#include "format/printable.h"
#include "train/plot_panel.h"

enum { MAX_RUNS = 8, MAX_FIGURES = 24, FIGURE_NAME = 96, LABEL_BYTES = 256, BUCKETS = 300, HEAD = 44 };
static const char default_figures[] =
    "train/loss,train/lr,train/grad_norm,train/cls_loss,valid/ndcg@10,valid/hr@10,valid/mrr,valid/loss,"
    "valid/accuracy";
// Okabe and Ito's colours, which people with any kind of colour vision can distinguish.
static const char *const colours[MAX_RUNS] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                              "#e69f00", "#56b4e9", "#000000", "#8a7a00"};

typedef struct point {
  double step, value, low, high;
} point;

typedef struct series {
  point *points;
  size_t n, cap;
} series;

typedef struct plot {
  size_t runs, figures;
  char names[MAX_FIGURES][FIGURE_NAME];
  char labels[MAX_RUNS][LABEL_BYTES];
  series all[MAX_RUNS][MAX_FIGURES];
} plot;

// ---- reading -------------------------------------------------------------------------------------------------

static status list_figures(plot *p, const char *text) {
  if (text == NULL || text[0] == '\0') text = default_figures;
  while (*text != '\0') {
    const size_t n = strcspn(text, ",");
    if (n == 0 || n >= FIGURE_NAME || memchr(text, '/', n) == NULL)
      return fail(ERR_ARGUMENT,
                  "\"%.*s\" is not a figure; \"train/loss\" and \"valid/ndcg@10\" are, for example", (int)n,
                  text);
    if (p->figures == MAX_FIGURES) return fail(ERR_ARGUMENT, "more than %d figures", MAX_FIGURES);
    snprintf(p->names[p->figures++], FIGURE_NAME, "%.*s", (int)n, text);
    text += n + (text[n] == ',');
  }
  return OK;
}

static status add_point(series *s, double step, double value) {
  TRY(mem_grow(&s->points, &s->cap, s->n + 1, sizeof *s->points, "a curve"));
  s->points[s->n++] = (point){step, value, value, value};
  return OK;
}

static status read_line(plot *p, size_t run, const json_t *j) {
  const char *kind = json_string_value(json_object_get(j, "kind"));
  const json_t *step = json_object_get(j, "step");
  if (kind == NULL || !json_is_number(step)) return OK;
  const size_t n = strlen(kind);
  for (size_t f = 0; f < p->figures; f++) {
    if (strncmp(p->names[f], kind, n) != 0 || p->names[f][n] != '/') continue;
    const json_t *value = json_object_get(j, p->names[f] + n + 1);
    if (json_is_number(value))
      TRY(add_point(&p->all[run][f], json_number_value(step), json_number_value(value)));
  }
  return OK;
}

static status read_run(plot *p, size_t run, const char *path) {
  char file[PATH_MAX + 64];
  line_reader *lines;
  if (strlen(path) >= PATH_MAX) return fail(ERR_ARGUMENT, "path too long: %.60s...", path);
  strcpy(file, path);
  TRY(path_check(path, PATH_RUN | PATH_FILE));
  if (dir_exists(path)) TRY(path_join(file, sizeof file, path, "metrics.jsonl"));
  TRY(lines_open(&lines, file, 1 << 20));
  status rc = OK;
  while (rc == OK) {
    char *line;
    size_t bytes;
    bool end;
    rc = lines_next(lines, &line, &bytes, &end);
    if (rc != OK || end) break;
    json_t *j = json_loadb(line, bytes, 0, NULL); // the last line of a running run may be incomplete
    rc = read_line(p, run, j);
    json_decref(j);
  }
  lines_close(lines);
  printable(p->labels[run], LABEL_BYTES, path, "");
  for (size_t i = strlen(p->labels[run]); i > 1 && p->labels[run][i - 1] == '/';) p->labels[run][--i] = '\0';
  return rc;
}

static void drop_empty(plot *p) {
  size_t kept = 0;
  for (size_t f = 0; f < p->figures; f++) {
    size_t points = 0;
    for (size_t r = 0; r < p->runs; r++) points += p->all[r][f].n;
    if (points == 0) continue;
    if (kept != f) {
      strcpy(p->names[kept], p->names[f]);
      for (size_t r = 0; r < p->runs; r++) {
        p->all[r][kept] = p->all[r][f];
        p->all[r][f] = (series){NULL, 0, 0};
      }
    }
    kept++;
  }
  p->figures = kept;
}

// Means of stretches of steps, in place.
static void thin(series *s) {
  if (s->n <= BUCKETS) return;
  const double first = s->points[0].step, span = s->points[s->n - 1].step - first;
  size_t n = 0;
  for (size_t i = 0; i < s->n;) {
    const int bucket = span > 0 ? (int)((s->points[i].step - first) / span * BUCKETS) : 0;
    point sum = {0, 0, INFINITY, -INFINITY};
    size_t count = 0;
    for (; i < s->n; i++, count++) {
      const point *q = &s->points[i];
      if (count > 0 && span > 0 && (int)((q->step - first) / span * BUCKETS) != bucket) break;
      sum.step += q->step;
      sum.value += q->value;
      if (q->value < sum.low) sum.low = q->value;
      if (q->value > sum.high) sum.high = q->value;
    }
    s->points[n++] = (point){sum.step / (double)count, sum.value / (double)count, sum.low, sum.high};
  }
  s->n = n;
}

// ---- drawing -------------------------------------------------------------------------------------------------

static status draw_series(out_file *f, const series *s, const axis *x, const axis *y, const char *colour,
                          bool marked) {
  bool band = false;
  for (size_t i = 0; i < s->n; i++) band = band || s->points[i].high > s->points[i].low;
  if (band) {
    TRY(out_printf(f, "<polygon fill=\"%s\" fill-opacity=\"0.15\" points=\"", colour));
    for (size_t i = 0; i < s->n; i++)
      TRY(out_printf(f, "%.1f,%.1f ", axis_place(x, s->points[i].step), axis_place(y, s->points[i].high)));
    for (size_t i = s->n; i-- > 0;)
      TRY(out_printf(f, "%.1f,%.1f ", axis_place(x, s->points[i].step), axis_place(y, s->points[i].low)));
    TRY(out_printf(f, "\"/>\n"));
  }
  TRY(out_printf(f, "<polyline stroke=\"%s\" points=\"", colour));
  for (size_t i = 0; i < s->n; i++)
    TRY(out_printf(f, "%.1f,%.1f ", axis_place(x, s->points[i].step), axis_place(y, s->points[i].value)));
  TRY(out_printf(f, "\"/>\n"));
  for (size_t i = 0; (marked || s->n == 1) && s->n <= 60 && i < s->n; i++)
    TRY(out_printf(f, "<circle fill=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.6\"/>", colour,
                   axis_place(x, s->points[i].step), axis_place(y, s->points[i].value)));
  return out_printf(f, "\n");
}

static status draw_panel(out_file *f, const plot *p, size_t figure, double left, double top) {
  double low = INFINITY, high = -INFINITY, last = 0;
  for (size_t r = 0; r < p->runs; r++) {
    const series *s = &p->all[r][figure];
    for (size_t i = 0; i < s->n; i++) {
      low = fmin(low, s->points[i].low);
      high = fmax(high, s->points[i].high);
      last = fmax(last, s->points[i].step);
    }
  }
  if (strcmp(p->names[figure], "train/lr") == 0 || strcmp(p->names[figure], "train/grad_norm") == 0)
    low = fmin(low, 0); // these axes begin at zero
  axis x, y;
  axis_linear(&x, 0, last, 6);
  axis_linear(&y, low, high, 5);
  TRY(panel_begin(f, left, top, p->names[figure], "step", &x, &y));
  const bool marked =
      strncmp(p->names[figure], "valid/", 6) == 0; // validations are few, so each point is marked
  for (size_t r = 0; r < p->runs; r++)
    if (p->all[r][figure].n > 0) TRY(draw_series(f, &p->all[r][figure], &x, &y, colours[r], marked));
  return OK;
}

static status draw(out_file *f, const plot *p) {
  const size_t columns = p->figures > 1 ? 2 : 1, lines = (p->figures + columns - 1) / columns;
  const size_t width = columns * PANEL_W, height = HEAD + lines * PANEL_H;
  TRY(svg_begin(f, width, height));
  double at = 20;
  for (size_t r = 0; r < p->runs; r++) {
    TRY(out_printf(
        f, "<rect x=\"%.1f\" y=\"18\" width=\"18\" height=\"4\" fill=\"%s\"/><text x=\"%.1f\" y=\"25\">", at,
        colours[r], at + 24));
    TRY(svg_text(f, p->labels[r]));
    TRY(out_printf(f, "</text>\n"));
    at += 44 + 7.2 * (double)strlen(p->labels[r]);
  }
  for (size_t i = 0; i < p->figures; i++)
    TRY(draw_panel(f, p, i, (double)(i % columns * PANEL_W), (double)(HEAD + i / columns * PANEL_H)));
  return out_printf(f, "</svg>\n");
}

static status make(plot *p, const char *const *runs, size_t n, const char *figures, const char *svg_path) {
  TRY(list_figures(p, figures));
  p->runs = n;
  for (size_t r = 0; r < n; r++) TRY(read_run(p, r, runs[r]));
  drop_empty(p);
  if (p->figures == 0) return fail(ERR_NOT_FOUND, "%s has none of these figures yet", runs[0]);
  for (size_t r = 0; r < n; r++)
    for (size_t f = 0; f < p->figures; f++) thin(&p->all[r][f]);
  out_file *f;
  TRY(out_open(&f, svg_path));
  const status rc = draw(f, p);
  return out_finish(f, rc);
}

status plot_runs(const char *const *runs, size_t n, const char *figures, const char *svg_path) {
  if (n < 1 || n > MAX_RUNS) return fail(ERR_ARGUMENT, "a plot shows 1 to %d runs", MAX_RUNS);
  const char *suffix = strrchr(svg_path, '.');
  if ((suffix == NULL || strcasecmp(suffix, ".svg") != 0) && !path_is_stream(svg_path))
    return fail(ERR_ARGUMENT, "%s: curves are drawn as SVG, so the name must end in .svg", svg_path);
  plot *p;
  TRY(mem_new(&p, 1, sizeof *p, "a plot"));
  const status rc = make(p, runs, n, figures, svg_path);
  for (size_t r = 0; r < MAX_RUNS; r++)
    for (size_t f = 0; f < MAX_FIGURES; f++) free(p->all[r][f].points);
  free(p);
  return rc;
}
