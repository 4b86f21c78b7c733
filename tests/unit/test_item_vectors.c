// Vectors of items that are made of content: what a cold item has, when the table is made anew, and the file of it all.
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"
#include "model/checkpoint.h"
#include "model/item_vectors.h"
#include "model/objectives/item_head.h"

enum { ITEMS = 30, H = 16, W = H + 1, FEATURES = 3 };

typedef struct fixture {
  char dir[PATH_MAX];
  dataset *d;
  model_config c;
  model *m;
} fixture;

static void set_up(fixture *f, items_kind items) {
  char data[PATH_MAX];
  tiny_directory(f->dir, sizeof f->dir);
  check_ok(path_join(data, sizeof data, f->dir, "data"));
  tiny_dataset(data, 20, ITEMS, 0);
  check_ok(dataset_open(&f->d, data, false));
  f->c = tiny_config();
  f->c.items = (int)items;
  f->c.item_features = FEATURES;
  f->m = tiny_model(f->d, &f->c);
}

static void tear_down(fixture *f) {
  model_free(f->m);
  dataset_close(f->d);
  tiny_remove(f->dir);
}

static float *param_values_of(model *m, const char *name) {
  const param *p = param_find(model_params(m), name);
  if (p == NULL) fail_msg("there is no %s", name);
  return param_master(model_params(m), p);
}

// From the formula, in double.
static double channel(fixture *f, int32_t item, int32_t j) {
  const item_content *c = model_items(f->m);
  const float *E = param_values_of(f->m, "bert.embeddings.word_embeddings.weight");
  const float *text = param_values_of(f->m, "items.content.text.weight"),
              *wide = param_values_of(f->m, "items.content.features.weight");
  double sum = (double)param_values_of(f->m, "items.content.bias")[j];
  const int64_t n = c->offsets[item + 1] - c->offsets[item];
  for (int64_t k = c->offsets[item]; k < c->offsets[item + 1]; k++)
    for (int32_t h = 0; h < H; h++)
      sum += (double)text[j * H + h] * (double)E[c->tokens[k] * H + h] / (double)n;
  for (int32_t h = 0; h < FEATURES; h++)
    sum += (double)wide[j * FEATURES + h] * (double)c->features[item * FEATURES + h];
  if (f->c.items == ITEMS_CONTENT || c->known[item] == 0) return sum;
  const double gate = (double)param_values_of(f->m, "items.gate")[j];
  return sum + (double)E[(f->c.item_base + item) * H + j] / (1 + exp(-gate));
}

static void check_formula(fixture *f) {
  float v[ITEMS * W];
  const item_content *c = model_items(f->m);
  const float *bias = param_values_of(f->m, "cls.predictions.bias") + f->c.item_base;
  double mean = 0, n = 0;
  for (int32_t i = 0; i < ITEMS; i++)
    if (c->known[i]) mean += (double)bias[i], n++;
  mean /= n;
  check_ok(model_item_vectors(f->m, 0, ITEMS, v));
  for (int32_t i = 0; i < ITEMS; i++) {
    for (int32_t j = 0; j < H; j++)
      if (!(fabs((double)v[i * W + j] - channel(f, i, j)) < 1e-5))
        fail_msg("item %d has %g at %d, the formula gives %g", i, (double)v[i * W + j], j, channel(f, i, j));
    const double wanted = c->known[i] ? (double)bias[i] : mean;
    if (!(fabs((double)v[i * W + H] - wanted) < 1e-6))
      fail_msg("the bias of item %d is %g and should be %g", i, (double)v[i * W + H], wanted);
  }
}

static void test_formula(void **unused) {
  (void)unused;
  for (int k = ITEMS_CONTENT; k <= ITEMS_BOTH; k++) {
    fixture f;
    set_up(&f, (items_kind)k);
    check_formula(&f);
    // Parameters that the host has changed make another table.
    param_values_of(f.m, "items.content.bias")[3] += 1;
    check_ok(params_refresh(model_params(f.m)));
    check_formula(&f);
    // So does a memory that was cleared.
    check_ok(model_forget(f.m));
    check_ok(params_refresh(model_params(f.m)));
    check_formula(&f);
    tear_down(&f);
  }
}

// Of items that the parameters were trained on before, a model with newer content knows.
static void test_known_items_add_up(void **unused) {
  (void)unused;
  fixture f;
  item_content *other;
  set_up(&f, ITEMS_BOTH);
  check_ok(item_content_copy(&other, model_items(f.m)));
  assert_int_equal(other->known[7], 0);
  other->known[7] = 1;
  other->known[8] = 0;
  check_ok(model_add_items(f.m, other));
  assert_int_equal(model_items(f.m)->known[7], 1);
  assert_int_equal(model_items(f.m)->known[8], 1);
  check_formula(&f);
  other->items--;
  check_fails(model_set_items(f.m, other), ERR_ARGUMENT, "model.items: the content is of 29 items");
  other->items++;
  item_content_free(other);
  tear_down(&f);
}

static void test_checkpoint(void **unused) {
  (void)unused;
  fixture f;
  char dir[PATH_MAX], path[PATH_MAX + 64];
  const train_state state = {.step = 1};
  checkpoint *c;
  float before[ITEMS * W], after[ITEMS * W];
  set_up(&f, ITEMS_BOTH);
  check_ok(path_join(dir, sizeof dir, f.dir, "checkpoint"));
  check_ok(path_join(path, sizeof path, dir, "content.h5"));
  check_ok(checkpoint_write_model(dir, f.m, &state, "", f.d, false));
  check_ok(model_item_vectors(f.m, 0, ITEMS, before));
  check_ok(checkpoint_open(&c, dir));
  assert_int_equal(c->model.items, ITEMS_BOTH);
  const model_run run = {.caps = {.tokens = 64, .seqs = 8, .masked = 8}};
  model *m;
  check_ok(model_create(&m, "cpu", &c->model, &run)); // without content, which comes with the checkpoint
  check_ok(checkpoint_load(c, m, false));
  check_ok(model_item_vectors(m, 0, ITEMS, after));
  assert_memory_equal(before, after, sizeof before);
  model_free(m);
  // A file that is not of this model.
  item_content *wrong, *read;
  char other[3][PATH_MAX];
  for (int k = 0; k < 3; k++) snprintf(other[k], sizeof other[k], "%.4000s/content-%d.h5", f.dir, k);
  check_ok(item_content_copy(&wrong, model_items(f.m)));
  wrong->tokens[2] = (int32_t)f.c.item_base;
  check_ok(item_content_write(wrong, other[0]));
  check_fails(item_content_read(&read, other[0], &c->model), ERR_FORMAT, "token 2 is");
  wrong->tokens[2] = 0;
  wrong->features[4] = NAN;
  check_ok(item_content_write(wrong, other[1]));
  check_fails(item_content_read(&read, other[1], &c->model), ERR_FORMAT, "a feature of item 1 is not finite");
  wrong->features[4] = 0;
  wrong->offsets[5] = wrong->offsets[4] - 1;
  check_ok(item_content_write(wrong, other[2]));
  check_fails(item_content_read(&read, other[2], &c->model), ERR_FORMAT, "\"offsets\" at 4 is ");
  c->model.item_features++;
  check_fails(item_content_read(&read, path, &c->model), ERR_FORMAT, "\"features\" is 30 x 3");
  item_content_free(wrong);
  checkpoint_close(c);
  tear_down(&f);
}

// An item that has become known on top of a base with frozen biases, which are not in the checkpoint, has the mean bias too.
static void test_known_with_hidden_bias(void **unused) {
  (void)unused;
  fixture f;
  float v[ITEMS * W];
  set_up(&f, ITEMS_BOTH);
  float *bias = param_values_of(f.m, "cls.predictions.bias") + f.c.item_base;
  double mean = 0, n = 0;
  assert_int_equal(model_items(f.m)->known[5], 1);
  bias[5] = UNKNOWN_BIAS;
  check_ok(params_refresh(model_params(f.m)));
  for (int32_t i = 0; i < ITEMS; i++)
    if (i != 5 && model_items(f.m)->known[i]) mean += (double)bias[i], n++;
  check_ok(model_item_vectors(f.m, 0, ITEMS, v));
  assert_true(fabs((double)v[5 * W + H] - mean / n) < 1e-6);
  tear_down(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_formula), cmocka_unit_test(test_known_items_add_up),
      cmocka_unit_test(test_known_with_hidden_bias), cmocka_unit_test(test_checkpoint)};
  return cmocka_run_group_tests_name("item_vectors", tests, NULL, NULL);
}
