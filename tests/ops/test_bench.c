// souk bench: every op has a row; bytes and operations against figures worked out by hand; what its batches hold.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lib/check.h"
#include "ops/bench/bench_internal.h"

enum { T = 32768, S = 128, H = 768, A = 12, I = 3072, V = 30522 };

// BERT-base, 32,768 tokens: 256 sequences of 128.
static const batch_facts base = {.tokens = T,
                                 .seqs = T / S,
                                 .masked = 5120,
                                 .squares = (double)T * S,
                                 .words = 6000,
                                 .types = 2,
                                 .positions = S,
                                 .classes = 2000,
                                 .touched = 6100};

static const bench_model *model_named(const char *name) {
  for (int32_t i = 0; i < n_bench_models; i++)
    if (strcmp(bench_models[i].name, name) == 0) return &bench_models[i];
  fail_msg("there is no model %s", name);
  return NULL;
}

static void check_same(double value, double wanted) {
  check_near(value, wanted, wanted * 1e-12);
}

// An op of the table without a row is one whose speed nobody sees.
static void test_every_op_has_a_row(void **unused) {
  (void)unused;
  for (int32_t op = 0; op < N_OPS; op++) {
    int32_t n = 0;
    for (int32_t i = 0; i < n_bench_cases; i++) n += bench_cases[i].op == (op_index)op;
    if (n == 0) fail_msg("souk bench has no row for %s", op_names[op]);
  }
}

// The operands of a row as they are counted, without memory.
static op_params dry(const char *what, op_index op, const bench_model *m, const backend *be,
                     const bench_batch *batch) {
  static optim_tensor tensors[SET_TENSORS];
  maker k = {.be = be, .model = m, .batch = batch, .tensors = tensors, .use = op_operands(op), .dry = true};
  op_params p;
  memset(&p, 0, sizeof p);
  for (int32_t i = 0; i < n_bench_cases; i++)
    if (bench_cases[i].op == op && strcmp(bench_cases[i].what, what) == 0) {
      bench_cases[i].bind(&k, &p);
      return p;
    }
  fail_msg("there is no row of %s for %s", op_names[op], what);
  return p;
}

static op_cost base_cost(const char *what, op_index op, size_t act_size) {
  const bench_batch batch = {.facts = base};
  const op_params p = dry(what, op, model_named("bert-base"), &backend_cpu, &batch);
  return op_cost_of(op, &p, &base, act_size);
}

// A layer forward is 24 H^2 S + 4 S^2 H operations a sequence; backward twice that, and attention 2.5 times.
static void test_operations_of_a_layer(void **unused) {
  (void)unused;
  static const struct {
    const char *what;
    op_index forward, backward;
  } parts[] = {{"q, k, v", INDEX_linear_forward, INDEX_linear_backward},
               {"attention", INDEX_attention_forward, INDEX_attention_backward},
               {"projection", INDEX_linear_forward, INDEX_linear_backward},
               {"ffn1", INDEX_linear_forward, INDEX_linear_backward},
               {"ffn2", INDEX_linear_forward, INDEX_linear_backward}};
  const double matmuls = 24.0 * H * H * T, attention = 4.0 * S * H * T;
  double forward = 0, backward = 0;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    forward += base_cost(parts[i].what, parts[i].forward, 4).flops;
    backward += base_cost(parts[i].what, parts[i].backward, 4).flops;
  }
  check_same(forward, matmuls + attention);
  check_same(backward, 2 * matmuls + 2.5 * attention);
}

static void test_attention(void **unused) {
  (void)unused;
  const op_cost forward = base_cost("attention", INDEX_attention_forward, 4);
  check_same(forward.flops, 12884901888.0); // 4 x 256 x 128^2 x 768
  check_same(forward.bytes,
             4 * 100663296.0 + 1572864.0); // q, k, v, out of 32768 x 768 floats; lse of 32768 x 12
  const op_cost backward = base_cost("attention", INDEX_attention_backward, 4);
  check_same(backward.flops, 32212254720.0);
  check_same(backward.bytes, 8 * 100663296.0 + 1572864.0);
}

static void test_linear(void **unused) {
  (void)unused;
  const op_cost forward = base_cost("ffn1", INDEX_linear_forward, 4);
  check_same(forward.flops, 154618822656.0); // 2 x 32768 x 768 x 3072
  // x, w, b; z and y of 32768 x 3072.
  check_same(forward.bytes, 100663296.0 + 9437184.0 + 12288.0 + 2 * 402653184.0);
  const op_cost backward = base_cost("ffn1", INDEX_linear_backward, 4);
  check_same(backward.flops, 2 * 154618822656.0);
  // dy read and rewritten, z; db; w; dx added to; x; dw added to.
  check_same(backward.bytes,
             3 * 402653184.0 + 2 * 12288.0 + 9437184.0 + 2 * 100663296.0 + 100663296.0 + 2 * 9437184.0);
  const op_params added = {.linear = {.n = {ROWS_TOKENS, T}, .in = 8, .out = H, .y_add = true}};
  check_same(op_cost_of(INDEX_linear_forward, &added, &base, 4).bytes,
             32768.0 * 8 * 4 + 768.0 * 8 * 4 + 2 * 100663296.0); // x, w, y read and written
  const op_cost plain = base_cost("projection", INDEX_linear_backward, 4);
  check_same(plain.bytes, 3 * 100663296.0 + 2 * 3072.0 + 3 * 2359296.0); // dy, dx, x; w, dw twice
}

// On an H100 (989 TF/s in bf16, 3.35 TB/s), in microseconds.
static void test_floors_of_an_h100(void **unused) {
  (void)unused;
  check_near(1e6 * base_cost("q, k, v", INDEX_linear_forward, 2).flops / 989e12, 117, 0.5);
  check_near(1e6 * base_cost("projection", INDEX_linear_forward, 2).flops / 989e12, 39, 0.5);
  check_near(1e6 * base_cost("ffn2", INDEX_linear_forward, 2).flops / 989e12, 156, 0.5);
  check_near(1e6 * base_cost("attention", INDEX_attention_forward, 2).bytes / 3.35e12, 61, 1);
  check_near(1e6 * base_cost("attention", INDEX_attention_backward, 2).bytes / 3.35e12, 121, 1);
  check_near(1e6 * base_cost("residual", INDEX_norm_forward, 2).bytes / 3.35e12, 60, 1); // with its sum kept
}

static void test_losses(void **unused) {
  (void)unused;
  const double matmul = 2.0 * 5120 * V * H;
  check_same(base_cost("loss alone", INDEX_xent, 4).flops, matmul);
  check_same(base_cost("loss", INDEX_xent, 4).flops, 3 * matmul);
  // Sampled: a column a negative and one for the label, and only rows of the table that occur.
  const bench_model *m = model_named("beauty");
  const batch_facts f = {.tokens = 4096, .seqs = 465, .masked = 1000, .classes = 3000, .touched = 4000};
  const bench_batch batch = {.facts = f};
  const op_params p = dry("loss", INDEX_xent, m, &backend_cpu, &batch);
  const op_cost c = op_cost_of(INDEX_xent, &p, &f, 4);
  check_same(c.flops, 6.0 * 1000 * 4097 * 128);
  // x and dx; the table's rows read and added to, with their biases; labels and weights.
  check_same(c.bytes, 2 * 1000 * 128 * 4.0 + 3000 * 129 * 4.0 + 3000 * 129 * 8.0 + 1000 * 8.0);
}

static void test_updates(void **unused) {
  (void)unused;
  const double layer = 4.0 * H * H + 2.0 * H * I + 9 * H + I;
  check_same(base_cost("a layer", INDEX_adamw, 4).bytes, 32 * layer);
  check_same(base_cost("a layer", INDEX_grad_norm, 4).bytes, 4 * layer);
  check_same(base_cost("a layer", INDEX_lamb_update, 4).bytes, 28 * layer);
  check_same(base_cost("a layer", INDEX_lamb_apply, 4).bytes, 16 * layer);
  const batch_facts f = {.tokens = 4096, .touched = 4000};
  const bench_batch batch = {.facts = f};
  const op_params p = dry("word table", INDEX_adamw, model_named("beauty"), &backend_cpu, &batch);
  check_same(op_cost_of(INDEX_adamw, &p, &f, 4).bytes, 32.0 * 4000 * 128 + 54542); // and each row's mark
}

static void test_rows_that_are_copied(void **unused) {
  (void)unused;
  check_same(base_cost("masked rows", INDEX_gather_forward, 4).bytes, 5120 * (4.0 + 2 * H * 4));
  check_same(base_cost("masked rows", INDEX_gather_backward, 4).bytes, 5120 * (4.0 + 3 * H * 4));
  check_same(base_cost("next sentence", INDEX_classify, 4).bytes, 256 * (2 * 8 + 4.0));
  check_same(base_cost("several labels", INDEX_classify, 4).bytes,
             256 * 3 * (2 * 4 + 4.0)); // dry: no weights
  check_same(base_cost("pooled", INDEX_drop, 4).bytes, 256 * (2.0 * H * 4));
}

// ---- batches -------------------------------------------------------------------------------------------------

typedef struct open_batch {
  op_ctx *ctx;
  bench_batch b;
} open_batch;

static open_batch make(const char *name, int32_t tokens) {
  open_batch o;
  const backend_config c = {.threads = 1, .scratch_bytes = 256};
  check_ok(backend_cpu.open(&o.ctx, &c));
  check_ok(bench_batch_make(&o.b, model_named(name), tokens, &backend_cpu, o.ctx));
  return o;
}

static void end(open_batch *o) {
  bench_batch_free(&o->b, &backend_cpu, o->ctx);
  backend_cpu.close(o->ctx);
}

static void test_batches(void **unused) {
  (void)unused;
  for (int32_t i = 0; i < n_bench_models; i++) {
    const bench_model *m = &bench_models[i];
    for (int32_t tokens = 1; tokens < 3000; tokens = tokens * 3 + 7) {
      open_batch o = make(m->name, tokens);
      const batch_view *v = &o.b.view;
      const batch_facts *f = &o.b.facts;
      assert_int_equal(f->tokens, tokens);
      assert_int_equal(v->cu_seqlens[f->seqs], tokens);
      for (int32_t t = 0; t < tokens; t++) assert_in_range(v->ids[t], 0, m->vocab - 1);
      for (int32_t k = 0; k < f->masked; k++) {
        assert_in_range(v->masked[k], 0, tokens - 1);
        if (k > 0) assert_true(v->masked[k] > v->masked[k - 1]); // distinct, ascending
        assert_int_equal(v->labels[k], v->ids[v->masked[k]]);
      }
      int32_t marks = 0;
      for (int32_t k = 0; k < m->vocab; k++) marks += o.b.touched[k];
      assert_int_equal(marks, f->touched);
      assert_true(f->words <= f->touched && f->classes <= f->touched);
      end(&o);
    }
  }
}

static void test_full_batches(void **unused) {
  (void)unused;
  open_batch o = make("bert-base", T);
  assert_int_equal(o.b.facts.seqs, 256);
  assert_int_equal(o.b.facts.masked, 256 * 19); // 15% of 128
  assert_int_equal(o.b.facts.work, 512);
  check_same(o.b.facts.squares, (double)T * S);
  end(&o);
  o = make("beauty", 4096);
  const double length = 4096.0 / o.b.facts.seqs;
  if (!(length > 7.5 && length < 10)) fail_msg("histories of %.2f items in the mean, not 8.8", length);
  check_near(o.b.facts.masked / 4096.0, 0.3, 0.02);
  assert_in_range(o.b.facts.classes, 1000, 4000); // Zipf: 5,300 labels and negatives are that many items
  end(&o);
}

// ---- a run ---------------------------------------------------------------------------------------------------

typedef struct seen {
  int32_t rows, of[N_OPS], stop_after;
} seen;

static status take(void *user, const bench_row *r) {
  seen *s = user;
  assert_true(r->min > 0 && r->median >= r->min && r->calls >= 3);
  assert_true(r->bytes > 0 && r->floor > 0);
  check_near(r->floor, r->by_memory ? r->bytes / 2e9 : r->flops / 1e9, 1e-15);
  s->of[r->op]++;
  return ++s->rows == s->stop_after ? fail(ERR_IO, "no more") : OK;
}

static void run(const char *pattern, size_t rotate, seen *s, status wanted, int32_t *n) {
  const bench_config c = {
      .threads = 1, .pattern = pattern, .rotate_bytes = rotate, .peak = 1e9, .bandwidth = 2e9};
  bench *b;
  check_ok(bench_open(&b, &backend_cpu, &c));
  assert_int_equal(bench_run(b, model_named("tiny"), take, s, n), wanted);
  bench_close(b);
}

static void test_run(void **unused) {
  (void)unused;
  seen s = {0};
  int32_t n;
  run(NULL, 0, &s, OK, &n);
  assert_int_equal(n, n_bench_cases);
  for (int32_t op = 0; op < N_OPS; op++) assert_true(s.of[op] > 0);
  s = (seen){0};
  run("norm_*", 1 << 20, &s, OK, &n); // not grad_norm
  assert_int_equal(n, 4);
  assert_int_equal(s.of[INDEX_norm_forward], 2);
  s = (seen){0};
  run("norm", 1 << 20, &s, OK, &n);
  assert_int_equal(n, 6);
  s = (seen){0};
  run("nothing", 0, &s, OK, &n);
  assert_int_equal(n, 0);
  s = (seen){.stop_after = 2};
  run(NULL, 0, &s, ERR_IO, &n);
  assert_int_equal(s.rows, 2);
}

// A row whose op consumes its gradient finds it in each sample: else the second call has nothing to do.
static void test_restored(void **unused) {
  (void)unused;
  open_batch o = make("tiny", 100);
  maker k = {
      .be = &backend_cpu, .ctx = o.ctx, .model = model_named("tiny"), .batch = &o.b, .use = BOTH | UPDATE};
  float *tile = calloc(TILE, sizeof *tile);
  assert_non_null(tile);
  for (int32_t i = 0; i < TILE; i++) tile[i] = 1.0f + (float)(i % 7);
  k.tile = tile;
  float *sets[3];
  uint8_t *marks[3];
  for (int32_t i = 0; i < 3; i++) {
    sets[i] = take_floats(&k, BOTH, CONSUMED, 2, 50, 1);
    marks[i] = take_touched(&k);
    if (i == 0) k.of_set = k.n_taken;
  }
  check_ok(k.rc);
  assert_int_equal(k.n_taken, 6);
  for (int32_t i = 0; i < 3; i++) {
    memset(sets[i], 0, 100 * sizeof(float));
    memset(marks[i], 0, 100);
  }
  for (int32_t i = 1; i < 3; i++) check_ok(maker_restore(&k, i));
  assert_true(!(fabsf(sets[0][0]) > 0) && !(fabsf(sets[0][99]) > 0)); // not asked for
  check_ok(maker_restore(&k, 0));
  for (int32_t i = 0; i < 3; i++) {
    assert_memory_equal(sets[i], tile, 100 * sizeof(float));
    assert_memory_equal(marks[i], o.b.touched, 100);
  }
  maker_free(&k);
  free(tile);
  end(&o);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_op_has_a_row),
                                     cmocka_unit_test(test_operations_of_a_layer),
                                     cmocka_unit_test(test_attention),
                                     cmocka_unit_test(test_linear),
                                     cmocka_unit_test(test_floors_of_an_h100),
                                     cmocka_unit_test(test_losses),
                                     cmocka_unit_test(test_updates),
                                     cmocka_unit_test(test_rows_that_are_copied),
                                     cmocka_unit_test(test_batches),
                                     cmocka_unit_test(test_full_batches),
                                     cmocka_unit_test(test_run),
                                     cmocka_unit_test(test_restored)};
  return cmocka_run_group_tests_name("bench", tests, NULL, NULL);
}
