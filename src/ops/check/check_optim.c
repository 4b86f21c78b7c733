// Cases of the optimisers: tables of tensors, which lie one after the other in six buffers (weights, copies, gradients, two
// moments, lags of the averages) with gaps that nobody may touch. The forward pass is grad_norm, the backward pass one step, which continues with
// the weights, moments and lags of the one before; or, in a case of averages, both ops about them instead of the step.
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "ops/check/harness.h"

enum { P = 1, P_COMPUTE, G, M, V, LAG, TOUCHED };

typedef struct entry {
  int32_t gap;    // elements before it that are no one's
  int32_t n, row; // row 0: dense
  float lr_scale, decay;
  enum { PLAIN = 0, TRUST = 1, PART = 2 } is; // PART: of the same tensor as the one before
} entry;

typedef struct table {
  const char *name;
  entry entries[MAX_ENTRIES];
} table; // ends at the first entry without elements and gap, or is full

static const table tables[] = {
    {"one element", {{0, 1, 0, 0.5f, 0, TRUST}}},
    {"97", {{0, 97, 0, 0.5f, 0.01f, TRUST}}},
    {"97 without trust", {{0, 97, 0, 0.5f, 0.01f, PLAIN}}},
    {"97 without decay", {{0, 97, 0, 0.5f, 0, PLAIN}}},
    {"1025", {{0, 1025, 0, 0.5f, 0.1f, TRUST}}},
    {"70000", {{0, 70000, 0, 0.5f, 0.01f, TRUST}}},
    {"97 rows of 20", {{0, 97 * 20, 20, 0.5f, 0.01f, PLAIN}}},
    {"131 rows of 19", {{0, 131 * 19, 19, 0.5f, 0.01f, PLAIN}}},
    {"33 rows of 36", {{0, 33 * 36, 36, 0.5f, 0.01f, PLAIN}}},
    {"1025 rows of 64", {{0, 1025 * 64, 64, 0.5f, 0.1f, PLAIN}}},
    {"nothing", {{0, 0, 0, 0, 0, PLAIN}}},
    // Odd sizes and places; decays, rates and trust of their own; one without elements.
    {"six tensors",
     {{3, 1, 0, 1, 0, PLAIN},
      {1, 3, 0, 0.25f, 0.1f, TRUST},
      {0, 64, 0, 2, 0.01f, PLAIN},
      {7, 0, 0, 1, 0.01f, TRUST},
      {5, 8193, 0, 0.5f, 0, TRUST},
      {6, 16384, 0, 0.5f, 0.2f, TRUST}}},
    {"dense and row-sparse ones",
     {{4, 36 * 65, 36, 0.5f, 0.01f, PLAIN},
      {0, 8192, 0, 1, 0, PLAIN},
      {2, 19 * 131, 19, 0.25f, 0.1f, PLAIN},
      {1, 5, 1, 1, 0, PLAIN},
      {0, 3, 0, 4, 0.3f, PLAIN}}},
    // Three stacked tensors, and one in four parts.
    {"parts of tensors",
     {{0, 36 * 12, 0, 1, 0.01f, TRUST},
      {0, 36 * 12, 0, 1, 0.01f, TRUST},
      {0, 36 * 12, 0, 1, 0.01f, PLAIN},
      {5, 100, 0, 0.5f, 0.1f, TRUST},
      {0, 9001, 0, 0.5f, 0.1f, TRUST + PART},
      {0, 0, 0, 0.5f, 0.1f, TRUST + PART},
      {11, 1, 0, 0.5f, 0.1f, TRUST + PART},
      {0, 17, 0, 1, 0, TRUST}}},
    // Real sizes.
    {"3000017", {{0, 3000017, 0, 0.5f, 0.01f, PLAIN}}},
    {"a model's, not all aligned",
     {{0, 1000003, 0, 1, 0.01f, TRUST},
      {0, 64, 0, 1, 0, PLAIN},
      {1, 1000003, 0, 0.5f, 0.01f, TRUST},
      {0, 3, 0, 1, 0, TRUST},
      {4, 1, 0, 1, 0, PLAIN}}},
    {"30011 rows of 64 and a bias", {{0, 30011 * 64, 64, 0.5f, 0.1f, PLAIN}, {0, 30011, 0, 0.5f, 0, PLAIN}}},
    {"3072 x 769", {{0, 2362368, 0, 0.5f, 0.01f, TRUST}}},
};

typedef struct optim_case {
  enum { ADAMW, LAMB, AVERAGE } rule;
  const char *table;
  float clip; // 0: none
  enum {
    ALL = 0,
    COPY = 1,
    NAN_GRADIENT = 2, // in the last element
    INF_GRADIENT = 4, // in the first
    ZERO = 8,
    FAINT = 16,
    NO_WEIGHTS = 32,
    ASKEW = 64, // copies are aligned otherwise than weights
    AVERAGED = 128
  } how;
  int64_t step;
} optim_case;

static const optim_case cases[] = {
    {ADAMW, "one element", 0, ALL, 0},
    {ADAMW, "97", 0, COPY, 1},
    {ADAMW, "1025", 1, ALL, 41},        // clipped
    {ADAMW, "1025", 1000, ALL, 100000}, // a bound above the norm
    {ADAMW, "70000", 1, COPY, 7},
    {ADAMW, "97 without decay", 1e-4f, ALL, 3},
    {ADAMW, "97 without decay", 1.5e-6f, FAINT, 0}, // where the 1e-6 beside the norm counts
    {ADAMW, "97", 1, NAN_GRADIENT, 3},
    {ADAMW, "1025", 0, INF_GRADIENT + COPY, 3},
    {ADAMW, "97", 1, ZERO, 3},
    {ADAMW, "97 rows of 20", 1, ALL, 3},
    {ADAMW, "131 rows of 19", 1, ALL, 3},
    {ADAMW, "33 rows of 36", 0, COPY, 0},
    {ADAMW, "33 rows of 36", 0, COPY + ASKEW, 3},
    {ADAMW, "1025 rows of 64", 1, COPY, 9},
    {ADAMW, "97 rows of 20", 1, NAN_GRADIENT, 3},
    {ADAMW, "nothing", 1, ALL, 3},
    {ADAMW, "six tensors", 1, ALL, 3},
    {ADAMW, "six tensors", 1, NAN_GRADIENT, 3},
    {ADAMW, "dense and row-sparse ones", 1, COPY, 3},
    {ADAMW, "dense and row-sparse ones", 1, INF_GRADIENT, 3},
    {ADAMW, "parts of tensors", 1, ALL, 3},
    {LAMB, "one element", 0, ALL, 0},
    {LAMB, "97", 1, COPY, 5},
    {LAMB, "97 without trust", 1, ALL, 5},
    {LAMB, "70000", 1, ALL, 41},
    {LAMB, "one element", 1, ZERO, 0}, // no gradient and no decay: the update is zero
    {LAMB, "97", 1, NO_WEIGHTS, 5},    // weights of zero, as a bias has at first: the trust ratio must be 1
    {LAMB, "97", 1, NAN_GRADIENT, 3},
    {LAMB, "nothing", 1, ALL, 3},
    {LAMB, "six tensors", 1, COPY, 5},
    {LAMB, "six tensors", 0, INF_GRADIENT, 5},
    {LAMB, "parts of tensors", 1, ALL, 5},
    // Averages.
    {ADAMW, "97", 1, AVERAGED, 0},
    {ADAMW, "1025", 0, AVERAGED + COPY, 41},
    {ADAMW, "131 rows of 19", 1, AVERAGED, 3},
    {ADAMW, "1025 rows of 64", 1, AVERAGED + COPY, 9},
    {ADAMW, "six tensors", 1, AVERAGED, 3},
    {ADAMW, "dense and row-sparse ones", 1, AVERAGED + COPY + ASKEW, 3},
    {ADAMW, "97 rows of 20", 1, AVERAGED + NAN_GRADIENT, 3},
    {LAMB, "97 without trust", 1, AVERAGED, 5},
    {LAMB, "six tensors", 1, AVERAGED + COPY, 5},
    {LAMB, "parts of tensors", 1, AVERAGED + INF_GRADIENT, 5},
    {AVERAGE, "one element", 0, AVERAGED, 0},
    {AVERAGE, "dense and row-sparse ones", 0, AVERAGED, 3},
    {AVERAGE, "six tensors", 0, AVERAGED, 3},
    {AVERAGE, "six tensors", 0, ALL, 3}, // none: the weights as they are
    {AVERAGE, "nothing", 0, AVERAGED, 3},
    // Real sizes.
    {ADAMW, "3000017", 1, ALL, 41},
    {ADAMW, "a model's, not all aligned", 1, COPY, 9},
    {ADAMW, "30011 rows of 64 and a bias", 1, COPY, 9},
    {LAMB, "a model's, not all aligned", 1, ALL, 9},
    {LAMB, "3072 x 769", 1, ALL, 41},
    {ADAMW, "30011 rows of 64 and a bias", 1, AVERAGED, 9},
    {AVERAGE, "30011 rows of 64 and a bias", 0, AVERAGED, 9},
};
static const int32_t repeated[] = {1, 1, 1, 1, 1, 1, 1};

static const entry *entries_of(const optim_case *k) {
  for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
    if (strcmp(tables[t].name, k->table) == 0) return tables[t].entries;
  return NULL;
}

static int32_t count(const entry *e) {
  int32_t n = 0;
  while (n < MAX_ENTRIES && (e[n].n > 0 || e[n].gap > 0 || e[n].is != PLAIN)) n++;
  return n;
}

static int32_t elements(const entry *e) {
  int32_t sum = 0;
  for (int32_t k = 0; k < count(e); k++) sum += e[k].gap + e[k].n;
  return sum;
}

// Marks of a row-sparse tensor: one a row, and one more if that makes the number even, because the simulator of CUDA
// remembers reads by cells of two bytes and would take two blocks that share a cell for a race.
static int32_t marks_of(const entry *e) {
  return e->row > 0 ? (e->n / e->row + 1) / 2 * 2 : 0;
}

static int32_t all_marks(const entry *e) {
  int32_t sum = 0;
  for (int32_t k = 0; k < count(e); k++) sum += marks_of(&e[k]);
  return sum;
}

static void label(int32_t i, char text[LABEL]) {
  const optim_case *k = &cases[i];
  static const char *const rules[] = {"adamw", "lamb", "averages"};
  snprintf(text, LABEL, "%s, %s, step %lld, clip %g%s%s%s%s%s%s%s%s", rules[k->rule], k->table,
           (long long)k->step, (double)k->clip, k->how & COPY ? ", compute copy" : "",
           k->how & ASKEW ? " askew" : "", k->how & NAN_GRADIENT ? ", a NaN" : "",
           k->how & INF_GRADIENT ? ", an infinity" : "", k->how & ZERO ? ", zero gradient" : "",
           k->how & AVERAGED ? ", averaged" : "", k->how & FAINT ? ", faint gradient" : "",
           k->how & NO_WEIGHTS ? ", weights of zero" : "");
}

// Rows that are not marked have no gradient. The first and the last of each tensor are marked, the last with a gradient.
static void mark_rows(fixture *f, const entry *e) {
  double *g = f->t[G].values, *marks = f->t[TOUCHED].values;
  for (int32_t k = 0; k < count(e); k++) {
    g += e[k].gap;
    if (e[k].row > 0) {
      const int32_t n = e[k].n / e[k].row;
      marks[0] = marks[n - 1] = 1;
      for (int32_t j = 0; j < e[k].n; j++)
        if (!(marks[j / e[k].row] > 0)) g[j] = 0;
      g[e[k].n - 1] = 0.25;
      marks += marks_of(&e[k]);
    }
    g += e[k].n;
  }
}

static void setup(int32_t i, fixture *f) {
  const optim_case *k = &cases[i];
  const entry *e = entries_of(k);
  const int32_t all = elements(e), flags = all_marks(e);
  const rows n = {ROWS_FIXED, all > 0 ? all : 1}, copies = {ROWS_FIXED, n.cap + 1},
             marks = {ROWS_FIXED, flags > 0 ? flags : 1};
  f->state.step = k->step;
  f->state.clip_norm = k->clip;
  f->state.lag_rate = 1.25f;
  fixture_put(f, P, (tensor){FLOATS("p", SUMMED, n, 1)});
  fixture_put(f, P_COMPUTE, (tensor){ACTS("p_compute", SUMMED, copies, 1), .absent = (k->how & COPY) == 0});
  fixture_put(f, G, (tensor){FLOATS("g", REWRITTEN, n, 1), .spread = k->how & FAINT ? 1e-7 : 0.3});
  fixture_put(f, M, (tensor){FLOATS("m", SUMMED, n, 1), .spread = 0.1});
  fixture_put(f, V, (tensor){FLOATS("v", SUMMED, n, 1), .spread = 0.1});
  fixture_put(f, LAG,
              (tensor){FLOATS("lag", k->rule == AVERAGE ? REWRITTEN : SUMMED, n, 1), .spread = 0.1,
                       .absent = (k->how & AVERAGED) == 0});
  fixture_put(f, TOUCHED, (tensor){BYTES("touched", REWRITTEN, marks, 1), .absent = flags == 0});
  if (f->rc != OK) return;
  double *g = f->t[G].values, *v = f->t[V].values;
  for (int32_t j = 0; j < n.cap; j++) {
    v[j] = k->step == 0 ? 0 : fabs(v[j]);
    if (k->step == 0) f->t[M].values[j] = 0;
    if (k->how & NO_WEIGHTS) f->t[P].values[j] = 0;
    if (k->how & ZERO) g[j] = 0;
  }
  mark_rows(f, e);
  if (k->how & NAN_GRADIENT) g[n.cap - 1] = NAN;
  if (k->how & INF_GRADIENT) g[e[0].gap] = -INFINITY;
}

// Element `at` of a buffer of the column whose elements have that size; NULL of what is not there.
static void *place(const column *c, int32_t buffer, size_t at, size_t size) {
  return c->at[buffer] != NULL ? (char *)c->at[buffer] + at * size : NULL;
}

static void bind(int32_t i, const fixture *f, column *c, direction pass, op_params *p) {
  (void)f;
  (void)pass;
  const entry *e = entries_of(&cases[i]);
  const size_t F = c->float_size, A = c->be->act_size, askew = cases[i].how & ASKEW ? 1 : 0;
  size_t at = 0, mark = 0;
  int32_t whole = -1;
  for (int32_t k = 0; k < count(e); k++) {
    at += (size_t)e[k].gap;
    if ((e[k].is & PART) == 0) whole++;
    c->entries[k] = (optim_tensor){.n = e[k].n,
                                   .p = place(c, P, at, F),
                                   .p_compute = place(c, P_COMPUTE, at + askew, A),
                                   .g = place(c, G, at, F),
                                   .m = place(c, M, at, F),
                                   .v = place(c, V, at, F),
                                   .lag = place(c, LAG, at, F),
                                   .touched = e[k].row > 0 ? place(c, TOUCHED, mark, 1) : NULL,
                                   .row = e[k].row,
                                   .whole = whole,
                                   .lr_scale = e[k].lr_scale,
                                   .weight_decay = e[k].decay,
                                   .trust = (e[k].is & TRUST) != 0};
    at += (size_t)e[k].n;
    mark += (size_t)marks_of(&e[k]);
  }
  p->optim = (optim_params){.tensors = c->entries,
                            .n = count(e),
                            .wholes = whole + 1,
                            .table = c->table,
                            .norms = c->norms,
                            .beta1 = 0.9f,
                            .beta2 = 0.999f,
                            .eps = 1e-8f,
                            .scale = 0.3f};
}

static status backward(int32_t i, const backend *be, op_ctx *ctx, const op_params *p) {
  if (cases[i].rule == AVERAGE) {
    TRY(be->average_rescale(ctx, &p->optim));
    return be->average_weights(ctx, &p->optim);
  }
  if (cases[i].rule == ADAMW) return be->adamw(ctx, &p->optim);
  TRY(be->lamb_update(ctx, &p->optim));
  return be->lamb_apply(ctx, &p->optim);
}

const suite suite_optim = {.name = "optim",
                           .kind = OP_OPTIM,
                           .cases = sizeof cases / sizeof *cases,
                           .real = sizeof repeated / sizeof *repeated,
                           .repeats = repeated,
                           .label = label,
                           .setup = setup,
                           .bind = bind,
                           .backward = backward};
