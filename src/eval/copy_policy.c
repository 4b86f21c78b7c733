// A model of copy as a policy; see copy_policy.h.
#include "eval/copy_policy.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/philox.h"
#include "eval/copy_scores.h"
#include "eval/queries.h"
#include "prepare/log_reader.h"

enum { MOST_CANDIDATES = 64, MOST_STYLES = MAX_COLUMNS - 1, STYLE_NAME = 256, LINE_BYTES = 1 << 16 };

// Rows [begin, begin + rows) of an impression, of which `shown` was. Its styles are counted in the order of their first rows.
typedef struct impression {
  int64_t begin, number; // number: among all of the data set, from 0
  int32_t rows, shown;   // shown: place among them
  int32_t styles;
  uint8_t of[MOST_CANDIDATES];    // [rows] place among the impression's styles
  int32_t style[MOST_CANDIDATES]; // [styles] the data set's number of each
} impression;

// Columns of values, one an impression each.
enum {
  DRAWN,
  BEST,
  SWAPPED,
  DIFFERS,
  T_LOGGED,
  T_DRAWN,
  T_BEST,
  T_SWAPPED,
  T_BEST_SWAPPED,
  T_ORACLE,
  COLUMNS
};

typedef struct work {
  const copy_policy_config *c;
  model *m;
  const copy_examples *e;
  const copy_rows *r;
  impression *of; // [n]
  size_t n, cap;
  int64_t impressions;               // of all parts
  double *values[COLUMNS];           // [n]
  double *propensity, *click, *ones; // [n]
  int64_t *users;
  float *truth; // [impressions, styles]; NULL: not known
  int32_t styles;
} work;

// ---- impressions -------------------------------------------------------------------------------------------------

static bool same_request(const copy_rows *r, int64_t a, int64_t b) {
  int32_t n, m;
  const int32_t *x = copy_list(&r->context, a, &n), *y = copy_list(&r->context, b, &m);
  return r->user[a] == r->user[b] && r->time[a] == r->time[b] && r->item[a] == r->item[b] &&
         r->part[a] == r->part[b] && n == m && memcmp(x, y, (size_t)n * sizeof *x) == 0;
}

static status bad_row(int64_t row, const char *what) {
  return fail(ERR_ARGUMENT, "row %lld of the data set's copy.jsonl: %s", (long long)row + 1, what);
}

// Row i becomes a wording of its style.
static status take_row(const copy_rows *r, int64_t i, impression *x) {
  if (r->style[i] < 0) return bad_row(i, "it says no style");
  if (x->rows == MOST_CANDIDATES) return bad_row(i, "an impression has more candidates than 64");
  if (r->click[i] != COPY_NO_CLICK && x->shown >= 0)
    return bad_row(i, "two candidates of an impression say a click");
  if (r->click[i] != COPY_NO_CLICK) x->shown = x->rows;
  int32_t k = 0;
  while (k < x->styles && x->style[k] != r->style[i]) k++;
  if (k == x->styles) x->style[x->styles++] = r->style[i];
  x->of[x->rows++] = (uint8_t)k;
  return OK;
}

// A style with more wordings than another would be the more probable for it.
static status check_wordings(const impression *x) {
  int32_t wordings[MOST_CANDIDATES] = {0};
  for (int32_t k = 0; k < x->rows; k++) wordings[x->of[k]]++;
  for (int32_t k = 1; k < x->styles; k++)
    if (wordings[k] != wordings[0])
      return bad_row(x->begin, "the styles of its impression do not have the same number of candidates");
  return OK;
}

// The impression whose first row is `begin`.
static status take_impression(const copy_rows *r, int64_t begin, impression *out) {
  *out = (impression){.begin = begin, .shown = -1};
  for (int64_t i = begin; i < r->n && same_request(r, begin, i); i++) TRY(take_row(r, i, out));
  TRY(check_wordings(out));
  if (out->styles < 2)
    return bad_row(begin, "an impression needs candidates of several styles: rows of one user, time and "
                          "request beside each other");
  if (out->shown < 0) return bad_row(begin, "no candidate of the impression says whether it was clicked");
  return r->propensity[begin + out->shown] > 0
             ? OK
             : bad_row(begin + out->shown, "it was shown and says no propensity");
}

static status find_impressions(work *w) {
  for (int64_t i = 0; i < w->r->n; w->impressions++) {
    impression one;
    TRY(take_impression(w->r, i, &one));
    one.number = w->impressions;
    i += one.rows;
    if (w->r->part[one.begin] != w->c->part) continue;
    TRY(mem_grow(&w->of, &w->cap, w->n + 1, sizeof *w->of, "impressions"));
    w->of[w->n++] = one;
  }
  return w->n > 1 ? OK
                  : fail(ERR_ARGUMENT,
                         "the %s part of the data set of --copy_policy has fewer than two impressions (souk "
                         "prepare "
                         "--copy.%s_share sets users apart for it)",
                         copy_part_names[w->c->part], copy_part_names[w->c->part]);
}

// ---- truth -------------------------------------------------------------------------------------------------------

// The names of styles, in the order of their numbers.
static status read_styles(const dataset *d, char names[][STYLE_NAME], int32_t *n) {
  char path[PATH_MAX + 64];
  line_reader *lines;
  *n = 0;
  TRY(path_join(path, sizeof path, dataset_dir(d), "copy_styles.tsv"));
  TRY(lines_open_input(&lines, path, LINE_BYTES, NULL));
  status rc = OK;
  for (bool end = false; rc == OK && !end && *n < MOST_STYLES;) {
    char *text;
    size_t bytes;
    rc = lines_next(lines, &text, &bytes, &end);
    if (rc == OK && !end) snprintf(names[(*n)++], STYLE_NAME, "%.*s", (int)bytes, text);
  }
  lines_close(lines);
  return rc;
}

static status read_row(log_reader *log, work *w, int64_t number) {
  const char *v[MAX_COLUMNS], *reject;
  bool end;
  TRY(log_next(log, v, &reject, &end));
  if (end || reject != NULL)
    return fail(ERR_FORMAT, "%s has no row %lld that can be read, and the data set %lld impressions",
                w->c->truth, (long long)number + 1, (long long)w->impressions);
  for (int32_t s = 0; s < w->styles; s++) {
    const double p = v[s] != NULL ? strtod(v[s], NULL) : -1;
    if (!(p >= 0 && p <= 1))
      return fail(ERR_FORMAT, "%s, row %lld: no probability of a click", w->c->truth, (long long)number + 1);
    w->truth[number * w->styles + s] = (float)p;
  }
  return OK;
}

// Has every candidate a style that copy_styles.tsv names?
static status check_styles(const work *w) {
  for (int64_t i = 0; i < w->r->n; i++)
    if (w->r->style[i] >= w->styles)
      return fail(ERR_FORMAT, "row %lld of the data set's copy.h5 has style %d, and copy_styles.tsv names %d",
                  (long long)i, w->r->style[i], w->styles);
  return OK;
}

// Rows of the truth are the impressions of the data set, in order.
static status read_truth(work *w, const dataset *d) {
  static char names[MOST_STYLES][STYLE_NAME];
  const char *columns[MOST_STYLES];
  log_reader *log;
  if (w->c->truth == NULL) return OK;
  TRY(read_styles(d, names, &w->styles));
  TRY(check_styles(w));
  for (int32_t s = 0; s < w->styles; s++) columns[s] = names[s];
  TRY(mem_new(&w->truth, (size_t)w->impressions * (size_t)w->styles, sizeof *w->truth,
              "the truth of clicks"));
  TRY(log_open(&log, w->c->truth, &(log_format){.kind = LOG_CSV, .header = true}, columns, w->styles));
  status rc = OK;
  for (int64_t i = 0; i < w->impressions && rc == OK; i++) rc = read_row(log, w, i);
  log_close(log);
  return rc;
}

// ---- policies ----------------------------------------------------------------------------------------------------

// The model's distribution over the styles, with the history of row `history_of`; returns the most probable one.
static status distribution(const work *w, const impression *x, int64_t history_of, double q[MOST_CANDIDATES],
                           int32_t *best) {
  double p[MOST_CANDIDATES], most = -INFINITY, sum = 0;
  for (int32_t k = 0; k < x->rows; k++) {
    TRY(copy_log_probability_of(w->m, w->e, x->begin + k, history_of, NULL, 0, &p[k]));
    most = fmax(most, p[k]);
  }
  for (int32_t k = 0; k < x->styles; k++) q[k] = 0;
  for (int32_t k = 0; k < x->rows; k++) {
    q[x->of[k]] += exp(p[k] - most);
    sum += exp(p[k] - most);
  }
  *best = 0;
  for (int32_t k = 0; k < x->styles; k++) {
    q[k] /= sum;
    if (q[k] > q[*best]) *best = k;
  }
  return OK;
}

// An impression of another user, by name; the same one where all are of one user.
static int64_t partner_of(const work *w, size_t i) {
  rng r = rng_at(w->c->how.seed, STREAM_EVAL + DRAW_USERS, (uint32_t)w->of[i].number, 1);
  const int64_t user = w->r->user[w->of[i].begin];
  for (int tries = 0; tries < 64; tries++) {
    const size_t k = (size_t)rng_below(&r, w->n);
    if (w->r->user[w->of[k].begin] != user) return w->of[k].begin;
  }
  return w->of[i].begin;
}

static void add_truth(work *w, size_t i, const double *q, const double *other, int32_t best,
                      int32_t best_other) {
  const impression *x = &w->of[i];
  if (w->truth == NULL) return;
  const float *p = w->truth + x->number * w->styles;
  for (int32_t k = 0; k < x->styles; k++) {
    const double of = (double)p[x->style[k]];
    w->values[T_DRAWN][i] += q[k] * of;
    w->values[T_SWAPPED][i] += other[k] * of;
    w->values[T_ORACLE][i] = fmax(w->values[T_ORACLE][i], of);
    if (k == best) w->values[T_BEST][i] = of;
    if (k == best_other) w->values[T_BEST_SWAPPED][i] = of;
    if (k == x->of[x->shown]) w->values[T_LOGGED][i] = of;
  }
}

static status ask(work *w, size_t i) {
  const impression *x = &w->of[i];
  const int64_t shown = x->begin + x->shown;
  double q[MOST_CANDIDATES] = {0}, other[MOST_CANDIDATES] = {0};
  int32_t best = 0, best_other = 0;
  TRY(distribution(w, x, x->begin, q, &best));
  TRY(distribution(w, x, partner_of(w, i), other, &best_other));
  w->propensity[i] = (double)w->r->propensity[shown];
  w->click[i] = w->r->click[shown];
  w->ones[i] = 1;
  w->users[i] = w->r->user[shown];
  const int32_t style = x->of[x->shown];
  w->values[DRAWN][i] = q[style];
  w->values[BEST][i] = best == style;
  w->values[SWAPPED][i] = other[style];
  w->values[DIFFERS][i] = best != best_other;
  add_truth(w, i, q, other, best, best_other);
  return OK;
}

// ---- values ------------------------------------------------------------------------------------------------------

static status estimate(const work *w, int32_t column, off_policy_estimate *out) {
  const off_policy_log log = {w->values[column], w->propensity, w->click, w->users, (int64_t)w->n};
  return off_policy_estimate_of(&log, &w->c->how, out);
}

// The mean of a column, or of the difference of two (minus -1: of one), with its interval by user.
static status mean_of(work *w, int32_t column, int32_t minus, off_policy_value *out) {
  off_policy_estimate e;
  double *x;
  TRY(mem_new(&x, w->n, sizeof *x, "the truth of clicks"));
  for (size_t i = 0; i < w->n; i++) x[i] = w->values[column][i] - (minus >= 0 ? w->values[minus][i] : 0);
  const off_policy_log log = {w->ones, w->ones, x, w->users, (int64_t)w->n};
  const off_policy_options plain = {
      .replicates = w->c->how.replicates, .level = w->c->how.level, .seed = w->c->how.seed};
  const status rc = off_policy_estimate_of(&log, &plain, &e);
  free(x);
  if (rc == OK) *out = e.logged;
  return rc;
}

static status judge(work *w, copy_policy *out) {
  copy_policy_truth *t = &out->truth;
  off_policy_value oracle;
  TRY(estimate(w, DRAWN, &out->drawn));
  TRY(estimate(w, BEST, &out->best));
  TRY(estimate(w, SWAPPED, &out->swapped));
  TRY(mean_of(w, DIFFERS, -1, &out->differs));
  out->known = w->truth != NULL;
  if (!out->known) return OK;
  TRY(mean_of(w, T_LOGGED, -1, &t->logged));
  TRY(mean_of(w, T_DRAWN, -1, &t->drawn));
  TRY(mean_of(w, T_BEST, -1, &t->best));
  TRY(mean_of(w, T_SWAPPED, -1, &t->swapped));
  TRY(mean_of(w, T_DRAWN, T_LOGGED, &t->gain_drawn));
  TRY(mean_of(w, T_BEST, T_LOGGED, &t->gain_best));
  TRY(mean_of(w, T_DRAWN, T_SWAPPED, &t->personal));
  TRY(mean_of(w, T_BEST, T_BEST_SWAPPED, &t->personal_best));
  TRY(mean_of(w, T_ORACLE, -1, &oracle));
  t->oracle = oracle.value;
  return OK;
}

static status make_room(work *w) {
  for (int32_t k = 0; k < COLUMNS; k++)
    TRY(mem_new(&w->values[k], w->n, sizeof **w->values, "values of impressions"));
  TRY(mem_new(&w->propensity, w->n, sizeof *w->propensity, "impressions"));
  TRY(mem_new(&w->click, w->n, sizeof *w->click, "impressions"));
  TRY(mem_new(&w->ones, w->n, sizeof *w->ones, "impressions"));
  return mem_new(&w->users, w->n, sizeof *w->users, "impressions");
}

static status run_all(work *w, const dataset *d, copy_policy *out) {
  TRY(find_impressions(w));
  TRY(read_truth(w, d));
  TRY(make_room(w));
  for (size_t i = 0; i < w->n; i++) {
    TRY(ask(w, i));
    out->candidates += w->of[i].rows;
    if (log_is_terminal() && i % 100 == 99)
      log_status_line("asked about %zu of %zu impressions", i + 1, w->n);
  }
  out->impressions = (int64_t)w->n;
  log_status_end();
  return judge(w, out);
}

status copy_policy_run(copy_policy *out, model *m, const copy_examples *e, const dataset *d,
                       const copy_policy_config *c) {
  work w = {.c = c, .m = m, .e = e, .r = e->rows};
  *out = (copy_policy){.impressions = 0};
  const status rc = run_all(&w, d, out);
  void *const all[] = {w.of, w.propensity, w.click, w.ones, w.users, w.truth};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
  for (int32_t k = 0; k < COLUMNS; k++) free(w.values[k]);
  return rc;
}

// ---- reports -----------------------------------------------------------------------------------------------------

static json_t *value_json(const off_policy_value *v) {
  return json_pack("{s:f,s:f,s:f}", "value", v->value, "low", v->interval.low, "high", v->interval.high);
}

static json_t *truth_json(const copy_policy_truth *t) {
  return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:f}", "logged", value_json(&t->logged), "drawn",
                   value_json(&t->drawn), "best", value_json(&t->best), "swapped", value_json(&t->swapped),
                   "gain_drawn", value_json(&t->gain_drawn), "gain_best", value_json(&t->gain_best),
                   "personal", value_json(&t->personal), "personal_best", value_json(&t->personal_best),
                   "oracle", t->oracle);
}

json_t *copy_policy_json(const copy_policy *p) {
  json_t *j = json_pack("{s:s,s:i,s:I,s:I,s:o,s:o,s:o,s:o}", "schema", "souk.copy_policy", "version", 1,
                        "impressions", (json_int_t)p->impressions, "candidates", (json_int_t)p->candidates,
                        "drawn", off_policy_json(&p->drawn), "best", off_policy_json(&p->best), "swapped",
                        off_policy_json(&p->swapped), "differs", value_json(&p->differs));
  if (j != NULL && p->known) json_object_set_new(j, "truth", truth_json(&p->truth));
  return j;
}

static void print_value(FILE *to, const char *what, const off_policy_value *v, const char *more) {
  fprintf(to, "%-16s %.4f [%.4f, %.4f]%s\n", what, v->value, v->interval.low, v->interval.high, more);
}

void copy_policy_print(FILE *to, const copy_policy *p) {
  fprintf(to, "impressions      %lld with %lld candidates\n\n", (long long)p->impressions,
          (long long)p->candidates);
  off_policy_print(to, "a style drawn by the model", &p->drawn);
  fprintf(to, "\n");
  off_policy_print(to, "the style that is the most probable", &p->best);
  fprintf(to, "\n");
  off_policy_print(to, "drawn, with the history of another user", &p->swapped);
  fprintf(to, "\n");
  print_value(to, "differs", &p->differs, ": another style is the most probable with another user's history");
  if (!p->known) return;
  const copy_policy_truth *t = &p->truth;
  fprintf(to, "\nthe truth, clicks an impression\n");
  print_value(to, "logged", &t->logged, "");
  print_value(to, "drawn", &t->drawn, "");
  print_value(to, "best", &t->best, "");
  print_value(to, "swapped", &t->swapped, "");
  print_value(to, "gain drawn", &t->gain_drawn, "");
  print_value(to, "gain best", &t->gain_best, "");
  print_value(to, "personal", &t->personal, ": drawn less swapped");
  print_value(to, "personal best", &t->personal_best, ": best less the best with another user's history");
  fprintf(to, "%-16s %.4f, the best style for each\n", "oracle", t->oracle);
}
