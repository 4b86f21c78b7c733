// Cases of the row gather and its scatter-add.
#include <stdio.h>
#include "ops/check/harness.h"

enum { X = 1, Y, DY, DX };

typedef struct gather_case {
  int32_t tokens, slack, masked, masked_cap, hidden; // masked 0: the first row of each sequence
  bool distinct;
} gather_case;

static const gather_case cases[] = {
    {1, 0, 1, 1, 1, false},
    {3, 2, 7, 9, 3, false},
    {97, 3, 31, 97, 20, false},
    {97, 0, 200, 200, 36, false},
    {50, 9, 0, 0, 64, false},
    {300, 0, 0, 0, 100, false},
    {1025, 1, 97, 100, 64, false},
    {20, 80, 33, 40, 768, false},
    {97, 5, 120, 1000, 17, false},
    {1, 0, 700, 700, 5, false},
    {97, 5, 4999, 5100, 4, false},
    {2049, 0, 300, 301, 132, false},
    // A run of as many chunks as one warp of the scatter-add adds up alone, and one that begins in the last chunk: in
    // a graph, memory holds chunks of the larger batch before.
    {1, 0, 416, 448, 5, false},
    {5, 0, 64, 65, 3, false},
    {3, 1, 4, 5, 644, false}, // wider than a tile, but small, for the slow builds
    // Distinct rows, in a graph those past the live count too: no more masked rows than tokens.
    {1, 0, 1, 1, 1, true},
    {3, 2, 3, 5, 3, true},
    {97, 3, 31, 97, 20, true},
    {50, 0, 0, 0, 64, true}, // no sequences past the live ones, which would all begin at one row
    {300, 0, 0, 0, 100, true},
    {1025, 1, 97, 1000, 64, true},
    {40, 80, 33, 40, 768, true},
    {97, 5, 90, 100, 17, true},
    {5, 1, 4, 5, 644, true},
    {2049, 0, 300, 301, 132, true},
    // Real sizes, when repeated.
    {521, 0, 79, 79, 768, false},
    {521, 0, 79, 79, 768, true},
    {521, 0, 0, 0, 768, true},
};
static const int32_t repeated[] = {63, 63, 63};

static void label(int32_t i, char text[LABEL]) {
  const gather_case *k = &cases[i];
  const char *distinct = k->distinct ? ", distinct" : "";
  if (k->masked == 0)
    snprintf(text, LABEL, "first rows of sequences, %d of %d tokens, hidden %d%s", k->tokens,
             k->tokens + k->slack, k->hidden, distinct);
  else
    snprintf(text, LABEL, "%d of %d masked rows, %d of %d tokens, hidden %d%s", k->masked, k->masked_cap,
             k->tokens, k->tokens + k->slack, k->hidden, distinct);
}

static rows rows_of(int32_t i, const fixture *f) {
  return cases[i].masked == 0 ? (rows){ROWS_SEQS, f->batch.seqs_cap}
                              : (rows){ROWS_MASKED, cases[i].masked_cap};
}

static void setup(int32_t i, fixture *f) {
  const gather_case *k = &cases[i];
  fixture_batch(f, LENGTHS_SHORT, k->tokens, k->slack);
  fixture_masked(f, k->masked, k->masked_cap);
  f->batch.distinct = k->distinct;
  const rows n = rows_of(i, f), source = {ROWS_TOKENS, f->batch.tokens_cap};
  fixture_put(f, X, (tensor){ACTS("x", GIVEN, source, k->hidden), .derivative = DX});
  fixture_put(f, Y, (tensor){ACTS("y", SAVED, n, k->hidden), .derivative = DY});
  fixture_put(f, DY, (tensor){ACTS("dy", GIVEN, n, k->hidden), .gradient = true});
  fixture_put(f, DX, (tensor){ACTS("dx", SUMMED, source, k->hidden)});
}

static void bind(int32_t i, const fixture *f, column *c, direction pass, op_params *p) {
  (void)pass;
  p->gather = (gather_params){.n = rows_of(i, f),
                              .hidden = cases[i].hidden,
                              .source = {ROWS_TOKENS, f->batch.tokens_cap},
                              .index = cases[i].masked == 0 ? c->batch.cu_seqlens : c->batch.masked,
                              .distinct = cases[i].distinct,
                              .x = c->at[X],
                              .y = c->at[Y],
                              .dy = c->at[DY],
                              .dx = c->at[DX]};
}

const suite suite_gather = {.name = "gather",
                            .kind = OP_GATHER,
                            .cases = sizeof cases / sizeof *cases,
                            .real = sizeof repeated / sizeof *repeated,
                            .repeats = repeated,
                            .label = label,
                            .setup = setup,
                            .bind = bind};
