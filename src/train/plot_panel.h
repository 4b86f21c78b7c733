// Panels of pictures as SVG: axes, ticks, titles. plot.c draws curves into them, souk sweep points.
#ifndef SOUK_TRAIN_PLOT_PANEL_H
#define SOUK_TRAIN_PLOT_PANEL_H

#include <stdbool.h>
#include "base/file.h"

enum { PANEL_W = 520, PANEL_H = 290 }; // pixels
enum { AXIS_TICKS = 24, AXIS_LABEL = 32 };

typedef struct axis {
  double from, to;
  bool logarithmic;
  int n_ticks;
  double ticks[AXIS_TICKS];
  char labels[AXIS_TICKS][AXIS_LABEL];
  double at, length; // pixels, set by panel_begin; length is negative when it goes up
} axis;

// Limits at multiples of a tick of 1, 2 or 5 times a power of ten, about `ticks` of them.
void axis_linear(axis *a, double low, double high, int ticks);
// 0 < low; ticks at 1, 2 and 5 times powers of ten, or at powers only where there are many.
void axis_log(axis *a, double low, double high);
// Names at 0, 1, ..., n - 1; of more than AXIS_TICKS the others have no label.
void axis_names(axis *a, const char *const *names, size_t n);
// The pixel of a value.
double axis_place(const axis *a, double v);

// The head of a picture, with the styles that panels use: classes title, x, y, grid. It ends with "</svg>\n".
status svg_begin(out_file *f, size_t width, size_t height);
status svg_text(out_file *f, const char *text); // escaped
// Draws title, axes and the name of the x axis of a panel whose corner is at (left, top), and sets the places of both axes.
status panel_begin(out_file *f, double left, double top, const char *title, const char *x_name, axis *x,
                   axis *y);

#endif
