// Cases of dropout as an op of its own.
#include <stdio.h>
#include "ops/check/harness.h"

enum { X = 1, Y, DY, DX };

typedef struct drop_case {
  rows_kind rows;
  lengths_kind lengths;
  int32_t tokens, slack, hidden;
  int32_t drop;  // of 256
  bool in_place; // of the gradients
  int32_t masked, masked_cap;
  bool add;
} drop_case;

static const drop_case cases[] = {
    {ROWS_SEQS, LENGTHS_ONE, 1, 0, 1, 128, false, 0, 0, false},
    {ROWS_SEQS, LENGTHS_ONES, 0, 3, 4, 26, false, 0, 0, false},
    {ROWS_SEQS, LENGTHS_SHORT, 97, 5, 17, 26, false, 0, 0, false},
    {ROWS_SEQS, LENGTHS_SHORT, 300, 0, 64, 26, true, 0, 0, false},
    {ROWS_SEQS, LENGTHS_MIXED, 521, 3, 768, 26, true, 0, 0, false},
    {ROWS_SEQS, LENGTHS_SHORT, 33, 3, 20, 0, false, 0, 0, false}, // evaluation
    {ROWS_SEQS, LENGTHS_SHORT, 97, 3, 644, 255, true, 0, 0, false},
    {ROWS_TOKENS, LENGTHS_MIXED, 521, 7, 36, 77, false, 0, 0, false},
    {ROWS_TOKENS, LENGTHS_SHORT, 2049, 0, 5, 200, true, 0, 0, false},
    {ROWS_TOKENS, LENGTHS_MIXED, 97, 3, 16, 0, true, 0, 0, false},
    // The input of a low-rank adapter.
    {ROWS_TOKENS, LENGTHS_SHORT, 97, 3, 20, 26, false, 0, 0, true},
    {ROWS_TOKENS, LENGTHS_MIXED, 65, 0, 1100, 26, false, 0, 0, true},
    {ROWS_MASKED, LENGTHS_SHORT, 97, 5, 36, 51, false, 31, 40, false},
    {ROWS_MASKED, LENGTHS_MIXED, 300, 7, 64, 102, false, 97, 130, true},
    {ROWS_MASKED, LENGTHS_SHORT, 40, 2, 17, 13, true, 20, 20, false},
    // Real sizes, when repeated.
    {ROWS_SEQS, LENGTHS_MIXED, 521, 0, 768, 26, true, 0, 0, false},
    {ROWS_TOKENS, LENGTHS_MIXED, 521, 0, 768, 26, true, 0, 0, false},
};
static const int32_t repeated[] = {63, 63};

static void label(int32_t i, char text[LABEL]) {
  const drop_case *k = &cases[i];
  char listed[40] = "rows";
  if (k->masked > 0) snprintf(listed, sizeof listed, "%d of %d listed rows", k->masked, k->masked_cap);
  snprintf(text, LABEL, "%s of %d of %d tokens (%s), hidden %d, dropout %d/256%s%s",
           k->rows == ROWS_SEQS ? "sequences" : listed, k->tokens, k->tokens + k->slack,
           lengths_names[k->lengths], k->hidden, k->drop, k->in_place ? ", in place" : "",
           k->add ? ", added" : "");
}

static rows rows_of(int32_t i, const fixture *f) {
  if (cases[i].masked > 0) return (rows){ROWS_MASKED, cases[i].masked_cap};
  return (rows){cases[i].rows, cases[i].rows == ROWS_SEQS ? f->batch.seqs_cap : f->batch.tokens_cap};
}

static void setup(int32_t i, fixture *f) {
  const drop_case *k = &cases[i];
  fixture_batch(f, k->lengths, k->tokens, k->slack);
  fixture_masked(f, k->masked, k->masked_cap);
  const rows n = rows_of(i, f);
  fixture_put(f, X, (tensor){ACTS("x", GIVEN, n, k->hidden), .derivative = DX});
  fixture_put(f, Y, (tensor){ACTS("y", SAVED, n, k->hidden), .derivative = DY});
  fixture_put(f, DY, (tensor){ACTS("dy", k->in_place ? CONSUMED : GIVEN, n, k->hidden), .gradient = true});
  fixture_put(f, DX,
              (tensor){ACTS("dx", k->add ? SUMMED : MADE, n, k->hidden), .alias = k->in_place ? DY : 0});
}

static void bind(int32_t i, const fixture *f, column *c, direction pass, op_params *p) {
  const bool back = pass == BACKWARD;
  p->drop = (drop_params){.batch = cases[i].drop > 0 ? &c->batch : NULL,
                          .n = rows_of(i, f),
                          .index = cases[i].masked > 0 ? c->batch.masked : NULL,
                          .hidden = cases[i].hidden,
                          .drop = {.site = 5, .threshold = (uint32_t)cases[i].drop},
                          .x = c->at[back ? DY : X],
                          .y = c->at[back ? DX : Y],
                          .y_add = back && cases[i].add};
}

const suite suite_drop = {.name = "drop",
                          .kind = OP_DROP,
                          .cases = sizeof cases / sizeof *cases,
                          .real = sizeof repeated / sizeof *repeated,
                          .repeats = repeated,
                          .label = label,
                          .setup = setup,
                          .bind = bind};
