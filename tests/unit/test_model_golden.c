// The whole model against Hugging Face's BertForPreTraining (tests/golden, made by tools/golden_bert.py in double
// precision): hidden states, both losses, and the gradient of every parameter.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lib/check.h"
#include "lib/golden.h"
#include "model/model.h"
#include "model/objective.h"

static model *make_model(const golden *g, batch_caps caps) {
  size_t n;
  const int32_t *k = golden_ints(g, "config", &n);
  model_config c = {.hidden = k[1],
                    .layers = k[2],
                    .heads = k[3],
                    .intermediate = k[4],
                    .max_positions = k[5],
                    .vocab_size = k[0],
                    .segments = 2,
                    .event_types = 1,
                    .activation = k[6],
                    .layer_norm_eps = 1e-12,
                    .temperature = 1.0,
                    .pooler = true,
                    .cls_sep = true};
  const int32_t range_end[4] = {5, 5, 5, k[0]};
  check_ok(model_config_resolve(&c, range_end, 1));
  const model_run run = {.caps = caps, .training = true};
  model *m;
  check_ok(model_create(&m, "cpu", &c, &run));
  free((void *)k);
  return m;
}

// The golden array of a parameter; our qkv is three of Hugging Face's.
static float *golden_param(const golden *g, const char *kind, const param *p) {
  float *out = malloc((size_t)p->size * sizeof *out);
  assert_non_null(out);
  const char *qkv = strstr(p->name, "self.qkv.");
  size_t at = 0, n;
  static const char *const parts[] = {"query", "key", "value"};
  for (int i = 0; i < (qkv != NULL ? 3 : 1); i++) {
    char name[256];
    if (qkv != NULL)
      snprintf(name, sizeof name, "%s/%.*sself.%s.%s", kind, (int)(qkv - p->name), p->name, parts[i],
               qkv + 9);
    else
      snprintf(name, sizeof name, "%s/%s", kind, p->name);
    const float *a = golden_floats(g, name, &n);
    assert_true(at + n <= (size_t)p->size);
    memcpy(out + at, a, n * sizeof *out);
    at += n;
    free((void *)a);
  }
  assert_int_equal(at, p->size);
  return out;
}

static void fill_batch(const golden *g, batch *b) {
  size_t n_seqs, n;
  const int32_t *lengths = golden_ints(g, "lengths", &n_seqs), *ids = golden_ints(g, "ids", &n);
  const int32_t *types = golden_ints(g, "types", &n), *labels = golden_ints(g, "labels", &n),
                *next = golden_ints(g, "next", &n_seqs);
  batch_clear(b);
  for (size_t s = 0, at = 0; s < n_seqs; s++) {
    for (int32_t i = 0; i < lengths[s]; i++, at++) {
      b->ids[at] = ids[at];
      b->types[at] = types[at];
      b->positions[at] = i;
    }
    assert_true(batch_end_sequence(b, lengths[s], (int64_t)s));
    b->nsp_labels[s] = next[s];
  }
  for (int32_t at = 0; at < b->tokens; at++)
    if (labels[at] >= 0) assert_true(batch_add_masked(b, at, labels[at], 1.0f));
  batch_finish(b);
  free((void *)lengths);
  free((void *)ids);
  free((void *)types);
  free((void *)labels);
  free((void *)next);
}

// Largest difference, relative to the largest element.
static double difference(const float *a, const float *b, size_t n) {
  double worst = 0, size = 1e-3;
  for (size_t i = 0; i < n; i++) {
    const double d = fabs((double)a[i] - (double)b[i]);
    if (!(d <= worst)) worst = d; // NaN counts as worst
    if (fabs((double)b[i]) > size) size = fabs((double)b[i]);
  }
  return worst / size;
}

static void check_golden(const char *path) {
  golden *g = golden_open(path);
  const batch_caps caps = {.tokens = 96, .seqs = 7, .masked = 31};
  model *m = make_model(g, caps);
  param_set *s = model_params(m);
  for (int32_t i = 0; i < s->count; i++) {
    float *w = golden_param(g, "p", &s->items[i]);
    check_ok(model_backend(m)->upload(model_ctx(m), param_master(s, &s->items[i]), w,
                                      (size_t)s->items[i].size * sizeof *w));
    free(w);
  }
  check_ok(params_refresh(s));
  batch *b;
  check_ok(batch_new(&b, caps));
  fill_batch(g, b);
  const step_state state = {
      .scale = {1.0f / (float)objective_masked_lm.weight(b), 1.0f / (float)objective_next_session.weight(b)}};
  check_ok(model_set_batch(m, b, &state));
  check_ok(model_backend(m)->result_clear(model_ctx(m)));
  check_ok(model_forward(m, true));
  size_t n;
  const float *hidden = golden_floats(g, "hidden", &n), *loss = golden_floats(g, "loss", &n);
  float *ours = calloc(96 * 24, sizeof *ours);
  assert_non_null(ours);
  check_ok(model_hidden(m, ours));
  const double hidden_error = difference(ours, hidden, (size_t)b->tokens * 24);
  if (!(hidden_error < 5e-6)) fail_msg("hidden states differ by %g", hidden_error);
  check_ok(model_loss(m, true));
  step_result r;
  check_ok(model_backend(m)->result_read(model_ctx(m), &r));
  assert_true(fabs(r.slot[0].loss / r.slot[0].weight - (double)loss[0]) < 1e-5);
  assert_true(fabs(r.slot[1].loss / r.slot[1].weight - (double)loss[1]) < 1e-5);
  for (int32_t i = 0; i < s->count; i++) {
    const param *p = &s->items[i];
    float *wanted = golden_param(g, "g", p), *got = malloc((size_t)p->size * sizeof *got);
    assert_non_null(got);
    check_ok(model_backend(m)->download(model_ctx(m), got, param_grad(s, p), (size_t)p->size * sizeof *got));
    const double d = difference(got, wanted, (size_t)p->size);
    if (!(d < 5e-5)) fail_msg("the gradient of %s differs by %g", p->name, d);
    free(wanted);
    free(got);
  }
  free((void *)hidden);
  free((void *)loss);
  free(ours);
  batch_free(b);
  model_free(m);
  golden_close(g);
}

static void test_gelu_new(void **unused) {
  (void)unused;
  check_golden("tests/golden/bert_gelu_new.bin");
}

static void test_gelu(void **unused) {
  (void)unused;
  check_golden("tests/golden/bert_gelu.bin");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_gelu_new), cmocka_unit_test(test_gelu)};
  return cmocka_run_group_tests_name("model_golden", tests, NULL, NULL);
}
