// Models with frozen parameters beside ones without; see frozen_runs.h.
#include "lib/frozen_runs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "data/vocab.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "train/optimizer.h"

enum { ITEMS = 20, SEQUENCES = 6, POSITIONS = 12, NEGATIVES = 5, STEPS = 20 };

static const struct recipe {
  bool pre_norm, pooler, sampled;
  double dropout;
} recipes[FROZEN_RECIPES] = {{.pre_norm = false},
                             {.pre_norm = true},
                             {.pooler = true, .dropout = 0.1},
                             {.pre_norm = true, .sampled = true}};

// Groups that somebody would freeze, and places where the backward pass ends in the middle of a layer.
static const char *const patterns[] = {"bert.embeddings.*",
                                       "bert.embeddings.word_embeddings.weight",
                                       "bert.*",
                                       "cls.*",
                                       "*.bias",
                                       "*.weight",
                                       "bert.e*,cls.predictions.transform.*",
                                       "bert.embeddings.*,bert.encoder.layer.0.*",
                                       "bert.embeddings.*,bert.encoder.layer.0.attention.*",
                                       "bert.embeddings.*,bert.encoder.layer.0.*,bert.encoder.layer.1.a*",
                                       "bert.embeddings.*,*.attention.self.*",
                                       "*.dense.*,bert.embeddings.*,*.self.*"};
enum { N_PATTERNS = sizeof patterns / sizeof *patterns };

model *frozen_model(const char *device, int recipe, const char *freeze, bool moments) {
  const struct recipe *r = &recipes[recipe];
  model_config c = tiny_config();
  c.hidden = 32;
  c.heads = 2;
  c.intermediate = 36;
  c.layers = 2;
  c.max_positions = POSITIONS;
  c.pre_norm = r->pre_norm;
  c.pooler = c.cls_sep = r->pooler;
  c.segments = 2;
  c.dropout = c.attention_dropout = r->dropout;
  c.init_std = 0.1;
  c.item_classes = true;
  const int32_t range_end[4] = {TOKEN_SPECIALS, TOKEN_SPECIALS, TOKEN_SPECIALS, TOKEN_SPECIALS + ITEMS};
  check_ok(model_config_resolve(&c, range_end, 1));
  const model_run run = {.caps = {.tokens = SEQUENCES * POSITIONS,
                                  .seqs = SEQUENCES,
                                  .masked = SEQUENCES * POSITIONS / 2,
                                  .negatives = r->sampled ? NEGATIVES : 0},
                         .training = true,
                         .row_sparse = r->sampled,
                         .threads = 2,
                         .seed = 3,
                         .freeze = freeze};
  model *m;
  check_ok(model_create(&m, device, &c, &run));
  if (moments) check_ok(params_make_moments(model_params(m)));
  return m;
}

batch *frozen_batch(const model *m, int32_t first) {
  const model_config *c = model_get_config(m);
  const seq_layout layout = model_layout(c);
  batch *b;
  check_ok(batch_new(&b, model_get_run(m)->caps));
  batch_clear(b);
  for (int32_t s = first; s < first + SEQUENCES - 1; s++) {
    int32_t tokens[POSITIONS], row, kept;
    rng draw = rng_at(17, STREAM_SYNTH, (uint32_t)s, 0);
    for (int i = 0; i < POSITIONS; i++) tokens[i] = TOKEN_SPECIALS + (int32_t)rng_below(&draw, ITEMS);
    const batch_input in = {.tokens = tokens, .n = 2 + s % 4}, second = {.tokens = tokens + 6, .n = 3};
    assert_true(batch_add(b, &layout, &in, c->pooler ? &second : NULL, s, &row, &kept));
    if (c->pooler) b->nsp_labels[b->seqs - 1] = s % 2;
    for (int32_t i = s % 2; i < kept; i += 2) {
      const int32_t label = b->ids[row + i];
      if (label < TOKEN_SPECIALS) continue;
      b->ids[row + i] = TOKEN_MASK;
      assert_true(batch_add_masked(b, row + i, label, 1.0f));
      b->label_logq[b->n_masked - 1] = -1.5f;
    }
  }
  b->n_negatives = model_get_run(m)->caps.negatives;
  for (int32_t k = 0; k < b->n_negatives; k++) {
    b->negatives[k] = TOKEN_SPECIALS + (first + 3 * k) % ITEMS;
    b->negative_logq[k] = -1.5f;
  }
  batch_finish(b);
  return b;
}

// Forward and backward pass of a batch from cleared results; the result.
static step_result one_pass(model *m, int32_t step) {
  batch *b = frozen_batch(m, step);
  const step_state state = {.step = step, .seed = 7, .lr = 0.01f, .scale = {0.05f, 0.2f}, .clip_norm = 0.5f};
  step_result r;
  check_ok(model_backend(m)->result_clear(model_ctx(m)));
  check_ok(model_set_batch(m, b, &state));
  check_ok(model_forward(m, true));
  check_ok(model_loss(m, true));
  check_ok(model_backend(m)->result_read(model_ctx(m), &r));
  batch_free(b);
  return r;
}

static void *host_copy(model *m, const void *from, size_t bytes) {
  void *to = malloc(bytes);
  assert_non_null(to);
  check_ok(model_backend(m)->download(model_ctx(m), to, from, bytes));
  return to;
}

static void compare_bytes(model *a, const void *x, model *b, const void *y, size_t bytes, const char *name,
                          const char *freeze) {
  void *const p = host_copy(a, x, bytes), *const q = host_copy(b, y, bytes);
  if (memcmp(p, q, bytes) != 0) fail_msg("%s differs with \"%s\" frozen", name, freeze);
  free(p);
  free(q);
}

// Names of all parameters but one, as a list of patterns.
static void all_but(const param_set *s, int32_t one, char *list, size_t bytes) {
  list[0] = '\0';
  for (int32_t i = 0; i < s->count; i++) {
    if (i == one) continue;
    if (list[0] != '\0') strncat(list, ",", bytes - strlen(list) - 1);
    strncat(list, s->items[i].name, bytes - strlen(list) - 1);
  }
}

static void compare_gradients(model *whole, const step_result *want, const char *device, int recipe,
                              const char *freeze) {
  model *m = frozen_model(device, recipe, freeze, false);
  const param_set *s = model_params(m), *t = model_params(whole);
  const step_result got = one_pass(m, 1);
  assert_memory_equal(&got.slot[0].loss, &want->slot[0].loss, sizeof got.slot[0].loss);
  assert_memory_equal(&got.slot[1].loss, &want->slot[1].loss, sizeof got.slot[1].loss);
  int32_t frozen = 0;
  for (int32_t i = 0; i < s->count; i++) {
    const param *p = &s->items[i], *q = &t->items[i];
    frozen += !p->trainable;
    if (!p->trainable) assert_true(param_grad(s, p) == NULL && param_touched(s, p) == NULL);
    if (!p->trainable) continue;
    compare_bytes(m, param_grad(s, p), whole, param_grad(t, q), (size_t)p->size * sizeof(float), p->name,
                  freeze);
    assert_int_equal(param_touched(s, p) != NULL, param_touched(t, q) != NULL);
    if (param_touched(s, p) != NULL)
      compare_bytes(m, param_touched(s, p), whole, param_touched(t, q), (size_t)p->shape[0], "the row flags",
                    freeze);
  }
  assert_true(frozen > 0 && frozen < s->count);
  model_free(m);
}

void check_frozen_gradients(const char *device, bool every) {
  for (int recipe = 0; recipe < FROZEN_RECIPES; recipe++) {
    model *whole = frozen_model(device, recipe, NULL, false);
    const param_set *s = model_params(whole);
    const step_result want = one_pass(whole, 1);
    for (int i = 0; i < N_PATTERNS; i++) compare_gradients(whole, &want, device, recipe, patterns[i]);
    for (int32_t i = 0; every && i < s->count; i++) {
      char list[8192];
      all_but(s, i, list, sizeof list);
      compare_gradients(whole, &want, device, recipe, s->items[i].name);
      compare_gradients(whole, &want, device, recipe, list);
    }
    model_free(whole);
  }
}

static double sum_of_squares(model *m) {
  const param_set *s = model_params(m);
  double sum = 0;
  for (int32_t i = 0; i < s->count; i++) {
    const param *p = &s->items[i];
    if (!p->trainable) continue;
    float *g = host_copy(m, param_grad(s, p), (size_t)p->size * sizeof *g);
    for (int64_t j = 0; j < p->size; j++) sum += (double)g[j] * (double)g[j];
    free(g);
  }
  return sum;
}

static void take_steps(const char *device, int recipe, int kind, const char *freeze) {
  model *m = frozen_model(device, recipe, freeze, true), *start = frozen_model(device, recipe, NULL, false);
  const param_set *s = model_params(m), *t = model_params(start);
  const optim_config o = {
      .kind = kind, .weight_decay = 0.1, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .clip_norm = 0.5};
  optimizer *by;
  check_ok(optimizer_open(&by, m, &o));
  for (int32_t step = 0; step < STEPS; step++) {
    one_pass(m, step);
    const double wanted = sum_of_squares(m);
    check_ok(optimizer_step(by));
    step_result r;
    check_ok(model_backend(m)->result_read(model_ctx(m), &r));
    assert_int_equal(r.nonfinite, 0);
    check_near(r.grad_sumsq, wanted, 1e-5 * wanted);
  }
  for (int32_t i = 0; i < s->count; i++) {
    const param *p = &s->items[i], *q = &t->items[i];
    const size_t bytes = (size_t)p->size * sizeof(float);
    float *now = host_copy(m, param_master(s, p), bytes),
          *before = host_copy(start, param_master(t, q), bytes);
    const bool same = memcmp(now, before, bytes) == 0;
    if (same == p->trainable)
      fail_msg("%s, \"%s\" frozen: it has %s", p->name, freeze, same ? "not moved" : "moved");
    free(now);
    free(before);
  }
  optimizer_close(by);
  model_free(m);
  model_free(start);
}

void check_frozen_steps(const char *device) {
  static const char *const some[] = {"bert.embeddings.*", "*.weight", "bert.encoder.*,cls.predictions.bias",
                                     "cls.*"};
  for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
    for (int recipe = 2; recipe < FROZEN_RECIPES; recipe++) take_steps(device, recipe, OPTIM_ADAMW, some[i]);
    take_steps(device, 1, OPTIM_LAMB, some[i]);
  }
}
