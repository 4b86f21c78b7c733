// Frozen parameters on the CPU: gradients of the others, steps, memory, the checked pass, and the checkpoints of a run.
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "data/vocab.h"
#include "lib/check.h"
#include "lib/frozen_runs.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"
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

// As many layers as model.layers allows have a place in the plan.
static void test_most_layers(void **unused) {
  (void)unused;
  assert_true(plan_of(512, NULL).activations > 400 * plan_of(1, NULL).activations);
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

// The snapshot holds what is trained, and a checkpoint of it everything: loaded elsewhere, it gives every value back.
static void test_saver(void **unused) {
  (void)unused;
  char dir[PATH_MAX], data_dir[PATH_MAX + 8], run_dir[PATH_MAX + 8];
  tiny_directory(dir, sizeof dir);
  snprintf(data_dir, sizeof data_dir, "%s/data", dir);
  snprintf(run_dir, sizeof run_dir, "%s/run", dir);
  tiny_dataset(data_dir, 20, 20, 0);
  check_ok(dir_make(run_dir));
  dataset *d;
  check_ok(dataset_open(&d, data_dir, false));
  for (int background = 0; background < 2; background++) {
    model *m = frozen_model("cpu", 0, "bert.*", true), *whole = frozen_model("cpu", 0, NULL, true);
    param_set *s = model_params(m);
    for (int64_t i = 0; i < s->elements; i++) s->m[i] = 0.5f + (s->v[i] = (float)(i % 13));
    for (int64_t i = 0; i < s->frozen_elements; i++) s->frozen[i] = (float)(i % 7) - 3.0f;
    saver *to;
    const saver_config c = {
        .run_dir = run_dir, .config_yaml = "", .m = m, .data = d, .keep = 1, .background = background == 1};
    const train_state state = {.step = 10 + background, .best_name = ""};
    check_ok(saver_open(&to, &c));
    check_ok(saver_save(to, &state));
    check_ok(saver_wait(to));
    saver_close(to);

    checkpoint *from;
    check_ok(run_resume(&from, run_dir, 1, false));
    check_fails(checkpoint_load(from, whole, true), ERR_FORMAT, "\"m/bert.");
    check_ok(checkpoint_load(from, whole, false));
    float *want = malloc((size_t)s->elements * 2 * sizeof *want);
    assert_non_null(want);
    memcpy(want, s->m, (size_t)s->elements * 2 * sizeof *want);
    memset(s->m, 0, (size_t)s->elements * 2 * sizeof *s->m);
    for (int32_t i = 0; i < s->count; i++) {
      const param *p = &s->items[i], *q = &model_params(whole)->items[i];
      assert_memory_equal(param_master(s, p), param_master(model_params(whole), q),
                          (size_t)p->size * sizeof(float));
    }
    check_ok(checkpoint_load(from, m, true));
    for (int32_t i = 0; i < s->count; i++) {
      const param *p = &s->items[i];
      if (!p->trainable) continue;
      const size_t bytes = (size_t)p->size * sizeof(float);
      assert_memory_equal(param_m(s, p), want + p->offset, bytes);
      assert_memory_equal(param_v(s, p), want + s->elements + p->offset, bytes);
    }
    free(want);
    checkpoint_close(from);
    model_free(m);
    model_free(whole);
  }
  dataset_close(d);
  check_ok(dir_remove(dir));
}

// Operations that a step saves, counted by hand for one layer.
static void test_flops(void **unused) {
  (void)unused;
  const double H = 32, F = 36, V = 25;
  model *all = frozen_model("cpu", 0, NULL, false), *head = frozen_model("cpu", 0, "bert.*", false),
        *top = frozen_model("cpu", 0, "bert.emb*,*.layer.0.*,*.layer.1.a*", false);
  batch *b = frozen_batch(all, 0);
  const double T = b->tokens, M = b->n_masked, C = model_get_config(all)->classes;
  const double forward = model_config_flops(model_get_config(all), b);
  double squares = 0;
  for (int32_t i = 0; i < b->seqs; i++) squares += pow(b->cu_seqlens[i + 1] - b->cu_seqlens[i], 2);
  check_near(forward, 2 * (T * (8 * H * H + 4 * H * F) + 4 * H * squares) + M * (2 * H * H + 2 * H * C),
             1e-9);
  assert_true(C <= V);
  check_near(model_train_flops(all, b), 3 * forward, 1e-9);
  // The head alone: forward, and backward the transform's dw and the scores' gradient for their rows.
  check_near(model_train_flops(head, b), forward + M * 2 * H * H + M * 2 * H * C, 1e-9);
  // And the feed-forward part of the last layer: both matrices' dw, FFN2's dx, the transform's dx.
  check_near(model_train_flops(top, b), forward + M * 4 * H * H + M * 2 * H * C + T * 6 * H * F, 1e-9);
  batch_free(b);
  model_free(all);
  model_free(head);
  model_free(top);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_gradients),    cmocka_unit_test(test_steps),
                                     cmocka_unit_test(test_memory),       cmocka_unit_test(test_most_layers),
                                     cmocka_unit_test(test_checked_pass), cmocka_unit_test(test_saver),
                                     cmocka_unit_test(test_flops)};
  return cmocka_run_group_tests_name("frozen", tests, NULL, NULL);
}
