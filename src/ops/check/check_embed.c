// Cases of the embedding sum with norm and dropout.
#include <stdio.h>
#include "ops/check/harness.h"

enum {
  WORD = 1,
  TYPE,
  POSITION,
  GAMMA,
  BETA,
  SUM,
  MEAN,
  RSTD,
  Y,
  DY,
  DWORD,
  TOUCHED,
  DTYPE,
  DPOSITION,
  DGAMMA,
  DBETA
};

typedef struct embed_case {
  lengths_kind lengths;
  int32_t tokens, slack, hidden, vocab, drop;
  enum { ALL, NO_TOUCHED, TABLES_FROZEN, NORM_FROZEN, ALL_FROZEN } wanted;
} embed_case;

static const embed_case cases[] = {
    {LENGTHS_ONE, 1, 0, 1, 1, 0, ALL},
    {LENGTHS_ONE, 0, 9, 20, 5, 26, ALL},
    {LENGTHS_ONES, 3, 1, 3, 2, 0, NO_TOUCHED},
    {LENGTHS_SHORT, 97, 7, 20, 11, 26, ALL},
    {LENGTHS_SHORT, 97, 0, 36, 50, 128, TABLES_FROZEN},
    {LENGTHS_MIXED, 300, 20, 64, 1000, 26, ALL},
    {LENGTHS_MIXED, 97, 200, 100, 5, 1, NORM_FROZEN},
    {LENGTHS_MIXED, 270, 20, 20, 1000, 26, ALL_FROZEN},
    {LENGTHS_ONE, 97, 3, 768, 40, 255, ALL},
    {LENGTHS_ONE, 33, 0, 17, 3, 77, ALL},
    {LENGTHS_MIXED, 1025, 5, 36, 300, 51, ALL},
    {LENGTHS_MIXED, 4200, 90, 4, 3000, 0, ALL}, // long runs of a type, many words that occur once
    {LENGTHS_SHORT, 70, 5, 515, 30, 26, ALL},
    {LENGTHS_SHORT, 35, 2, 1036, 9, 26, ALL}, // more than a warp's registers hold, whole quads and not
    {LENGTHS_SHORT, 33, 0, 1031, 9, 77, ALL},
    {LENGTHS_SHORT, 21, 2, 512, 9, 26, ALL}, // exactly that, of the shorter and of the longer kernels
    {LENGTHS_SHORT, 13, 1, 1024, 9, 26, ALL},
    // Real sizes, when repeated.
    {LENGTHS_MIXED, 521, 0, 768, 10007, 26, ALL},
    {LENGTHS_SHORT, 211, 0, 128, 12101, 77, ALL},
};
static const int32_t repeated[] = {63, 157};

static void label(int32_t i, char text[LABEL]) {
  static const char *const wanted[] = {"", ", no touched", ", tables frozen", ", norm frozen",
                                       ", all frozen but for the marks"};
  const embed_case *k = &cases[i];
  snprintf(text, LABEL, "%d of %d tokens (%s), hidden %d, vocabulary %d, dropout %d/256%s", k->tokens,
           k->tokens + k->slack, lengths_names[k->lengths], k->hidden, k->vocab, k->drop, wanted[k->wanted]);
}

static void setup(int32_t i, fixture *f) {
  const embed_case *k = &cases[i];
  const int32_t H = k->hidden;
  fixture_batch(f, k->lengths, k->tokens, k->slack);
  f->batch.vocab = k->vocab;
  f->batch.n_types = 3;
  f->batch.n_positions = 70;
  const rows n = {ROWS_TOKENS, f->batch.tokens_cap}, v = {ROWS_FIXED, k->vocab}, one = {ROWS_FIXED, 1};
  const rows types = {ROWS_FIXED, f->batch.n_types}, positions = {ROWS_FIXED, f->batch.n_positions};
  const bool all = k->wanted == ALL_FROZEN;
  const bool tables = all || k->wanted == TABLES_FROZEN, norm = all || k->wanted == NORM_FROZEN;
  const bool flags = k->wanted == NO_TOUCHED;
  fixture_put(f, WORD, (tensor){ACTS("word", GIVEN, v, H), .derivative = DWORD});
  fixture_put(f, TYPE, (tensor){ACTS("type", GIVEN, types, H), .derivative = DTYPE});
  fixture_put(f, POSITION, (tensor){ACTS("position", GIVEN, positions, H), .derivative = DPOSITION});
  fixture_put(f, GAMMA, (tensor){ACTS("gamma", GIVEN, one, H), .center = 1, .derivative = DGAMMA});
  fixture_put(f, BETA, (tensor){ACTS("beta", GIVEN, one, H), .derivative = DBETA});
  fixture_put(f, SUM, (tensor){ACTS("sum", SAVED, n, H)});
  fixture_put(f, MEAN, (tensor){FLOATS("mean", SAVED, n, 1)});
  fixture_put(f, RSTD, (tensor){FLOATS("rstd", SAVED, n, 1)});
  fixture_put(f, Y, (tensor){ACTS("y", SAVED, n, H), .derivative = DY});
  fixture_put(f, DY, (tensor){ACTS("dy", GIVEN, n, H), .gradient = true});
  fixture_put(f, DWORD, (tensor){FLOATS("dword", SUMMED, v, H), .absent = tables});
  fixture_put(f, TOUCHED, (tensor){BYTES("touched", SUMMED, v, 1), .absent = flags});
  fixture_put(f, DTYPE, (tensor){FLOATS("dtype", SUMMED, types, H), .absent = tables});
  fixture_put(f, DPOSITION, (tensor){FLOATS("dposition", SUMMED, positions, H), .absent = tables});
  fixture_put(f, DGAMMA, (tensor){FLOATS("dgamma", SUMMED, one, H), .absent = norm});
  fixture_put(f, DBETA, (tensor){FLOATS("dbeta", SUMMED, one, H), .absent = norm});
}

static void bind(int32_t i, const fixture *f, column *c, direction pass, op_params *p) {
  (void)pass;
  p->embed = (embed_params){.batch = &c->batch,
                            .n = {ROWS_TOKENS, f->batch.tokens_cap},
                            .hidden = cases[i].hidden,
                            .vocab = cases[i].vocab,
                            .n_types = f->batch.n_types,
                            .n_positions = f->batch.n_positions,
                            .word = c->at[WORD],
                            .type = c->at[TYPE],
                            .position = c->at[POSITION],
                            .gamma = c->at[GAMMA],
                            .beta = c->at[BETA],
                            .eps = cases[i].hidden == 1 ? 1.0f : 1e-6f, // one channel has no variance
                            .drop = {.site = 0, .threshold = (uint32_t)cases[i].drop},
                            .sum = c->at[SUM],
                            .mean = c->at[MEAN],
                            .rstd = c->at[RSTD],
                            .y = c->at[Y],
                            .dy = c->at[DY],
                            .dword = c->at[DWORD],
                            .touched = c->at[TOUCHED],
                            .dtype = c->at[DTYPE],
                            .dposition = c->at[DPOSITION],
                            .dgamma = c->at[DGAMMA],
                            .dbeta = c->at[DBETA]};
}

const suite suite_embed = {.name = "embed",
                           .kind = OP_EMBED,
                           .cases = sizeof cases / sizeof *cases,
                           .real = sizeof repeated / sizeof *repeated,
                           .repeats = repeated,
                           .label = label,
                           .setup = setup,
                           .bind = bind};
