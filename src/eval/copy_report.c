// Figures of copy as json, as tables, and as a page; see copy_metrics.h.
#include <errno.h>
#include <math.h>
#include <string.h>
#include "eval/copy_metrics.h"
#include "eval/html.h"

static const char *const words_names[] = {"13a", "zh", "char", "none", "rouge", "rouge_zh"};
static const char *const smoothing_names[] = {"exp", "floor", "add_k", "none"};

// ---- json ------------------------------------------------------------------------------------------------------

static json_t *number(double x) {
  return isfinite(x) ? json_real(x) : json_null();
}

static json_t *numbers(const double *x, int n) {
  json_t *all = json_array();
  for (int k = 0; k < n; k++) json_array_append_new(all, number(x[k]));
  return all;
}

static json_t *range_json(const copy_metrics *m, const interval *r) {
  return m->how.replicates > 0 ? json_pack("[f,f]", r->low, r->high) : json_null();
}

static json_t *variety_json(const copy_variety *v) {
  return json_pack("{s:I,s:o,s:o,s:o,s:o}", "empty", (json_int_t)v->empty, "words", number(v->words),
                   "distinct", numbers(v->distinct, MOST_ORDER), "rep", numbers(v->rep, MOST_ORDER),
                   "repeated", numbers(v->repeated, MOST_ORDER));
}

static json_t *bleu_json(const copy_metrics *m) {
  return json_pack(
      "{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:s,s:s,s:b}", "score", number(m->bleu.score), "interval",
      range_json(m, &m->bleu_range), "precisions", numbers(m->bleu.precisions, MOST_ORDER), "brevity_penalty",
      number(m->bleu.brevity), "words", number(m->sums.words), "reference_words",
      number(m->sums.reference_words), "matches", numbers(m->sums.matches, MOST_ORDER), "ngrams",
      numbers(m->sums.ngrams, MOST_ORDER), "tokenizer", words_names[m->how.bleu_words], "smoothing",
      smoothing_names[m->how.bleu.smoothing], "effective_order", m->how.bleu.effective_order);
}

static json_t *rouge_json(const copy_metrics *m) {
  return json_pack("{s:o,s:o,s:o,s:o,s:s}", "f1", number(m->rouge.f1), "interval",
                   range_json(m, &m->rouge_range), "precision", number(m->rouge.precision), "recall",
                   number(m->rouge.recall), "tokenizer", words_names[m->how.rouge_words]);
}

static json_t *terms_json(const term_figures *t) {
  return json_pack("{s:o,s:o,s:o,s:I,s:I,s:I,s:I}", "accuracy", number(t->accuracy), "recall",
                   number(t->recall), "clean", number(t->clean), "wanted", (json_int_t)t->wanted, "right",
                   (json_int_t)t->right, "untrue", (json_int_t)t->untrue, "quantities",
                   (json_int_t)t->quantities);
}

static void add_text(json_t *j, const char *name, const char *text) {
  if (text != NULL) json_object_set_new(j, name, json_string(text));
}

json_t *copy_metrics_json(const copy_metrics *m, const copy_origin *o) {
  json_t *j = json_pack("{s:I,s:i,s:o,s:o,s:o,s:o}", "copies", (json_int_t)m->copies, "references",
                        (int)m->references, "bleu", bleu_json(m), "rouge_l", rouge_json(m), "variety",
                        variety_json(&m->variety), "reference_variety", variety_json(&m->reference_variety));
  if (j == NULL) return NULL;
  if (m->has_terms) json_object_set_new(j, "terms", terms_json(&m->terms));
  if (isfinite(m->perplexity)) json_object_set_new(j, "perplexity", json_real(m->perplexity));
  add_text(j, "checkpoint", o->checkpoint);
  add_text(j, "decoding", o->decoding);
  add_text(j, "copies_of", o->copies);
  add_text(j, "references_of", o->references);
  return j;
}

// ---- lines of both tables ----------------------------------------------------------------------------------------

enum { NAME = 34, MOST_LINES = 32 };

// A figure of the copies and, where it has a meaning there, of the references.
typedef struct figure_line {
  char name[64];
  double value, reference; // NaN: there is none
  const interval *range;   // NULL: none
  int digits;
} figure_line;

static figure_line *line(figure_line *to, int *n, double value, double reference, int digits,
                         const char *name) {
  figure_line *const l = &to[(*n)++];
  *l = (figure_line){.value = value, .reference = reference, .digits = digits};
  snprintf(l->name, sizeof l->name, "%s", name);
  return l;
}

static void lines_of_orders(figure_line *to, int *n, const double *copies, const double *references,
                            const char *what, int first) {
  for (int k = first; k <= MOST_ORDER; k++) {
    char name[64];
    snprintf(name, sizeof name, "%s-%d", what, k);
    line(to, n, copies[k - 1], references[k - 1], 4, name);
  }
}

static int lines_of(const copy_metrics *m, figure_line lines[MOST_LINES]) {
  int n = 0;
  char name[64];
  const copy_variety *const v = &m->variety, *const r = &m->reference_variety;
  const bool ranged = m->how.replicates > 0;
  if (isfinite(m->perplexity)) line(lines, &n, m->perplexity, NAN, 3, "perplexity");
  snprintf(name, sizeof name, "BLEU (%s)", words_names[m->how.bleu_words]);
  line(lines, &n, m->bleu.score, NAN, 3, name)->range = ranged ? &m->bleu_range : NULL;
  snprintf(name, sizeof name, "ROUGE-L F1 (%s)", words_names[m->how.rouge_words]);
  line(lines, &n, m->rouge.f1, NAN, 4, name)->range = ranged ? &m->rouge_range : NULL;
  lines_of_orders(lines, &n, v->distinct, r->distinct, "distinct", 1);
  lines_of_orders(lines, &n, v->rep, r->rep, "rep", 2);
  lines_of_orders(lines, &n, v->repeated, r->repeated, "repeated", 2);
  line(lines, &n, v->words, r->words, 1, "words of a copy");
  line(lines, &n, (double)v->empty, (double)r->empty, 0, "empty copies");
  if (!m->has_terms) return n;
  line(lines, &n, m->terms.accuracy, NAN, 4, "accuracy of terms");
  line(lines, &n, m->terms.recall, NAN, 4, "wanted terms that are said");
  line(lines, &n, m->terms.clean, NAN, 4, "copies with all terms and no other");
  line(lines, &n, (double)m->terms.untrue, NAN, 0, "terms said that are not given");
  line(lines, &n, (double)m->terms.quantities, NAN, 0, "quantities that are no term");
  return n;
}

// A number as the tables have it, or "-". Returns buf.
static const char *figure_text(double x, int digits, char buf[32]) {
  if (isfinite(x))
    snprintf(buf, 32, "%.*f", digits, x);
  else
    snprintf(buf, 32, "-");
  return buf;
}

static const char *range_text(const figure_line *l, char buf[64]) {
  buf[0] = '\0';
  if (l->range != NULL)
    snprintf(buf, 64, "%.*f to %.*f", l->digits, l->range->low, l->digits, l->range->high);
  return buf;
}

// ---- for people ------------------------------------------------------------------------------------------------

status copy_metrics_print(const copy_metrics *m, FILE *to) {
  figure_line lines[MOST_LINES];
  const int n = lines_of(m, lines);
  char a[32], b[32], c[64];
  fprintf(to, "%lld copies, %d reference%s of each\n\n", (long long)m->copies, m->references,
          m->references == 1 ? "" : "s");
  fprintf(to, "%-*s %10s %10s  %s\n", NAME, "", "copies", "references",
          m->how.replicates > 0 ? "95% interval" : "");
  for (int i = 0; i < n; i++)
    fprintf(to, "%-*s %10s %10s  %s\n", NAME, lines[i].name, figure_text(lines[i].value, lines[i].digits, a),
            isfinite(lines[i].reference) ? figure_text(lines[i].reference, lines[i].digits, b) : "",
            range_text(&lines[i], c));
  return fflush(to) == 0 ? OK : fail(ERR_IO, "cannot write the evaluation: %s", strerror(errno));
}

// ---- a page ----------------------------------------------------------------------------------------------------

enum { SAMPLES = 20 };

static status fact(out_file *f, const char *name, const char *value) {
  return value != NULL ? html_fact(f, name, value) : OK;
}

static status write_figures(const copy_metrics *m, out_file *f) {
  figure_line lines[MOST_LINES];
  const int n = lines_of(m, lines);
  char a[32], b[32], c[64];
  TRY(out_printf(f, "<h2>Figures</h2>\n<table>\n<tr><th></th><th>copies</th><th>references</th></tr>\n"));
  for (int i = 0; i < n; i++)
    TRY(out_printf(f, "<tr><td>%s</td><td>%s<small>%s</small></td><td>%s</td></tr>\n", lines[i].name,
                   figure_text(lines[i].value, lines[i].digits, a), range_text(&lines[i], c),
                   isfinite(lines[i].reference) ? figure_text(lines[i].reference, lines[i].digits, b) : ""));
  return out_printf(f, "</table>\n");
}

static status write_samples(const copy_corpus *c, out_file *f) {
  TRY(out_printf(
      f, "<h2>Samples</h2>\n<p class=\"note\">The first copies in the order of the file, not chosen.</p>\n"
         "<table class=\"facts\">\n<tr><th>copy</th><th>reference</th></tr>\n"));
  for (int64_t i = 0; i < c->n && i < SAMPLES; i++) {
    TRY(out_printf(f, "<tr>"));
    TRY(html_element(f, "td", c->copies[i]));
    TRY(html_element(f, "td", c->references[0][i]));
    TRY(out_printf(f, "</tr>\n"));
  }
  return out_printf(f, "</table>\n");
}

static status write_page(const copy_metrics *m, const copy_origin *o, const copy_corpus *c, out_file *f) {
  TRY(html_begin(f, "Evaluation of copy"));
  TRY(html_element(f, "h1", "Evaluation of copy"));
  if (o->command != NULL) TRY(html_element(f, "pre", o->command));
  TRY(html_element(f, "p", "Written by souk " SOUK_VERSION ". docs/copy.md defines every figure."));
  TRY(out_printf(f, "<table class=\"facts\">\n"));
  TRY(fact(f, "checkpoint", o->checkpoint));
  TRY(fact(f, "decoding", o->decoding));
  TRY(fact(f, "copies", o->copies));
  TRY(fact(f, "references", o->references));
  TRY(out_printf(f, "</table>\n"));
  TRY(write_figures(m, f));
  TRY(write_samples(c, f));
  return html_end(f);
}

status copy_metrics_html(const copy_metrics *m, const copy_origin *o, const copy_corpus *c, out_file *f) {
  return out_finish(f, write_page(m, o, c, f));
}
