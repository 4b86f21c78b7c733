// AdamW over the descriptors of a whole model against a double-precision reference that walks one parameter at a time:
// decay groups, learning-rate scales, frozen parameters, row-sparse tables, clipping over all spans, several steps.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "data/vocab.h"
#include "lib/check.h"
#include "train/average.h"
#include "train/optimizer.h"

enum { ITEMS = 20, STEPS = 3 };

// In the middle of a span of parameters with the same settings.
static const char FROZEN[] = "bert.encoder.layer.1.output.LayerNorm.weight";

static model *make_model_of(bool sparse, bool averages) {
  model_config c = {.hidden = 12,
                    .layers = 2,
                    .heads = 2,
                    .max_positions = 8,
                    .segments = 2,
                    .layer_norm_eps = 1e-12,
                    .init_std = 0.2,
                    .temperature = 1,
                    .item_classes = true};
  const int32_t range_end[4] = {TOKEN_SPECIALS, TOKEN_SPECIALS, TOKEN_SPECIALS, TOKEN_SPECIALS + ITEMS};
  check_ok(model_config_resolve(&c, range_end, 1));
  const model_run run = {.caps = {.tokens = 16, .seqs = 3, .masked = 8, .negatives = sparse ? 4 : 0},
                         .training = true,
                         .row_sparse = sparse,
                         .averages = averages,
                         .threads = 2,
                         .seed = 5,
                         .freeze = FROZEN};
  model *m;
  check_ok(model_create(&m, "cpu", &c, &run));
  check_ok(params_make_moments(model_params(m)));
  return m;
}

static model *make_model(bool sparse) {
  return make_model_of(sparse, false);
}

static double *doubles(const param_set *s, const float *from) {
  const size_t n = (size_t)s->elements;
  float *f = malloc(n * sizeof *f);
  double *d = malloc(n * sizeof *d);
  assert_true(f != NULL && d != NULL);
  check_ok(s->be->download(s->ctx, f, from, n * sizeof *f));
  for (size_t j = 0; j < n; j++) d[j] = (double)f[j];
  free(f);
  return d;
}

// Gradients of step `step`: none for the rows of a sparse table that are not marked, and none in the padding.
static void put_gradients(const param_set *s, int32_t step, double *g) {
  const size_t n = (size_t)s->elements;
  float *f = calloc(n, sizeof *f);
  assert_non_null(f);
  for (int32_t i = 0; i < s->count; i++) {
    const param *p = &s->items[i];
    if (!p->trainable) continue;
    uint8_t marks[64] = {0}, *flags = param_touched(s, p);
    assert_true(flags == NULL || p->shape[0] <= 64);
    rng draw = rng_at(9, 1, (uint32_t)step, (uint32_t)i);
    for (int64_t j = 0; j < p->size; j++) {
      const int64_t row = j / p->shape[1];
      if (flags != NULL && (row + step) % 3 != 0) continue;
      if (flags != NULL) marks[row] = 1;
      f[p->offset + j] = 0.1f * (float)rng_normal(&draw);
    }
    if (flags != NULL) check_ok(s->be->upload(s->ctx, flags, marks, (size_t)p->shape[0]));
  }
  check_ok(s->be->upload(s->ctx, s->grad, f, n * sizeof *f));
  for (size_t j = 0; j < n; j++) g[j] = (double)f[j];
  free(f);
}

static void reference_step(const param_set *s, const optim_config *o, const step_state *state,
                           const double *g, double *w, double *m, double *v, double *sumsq) {
  *sumsq = 0;
  for (int32_t i = 0; i < s->count; i++)
    for (int64_t j = 0; s->items[i].trainable && j < s->items[i].size; j++)
      *sumsq += g[s->items[i].offset + j] * g[s->items[i].offset + j];
  const double clip = fmin(1, (double)state->clip_norm / (sqrt(*sumsq) + 1e-6)), t = (double)state->step + 1;
  const double b1 = (double)(float)o->beta1, b2 = (double)(float)o->beta2;
  for (int32_t i = 0; i < s->count; i++) {
    const param *p = &s->items[i];
    for (int64_t j = 0; p->trainable && j < p->size; j++) {
      const int64_t at = p->offset + j;
      // The marks are the step's own: by now the optimiser has cleared them.
      if (p->kind == PARAM_ROW_SPARSE && (j / p->shape[1] + state->step) % 3 != 0) continue;
      m[at] = b1 * m[at] + (1 - b1) * g[at] * clip;
      v[at] = b2 * v[at] + (1 - b2) * g[at] * g[at] * clip * clip;
      const double step = m[at] / (1 - pow(b1, t)) / (sqrt(v[at] / (1 - pow(b2, t))) + o->eps);
      w[at] -= (double)state->lr * (double)p->lr_scale * (step + (p->decay ? o->weight_decay : 0) * w[at]);
    }
  }
}

static void check_model(bool sparse) {
  model *m = make_model(sparse);
  param_set *s = model_params(m);
  s->items[9].lr_scale = 0.25f; // slower than its neighbours
  const optim_config o = {
      .kind = OPTIM_ADAMW, .lr = 0.02, .weight_decay = 0.1, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8};
  optimizer *by;
  check_ok(optimizer_open(&by, m, &o));
  double *w = doubles(s, s->master), *m1 = doubles(s, s->m), *v = doubles(s, s->v), *g = doubles(s, s->grad);
  const param *frozen = param_find(s, FROZEN);
  assert_true(frozen == &s->items[5] && param_grad(s, frozen) == NULL && param_m(s, frozen) == NULL);
  float start[16];
  assert_true(frozen->size <= 16);
  check_ok(s->be->download(s->ctx, start, param_master(s, frozen), (size_t)frozen->size * sizeof *start));
  for (int32_t step = 0; step < STEPS; step++) {
    const step_state state = {.step = step, .lr = 0.02f, .clip_norm = step == 1 ? 100.0f : 1.0f};
    check_ok(s->be->state_write(s->ctx, &state));
    check_ok(s->be->result_clear(s->ctx));
    put_gradients(s, step, g);
    double sumsq;
    reference_step(s, &o, &state, g, w, m1, v, &sumsq);
    check_ok(optimizer_step(by));
    step_result r;
    check_ok(s->be->result_read(s->ctx, &r));
    check_near(r.grad_sumsq, sumsq, 1e-6 * sumsq);
    const struct {
      const char *name;
      const float *from;
      const double *want;
    } all[] = {{"weights", s->master, w}, {"m", s->m, m1}, {"v", s->v, v}};
    for (int k = 0; k < 3; k++) {
      double *got = doubles(s, all[k].from);
      for (int64_t j = 0; j < s->elements; j++)
        if (!(fabs(got[j] - all[k].want[j]) <= 1e-6))
          fail_msg("step %d, %s[%lld] is %.9g, not %.9g", step, all[k].name, (long long)j, got[j],
                   all[k].want[j]);
      free(got);
    }
    double *left = doubles(s, s->grad); // gradients and marks are spent
    for (int32_t i = 0; i < s->count; i++) {
      const param *p = &s->items[i];
      for (int64_t j = 0; p->trainable && j < p->size; j++) assert_true(left[p->offset + j] == 0);
      uint8_t marks[64];
      if (param_touched(s, p) == NULL) continue;
      check_ok(s->be->download(s->ctx, marks, param_touched(s, p), (size_t)p->shape[0]));
      for (int64_t row = 0; row < p->shape[0]; row++) assert_int_equal(marks[row], 0);
    }
    free(left);
  }
  assert_memory_equal(param_master(s, frozen), start, (size_t)frozen->size * sizeof *start);
  free(w);
  free(m1);
  free(v);
  free(g);
  optimizer_close(by);
  model_free(m);
}

static void test_dense(void **unused) {
  (void)unused;
  check_model(false);
}

static void test_row_sparse(void **unused) {
  (void)unused;
  check_model(true);
}

// A step that is not finite leaves weights and moments as they are, wherever the NaN is.
static void test_nonfinite(void **unused) {
  (void)unused;
  model *m = make_model(false);
  param_set *s = model_params(m);
  const optim_config o = {.kind = OPTIM_ADAMW, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.1};
  optimizer *by;
  check_ok(optimizer_open(&by, m, &o));
  double *g = doubles(s, s->grad), *w = doubles(s, s->master);
  for (int32_t i = 0; i < s->count; i++) {
    if (!s->items[i].trainable) continue;
    put_gradients(s, 0, g);
    const float bad = i % 2 == 0 ? NAN : -INFINITY;
    check_ok(s->be->upload(s->ctx, param_grad(s, &s->items[i]) + s->items[i].size - 1, &bad, sizeof bad));
    check_ok(s->be->state_write(s->ctx, &(step_state){.lr = 0.1f, .clip_norm = 1}));
    check_ok(s->be->result_clear(s->ctx));
    check_ok(optimizer_step(by));
    step_result r;
    check_ok(s->be->result_read(s->ctx, &r));
    assert_int_equal(r.nonfinite, 1);
    double *now = doubles(s, s->master), *m1 = doubles(s, s->m), *left = doubles(s, s->grad);
    for (int64_t j = 0; j < s->elements; j++) assert_true(now[j] == w[j] && m1[j] == 0 && left[j] == 0);
    free(now);
    free(m1);
    free(left);
  }
  free(g);
  free(w);
  optimizer_close(by);
  model_free(m);
}

// Layer-wise rates: decay^(layers - i) for layer i, one power more for the embeddings (with the word table, though the head
// reads it), and 1 for the head. Adam's first step has the size of the rate, so what the parameters do is seen too.
static void test_layer_decay(void **unused) {
  (void)unused;
  static const struct {
    const char *name;
    float scale;
  } some[] = {{"bert.embeddings.word_embeddings.weight", 0.125f},
              {"bert.embeddings.LayerNorm.bias", 0.125f},
              {"bert.embeddings.position_embeddings.weight", 0.125f},
              {"bert.encoder.layer.0.attention.self.qkv.weight", 0.25f},
              {"bert.encoder.layer.0.output.LayerNorm.bias", 0.25f},
              {"bert.encoder.layer.1.attention.output.dense.weight", 0.5f},
              {"bert.encoder.layer.1.intermediate.dense.bias", 0.5f},
              {"cls.predictions.transform.dense.weight", 1},
              {"cls.predictions.bias", 1}};
  model *m = make_model(false);
  param_set *s = model_params(m);
  const optim_config o = {
      .kind = OPTIM_ADAMW, .layer_decay = 0.5, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-12, .weight_decay = 0};
  optimizer *by;
  check_ok(optimizer_open(&by, m, &o));
  double *g = doubles(s, s->grad), *before = doubles(s, s->master);
  put_gradients(s, 0, g);
  check_ok(s->be->state_write(s->ctx, &(step_state){.lr = 0.01f}));
  check_ok(s->be->result_clear(s->ctx));
  check_ok(optimizer_step(by));
  double *after = doubles(s, s->master);
  for (size_t k = 0; k < sizeof some / sizeof *some; k++) {
    const param *p = param_find(s, some[k].name);
    assert_non_null(p);
    assert_true(p->lr_scale == some[k].scale);
    for (int64_t j = p->offset; j < p->offset + p->size; j++)
      check_near(before[j] - after[j], copysign(0.01 * (double)some[k].scale, g[j]), 2e-7);
  }
  free(g);
  free(before);
  free(after);
  optimizer_close(by);
  model_free(m);
}

// Every parameter has a rate by its place, and that of a norm after the last layer is the head's.
static void test_layer_depths(void **unused) {
  (void)unused;
  model_config c = {.hidden = 8,
                    .layers = 3,
                    .heads = 2,
                    .max_positions = 8,
                    .segments = 2,
                    .pre_norm = true,
                    .layer_norm_eps = 1e-12,
                    .temperature = 1};
  const int32_t range_end[4] = {TOKEN_SPECIALS, TOKEN_SPECIALS, TOKEN_SPECIALS, TOKEN_SPECIALS + ITEMS};
  check_ok(model_config_resolve(&c, range_end, 1));
  model *m;
  check_ok(
      model_create(&m, "cpu", &c, &(model_run){.caps = {.tokens = 8, .seqs = 2, .masked = 4}, .threads = 1}));
  param_set *s = model_params(m);
  params_decay_rates(s, 0.5, c.layers);
  for (int32_t i = 0; i < s->count; i++) {
    const param *p = &s->items[i];
    int layer;
    float want = 1;
    if (strncmp(p->name, "bert.embeddings.", 16) == 0) want = 0.0625f;
    if (sscanf(p->name, "bert.encoder.layer.%d.", &layer) == 1) want = 0.125f * (float)(1 << layer);
    if (p->lr_scale != want)
      fail_msg("%s has the rate %g, not %g", p->name, (double)p->lr_scale, (double)want);
  }
  assert_true(param_find(s, "bert.encoder.ln.weight")->lr_scale == 1);
  model_free(m);
}

// ---- averaged weights ----------------------------------------------------------------------------------------

enum { LONG = 150 };

// One step with the gradients of put_gradients; *t counts it.
static void step_with(optimizer *by, const param_set *s, train_state *t, double ema, double *g) {
  if (average_is_due(t)) {
    check_ok(optimizer_rescale_average(by, average_scale(t)));
    t->average_scale = 1;
  }
  put_gradients(s, (int32_t)t->step, g);
  check_ok(s->be->state_write(s->ctx, &(step_state){.step = t->step,
                                                    .lr = 0.02f,
                                                    .clip_norm = 1.0f,
                                                    .lag_rate = (float)(1.0 / average_scale(t))}));
  check_ok(s->be->result_clear(s->ctx));
  check_ok(optimizer_step(by));
  average_count(t, ema, ++t->step);
}

// The averages against a sum that reads every weight at every step in double precision, over several rescalings; shown and
// hidden they change no bit; and the weights are those of an optimiser that averages nothing.
static void check_averages(bool sparse, bool lamb, double ema) {
  model *m = make_model_of(sparse, true), *plain = make_model(sparse);
  param_set *s = model_params(m), *q = model_params(plain);
  const optim_config o = {.kind = lamb ? OPTIM_LAMB : OPTIM_ADAMW,
                          .lr = 0.02,
                          .weight_decay = 0.1,
                          .beta1 = 0.9,
                          .beta2 = 0.95,
                          .eps = 1e-8};
  optimizer *by, *other;
  check_ok(optimizer_open(&by, m, &o));
  check_ok(optimizer_open(&other, plain, &o));
  train_state t = {.step = 0}, u = {.step = 0};
  int rescaled = 0;
  double *average = doubles(s, s->master), *g = doubles(s, s->grad);
  while (t.step < LONG) {
    if (average_is_due(&t)) rescaled++;
    step_with(by, s, &t, ema, g);
    step_with(other, q, &u, 0, g);
    double *w = doubles(s, s->master);
    const double d = fmin(ema, (1 + (double)t.step) / (10 + (double)t.step));
    for (int64_t j = 0; j < s->elements; j++) average[j] = d * average[j] + (1 - d) * w[j];
    const float *const weights = s->master;
    check_ok(optimizer_show_average(by, average_scale(&t)));
    double *shown = doubles(s, s->master);
    for (int64_t j = 0; j < s->elements; j++)
      if (!(fabs(shown[j] - average[j]) <= 3e-7))
        fail_msg("step %lld: average %lld is %.9g, not %.9g", (long long)t.step, (long long)j, shown[j],
                 average[j]);
    check_ok(optimizer_hide_average(by));
    assert_true(s->master == weights);
    double *after = doubles(s, s->master), *left = doubles(s, s->grad);
    assert_memory_equal(after, w, (size_t)s->elements * sizeof *w);
    for (int64_t j = 0; j < s->elements; j++) assert_true(left[j] == 0);
    free(w);
    free(shown);
    free(after);
    free(left);
  }
  assert_true(rescaled >= 2);
  assert_memory_equal(s->master, q->master, (size_t)s->elements * sizeof *s->master);
  assert_memory_equal(s->m, q->m, 2 * (size_t)s->elements * sizeof *s->m);
  free(average);
  free(g);
  optimizer_close(by);
  optimizer_close(other);
  model_free(m);
  model_free(plain);
}

static void test_averages(void **unused) {
  (void)unused;
  check_averages(false, false, 0.5);
  check_averages(true, false, 0.5);
  check_averages(true, false, 0.7);
  check_averages(false, true, 0.5);
}

// The decay begins small.
static void test_average_decay(void **unused) {
  (void)unused;
  check_near(average_decay(0.99, 1), 2.0 / 11, 1e-15);
  check_near(average_decay(0.99, 90), 91.0 / 100, 1e-15);
  check_near(average_decay(0.99, 1000), 0.99, 0);
  check_near(average_decay(0.1, 1), 0.1, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_dense),        cmocka_unit_test(test_row_sparse),
                                     cmocka_unit_test(test_nonfinite),    cmocka_unit_test(test_layer_decay),
                                     cmocka_unit_test(test_layer_depths), cmocka_unit_test(test_averages),
                                     cmocka_unit_test(test_average_decay)};
  return cmocka_run_group_tests_name("optimizer", tests, NULL, NULL);
}
