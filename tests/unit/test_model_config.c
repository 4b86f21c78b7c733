// What a model is made of before it runs: configurations and batches that are refused, initial weights, and the scratch that it asks for.
#include <math.h>
#include <string.h>
#include "base/philox.h"
#include "data/vocab.h"
#include "lib/check.h"
#include "lib/recipes.h"
#include "model/item_vectors.h"
#include "model/objectives/item_head.h"

static void test_refusals(void **unused) {
  (void)unused;
  model *m = recipe_model(&recipes[5], true, 0);
  batch *b;
  batch_caps larger = recipe_caps;
  larger.tokens *= 2;
  larger.negatives = 9;
  check_ok(batch_new(&b, larger));
  batch_clear(b);
  for (int32_t s = 0; s < 5; s++) recipe_add_sequence(b, m, 5);
  recipe_finish(b, 4);
  check_fails(model_set_batch(m, b, &recipe_state), ERR_INTERNAL,
              "has 4 negatives, the model was planned for 9");
  batch_clear(b); // as many as evaluation has: fine to ask for a loss, not for gradients
  for (int32_t s = 0; s < 5; s++) recipe_add_sequence(b, m, 5);
  recipe_finish(b, 0);
  check_ok(model_set_batch(m, b, &recipe_state));
  check_ok(model_forward(m, true));
  check_ok(model_loss(m, false));
  check_fails(model_loss(m, true), ERR_ARGUMENT,
              "a batch to train on has no negatives, where the loss is over 9 of them");
  b->tokens = recipe_caps.tokens + 1;
  check_fails(model_set_batch(m, b, &recipe_state), ERR_INTERNAL,
              "exceeds the model's capacities: it has too many tokens");
  batch_clear(b);
  check_fails(model_set_batch(m, b, &recipe_state), ERR_INTERNAL, "before batch_finish");
  seq_layout longer = model_layout(model_get_config(m)); // of a model of 14 positions
  longer.max_positions = 15;
  int32_t tokens[15] = {0}, row, kept;
  const batch_input in = {.tokens = tokens, .n = 15};
  assert_true(batch_add(b, &longer, &in, NULL, 0, &row, &kept) && kept == 15);
  recipe_finish(b, 9);
  check_fails(model_set_batch(m, b, &recipe_state), ERR_INTERNAL,
              "a sequence of 15 tokens is in a batch for a model of 14 positions");
  batch_free(b);
  model_free(m);
  const model_config *c;
  m = recipe_model(&recipes[0], false, 0);
  c = model_get_config(m);
  model *other;
  model_config bad = *c;
  bad.layers = 600;
  const model_run run = {.caps = recipe_caps};
  check_fails(model_create(&other, "cpu", &bad, &run), ERR_ARGUMENT, "model.layers = 600");
  assert_null(other);
  check_fails(model_create(&other, "abacus", c, &run), ERR_ARGUMENT, "unknown device");
  bad = *c;
  bad.heads = 5000;
  bad.hidden = 5000;
  check_fails(model_create(&other, "cpu", &bad, &run), ERR_UNSUPPORTED,
              "attention does not support heads = 5000");
  model_free(m);
  model_free(NULL);
}

static void test_config(void **unused) {
  (void)unused;
  const model_config good = {
      .hidden = 16, .layers = 1, .heads = 2, .segments = 2, .max_positions = 9, .item_classes = true};
  const int32_t range_end[4] = {5, 9, 11, 40}, no_items[4] = {5, 9, 11, 11};
  model_config c = good;
  check_ok(model_config_resolve(&c, range_end, 3));
  assert_int_equal(c.intermediate, 64);
  assert_int_equal(c.vocab_size, 40);
  assert_int_equal(c.event_types, 3);
  assert_int_equal(c.class_base, 11);
  assert_int_equal(c.classes, 29);
  c = good;
  c.item_classes = false;
  c.vocab_size = 64;
  check_ok(model_config_resolve(&c, range_end, 3));
  assert_int_equal(c.class_base, 0);
  assert_int_equal(c.classes, 64);
  c = good;
  c.heads = 3;
  check_fails(model_config_resolve(&c, range_end, 3), ERR_ARGUMENT,
              "model.hidden = 16 is not a multiple of model.heads = 3");
  c = good;
  c.vocab_size = 39;
  check_fails(model_config_resolve(&c, range_end, 3), ERR_ARGUMENT, "model.vocab_size = 39 is smaller");
  c = good;
  c.event_types = 2;
  check_fails(model_config_resolve(&c, range_end, 3), ERR_ARGUMENT, "model.event_types = 2 is less");
  c = good;
  c.pooler = true;
  check_fails(model_config_resolve(&c, range_end, 3), ERR_ARGUMENT, "model.pooler needs model.cls_sep");
  c = good;
  check_fails(model_config_resolve(&c, no_items, 3), ERR_ARGUMENT, "has no items to predict");
}

// ---- initial weights -----------------------------------------------------------------------------------------

static model *initial_model(bool pooler, int32_t items, int32_t layers, int32_t negatives, item_loss loss) {
  model_config c = {.hidden = 18,
                    .layers = layers,
                    .heads = 2,
                    .max_positions = 9,
                    .segments = 2,
                    .layer_norm_eps = 1e-6,
                    .init_std = 0.02,
                    .temperature = 1,
                    .pooler = pooler,
                    .cls_sep = pooler};
  const int32_t range_end[4] = {TOKEN_SPECIALS, TOKEN_SPECIALS, TOKEN_SPECIALS, TOKEN_SPECIALS + items};
  check_ok(model_config_resolve(&c, range_end, RECIPE_EVENTS));
  model_run run = {.caps = recipe_caps, .training = true, .threads = 1, .seed = 0x123456789, .loss = loss};
  run.caps.negatives = negatives;
  model *m;
  check_ok(model_create(&m, "cpu", &c, &run));
  return m;
}

static model *untouched_model(bool pooler, int32_t items, int32_t layers) {
  return initial_model(pooler, items, layers, 0, (item_loss){0});
}

// How many parameters of `a` are in `b` with the same values, as far as the smaller one of the two goes.
static int32_t shared_values(model *a, model *b) {
  const param_set *s = model_params(a), *t = model_params(b);
  int32_t shared = 0;
  for (int32_t i = 0; i < s->count; i++) {
    const param *p = &s->items[i], *q = param_find(t, p->name);
    if (q == NULL) continue;
    const size_t n = (size_t)(p->size < q->size ? p->size : q->size);
    assert_memory_equal(param_master(s, p), param_master(t, q), n * sizeof(float));
    shared++;
  }
  return shared;
}

// A head, another layer or a longer table changes no weight that was there without it.
static void test_initial_weights_by_name(void **unused) {
  (void)unused;
  model *small = untouched_model(false, 20, 1), *headed = untouched_model(true, 20, 1),
        *grown = untouched_model(true, 50, 3);
  const int32_t n = model_params(small)->count;
  assert_int_equal(shared_values(small, headed), n);
  assert_int_equal(shared_values(small, grown), n);
  assert_true(model_params(headed)->count > n);
  model_free(small);
  model_free(headed);
  model_free(grown);
}

// Which word serves which element is a rule that checkpoints' seeds rely on (base/philox.h).
static void test_initial_weights_by_rule(void **unused) {
  (void)unused;
  model *m = untouched_model(false, 20, 1);
  const param_set *s = model_params(m);
  const char *const names[] = {"bert.embeddings.word_embeddings.weight",
                               "cls.predictions.transform.dense.weight"};
  for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
    const param *p = param_find(s, names[k]);
    uint64_t h = 0xcbf29ce484222325u;
    for (const char *c = names[k]; *c != '\0'; c++) h = (h ^ (uint64_t)*c) * 0x100000001b3u;
    for (int64_t j = 0; j < p->size; j++) {
      const philox_out r =
          philox4x32(0x123456789, 0x1000, (uint32_t)(j / 4), 0, (uint32_t)h, (uint32_t)(h >> 32));
      const double radius = sqrt(-2 * log(((double)r.v[j % 4 / 2 * 2] + 1) / 4294967296.0)),
                   angle = 2 * M_PI * ((double)r.v[j % 4 / 2 * 2 + 1] / 4294967296.0);
      const double x = 0.02 * radius * (j % 2 == 0 ? cos(angle) : sin(angle));
      assert_true(fabs((double)param_master(s, p)[j] - x) < 1e-8);
    }
  }
  const param *norm = param_find(s, "bert.embeddings.LayerNorm.weight");
  for (int64_t j = 0; j < norm->size; j++) assert_true(param_master(s, norm)[j] == 1.0f);
  model_free(m);
}

// The biases of the items begin where a constant score is best: a binary loss then says that each item is chosen as often as it is.
static void test_initial_biases(void **unused) {
  (void)unused;
  const item_loss losses[] = {
      {.kind = ITEM_SOFTMAX}, {.kind = ITEM_BPR}, {.kind = ITEM_BCE}, {.kind = ITEM_GBCE, .gbce_t = 0.75}};
  const double classes = TOKEN_SPECIALS + 20, n = 8, alpha = n / (classes - 1),
               beta[] = {0, 0, 1, alpha * (0.75 * (1 - 1 / alpha) + 1 / alpha)};
  for (int i = 0; i < 4; i++) {
    model *m = initial_model(false, 20, 1, (int32_t)n, losses[i]);
    const param *p = param_find(model_params(m), "cls.predictions.bias");
    const double wanted = beta[i] > 0 ? log(beta[i] / n) : 0;
    for (int64_t j = 0; j < p->size; j++)
      check_near((double)param_master(model_params(m), p)[j], wanted, 1e-6);
    model_free(m);
  }
}

// Attention's scratch is for the longest sequence that a model takes, whatever the size of a batch.
static void test_attention_scratch(void **unused) {
  (void)unused;
  const attention_params p = {.n = {ROWS_TOKENS, 32768},
                              .max_seqs = 400,
                              .max_work = 900,
                              .max_length = 50,
                              .heads = 4,
                              .head_size = 32};
  attention_params small = p;
  small.n.cap = 50;
  const size_t bytes = backend_cpu.scratch_bytes(OP_ATTENTION, &p, 2);
  enum { ROOM = 64 }; // 50 keys, rounded up
  const size_t blocks = 2 * ATTENTION_BLOCK * ROOM, packed = 2 * ROOM * 32, of_dropout = ATTENTION_BLOCK * 64;
  assert_int_equal(bytes, 2 * ((blocks + packed) * sizeof(float) + of_dropout));
  assert_int_equal(backend_cpu.scratch_bytes(OP_ATTENTION, &small, 2), bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_refusals),
                                     cmocka_unit_test(test_attention_scratch),
                                     cmocka_unit_test(test_config),
                                     cmocka_unit_test(test_initial_weights_by_name),
                                     cmocka_unit_test(test_initial_weights_by_rule),
                                     cmocka_unit_test(test_initial_biases)};
  return cmocka_run_group_tests_name("model_config", tests, NULL, NULL);
}
