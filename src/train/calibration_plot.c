// Reliability diagrams; see label_validation.h.
//
// A point a bin that has rows: its mean probability, and the share of its rows that holds. Calibrated probabilities lie on
// the diagonal. Two lines, before and after temperatures.
#include <stdio.h>
#include "train/label_validation.h"
#include "train/plot_panel.h"

enum { HEAD = 36, MOST_PANELS = 16 };
static const char *const colours[] = {"#1f77b4", "#d62728"}, *const what[] = {"as the model says",
                                                                              "by temperature"};

static status draw_line(out_file *f, const calibration_bin *bins, const axis *x, const axis *y,
                        const char *colour) {
  TRY(out_printf(f, "<polyline stroke=\"%s\" points=\"", colour));
  for (int k = 0; k < CALIBRATION_BINS; k++)
    if (bins[k].n > 0)
      TRY(out_printf(f, "%.1f,%.1f ", axis_place(x, bins[k].probability / (double)bins[k].n),
                     axis_place(y, bins[k].holds / (double)bins[k].n)));
  TRY(out_printf(f, "\"/>\n"));
  for (int k = 0; k < CALIBRATION_BINS; k++)
    if (bins[k].n > 0)
      TRY(out_printf(
          f, "<circle r=\"2.5\" fill=\"%s\" cx=\"%.1f\" cy=\"%.1f\"><title>%lld rows</title></circle>\n",
          colour, axis_place(x, bins[k].probability / (double)bins[k].n),
          axis_place(y, bins[k].holds / (double)bins[k].n), (long long)bins[k].n));
  return OK;
}

static status draw_panel(out_file *f, const classification_report *r, int32_t label, double left,
                         double top) {
  axis x, y;
  char title[200];
  const size_t at = (size_t)label * CALIBRATION_BINS;
  const bool single = r->before->single;
  axis_linear(&x, 0, 1, 5);
  axis_linear(&y, 0, 1, 5);
  snprintf(title, sizeof title, "%.80s: calibration error %.4f, then %.4f",
           single ? "the most probable label" : r->names[label],
           single ? r->before->ece : r->before->of[label].ece,
           single ? r->after->ece : r->after->of[label].ece);
  TRY(panel_begin(f, left, top, title, "predicted probability", &x, &y));
  TRY(out_printf(f, "<path class=\"grid\" stroke-dasharray=\"4 3\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n",
                 axis_place(&x, 0), axis_place(&y, 0), axis_place(&x, 1), axis_place(&y, 1)));
  TRY(draw_line(f, r->before->bins + at, &x, &y, colours[0]));
  return draw_line(f, r->after->bins + at, &x, &y, colours[1]);
}

static status draw(out_file *f, const classification_report *r) {
  int32_t panels = r->before->single ? 1 : r->before->labels;
  if (panels > MOST_PANELS) panels = MOST_PANELS;
  const int32_t columns = panels > 1 ? 2 : 1, lines = (panels + columns - 1) / columns;
  TRY(svg_begin(f, (size_t)columns * PANEL_W, HEAD + (size_t)lines * PANEL_H));
  for (int i = 0; i < 2; i++)
    TRY(out_printf(
        f,
        "<rect x=\"%d\" y=\"18\" width=\"18\" height=\"4\" fill=\"%s\"/><text x=\"%d\" y=\"25\">%s</text>\n",
        20 + 180 * i, colours[i], 44 + 180 * i, what[i]));
  for (int32_t k = 0; k < panels; k++)
    TRY(draw_panel(f, r, k, (double)(k % columns * PANEL_W), (double)(HEAD + k / columns * PANEL_H)));
  return out_printf(f, "</svg>\n");
}

status calibration_plot(const char *path, const classification_report *r) {
  out_file *f;
  TRY(out_open(&f, path));
  const status rc = draw(f, r);
  return out_finish(f, rc);
}
