// Pages of HTML; see html.h.
#include "eval/html.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "format/printable.h"

// The colours of the model and of baselines are two of Okabe and Ito's, which people with any kind of colour vision can tell
// apart, lighter on a dark screen.
static const char head[] =
    "<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
    "'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<style>\n"
    ":root{color-scheme:light dark;--ink:#1a1a1a;--paper:#fff;--faint:#6b6b6b;--line:#d5d5d5;--model:#0072b2;"
    "--other:#8a5a00}\n"
    "@media (prefers-color-scheme:dark){:root{--ink:#e8e8e8;--paper:#161616;--faint:#a0a0a0;--line:#3a3a3a;"
    "--model:#56b4e9;--other:#e69f00}}\n"
    "body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:68rem;"
    "margin:2rem auto;padding:0 1rem}\n"
    "h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem;border-bottom:1px solid "
    "var(--line)}h3{font-size:1rem}\n"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}\n"
    "th,td{padding:.2rem .6rem;text-align:right;border-bottom:1px solid var(--line);vertical-align:top}\n"
    "th:first-child,td:first-child,.facts td{text-align:left}th{font-weight:600}\n"
    "td small,p.note{color:var(--faint)}td small{display:block}tr.model "
    "td{color:var(--model)}.best{font-weight:"
    "700}\n"
    "pre{overflow-x:auto;border:1px solid var(--line);padding:.6rem;font-size:.85rem}.wide{overflow-x:auto}\n"
    "p.caveat{border-left:4px solid var(--other);padding-left:.8rem}\n"
    "svg{max-width:100%;height:auto;display:block;margin:.6rem 0}svg text{fill:var(--ink);font:12px "
    "system-ui,"
    "sans-serif}\n"
    "svg .faint{fill:var(--faint)}svg .grid{stroke:var(--line)}svg "
    ".zero{stroke:var(--faint);stroke-dasharray:3 3}\n"
    "svg .m{stroke:var(--model);fill:var(--model)}svg .o{stroke:var(--other);fill:var(--other)}\n"
    "</style>\n";

status html_begin(out_file *f, const char *title) {
  TRY(out_printf(f, "<!doctype html>\n<html lang=\"en\">\n<head>\n%s<title>", head));
  TRY(html_text(f, title));
  return out_printf(f, "</title>\n</head>\n<body>\n");
}

status html_end(out_file *f) {
  return out_printf(f, "</body>\n</html>\n");
}

static const char *entity_of(char c) {
  switch (c) {
  case '&':
    return "&amp;";
  case '<':
    return "&lt;";
  case '>':
    return "&gt;";
  case '"':
    return "&quot;";
  case '\'':
    return "&#39;";
  default:
    return NULL;
  }
}

status html_text(out_file *f, const char *text) {
  const size_t room = 6 * strlen(text) + 1; // no escape is longer than that for each byte
  char *readable;
  TRY(mem_new(&readable, room, 1, "a text"));
  printable(readable, room, text, "\n");
  status rc = OK;
  for (const char *p = readable; rc == OK && *p != '\0';) {
    const size_t plain = strcspn(p, "&<>\"'");
    if (plain > 0) rc = out_write(f, p, plain);
    p += plain;
    if (rc == OK && *p != '\0') rc = out_printf(f, "%s", entity_of(*p++));
  }
  free(readable);
  return rc;
}

status html_element(out_file *f, const char *tag, const char *text) {
  TRY(out_printf(f, "<%s>", tag));
  TRY(html_text(f, text));
  return out_printf(f, "</%s>\n", tag);
}

status html_fact(out_file *f, const char *name, const char *value) {
  TRY(out_printf(f, "<tr><td>"));
  TRY(html_text(f, name));
  TRY(out_printf(f, "</td><td>"));
  TRY(html_text(f, value));
  return out_printf(f, "</td></tr>\n");
}

// ---- charts --------------------------------------------------------------------------------------------------

enum { WIDTH = 720, LEFT = 210, RIGHT = 70, ROW = 22, TOP = 26, BOTTOM = 26, TICKS = 4 };

typedef struct axis {
  double from, step; // of the ticks
  double to;
} axis;

// 1, 2 or 5 times a power of ten, so that about TICKS of them make the range.
static double step_for(double range) {
  const double rough = range / TICKS, power = pow(10, floor(log10(rough)));
  const double of[] = {1, 2, 5, 10};
  for (int i = 0; i < 3; i++)
    if (rough <= of[i] * power * 1.001) return of[i] * power;
  return of[3] * power;
}

static axis axis_for(const html_mark *marks, int32_t n) {
  double low = INFINITY, high = -INFINITY;
  for (int32_t i = 0; i < n; i++) {
    low = fmin(low, marks[i].ranged ? fmin(marks[i].low, marks[i].value) : marks[i].value);
    high = fmax(high, marks[i].ranged ? fmax(marks[i].high, marks[i].value) : marks[i].value);
  }
  if (low > 0) low = 0; // an axis that begins elsewhere makes small differences look large
  if (high < 0) high = 0;
  if (!(high - low > 1e-9)) high = low + 1e-3;
  const double step = step_for(high - low);
  axis a = {.from = floor(low / step) * step, .step = step};
  a.to = ceil(high / step) * step;
  return a;
}

static double place_on(const axis *a, double value) {
  return LEFT + (WIDTH - LEFT - RIGHT) * (value - a->from) / (a->to - a->from);
}

static status draw_axis(out_file *f, const axis *a, int32_t n) {
  const int32_t bottom = TOP + n * ROW;
  const int digits = a->step < 1 ? (int)ceil(-log10(a->step) - 1e-9) : 0;
  const int32_t ticks = (int32_t)lround((a->to - a->from) / a->step);
  for (int32_t i = 0; i <= ticks; i++) {
    const double value = a->from + i * a->step, x = place_on(a, value);
    TRY(out_printf(f, "<line class=\"%s\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>",
                   fabs(value) < 1e-9 * a->step ? "zero" : "grid", x, TOP, x, bottom));
    TRY(out_printf(f, "<text class=\"faint\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.*f</text>\n", x,
                   bottom + 16, digits, fabs(value) < 1e-9 * a->step ? 0.0 : value));
  }
  return OK;
}

static status draw_mark(out_file *f, const axis *a, const html_mark *m, int32_t row) {
  const double y = TOP + (row + 0.5) * ROW, x = place_on(a, m->value);
  const char *class = m->emphasised ? "m" : "o";
  TRY(out_printf(f, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", LEFT - 10, y + 4));
  TRY(html_text(f, m->label));
  TRY(out_printf(f, "</text>"));
  if (m->ranged)
    TRY(out_printf(f,
                   "<line class=\"%s\" stroke-width=\"2\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>",
                   class, place_on(a, m->low), y, place_on(a, m->high), y));
  TRY(out_printf(f, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>", class, x, y));
  return out_printf(f, "<text x=\"%d\" y=\"%.1f\">%.4f</text>\n", WIDTH - RIGHT + 10, y + 4, m->value);
}

status html_marks(out_file *f, const char *title, const html_mark *marks, int32_t n) {
  const axis a = axis_for(marks, n);
  const int32_t height = TOP + n * ROW + BOTTOM;
  TRY(out_printf(f, "<svg role=\"img\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" aria-label=\"", WIDTH,
                 height, WIDTH, height));
  TRY(html_text(f, title));
  TRY(out_printf(f, "\">\n<text x=\"%d\" y=\"16\" font-weight=\"600\">", LEFT));
  TRY(html_text(f, title));
  TRY(out_printf(f, "</text>\n"));
  TRY(draw_axis(f, &a, n));
  for (int32_t i = 0; i < n; i++) TRY(draw_mark(f, &a, &marks[i], i));
  return out_printf(f, "</svg>\n");
}
