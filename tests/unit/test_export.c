// Trainer and inference agree: for models of many kinds, the same vectors, the same scores to 1e-5 and the
// same ranked lists up to ties within that; and what export refuses.
#include <glob.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "eval/ranking.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"
#include "infer/bundle.h"
#include "model/item_vectors.h"
#include "souk/infer.h"
#include "model/checkpoint.h"
#include "convert/export.h"
#include "model/objectives/item_head.h"

static const export_config replacing = {.force = true, .with_mix = true};

enum { USERS = 40, ITEMS = 90, K = 12 };

typedef struct kind {
  const char *name;
  void (*change)(model_config *c);
} kind;

static void as_is(model_config *c) {
  (void)c;
}
static void cosine(model_config *c) {
  c->score = 1;
  c->temperature = 0.07;
}
static void dot_with_temperature(model_config *c) {
  c->temperature = 2.5;
}
static void pre_norm(model_config *c) {
  c->pre_norm = true;
  c->layers = 3;
}
static void bert(model_config *c) {
  c->cls_sep = true;
  c->pooler = true;
  c->activation = 1;
  c->item_classes = false;
}
static void from_the_end(model_config *c) {
  c->positions_from_end = true;
  c->max_positions = 4;
}
static void one_position(model_config *c) { // nothing but [MASK] fits with the specials
  c->cls_sep = true;
  c->max_positions = 3;
}
static void odd_sizes(model_config *c) {
  c->hidden = 21;
  c->heads = 3;
  c->layers = 1;
  c->intermediate = 37;
  c->max_positions = 16;
  c->score = 1;
}
static void wide(model_config *c) {
  c->hidden = 68;
  c->heads = 1;
  c->intermediate = 300;
  c->pre_norm = true;
  c->positions_from_end = true;
  c->event_types = 5; // more rows than the data set names
  c->segments = 1;
}
static void causal(model_config *c) {
  strcpy(c->objectives, "next_item");
  c->layers = 3;
  c->max_positions = 4;
  c->positions_from_end = true;
}
static void causal_bert(model_config *c) { // queries of a model for both are causal
  strcpy(c->objectives, "masked_lm, next_item 0.5");
  c->cls_sep = true;
  c->pre_norm = true;
}
static void plain_head(model_config *c) {
  strcpy(c->objectives, "next_item");
  c->head = HEAD_PLAIN;
  c->score = 1;
}
static void of_content(model_config *c) {
  c->items = ITEMS_CONTENT;
}
static void of_both(model_config *c) {
  c->items = ITEMS_BOTH;
  c->score = 1;
  c->item_features = 5;
  strcpy(c->objectives, "next_item");
}
static const kind kinds[] = {{"as it comes", as_is},
                             {"cosine", cosine},
                             {"dot with temperature", dot_with_temperature},
                             {"pre-norm", pre_norm},
                             {"bert", bert},
                             {"from the end", from_the_end},
                             {"one position", one_position},
                             {"odd sizes", odd_sizes},
                             {"wide", wide},
                             {"causal", causal},
                             {"causal, with [CLS]", causal_bert},
                             {"plain head", plain_head},
                             {"items of content", of_content},
                             {"items of content and id", of_both}};

typedef struct fixture {
  char dir[PATH_MAX];
  dataset *d;
  model *m;
  souk_bundle *b;
  const char *name;
  int32_t W;
  float *u, *v; // the trainer's, [USERS][W] and [ITEMS][W]
  souk_history histories[USERS];
  int32_t *items, *events;
  item_content *content; // NULL: items are ids
} fixture;

static void keep_content(fixture *f) {
  check_ok(item_content_copy(&f->content, model_items(f->m)));
}

static void open_fixture(fixture *f, const kind *k) {
  char data[PATH_MAX], bundle[PATH_MAX];
  souk_error e;
  memset(f, 0, sizeof *f);
  f->name = k->name;
  tiny_directory(f->dir, sizeof f->dir);
  check_ok(path_join(data, sizeof data, f->dir, "data"));
  check_ok(path_join(bundle, sizeof bundle, f->dir, "bundle"));
  tiny_dataset(data, USERS, ITEMS, 0);
  check_ok(dataset_open(&f->d, data, false));
  model_config c = tiny_config();
  k->change(&c);
  f->m = tiny_model(f->d, &c);
  if (c.items != ITEMS_ID) keep_content(f);
  tiny_export(f->dir, f->m, f->d);
  if (souk_open(&f->b, bundle, 0, &e) != SOUK_OK) fail_msg("%s: %s", k->name, e.message);
  f->W = (int32_t)c.hidden + 1;
}

static void close_fixture(fixture *f) {
  souk_close(f->b);
  model_free(f->m);
  dataset_close(f->d);
  item_content_free(f->content);
  free(f->u);
  free(f->v);
  free(f->items);
  free(f->events);
  tiny_remove(f->dir);
}

// The trainer's vectors of every user's history before the test target, and those histories for inference.
static void trainer_vectors(fixture *f) {
  const model_config *c = model_get_config(f->m);
  const seq_layout layout = model_layout(c);
  const int32_t first = vocab_begin(dataset_vocab(f->d), RANGE_ITEMS);
  const step_state state = {.scale = {1.0f}};
  sequence_block *block;
  batch *b;
  f->u = calloc(USERS * (size_t)f->W, sizeof *f->u);
  f->v = calloc(ITEMS * (size_t)f->W, sizeof *f->v);
  f->items = calloc(USERS * 32, sizeof *f->items);
  f->events = calloc(USERS * 32, sizeof *f->events);
  check_ok(batch_new(&b, model_get_run(f->m)->caps));
  check_ok(block_read(&block, f->d, 0, USERS));
  batch_clear(b);
  for (int32_t i = 0; i < USERS; i++) {
    sequence s;
    block_get(block, i, &s);
    const int32_t n = i == 0 ? 0 : s.test_from; // the first one is a new user
    const batch_input history = {.tokens = s.tokens, .events = s.events, .n = n};
    assert_true(batch_add_query(b, &layout, &history, i, first));
    int32_t *items = f->items + 32 * i, *events = f->events + 32 * i;
    assert_true(n <= 32);
    for (int32_t j = 0; j < n; j++) {
      items[j] = s.tokens[j] - first;
      events[j] = s.events[j];
    }
    f->histories[i] = (souk_history){.n = n, .items = items, .events = events};
  }
  batch_finish(b);
  check_ok(model_set_batch(f->m, b, &state));
  check_ok(model_forward(f->m, false));
  check_ok(model_user_vectors(f->m, f->u));
  check_ok(model_item_vectors(f->m, first - c->class_base, ITEMS, f->v));
  block_free(block);
  batch_free(b);
}

static double product(const float *a, const float *b, int32_t n) {
  double sum = 0;
  for (int32_t i = 0; i < n; i++) sum += (double)a[i] * b[i];
  return sum;
}

static void check_vectors(fixture *f) {
  const size_t W = (size_t)f->W;
  souk_error e;
  float *v = calloc(ITEMS * W, sizeof *v), *u = calloc(USERS * W, sizeof *u);
  assert_int_equal(souk_item_vectors(f->b, 0, ITEMS, v, &e), SOUK_OK);
  assert_memory_equal(v, f->v, ITEMS * W * sizeof *v);
  if (souk_user_vectors(f->b, f->histories, USERS, 2, u, NULL, &e) != SOUK_OK) fail_msg("%s", e.message);
  double worst = 0;
  for (size_t i = 0; i < USERS; i++) {
    for (size_t j = 0; j < ITEMS; j++) {
      const double here = product(u + i * W, v + j * W, f->W),
                   there = product(f->u + i * W, f->v + j * W, f->W);
      worst = fmax(worst, fabs(here - there) / fmax(1.0, fabs(there)));
    }
  }
  print_message("# %s: largest difference of scores %.2g\n", f->name, worst);
  if (!(worst < 1e-5)) fail_msg("%s: scores differ by %g", f->name, worst);
  free(v);
  free(u);
}

// What is known of an item makes, by way of content.safetensors, the vector that the trainer has of an item without a trained id.
static void check_content(const fixture *f) {
  souk_error e;
  int32_t fresh = 0;
  assert_int_equal(content_is_there(f->b), f->content != NULL);
  if (f->content == NULL) return;
  const item_content *c = f->content;
  float *v = calloc((size_t)f->W, sizeof *v);
  assert_non_null(v);
  for (int32_t i = 0; i < ITEMS; i++) {
    const int64_t from = c->offsets[i], n = c->offsets[i + 1] - from;
    const float *features = c->width > 0 ? c->features + (size_t)i * (size_t)c->width : NULL;
    if (content_vector(f->b, c->tokens + from, (size_t)n, features, v, &e) != SOUK_OK)
      fail_msg("%s", e.message);
    double worst = 0, length = 0;
    for (int32_t j = 0; j < f->W; j++) {
      worst = fmax(worst, fabs((double)v[j] - (double)f->v[(size_t)i * (size_t)f->W + (size_t)j]));
      length = fmax(length, fabs((double)v[j]));
    }
    const bool same = worst <= 2e-6 * fmax(1, length);
    const bool without_id = model_get_config(f->m)->items == ITEMS_CONTENT || !c->known[i];
    // An item that was trained on has a bias of its own, and an id, if there are ids.
    if (!c->known[i] && !same) fail_msg("%s: item %d is %g off", f->name, i, worst);
    if (c->known[i] && !without_id && same) fail_msg("%s: item %d has no id", f->name, i);
    fresh += !c->known[i];
  }
  assert_true(fresh > 0 && fresh < ITEMS);
  free(v);
}

typedef struct list_check {
  fixture *f;
  int32_t seen;
} list_check;

static status check_list(void *self, const query *q, const ranked_list *list) {
  list_check *c = self;
  fixture *f = c->f;
  const int32_t first = vocab_begin(dataset_vocab(f->d), RANGE_ITEMS);
  int32_t history[64], events[64], items[K], count, unknown;
  float scores[K];
  souk_error e;
  assert_true(q->n <= 64);
  for (int32_t i = 0; i < q->n; i++) {
    history[i] = q->tokens[i] - first;
    events[i] = q->events[i];
  }
  const souk_query question = {.history = {.n = q->n, .items = history, .events = events}};
  if (souk_rank(f->b, &question, 1, K, NULL, items, scores, &count, &unknown, &e) != SOUK_OK)
    fail_msg("%s: %s", f->name, e.message);
  assert_int_equal(count, list->n);
  assert_int_equal(unknown, 0);
  for (int32_t i = 0; i < count; i++) {
    const float tolerance = 1e-5f * fmaxf(1.0f, fabsf(list->scores[i]));
    if (!(fabsf(scores[i] - list->scores[i]) <= tolerance))
      fail_msg("%s: score %d is %g, the trainer has %g", f->name, i, (double)scores[i],
               (double)list->scores[i]);
    // Another item at this place only where scores are that close.
    bool near = items[i] == list->items[i];
    for (int32_t j = 0; j < count && !near; j++)
      near = list->items[j] == items[i] && fabsf(list->scores[j] - list->scores[i]) <= tolerance;
    if (!near && i + 1 < count) fail_msg("%s: item %d is %d, not %d", f->name, i, items[i], list->items[i]);
  }
  c->seen++;
  return OK;
}

static void check_lists(fixture *f) {
  ranking_config c = ranking_defaults();
  ranking *r;
  // An evaluation wants the data set's own number of event types.
  if (model_get_config(f->m)->event_types != dataset_get_info(f->d)->n_event_types) return;
  c.query.part = EVAL_TEST;
  check_ok(ranking_open(&r, f->d, &c));
  list_check check = {f, 0};
  check_ok(ranking_lists(r, f->m, K, check_list, &check));
  assert_int_equal(check.seen, USERS);
  ranking_close(r);
}

static void trainer_and_inference_agree(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    fixture f;
    open_fixture(&f, &kinds[i]);
    trainer_vectors(&f);
    check_vectors(&f);
    check_content(&f);
    check_lists(&f);
    close_fixture(&f);
  }
}

// ---- the directory -------------------------------------------------------------------------------------------

static void existing_places(void **state) {
  (void)state;
  char dir[PATH_MAX], from[PATH_MAX], bundle[PATH_MAX], other[PATH_MAX], path[PATH_MAX + 64];
  export_result result;
  tiny_directory(dir, sizeof dir);
  tiny_bundle(dir, 8, 20, NULL);
  check_ok(path_join(from, sizeof from, dir, "checkpoint"));
  check_ok(path_join(bundle, sizeof bundle, dir, "bundle"));
  check_ok(path_join(other, sizeof other, dir, "precious"));
  check_fails(export_bundle(from, bundle, &(export_config){.with_mix = true}, NULL), ERR_ARGUMENT,
              "--force replaces it");
  check_ok(export_bundle(from, bundle, &replacing, &result));
  assert_int_equal(result.items, 20);
  assert_int_equal(result.dimension, 17);
  assert_int_equal(result.step, 7);
  // What is no bundle is never removed.
  assert_int_equal(mkdir(other, 0777), 0);
  check_ok(path_join(path, sizeof path, other, "thesis.txt"));
  check_ok(file_write_atomic(path, "x", 1));
  check_fails(export_bundle(from, other, &replacing, NULL), ERR_ARGUMENT, "it is left as it is");
  assert_true(file_exists(path));
  check_fails(export_bundle(from, "", &replacing, NULL), ERR_ARGUMENT, "empty");
  check_fails(export_bundle(dir, bundle, &replacing, NULL), ERR_NOT_FOUND, "manifest.json");
  // A path that cannot be written leaves nothing behind and the old bundle as it was.
  check_ok(path_join(path, sizeof path, dir, "no/such/place"));
  check_ok(path_join(other, sizeof other, path, "bundle"));
  char trailing[PATH_MAX + 8];
  snprintf(trailing, sizeof trailing, "%s//", bundle);
  check_ok(export_bundle(from, trailing, &replacing, NULL));
  tiny_remove(dir);
}

static void weights_that_are_not_finite(void **state) {
  (void)state;
  char dir[PATH_MAX], data[PATH_MAX], from[PATH_MAX], bundle[PATH_MAX], temporary[PATH_MAX + 32];
  dataset *d;
  tiny_directory(dir, sizeof dir);
  check_ok(path_join(data, sizeof data, dir, "data"));
  check_ok(path_join(from, sizeof from, dir, "checkpoint"));
  check_ok(path_join(bundle, sizeof bundle, dir, "bundle"));
  tiny_bundle(dir, 8, 20, NULL);
  check_ok(dataset_open(&d, data, false));
  model_config c = tiny_config();
  model *m = tiny_model(d, &c);
  const param *p = param_find(model_params(m), "bert.encoder.layer.1.attention.self.qkv.weight");
  assert_non_null(p);
  param_master(model_params(m), p)[p->size / 2] = NAN; // in the middle third: the keys
  const train_state state_of_run = {.step = 1};
  // A checkpoint may refuse such parameters by itself; then there is nothing to export.
  if (tiny_checkpoint(from, m, &state_of_run, "", d, false) == OK)
    check_fails(export_bundle(from, bundle, &replacing, NULL), ERR_NONFINITE,
                "bert.encoder.layer.1.attention.self.key.weight");
  glob_t found;
  snprintf(temporary, sizeof temporary, "%s.tmp.*", bundle);
  assert_int_equal(glob(temporary, 0, NULL, &found), GLOB_NOMATCH);
  assert_true(dir_exists(bundle)); // the one before
  model_free(m);
  dataset_close(d);
  tiny_remove(dir);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(trainer_and_inference_agree),
                                     cmocka_unit_test(existing_places),
                                     cmocka_unit_test(weights_that_are_not_finite)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
