// Cases of the leash, KL(base || tuned). The forward pass is the loss alone, the backward pass the loss with gradients.
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "ops/check/harness.h"

enum { X = 1, TABLE, BIAS, BASE_X, BASE_TABLE, BASE_BIAS, ROW_LOSS, DX, DTABLE, DBIAS, TOUCHED };

typedef struct leash_case {
  int32_t n, slack, hidden, classes;
  enum {
    ALL = 0,
    NO_BIAS = 1,
    BIAS_FROZEN = 2,
    TABLE_FROZEN = 4,
    NO_FLAGS = 8,
    NO_ROW_LOSS = 16,
    EQUAL = 32,     // the base is the model itself: nothing is lost, nothing flows
    ONE_TABLE = 64, // base and model share table and bias
    NO_BASE_BIAS = 128,
    NO_WEIGHTS = 256
  } how;
  double spread; // of the rows
} leash_case;

static const leash_case cases[] = {
    {1, 0, 1, 1, ALL, 1},
    {0, 4, 20, 33, NO_FLAGS, 1},
    {1, 2, 3, 2, ALL, 1},
    {3, 0, 20, 97, NO_BIAS, 1},
    {97, 7, 36, 97, ALL, 1},
    {97, 7, 36, 97, ONE_TABLE, 3},
    {64, 0, 20, 1025, BIAS_FROZEN, 1},
    {66, 9, 3, 2100, NO_ROW_LOSS, 4},
    {33, 9, 100, 300, TABLE_FROZEN, 1},
    {33, 9, 100, 300, TABLE_FROZEN + BIAS_FROZEN, 1},
    {20, 3, 768, 17, NO_BASE_BIAS, 0.5},
    {65, 1, 36, 331, EQUAL, 1},
    {29, 1, 64, 90, ONE_TABLE + NO_BIAS, 20}, // scores beyond what exponentials in float hold
    {41, 2, 17, 2051, NO_WEIGHTS, 1},
    // A real size, when repeated.
    {13, 0, 128, 30011, ALL, 1},
};
static const int32_t repeated[] = {79};

static void label(int32_t i, char text[LABEL]) {
  const leash_case *k = &cases[i];
  snprintf(text, LABEL, "%d of %d rows, hidden %d, %d classes, spread %g%s%s%s%s%s%s%s%s%s", k->n,
           k->n + k->slack, k->hidden, k->classes, k->spread, k->how & NO_BIAS ? ", no bias" : "",
           k->how & BIAS_FROZEN ? ", bias frozen" : "", k->how & TABLE_FROZEN ? ", table frozen" : "",
           k->how & NO_FLAGS ? ", no touched" : "", k->how & NO_ROW_LOSS ? ", no row_loss" : "",
           k->how & EQUAL ? ", the base itself" : "", k->how & ONE_TABLE ? ", one table" : "",
           k->how & NO_BASE_BIAS ? ", no bias of the base" : "", k->how & NO_WEIGHTS ? ", no weights" : "");
}

static void setup(int32_t i, fixture *f) {
  const leash_case *k = &cases[i];
  fixture_masked(f, k->n, k->n + k->slack);
  f->batch.classes = k->classes;
  const rows n = {ROWS_MASKED, k->n + k->slack}, v = {ROWS_FIXED, k->classes};
  const int32_t H = k->hidden;
  const bool no_bias = (k->how & NO_BIAS) != 0, frozen = (k->how & TABLE_FROZEN) != 0,
             one = (k->how & ONE_TABLE) != 0;
  const double of_table = 2 / sqrt(H);
  // Where a table is also the base's, what the finite differences see is no gradient: nothing flows into the base.
  fixture_put(f, X, (tensor){ACTS("x", GIVEN, n, H), .spread = k->spread, .derivative = DX});
  fixture_put(f, TABLE,
              (tensor){ACTS("table", GIVEN, v, H), .spread = of_table, .derivative = one ? 0 : DTABLE});
  fixture_put(f, BIAS, (tensor){ACTS("bias", GIVEN, v, 1), .derivative = one ? 0 : DBIAS, .absent = no_bias});
  fixture_put(f, BASE_X, (tensor){ACTS("base_x", GIVEN, n, H), .spread = k->spread});
  fixture_put(f, BASE_TABLE, (tensor){ACTS("base_table", GIVEN, v, H), .spread = of_table, .absent = one});
  fixture_put(f, BASE_BIAS,
              (tensor){ACTS("base_bias", GIVEN, v, 1), .absent = no_bias || one || (k->how & NO_BASE_BIAS)});
  fixture_put(f, ROW_LOSS, (tensor){FLOATS("row_loss", SAVED, n, 1), .absent = (k->how & NO_ROW_LOSS) != 0});
  fixture_put(f, DX, (tensor){ACTS("dx", SUMMED, n, H), .spread = 0.01});
  fixture_put(f, DTABLE, (tensor){FLOATS("dtable", SUMMED, v, H), .spread = 0.01, .absent = frozen});
  fixture_put(f, DBIAS,
              (tensor){FLOATS("dbias", SUMMED, v, 1), .spread = 0.01,
                       .absent = no_bias || (k->how & BIAS_FROZEN) != 0});
  fixture_put(f, TOUCHED,
              (tensor){BYTES("touched", SUMMED, v, 1), .absent = frozen || (k->how & NO_FLAGS) != 0});
  for (int32_t t = X; f->rc == OK && k->how & EQUAL && t <= BIAS; t++)
    memcpy(f->t[t + BASE_X - X].values, f->t[t].values,
           (size_t)f->t[t].n.cap * (size_t)f->t[t].width * sizeof(double));
}

// Small score_bytes, so that even small cases have several blocks of scores.
enum { FEW_BYTES = 65536, CASES = sizeof cases / sizeof *cases, REAL = sizeof repeated / sizeof *repeated };

static void bind(int32_t i, const fixture *f, column *c, direction pass, op_params *p) {
  (void)f;
  const leash_case *k = &cases[i];
  const bool one = (k->how & ONE_TABLE) != 0;
  p->leash = (leash_params){.n = {ROWS_MASKED, k->n + k->slack},
                            .slot = i % MAX_SLOTS,
                            .hidden = k->hidden,
                            .classes = k->classes,
                            .inv_temperature = i % 3 == 1 ? 0.5f : 1.0f,
                            .base_inv_temperature = i % 3 == 1 && i % 2 == 0 ? 0.25f
                                                    : i % 3 == 1             ? 0.5f
                                                                             : 1.0f,
                            .weights = k->how & NO_WEIGHTS ? NULL : c->batch.weights,
                            .score_bytes = i < CASES - REAL ? FEW_BYTES : 0,
                            .x = c->at[X],
                            .base_x = c->at[BASE_X],
                            .table = c->at[TABLE],
                            .base_table = c->at[one ? TABLE : BASE_TABLE],
                            .bias = c->at[BIAS],
                            .base_bias = c->at[one ? BIAS : BASE_BIAS],
                            .row_loss = c->at[ROW_LOSS],
                            .forward_only = pass == FORWARD && i % 2 == 0,
                            .dx = pass == BACKWARD ? c->at[DX] : NULL,
                            .dtable = c->at[DTABLE],
                            .dbias = c->at[DBIAS],
                            .touched = c->at[TOUCHED]};
}

const suite suite_leash = {.name = "leash",
                           .kind = OP_LEASH,
                           .cases = sizeof cases / sizeof *cases,
                           .real = sizeof repeated / sizeof *repeated,
                           .repeats = repeated,
                           .label = label,
                           .setup = setup,
                           .bind = bind};
