// The CPU backend's refusals: shapes it does not support, memory it cannot get, devices that are not there. (What it
// computes is in test_ops.c.)
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lib/check.h"
#include "lib/scratch.h"
#include "ops/cpu/cpu.h"

static status ask(op_kind kind, const void *params) {
  return backend_cpu.supports(kind, params);
}

static status ask_table(const optim_tensor *tensors, int32_t n, int32_t wholes) {
  return ask(OP_OPTIM, &(optim_params){.tensors = tensors, .n = n, .wholes = wholes});
}

static void test_supports(void **unused) {
  (void)unused;
  check_ok(ask(OP_EMBED, &(embed_params){.hidden = 1, .drop.threshold = 255}));
  check_fails(ask(OP_EMBED, &(embed_params){.hidden = 0}), ERR_UNSUPPORTED,
              "embed does not support hidden = 0");
  check_fails(ask(OP_EMBED, &(embed_params){.hidden = 4, .drop.threshold = 256}), ERR_UNSUPPORTED,
              "embed does not support dropout threshold = 256");
  check_ok(ask(OP_NORM, &(norm_params){.hidden = 4, .n.kind = ROWS_TOKENS, .drop.threshold = 1}));
  check_fails(ask(OP_NORM, &(norm_params){.hidden = -1}), ERR_UNSUPPORTED,
              "norm does not support hidden = -1");
  check_fails(ask(OP_NORM, &(norm_params){.hidden = 4, .n.kind = ROWS_SEQS, .drop.threshold = 1}),
              ERR_UNSUPPORTED, "norm with dropout");
  check_ok(ask(OP_NORM, &(norm_params){.hidden = 4, .n.kind = ROWS_TOKENS, .path.threshold = 255}));
  check_fails(ask(OP_NORM, &(norm_params){.hidden = 4, .n.kind = ROWS_SEQS, .path.threshold = 1}),
              ERR_UNSUPPORTED, "norm with stochastic depth does not support rows kind");
  check_fails(ask(OP_NORM, &(norm_params){.hidden = 4, .n.kind = ROWS_TOKENS, .path.threshold = 256}),
              ERR_UNSUPPORTED, "dropout threshold = 256");
  check_fails(ask(OP_NORM, &(norm_params){.hidden = 4, .n.kind = ROWS_TOKENS, .drop.threshold = 300}),
              ERR_UNSUPPORTED, "dropout threshold = 300");
  check_ok(ask(OP_LINEAR, &(linear_params){.in = 1, .out = 1}));
  check_fails(ask(OP_LINEAR, &(linear_params){.in = 0, .out = 1}), ERR_UNSUPPORTED,
              "linear does not support in = 0");
  check_fails(ask(OP_LINEAR, &(linear_params){.in = 1, .out = 0}), ERR_UNSUPPORTED,
              "linear does not support out = 0");
  check_ok(ask(OP_LINEAR, &(linear_params){.in = 1, .out = 1, .y_add = true}));
  check_ok(ask(OP_LINEAR, &(linear_params){.in = 1, .out = 1, .kind = ACT_GELU_ERF, .y_add = true}));
  check_fails(ask(OP_LINEAR, &(linear_params){.in = 1, .out = 1, .kind = ACT_TANH, .y_add = true}),
              ERR_UNSUPPORTED, "linear adds into y with GELU or without an activation");
  check_ok(ask(OP_SCALE, &(scale_params){.width = 4, .y_width = 12, .at = 8}));
  check_fails(ask(OP_SCALE, &(scale_params){.width = 0}), ERR_UNSUPPORTED, "width = 0");
  check_fails(ask(OP_SCALE, &(scale_params){.width = 4, .y_width = 12, .at = 9}), ERR_UNSUPPORTED,
              "first column = 9");
  check_ok(ask(OP_ATTENTION, &(attention_params){.max_length = 1, .heads = 4095, .head_size = 512}));
  check_fails(ask(OP_ATTENTION, &(attention_params){.max_length = 1, .heads = 4096, .head_size = 64}),
              ERR_UNSUPPORTED, "heads = 4096");
  check_fails(ask(OP_ATTENTION, &(attention_params){.max_length = 1, .heads = 1, .head_size = 513}),
              ERR_UNSUPPORTED, "head size = 513");
  check_fails(ask(OP_ATTENTION,
                  &(attention_params){.max_length = 1, .heads = 1, .head_size = 8, .drop.threshold = 256}),
              ERR_UNSUPPORTED, "attention does not support dropout threshold");
  check_fails(ask(OP_ATTENTION, &(attention_params){.heads = 1, .head_size = 8}), ERR_UNSUPPORTED,
              "attention does not support longest sequence = 0");
  check_ok(ask(OP_GATHER, &(gather_params){.hidden = 1}));
  check_fails(ask(OP_GATHER, &(gather_params){.hidden = 0}), ERR_UNSUPPORTED,
              "gather does not support hidden = 0");
  check_ok(ask(OP_XENT, &(xent_params){.hidden = 1, .classes = 1}));
  check_fails(ask(OP_XENT, &(xent_params){.hidden = 0, .classes = 1}), ERR_UNSUPPORTED, "hidden = 0");
  check_fails(ask(OP_XENT, &(xent_params){.hidden = 1, .classes = 0}), ERR_UNSUPPORTED, "classes = 0");
  check_fails(ask(OP_XENT, &(xent_params){.hidden = 1, .classes = 2, .n_negatives = -1}), ERR_UNSUPPORTED,
              "negatives = -1");
  check_fails(ask(OP_XENT, &(xent_params){.hidden = 1, .classes = 2, .slot = MAX_SLOTS}), ERR_UNSUPPORTED,
              "slot = 8");
  check_ok(ask(OP_XENT, &(xent_params){.hidden = 1, .classes = 2, .smoothing = 0.5f}));
  check_fails(ask(OP_XENT, &(xent_params){.hidden = 1, .classes = 2, .smoothing = 1}), ERR_UNSUPPORTED,
              "cross-entropy does not support label smoothing of 1");
  for (loss_kind loss = LOSS_GBCE; loss <= LOSS_BPR; loss++) {
    check_ok(ask(OP_XENT, &(xent_params){.hidden = 1, .classes = 2, .loss = loss, .n_negatives = 1}));
    check_fails(ask(OP_XENT, &(xent_params){.hidden = 1, .classes = 2, .loss = loss}), ERR_UNSUPPORTED,
                "binary losses need negatives");
    check_fails(
        ask(OP_XENT,
            &(xent_params){.hidden = 1, .classes = 2, .loss = loss, .n_negatives = 1, .smoothing = 0.1f}),
        ERR_UNSUPPORTED, "binary loss does not support label smoothing of 0.1");
  }
  check_fails(ask(OP_XENT,
                  &(xent_params){.hidden = 1, .classes = 2, .loss = LOSS_GBCE, .n_negatives = 1, .beta = -1}),
              ERR_UNSUPPORTED, "beta = -1");
  check_ok(ask(OP_CLASSIFY, &(classify_params){.classes = 2, .slot = MAX_SLOTS - 1}));
  check_fails(ask(OP_CLASSIFY, &(classify_params){.classes = 2, .slot = -1}), ERR_UNSUPPORTED, "slot = -1");
  check_fails(ask(OP_CLASSIFY, &(classify_params){.classes = 1}), ERR_UNSUPPORTED, "classes = 1");
  check_fails(ask(OP_CLASSIFY, &(classify_params){.classes = 4097}), ERR_UNSUPPORTED, "classes = 4097");
  check_ok(ask(OP_CLASSIFY, &(classify_params){.classes = 1, .kind = CLASSIFY_SEVERAL}));
  check_ok(ask(OP_DROP, &(drop_params){.n = {ROWS_SEQS, 1}, .hidden = 1}));
  check_fails(ask(OP_DROP, &(drop_params){.n = {ROWS_SEQS, 1}}), ERR_UNSUPPORTED, "hidden = 0");
  check_fails(ask(OP_DROP, &(drop_params){.n = {ROWS_FIXED, 1}, .hidden = 1}), ERR_UNSUPPORTED,
              "dropout is of tokens or sequences");
  check_fails(ask(OP_DROP, &(drop_params){.n = {ROWS_SEQS, 1}, .hidden = 1, .drop = {.threshold = 256}}),
              ERR_UNSUPPORTED, "dropout threshold = 256");
  check_ok(ask_table(&(optim_tensor){.n = 12, .row = 4}, 1, 1));
  check_ok(ask_table(&(optim_tensor){.n = 13}, 1, 1));
  check_ok(ask_table(NULL, 0, 0));
  check_fails(ask_table(&(optim_tensor){.n = -1}, 1, 1), ERR_UNSUPPORTED,
              "optimiser does not support n = -1");
  check_fails(ask_table(&(optim_tensor){.n = 13, .row = 4}, 1, 1), ERR_UNSUPPORTED, "row = 4");
  check_fails(ask_table(&(optim_tensor){.n = 13, .row = -1}, 1, 1), ERR_UNSUPPORTED, "row = -1");
  check_fails(ask_table(&(optim_tensor){.n = 1 << 25, .row = 1 << 25}, 1, 1), ERR_UNSUPPORTED,
              "row = 33554432");
  const optim_tensor ordered[] = {{.whole = 0}, {.whole = 1}, {.whole = 1}, {.whole = 3}};
  check_ok(ask_table(ordered, 4, 4));
  check_fails(ask_table(ordered, 4, 3), ERR_UNSUPPORTED, "whole = 3");
  const optim_tensor mixed[] = {{.whole = 1}, {.whole = 0}};
  check_fails(ask_table(mixed, 2, 2), ERR_UNSUPPORTED,
              "whose tensors come in order, does not support whole = 0");
  check_fails(ask(OP_COUNT, NULL), ERR_INTERNAL, "no op of kind");
  assert_int_equal(backend_cpu.scratch_bytes(OP_COUNT, NULL, 0), 0);
}

static void test_lamb_is_dense(void **unused) {
  (void)unused;
  op_ctx *ctx;
  check_ok(backend_cpu.open(&ctx, &(backend_config){.threads = 1}));
  const optim_tensor t = {.n = 1, .row = 1};
  check_fails(backend_cpu.lamb_update(ctx, &(optim_params){.tensors = &t, .n = 1, .wholes = 1}),
              ERR_UNSUPPORTED, "LAMB updates whole tensors");
  backend_cpu.close(ctx);
}

// ---- losses as their papers have them --------------------------------------------------------------------------

// One row x = 1 with width 1: the scores are the table, and dtable is the loss's slopes by them. The label is class 1, drawn
// once among the negatives, where it is left out.
enum { ITEMS = 5, DRAWS = 6, TARGET = 1 };
static const float table_of_scores[ITEMS] = {0.3f, 1.1f, -0.7f, 2.0f, -1.2f};
static const int32_t drawn[DRAWS] = {3, 0, 1, 4, 0, 2};
static const double draw_p[ITEMS] = {0.35, 0.2, 0.1, 0.15, 0.2};

static double run_loss(xent_params p, double slopes[ITEMS]) {
  op_ctx *ctx;
  const float x = 1, weight = 1;
  const int32_t label = TARGET;
  float negative_logq[DRAWS], label_logq = logf((float)(DRAWS * draw_p[TARGET])), dx, row_loss,
                              dtable[ITEMS] = {0};
  for (int32_t j = 0; j < DRAWS; j++) negative_logq[j] = logf((float)(DRAWS * draw_p[drawn[j]]));
  p.n = (rows){ROWS_FIXED, 1};
  p.hidden = 1, p.classes = ITEMS, p.n_negatives = DRAWS, p.inv_temperature = 1;
  p.labels = &label, p.weights = &weight, p.negatives = drawn;
  p.negative_logq = negative_logq, p.label_logq = &label_logq;
  p.x = &x, p.table = table_of_scores, p.row_loss = &row_loss, p.dx = &dx, p.dtable = dtable;
  check_ok(ask(OP_XENT, &p));
  const size_t scratch = backend_cpu.scratch_bytes(OP_XENT, &p, 1);
  check_ok(backend_cpu.open(&ctx, &(backend_config){.threads = 1, .scratch_bytes = scratch}));
  check_ok(backend_cpu.state_write(ctx, &(step_state){.scale = {1}}));
  check_ok(backend_cpu.xent(ctx, &p));
  backend_cpu.close(ctx);
  for (int32_t i = 0; i < ITEMS; i++) slopes[i] = (double)dtable[i];
  return (double)row_loss;
}

// ---- scratch of a loss -----------------------------------------------------------------------------------------

enum { ROWS = 37, WIDTH = 5, CLASSES = 3000, NEGATIVES = 700, GUARD = 4096 };

static void fill(float *x, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = sinf((float)i * 0.37f);
}

// The loss by a context whose scratch is exactly what scratch_bytes says, and followed by marks that must stay.
static double loss_in_exact_scratch(xent_params p, int32_t threads) {
  static float x[ROWS * WIDTH], dx[ROWS * WIDTH], table[CLASSES * WIDTH], dtable[CLASSES * WIDTH],
      weights[ROWS], logq[CLASSES];
  static int32_t labels[ROWS], negatives[NEGATIVES];
  fill(x, ROWS * WIDTH);
  fill(table, CLASSES * WIDTH);
  for (int32_t i = 0; i < ROWS; i++) labels[i] = i * 71 % p.classes, weights[i] = 1;
  for (int32_t j = 0; j < NEGATIVES; j++) negatives[j] = j * 3;
  p.n = (rows){ROWS_FIXED, ROWS};
  p.hidden = WIDTH, p.inv_temperature = 1, p.labels = labels, p.weights = weights, p.negatives = negatives;
  p.negative_logq = p.label_logq = logq, p.x = x, p.table = table;
  if (!p.forward_only) p.dx = dx, p.dtable = dtable;
  const size_t bytes = cpu_xent_scratch(&p, threads);
  char *memory = aligned_alloc(64, (bytes + 63) / 64 * 64 + GUARD);
  assert_non_null(memory);
  memset(memory, 0x5a, bytes + GUARD);
  op_ctx ctx = {.threads = threads, .scratch = memory, .scratch_bytes = bytes};
  check_ok(cpu_xent(&ctx, &p));
  for (size_t i = bytes; i < bytes + GUARD; i++) assert_int_equal(memory[i], 0x5a);
  free(memory);
  return ctx.result.slot[0].loss;
}

// Full and sampled, few columns and many, more threads than columns fill, several blocks of rows or one: with and without
// gradients the scratch is enough, and the loss the same.
static void test_exact_scratch(void **unused) {
  (void)unused;
  static const int32_t classes[] = {CLASSES, 2700, 241, 240, 17}, negatives[] = {0, NEGATIVES, 20, 1};
  static const size_t bytes[] = {0, 1, 100000};
  static const int32_t threads[] = {1, 2, 7};
  for (size_t c = 0; c < 5; c++)
    for (size_t s = 0; s < 4; s++)
      for (size_t b = 0; b < 3; b++)
        for (size_t t = 0; t < 3; t++) {
          xent_params p = {.classes = CLASSES, .n_negatives = negatives[s], .score_bytes = bytes[b]};
          if (negatives[s] == 0) p.classes = classes[c];
          const double both = loss_in_exact_scratch(p, threads[t]);
          p.forward_only = true;
          check_near(loss_in_exact_scratch(p, threads[t]), both, 1e-5 * both);
        }
}

static double sigmoid(double x) {
  return 1 / (1 + exp(-x));
}

// Petrov and Macdonald: -(1 / (n + 1)) (log sigmoid(s)^beta + sum log(1 - sigmoid(s_j))).
static void test_gbce(void **unused) {
  (void)unused;
  const double alpha = (double)DRAWS / (ITEMS - 1), t = 0.75,
               beta = alpha * (t * (1 - 1 / alpha) + 1 / alpha);
  double slopes[ITEMS], wanted[ITEMS] = {0}, loss = -log(pow(sigmoid((double)table_of_scores[TARGET]), beta));
  const double n = DRAWS - 1;
  wanted[TARGET] = -beta * (1 - sigmoid((double)table_of_scores[TARGET])) / (n + 1);
  for (int32_t j = 0; j < DRAWS; j++) {
    if (drawn[j] == TARGET) continue;
    loss -= log(1 - sigmoid((double)table_of_scores[drawn[j]]));
    wanted[drawn[j]] += sigmoid((double)table_of_scores[drawn[j]]) / (n + 1);
  }
  check_near(run_loss((xent_params){.loss = LOSS_GBCE, .beta = (float)beta}, slopes), loss / (n + 1), 1e-6);
  for (int32_t i = 0; i < ITEMS; i++) check_near(slopes[i], wanted[i], 1e-6);
}

static void test_bpr(void **unused) {
  (void)unused;
  double slopes[ITEMS], wanted[ITEMS] = {0}, loss = 0;
  const double n = DRAWS - 1, s = (double)table_of_scores[TARGET];
  for (int32_t j = 0; j < DRAWS; j++) {
    if (drawn[j] == TARGET) continue;
    const double apart = s - (double)table_of_scores[drawn[j]];
    loss -= log(sigmoid(apart)) / n;
    wanted[drawn[j]] += (1 - sigmoid(apart)) / n;
    wanted[TARGET] -= (1 - sigmoid(apart)) / n;
  }
  check_near(run_loss((xent_params){.loss = LOSS_BPR}, slopes), loss, 1e-6);
  for (int32_t i = 0; i < ITEMS; i++) check_near(slopes[i], wanted[i], 1e-6);
}

// InfoNCE: -log of the label's share of exp(score) among it and the negatives.
static void test_info_nce(void **unused) {
  (void)unused;
  double slopes[ITEMS], sum = exp((double)table_of_scores[TARGET]);
  for (int32_t j = 0; j < DRAWS; j++)
    if (drawn[j] != TARGET) sum += exp((double)table_of_scores[drawn[j]]);
  const double share = exp((double)table_of_scores[TARGET]) / sum;
  check_near(run_loss((xent_params){.logq = LOGQ_NONE}, slopes), -log(share), 1e-6);
  check_near(slopes[TARGET], share - 1, 1e-6);
}

// Khrylchenko et al.: negatives by Q' = Q / (1 - Q(label)), and the loss weighted by 1 - P(label), through which no
// gradient flows.
static void test_corrected_logq(void **unused) {
  (void)unused;
  double slopes[ITEMS], wanted[ITEMS] = {0}, sum = 0;
  const double n = DRAWS - 1, s = (double)table_of_scores[TARGET];
  for (int32_t j = 0; j < DRAWS; j++)
    if (drawn[j] != TARGET)
      sum += exp((double)table_of_scores[drawn[j]]) * (1 - draw_p[TARGET]) / draw_p[drawn[j]];
  const double share = exp(s) / (exp(s) + sum / n), weight = 1 - share;
  wanted[TARGET] = -weight; // of weight (log sum - s), the weight held
  for (int32_t j = 0; j < DRAWS; j++)
    if (drawn[j] != TARGET)
      wanted[drawn[j]] +=
          weight * exp((double)table_of_scores[drawn[j]]) * (1 - draw_p[TARGET]) / draw_p[drawn[j]] / sum;
  check_near(run_loss((xent_params){.logq = LOGQ_CORRECTED}, slopes), -log(share), 1e-6);
  for (int32_t i = 0; i < ITEMS; i++) check_near(slopes[i], wanted[i], 1e-6);
}

// The promise of distinct indices is looked at.
static void test_distinct_rows(void **unused) {
  (void)unused;
  op_ctx *ctx;
  const int32_t good[] = {2, 0}, bad[] = {1, 1};
  float dx[3] = {0}, dy[2] = {1, 2};
  gather_params p = {.n = {ROWS_FIXED, 2},
                     .hidden = 1,
                     .source = {ROWS_FIXED, 3},
                     .index = good,
                     .distinct = true,
                     .dy = dy,
                     .dx = dx};
  const size_t scratch = backend_cpu.scratch_bytes(OP_GATHER, &p, 1);
  check_ok(backend_cpu.open(&ctx, &(backend_config){.threads = 1, .scratch_bytes = scratch}));
  check_ok(backend_cpu.gather_backward(ctx, &p));
  check_near((double)dx[0], 2, 0);
  check_near((double)dx[2], 1, 0);
  p.index = bad;
  check_fails(backend_cpu.gather_backward(ctx, &p), ERR_INTERNAL, "row 1 is gathered twice");
  p.distinct = false;
  check_ok(backend_cpu.gather_backward(ctx, &p));
  check_near((double)dx[1], 3, 0);
  backend_cpu.close(ctx);
}

// Without graphs everything has run by the time a graph would be launched.
static void test_no_graphs(void **unused) {
  (void)unused;
  op_ctx *ctx;
  check_ok(backend_cpu.open(&ctx, &(backend_config){.threads = 1}));
  void *graph = &ctx;
  check_ok(backend_cpu.graph_begin(ctx));
  check_ok(backend_cpu.graph_end(ctx, &graph));
  assert_null(graph);
  check_ok(backend_cpu.graph_launch(ctx, graph));
  backend_cpu.graph_free(ctx, graph);
  backend_cpu.close(ctx);
}

static void test_memory_errors(void **unused) {
  (void)unused;
  op_ctx *ctx;
  check_ok(backend_cpu.open(&ctx, &(backend_config){.threads = 0}));
  void *p = &ctx;
  check_fails(backend_cpu.mem_alloc(ctx, SIZE_MAX - 3, "a table", &p), ERR_MEMORY, "for a table");
  assert_null(p);
  backend_cpu.close(ctx);
  // Every allocation of open() in turn, then of mem_alloc().
  for (int nth = 1; nth <= 3; nth++) {
    char fault[32];
    snprintf(fault, sizeof fault, "alloc:%d", nth);
    faults_set(fault);
    status rc = backend_cpu.open(&ctx, &(backend_config){.threads = 1, .scratch_bytes = 100});
    if (nth < 3) {
      assert_int_equal(rc, ERR_MEMORY);
      assert_null(ctx);
      continue;
    }
    check_ok(rc);
    check_fails(backend_cpu.mem_alloc(ctx, 10, "a table", &p), ERR_MEMORY, "cannot get 10 bytes for a table");
    backend_cpu.close(ctx);
  }
  faults_set(NULL);
}

static void test_find(void **unused) {
  (void)unused;
  const backend *be;
  check_ok(backend_find(&be, "cpu"));
  assert_ptr_equal(be, &backend_cpu);
  check_ok(backend_find(&be, "auto"));
  assert_non_null(be);
  check_fails(backend_find(&be, "tpu"), ERR_ARGUMENT, "known are cpu, cuda and auto");
  assert_null(be);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_supports),
                                     cmocka_unit_test(test_lamb_is_dense),
                                     cmocka_unit_test(test_exact_scratch),
                                     cmocka_unit_test(test_gbce),
                                     cmocka_unit_test(test_bpr),
                                     cmocka_unit_test(test_info_nce),
                                     cmocka_unit_test(test_corrected_logq),
                                     cmocka_unit_test(test_distinct_rows),
                                     cmocka_unit_test(test_no_graphs),
                                     cmocka_unit_test(test_memory_errors),
                                     cmocka_unit_test(test_find)};
  return cmocka_run_group_tests_name("cpu", tests, NULL, NULL);
}
