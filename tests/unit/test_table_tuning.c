// Steps of a tuned word table whose loss is sampled make the rows that their batch reads. They are compared with steps of a model that
// has the whole tuned table for its word table, E' = E + s A B, and trains all of it: by the chain rule, over all rows,
// dA = s dE' B and dB = s dE'^T A.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "lib/check.h"
#include "lib/recipes.h"
#include "model/core.h"
#include "model/item_vectors.h"
#include "model/objectives/item_head.h"
#include "model/table_tuning.h"

#define TABLE "bert.embeddings.word_embeddings.weight"

typedef struct fixture {
  const recipe *r;
  model *tuned, *plain;
  batch *b;
  const param *a, *by; // the factors
  double s;
} fixture;

static float *values_of(model *m, const param *p) {
  return param_master(model_params(m), p);
}

static const param *named(model *m, const char *name) {
  return param_find(model_params(m), name);
}

// The tuned model's parameters become those of the plain one, the table with what is added to it.
static void copy_params(const fixture *f) {
  const param_set *s = model_params(f->tuned);
  for (int32_t i = 0; i < s->count; i++) {
    const param *p = &s->items[i], *to = named(f->plain, p->name);
    if (to == NULL) continue;
    assert_int_equal(to->size, p->size);
    memcpy(values_of(f->plain, to), values_of(f->tuned, p), (size_t)p->size * sizeof(float));
  }
  const int64_t V = f->a->shape[0], r = f->a->shape[1], H = f->by->shape[0];
  float *table = values_of(f->plain, named(f->plain, TABLE));
  const float *a = values_of(f->tuned, f->a), *b = values_of(f->tuned, f->by);
  for (int64_t v = 0; v < V; v++)
    for (int64_t j = 0; j < H; j++)
      for (int64_t k = 0; k < r; k++)
        table[v * H + j] += (float)(f->s * (double)a[v * r + k] * (double)b[j * r + k]);
  check_ok(params_refresh(model_params(f->plain)));
}

static void set_up(fixture *f, const recipe *r) {
  recipe plain = *r;
  plain.peft = (peft_config){.kind = PEFT_NONE};
  plain.freeze = NULL;
  plain.row_sparse = false;
  *f = (fixture){
      .r = r, .tuned = recipe_model(r, true, r->dropout), .plain = recipe_model(&plain, true, r->dropout)};
  f->a = named(f->tuned, "bert.embeddings.word_embeddings.lora_embedding_A");
  f->by = named(f->tuned, "bert.embeddings.word_embeddings.lora_embedding_B");
  assert_true(f->a != NULL && f->by != NULL);
  f->s = peft_scale(&r->peft);
  copy_params(f);
  f->b = recipe_batch(f->tuned, 0, 7, 1);
}

static void tear_down(fixture *f) {
  batch_free(f->b);
  model_free(f->tuned);
  model_free(f->plain);
}

static step_result pass(model *m, const batch *b) {
  step_result r;
  check_ok(model_backend(m)->result_clear(model_ctx(m)));
  check_ok(model_set_batch(m, b, &recipe_state));
  check_ok(model_forward(m, true));
  check_ok(model_loss(m, true));
  check_ok(model_backend(m)->result_read(model_ctx(m), &r));
  return r;
}

// What the gradient of factor p has to be: element (i, k) is s times the sum over the table's other side of dE' and the other factor.
static void expect_factor(const fixture *f, const param *p, double *wanted) {
  const int64_t V = f->a->shape[0], r = f->a->shape[1], H = f->by->shape[0];
  const float *a = values_of(f->tuned, f->a), *b = values_of(f->tuned, f->by);
  const float *d = param_grad(model_params(f->plain), named(f->plain, TABLE));
  for (int64_t v = 0; v < V; v++)
    for (int64_t j = 0; j < H; j++)
      for (int64_t k = 0; k < r; k++) {
        if (p == f->a) wanted[v * r + k] += f->s * (double)d[v * H + j] * (double)b[j * r + k];
        if (p == f->by) wanted[j * r + k] += f->s * (double)d[v * H + j] * (double)a[v * r + k];
      }
}

static void check_gradient(const fixture *f, const param *p, double times) {
  const float *got = param_grad(model_params(f->tuned), p);
  double *wanted = calloc((size_t)p->size, sizeof *wanted), largest = 0;
  assert_non_null(wanted);
  if (p == f->a || p == f->by) expect_factor(f, p, wanted);
  const param *same = named(f->plain, p->name);
  for (int64_t i = 0; same != NULL && i < p->size; i++)
    wanted[i] = (double)param_grad(model_params(f->plain), same)[i];
  for (int64_t i = 0; i < p->size; i++) largest = fmax(largest, fabs(wanted[i]));
  if (!(largest > 1e-5)) fail_msg("%s: %s has a gradient of %g at most", f->r->name, p->name, largest);
  for (int64_t i = 0; i < p->size; i++)
    if (!(fabs((double)got[i] - times * wanted[i]) <= 5e-6 * times * largest))
      fail_msg("%s: element %lld of the gradient of %s is %g and not %g", f->r->name, (long long)i, p->name,
               (double)got[i], times * wanted[i]);
  free(wanted);
}

// Items' vectors come of the whole table, though a step of training has just made rows of its list.
static void check_vectors(const fixture *f) {
  const model_config *c = model_get_config(f->tuned);
  const size_t n = (size_t)c->classes * (size_t)(c->hidden + 1);
  float *got = malloc(n * sizeof *got), *wanted = malloc(n * sizeof *wanted);
  assert_true(got != NULL && wanted != NULL);
  check_ok(model_item_vectors(f->tuned, 0, c->classes, got));
  check_ok(model_item_vectors(f->plain, 0, c->classes, wanted));
  for (size_t i = 0; i < n; i++) check_near((double)got[i], (double)wanted[i], 1e-6);
  free(got);
  free(wanted);
}

// The same loss and gradients as over the whole table, once and again behind vectors that were made of all of it.
static void check_recipe(const recipe *r) {
  fixture f;
  set_up(&f, r);
  const param_set *s = model_params(f.tuned);
  const step_result wanted = pass(f.plain, f.b);
  for (int times = 1; times <= 2; times++) {
    const step_result got = pass(f.tuned, f.b);
    const int32_t rows_n = model_get_core(f.tuned)->listed.rows;
    assert_true(rows_n > 0 && rows_n < f.a->shape[0]);
    for (int k = 0; k < MAX_SLOTS; k++) {
      check_near(got.slot[k].loss, wanted.slot[k].loss, 2e-6 * wanted.slot[k].loss);
      check_near(got.slot[k].weight, wanted.slot[k].weight, 0);
    }
    for (int32_t i = 0; i < s->count; i++)
      if (s->items[i].trainable) check_gradient(&f, &s->items[i], times);
    check_vectors(&f);
  }
  tear_down(&f);
}

static void test_listed_rows(void **unused) {
  (void)unused;
  int32_t checked = 0;
  for (size_t i = 0; i < n_recipes; i++) {
    const recipe *r = &recipes[i];
    if (r->negatives == 0 || r->items != ITEMS_ID || !peft_targets_table(&r->peft)) continue;
    if (r->peft.kind != PEFT_LORA) continue; // with singular values: test_model, by slopes of the loss
    check_recipe(r);
    checked++;
  }
  assert_int_equal(checked, 4);
}

// A pass whose gradients are alone in the arena; all: over the whole table.
static step_result lone_pass(model *m, const batch *b, bool all, float *gradients) {
  const param_set *s = model_params(m);
  const size_t bytes = (size_t)s->elements * sizeof(float);
  step_result r;
  memset(s->grad, 0, bytes);
  check_ok(model_backend(m)->result_clear(model_ctx(m)));
  check_ok(model_set_batch(m, b, &recipe_state));
  assert_true(model_get_core(m)->listed.rows > 0 &&
              model_get_core(m)->listed.rows < model_get_config(m)->vocab_size);
  if (all) memset(&model_get_core(m)->listed, 0, sizeof model_get_core(m)->listed);
  check_ok(model_forward(m, true));
  check_ok(model_loss(m, true));
  check_ok(model_backend(m)->result_read(model_ctx(m), &r));
  memcpy(gradients, s->grad, bytes);
  return r;
}

// Where items have content, a list and the whole table take turns in any order.
static void check_in_place(const recipe *r) {
  model *m = recipe_model(r, true, r->dropout);
  batch *b = recipe_batch(m, 0, 3, 1);
  const size_t n = (size_t)model_params(m)->elements;
  float *wanted = malloc(n * sizeof *wanted), *got = malloc(n * sizeof *got);
  assert_true(wanted != NULL && got != NULL);
  static const bool all[] = {false, false, true, true, false};
  const step_result whole = lone_pass(m, b, true, wanted);
  double largest = 0;
  for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)wanted[i]));
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
    const step_result x = lone_pass(m, b, all[k], got);
    check_near(x.slot[0].loss, whole.slot[0].loss, 1e-6 * whole.slot[0].loss);
    for (size_t i = 0; i < n; i++) check_near((double)got[i], (double)wanted[i], 2e-6 * largest);
  }
  free(wanted);
  free(got);
  batch_free(b);
  model_free(m);
}

static void test_content(void **unused) {
  (void)unused;
  int32_t checked = 0;
  for (size_t i = 0; i < n_recipes; i++) {
    const recipe *r = &recipes[i];
    if (r->negatives == 0 || r->items == ITEMS_ID || !peft_targets_table(&r->peft)) continue;
    check_in_place(r);
    checked++;
  }
  assert_int_equal(checked, 3);
}

// With a sampled loss room follows the rows of a batch and not those of the table, but for the one table that evaluation reads.
static void test_room(void **unused) {
  (void)unused;
  enum { H = 64, RANK = 8 };
  size_t bytes[2][2];
  for (int large = 0; large < 2; large++) {
    const int32_t size = large ? 200000 : 100000;
    model_config c = {.hidden = H,
                      .layers = 1,
                      .heads = 2,
                      .max_positions = 50,
                      .segments = 1,
                      .layer_norm_eps = 1e-12,
                      .init_std = 0.02,
                      .temperature = 1,
                      .item_classes = true,
                      .peft = {.kind = PEFT_LORA, .rank = RANK, .alpha = 16, .targets = "word_embeddings"}};
    const int32_t range_end[4] = {TOKEN_SPECIALS, TOKEN_SPECIALS, TOKEN_SPECIALS, size};
    check_ok(model_config_resolve(&c, range_end, 1));
    for (int sampled = 0; sampled < 2; sampled++) {
      const model_run run = {
          .caps = {.tokens = 1000, .seqs = 50, .masked = 200, .negatives = sampled ? 500 : 0},
          .training = true,
          .threads = 1};
      model_memory p;
      check_ok(model_plan(&p, "cpu", &c, &run));
      bytes[large][sampled] = p.activations + p.activation_gradients;
    }
  }
  const size_t table = (size_t)100000 * H * sizeof(float);
  assert_int_equal(bytes[1][0] - bytes[0][0], 2 * table); // the table and its gradient
  assert_int_equal(bytes[1][1] - bytes[0][1], table);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_listed_rows), cmocka_unit_test(test_content),
                                     cmocka_unit_test(test_room)};
  return cmocka_run_group_tests_name("table_tuning", tests, NULL, NULL);
}
