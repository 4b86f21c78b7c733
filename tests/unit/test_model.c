// The whole model in every configuration (lib/recipes.h): its gradients against slopes of its own loss (the Hugging Face goldens cover
// post-norm with dot scores only), evaluation against training, and that a sequence neither sees its batch mates nor
// its place among them.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "data/vocab.h"
#include "lib/check.h"
#include "lib/recipes.h"
#include "model/item_vectors.h"
#include "model/objectives/item_head.h"

// The loss whose gradient is taken. Double from the row losses on.
static double loss_of(model *m, bool training) {
  step_result r;
  check_ok(model_backend(m)->result_clear(model_ctx(m)));
  check_ok(model_forward(m, training));
  check_ok(model_loss(m, false));
  check_ok(model_backend(m)->result_read(model_ctx(m), &r));
  return r.slot[0].loss * (double)recipe_state.scale[0] + r.slot[1].loss * (double)recipe_state.scale[1];
}

static void put_param(model *m, const param *p, const float *w) {
  param_set *s = model_params(m);
  check_ok(s->be->upload(s->ctx, param_master(s, p), w, (size_t)p->size * sizeof *w));
  check_ok(params_refresh(s));
}

// Slope of the loss from w along d (of length 1), by differences of 4th order.
static double slope(model *m, const param *p, const float *w, const double *d, double h) {
  static const double at[] = {-2, -1, 1, 2}, factor[] = {1, -8, 8, -1};
  float *moved = malloc((size_t)p->size * sizeof *moved);
  assert_non_null(moved);
  double sum = 0;
  for (int k = 0; k < 4; k++) {
    for (int64_t j = 0; j < p->size; j++) moved[j] = (float)((double)w[j] + at[k] * h * d[j]);
    put_param(m, p, moved);
    sum += factor[k] * loss_of(m, true);
  }
  put_param(m, p, w);
  free(moved);
  return sum / (12 * h);
}

// One parameter: some coordinates, the gradient's own direction, and a random one.
static void check_param(model *m, const char *name, const param *p) {
  param_set *s = model_params(m);
  const size_t n = (size_t)p->size;
  float *w = malloc(n * sizeof *w), *g = malloc(n * sizeof *g);
  double *d = malloc(n * sizeof *d), length = 0;
  assert_true(w != NULL && g != NULL && d != NULL);
  check_ok(s->be->download(s->ctx, w, param_master(s, p), n * sizeof *w));
  check_ok(s->be->download(s->ctx, g, param_grad(s, p), n * sizeof *g));
  for (size_t j = 0; j < n; j++) length += (double)g[j] * (double)g[j];
  length = sqrt(length);
  if (!(length > 1e-4)) fail_msg("%s: the gradient of %s is %g long", name, p->name, length);
  rng draw = rng_at(23, 4, (uint32_t)p->offset, 0);
  enum { COORDINATES = 8 };
  const double h = 0.02;
  for (int k = 0; k < COORDINATES + 2; k++) {
    double wanted = 0, squares = 0;
    const size_t one = rng_below(&draw, n);
    for (size_t j = 0; j < n; j++) {
      d[j] = k < COORDINATES ? (double)(j == one) : k == COORDINATES ? (double)g[j] : rng_normal(&draw);
      squares += d[j] * d[j];
    }
    for (size_t j = 0; j < n; j++) {
      d[j] /= sqrt(squares);
      wanted += d[j] * (double)g[j];
    }
    const double got = slope(m, p, w, d, h);
    if (!(fabs(got - wanted) <= 5e-3 * fabs(wanted) + 1e-3 * length / sqrt((double)n) + 2e-5))
      fail_msg("%s: the slope of %s along %s is %.8g, its gradient says %.8g", name, p->name,
               k < COORDINATES    ? "a coordinate"
               : k == COORDINATES ? "its gradient"
                                  : "some direction",
               got, wanted);
  }
  free(w);
  free(g);
  free(d);
}

static void test_gradients(void **unused) {
  (void)unused;
  for (size_t i = 0; i < n_recipes; i++) {
    const recipe *r = &recipes[i];
    model *m = recipe_model(r, true, r->dropout);
    batch *b = recipe_batch(m, 0, 7, 1);
    check_ok(model_set_batch(m, b, &recipe_state));
    check_ok(model_forward(m, true));
    check_ok(model_loss(m, true));
    const param_set *s = model_params(m);
    for (int32_t k = 0; k < s->count; k++)
      if (s->items[k].trainable) check_param(m, r->name, &s->items[k]);
    batch_free(b);
    model_free(m);
  }
}

// Twice the pass is twice the gradient, bit for bit the same each time; row flags say where gradients are.
static void test_accumulation_and_flags(void **unused) {
  (void)unused;
  for (size_t i = 0; i < n_recipes; i++) {
    const recipe *r = &recipes[i];
    model *m = recipe_model(r, true, r->dropout);
    batch *b = recipe_batch(m, 0, 7, 1);
    const param_set *s = model_params(m);
    const size_t n = (size_t)s->elements;
    float *once = malloc(n * sizeof *once), *twice = malloc(n * sizeof *twice);
    assert_true(once != NULL && twice != NULL);
    check_ok(model_set_batch(m, b, &recipe_state));
    for (int pass = 0; pass < 2; pass++) {
      check_ok(model_forward(m, true));
      check_ok(model_loss(m, true));
      check_ok(s->be->download(s->ctx, pass == 0 ? once : twice, s->grad, n * sizeof *once));
    }
    double size = 0;
    for (size_t j = 0; j < n; j++) size = fmax(size, fabs((double)once[j]));
    for (size_t j = 0; j < n; j++)
      if (!(fabs((double)twice[j] - 2 * (double)once[j]) <= 2e-6 * size))
        fail_msg("%s: gradient %zu is %g once and %g twice", r->name, j, (double)once[j], (double)twice[j]);
    for (int32_t k = 0; k < s->count; k++) {
      const param *p = &s->items[k];
      const uint8_t *flags = param_touched(s, p);
      assert_int_equal(flags != NULL, r->row_sparse && r->peft.kind == PEFT_NONE &&
                                          strstr(p->name, "word_embeddings") != NULL);
      int32_t marked = 0;
      for (int64_t row = 0; flags != NULL && row < p->shape[0]; row++) {
        bool any = false;
        for (int64_t j = 0; j < p->shape[1]; j++)
          any = any || fabsf(once[p->offset + row * p->shape[1] + j]) > 0;
        if (any && !flags[row]) fail_msg("%s: row %lld has a gradient and no mark", r->name, (long long)row);
        marked += flags[row];
      }
      assert_true(flags == NULL || (marked > 0 && marked < p->shape[0]));
    }
    free(once);
    free(twice);
    batch_free(b);
    model_free(m);
  }
}

// Loss and gradients of a batch, the latter from param_set.grad.
static step_result pass_of(model *m, const batch *b, float *gradients) {
  const param_set *s = model_params(m);
  step_result r;
  check_ok(model_backend(m)->result_clear(model_ctx(m)));
  check_ok(model_set_batch(m, b, &recipe_state));
  check_ok(model_forward(m, true));
  check_ok(model_loss(m, true));
  check_ok(model_backend(m)->result_read(model_ctx(m), &r));
  check_ok(s->be->download(s->ctx, gradients, s->grad, (size_t)s->elements * sizeof *gradients));
  return r;
}

// A last layer that computes listed rows only gives the same losses and gradients.
static void check_listed_rows(const recipe *r, const char *freeze) {
  model *all = recipe_run(r, (model_run){.training = true, .freeze = freeze}, r->dropout);
  model *some =
      recipe_run(r, (model_run){.training = true, .freeze = freeze, .listed_rows = true}, r->dropout);
  const size_t n = (size_t)model_params(all)->elements;
  assert_int_equal(model_params(some)->elements, n);
  float *want = malloc((n + 1) * sizeof *want), *got = malloc((n + 1) * sizeof *got);
  assert_true(want != NULL && got != NULL);
  batch *b = recipe_batch(all, 0, 7, 1);
  const step_result x = pass_of(all, b, want), y = pass_of(some, b, got);
  for (int32_t k = 0; k < MAX_SLOTS; k++) {
    assert_true(fabs(x.slot[k].loss - y.slot[k].loss) <= 1e-5 * fabs(x.slot[k].loss));
    assert_true(fabs(x.slot[k].weight - y.slot[k].weight) <= 0);
  }
  double size = 0;
  for (size_t j = 0; j < n; j++) size = fmax(size, fabs((double)want[j]));
  for (size_t j = 0; j < n; j++)
    if (!(fabs((double)want[j] - (double)got[j]) <= 3e-6 * size))
      fail_msg("%s, frozen %s: gradient %zu is %g of all rows, %g of listed ones", r->name,
               freeze != NULL ? freeze : "nothing", j, (double)want[j], (double)got[j]);
  const model_config *c = model_get_config(all);
  const double H = (double)c->hidden, F = (double)c->intermediate;
  const double spared = model_train_flops(all, b) - model_train_flops(some, b);
  if (freeze == NULL && r->peft.kind == PEFT_NONE)
    assert_true(fabs(spared - 3 * (2 * H * H + 4 * H * F) * (b->tokens - b->n_masked)) < 1);
  check_fails(model_hidden(some, got), ERR_INTERNAL,
              "hidden states of all rows are asked of a model that computes listed rows only");
  batch_free(b);
  model_free(all);
  model_free(some);
  free(want);
  free(got);
}

// Of the last layer nothing is frozen, or all that comes before its projection, its FFN1, its FFN2, its end, or the head.
static void test_listed_rows(void **unused) {
  (void)unused;
  for (size_t i = 0; i < n_recipes; i++) {
    const recipe *r = &recipes[i];
    if (r->pooler) continue; // next session reads other rows
    check_listed_rows(r, NULL);
    if (r->peft.kind != PEFT_NONE) {
      if (r->freeze == NULL) check_listed_rows(r, "bert.encoder.layer.0.*");
      continue;
    }
    check_listed_rows(r, "bert.embeddings.*,*.qkv.*");
    check_listed_rows(r, "bert.embeddings.*,*attention*");
    check_listed_rows(r, "bert.embeddings.*,*attention*,*intermediate*");
    check_listed_rows(r, "bert.embeddings.*,*attention*,*intermediate*,*.output.dense.*");
  }
}

static float *hidden_of(model *m, const batch *b, bool training) {
  float *h = calloc((size_t)b->tokens * (size_t)model_get_config(m)->hidden + 1, sizeof *h);
  assert_non_null(h);
  check_ok(model_set_batch(m, b, &recipe_state));
  check_ok(model_forward(m, training));
  check_ok(model_hidden(m, h));
  return h;
}

static void check_close(const char *what, const char *name, const float *a, const float *b, size_t n) {
  for (size_t j = 0; j < n; j++)
    if (!(fabsf(a[j] - b[j]) <= 1e-5f))
      fail_msg("%s: %s, element %zu: %.8g and %.8g", name, what, j, (double)a[j], (double)b[j]);
}

// An evaluation model, and a training model asked to evaluate, give what a training pass without dropout gives.
static void test_evaluation(void **unused) {
  recipe_all_known = true; // biases of others differ
  (void)unused;
  for (size_t i = 0; i < n_recipes; i++) {
    const recipe *r = &recipes[i];
    model *train = recipe_model(r, true, r->dropout), *plain = recipe_model(r, true, 0),
          *eval = recipe_model(r, false, r->dropout);
    batch *b = recipe_batch(eval, 0, 7, 1);
    const size_t n = (size_t)b->tokens * (size_t)r->hidden;
    float *want = hidden_of(plain, b, true), *a = hidden_of(eval, b, false), *t = hidden_of(train, b, false);
    check_close("evaluation model", r->name, a, want, n);
    check_close("evaluating training model", r->name, t, want, n);
    const double loss = loss_of(plain, true);
    check_near(loss_of(eval, false), loss, 1e-6);
    check_near(loss_of(train, false), loss, 1e-6);
    if (r->dropout > 0) { // and dropout does something
      float *d = hidden_of(train, b, true);
      double change = 0;
      for (size_t j = 0; j < n; j++) change = fmax(change, fabs((double)d[j] - (double)want[j]));
      assert_true(change > 0.1);
      free(d);
    }
    check_fails(model_forward(eval, true), ERR_INTERNAL, "created for evaluation only");
    check_ok(model_forward(train, false));
    check_fails(model_loss(train, true), ERR_INTERNAL, "need a training forward pass");
    assert_true(model_bytes(eval) < model_bytes(train));
    free(want);
    free(a);
    free(t);
    batch_free(b);
    model_free(train);
    model_free(plain);
    model_free(eval);
  }
  recipe_all_known = false;
}

// Row of sequence `number` in a batch whose sequences are first, first + step, ...
static const float *rows_of(const batch *b, const float *h, int32_t place, int32_t hidden, size_t *n) {
  *n = (size_t)(b->cu_seqlens[place + 1] - b->cu_seqlens[place]) * (size_t)hidden;
  return h + (size_t)b->cu_seqlens[place] * (size_t)hidden;
}

// Hidden states and dropout masks depend on the sequence alone: in company, in reverse order, by itself.
static void test_packing(void **unused) {
  (void)unused;
  enum { SEQUENCES = 7 };
  for (size_t i = 0; i < n_recipes; i++) {
    const recipe *r = &recipes[i];
    model *m = recipe_model(r, true, r->dropout);
    batch *all = recipe_batch(m, 0, SEQUENCES, 1), *reverse = recipe_batch(m, SEQUENCES - 1, SEQUENCES, -1);
    for (int training = 0; training < 2; training++) {
      float *a = hidden_of(m, all, training), *b = hidden_of(m, reverse, training);
      for (int32_t s = 0; s < SEQUENCES; s++) {
        batch *alone = recipe_batch(m, s, 1, 1);
        float *c = hidden_of(m, alone, training);
        size_t n;
        const float *want = rows_of(all, a, s, r->hidden, &n);
        check_close("in reverse", r->name, rows_of(reverse, b, SEQUENCES - 1 - s, r->hidden, &n), want, n);
        check_close("alone", r->name, c, want, n);
        free(c);
        batch_free(alone);
      }
      free(a);
      free(b);
    }
    batch_free(all);
    batch_free(reverse);
    model_free(m);
  }
}

static void check_counters(const recipe *r) {
  model *m = recipe_model(r, true, r->dropout);
  batch *b = recipe_batch(m, 0, 7, 1);
  step_state other = recipe_state;
  double losses[5];
  for (int k = 0; k < 5; k++) {
    other = recipe_state;
    if (k == 1) other.step++;
    if (k == 2) other.seed++;
    if (k == 3) b->seq_ids[0] += (int64_t)1 << 32;
    check_ok(model_set_batch(m, b, &other));
    losses[k] = loss_of(m, true);
    if (k == 3) b->seq_ids[0] -= (int64_t)1 << 32;
  }
  for (int k = 1; k < 4; k++) assert_true(fabs(losses[k] - losses[0]) > 1e-6);
  assert_true(losses[4] == losses[0]);
  batch_free(b);
  model_free(m);
}

// With another step, seed or sequence id dropout is another; with the same it is the same.
static void test_dropout_counters(void **unused) {
  (void)unused;
  for (size_t i = 9; i < n_recipes; i++)
    if (recipes[i].dropout > 0) check_counters(&recipes[i]);
}

// What a sequence can become without dropout: each branch that may be dropped doubles it. The first layer drops none, the last
// one with the probability asked for, and an only layer is the last.
static void test_depths(void **unused) {
  (void)unused;
  enum { STEPS = 600, MOST = 64 };
  static const struct {
    int32_t layers;
    bool pre_norm;
    int outcomes;
  } cases[] = {{1, false, 4}, {2, true, 4}, {3, false, 16}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    const recipe r = {.name = "depths",
                      .hidden = 16,
                      .layers = cases[k].layers,
                      .heads = 2,
                      .pre_norm = cases[k].pre_norm,
                      .drop_path = 0.5};
    model *m = recipe_model(&r, true, 1e-9); // which rounds to no dropout
    batch *b = recipe_batch(m, 0, 7, 1);
    float seen[MOST];
    int counts[MOST] = {0}, n = 0;
    for (int64_t step = 0; step < STEPS; step++) {
      step_state s = recipe_state;
      s.step = step;
      check_ok(model_set_batch(m, b, &s));
      check_ok(model_forward(m, true));
      float *h = malloc((size_t)b->tokens * (size_t)r.hidden * sizeof *h);
      assert_non_null(h);
      check_ok(model_hidden(m, h));
      int at = 0;
      while (at < n && fabsf(seen[at] - h[0]) > 1e-6f) at++;
      assert_true(at < MOST);
      if (at == n) seen[n++] = h[0];
      counts[at]++;
      free(h);
    }
    assert_int_equal(n, cases[k].outcomes);
    for (int i = 0; n == 4 && i < n; i++) check_near((double)counts[i] / STEPS, 0.25, 0.08);
    batch_free(b);
    model_free(m);
  }
}

// The vectors handed out rank as the loss does: log-softmax over u . v is the loss of each row.
static void test_vectors(void **unused) {
  (void)unused;
  recipe_all_known = true; // the vectors of others have another bias than the loss
  for (size_t i = 0; i < n_recipes; i++) {
    recipe r = recipes[i];
    r.negatives = 0;
    r.row_sparse = false;
    if (recipe_writes(&r)) continue; // which ranks nothing
    model *m = recipe_model(&r, false, 0);
    batch *b = recipe_batch(m, 0, 7, 1);
    const model_config *c = model_get_config(m);
    const size_t W = (size_t)r.hidden + 1;
    float *u = calloc((size_t)b->n_masked * W, sizeof *u), *v = calloc((size_t)c->classes * W, sizeof *v);
    assert_true(u != NULL && v != NULL);
    check_ok(model_set_batch(m, b, &recipe_state));
    check_ok(model_backend(m)->result_clear(model_ctx(m)));
    check_ok(model_forward(m, false));
    check_ok(model_user_vectors(m, u));
    check_ok(model_item_vectors(m, 0, 3, v)); // in two pieces
    check_ok(model_item_vectors(m, 3, c->classes - 3, v + 3 * W));
    check_fails(model_item_vectors(m, 1, c->classes, v), ERR_ARGUMENT, "are not among");
    check_fails(model_item_vectors(m, -1, 1, v), ERR_ARGUMENT, "are not among");
    check_ok(model_loss(m, false));
    step_result result;
    check_ok(model_backend(m)->result_read(model_ctx(m), &result));
    double loss = 0, weight = 0, hits = 0;
    for (int32_t row = 0; row < b->n_masked; row++) {
      double sum = 0, label = 0, best = -INFINITY;
      for (int32_t j = 0; j < c->classes; j++) {
        double p = 0;
        for (size_t k = 0; k < W; k++) p += (double)u[(size_t)row * W + k] * (double)v[(size_t)j * W + k];
        sum += exp(p);
        best = fmax(best, p);
        if (j == b->labels[row] - c->class_base) label = p;
      }
      const double w = (double)(r.objectives != NULL ? b->next_weights : b->weights)[row]; // of slot 0
      loss += w * (log(sum) - label);
      hits += label >= best ? w : 0;
      weight += w;
    }
    check_near(result.slot[0].loss, loss, 1e-5 * weight);
    check_near(result.slot[0].weight, weight, 1e-6);
    check_near(result.slot[0].hits, hits, 1e-6);
    free(u);
    free(v);
    batch_free(b);
    model_free(m);
  }
  recipe_all_known = false;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_gradients),   cmocka_unit_test(test_accumulation_and_flags),
      cmocka_unit_test(test_listed_rows), cmocka_unit_test(test_evaluation),
      cmocka_unit_test(test_packing),     cmocka_unit_test(test_dropout_counters),
      cmocka_unit_test(test_depths),      cmocka_unit_test(test_vectors)};
  return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
