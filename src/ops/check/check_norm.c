// Cases of residual + stochastic depth + dropout + norm.
#include <stdio.h>
#include "ops/check/harness.h"

enum { X = 1, RESIDUAL, GAMMA, BETA, SUM, MEAN, RSTD, Y, DY, DSUM, DX, DRESIDUAL, DGAMMA, DBETA };

// How the model calls it: plain (a head's), post-norm (dresidual over dy), pre-norm (dresidual over dsum), pre-norm's
// first (no residual, but a gradient of the sum).
typedef enum form { PLAIN, SEPARATE, POST, PRE, FIRST } form;

typedef struct norm_case {
  rows_kind rows;
  lengths_kind lengths;
  int32_t n, slack, hidden;
  form form;
  int32_t drop;
  float eps;
  double center; // of x: a mean far from 0 is what one-pass variances break on
  bool frozen;
  int32_t path; // threshold of stochastic depth
} norm_case;

static const norm_case cases[] = {
    {ROWS_TOKENS, LENGTHS_ONE, 1, 0, 1, PLAIN, 0, 1, 0, false, 0}, // one channel has no variance
    {ROWS_MASKED, LENGTHS_ONE, 3, 5, 3, PLAIN, 0, 1e-12f, 0, false, 0},
    {ROWS_MASKED, LENGTHS_ONE, 0, 5, 20, PLAIN, 0, 1e-12f, 0, false, 0},
    {ROWS_FIXED, LENGTHS_ONE, 31, 0, 20, PLAIN, 0, 1e-12f, 0, true, 0},
    {ROWS_TOKENS, LENGTHS_SHORT, 97, 7, 20, POST, 26, 1e-12f, 0, false, 0},
    {ROWS_TOKENS, LENGTHS_SHORT, 97, 0, 36, PRE, 128, 1e-5f, 0, false, 0},
    {ROWS_TOKENS, LENGTHS_MIXED, 300, 31, 64, SEPARATE, 26, 1e-12f, 0, false, 0},
    {ROWS_TOKENS, LENGTHS_MIXED, 97, 3, 100, FIRST, 0, 1e-12f, 0, false, 0},
    {ROWS_TOKENS, LENGTHS_MIXED, 1025, 2, 36, POST, 77, 1e-12f, 0, false, 0},
    {ROWS_TOKENS, LENGTHS_ONE, 97, 0, 768, PRE, 1, 1e-12f, 0, true, 0},
    {ROWS_SEQS, LENGTHS_ONES, 5, 4, 64, SEPARATE, 0, 1e-12f, 0, false, 0},
    {ROWS_TOKENS, LENGTHS_SHORT, 40, 9, 100, SEPARATE, 255, 1e-3f, 0, false, 0},
    {ROWS_TOKENS, LENGTHS_SHORT, 33, 1, 768, POST, 0, 1e-12f, 100, false, 0},
    // Rows of more than a warp's registers hold, whole quads and not.
    {ROWS_TOKENS, LENGTHS_SHORT, 37, 4, 515, SEPARATE, 26, 1e-12f, 0, false, 0},
    {ROWS_FIXED, LENGTHS_ONE, 21, 0, 1024, SEPARATE, 0, 1e-12f, 0, false, 0},
    {ROWS_TOKENS, LENGTHS_SHORT, 19, 3, 1028, POST, 26, 1e-12f, 0, false, 0},
    {ROWS_TOKENS, LENGTHS_SHORT, 17, 2, 1035, PRE, 77, 1e-12f, 0, false, 0},
    {ROWS_TOKENS, LENGTHS_ONE, 9, 0, 2180, SEPARATE, 0, 1e-12f, 100, true, 0},
    // Stochastic depth, alone and with dropout; sequences of one token, and of many blocks of rows.
    {ROWS_TOKENS, LENGTHS_ONES, 67, 3, 3, SEPARATE, 0, 1e-12f, 0, false, 128},
    {ROWS_TOKENS, LENGTHS_SHORT, 97, 7, 20, POST, 26, 1e-12f, 0, false, 51},
    {ROWS_TOKENS, LENGTHS_SHORT, 97, 0, 36, PRE, 0, 1e-5f, 0, false, 200},
    {ROWS_TOKENS, LENGTHS_MIXED, 300, 31, 64, SEPARATE, 26, 1e-12f, 0, true, 128},
    {ROWS_TOKENS, LENGTHS_ONE, 97, 0, 100, PLAIN, 0, 1e-12f, 0, false, 255},
    {ROWS_TOKENS, LENGTHS_SHORT, 19, 3, 1028, POST, 26, 1e-12f, 0, false, 128},
    {ROWS_TOKENS, LENGTHS_SHORT, 17, 2, 1035, PRE, 0, 1e-12f, 0, false, 128},
    // Real sizes, when repeated.
    {ROWS_TOKENS, LENGTHS_MIXED, 521, 0, 768, POST, 26, 1e-12f, 0, false, 0},
    {ROWS_TOKENS, LENGTHS_MIXED, 521, 0, 1024, PRE, 26, 1e-12f, 3, false, 0},
    {ROWS_MASKED, LENGTHS_ONE, 131, 0, 768, PLAIN, 0, 1e-12f, 0, false, 0},
    {ROWS_TOKENS, LENGTHS_MIXED, 521, 0, 768, POST, 26, 1e-12f, 0, false, 77},
};
static const int32_t repeated[] = {63, 63, 251, 63};

static void label(int32_t i, char text[LABEL]) {
  static const char *const forms[] = {"no residual", "residual", "residual, dresidual over dy",
                                      "residual, dresidual over dsum", "no residual, dsum"};
  static const char *const kinds[] = {"rows", "tokens", "sequences", "masked rows"};
  const norm_case *k = &cases[i];
  snprintf(text, LABEL, "%d of %d %s (%s), hidden %d, %s, dropout %d/256, path %d/256, eps %g, mean %g%s",
           k->n, k->n + k->slack, kinds[k->rows], lengths_names[k->lengths], k->hidden, forms[k->form],
           k->drop, k->path, (double)k->eps, k->center, k->frozen ? ", frozen" : "");
}

static void setup(int32_t i, fixture *f) {
  const norm_case *k = &cases[i];
  const int32_t H = k->hidden;
  const rows n = {k->rows, k->n + k->slack}, one = {ROWS_FIXED, 1};
  if (k->rows == ROWS_TOKENS || k->rows == ROWS_SEQS) fixture_batch(f, k->lengths, k->n, k->slack);
  if (k->rows == ROWS_MASKED) fixture_masked(f, k->n, k->n + k->slack);
  const bool residual = k->form != PLAIN && k->form != FIRST, dsum = k->form == PRE || k->form == FIRST;
  const int32_t alias = k->form == POST ? DY : (k->form == PRE ? DSUM : 0);
  fixture_put(f, X, (tensor){ACTS("x", GIVEN, n, H), .center = k->center, .derivative = DX});
  fixture_put(f, RESIDUAL,
              (tensor){ACTS("residual", GIVEN, n, H), .derivative = DRESIDUAL, .absent = !residual});
  fixture_put(f, GAMMA, (tensor){ACTS("gamma", GIVEN, one, H), .center = 1, .derivative = DGAMMA});
  fixture_put(f, BETA, (tensor){ACTS("beta", GIVEN, one, H), .derivative = DBETA});
  fixture_put(f, SUM, (tensor){ACTS("sum", SAVED, n, H), .derivative = dsum ? DSUM : 0});
  fixture_put(f, MEAN, (tensor){FLOATS("mean", SAVED, n, 1)});
  fixture_put(f, RSTD, (tensor){FLOATS("rstd", SAVED, n, 1)});
  fixture_put(f, Y, (tensor){ACTS("y", SAVED, n, H), .derivative = DY});
  fixture_put(f, DY, (tensor){ACTS("dy", k->form == POST ? CONSUMED : GIVEN, n, H), .gradient = true});
  fixture_put(
      f, DSUM,
      (tensor){ACTS("dsum", k->form == PRE ? CONSUMED : GIVEN, n, H), .gradient = true, .absent = !dsum});
  fixture_put(f, DX, (tensor){ACTS("dx", MADE, n, H), .terms = H == 1 ? 1 : 0});
  fixture_put(f, DRESIDUAL, (tensor){ACTS("dresidual", MADE, n, H), .absent = !residual, .alias = alias});
  fixture_put(f, DGAMMA, (tensor){FLOATS("dgamma", SUMMED, one, H), .absent = k->frozen});
  fixture_put(f, DBETA, (tensor){FLOATS("dbeta", SUMMED, one, H), .absent = k->frozen});
}

static void bind(int32_t i, const fixture *f, column *c, direction pass, op_params *p) {
  (void)f;
  (void)pass;
  const norm_case *k = &cases[i];
  p->norm = (norm_params){.batch = k->drop > 0 || k->path > 0 ? &c->batch : NULL,
                          .n = {k->rows, k->n + k->slack},
                          .hidden = k->hidden,
                          .x = c->at[X],
                          .residual = c->at[RESIDUAL],
                          .gamma = c->at[GAMMA],
                          .beta = c->at[BETA],
                          .eps = k->eps,
                          .drop = {.site = 5, .threshold = (uint32_t)k->drop},
                          .path = {.site = 3, .threshold = (uint32_t)k->path},
                          .sum = c->at[SUM],
                          .mean = c->at[MEAN],
                          .rstd = c->at[RSTD],
                          .y = c->at[Y],
                          .dy = c->at[DY],
                          .dsum = c->at[DSUM],
                          .dx = c->at[DX],
                          .dresidual = c->at[DRESIDUAL],
                          .dgamma = c->at[DGAMMA],
                          .dbeta = c->at[DBETA]};
}

const suite suite_norm = {.name = "norm",
                          .kind = OP_NORM,
                          .cases = sizeof cases / sizeof *cases,
                          .real = sizeof repeated / sizeof *repeated,
                          .repeats = repeated,
                          .label = label,
                          .setup = setup,
                          .bind = bind};
