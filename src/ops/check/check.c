// The runner of the op checks; see check.h.
#include "ops/check/check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ops/check/harness.h"
#include "ops/check/reference.h"

enum { PASSES = 4 };
static const direction passes[PASSES] = {FORWARD, BACKWARD, BACKWARD, FORWARD};
static const char *const pass_names[PASSES] = {"the forward pass", "the backward pass",
                                               "the second backward pass", "the second forward pass"};

static const double NAIVE_ERRORS = 3, ROUNDINGS = 8, TF32_ROUNDINGS = 4, TF32_UNIT = 0x1p-11;

// One case on one backend.
typedef struct trial {
  const suite *s;
  int32_t i;
  const fixture *f;
  const backend *be;
  const char *label;
  int32_t threads;
  snapshot truth[PASSES], naive[PASSES];
  check_result *out;
  bool failed;
  bool dead_finite; // what lies past the live counts was finite when this pass began
} trial;

void check_note_failure(check_result *out, const char *format, ...) {
  va_list args;
  va_start(args, format);
  if (out->failed < CHECK_FAILURES)
    vsnprintf(out->failures[out->failed], sizeof *out->failures, format, args);
  va_end(args);
  out->failed++;
}

__attribute__((format(printf, 2, 3))) static void trial_fails(trial *t, const char *format, ...) {
  if (t->failed) return; // only the first failure of a case is reported
  t->failed = true;
  char what[320];
  va_list args;
  va_start(args, format);
  vsnprintf(what, sizeof what, format, args);
  va_end(args);
  check_note_failure(t->out, "%s, %s (%d threads): %s", t->s->name, t->label, t->threads, what);
}

static void note_error(trial *t, const char *what, int32_t pass, double error, double tolerance) {
  const double share = error / tolerance;
  if (!(share <= t->out->worst)) {
    t->out->worst = isnan(share) ? INFINITY : share;
    snprintf(t->out->worst_at, sizeof t->out->worst_at, "%s after %s, %s", what, pass_names[pass], t->label);
  }
  if (!(error <= tolerance))
    trial_fails(t, "%s after %s is off by %.3g, tolerance %.3g", what, pass_names[pass], error, tolerance);
}

// Distance of two elements; a NaN is only correct where the double-precision result is NaN.
static double distance(double a, double truth) {
  if (isnan(truth)) return isnan(a) ? 0 : INFINITY;
  if (isinf(truth)) return a == truth ? 0 : INFINITY;
  return isnan(a) ? INFINITY : fabs(a - truth);
}

// The tensor's largest element and the rounding unit: a correctly rounded result may be off by their product.
static double rounding_unit(const backend *be) {
  return be->act_size == 2 ? 0x1p-9 : 0x1p-24;
}

// The part of the tolerance that is relative to a tensor's largest element. A device need not round operands to TF32
// like the naive reference: it may truncate them, and in a small matmul one truncated operand makes that much
// difference.
static double roundings(const trial *t) {
  const bool matmuls = t->s->kind == OP_LINEAR || t->s->kind == OP_XENT;
  const double of_tf32 = matmuls && t->f->matmul == MATMUL_TF32 ? TF32_ROUNDINGS * TF32_UNIT : 0;
  return of_tf32 + ROUNDINGS * rounding_unit(t->be);
}

static void compare_tensor(trial *t, int32_t pass, int32_t k, const double *got) {
  const tensor *x = &t->f->t[k];
  const double *truth = t->truth[pass].v[k], *naive = t->naive[pass].v[k];
  double error = 0, naive_error = 0, largest = x->terms;
  for (size_t j = 0; j < (size_t)x->n.cap * (size_t)x->width; j++) {
    if (!tensor_is_live(t->f, x, j)) continue;
    error = fmax(error, distance(got[j], truth[j]));
    naive_error = fmax(naive_error, distance(naive[j], truth[j]));
    if (isfinite(truth[j])) largest = fmax(largest, fabs(truth[j]));
    // The size of cancelling terms counts too: a slope of 1 - y^2 is only as exact as the 1.
    if (x->role == REWRITTEN && isfinite(x->values[j])) largest = fmax(largest, fabs(x->values[j]));
  }
  const double floor = roundings(t) * largest + 1e-30;
  note_error(t, x->name, pass, error, x->kind == ELEMENT_BYTE ? 1e-30 : NAIVE_ERRORS * naive_error + floor);
}

// The results of a grown fixture are this many times those of the small one.
static step_result grown(step_result r, int32_t factor) {
  for (int32_t k = 0; k < MAX_SLOTS; k++) {
    r.slot[k].loss *= factor;
    r.slot[k].weight *= factor;
    r.slot[k].hits *= factor;
  }
  return r;
}

static void compare_result(trial *t, int32_t pass, const char *name, double got, double truth, double naive,
                           double size) {
  note_error(t, name, pass, distance(got, truth),
             NAIVE_ERRORS * distance(naive, truth) + roundings(t) * (isfinite(size) ? size : 0) + 1e-30);
}

// `terms`: how large the sums would be if no term had another sign.
static void compare_slot(trial *t, int32_t pass, int32_t k, const slot_result *got, const slot_result *truth,
                         const slot_result *naive, double terms) {
  char name[3][32];
  static const char *const fields[] = {"loss", "weight", "hits"};
  for (int32_t j = 0; j < 3; j++) snprintf(name[j], sizeof name[j], "%s of slot %d", fields[j], k);
  compare_result(t, pass, name[0], got->loss, truth->loss, naive->loss, terms);
  compare_result(t, pass, name[1], got->weight, truth->weight, naive->weight, fabs(truth->weight));
  compare_result(t, pass, name[2], got->hits, truth->hits, truth->hits, fabs(truth->hits));
}

static void compare_results(trial *t, int32_t pass, const step_result *got) {
  const int32_t times = t->f->repeat > 0 ? t->f->repeat : 1,
                signs = t->f->repeat > 0 ? fixture_signs(t->f) : 1;
  const step_result *once = &t->truth[pass].result;
  const step_result truth = grown(*once, signs), naive = grown(t->naive[pass].result, signs);
  for (int32_t k = 0; k < MAX_SLOTS; k++)
    compare_slot(t, pass, k, &got->slot[k], &truth.slot[k], &naive.slot[k],
                 times * (fabs(once->slot[k].loss) + once->slot[k].weight));
  compare_result(t, pass, "grad_sumsq", got->grad_sumsq, truth.grad_sumsq, naive.grad_sumsq,
                 truth.grad_sumsq);
  compare_result(t, pass, "nonfinite", got->nonfinite, truth.nonfinite, truth.nonfinite, 0);
}

static bool is_output(const tensor *t) {
  return t->role == SAVED || t->role == MADE || t->role == SUMMED || t->role == REWRITTEN;
}

static void compare(trial *t, int32_t pass, const snapshot *got) {
  for (int32_t k = 1; k < MAX_TENSORS; k++) {
    if (got->v[k] == NULL || !is_output(&t->f->t[k])) continue;
    if (t->f->t[k].role == MADE && pass == 0) continue; // not made yet
    if (t->f->t[k].alias != 0 && passes[pass] == FORWARD)
      continue; // the tensor that it aliases is still in that memory
    compare_tensor(t, pass, k, got->v[k]);
  }
  compare_results(t, pass, &got->result);
}

// What a backward pass writes must have the same bits each time; with `of_repeat` sums and results too.
static void compare_bits(trial *t, const snapshot *a, const snapshot *b, bool of_repeat) {
  for (int32_t k = 1; k < MAX_TENSORS; k++) {
    const tensor *x = &t->f->t[k];
    if (a->v[k] == NULL || !is_output(x) || (x->role == SUMMED && !of_repeat)) continue;
    for (size_t j = 0; j < (size_t)x->n.cap * (size_t)x->width; j++) {
      if (!tensor_is_live(t->f, x, j) || !(distance(a->v[k][j], b->v[k][j]) > 0)) continue;
      trial_fails(t, "%s is not the same bits in a repeat%s: %.9g and %.9g", x->name,
                  of_repeat ? " with other values past the live counts" : "", a->v[k][j], b->v[k][j]);
      return;
    }
  }
  const step_result *r = &a->result, *q = &b->result;
  bool same = !(distance(r->grad_sumsq, q->grad_sumsq) > 0);
  for (int32_t k = 0; k < MAX_SLOTS; k++) same = same && !(distance(r->slot[k].loss, q->slot[k].loss) > 0);
  if (of_repeat && !same) trial_fails(t, "the losses or the gradient norm are not the same bits in a repeat");
}

static void check_past_live(trial *t, const snapshot *s) {
  for (int32_t k = 1; k < MAX_TENSORS; k++) {
    const tensor *x = &t->f->t[k];
    if (s->v[k] == NULL || !is_output(x)) continue;
    for (size_t j = 0; j < (size_t)x->n.cap * (size_t)x->width; j++)
      if (!tensor_is_live(t->f, x, j) && !isfinite(s->v[k][j])) {
        trial_fails(t, "%s is not finite past the live count", x->name);
        return;
      }
  }
}

static status check_intact(trial *t, const column *c, fill filler, int32_t pass) {
  char broken[LABEL];
  TRY(column_intact(c, t->f, filler, broken));
  if (broken[0] != '\0') trial_fails(t, "after %s %s", pass_names[pass], broken);
  return OK;
}

// The results of a reference after each pass, kept for comparison.
static status run_reference(trial *t, const backend *be, snapshot kept[PASSES]) {
  column c;
  status rc;
  TRY_GOTO(column_open(&c, t->s, t->i, t->f, be, 0, 1), done);
  TRY_GOTO(column_fill(&c, t->f, FILL_NAN), done);
  for (int32_t pass = 0; pass < PASSES; pass++) {
    if (pass > 0) TRY_GOTO(column_refresh(&c, t->f, FILL_NAN, passes[pass]), done);
    TRY_GOTO(column_pass(&c, t->s, t->i, t->f, passes[pass]), done);
    if (be == &reference_float) TRY_GOTO(column_round(&c, t->f, t->f->act_size), done);
    TRY_GOTO(column_snapshot(&c, t->f, &kept[pass]), done);
  }
  char broken[LABEL];
  TRY_GOTO(column_intact(&c, t->f, FILL_NAN, broken), done);
  if (broken[0] != '\0') rc = fail(ERR_INTERNAL, "%s, %s: %s, %s", be->name, t->s->name, t->label, broken);
done:
  column_close(&c);
  return rc;
}

// Runs all passes with NaN past the live counts, then the first two with other values there.
static status run_passes(trial *t, column *c) {
  snapshot first, now;
  memset(&first, 0, sizeof first);
  memset(&now, 0, sizeof now);
  status rc;
  TRY_GOTO(column_fill(c, t->f, FILL_NAN), done);
  for (int32_t pass = 0; pass < PASSES; pass++) {
    if (pass > 0) TRY_GOTO(column_refresh(c, t->f, FILL_NAN, passes[pass]), done);
    TRY_GOTO(column_pass(c, t->s, t->i, t->f, passes[pass]), done);
    TRY_GOTO(check_intact(t, c, FILL_NAN, pass), done);
    snapshot *s = pass == 1 ? &first : &now;
    snapshot_free(s);
    TRY_GOTO(column_snapshot(c, t->f, s), done);
    compare(t, pass, s);
    if (pass == 2) compare_bits(t, &first, &now, false);
  }
  TRY_GOTO(column_fill(c, t->f, FILL_FINITE), done);
  for (int32_t pass = 0; pass < 2; pass++) {
    if (pass > 0) TRY_GOTO(column_refresh(c, t->f, FILL_FINITE, passes[pass]), done);
    TRY_GOTO(column_pass(c, t->s, t->i, t->f, passes[pass]), done);
  }
  TRY_GOTO(check_intact(t, c, FILL_FINITE, 1), done);
  snapshot_free(&now);
  TRY_GOTO(column_snapshot(c, t->f, &now), done);
  compare_bits(t, &first, &now, true);
  check_past_live(t, &now);
done:
  snapshot_free(&first);
  snapshot_free(&now);
  return rc;
}

// Graphs of the passes, NULL where a backend has none. A captured graph serves every batch, so it is first launched
// with every row live: what that leaves in memory must not affect the launch with the case's own counts.
static status capture_passes(trial *t, column *c, void *graphs[2]) {
  TRY(t->be->graph_begin(c->ctx));
  TRY(t->be->graph_end(c->ctx, &graphs[0]));
  if (graphs[0] == NULL) return OK;
  for (int32_t pass = 0; pass < 2; pass++) {
    t->be->graph_free(c->ctx, graphs[pass]);
    graphs[pass] = NULL;
    TRY(t->be->graph_begin(c->ctx));
    const status rc = column_pass(c, t->s, t->i, t->f, passes[pass]),
                 ended = t->be->graph_end(c->ctx, &graphs[pass]);
    TRY(rc);
    TRY(ended);
  }
  return OK;
}

static status run_captured(trial *t, column *c) {
  void *graphs[2] = {NULL, NULL};
  snapshot now;
  memset(&now, 0, sizeof now);
  step_state all = t->f->state;
  if (t->s->kind != OP_ATTENTION)
    all.tokens = all.seqs = all.masked = INT32_MAX; // but the work items are those of the case
  status rc;
  TRY_GOTO(capture_passes(t, c, graphs), done);
  if (graphs[0] == NULL) goto done;
  TRY_GOTO(column_fill(c, t->f, FILL_FINITE), done);
  TRY_GOTO(t->be->state_write(c->ctx, &all), done);
  for (int32_t pass = 0; pass < 2; pass++) TRY_GOTO(t->be->graph_launch(c->ctx, graphs[pass]), done);
  // In a graph matmuls run over whole capacities, so the dead rows of a linear layer's inputs are finite; those of
  // other ops are NaN.
  for (fill filler = t->s->kind == OP_LINEAR ? FILL_FINITE : FILL_NAN;; filler = FILL_FINITE) {
    TRY_GOTO(column_fill(c, t->f, filler), done);
    for (int32_t pass = 0; pass < 2; pass++) {
      if (pass > 0) TRY_GOTO(column_refresh(c, t->f, filler, passes[pass]), done);
      TRY_GOTO(t->be->graph_launch(c->ctx, graphs[pass]), done);
      TRY_GOTO(check_intact(t, c, filler, pass), done);
      snapshot_free(&now);
      TRY_GOTO(column_snapshot(c, t->f, &now), done);
      compare(t, pass, &now);
    }
    if (filler == FILL_FINITE) break;
  }
  check_past_live(t, &now);
done:
  for (int32_t pass = 0; pass < 2; pass++) t->be->graph_free(c->ctx, graphs[pass]);
  snapshot_free(&now);
  return rc;
}

// ---- real sizes ----------------------------------------------------------------------------------------------

static bool is_compared(const tensor *x, int32_t pass) {
  return is_output(x) && !(x->role == MADE && pass == 0) && !(x->alias != 0 && passes[pass] == FORWARD);
}

// Sums over rows: parameters' gradients.
static bool is_sum(const tensor *x) {
  return x->role == SUMMED && x->n.kind == ROWS_FIXED && x->kind != ELEMENT_BYTE;
}

// The expected value of an element of a grown fixture, from the small fixture's value before and after the pass.
static double wanted(const tensor *x, double truth, double value, double sign, double signs) {
  if (is_sum(x)) return value + signs * (truth - value);
  if (x->role == SUMMED && x->kind != ELEMENT_BYTE) return value + sign * (truth - value);
  return x->role == MADE || x->role == REWRITTEN ? sign * truth : truth;
}

static uint64_t mixed(double x, size_t at) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits = (bits ^ (uint64_t)at * 0x9E3779B97F4A7C15u) * 0xD6E8FEB86659FD93u;
  return bits ^ bits >> 32;
}

// Compares tensor k of a grown fixture after a pass; *print gets a number that stands for its live bits.
static status compare_grown(trial *t, const column *c, int32_t pass, int32_t k, uint64_t *print) {
  const fixture *f = t->f;
  const tensor *x = &f->t[k];
  const size_t width = (size_t)x->width;
  const double signs = fixture_signs(f),
               walk = is_sum(x) ? sqrt(f->repeat) : 1; // the size that a sum with signs reaches on the way
  const double *truth = t->truth[pass].v[k], *naive = t->naive[pass].v[k], *values = x->values;
  double error = 0, naive_error = 0, largest = x->terms * walk;
  uint64_t bits = 0;
  bool finite = true;
  void *raw;
  TRY(column_raw(c, f, k, &raw));
#pragma omp parallel for schedule(static) \
    reduction(max : error, naive_error, largest) reduction(+ : bits) reduction(&& : finite)
  for (size_t row = 0; row < (size_t)x->n.cap; row++) {
    const row_source r = tensor_row(f, x, row);
    for (size_t j = 0, at = row * width; j < width; j++, at++) {
      const double got = column_element(c, f, k, raw, at);
      if (!r.live || j >= (size_t)x->live_width) {
        finite = finite && isfinite(got);
        continue;
      }
      const size_t i = r.at + (x->across ? j % r.columns : j);
      error = fmax(error, distance(got, wanted(x, truth[i], values[i], r.sign, signs)));
      naive_error = fmax(naive_error, distance(naive[i], truth[i]));
      const double moved = is_sum(x) ? truth[i] - values[i] : truth[i];
      if (isfinite(moved)) largest = fmax(largest, walk * fabs(moved));
      if ((x->role == REWRITTEN || is_sum(x)) && isfinite(values[i]))
        largest = fmax(largest, fabs(values[i]));
      bits += mixed(got, at);
    }
  }
  free(raw);
  *print = bits;
  if (!finite && t->dead_finite) trial_fails(t, "%s is not finite past the live count", x->name);
  const int32_t most = f->state.tokens > f->state.masked ? f->state.tokens : f->state.masked;
  const int32_t terms = most > f->state.seqs ? most : f->state.seqs;
  const double more = is_sum(x) ? sqrt(terms) * rounding_unit(t->be) : 0;
  const double floor = (roundings(t) + more) * largest + 1e-30;
  note_error(t, x->name, pass, error,
             x->kind == ELEMENT_BYTE ? 1e-30 : NAIVE_ERRORS * walk * naive_error + floor);
  return OK;
}

static status compare_all_grown(trial *t, column *c, int32_t pass, uint64_t prints[MAX_TENSORS]) {
  for (int32_t k = 1; k < MAX_TENSORS; k++)
    if (c->at[k] != NULL && is_compared(&t->f->t[k], pass)) TRY(compare_grown(t, c, pass, k, &prints[k]));
  step_result r;
  TRY(t->be->result_read(c->ctx, &r));
  compare_results(t, pass, &r);
  char broken[LABEL];
  TRY(column_guards(c, t->f, broken));
  if (broken[0] != '\0') trial_fails(t, "after %s %s", pass_names[pass], broken);
  return OK;
}

static status run_grown(trial *t, column *c) {
  uint64_t prints[PASSES][MAX_TENSORS] = {{0}}, again[MAX_TENSORS] = {0};
  TRY(column_fill(c, t->f, FILL_NAN));
  for (int32_t pass = 0; pass < PASSES; pass++) {
    if (pass > 0) TRY(column_refresh(c, t->f, FILL_NAN, passes[pass]));
    TRY(column_pass(c, t->s, t->i, t->f, passes[pass]));
    TRY(compare_all_grown(t, c, pass, prints[pass]));
  }
  t->dead_finite = true;
  TRY(column_fill(c, t->f, FILL_FINITE));
  for (int32_t pass = 0; pass < 2; pass++) {
    if (pass > 0) TRY(column_refresh(c, t->f, FILL_FINITE, passes[pass]));
    TRY(column_pass(c, t->s, t->i, t->f, passes[pass]));
  }
  TRY(compare_all_grown(t, c, 1, again));
  for (int32_t k = 1; k < MAX_TENSORS; k++)
    if (prints[1][k] != again[k])
      trial_fails(t, "%s is not the same bits in a repeat with other values past the live counts",
                  t->f->t[k].name);
  return OK;
}

// ---- cases ---------------------------------------------------------------------------------------------------

// The value of an environment variable that shortens the tables (tools/mutants sets them); 0 if it is not set.
static int64_t setting(const char *name) {
  const char *text = getenv(name);
  return text != NULL ? strtoll(text, NULL, 10) : 0;
}

static int64_t elements(const fixture *f) {
  int64_t n = 0;
  for (int32_t k = 1; k < MAX_TENSORS; k++) n += (int64_t)f->t[k].n.cap * f->t[k].width;
  return n;
}

// How many times case i is repeated to reach a real size; 0: it is a small case.
static int32_t repeats(const suite *s, int32_t i) {
  return i < s->cases - s->real ? 0 : s->repeats[i - (s->cases - s->real)];
}

static status run_case(const suite *s, int32_t i, const backend *be, const check_config *config,
                       check_result *out) {
  enum { SLACK = 77 };
  char label[LABEL];
  const int32_t times = repeats(s, i);
  s->label(i, label);
  if (times > 1) snprintf(label + strlen(label), LABEL - strlen(label), ", %d times", times);
  fixture f, large;
  trial t = {.s = s, .i = i, .f = &f, .be = be, .label = label, .out = out};
  status rc;
  TRY_GOTO(fixture_set_up(s, i, be->act_size, &f), done);
  f.matmul = config->matmul;
  const int64_t most = setting("SOUK_CHECK_ELEMENTS");
  if (most > 0 && elements(&f) * (times > 0 ? times : 1) > most) goto done;
  TRY_GOTO(run_reference(&t, &reference_double, t.truth), done);
  TRY_GOTO(run_reference(&t, &reference_float, t.naive), done);
  out->cases++;
  if (times > 1) fixture_grow(&large, &f, times, SLACK);
  if (times > 1) t.f = &large;
  for (int32_t k = 0; k < config->n_threads; k++) {
    t.threads = config->threads[k];
    column c;
    rc = column_open(&c, s, i, t.f, be, config->device, t.threads);
    if (rc == ERR_UNSUPPORTED) {
      out->unsupported++;
      out->cases--;
      column_close(&c);
      rc = OK;
      break;
    }
    if (rc == OK) rc = times > 1 ? run_grown(&t, &c) : run_passes(&t, &c);
    if (rc == OK && times <= 1) rc = run_captured(&t, &c);
    column_close(&c);
    if (rc != OK) trial_fails(&t, "%s", fail_message());
    rc = OK;
  }
done:
  for (int32_t pass = 0; pass < PASSES; pass++) {
    snapshot_free(&t.truth[pass]);
    snapshot_free(&t.naive[pass]);
  }
  fixture_free(&f);
  return rc;
}

extern const suite suite_embed, suite_norm, suite_linear, suite_attention, suite_gather, suite_bag,
    suite_fuse, suite_xent, suite_leash, suite_classify, suite_drop, suite_scale, suite_orthogonal,
    suite_importance, suite_optim;
const suite *const suites[] = {&suite_embed,      &suite_norm,       &suite_linear, &suite_attention,
                               &suite_gather,     &suite_bag,        &suite_fuse,   &suite_xent,
                               &suite_leash,      &suite_classify,   &suite_drop,   &suite_scale,
                               &suite_orthogonal, &suite_importance, &suite_optim};
const int32_t n_suites = sizeof suites / sizeof *suites;

const char *const check_names[] = {"embed",      "norm",       "linear", "attention", "gather", "bag",
                                   "fuse",       "xent",       "leash",  "classify",  "drop",   "scale",
                                   "orthogonal", "importance", "optim",  "backend"};
const int32_t n_checks = sizeof check_names / sizeof *check_names;

status check_run(int32_t i, const backend *be, const check_config *config, check_result *out) {
  memset(out, 0, sizeof *out);
  if (i == n_suites) return check_backend_suite(be, config, out);
  const int32_t all = suites[i]->cases - (config->real ? 0 : suites[i]->real),
                n = config->cases > 0 && config->cases < all ? config->cases : all;
  const bool first = setting("SOUK_CHECK_FIRST") > 0;
  for (int32_t k = config->first; k < n && !(first && out->failed > 0); k++)
    TRY(run_case(suites[i], k, be, config, out));
  return OK;
}
