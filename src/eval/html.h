// Pieces of a page of HTML that needs nothing beside itself: text that cannot become markup, and charts as inline SVG.
#ifndef SOUK_EVAL_HTML_H
#define SOUK_EVAL_HTML_H

#include <stdbool.h>
#include "base/file.h"

// Begins a page: styles for a light and a dark screen, and a policy that forbids the browser to load or run anything, so that
// a name that somehow became markup could do nothing.
status html_begin(out_file *f, const char *title);
status html_end(out_file *f);

// Writes text as text: & < > " and ' are written as entities, control characters (but line feeds) and what is no UTF-8 as
// escapes that can be read (format/printable.h). Safe between tags and in quoted attributes.
status html_text(out_file *f, const char *text);
// <TAG>text</TAG>; tag is ours, text may be anybody's.
status html_element(out_file *f, const char *tag, const char *text);
// A row of a table of two columns.
status html_fact(out_file *f, const char *name, const char *value);

// A value on an axis, with its interval.
typedef struct html_mark {
  const char *label;
  double value, low, high;
  bool ranged;     // low and high are known
  bool emphasised; // the model, among baselines
} html_mark;

// Marks under each other over one axis, with the line of 0 where it lies within; n >= 1. Values as %.4f.
status html_marks(out_file *f, const char *title, const html_mark *marks, int32_t n);

#endif
