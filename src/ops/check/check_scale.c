// Cases of columns that are scaled into columns.
#include <stdio.h>
#include "ops/check/harness.h"

enum { X = 1, FACTOR, Y, DY, DX, DFACTOR };

typedef struct scale_case {
  rows_kind rows;
  int32_t n, slack, width, y_width, at; // y_width 0: width
  float scale;
  enum { PLAIN = 0, BY_COLUMNS = 1, ADD_Y = 2, FROZEN = 4, IN_PLACE = 8 } how;
} scale_case;

static const scale_case cases[] = {
    {ROWS_TOKENS, 1, 0, 1, 0, 0, 2, BY_COLUMNS},
    {ROWS_TOKENS, 97, 5, 8, 0, 0, 2, PLAIN},
    {ROWS_TOKENS, 97, 5, 8, 0, 0, 0.5f, BY_COLUMNS},
    {ROWS_MASKED, 33, 9, 12, 0, 0, 4, BY_COLUMNS + IN_PLACE},
    {ROWS_TOKENS, 257, 3, 3, 0, 0, 1.5f, BY_COLUMNS + FROZEN},
    {ROWS_TOKENS, 97, 5, 20, 60, 0, 1, ADD_Y},
    {ROWS_TOKENS, 97, 0, 20, 60, 40, 1, ADD_Y},
    {ROWS_TOKENS, 33, 7, 33, 99, 33, 0.25f, PLAIN},
    {ROWS_SEQS, 7, 2, 64, 192, 64, 2, BY_COLUMNS + ADD_Y},
    {ROWS_FIXED, 130, 0, 100, 0, 0, 1, ADD_Y},
    {ROWS_MASKED, 0, 5, 20, 36, 8, 1, ADD_Y},
    {ROWS_TOKENS, 1025, 11, 36, 0, 0, 3, BY_COLUMNS},
    // Real sizes, when repeated.
    {ROWS_TOKENS, 67, 0, 768, 2304, 768, 1, ADD_Y},
    {ROWS_TOKENS, 131, 0, 16, 0, 0, 2, BY_COLUMNS},
};
static const int32_t repeated[] = {63, 251};

static void label(int32_t i, char text[LABEL]) {
  const scale_case *k = &cases[i];
  snprintf(text, LABEL, "%d of %d rows, %d columns to %d at %d, scale %g%s%s%s%s", k->n, k->n + k->slack,
           k->width, k->y_width > 0 ? k->y_width : k->width, k->at, (double)k->scale,
           k->how & BY_COLUMNS ? ", by columns" : "", k->how & ADD_Y ? ", y added" : "",
           k->how & FROZEN ? ", frozen" : "", k->how & IN_PLACE ? ", in place" : "");
}

static void setup(int32_t i, fixture *f) {
  const scale_case *k = &cases[i];
  const rows n = {k->rows, k->n + k->slack}, one = {ROWS_FIXED, 1};
  if (k->rows == ROWS_TOKENS) f->state.tokens = k->n;
  if (k->rows == ROWS_SEQS) f->state.seqs = k->n;
  if (k->rows == ROWS_MASKED) f->state.masked = k->n;
  const bool by = (k->how & BY_COLUMNS) != 0, in_place = (k->how & IN_PLACE) != 0;
  const int32_t wide = k->y_width > 0 ? k->y_width : k->width;
  const role of_y = k->how & ADD_Y    ? SUMMED
                    : wide > k->width ? REWRITTEN
                                      : SAVED; // other columns stay; no slope is taken of it
  fixture_put(f, X, (tensor){ACTS("x", GIVEN, n, k->width), .derivative = of_y == REWRITTEN ? 0 : DX});
  fixture_put(f, FACTOR,
              (tensor){ACTS("factor", GIVEN, one, k->width), .derivative = k->how & FROZEN ? 0 : DFACTOR,
                       .absent = !by});
  fixture_put(f, Y, (tensor){ACTS("y", of_y, n, wide), .derivative = DY});
  fixture_put(f, DY, (tensor){ACTS("dy", in_place ? CONSUMED : GIVEN, n, wide), .gradient = true});
  fixture_put(f, DX, (tensor){ACTS("dx", MADE, n, k->width), .alias = in_place ? DY : 0});
  fixture_put(f, DFACTOR,
              (tensor){FLOATS("dfactor", SUMMED, one, k->width), .absent = !by || (k->how & FROZEN) != 0});
}

static void bind(int32_t i, const fixture *f, column *c, direction pass, op_params *p) {
  (void)f;
  (void)pass;
  const scale_case *k = &cases[i];
  p->scale = (scale_params){.n = {k->rows, k->n + k->slack},
                            .width = k->width,
                            .y_width = k->y_width,
                            .at = k->at,
                            .x = c->at[X],
                            .factor = c->at[FACTOR],
                            .scale = k->scale,
                            .y = c->at[Y],
                            .y_add = (k->how & ADD_Y) != 0,
                            .dy = c->at[DY],
                            .dx = c->at[DX],
                            .dfactor = c->at[DFACTOR]};
}

const suite suite_scale = {.name = "scale",
                           .kind = OP_SCALE,
                           .cases = sizeof cases / sizeof *cases,
                           .real = sizeof repeated / sizeof *repeated,
                           .repeats = repeated,
                           .label = label,
                           .setup = setup,
                           .bind = bind};
