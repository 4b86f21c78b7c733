// Batches of an epoch: that it is complete, seeking, ranks, the validation part, and what is refused.
#include <stdlib.h>
#include <string.h>
#include "data/batcher.h"
#include "hdf5/hdf5_glue.h"
#include "lib/batches.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

static void test_epoch_is_complete(void **unused) {
  (void)unused;
  data_config c = batches_config();
  c.window = 5;
  c.stride = 2;
  c.dupe_factor = 2;
  c.last_copies = 1;
  batcher *b = batches_of_training(&c, &items_only);
  int64_t batches, windows = 0;
  check_ok(batcher_epoch_batches(b, 0, &batches));
  for (int64_t s = 0; s < 150; s++) windows += window_count(dataset_train_lengths(batches_data)[s], 5, 2);
  int *seen = calloc((size_t)(3 * windows), sizeof *seen);
  assert_non_null(seen);
  const batch *x;
  for (int64_t i = 0; i < batches; i++) {
    check_ok(batcher_next(b, &x));
    batches_check(x, &items_only, batcher_caps(b));
    assert_int_equal(x->epoch, 0);
    assert_int_equal(x->index, i);
    for (int32_t s = 0; s < x->seqs; s++) seen[x->seq_ids[s]]++;
  }
  for (int64_t i = 0; i < 3 * windows; i++) assert_int_equal(seen[i], 1); // every copy of every window once
  check_ok(batcher_next(b, &x));
  assert_int_equal(x->epoch, 1);
  assert_int_equal(x->index, 0);
  free(seen);
  batcher_close(b);
}

static void check_seek(const seq_layout *layout) {
  data_config c = batches_config();
  c.negatives = 7;
  c.crop = 0.5;
  uint64_t hashes[80];
  batcher *b = batches_of_training(&c, layout);
  const batch *x;
  data_place places[80];
  int64_t before = 0;
  for (int i = 0; i < 80; i++) {
    check_ok(batcher_next(b, &x));
    hashes[i] = batches_hash_whole(x);
    places[i] = (data_place){.epoch = x->epoch, .index = x->index};
    if (i > 0 && x->epoch == places[i - 1].epoch) places[i].example = before;
    before = x->examples;
  }
  assert_true(places[79].epoch > 0);
  batcher_close(b);
  for (int start = 0; start < 80; start += 13) {
    b = batches_of_training(&c, layout);
    data_place found;
    check_ok(batcher_find_batch(b, places[start].epoch, places[start].index, &found));
    assert_memory_equal(&found, &places[start], sizeof found);
    check_ok(batcher_seek(b, &places[start]));
    for (int i = start; i < 80; i++) {
      check_ok(batcher_next(b, &x));
      assert_true(batches_hash_whole(x) == hashes[i]);
    }
    batcher_close(b);
  }
  c.seed = 2;
  b = batches_of_training(&c, layout);
  check_ok(batcher_next(b, &x));
  assert_true(batches_hash_whole(x) != hashes[0]);
  batcher_close(b);
}

static void test_seek_equals_continuing(void **unused) {
  (void)unused;
  for (int asks = ASKS_MASKED; asks <= ASKS_BOTH; asks++) {
    const seq_layout layout = batches_asking(&items_only, (seq_asks)asks);
    check_seek(&layout);
  }
}

// Batches are what they were when capacities were as large as the token budget: a run goes on from its checkpoints.
static void test_batches_of_before(void **unused) {
  (void)unused;
  char larger[256];
  dataset *d;
  tiny_directory(larger, sizeof larger);
  tiny_dataset(larger, 2500, 40, 0);
  check_ok(dataset_open(&d, larger, false));
  const struct {
    int64_t tokens, sequences, dupe_factor, negatives;
    double probability, last_copies, crop;
    bool pairs;
    uint64_t hash;
    seq_asks asks;
  } known[] = {
      {64, 0, 1, 0, 0.2, 1, 0, false, 0xfdbb9b38a413c297u, ASKS_MASKED},
      {512, 0, 1, 5, 0.2, 1, 0.5, false, 0x6cbeed0ff6b574d5u, ASKS_MASKED},
      {1000, 9, 2, 0, 0.15, 0, 0, true, 0x10373fa36994d63du, ASKS_MASKED},
      {4096, 0, 1, 0, 0.15, 1.5, 0.3, true, 0x130d9e67e7634dc6u, ASKS_MASKED},
      {2048, 0, 0, 7, 0.2, 1.25, 1, false, 0xf62664920f0d23dfu, ASKS_MASKED},
      {300, 0, 3, 0, 0.9, 0.5, 0, false, 0x9691b1c737b22b97u, ASKS_MASKED},
      {64, 0, 1, 0, 0.2, 1, 0, false, 0xb1ba99eb27385fa5u, ASKS_NEXT},
      {512, 9, 1, 5, 0.2, 0, 0, false, 0x24bd1bfa99045a71u, ASKS_BOTH},
      {1000, 0, 1, 7, 0.15, 1, 0.3, true, 0x580d55b722db0581u, ASKS_BOTH},
  };
  int wrong = 0;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    data_config c = batches_config();
    c.batch_tokens = known[i].tokens;
    c.batch_sequences = known[i].sequences;
    c.dupe_factor = known[i].dupe_factor;
    c.negatives = known[i].negatives;
    c.mask_probability = known[i].probability;
    c.mask_style = i % 2 == 0 ? MASK_ALWAYS : MASK_BERT;
    c.last_copies = known[i].last_copies;
    c.crop = known[i].crop;
    c.next_session = known[i].pairs;
    const seq_layout layout = batches_asking(known[i].pairs ? &bert : &items_only, known[i].asks);
    batcher *b;
    check_ok(batcher_open(&b, d, &c, &layout, PART_TRAIN, 0, 1));
    uint64_t hash = 0;
    const batch *x;
    for (;;) {
      check_ok(batcher_next(b, &x));
      if (x->epoch == 3) break;
      hash = hash * 31 + batches_hash_whole(x);
    }
    if (hash != known[i].hash) print_error("case %zu: 0x%016llx\n", i, (unsigned long long)hash);
    wrong += hash != known[i].hash;
    batcher_close(b);
  }
  assert_int_equal(wrong, 0);
  dataset_close(d);
  tiny_remove(larger);
}

static void test_ranks_partition(void **unused) {
  (void)unused;
  data_config c = batches_config();
  batcher *whole = batches_of_training(&c, &items_only), *part[3];
  for (int r = 0; r < 3; r++)
    check_ok(batcher_open(&part[r], batches_data, &c, &items_only, PART_TRAIN, r, 3));
  const batch *x, *y;
  for (int i = 0; i < 9; i++) {
    check_ok(batcher_next(whole, &x));
    check_ok(batcher_next(part[i % 3], &y));
    assert_true(batches_hash(x) == batches_hash(y));
    assert_int_equal(y->index, i / 3);
  }
  batcher_close(whole);
  for (int r = 0; r < 3; r++) batcher_close(part[r]);
}

// Ranks go from epoch to epoch at the same step: what is left when batches are dealt is nobody's.
static void test_ranks_stay_together(void **unused) {
  (void)unused;
  data_config c = batches_config();
  int64_t all, each;
  batcher *part[4], *whole = batches_of_training(&c, &items_only);
  check_ok(batcher_epoch_batches(whole, 0, &all));
  batcher_close(whole);
  for (int ranks = 2; ranks <= 4; ranks++) {
    for (int r = 0; r < ranks; r++)
      check_ok(batcher_open(&part[r], batches_data, &c, &items_only, PART_TRAIN, r, ranks));
    check_ok(batcher_epoch_batches(part[0], 0, &each));
    assert_int_equal(each, all / ranks);
    for (int64_t i = 0, epoch = 0; epoch < 3; i++) {
      for (int r = 0; r < ranks; r++) {
        const batch *x;
        check_ok(batcher_next(part[r], &x));
        if (r == 0 && x->epoch > epoch) {
          i = 0;
          epoch = x->epoch;
        }
        assert_int_equal(x->epoch, epoch);
        assert_int_equal(x->index, i);
      }
      if (epoch == 0) assert_true(i < each);
    }
    for (int r = 0; r < ranks; r++) batcher_close(part[r]);
  }
  c.batch_tokens = 1 << 20;
  check_fails(batcher_open(&part[0], batches_data, &c, &items_only, PART_TRAIN, 0, 4), ERR_ARGUMENT,
              "has fewer batches in an epoch than there are ranks (4); lower data.batch_tokens");
}

static void check_validation(seq_asks asks) {
  const seq_layout layout = batches_asking(&items_only, asks);
  const int32_t masks = asks == ASKS_MASKED; // rows that are no items
  data_config c = batches_config();
  batcher *b;
  check_ok(batcher_open(&b, batches_data, &c, &layout, PART_VALID, 0, 1));
  sequence_block *all;
  check_ok(block_read(&all, batches_data, 0, 150));
  for (int pass = 0; pass < 2; pass++) {
    int64_t n = 0;
    for (const batch *x;;) {
      check_ok(batcher_next(b, &x));
      if (x == NULL) break;
      batches_check(x, &layout, batcher_caps(b));
      for (int32_t s = 0; s < x->seqs; s++, n++) {
        sequence q;
        block_get(all, x->seq_ids[s], &q);
        assert_int_equal(x->labels[s], q.tokens[q.valid_from]);
        assert_int_equal(x->masked[s], x->cu_seqlens[s + 1] - 1);
        const int32_t length = x->cu_seqlens[s + 1] - x->cu_seqlens[s];
        assert_int_equal(x->prefix_len[s], masks ? length : 0);
        assert_true((x->next_weights[s] > 0) == (asks != ASKS_MASKED));
        const int32_t kept = x->ids[x->cu_seqlens[s + 1] - 1] == TOKEN_MASK ? length - 1 : length;
        assert_int_equal(kept, q.valid_from < 20 - masks ? q.valid_from : 20 - masks);
        assert_true(masks || kept == length || kept == 0); // a [MASK] only where there is no item
        if (kept > 0)
          assert_memory_equal(x->ids + x->cu_seqlens[s], q.tokens + q.valid_from - kept, (size_t)kept * 4);
      }
    }
    assert_int_equal(n, 150);
  }
  block_free(all);
  batcher_close(b);
}

static void test_validation_part(void **unused) {
  (void)unused;
  for (int asks = ASKS_MASKED; asks <= ASKS_BOTH; asks++) check_validation((seq_asks)asks);
}

static void test_last_rows(void **unused) {
  (void)unused;
  data_config c = batches_config();
  const seq_layout layout = batches_asking(&items_only, ASKS_NEXT);
  c.next_rows = NEXT_ROWS_LAST;
  batcher *b = batches_of_training(&c, &layout);
  const batch *x;
  for (int k = 0; k < 20; k++) {
    check_ok(batcher_next(b, &x));
    assert_int_equal(x->n_masked, x->seqs);
    for (int32_t i = 0; i < x->n_masked; i++)
      assert_int_equal(x->masked[i], x->cu_seqlens[x->seq_of[x->masked[i]] + 1] - 1);
  }
  batcher_close(b);
}

static void test_errors(void **unused) {
  (void)unused;
  data_config c = batches_config();
  batcher *b;
  c.dupe_factor = 0;
  c.last_copies = 0;
  check_fails(batcher_open(&b, batches_data, &c, &items_only, PART_TRAIN, 0, 1), ERR_ARGUMENT,
              "nothing to train on");
  c = batches_config();
  c.next_session = true;
  check_fails(batcher_open(&b, batches_data, &c, &items_only, PART_TRAIN, 0, 1), ERR_ARGUMENT, "cls_sep");
  c = batches_config();
  c.window = 4;
  c.stride = 9;
  check_fails(batcher_open(&b, batches_data, &c, &items_only, PART_TRAIN, 0, 1), ERR_ARGUMENT, "data.stride");
  c = batches_config();
  b = batches_of_training(&c, &items_only);
  data_place place = {.example = 100000};
  check_fails(batcher_find_batch(b, 0, 100000, &place), ERR_ARGUMENT, "epoch 0 has no batch 100000");
  check_fails(batcher_seek(b, &place), ERR_ARGUMENT, "epoch 0 has no example 100000");
  batcher_close(b);
}

// A thread that holds HDF5's lock must not wait for the batcher's thread, which may be waiting for that lock.
static void test_order_of_locks(void **unused) {
  (void)unused;
  data_config c = batches_config();
  batcher *b = batches_of_training(&c, &items_only);
  const batch *out;
  h5_lock();
  check_fails(batcher_next(b, &out), ERR_INTERNAL,
              "batcher_next would wait for a thread while HDF5 is locked");
  h5_unlock();
  check_ok(batcher_next(b, &out));
  assert_non_null(out);
  batcher_close(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_epoch_is_complete),   cmocka_unit_test(test_seek_equals_continuing),
      cmocka_unit_test(test_batches_of_before),   cmocka_unit_test(test_ranks_partition),
      cmocka_unit_test(test_ranks_stay_together), cmocka_unit_test(test_validation_part),
      cmocka_unit_test(test_last_rows),           cmocka_unit_test(test_errors),
      cmocka_unit_test(test_order_of_locks)};
  return cmocka_run_group_tests_name("batcher", tests, batches_set_up, batches_tear_down);
}
