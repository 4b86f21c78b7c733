// Cases of attention over packed sequences.
#include <math.h>
#include <stdio.h>
#include "ops/check/harness.h"

enum { QKV = 1, OUT, LSE, DOUT, DQKV };

typedef struct attention_case {
  attention_kind kind;
  lengths_kind lengths;
  int32_t tokens, slack, heads, head_size, drop;
  double spread; // of q, k, v: large ones make sharp rows; 0: 1
} attention_case;

static const attention_case cases[] = {
    {ATTENTION_FULL, LENGTHS_ONE, 1, 0, 1, 1, 0, 0},
    {ATTENTION_FULL, LENGTHS_ONE, 0, 5, 2, 16, 26, 0},
    {ATTENTION_CAUSAL, LENGTHS_ONES, 5, 2, 2, 16, 26, 0},
    {ATTENTION_PREFIX, LENGTHS_ONE, 3, 0, 1, 16, 0, 0},
    {ATTENTION_FULL, LENGTHS_SHORT, 97, 7, 2, 32, 0, 0},
    {ATTENTION_CAUSAL, LENGTHS_SHORT, 97, 7, 2, 32, 26, 0},
    {ATTENTION_PREFIX, LENGTHS_SHORT, 97, 7, 3, 20, 26, 0},
    {ATTENTION_FULL, LENGTHS_MIXED, 300, 31, 2, 64, 26, 0},
    {ATTENTION_CAUSAL, LENGTHS_MIXED, 300, 0, 2, 64, 0, 0},
    {ATTENTION_PREFIX, LENGTHS_MIXED, 420, 3, 2, 20, 77, 0},
    {ATTENTION_PREFIX, LENGTHS_MIXED, 300, 3, 1, 128, 0, 0},
    {ATTENTION_FULL, LENGTHS_ONE, 97, 3, 1, 128, 128, 0},
    {ATTENTION_CAUSAL, LENGTHS_ONE, 129, 1, 1, 59, 26, 0},
    {ATTENTION_FULL, LENGTHS_ONE, 200, 40, 5, 16, 255, 0},
    {ATTENTION_PREFIX, LENGTHS_ONE, 200, 40, 3, 7, 1, 0},
    {ATTENTION_FULL, LENGTHS_ONE, 1025, 3, 1, 16, 0, 0},
    {ATTENTION_CAUSAL, LENGTHS_ONE, 70, 3, 2, 16, 0, 4},
    {ATTENTION_FULL, LENGTHS_SHORT, 50, 0, 1, 64, 51, 5},
    {ATTENTION_PREFIX, LENGTHS_SHORT, 30, 9, 1, 256, 0, 0},
    // Each head size that a GPU has a kernel for, with each kind, about the edges of blocks and tiles.
    {ATTENTION_FULL, LENGTHS_ONE, 64, 1, 1, 16, 26, 0},
    {ATTENTION_CAUSAL, LENGTHS_ONE, 127, 2, 1, 16, 26, 0},
    {ATTENTION_PREFIX, LENGTHS_ONE, 129, 0, 2, 16, 77, 0},
    {ATTENTION_FULL, LENGTHS_ONE, 129, 2, 1, 32, 26, 0},
    {ATTENTION_CAUSAL, LENGTHS_ONE, 128, 65, 1, 32, 0, 0},
    {ATTENTION_PREFIX, LENGTHS_MIXED, 290, 3, 1, 32, 77, 0},
    {ATTENTION_FULL, LENGTHS_ONE, 63, 1, 2, 64, 26, 0},
    {ATTENTION_CAUSAL, LENGTHS_ONE, 65, 66, 1, 64, 255, 0},
    {ATTENTION_PREFIX, LENGTHS_ONE, 127, 1, 1, 64, 77, 0},
    {ATTENTION_FULL, LENGTHS_MIXED, 160, 64, 1, 128, 26, 4},
    {ATTENTION_CAUSAL, LENGTHS_ONE, 129, 1, 1, 128, 26, 0},
    {ATTENTION_PREFIX, LENGTHS_ONE, 128, 1, 1, 128, 77, 0},
    // Scores above a hundred: their exponentials overflow unless the row's maximum is taken off first.
    {ATTENTION_CAUSAL, LENGTHS_ONE, 70, 3, 1, 16, 26, 6},
    {ATTENTION_FULL, LENGTHS_MIXED, 70, 3, 1, 32, 0, 6},
    // Real sizes, when repeated.
    {ATTENTION_FULL, LENGTHS_MIXED, 521, 0, 12, 64, 26, 0},
    {ATTENTION_FULL, LENGTHS_ONE, 127, 0, 12, 64, 26, 0},
    {ATTENTION_CAUSAL, LENGTHS_ONE, 509, 0, 4, 64, 0, 0},
    {ATTENTION_FULL, LENGTHS_SHORT, 211, 0, 2, 64, 26, 0},
};
static const int32_t repeated[] = {63, 258, 64, 157};

static void label(int32_t i, char text[LABEL]) {
  static const char *const kinds[] = {"full", "causal", "prefix"};
  const attention_case *k = &cases[i];
  snprintf(text, LABEL, "%s, %d of %d tokens (%s), %d heads of %d, dropout %d/256, spread %g", kinds[k->kind],
           k->tokens, k->tokens + k->slack, lengths_names[k->lengths], k->heads, k->head_size, k->drop,
           k->spread > 0 ? k->spread : 1);
}

static void setup(int32_t i, fixture *f) {
  const attention_case *k = &cases[i];
  const int32_t H = k->heads * k->head_size;
  fixture_batch(f, k->lengths, k->tokens, k->slack);
  const rows n = {ROWS_TOKENS, f->batch.tokens_cap}, heads = {ROWS_FIXED, k->heads};
  fixture_put(f, QKV, (tensor){ACTS("qkv", GIVEN, n, 3 * H), .spread = k->spread, .derivative = DQKV});
  fixture_put(f, OUT, (tensor){ACTS("out", SAVED, n, H), .derivative = DOUT});
  fixture_put(f, LSE, (tensor){FLOATS("lse", SAVED, heads, n.cap), .live_width = k->tokens, .across = true});
  fixture_put(f, DOUT, (tensor){ACTS("dout", GIVEN, n, H), .gradient = true});
  fixture_put(f, DQKV, (tensor){ACTS("dqkv", MADE, n, 3 * H)});
}

static int32_t longest(const batch_spec *b) {
  int32_t n = 1;
  for (int32_t i = 0; i < b->seqs; i++)
    if (b->lengths[i] > n) n = b->lengths[i];
  return n;
}

static void bind(int32_t i, const fixture *f, column *c, direction pass, op_params *p) {
  (void)pass;
  const attention_case *k = &cases[i];
  const batch_spec *b = &f->batch;
  p->attention = (attention_params){.batch = &c->batch,
                                    .n = {ROWS_TOKENS, b->tokens_cap},
                                    .max_seqs = b->seqs_cap,
                                    .max_work = b->seqs_cap + b->tokens_cap / ATTENTION_BLOCK,
                                    .max_length = longest(b),
                                    .heads = k->heads,
                                    .head_size = k->head_size,
                                    .kind = k->kind,
                                    .scale = (float)(1 / sqrt(k->head_size)),
                                    .drop = {.site = 4, .threshold = (uint32_t)k->drop},
                                    .qkv = c->at[QKV],
                                    .out = c->at[OUT],
                                    .lse = c->at[LSE],
                                    .dout = c->at[DOUT],
                                    .dqkv = c->at[DQKV]};
}

const suite suite_attention = {.name = "attention",
                               .kind = OP_ATTENTION,
                               .cases = sizeof cases / sizeof *cases,
                               .real = sizeof repeated / sizeof *repeated,
                               .repeats = repeated,
                               .label = label,
                               .setup = setup,
                               .bind = bind};
