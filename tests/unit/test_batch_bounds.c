// Capacities of batches: never too small for what an epoch composes, and not much larger than that.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "data/batch_bounds.h"
#include "data/batcher.h"
#include "hdf5/hdf5_glue.h"
#include "data/writer.h"
#include "base/file.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

enum { ITEMS = 30, MOST = 400 };

static char dir[256];

static int set_up(void **unused) {
  (void)unused;
  tiny_directory(dir, sizeof dir);
  return 0;
}

static int tear_down(void **unused) {
  (void)unused;
  tiny_remove(dir);
  return 0;
}

// How long histories are: all the same, most of them short, most of them whole windows, or first short ones and then
// long ones.
typedef enum shape { SAME, SHORT, FULL, SORTED, SHAPES } shape;

static int32_t length_of(shape how, int32_t longest, int32_t i, int32_t n, rng *r) {
  const double u = rng_unit(r);
  switch (how) {
  case SHORT:
    return 3 + (int32_t)((longest - 3) * u * u * u * u);
  case FULL:
    return u < 0.1 ? 3 + (int32_t)rng_below(r, 8) : longest;
  case SORTED:
    return 3 + (longest - 3) * i / n;
  case SAME:
  case SHAPES:
    break;
  }
  return longest;
}

static dataset *make_dataset(shape how, int32_t longest, int32_t users, uint64_t seed) {
  char path[300];
  vocab *v;
  dataset_writer *w;
  snprintf(path, sizeof path, "%s/data", dir);
  check_ok(vocab_new(&v));
  for (int32_t i = 0; i < ITEMS; i++) {
    char name[32];
    snprintf(name, sizeof name, "item%d", i);
    check_ok(vocab_add(v, RANGE_ITEMS, name, 1, NULL));
  }
  check_ok(writer_open(&w, path, 500, 4, true));
  rng r = rng_at(seed, 1, 0, 0);
  static int32_t tokens[MOST], sessions[MOST];
  static uint8_t events[MOST];
  static int64_t times[MOST];
  for (int32_t u = 0; u < users; u++) {
    const int32_t n = length_of(how, longest, u, users, &r);
    for (int32_t i = 0; i < n; i++) {
      tokens[i] = TOKEN_SPECIALS + (int32_t)rng_below(&r, ITEMS);
      sessions[i] = i / 3;
    }
    tiny_add(w, u, n, tokens, events, times, sessions);
  }
  dataset_info info = {
      .name = "made up", .n_event_types = 1, .event_types = {"none"}, .window = longest, .stride = longest};
  check_ok(writer_finish(w, &info, v, NULL));
  vocab_free(v);
  dataset *d;
  check_ok(dataset_open(&d, path, false));
  return d;
}

static void drop_dataset(dataset *d) {
  char path[300];
  dataset_close(d);
  snprintf(path, sizeof path, "%s/data", dir);
  check_ok(dir_remove(path));
}

typedef struct seen { // in the batches of some epochs: the largest counts, and the sums of all
  batch_caps most;
  double tokens, seqs, masked, work, batches;
} seen;

static int32_t larger(int32_t a, int32_t b) {
  return a > b ? a : b;
}

// Every batch within its capacities, and ended by its tokens: the next one begins with what did not fit. An example may
// turn out `slack` rows shorter than it was counted.
static seen watch(batcher *b, int64_t most_seqs, int32_t slack, int epochs) {
  const batch_caps caps = batcher_caps(b);
  seen s = {.batches = 0};
  int64_t epoch = 0;
  int32_t before = -1; // tokens of the batch before
  for (const batch *x;;) {
    check_ok(batcher_next(b, &x));
    const int32_t first = x->cu_seqlens[1];
    if (x->epoch == epoch && before >= 0)
      assert_true(before + first + slack * (x->seqs + 40) > caps.tokens || most_seqs > 0);
    if (x->epoch == epochs) return s;
    epoch = x->epoch;
    before = x->tokens;
    assert_true(x->tokens <= caps.tokens && x->seqs <= caps.seqs && x->n_masked <= caps.masked);
    assert_true(x->n_work <= batch_max_work(caps));
    s.most.tokens = larger(s.most.tokens, x->tokens);
    s.most.seqs = larger(s.most.seqs, x->seqs);
    s.most.masked = larger(s.most.masked, x->n_masked);
    s.most.work = larger(s.most.work, x->n_work);
    s.tokens += x->tokens, s.seqs += x->seqs, s.masked += x->n_masked, s.work += x->n_work, s.batches++;
  }
}

// Is the capacity no larger than chance demands? The mean is that of a row times the rows that there is room for. By
// Bernstein's inequality a sum of independent numbers up to `unit` exceeds it by more than 10 sqrt(unit mean) + 50 unit with
// a chance below e^-50.
static bool is_tight(int32_t cap, double sum, const seen *s, batch_caps caps, double unit) {
  const double mean = sum / s->tokens * caps.tokens;
  return cap <= mean + 10 * sqrt(unit * mean) + 50 * unit + 1;
}

static void test_histories(void **unused) {
  (void)unused;
  rng r = rng_at(77, 1, 0, 0);
  int near = 0, runs = 0; // where capacities are at most 1.5 times what was seen
  for (int i = 0; i < 8; i++) {
    const shape how = (shape)(i % SHAPES);
    const int32_t longest = 5 + (int32_t)rng_below(&r, i % 3 == 0 ? 300 : 45);
    dataset *d = make_dataset(how, longest, 200 + (int32_t)rng_below(&r, 300), (uint64_t)i);
    for (int k = 0; k < 4; k++) {
      data_config c = data_defaults();
      c.window = 3 + (int64_t)rng_below(&r, (uint64_t)longest - 2);
      c.stride = 1 + (int64_t)rng_below(&r, (uint64_t)c.window);
      c.stride = c.stride < c.window / 4 + 1 ? c.window / 4 + 1 : c.stride;
      c.dupe_factor = (int64_t)rng_below(&r, 3);
      c.last_copies = c.dupe_factor == 0 ? 1.5 : (double)rng_below(&r, 4) * 0.5;
      c.crop = k % 2 == 0 ? 0 : rng_unit(&r);
      c.mask_probability = rng_unit(&r) * (k < 3 ? 0.3 : 1);
      c.batch_tokens = c.window + 4 + (64 << rng_below(&r, 8));
      c.batch_sequences = k == 2 ? 1 + (int64_t)rng_below(&r, 30) : 0;
      c.next_session = k == 3;
      c.mask_spans = i % 2 == 0 ? 1 : 1 + (double)rng_below(&r, 8);
      c.mask_popularity = k == 1 ? 2 * rng_unit(&r) - 1 : 0;
      const seq_layout layout = {.cls_sep = k % 2 == 1,
                                 .max_positions = 3 + (int32_t)rng_below(&r, (uint64_t)c.window + 4),
                                 .n_event_types = 1,
                                 .segments = 2};
      if (layout.cls_sep && layout.max_positions < 6) continue;
      batcher *b;
      check_ok(batcher_open(&b, d, &c, &layout, PART_TRAIN, 0, 1));
      const batch_caps caps = batcher_caps(b);
      const seen s = watch(b, c.batch_sequences, c.next_session ? (int32_t)c.window + 3 : 0, 3);
      if (!c.next_session && how != SORTED) {
        assert_true(is_tight(caps.seqs, s.seqs, &s, caps, 1) || caps.seqs == c.batch_sequences);
        assert_true(is_tight(caps.masked, s.masked, &s, caps, (double)c.window));
        assert_true(is_tight(caps.work, s.work, &s, caps, batch_work((int32_t)c.window)));
      }
      runs++;
      near += caps.seqs <= 1.5 * s.most.seqs && caps.work <= 1.5 * s.most.work &&
              caps.masked <= 1.5 * s.most.masked;
      batcher_close(b);
    }
    drop_dataset(d);
  }
  assert_true(near > runs / 3);
}

// Windows whose items predict their successors, alone and beside masked ones.
static void test_next_items(void **unused) {
  (void)unused;
  rng r = rng_at(78, 1, 0, 0);
  for (int i = 0; i < 12; i++) {
    const shape how = (shape)(i % SHAPES);
    const int32_t longest = 5 + (int32_t)rng_below(&r, i % 3 == 0 ? 200 : 45);
    dataset *d = make_dataset(how, longest, 300, (uint64_t)i);
    for (int k = 0; k < 4; k++) {
      data_config c = data_defaults();
      c.window = 3 + (int64_t)rng_below(&r, (uint64_t)longest - 2);
      c.stride = (c.window + 1) / 2;
      c.dupe_factor = (int64_t)rng_below(&r, 3);
      c.batch_tokens = c.window + 4 + (64 << rng_below(&r, 6));
      const seq_layout layout = {.cls_sep = k % 2 == 1,
                                 .max_positions = 6 + (int32_t)rng_below(&r, (uint64_t)c.window + 4),
                                 .n_event_types = 1,
                                 .segments = 1,
                                 .asks = k < 2 ? ASKS_NEXT : ASKS_BOTH};
      batcher *b;
      check_ok(batcher_open(&b, d, &c, &layout, PART_TRAIN, 0, 1));
      const batch_caps caps = batcher_caps(b);
      const seen s = watch(b, 0, 0, 3);
      if (how != SORTED) {
        assert_true(is_tight(caps.seqs, s.seqs, &s, caps, 1));
        assert_true(is_tight(caps.masked, s.masked, &s, caps, (double)c.window));
        assert_true(is_tight(caps.work, s.work, &s, caps, batch_work((int32_t)c.window)));
      }
      batcher_close(b);
    }
    drop_dataset(d);
  }
}

// A step captured once launches attention for as many items as there is room for, times heads: with 32,768 tokens in
// sequences of 128 rows and 12 heads 6,144 blocks, all of them live.
static void test_whole_sequences(void **unused) {
  (void)unused;
  dataset *d = make_dataset(SAME, 128, 600, 3); // of which 126 are for training
  data_config c = data_defaults();
  c.batch_tokens = 32768;
  c.dupe_factor = 1;
  c.last_copies = 0;
  c.mask_probability = 0.15;
  const seq_layout layout = {.cls_sep = true, .max_positions = 128, .n_event_types = 1, .segments = 2};
  batcher *b;
  check_ok(batcher_open(&b, d, &c, &layout, PART_TRAIN, 0, 1));
  const batch_caps caps = batcher_caps(b);
  assert_int_equal(caps.tokens, 32768);
  assert_int_equal(caps.seqs, 256);
  assert_int_equal(12 * batch_max_work(caps), 6144);
  const seen s = watch(b, 0, 0, 2);
  assert_int_equal(s.most.work, 512);
  assert_true(caps.masked < 1.2 * 0.15 * 126 * 256 && caps.masked > s.most.masked);
  batcher_close(b);
  drop_dataset(d);
}

// Examples as BERT has them: most of them of full length, a tenth of any length. The few short ones must not make the
// capacity for sequences much larger.
static void test_few_short_ones(void **unused) {
  (void)unused;
  example_kind kinds[128] = {{.count = 9e5, .rows = 128, .masked = 20}};
  for (int32_t n = 5; n < 128; n++)
    kinds[n] = (example_kind){.count = 1e5 / 123, .rows = n, .masked = n < 20 ? n : 20};
  memmove(kinds + 1, kinds + 5, 123 * sizeof *kinds);
  batch_bounds b = {.masking = {.probability = 0.15}};
  bounds_add_total(&b, kinds, 124);
  check_ok(bounds_set_all(&b, kinds, 124));
  const batch_caps caps = bounds_caps(&b, 32768, 32768, 128), few = bounds_caps(&b, 32768, 40, 128);
  assert_in_range(caps.seqs, 256 / 0.95, 1.25 * 256 / 0.95);
  assert_in_range(12 * caps.work, 6144, 1.12 * 6144);
  assert_in_range(caps.masked, 20 * 256, 1.2 * 20 * 256);
  assert_int_equal(few.seqs, 40);
  assert_int_equal(few.work, 80);
  assert_int_equal(few.masked, 800);
  // A block of many short ones among others like the rest: a batch may be drawn from it alone.
  const example_kind shorter = {.count = 4096, .rows = 32, .masked = 5};
  check_ok(bounds_add_block(&b, &shorter, 1));
  assert_int_equal(bounds_caps(&b, 32768, 32768, 128).seqs, 1024);
  bounds_free(&b);
}

// One block of long examples among many of short ones: where the number of sequences limits a batch, the long ones have
// most for each of them, and a batch of them alone must not be cut short.
static void test_few_long_ones(void **unused) {
  (void)unused;
  const example_kind all[] = {{.count = 19 * 4096, .rows = 10, .maskable = 10},
                              {.count = 4096, .rows = 500, .maskable = 500}};
  batch_bounds b = {.masking = {.probability = 0.2}};
  bounds_add_total(&b, all, 2);
  check_ok(bounds_set_all(&b, all, 2));
  for (int i = 0; i < 19; i++) check_ok(bounds_add_block(&b, &all[0], 1));
  check_ok(bounds_add_block(&b, &all[1], 1));
  const batch_caps caps = bounds_caps(&b, 32768, 64, 500);
  assert_int_equal(caps.seqs, 64);
  assert_int_equal(caps.work, 64 * 8);
  assert_in_range(caps.masked, 64 * 100, 1.2 * 64 * 100);
  bounds_free(&b);
}

// An evaluation's batches: a query a history, until one does not fit.
static void test_queries(void **unused) {
  (void)unused;
  dataset *d = make_dataset(SHORT, 60, 700, 9);
  const seq_layout layout = {.max_positions = 40, .n_event_types = 1};
  batch_caps caps, few;
  check_ok(bounds_of_queries(&caps, d, &layout, 2048, 1000));
  check_ok(bounds_of_queries(&few, d, &layout, 1 << 20, 1 << 20));
  double rows = 0;
  int32_t seqs[20] = {0}, n = 0, tokens = 0;
  for (int32_t i = 0; i < 700; i++) {
    const int32_t length = dataset_train_lengths(d)[i] + 1 < 40 ? dataset_train_lengths(d)[i] + 1 : 40;
    if (tokens + length > 2048) n++, tokens = 0;
    seqs[n]++;
    tokens += length;
    rows += length;
  }
  for (int32_t i = 0; i < n; i++) assert_in_range(caps.seqs, seqs[i], 5 * seqs[i] / 2);
  assert_int_equal(caps.masked, caps.seqs);
  assert_int_equal(caps.work, caps.seqs);
  assert_int_equal(few.seqs, 700);
  check_near(few.tokens, rows, 0);
  drop_dataset(d);
}

// A batch that has more than there is room for, which chance alone would not bring about: it ends earlier, and nothing is
// lost.
static void test_full(void **unused) {
  (void)unused;
  batch *b;
  const seq_layout layout = {.max_positions = 200, .n_event_types = 1, .segments = 1};
  int32_t tokens[200] = {0};
  const batch_input one = {.tokens = tokens, .n = 1}, two = {.tokens = tokens, .n = 65};
  check_ok(batch_new(&b, (batch_caps){.tokens = 300, .seqs = 5, .masked = 2, .work = 4}));
  batch_clear(b);
  assert_true(batch_add(b, &layout, &two, NULL, 0, NULL, NULL));
  assert_true(batch_add(b, &layout, &one, NULL, 0, NULL, NULL));
  assert_false(batch_add(b, &layout, &two, NULL, 0, NULL, NULL)); // two items of work, room for one
  assert_true(batch_add(b, &layout, &one, NULL, 0, NULL, NULL));
  assert_false(batch_add(b, &layout, &one, NULL, 0, NULL, NULL));
  batch_finish(b);
  assert_int_equal(b->n_work, 4);
  assert_int_equal(b->seqs, 3);
  assert_int_equal(b->tokens, 67);
  assert_int_equal(b->cu_seqlens[3], 67);
  batch_clear(b);
  assert_true(batch_add(b, &layout, &two, NULL, 0, NULL, NULL));
  batch_free(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_histories),
                                     cmocka_unit_test(test_next_items),
                                     cmocka_unit_test(test_whole_sequences),
                                     cmocka_unit_test(test_few_short_ones),
                                     cmocka_unit_test(test_few_long_ones),
                                     cmocka_unit_test(test_queries),
                                     cmocka_unit_test(test_full)};
  return cmocka_run_group_tests_name("batch bounds", tests, set_up, tear_down);
}
