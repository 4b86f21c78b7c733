// Panels of pictures; see plot_panel.h.
#include "train/plot_panel.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "format/printable.h"

enum { LEFT = 68, RIGHT = 16, TOP = 34, BOTTOM = 40, TEXT_BYTES = 256 };

// ---- axes ----------------------------------------------------------------------------------------------------

static double scaled(const axis *a, double v) {
  return a->logarithmic ? log10(v) : v;
}

double axis_place(const axis *a, double v) {
  const double from = scaled(a, a->from), to = scaled(a, a->to);
  return a->at + (scaled(a, v) - from) / (to - from) * a->length;
}

static void tick_text(char buf[AXIS_LABEL], double v, const axis *a, double tick) {
  const double size = fmax(fabs(a->from), fabs(a->to));
  if (fabs(v) < tick * 1e-6)
    snprintf(buf, AXIS_LABEL, "0");
  else if (size >= 1e4)
    human_count(buf, v);
  else if (size < 1e-2)
    snprintf(buf, AXIS_LABEL, "%.1e", v);
  else
    snprintf(buf, AXIS_LABEL, "%.*f", tick >= 1 ? 0 : (int)ceil(-log10(tick) - 1e-9), v);
}

void axis_linear(axis *a, double low, double high, int ticks) {
  if (!(high > low)) { // a flat curve is drawn in the middle
    const double pad = low < 0 || low > 0 ? fabs(low) * 0.5 : 1.0;
    low -= pad;
    high += pad;
  }
  const double raw = (high - low) / ticks, power = pow(10, floor(log10(raw))), part = raw / power;
  const double tick = power * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
  *a = (axis){.from = floor(low / tick + 1e-9) * tick, .to = ceil(high / tick - 1e-9) * tick};
  for (int i = 0; i <= (int)round((a->to - a->from) / tick) && i < AXIS_TICKS; i++) {
    a->ticks[i] = a->from + i * tick;
    tick_text(a->labels[i], a->ticks[i], a, tick);
    a->n_ticks++;
  }
}

void axis_log(axis *a, double low, double high) {
  static const double parts[] = {1, 2, 5};
  if (!(high > low)) {
    low *= 0.5;
    high *= 2;
  }
  *a = (axis){.from = low, .to = high, .logarithmic = true};
  const int first = (int)floor(log10(low)), last = (int)ceil(log10(high));
  const int step = last - first > 3 ? 3 : 1; // powers only
  for (int e = first; e <= last; e++)
    for (int k = 0; k < 3 && a->n_ticks < AXIS_TICKS; k += step) {
      const double v = parts[k] * pow(10, e);
      if (v < low * (1 - 1e-9) || v > high * (1 + 1e-9)) continue;
      a->ticks[a->n_ticks] = v;
      snprintf(a->labels[a->n_ticks++], AXIS_LABEL, "%g", v);
    }
}

void axis_names(axis *a, const char *const *names, size_t n) {
  *a = (axis){.from = -0.5, .to = (double)n - 0.5};
  for (size_t i = 0; i < n && a->n_ticks < AXIS_TICKS; i++) {
    a->ticks[a->n_ticks] = (double)i;
    snprintf(a->labels[a->n_ticks++], AXIS_LABEL, "%.20s", names[i]);
  }
}

// ---- drawing -------------------------------------------------------------------------------------------------

status svg_text(out_file *f, const char *text) {
  char shown[TEXT_BYTES]; // such characters are no XML either
  for (text = printable(shown, sizeof shown, text, ""); *text != '\0'; text++) {
    const char c = *text;
    TRY(c == '<' ? out_printf(f, "&lt;") : c == '&' ? out_printf(f, "&amp;") : out_write(f, &c, 1));
  }
  return OK;
}

status svg_begin(out_file *f, size_t width, size_t height) {
  return out_printf(
      f,
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%zu\" height=\"%zu\" viewBox=\"0 0 %zu %zu\">\n"
      "<style>text{font:12px sans-serif;fill:#333}.title{font-weight:bold;font-size:14px}"
      ".y{text-anchor:end}.x{text-anchor:middle}.grid{stroke:#ddd;fill:none}"
      "polyline{fill:none;stroke-width:1.6;stroke-linejoin:round}</style>\n"
      "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
      width, height, width, height);
}

static status draw_axes(out_file *f, const axis *x, const axis *y) {
  for (int i = 0; i < y->n_ticks; i++) {
    const double at = axis_place(y, y->ticks[i]);
    TRY(out_printf(f, "<path class=\"grid\" d=\"M%.1f %.1fh%.1f\"/>", x->at, at, x->length));
    TRY(out_printf(f, "<text class=\"y\" x=\"%.1f\" y=\"%.1f\">", x->at - 7, at + 4));
    TRY(svg_text(f, y->labels[i]));
    TRY(out_printf(f, "</text>\n"));
  }
  for (int i = 0; i < x->n_ticks; i++) {
    const double at = axis_place(x, x->ticks[i]);
    TRY(out_printf(f, "<path class=\"grid\" d=\"M%.1f %.1fv4\"/>", at, y->at));
    TRY(out_printf(f, "<text class=\"x\" x=\"%.1f\" y=\"%.1f\">", at, y->at + 17));
    TRY(svg_text(f, x->labels[i]));
    TRY(out_printf(f, "</text>\n"));
  }
  return OK;
}

status panel_begin(out_file *f, double left, double top, const char *title, const char *x_name, axis *x,
                   axis *y) {
  x->at = left + LEFT;
  x->length = PANEL_W - LEFT - RIGHT;
  y->at = top + PANEL_H - BOTTOM;
  y->length = -(PANEL_H - TOP - BOTTOM);
  TRY(out_printf(f, "<text class=\"title\" x=\"%.1f\" y=\"%.1f\">", x->at, top + TOP - 12));
  TRY(svg_text(f, title));
  TRY(out_printf(f, "</text>\n<text class=\"x\" x=\"%.1f\" y=\"%.1f\">", x->at + x->length / 2, y->at + 32));
  TRY(svg_text(f, x_name));
  TRY(out_printf(f, "</text>\n"));
  return draw_axes(f, x, y);
}
