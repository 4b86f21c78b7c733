// Cases of what AdaLoRA asks of its factors: distance from orthogonal, and importance.
#include <math.h>
#include <stdio.h>
#include "ops/check/harness.h"

typedef struct rank_case {
  int32_t ranks, width;
  bool columns;
  double spread;
} rank_case;

static const rank_case cases[] = {{1, 1, false, 1},     {3, 20, false, 0.3},   {3, 20, true, 0.3},
                                  {8, 64, false, 0.02}, {12, 97, true, 0.1},   {16, 130, false, 0.2},
                                  {5, 33, true, 2},     {33, 36, false, 0.15}, {12, 768, false, 0.02},
                                  {12, 768, true, 0.02}};

static void label(int32_t i, char text[LABEL]) {
  const rank_case *k = &cases[i];
  snprintf(text, LABEL, "%d ranks of %d%s, spread %g", k->ranks, k->width, k->columns ? ", columns" : "",
           k->spread);
}

static rows shape(const rank_case *k, int32_t *width) {
  *width = k->columns ? k->ranks : k->width;
  return (rows){ROWS_FIXED, k->columns ? k->width : k->ranks};
}

// ---- orthogonality: the gradient of the value is the scale -----------------------------------------------------

enum { P = 1, VALUE, SCALE, DP };

static void setup_orthogonal(int32_t i, fixture *f) {
  int32_t width;
  const rows n = shape(&cases[i], &width), one = {ROWS_FIXED, 1};
  fixture_put(f, P, (tensor){FLOATS("p", GIVEN, n, width), .spread = cases[i].spread, .derivative = DP});
  fixture_put(f, VALUE, (tensor){FLOATS("value", SAVED, one, 1), .derivative = SCALE});
  fixture_put(f, SCALE, (tensor){FLOATS("scale", GIVEN, one, 1)});
  fixture_put(f, DP, (tensor){FLOATS("dp", SUMMED, n, width), .spread = 0.1});
}

static void bind_orthogonal(int32_t i, const fixture *f, column *c, direction pass, op_params *p) {
  (void)pass;
  p->orthogonal = (orthogonal_params){.ranks = cases[i].ranks,
                                      .width = cases[i].width,
                                      .columns = cases[i].columns,
                                      .p = c->at[P],
                                      .value = c->at[VALUE],
                                      .scale = f->t[SCALE].values != NULL ? (float)f->t[SCALE].values[0] : 0,
                                      .dp = c->at[DP]};
}

const suite suite_orthogonal = {.name = "orthogonal",
                                .kind = OP_ORTHOGONAL,
                                .cases = sizeof cases / sizeof *cases,
                                .label = label,
                                .setup = setup_orthogonal,
                                .bind = bind_orthogonal};

// ---- importance ------------------------------------------------------------------------------------------------

enum { G = 2, IPT, UNC, SCORE };

static void setup_importance(int32_t i, fixture *f) {
  int32_t width;
  const rows n = shape(&cases[i], &width), one = {ROWS_FIXED, 1};
  f->state.clip_norm = i % 2 == 0 ? 0 : 0.5f;
  fixture_put(f, P, (tensor){FLOATS("p", GIVEN, n, width), .spread = cases[i].spread});
  fixture_put(f, G, (tensor){FLOATS("g", GIVEN, n, width)});
  fixture_put(f, IPT, (tensor){FLOATS("ipt", SUMMED, n, width)});
  fixture_put(f, UNC, (tensor){FLOATS("unc", SUMMED, n, width)});
  fixture_put(f, SCORE, (tensor){FLOATS("score", SUMMED, one, cases[i].ranks)});
  for (int32_t k = IPT; f->rc == OK && k <= UNC; k++) // as they are after earlier steps
    for (int64_t j = 0; j < (int64_t)n.cap * width; j++) f->t[k].values[j] = fabs(f->t[k].values[j]);
}

static void bind_importance(int32_t i, const fixture *f, column *c, direction pass, op_params *p) {
  (void)f;
  (void)pass;
  p->importance = (importance_params){.ranks = cases[i].ranks,
                                      .width = cases[i].width,
                                      .columns = cases[i].columns,
                                      .p = c->at[P],
                                      .g = c->at[G],
                                      .ipt = c->at[IPT],
                                      .unc = c->at[UNC],
                                      .beta1 = 0.85f,
                                      .beta2 = 0.7f,
                                      .score = c->at[SCORE]};
}

const suite suite_importance = {.name = "importance",
                                .kind = OP_IMPORTANCE,
                                .cases = sizeof cases / sizeof *cases,
                                .label = label,
                                .setup = setup_importance,
                                .bind = bind_importance};
