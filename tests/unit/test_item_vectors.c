// Vectors of items that are made of content: what a cold item has, when the table is made anew, and the file of it all.
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/philox.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"
#include "model/checkpoint.h"
#include "model/core.h"
#include "model/item_lists.h"
#include "model/item_vectors.h"
#include "model/objective.h"
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
  check_ok(tiny_checkpoint(dir, f.m, &state, "", f.d, false));
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

// ---- rows of a list ------------------------------------------------------------------------------------------

enum { NEGATIVES = 6 };

static model *training_model(fixture *f) {
  const model_run run = {.caps = {.tokens = 64, .seqs = 8, .masked = 16, .negatives = NEGATIVES},
                         .training = true,
                         .threads = 1,
                         .seed = 5};
  model *m;
  check_ok(model_create(&m, "cpu", &f->c, &run));
  check_ok(model_set_items(m, model_items(f->m)));
  rng draw = rng_at(31, 4, 0, 0);
  static const char *const vectors[] = {"items.content.bias", "items.gate", "cls.predictions.bias"};
  for (size_t k = 0; k < sizeof vectors / sizeof *vectors; k++) {
    const param *p = param_find(model_params(m), vectors[k]);
    for (int64_t j = 0; p != NULL && j < p->size; j++)
      param_master(model_params(m), p)[j] += 0.3f * (float)rng_normal(&draw);
  }
  check_ok(params_refresh(model_params(m)));
  return m;
}

// Three short histories with a masked row each; a label is not among the tokens, a negative is twice there.
static batch *training_batch(const fixture *f, const model *m) {
  const seq_layout layout = model_layout(&f->c);
  const int32_t first = (int32_t)f->c.item_base;
  const uint8_t events[4] = {0};
  batch *b;
  check_ok(batch_new(&b, model_get_run(m)->caps));
  batch_clear(b);
  for (int32_t s = 0; s < 3; s++) {
    const int32_t tokens[] = {first + 7 * s, first + 3, first + 20 + s, TOKEN_MASK};
    const batch_input history = {.tokens = tokens, .events = events, .n = 4};
    assert_true(batch_add(b, &layout, &history, NULL, s, NULL, NULL));
    assert_true(batch_add_masked(b, b->tokens - 1 - layout.cls_sep, first + 11 + s, 1));
  }
  for (int32_t i = 0; i < NEGATIVES; i++) {
    assert_true(batch_add_negative(b, first + (i == 5 ? 25 : 4 * i), -1.5f));
  }
  batch_finish(b);
  return b;
}

// A pass of training whose gradients are added; all: over the whole table.
static void pass(model *m, const batch *b, bool all, slot_result *loss) {
  step_state state = {.step = 3, .seed = 9, .lr = 0.1f};
  step_result r;
  objectives_batch_scales(model_objectives(m), b, state.scale);
  check_ok(model_backend(m)->result_clear(model_ctx(m)));
  check_ok(model_set_batch(m, b, &state));
  if (all) memset(&model_get_core(m)->listed, 0, sizeof model_get_core(m)->listed);
  check_ok(model_forward(m, true));
  check_ok(model_loss(m, true));
  check_ok(model_backend(m)->result_read(model_ctx(m), &r));
  *loss = r.slot[0];
}

static bool is_listed(const batch *b, int32_t token) {
  for (int32_t i = 0; i < b->tokens; i++)
    if (b->ids[i] == token) return true;
  for (int32_t i = 0; i < b->n_masked; i++)
    if (b->labels[i] == token) return true;
  for (int32_t i = 0; i < b->n_negatives; i++)
    if (b->negatives[i] == token) return true;
  return false;
}

static void check_counts(const fixture *f, model *m, const batch *b) {
  const item_content *c = model_items(m);
  int32_t all = 0, items = 0, words = 0;
  for (int32_t v = 0; v < f->c.vocab_size; v++) {
    const int64_t item = v - f->c.item_base;
    if (!is_listed(b, v)) continue;
    all++;
    if (item < 0) continue;
    items++;
    words += (int32_t)(c->offsets[item + 1] - c->offsets[item]);
  }
  assert_int_equal(model_get_core(m)->listed.rows, all);
  assert_int_equal(model_get_core(m)->listed.items, items);
  assert_int_equal(model_get_core(m)->listed.texts, words);
  assert_true(items < ITEMS && all > items);
}

// Rows of the list have the bits that they have in the whole table, and others are not touched.
static void check_rows(const fixture *f, model *m, const batch *b, const float *whole) {
  const float *e = encoder_table(model_get_core(m));
  for (int32_t v = 0; v < f->c.vocab_size; v++)
    for (int32_t j = 0; j < H; j++) {
      const float wanted = is_listed(b, v) ? whole[v * H + j] : 777;
      if (memcmp(&e[v * H + j], &wanted, sizeof wanted) != 0)
        fail_msg("row %d has %g at %d, not %g", v, (double)e[v * H + j], j, (double)wanted);
    }
}

static void check_gradients(model *m, const float *wanted, double times, const char *when) {
  const param_set *s = model_params(m);
  for (int64_t i = 0; i < s->elements; i++)
    if (!(fabs((double)s->grad[i] - times * (double)wanted[i]) < 2e-6 * times))
      fail_msg("%s: the gradient of element %lld is %g and not %g", when, (long long)i, (double)s->grad[i],
               times * (double)wanted[i]);
}

// A pass over the rows that its batch reads is one over the whole table: loss, rows and gradients.
static void test_listed_rows(void **unused) {
  (void)unused;
  for (int k = ITEMS_CONTENT; k <= ITEMS_BOTH; k++) {
    fixture f;
    slot_result whole, listed;
    set_up(&f, (items_kind)k);
    f.c.id_dropout = 0.3;
    model *m = training_model(&f);
    batch *b = training_batch(&f, m);
    const size_t table = (size_t)f.c.vocab_size * H, elements = (size_t)model_params(m)->elements;
    float *e = calloc(table, sizeof *e), *grads = calloc(elements, sizeof *grads), *used;
    pass(m, b, true, &whole);
    memcpy(e, encoder_table(model_get_core(m)), table * sizeof *e);
    memcpy(grads, model_params(m)->grad, elements * sizeof *grads);
    check_ok(model_forget(m));
    used = (float *)(uintptr_t)encoder_table(model_get_core(m));
    for (size_t i = 0; i < table; i++) used[i] = 777;
    pass(m, b, false, &listed);
    check_counts(&f, m, b);
    check_rows(&f, m, b, e);
    assert_true(memcmp(&whole, &listed, sizeof whole) == 0);
    check_gradients(m, grads, 1, "a list");
    for (size_t i = 0; i < table; i++) assert_true(!(fabsf(encoder_table_grad(model_get_core(m))[i]) > 0));
    pass(m, b, false, &listed);
    check_gradients(m, grads, 2, "a list again");
    pass(m, b, true, &listed);
    check_gradients(m, grads, 3, "the whole table behind it");
    pass(m, b, false, &listed);
    check_gradients(m, grads, 4, "a list behind that");
    // What is evaluated afterwards has all rows.
    model_free(f.m);
    f.m = m;
    check_formula(&f);
    free(e);
    free(grads);
    batch_free(b);
    tear_down(&f);
  }
}

// A list can have more rows than there are items, words among them, and each has its gradient's row.
static void test_room_of_lists(void **unused) {
  (void)unused;
  fixture f;
  set_up(&f, ITEMS_CONTENT);
  model *m = training_model(&f);
  const memory_plan *p = &model_get_core(m)->plan;
  const int32_t rows_n = item_lists_rows((int32_t)f.c.vocab_size, model_get_run(m)->caps, 0);
  assert_true(rows_n > ITEMS);
  int32_t k = 0; // of the table's gradient, which that of content follows
  for (void *at; k < p->n; k++) {
    memcpy(&at, p->buffer[k].where, sizeof at);
    if (at == encoder_table_grad(model_get_core(m))) break;
  }
  assert_true(k + 1 < p->n);
  assert_true(p->buffer[k + 1].bytes >= (size_t)rows_n * H * sizeof(float));
  model_free(m);
  tear_down(&f);
}

// A memory that was cleared has no tuned table either, which vectors are made of.
static void test_cleared_table(void **unused) {
  (void)unused;
  fixture f;
  float before[ITEMS * W], after[ITEMS * W];
  set_up(&f, ITEMS_BOTH);
  f.c.peft = (peft_config){.kind = PEFT_LORA, .rank = 2, .alpha = 2, .targets = "word_embeddings"};
  model *m = training_model(&f);
  const int32_t first = (int32_t)(f.c.item_base - f.c.class_base);
  check_ok(model_item_vectors(m, first, ITEMS, before));
  check_ok(model_forget(m));
  check_ok(model_item_vectors(m, first, ITEMS, after));
  assert_memory_equal(before, after, sizeof before);
  model_free(m);
  tear_down(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_formula),
                                     cmocka_unit_test(test_listed_rows),
                                     cmocka_unit_test(test_room_of_lists),
                                     cmocka_unit_test(test_cleared_table),
                                     cmocka_unit_test(test_known_items_add_up),
                                     cmocka_unit_test(test_known_with_hidden_bias),
                                     cmocka_unit_test(test_checkpoint)};
  return cmocka_run_group_tests_name("item_vectors", tests, NULL, NULL);
}
