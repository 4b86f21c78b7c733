// Cases of the means of rows: a sequence of the batch is a bag, its token ids the rows.
#include <stdio.h>
#include "ops/check/harness.h"

enum { TABLE = 1, Y, DY, DTABLE };

typedef struct bag_case {
  lengths_kind lengths;
  int32_t tokens, slack, hidden, vocab;
  bool empty; // the second bag is
} bag_case;

static const bag_case cases[] = {
    {LENGTHS_ONE, 1, 0, 1, 1, false},
    {LENGTHS_ONES, 3, 2, 3, 2, true},
    {LENGTHS_SHORT, 97, 7, 20, 11, true},
    {LENGTHS_SHORT, 97, 0, 36, 500, false},
    {LENGTHS_MIXED, 300, 20, 64, 1000, true},
    {LENGTHS_MIXED, 97, 200, 100, 5, false},
    {LENGTHS_ONE, 70, 3, 768, 40, false},
    {LENGTHS_MIXED, 1025, 5, 17, 300, true},
    {LENGTHS_MIXED, 4200, 90, 4, 3000, false},
    {LENGTHS_SHORT, 416, 32, 5, 1, false}, // a run of as many chunks as one warp adds up alone
    {LENGTHS_SHORT, 35, 2, 644, 9, true},
    {LENGTHS_SHORT, 21, 2, 512, 9, false},
    // Real sizes, when repeated.
    {LENGTHS_SHORT, 521, 0, 768, 10007, false},
    {LENGTHS_MIXED, 521, 0, 128, 12101, true},
};
static const int32_t repeated[] = {63, 63};

static void label(int32_t i, char text[LABEL]) {
  const bag_case *k = &cases[i];
  snprintf(text, LABEL, "%d of %d entries (%s%s), hidden %d, %d rows", k->tokens, k->tokens + k->slack,
           lengths_names[k->lengths], k->empty ? ", one bag empty" : "", k->hidden, k->vocab);
}

static void setup(int32_t i, fixture *f) {
  const bag_case *k = &cases[i];
  fixture_batch(f, k->lengths, k->tokens, k->slack);
  f->batch.vocab = k->vocab;
  if (k->empty) {
    f->batch.lengths[0] += f->batch.lengths[1];
    f->batch.lengths[1] = 0;
  }
  const rows n = {ROWS_SEQS, f->batch.seqs_cap}, v = {ROWS_FIXED, k->vocab};
  fixture_put(f, TABLE, (tensor){ACTS("table", GIVEN, v, k->hidden), .derivative = DTABLE});
  fixture_put(f, Y, (tensor){ACTS("y", SAVED, n, k->hidden), .derivative = DY});
  fixture_put(f, DY, (tensor){ACTS("dy", GIVEN, n, k->hidden), .gradient = true});
  fixture_put(f, DTABLE, (tensor){FLOATS("dtable", SUMMED, v, k->hidden)});
}

static void bind(int32_t i, const fixture *f, column *c, direction pass, op_params *p) {
  (void)pass;
  p->bag = (bag_params){.n = {ROWS_SEQS, f->batch.seqs_cap},
                        .entries = {ROWS_TOKENS, f->batch.tokens_cap},
                        .hidden = cases[i].hidden,
                        .vocab = cases[i].vocab,
                        .offsets = c->batch.cu_seqlens,
                        .index = c->batch.ids,
                        .table = c->at[TABLE],
                        .y = c->at[Y],
                        .dy = c->at[DY],
                        .dtable = c->at[DTABLE]};
}

const suite suite_bag = {.name = "bag",
                         .kind = OP_BAG,
                         .cases = sizeof cases / sizeof *cases,
                         .real = sizeof repeated / sizeof *repeated,
                         .repeats = repeated,
                         .label = label,
                         .setup = setup,
                         .bind = bind};
