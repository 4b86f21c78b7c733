// Cases of the linear layer with its activations.
#include <math.h>
#include <stdio.h>
#include "ops/check/harness.h"

enum { X = 1, W, B, PRE, Y, DY, DX, DW, DB };

typedef struct linear_case {
  rows_kind rows;
  int32_t n, slack, in, out;
  activation kind;
  enum {
    ALL = 0,
    NO_BIAS = 1,
    NO_DX = 2,
    ADD_DX = 4,
    FROZEN = 8,
    EVALUATION = 16,
    ADD_Y = 32,
    ADD_PRE = 64
  } how;
} linear_case;

static const linear_case cases[] = {
    {ROWS_TOKENS, 1, 0, 1, 1, ACT_NONE, ALL},
    {ROWS_MASKED, 0, 5, 20, 36, ACT_GELU_TANH, ALL},
    {ROWS_SEQS, 1, 6, 3, 2, ACT_TANH, ALL},
    {ROWS_SEQS, 3, 2, 64, 64, ACT_TANH, ADD_DX},
    {ROWS_FIXED, 3, 0, 20, 97, ACT_GELU_ERF, ALL},
    {ROWS_TOKENS, 97, 7, 20, 60, ACT_NONE, NO_BIAS},
    {ROWS_TOKENS, 97, 0, 36, 144, ACT_GELU_TANH, ALL},
    {ROWS_MASKED, 97, 31, 64, 64, ACT_GELU_ERF, ALL},
    {ROWS_TOKENS, 97, 3, 100, 33, ACT_GELU_TANH, NO_BIAS + ADD_DX},
    {ROWS_TOKENS, 97, 3, 33, 100, ACT_GELU_TANH, FROZEN},
    {ROWS_TOKENS, 97, 9, 36, 100, ACT_GELU_ERF, FROZEN + NO_BIAS},
    {ROWS_TOKENS, 97, 1, 768, 100, ACT_NONE, ADD_DX},
    {ROWS_TOKENS, 33, 3, 100, 768, ACT_GELU_TANH, NO_DX},
    {ROWS_TOKENS, 97, 3, 36, 100, ACT_GELU_TANH, EVALUATION},
    {ROWS_MASKED, 64, 3, 100, 64, ACT_GELU_ERF, EVALUATION},
    {ROWS_TOKENS, 1025, 11, 20, 36, ACT_GELU_TANH, ALL},
    {ROWS_TOKENS, 257, 255, 64, 192, ACT_NONE, ALL},
    {ROWS_TOKENS, 65, 0, 36, 17, ACT_TANH, NO_BIAS + NO_DX},
    // What an adapter adds to a layer's output.
    {ROWS_TOKENS, 1, 0, 1, 1, ACT_NONE, ADD_Y},
    {ROWS_TOKENS, 97, 7, 8, 60, ACT_NONE, ADD_Y + NO_BIAS},
    {ROWS_TOKENS, 97, 31, 3, 33, ACT_NONE, ADD_Y + ADD_DX},
    {ROWS_MASKED, 33, 5, 36, 97, ACT_NONE, ADD_Y + FROZEN},
    {ROWS_SEQS, 0, 6, 20, 36, ACT_NONE, ADD_Y},
    {ROWS_TOKENS, 301, 19, 64, 192, ACT_NONE, ADD_Y + NO_BIAS + EVALUATION},
    // What is before the activation, which an adapter has begun. (Forward: the backward pass is that of the others.)
    {ROWS_TOKENS, 97, 5, 20, 60, ACT_GELU_TANH, ADD_PRE + EVALUATION},
    {ROWS_MASKED, 33, 5, 100, 33, ACT_GELU_ERF, ADD_PRE + EVALUATION + NO_BIAS},
    {ROWS_TOKENS, 65, 0, 200, 300, ACT_GELU_TANH, ADD_PRE + EVALUATION},
    // Real sizes, when repeated.
    {ROWS_TOKENS, 67, 0, 768, 3072, ACT_GELU_TANH, ALL},
    {ROWS_TOKENS, 61, 0, 3072, 768, ACT_NONE, ADD_DX},
    {ROWS_TOKENS, 131, 0, 64, 64, ACT_GELU_ERF, ALL}, // few tiles of many terms: split-K
    {ROWS_MASKED, 59, 0, 768, 768, ACT_GELU_ERF, ALL},
    {ROWS_MASKED, 61, 5, 8192, 60, ACT_NONE, ALL},
};
static const int32_t repeated[] = {491, 539, 251, 83, 1};

static void label(int32_t i, char text[LABEL]) {
  static const char *const kinds[] = {"no activation", "gelu_new", "gelu", "tanh"};
  const linear_case *k = &cases[i];
  snprintf(text, LABEL, "%d of %d rows, %d to %d, %s%s%s%s%s%s%s%s", k->n, k->n + k->slack, k->in, k->out,
           kinds[k->kind], k->how & NO_BIAS ? ", no bias" : "", k->how & NO_DX ? ", no dx" : "",
           k->how & ADD_DX ? ", dx added" : "", k->how & FROZEN ? ", frozen" : "",
           k->how & EVALUATION ? ", evaluation" : "", k->how & ADD_Y ? ", y added" : "",
           k->how & ADD_PRE ? ", added before it" : "");
}

static void setup(int32_t i, fixture *f) {
  const linear_case *k = &cases[i];
  const rows n = {k->rows, k->n + k->slack}, one = {ROWS_FIXED, 1}, out = {ROWS_FIXED, k->out};
  if (k->rows == ROWS_TOKENS) f->state.tokens = k->n;
  if (k->rows == ROWS_SEQS) f->state.seqs = k->n;
  if (k->rows == ROWS_MASKED) f->state.masked = k->n;
  const bool gelu = k->kind == ACT_GELU_TANH || k->kind == ACT_GELU_ERF,
             evaluation = (k->how & EVALUATION) != 0;
  const bool no_bias = (k->how & NO_BIAS) != 0, frozen = (k->how & FROZEN) != 0;
  fixture_put(f, X, (tensor){ACTS("x", GIVEN, n, k->in), .derivative = DX});
  // Such that z has a spread of 2, which is where activations bend.
  fixture_put(f, W, (tensor){ACTS("w", GIVEN, out, k->in), .spread = 2 / sqrt(k->in), .derivative = DW});
  fixture_put(f, B, (tensor){ACTS("b", GIVEN, one, k->out), .derivative = DB, .absent = no_bias});
  const bool add_pre = (k->how & ADD_PRE) != 0;
  fixture_put(f, PRE,
              (tensor){ACTS("pre", add_pre ? REWRITTEN : SAVED, n, k->out),
                       .absent = !gelu || (evaluation && !add_pre)});
  fixture_put(
      f, Y,
      (tensor){ACTS("y", k->how & ADD_Y ? SUMMED : SAVED, n, k->out), .derivative = evaluation ? 0 : DY});
  if (evaluation) return;
  fixture_put(f, DY, (tensor){ACTS("dy", REWRITTEN, n, k->out), .gradient = true});
  fixture_put(
      f, DX,
      (tensor){ACTS("dx", k->how & ADD_DX ? SUMMED : MADE, n, k->in), .absent = (k->how & NO_DX) != 0});
  fixture_put(f, DW, (tensor){FLOATS("dw", SUMMED, out, k->in), .absent = frozen});
  fixture_put(f, DB, (tensor){FLOATS("db", SUMMED, one, k->out), .absent = frozen || no_bias});
}

static void bind(int32_t i, const fixture *f, column *c, direction pass, op_params *p) {
  (void)f;
  (void)pass;
  const linear_case *k = &cases[i];
  p->linear = (linear_params){.n = {k->rows, k->n + k->slack},
                              .in = k->in,
                              .out = k->out,
                              .x = c->at[X],
                              .w = c->at[W],
                              .b = c->at[B],
                              .kind = k->kind,
                              .pre = c->at[PRE],
                              .y = c->at[Y],
                              .dy = c->at[DY],
                              .dx = c->at[DX],
                              .dw = c->at[DW],
                              .db = c->at[DB],
                              .dx_add = (k->how & ADD_DX) != 0,
                              .y_add = (k->how & (ADD_Y + ADD_PRE)) != 0};
}

// An evaluation has no backward pass.
static status backward(int32_t i, const backend *be, op_ctx *ctx, const op_params *p) {
  return cases[i].how & EVALUATION ? OK : be->linear_backward(ctx, &p->linear);
}

const suite suite_linear = {.name = "linear",
                            .kind = OP_LINEAR,
                            .cases = sizeof cases / sizeof *cases,
                            .real = sizeof repeated / sizeof *repeated,
                            .repeats = repeated,
                            .label = label,
                            .setup = setup,
                            .bind = bind,
                            .backward = backward};
