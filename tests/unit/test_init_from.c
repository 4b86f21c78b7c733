// A model that grows into another vocabulary: what was there scores as before, what is new begins with the mean.
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"
#include "model/checkpoint.h"
#include "model/item_vectors.h"
#include "model/objectives/item_head.h"
#include "train/init_from.h"

enum { FEW = 20, MANY = 32, H = 16, W = H + 1, HISTORY = 5 };

typedef struct fixture {
  char dir[PATH_MAX];
  dataset *d[2]; // of few items, of many
  model_config c[2];
  model *m[2];
  checkpoint *from;
} fixture;

static void set_up(fixture *f, items_kind items, bool pre_norm) {
  const int32_t n[2] = {FEW, MANY};
  char place[PATH_MAX];
  const train_state state = {.step = 3};
  tiny_directory(f->dir, sizeof f->dir);
  for (int k = 0; k < 2; k++) {
    check_ok(path_join(place, sizeof place, f->dir, k == 0 ? "few" : "many"));
    tiny_dataset(place, 40, n[k], 0);
    check_ok(dataset_open(&f->d[k], place, false));
    f->c[k] = tiny_config();
    f->c[k].pre_norm = pre_norm;
    f->c[k].items = (int)items;
    f->m[k] = tiny_model(f->d[k], &f->c[k]);
  }
  check_ok(path_join(place, sizeof place, f->dir, "checkpoint"));
  check_ok(tiny_checkpoint(place, f->m[0], &state, "", f->d[0], false));
  check_ok(checkpoint_open(&f->from, place));
}

static void tear_down(fixture *f) {
  checkpoint_close(f->from);
  for (int k = 0; k < 2; k++) {
    model_free(f->m[k]);
    dataset_close(f->d[k]);
  }
  tiny_remove(f->dir);
}

static int32_t find(const fixture *f, int k, const char *name) {
  const vocab *v = dataset_vocab(f->d[k]);
  return vocab_find(v, RANGE_ITEMS, name);
}

// Of a history of the items that both have, by name.
static void user_vector(const fixture *f, int k, float *u) {
  const seq_layout layout = model_layout(&f->c[k]);
  const vocab *few = dataset_vocab(f->d[0]);
  const step_state state = {.scale = {1}};
  int32_t tokens[HISTORY];
  uint8_t events[HISTORY] = {1, 2, 1, 0, 2};
  batch *b;
  for (int32_t i = 0; i < HISTORY; i++)
    tokens[i] = find(f, k, vocab_token(few, vocab_begin(few, RANGE_ITEMS) + 3 * i));
  const batch_input history = {tokens, events, HISTORY};
  check_ok(batch_new(&b, model_get_run(f->m[k])->caps));
  batch_clear(b);
  assert_true(batch_add_query(b, &layout, &history, 0, vocab_begin(dataset_vocab(f->d[k]), RANGE_ITEMS)));
  batch_finish(b);
  check_ok(model_set_batch(f->m[k], b, &state));
  check_ok(model_forward(f->m[k], false));
  check_ok(model_user_vectors(f->m[k], u));
  batch_free(b);
}

static void test_known_items_score_as_before(void **unused) {
  (void)unused;
  for (int k = 0; k < 4; k++) {
    fixture f;
    grown g;
    float u[2][W], v[2][MANY * W];
    set_up(&f, k % 2 == 0 ? ITEMS_ID : ITEMS_BOTH, k / 2 == 1);
    check_ok(init_from_load(f.from, f.m[1], f.d[1], f.m[1], &g));
    assert_int_equal(g.items, MANY);
    assert_int_equal(g.items_kept, FEW);
    assert_int_equal(g.left_behind, 0);
    assert_int_equal(g.of_text, f.c[0].items == ITEMS_ID ? 0 : MANY - FEW);
    for (int i = 0; i < 2; i++) {
      user_vector(&f, i, u[i]);
      check_ok(model_item_vectors(f.m[i], 0, i == 0 ? FEW : MANY, v[i]));
    }
    assert_memory_equal(u[0], u[1], sizeof u[0]);
    const vocab *few = dataset_vocab(f.d[0]);
    const int32_t base[2] = {vocab_begin(few, RANGE_ITEMS), vocab_begin(dataset_vocab(f.d[1]), RANGE_ITEMS)};
    for (int32_t i = 0; i < FEW; i++) {
      const int32_t at = find(&f, 1, vocab_token(few, base[0] + i)) - base[1];
      if (f.c[0].items == ITEMS_ID) assert_memory_equal(v[0] + i * W, v[1] + at * W, W * sizeof(float));
    }
    tear_down(&f);
  }
}

static void test_new_items_begin_with_the_mean(void **unused) {
  (void)unused;
  fixture f;
  grown g;
  double mean[W] = {0}, known = 0;
  float few[FEW * W], many[MANY * W];
  set_up(&f, ITEMS_ID, false);
  check_ok(init_from_load(f.from, f.m[1], f.d[1], f.m[1], &g));
  check_ok(model_item_vectors(f.m[0], 0, FEW, few));
  check_ok(model_item_vectors(f.m[1], 0, MANY, many));
  const vocab *a = dataset_vocab(f.d[0]), *b = dataset_vocab(f.d[1]);
  const int32_t first = vocab_begin(a, RANGE_ITEMS), base = vocab_begin(b, RANGE_ITEMS);
  for (int32_t i = 0; i < FEW; i++) {
    if (vocab_token_count(a, first + i) == 0) continue;
    known++;
    for (int32_t j = 0; j < W; j++) mean[j] += (double)few[i * W + j];
  }
  assert_true(known > 0);
  int32_t fresh = 0;
  for (int32_t i = 0; i < MANY; i++) {
    if (find(&f, 0, vocab_token(b, base + i)) >= 0) continue;
    fresh++;
    for (int32_t j = 0; j < W; j++)
      if (!(fabs((double)many[i * W + j] - mean[j] / known) < 1e-6)) fail_msg("new item %d at %d", i, j);
  }
  assert_int_equal(fresh, MANY - FEW);
  tear_down(&f);
}

static void test_shapes(void **unused) {
  (void)unused;
  fixture f;
  grown g;
  set_up(&f, ITEMS_ID, false);
  model_free(f.m[1]);
  f.c[1] = tiny_config();
  f.c[1].intermediate = 24;
  f.c[1].max_positions = 14; // positions may be more
  f.m[1] = tiny_model(f.d[1], &f.c[1]);
  check_fails(init_from_load(f.from, f.m[1], f.d[1], f.m[1], &g), ERR_ARGUMENT, "output.dense.weight");
  model_free(f.m[1]);
  f.c[1] = tiny_config();
  f.c[1].hidden = 20;
  f.m[1] = tiny_model(f.d[1], &f.c[1]);
  check_fails(init_from_load(f.from, f.m[1], f.d[1], f.m[1], &g), ERR_ARGUMENT, "model.hidden is 20");
  tear_down(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_known_items_score_as_before),
                                     cmocka_unit_test(test_new_items_begin_with_the_mean),
                                     cmocka_unit_test(test_shapes)};
  return cmocka_run_group_tests_name("init_from", tests, NULL, NULL);
}
