// Hard negatives by a model's ranking: each list is what the model ranks highest of what it may hold.
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"
#include "model/objectives/item_head.h"
#include "data/batcher.h"
#include "data/data_mix.h"
#include "train/mining.h"

enum { USERS = 30, ITEMS = 60, W = 17 };

// Scores of all items behind the first n events of a history, alone in its batch.
static void scores_of(model *m, const sequence *s, int32_t n, int32_t first, double *to) {
  const seq_layout layout = model_layout(model_get_config(m));
  const step_state state = {.seed = 0};
  const batch_input history = {.tokens = s->tokens, .events = s->events, .n = n};
  static float u[W], v[ITEMS * W];
  batch *b;
  check_ok(batch_new(&b, model_get_run(m)->caps));
  batch_clear(b);
  assert_true(batch_add_query(b, &layout, &history, s->index, first));
  batch_finish(b);
  check_ok(model_set_batch(m, b, &state));
  check_ok(model_forward(m, false));
  check_ok(model_user_vectors(m, u));
  check_ok(model_item_vectors(m, first - model_get_config(m)->class_base, ITEMS, v));
  for (int32_t i = 0; i < ITEMS; i++) {
    to[i] = 0;
    for (int32_t j = 0; j < W; j++) to[i] += (double)u[j] * (double)v[i * W + j];
  }
  batch_free(b);
}

static bool holds(const int32_t *tokens, int32_t n, int32_t token) {
  for (int32_t i = 0; i < n; i++)
    if (tokens[i] == token) return true;
  return false;
}

static void check_list(model *m, const sequence *s, const hard_negatives *h, double margin, int32_t first,
                       int64_t *short_ones) {
  const int32_t n = s->valid_from, each = h->each, count = hard_negatives_count(h, s->index);
  const int32_t *list = h->items + s->index * each;
  double score[ITEMS], worst = INFINITY;
  if (n < 2) {
    assert_int_equal(count, 0);
    return;
  }
  scores_of(m, s, n - 1, first, score);
  const double most = score[s->tokens[n - 1] - first] + margin;
  int32_t may = 0;
  for (int32_t k = 0; k < count; k++) {
    assert_false(holds(s->tokens, n, list[k]));
    assert_true(score[list[k] - first] <= most + 1e-4);
    assert_true(score[list[k] - first] <= worst + 1e-4); // the best first
    worst = score[list[k] - first];
  }
  for (int32_t i = 0; i < ITEMS; i++) {
    if (holds(s->tokens, n, first + i) || score[i] > most) continue;
    may++;
    if (!holds(list, count, first + i) && count == each) assert_true(score[i] <= worst + 1e-4);
  }
  const int32_t wanted = may < each ? may : each;
  assert_true(count >= wanted - 1 && count <= wanted + 1); // scores at the margin, up to rounding
  *short_ones += count < each;
}

static void test_lists(void **unused) {
  (void)unused;
  static const double margins[] = {1e5, 0, -1};
  char dir[PATH_MAX], data[PATH_MAX];
  dataset *d;
  tiny_directory(dir, sizeof dir);
  check_ok(path_join(data, sizeof data, dir, "data"));
  tiny_dataset(data, USERS, ITEMS, 0);
  check_ok(dataset_open(&d, data, false));
  model_config mc = tiny_config();
  model *m = tiny_model(d, &mc);
  const int32_t first = vocab_begin(dataset_vocab(d), RANGE_ITEMS);
  for (size_t k = 0; k < sizeof margins / sizeof *margins; k++) {
    const data_config c = {.hard_negatives = 8, .negatives = 8, .hard_margin = margins[k]};
    hard_negatives *h;
    sequence_block *block;
    int64_t short_ones = 0;
    check_ok(mining_lists(&h, &c, d, m));
    check_ok(block_read(&block, d, 0, USERS));
    for (int64_t i = 0; i < USERS; i++) {
      sequence s;
      block_get(block, i, &s);
      check_list(m, &s, h, margins[k], first, &short_ones);
    }
    assert_true(k == 0 ? short_ones == 0 : short_ones > 0);
    block_free(block);
    hard_negatives_free(h);
  }
  model_free(m);
  dataset_close(d);
  tiny_remove(dir);
}

// Of histories in another vocabulary, which lacks items of theirs, only what it has counts.
static void test_unknown_items(void **unused) {
  (void)unused;
  enum { FEW = ITEMS / 2 };
  char dir[PATH_MAX], data[PATH_MAX];
  dataset *d;
  vocab *v;
  tiny_directory(dir, sizeof dir);
  check_ok(path_join(data, sizeof data, dir, "data"));
  tiny_dataset(data, USERS, ITEMS, 0);
  check_ok(dataset_open(&d, data, false));
  const vocab *all = dataset_vocab(d);
  check_ok(vocab_new(&v));
  for (int32_t i = 0; i < FEW; i++)
    check_ok(vocab_add(v, RANGE_ITEMS, vocab_token(all, vocab_begin(all, RANGE_ITEMS) + 2 * i), 1, NULL));
  const dataset_info info = *dataset_get_info(d);
  check_ok(dataset_read_as(d, v, &info));
  model_config mc = tiny_config();
  model *m = tiny_model(d, &mc);
  const data_config c = {.hard_negatives = 8, .negatives = 8, .hard_margin = 1e5};
  hard_negatives *h;
  sequence_block *block;
  int32_t unknown = 0, listed = 0;
  check_ok(mining_lists(&h, &c, d, m));
  check_ok(block_read(&block, d, 0, USERS));
  for (int64_t i = 0; i < USERS; i++) {
    sequence s;
    block_get(block, i, &s);
    const bool asked = s.valid_from > 1 && s.tokens[s.valid_from - 1] != TOKEN_UNK;
    const int32_t n = hard_negatives_count(h, i);
    if (!asked) assert_int_equal(n, 0);
    for (int32_t k = 0; k < n; k++) assert_false(holds(s.tokens, s.valid_from, h->items[i * h->each + k]));
    unknown += holds(s.tokens, s.valid_from, TOKEN_UNK);
    listed += n > 0;
  }
  assert_true(unknown > 0 && listed > 0);
  block_free(block);
  hard_negatives_free(h);
  model_free(m);
  dataset_close(d);
  tiny_remove(dir);
}

// Scores of a large catalogue are made for fewer histories at a time.
static void test_memory(void **unused) {
  (void)unused;
  assert_int_equal(mining_rows(60), 1024);
  assert_int_equal(mining_rows(1 << 20), 16);
  assert_int_equal(mining_rows(INT32_MAX), 1);
  assert_true(mining_pass_bytes(1 << 20, 64) < 400e6);
  check_near(mining_list_bytes(1000), 128000, 1e-9);
}

static void test_due(void **unused) {
  (void)unused;
  char dir[PATH_MAX], data[PATH_MAX];
  dataset *d;
  hard_negatives *h;
  static run_config c;
  tiny_directory(dir, sizeof dir);
  check_ok(path_join(data, sizeof data, dir, "data"));
  tiny_dataset(data, USERS, ITEMS, 0);
  check_ok(dataset_open(&d, data, false));
  c.data.hard_negatives = 4;
  assert_false(mining_is_due(&c, d, 20));
  c.data.hard_every = 10;
  assert_false(mining_is_due(&c, d, 0)); // train.init has made the first
  assert_true(mining_is_due(&c, d, 10));
  assert_false(mining_is_due(&c, d, 11));
  check_ok(hard_negatives_new(&h, USERS, 2));
  h->step = 20;
  dataset_set_hard_negatives(d, h);
  assert_false(mining_is_due(&c, d, 20));
  assert_true(mining_is_due(&c, d, 30));
  c.data.hard_negatives = 0;
  assert_false(mining_is_due(&c, d, 30));
  dataset_close(d);
  tiny_remove(dir);
}

// Writes h, which says that it is of `sequences` histories, and reads it for d.
static status write_and_read(hard_negatives **out, const hard_negatives *h, const char *path, dataset *d) {
  check_ok(hard_negatives_write(h, path));
  const status rc = hard_negatives_read(out, path, d);
  assert_int_equal(remove(path), 0);
  return rc;
}

// The file of a checkpoint has the same lists and their step, and one of something else is refused.
static void test_file(void **unused) {
  (void)unused;
  char dir[PATH_MAX], data[PATH_MAX], path[PATH_MAX];
  dataset *d;
  hard_negatives *h, *read;
  tiny_directory(dir, sizeof dir);
  check_ok(path_join(data, sizeof data, dir, "data"));
  check_ok(path_join(path, sizeof path, dir, HARD_NEGATIVES_FILE));
  tiny_dataset(data, USERS, ITEMS, 0);
  check_ok(dataset_open(&d, data, false));
  const int32_t first = vocab_begin(dataset_vocab(d), RANGE_ITEMS);
  check_ok(hard_negatives_new(&h, USERS, 3));
  for (int32_t i = 0; i < USERS; i++)
    for (int32_t k = 0; k < i % 4; k++) h->items[3 * i + k] = first + (7 * i + k) % ITEMS;
  h->step = 70;
  check_ok(write_and_read(&read, h, path, d));
  assert_int_equal(read->step, 70);
  assert_int_equal(read->each, 3);
  assert_memory_equal(read->items, h->items, USERS * 3 * sizeof *h->items);
  hard_negatives_free(read);
  h->items[3] = first + ITEMS;
  check_fails(write_and_read(&read, h, path, d), ERR_FORMAT, "\"items\" of history 1 holds");
  h->items[3] = -1;
  h->items[4] = first; // behind the end of its list
  check_fails(write_and_read(&read, h, path, d), ERR_FORMAT, "\"items\" of history 1 holds");
  h->items[4] = -1;
  h->step = 0;
  check_fails(write_and_read(&read, h, path, d), ERR_FORMAT, "\"step\" is 0");
  h->sequences--;
  check_fails(write_and_read(&read, h, path, d), ERR_FORMAT, "\"items\" is 29 x 3");
  assert_null(read);
  hard_negatives_free(h);
  dataset_close(d);
  tiny_remove(dir);
}

// Lists of one item each, the same for all.
static hard_negatives *lists_of(int32_t item) {
  hard_negatives *h;
  check_ok(hard_negatives_new(&h, USERS, 1));
  for (int32_t i = 0; i < USERS; i++) h->items[i] = item;
  return h;
}

static void check_same_batch(const batch *a, const batch *b) {
  assert_memory_equal(&a->live, &b->live, sizeof a->live);
  assert_int_equal(a->epoch, b->epoch);
  assert_int_equal(a->index, b->index);
  assert_int_equal(a->examples, b->examples);
  for (int32_t i = 0; i < N_BATCH_FIELDS; i++) {
    const batch_field *f = &batch_fields[i];
    const size_t bytes = batch_elements(f, a->live) * f->size;
    if (bytes > 0) assert_memory_equal(batch_array(&a->arrays, f), batch_array(&b->arrays, f), bytes);
  }
}

// From where the lists are made anew, batches are what a batcher gives that had them from the beginning, those that were made ahead too.
static void test_renewed_batches(void **unused) {
  (void)unused;
  char dir[PATH_MAX], data[PATH_MAX];
  dataset *d, *same;
  tiny_directory(dir, sizeof dir);
  check_ok(path_join(data, sizeof data, dir, "data"));
  tiny_dataset(data, USERS, ITEMS, 0);
  check_ok(dataset_open(&d, data, false));
  check_ok(dataset_open(&same, data, false));
  const int32_t first = vocab_begin(dataset_vocab(d), RANGE_ITEMS);
  const model_config mc = tiny_config();
  const seq_layout layout = model_layout(&mc);
  const data_config c = {.batch_tokens = 64,
                         .dupe_factor = 1,
                         .mask_probability = 0.3,
                         .mask_spans = 1,
                         .mix = DATA_MIX,
                         .seed = 3,
                         .negatives = 12,
                         .negative_kind = NEGATIVES_IN_BATCH,
                         .hard_negatives = 6};
  batcher *b, *other;
  const batch *x, *y;
  dataset_set_hard_negatives(d, lists_of(first));
  dataset_set_hard_negatives(same, lists_of(first + 1));
  check_ok(batcher_open(&b, d, &c, &layout, PART_TRAIN, 0, 1));
  check_ok(batcher_open(&other, same, &c, &layout, PART_TRAIN, 0, 1));
  for (int k = 0; k < 40; k++) { // more than an epoch
    check_ok(batcher_next(b, &x));
    check_ok(batcher_next(other, &y));
    for (int32_t i = 6; i < 12; i++) assert_int_equal(x->negatives[i], k < 20 ? first : first + 1);
    if (k >= 20) check_same_batch(x, y);
    const data_place place = {.epoch = x->epoch, .example = x->examples, .index = x->index + 1};
    if (k == 19) check_ok(batcher_renew_hard_negatives(b, lists_of(first + 1), &place));
  }
  assert_true(x->epoch > 1);
  batcher_close(b);
  batcher_close(other);
  dataset_close(d);
  dataset_close(same);
  tiny_remove(dir);
}

static void test_needs_a_beginning(void **unused) {
  (void)unused;
  static run_config c;
  c.data.hard_negatives = 4;
  check_fails(mining_run(&c, NULL, NULL), ERR_ARGUMENT,
              "data.hard_negatives = 4 are more than all of data.negatives = 0");
  c.data.negatives = 8;
  check_fails(mining_run(&c, NULL, NULL), ERR_ARGUMENT, "set train.init");
  c.data.hard_every = 5; // makes them of its own
  check_ok(mining_run(&c, NULL, NULL));
  c.data.hard_negatives = 0;
  check_fails(mining_run(&c, NULL, NULL), ERR_ARGUMENT,
              "data.hard_every = 5 makes hard negatives anew, and data.hard_negatives is 0");
  c.data.hard_every = 0;
  check_ok(mining_run(&c, NULL, NULL));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory),
                                     cmocka_unit_test(test_lists),
                                     cmocka_unit_test(test_unknown_items),
                                     cmocka_unit_test(test_due),
                                     cmocka_unit_test(test_file),
                                     cmocka_unit_test(test_renewed_batches),
                                     cmocka_unit_test(test_needs_a_beginning)};
  return cmocka_run_group_tests_name("mining", tests, NULL, NULL);
}
