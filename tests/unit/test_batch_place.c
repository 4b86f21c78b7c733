// Places in an epoch: batches of any size go through the same examples, and what an epoch is said to have is what comes.
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "data/batcher.h"
#include "data/writer.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

enum { USERS = 90, WINDOW = 24, STRIDE = 12, MOST_EVENTS = USERS * 64 };

static char dir[256];
static dataset *data_set;

// Histories of up to 63 events, each of an item of its own, so that an event is known by its token.
static void write_distinct(void) {
  vocab *v;
  dataset_writer *w;
  char name[32];
  int32_t tokens[64], sessions[64], item = 0, train = 0; // counts of items are of train parts
  uint8_t events[64];
  int64_t times[64];
  check_ok(vocab_new(&v));
  for (int32_t u = 0; u < USERS; u++) train += 1 + u * 7 % 61;
  for (int32_t i = 0; i < MOST_EVENTS; i++) {
    snprintf(name, sizeof name, "item%d", i);
    check_ok(vocab_add(v, RANGE_ITEMS, name, i < train, NULL));
  }
  check_ok(writer_open(&w, dir, 500, 4, true));
  for (int32_t u = 0; u < USERS; u++) {
    const int32_t n = 3 + u * 7 % 61;
    for (int32_t i = 0; i < n; i++) {
      tokens[i] = TOKEN_SPECIALS + item++;
      events[i] = 1;
      times[i] = i;
      sessions[i] = i / 5;
    }
    tiny_add(w, u, n, tokens, events, times, sessions);
  }
  dataset_info info = {.name = "distinct",
                       .n_event_types = 2,
                       .event_types = {"none", "view"},
                       .window = WINDOW,
                       .stride = STRIDE,
                       .has_time = true};
  check_ok(writer_finish(w, &info, v, NULL));
  vocab_free(v);
}

static int set_up(void **unused) {
  (void)unused;
  tiny_directory(dir, sizeof dir);
  write_distinct();
  return dataset_open(&data_set, dir, false) == OK ? 0 : 1;
}

static int tear_down(void **unused) {
  (void)unused;
  dataset_close(data_set);
  tiny_remove(dir);
  return 0;
}

static seq_layout layout_of(int32_t max_positions, bool cls_sep) {
  return (seq_layout){.cls_sep = cls_sep, .max_positions = max_positions, .n_event_types = 2, .segments = 2};
}

// ---- places --------------------------------------------------------------------------------------------------

static int64_t windows_of(const data_config *c) {
  int64_t windows = 0;
  for (int64_t s = 0; s < USERS; s++)
    windows += window_count(dataset_train_lengths(data_set)[s], (int32_t)c->window, (int32_t)c->stride);
  return windows;
}

// Takes up to `most` batches of each rank, as a run would that is stopped then. Counts the examples by their ids.
static void take_some(const data_config *c, int32_t ranks, int64_t most, data_place *place, int *seen) {
  const seq_layout layout = layout_of(20, false);
  batcher *of[3];
  for (int32_t r = 0; r < ranks; r++) {
    check_ok(batcher_open(&of[r], data_set, c, &layout, PART_TRAIN, r, ranks));
    check_ok(batcher_seek(of[r], place));
  }
  for (int64_t i = 0; i < most && place->epoch == 0; i++)
    for (int32_t r = 0; r < ranks; r++) {
      const batch *x;
      check_ok(batcher_next(of[r], &x));
      assert_int_equal(x->index, x->epoch == 0 ? place->index : 0);
      for (int32_t s = 0; x->epoch == 0 && s < x->seqs; s++) seen[x->seq_ids[s]]++;
      if (r == ranks - 1) *place = (data_place){x->epoch, x->examples, x->index + 1};
    }
  for (int32_t r = 0; r < ranks; r++) batcher_close(of[r]);
}

// An epoch whose batches are of another size, of a rank or more, again and again.
static void go_through(data_config *c, rng *r, int32_t most_ranks, int *seen) {
  data_place place = {.epoch = 0};
  while (place.epoch == 0) {
    c->batch_tokens = 24 + (int64_t)rng_below(r, 600);
    c->batch_sequences = rng_below(r, 3) == 0 ? 1 + (int64_t)rng_below(r, 9) : 0;
    take_some(c, 1 + (int32_t)rng_below(r, (uint64_t)most_ranks), 1 + (int64_t)rng_below(r, 20), &place,
              seen);
  }
}

static void test_changing_batches(void **unused) {
  (void)unused;
  rng r = rng_at(11, 1, 0, 0);
  for (int k = 0; k < 12; k++) {
    data_config c = data_defaults();
    c.window = 10;
    c.stride = 1 + (int64_t)rng_below(&r, 10);
    c.dupe_factor = 1 + (int64_t)rng_below(&r, 2);
    c.seed = k;
    c.negatives = k % 2 == 0 ? 3 : 0;
    const int64_t examples = windows_of(&c) * (c.dupe_factor + 1);
    const int32_t ranks = k < 8 ? 1 : 3;
    int *seen = calloc((size_t)examples, sizeof *seen), missing = 0;
    assert_non_null(seen);
    go_through(&c, &r, ranks, seen);
    for (int64_t i = 0; i < examples; i++) {
      if (seen[i] > 1) fail_msg("case %d: example %lld comes %d times", k, (long long)i, seen[i]);
      missing += seen[i] == 0;
    }
    // Of several ranks none gets the few batches that are left at the end.
    if (ranks == 1) assert_int_equal(missing, 0);
    assert_true(missing < examples / 2);
    free(seen);
  }
}

// What an epoch has left out with several ranks is less than a batch for each, whatever came before.
static void test_ranks_share_the_rest(void **unused) {
  (void)unused;
  data_config c = data_defaults();
  c.window = 10;
  c.stride = 5;
  const int64_t examples = windows_of(&c) * 2;
  int *seen = calloc((size_t)examples, sizeof *seen), missing = 0;
  assert_non_null(seen);
  data_place place = {.epoch = 0};
  c.batch_tokens = 100;
  take_some(&c, 1, 5, &place, seen);
  c.batch_tokens = 40;
  take_some(&c, 3, 1 << 20, &place, seen);
  for (int64_t i = 0; i < examples; i++) {
    assert_true(seen[i] <= 1);
    missing += seen[i] == 0;
  }
  assert_true(missing <= 2 * 40);
  assert_int_equal(place.epoch, 1);
  free(seen);
}

static void test_what_changes_the_order(void **unused) {
  (void)unused;
  const data_config before = data_defaults();
  data_config now = before;
  now.batch_tokens = 7777;
  now.batch_sequences = 3;
  now.mask_probability = 0.4;
  now.negatives = 5;
  now.crop = 0.5;
  assert_null(data_order_changed(&before, &now, false));
  const struct {
    int64_t *field;
    const char *name;
  } cases[] = {{&now.seed, "data.seed"},
               {&now.window, "data.window"},
               {&now.stride, "data.stride"},
               {&now.dupe_factor, "data.dupe_factor"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ++*cases[i].field;
    assert_string_equal(data_order_changed(&before, &now, false), cases[i].name);
    if (i == 0) assert_string_equal(data_order_changed(&before, &now, true), "data.seed");
    if (i > 0)
      assert_null(data_order_changed(&before, &now, true)); // masked elsewhere: no windows, no copies
    --*cases[i].field;
  }
  now.last_copies = 0.5;
  assert_string_equal(data_order_changed(&before, &now, false), "data.last_copies");
  now = before;
  now.copy.feedback = COPY_FEEDBACK_IPS; // rows without a click are not read
  assert_string_equal(data_order_changed(&before, &now, false), "copy.feedback");
}

// ---- what an epoch has ---------------------------------------------------------------------------------------

// Events of an epoch's batches, each counted once: by the tokens of rows and of labels.
static int64_t count_events(batcher *b) {
  bool *seen = calloc(TOKEN_SPECIALS + MOST_EVENTS, sizeof *seen);
  int64_t events = 0, batches;
  assert_non_null(seen);
  check_ok(batcher_epoch_batches(b, 0, &batches));
  for (; batches > 0; batches--) {
    const batch *x;
    check_ok(batcher_next(b, &x));
    assert_int_equal(x->epoch, 0);
    for (int32_t i = 0; i < x->tokens; i++) seen[x->ids[i]] = true;
    for (int32_t i = 0; i < x->n_masked; i++) seen[x->labels[i]] = true;
  }
  for (int32_t i = TOKEN_SPECIALS; i < TOKEN_SPECIALS + MOST_EVENTS; i++) events += seen[i];
  free(seen);
  return events;
}

static void test_coverage_is_what_comes(void **unused) {
  (void)unused;
  rng r = rng_at(12, 1, 0, 0);
  int64_t train = 0;
  int partly = 0;
  for (int64_t s = 0; s < USERS; s++) train += dataset_train_lengths(data_set)[s];
  for (int k = 0; k < 120; k++) {
    data_config c = data_defaults();
    const bool set = k % 3 != 0, pairs = k % 10 == 9 && k < 60;
    seq_layout layout = layout_of(6 + (int32_t)rng_below(&r, 25), k % 2 == 1);
    if (k >= 60) layout.asks = k % 4 < 2 ? ASKS_NEXT : ASKS_BOTH;
    c.window = set ? 4 + (int64_t)rng_below(&r, 40) : 0;
    c.stride = set ? 1 + (int64_t)rng_below(&r, (uint64_t)c.window) : 0;
    c.dupe_factor = k % 4 == 3 ? 0 : 1;
    c.last_copies = k % 4 == 3 ? 0.5 + rng_unit(&r) : 1;
    c.crop = k % 5 == 3 ? 0.5 : 0;
    c.next_session = pairs;
    c.batch_tokens = 256;
    batcher *b;
    batcher_coverage cover;
    check_ok(batcher_open(&b, data_set, &c, &layout, PART_TRAIN, 0, 1));
    check_ok(batcher_get_coverage(b, &cover));
    const int64_t real = count_events(b);
    assert_int_equal(cover.events, train);
    if (!pairs && cover.covered != real)
      fail_msg("case %d: %lld events are said to come, and %lld do", k, (long long)cover.covered,
               (long long)real);
    assert_true(cover.covered <= train);
    if (!set && c.dupe_factor > 0 && layout.asks == ASKS_MASKED)
      assert_int_equal(cover.covered, train); // the windows of the model's size
    partly += cover.covered < train;
    batcher_close(b);
  }
  assert_true(partly > 10);
}

static void test_windows_follow_the_model(void **unused) {
  (void)unused;
  const dataset_info *info = dataset_get_info(data_set);
  const struct {
    int64_t window, stride;
    int32_t max_positions;
    bool cls_sep, pairs;
    data_window is;
  } cases[] = {
      {0, 0, 50, false, false, {24, 12, 50}}, // the data set's fit
      {0, 0, 24, false, false, {24, 12, 24}},
      {0, 0, 24, true, false, {22, 11, 22}}, // [CLS] and [SEP] take two
      {0, 0, 24, true, true, {21, 10, 21}},
      {0, 0, 6, false, false, {6, 3, 6}},
      {0, 0, 1, false, false, {1, 1, 1}},
      {0, 5, 10, false, false, {10, 5, 10}},
      {40, 0, 10, false, false, {40, 20, 10}}, // what is set is taken as it is
      {40, 30, 10, false, false, {40, 30, 10}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    data_config c = data_defaults();
    c.window = cases[i].window;
    c.stride = cases[i].stride;
    c.next_session = cases[i].pairs;
    const seq_layout layout = layout_of(cases[i].max_positions, cases[i].cls_sep);
    const data_window w = data_windows(&c, info, &layout);
    if (memcmp(&w, &cases[i].is, sizeof w) != 0)
      fail_msg("case %zu: %d, %d, %d", i, w.length, w.stride, w.room);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_changing_batches),         cmocka_unit_test(test_ranks_share_the_rest),
      cmocka_unit_test(test_what_changes_the_order),   cmocka_unit_test(test_coverage_is_what_comes),
      cmocka_unit_test(test_windows_follow_the_model),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
