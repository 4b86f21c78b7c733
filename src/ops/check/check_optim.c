// Cases of the optimisers. The forward pass is grad_norm, the backward pass one step, which continues with the
// weights and moments of the previous pass.
#include <math.h>
#include <stdio.h>
#include "ops/check/harness.h"

enum { P = 1, P_COMPUTE, G, M, V, TOUCHED };

typedef struct optim_case {
  enum { ADAMW, LAMB } rule;
  int32_t n, row; // row 0: dense
  float clip;     // 0: none
  float decay;
  enum {
    ALL = 0,
    COPY = 1,
    NOT_FIRST = 2,
    NAN_GRADIENT = 4,
    INF_GRADIENT = 8,
    TRUST = 16,
    ZERO = 32,
    FAINT = 64,
    NO_WEIGHTS = 128
  } how;
  int64_t step;
} optim_case;

static const optim_case cases[] = {
    {ADAMW, 1, 0, 0, 0, ALL, 0},
    {ADAMW, 97, 0, 0, 0.01f, COPY, 1},
    {ADAMW, 1025, 0, 1, 0.1f, ALL, 41},              // clipped
    {ADAMW, 1025, 0, 1000, 0.1f, NOT_FIRST, 100000}, // a bound above the norm
    {ADAMW, 70000, 0, 1, 0.01f, COPY + NOT_FIRST, 7},
    {ADAMW, 97, 0, 1e-4f, 0, ALL, 3},
    {ADAMW, 97, 0, 1.5e-6f, 0, FAINT, 0}, // where the 1e-6 beside the norm counts
    {ADAMW, 97, 0, 1, 0.01f, NAN_GRADIENT, 3},
    {ADAMW, 1025, 0, 0, 0.01f, INF_GRADIENT + COPY, 3},
    {ADAMW, 64, 0, 1, 0.01f, ZERO, 3},
    {ADAMW, 97 * 20, 20, 1, 0.01f, ALL, 3},
    {ADAMW, 33 * 36, 36, 0, 0.01f, COPY, 0},
    {ADAMW, 1025 * 64, 64, 1, 0.1f, COPY + NOT_FIRST, 9},
    {ADAMW, 97 * 20, 20, 1, 0.01f, NAN_GRADIENT, 3},
    {LAMB, 1, 0, 0, 0, TRUST, 0},
    {LAMB, 97, 0, 1, 0.01f, TRUST + COPY, 5},
    {LAMB, 97, 0, 1, 0.01f, ALL, 5},
    {LAMB, 70000, 0, 1, 0.01f, TRUST, 41},
    {LAMB, 1025, 0, 1, 0, TRUST + ZERO, 0}, // no gradient and no decay: the update is zero
    {LAMB, 97, 0, 1, 0.01f, TRUST + NO_WEIGHTS,
     5}, // weights of zero, as a bias has at first: the trust ratio must be 1
    {LAMB, 97, 0, 1, 0.01f, TRUST + NAN_GRADIENT, 3},
    // Real sizes.
    {ADAMW, 3000017, 0, 1, 0.01f, ALL, 41},
    {ADAMW, 30011 * 64, 64, 1, 0.1f, COPY + NOT_FIRST, 9},
    {LAMB, 2362368, 0, 1, 0.01f, TRUST, 41}, // 3,072 x 769
};
static const int32_t repeated[] = {1, 1, 1};

static void label(int32_t i, char text[LABEL]) {
  const optim_case *k = &cases[i];
  snprintf(text, LABEL, "%s, %d elements in rows of %d, step %lld, clip %g, decay %g%s%s%s%s%s%s%s%s",
           k->rule == ADAMW ? "adamw" : "lamb", k->n, k->row, (long long)k->step, (double)k->clip,
           (double)k->decay, k->how & COPY ? ", compute copy" : "",
           k->how & NOT_FIRST ? ", not the first span" : "", k->how & NAN_GRADIENT ? ", a NaN" : "",
           k->how & INF_GRADIENT ? ", an infinity" : "", k->how & TRUST ? ", trust ratio" : "",
           k->how & ZERO ? ", zero gradient" : "", k->how & FAINT ? ", faint gradient" : "",
           k->how & NO_WEIGHTS ? ", weights of zero" : "");
}

static void setup(int32_t i, fixture *f) {
  const optim_case *k = &cases[i];
  const int32_t row = k->row > 0 ? k->row : k->n, count = k->n / row;
  const rows n = {ROWS_FIXED, count};
  f->state.step = k->step;
  f->state.clip_norm = k->clip;
  fixture_put(f, P, (tensor){FLOATS("p", SUMMED, n, row)});
  fixture_put(f, P_COMPUTE, (tensor){ACTS("p_compute", SUMMED, n, row), .absent = (k->how & COPY) == 0});
  fixture_put(f, G, (tensor){FLOATS("g", REWRITTEN, n, row), .spread = k->how & FAINT ? 1e-7 : 0.3});
  fixture_put(f, M, (tensor){FLOATS("m", SUMMED, n, row), .spread = 0.1});
  fixture_put(f, V, (tensor){FLOATS("v", SUMMED, n, row), .spread = 0.1});
  fixture_put(f, TOUCHED, (tensor){BYTES("touched", REWRITTEN, n, 1), .absent = k->row == 0});
  if (f->rc != OK) return;
  double *g = f->t[G].values, *v = f->t[V].values;
  const bool start = k->step == 0;
  for (int32_t j = 0; j < k->n; j++) {
    v[j] = start ? 0 : fabs(v[j]);
    if (start) f->t[M].values[j] = 0;
    if (k->how & NO_WEIGHTS) f->t[P].values[j] = 0;
    // Rows that are not marked have no gradient.
    if ((k->how & ZERO) != 0 || (k->row > 0 && !(f->t[TOUCHED].values[j / row] > 0))) g[j] = 0;
  }
  if (k->row > 0) { // at least one row is marked, and one with a gradient of exactly zero
    f->t[TOUCHED].values[0] = f->t[TOUCHED].values[count - 1] = 1;
    g[k->n - 1] = 0.25;
  }
  if (k->how & NAN_GRADIENT) g[k->n - 1] = NAN;
  if (k->how & INF_GRADIENT) g[k->n / 2] = -INFINITY;
}

static void bind(int32_t i, const fixture *f, const column *c, direction pass, op_params *p) {
  (void)f;
  (void)pass;
  const optim_case *k = &cases[i];
  p->optim = (optim_params){.n = k->n,
                            .p = c->at[P],
                            .p_compute = c->at[P_COMPUTE],
                            .g = c->at[G],
                            .m = c->at[M],
                            .v = c->at[V],
                            .touched = c->at[TOUCHED],
                            .row = k->row,
                            .lr_scale = 0.5f,
                            .weight_decay = k->decay,
                            .beta1 = 0.9f,
                            .beta2 = 0.999f,
                            .eps = 1e-8f,
                            .first = (k->how & NOT_FIRST) == 0,
                            .trust = (k->how & TRUST) != 0};
}

static status backward(int32_t i, const backend *be, op_ctx *ctx, const op_params *p) {
  return cases[i].rule == LAMB ? be->lamb(ctx, &p->optim) : be->adamw(ctx, &p->optim);
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
