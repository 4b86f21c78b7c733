// Frozen parameters on the CPU: gradients of the others, steps, memory, the checked pass, and the checkpoints of a run.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "data/vocab.h"
#include "lib/check.h"
#include "lib/frozen_runs.h"
#include "lib/tiny_bundle.h"
#include "train/saver.h"

static void test_gradients(void **unused) {
  (void)unused;
  check_frozen_gradients("cpu", true);
}

static void test_steps(void **unused) {
  (void)unused;
  check_frozen_steps("cpu");
}

static model_memory plan_of(int64_t layers, const char *freeze) {
  model_config c = tiny_config();
  c.hidden = 32;
  c.heads = 2;
  c.intermediate = 128;
  c.layers = layers;
  c.item_classes = true;
  const int32_t range_end[4] = {TOKEN_SPECIALS, TOKEN_SPECIALS, TOKEN_SPECIALS, TOKEN_SPECIALS + 500};
  check_ok(model_config_resolve(&c, range_end, 1));
  const model_run run = {
      .caps = {.tokens = 640, .seqs = 80, .masked = 64}, .training = true, .threads = 1, .freeze = freeze};
  model_memory m;
  check_ok(model_plan(&m, "cpu", &c, &run));
  return m;
}

// By how much a plan is smaller: gradients by the frozen bytes, moments by twice and the snapshot by three times as many,
// activations by those of all layers but one that the backward pass does not reach.
static void test_memory(void **unused) {
  (void)unused;
  const size_t F = sizeof(float), T = 640, H = 32, V = TOKEN_SPECIALS + 500;
  const model_memory all = plan_of(6, NULL), head = plan_of(6, "bert.*"), shallow = plan_of(1, "bert.*");
  const model_memory low = plan_of(6, "bert.embeddings.*,bert.encoder.layer.[0-3].*");
  const size_t trained =
      ((V + 63) / 64 * 64 + H * H + 3 * 64) * F; // bias, transform, its bias and norm, padded
  assert_int_equal(head.params.weights, trained);
  assert_int_equal(head.params.weights + head.params.frozen, all.params.weights);
  assert_int_equal(head.params.gradients, trained);
  assert_int_equal(head.params.moments, 2 * trained);
  assert_int_equal(snapshot_bytes(&head.params, true), 3 * trained);
  assert_int_equal(snapshot_bytes(&head.params, false), 3 * trained + head.params.frozen);
  assert_int_equal(snapshot_bytes(&all.params, false), 3 * all.params.weights);
  assert_int_equal(all.parameters, head.parameters);
  assert_int_equal(head.parameters - head.frozen_parameters, V + H * H + 3 * H);
  assert_int_equal(head.activations, shallow.activations); // whatever the number of layers
  assert_int_equal(head.activation_gradients, 3 * 64 * H * F);
  // A layer keeps 3H + H + 2 (H + 2) + 2H + 2F and a lse for each head of every token; a shared one has no `pre`.
  const size_t layer = T * (3 * H + H + 2 + 2 * (H + 2) + 2 * H + 2 * 128) * F;
  assert_int_equal(all.activations - low.activations, 3 * layer + T * 128 * F);
  assert_int_equal(all.activations - head.activations, 5 * layer + T * 128 * F);
  assert_int_equal(low.activation_gradients, all.activation_gradients);
}

typedef struct seen {
  int32_t attention[2], dw, value;
} seen;

static void see(void *self, const tensor_report *t) {
  seen *s = self;
  s->attention[0] += strcmp(t->where, "forward of bert.encoder.layer.0.attention.self") == 0;
  s->attention[1] += strcmp(t->where, "forward of bert.encoder.layer.1.attention.self") == 0;
  s->dw += strcmp(t->tensor, "dw") == 0 || strcmp(t->tensor, "dgamma") == 0;
  s->value += strcmp(t->tensor, "value") == 0;
  assert_int_equal(t->nonfinite, 0);
}

// The search for a NaN sees every value and every layer, though layers share their buffers, and the gradients that there are.
static void test_checked_pass(void **unused) {
  (void)unused;
  model *m = frozen_model("cpu", 0, "bert.*", false);
  batch *b = frozen_batch(m, 0);
  seen s = {0};
  check_ok(model_set_batch(m, b, &(step_state){.seed = 1, .scale = {0.1f}}));
  check_ok(model_checked_pass(m, see, &s));
  assert_int_equal(s.value, model_params(m)->count);
  assert_true(s.attention[0] == 1 && s.attention[1] == 1 && s.dw == 2); // transform and its norm
  batch_free(b);
  model_free(m);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_gradients), cmocka_unit_test(test_steps),
                                     cmocka_unit_test(test_memory), cmocka_unit_test(test_checked_pass)};
  return cmocka_run_group_tests_name("frozen", tests, NULL, NULL);
}
