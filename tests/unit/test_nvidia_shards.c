// NVIDIA's pre-training shards: what arrives in batches, the renumbering, and what is refused with which
// sentence; and the child process that reads them.
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/child.h"
#include "base/file.h"
#include "data/batcher.h"
#include "hdf5/hdf5_glue.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"
#include "lib/tiny_shards.h"

static char dir[256];

// Their id in our numbering.
static int32_t ours(int32_t id) {
  return id == 0 ? 0 : id < 10 ? id + 4 : id < 14 ? id - 9 : id;
}

static void write_shard(const char *name, const shard *s, const char *leave_out, hid_t id_type) {
  char path[300];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  tiny_shard(path, s, leave_out, id_type);
}

static void remove_file(const char *name) {
  char path[300];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  unlink(path);
}

static int set_up(void **unused) {
  (void)unused;
  tiny_directory(dir, sizeof dir);
  tiny_vocab(dir);
  return 0;
}

static int tear_down(void **unused) {
  (void)unused;
  tiny_remove(dir);
  return 0;
}

static data_config defaults(void) {
  data_config c = data_defaults();
  c.batch_tokens = 100;
  return c;
}

static const seq_layout bert = {.cls_sep = true, .max_positions = S, .n_event_types = 1, .segments = 2};

enum { ROWS = 130 }; // of three shards

static void three_shards(void) {
  shard *s = malloc(sizeof *s);
  assert_non_null(s);
  make_rows(s, 0, 50);
  write_shard("a.hdf5", s, NULL, H5T_STD_I32LE);
  make_rows(s, 50, 1);
  write_shard("b.h5", s, NULL, H5T_STD_I64LE);
  make_rows(s, 51, 79);
  write_shard("c.hdf5", s, NULL, H5T_STD_I16BE); // any integers will do
  free(s);
}

static void no_shards(void) {
  remove_file("a.hdf5");
  remove_file("b.h5");
  remove_file("c.hdf5");
}

// Sequence s of the batch is row r as make_rows made it.
static void check_sequence(const batch *b, int32_t s, int32_t r) {
  shard *row = malloc(sizeof *row);
  assert_non_null(row);
  make_rows(row, r, 1);
  const int32_t at = b->cu_seqlens[s], n = b->cu_seqlens[s + 1] - at;
  assert_int_equal(n, 4 + r % 9);
  for (int32_t k = 0; k < n; k++) {
    assert_int_equal(b->ids[at + k], ours(row->ids[k]));
    assert_int_equal(b->types[at + k], row->segments[k]);
    assert_int_equal(b->positions[at + k], k);
    assert_int_equal(b->seq_of[at + k], s);
  }
  assert_int_equal(b->nsp_labels[s], r % 2);
  int32_t masks = 0;
  for (int32_t i = 0; i < b->n_masked; i++) {
    const int32_t k = b->masked[i] - at;
    if (k < 0 || k >= n) continue;
    assert_int_equal(k, row->positions[masks]);
    assert_int_equal(b->ids[at + k], TOKEN_MASK);
    assert_int_equal(b->labels[i], ours(row->labels[masks]));
    masks++;
  }
  assert_int_equal(masks, r % 4);
  free(row);
}

static void test_batches(void **unused) {
  (void)unused;
  three_shards();
  dataset *d;
  check_ok(dataset_open(&d, dir, true));
  const dataset_info *info = dataset_get_info(d);
  assert_int_equal(info->sequences, ROWS);
  assert_int_equal(info->longest, S);
  assert_int_equal(info->vocab_size, WORDS);
  assert_int_equal(info->range_end[RANGE_WORDS], WORDS);
  assert_string_equal(vocab_token(dataset_vocab(d), 5), "w1");
  assert_string_equal(vocab_token(dataset_vocab(d), 14), "w14");
  const data_config c = defaults();
  batcher *b, *again;
  check_ok(batcher_open(&b, d, &c, &bert, PART_TRAIN, 0, 1));
  int64_t batches;
  check_ok(batcher_epoch_batches(b, 0, &batches));
  int seen[ROWS] = {0};
  int32_t order[2][ROWS], n = 0;
  for (int epoch = 0; epoch < 2; epoch++, n = 0) {
    for (const batch *x; n < ROWS;) {
      check_ok(batcher_next(b, &x));
      assert_int_equal(x->epoch, epoch);
      for (int32_t s = 0; s < x->seqs; s++) {
        const int32_t row = (int32_t)(x->seq_ids[s] - epoch * ROWS);
        check_sequence(x, s, row);
        order[epoch][n++] = row;
        seen[row]++;
      }
    }
  }
  for (int r = 0; r < ROWS; r++) assert_int_equal(seen[r], 2);
  assert_memory_not_equal(order[0], order[1], sizeof order[0]); // epochs are shuffled
  batcher_close(b);
  // A batcher that seeks goes on as one that did not.
  check_ok(batcher_open(&again, d, &c, &bert, PART_TRAIN, 0, 1));
  check_ok(batcher_seek(again, &(data_place){.epoch = 1}));
  const batch *x;
  check_ok(batcher_next(again, &x));
  for (int32_t s = 0; s < x->seqs; s++) assert_int_equal(x->seq_ids[s] - ROWS, order[1][s]);
  batcher_close(again);
  sequence_block *block;
  check_fails(block_read(&block, d, 0, 1), ERR_ARGUMENT, "holds masked examples, not histories");
  dataset_close(d);
  no_shards();
}

// The capacities are those of the lengths 4 to 12, and every batch but a group's last ends for want of tokens.
static void test_capacities(void **unused) {
  (void)unused;
  three_shards();
  dataset *d;
  check_ok(dataset_open(&d, dir, false));
  data_config c = defaults();
  c.batch_tokens = 700;
  batcher *b;
  check_ok(batcher_open(&b, d, &c, &bert, PART_TRAIN, 0, 1));
  const batch_caps caps = batcher_caps(b);
  const double mean = 700 / 8.0;
  assert_int_equal(caps.tokens, 700);
  assert_in_range(caps.seqs, mean, mean + 10 * sqrt(mean));
  assert_int_equal(caps.work, caps.seqs);
  assert_in_range(caps.masked, P * mean, P * caps.seqs);
  for (int32_t before = 701, i = 0; i < 40; i++) {
    const batch *x;
    check_ok(batcher_next(b, &x));
    assert_true(x->seqs <= caps.seqs && x->n_masked <= caps.masked && x->n_work <= caps.work);
    assert_true(x->index == 0 || before + x->cu_seqlens[1] > 700);
    before = x->tokens;
  }
  batcher_close(b);
  dataset_close(d);
  no_shards();
}

static void test_ranks_share(void **unused) {
  (void)unused;
  three_shards();
  dataset *d;
  check_ok(dataset_open(&d, dir, false));
  const data_config c = defaults();
  batcher *part[2];
  int seen[ROWS] = {0}, batches[2] = {0}, largest = 0, unseen = 0;
  for (int r = 0; r < 2; r++) check_ok(batcher_open(&part[r], d, &c, &bert, PART_TRAIN, r, 2));
  for (int r = 0; r < 2; r++)
    for (const batch *x;;) {
      check_ok(batcher_next(part[r], &x));
      if (x->epoch > 0) break;
      for (int32_t s = 0; s < x->seqs; s++) seen[x->seq_ids[s]]++;
      batches[r]++;
      if (x->seqs > largest) largest = x->seqs;
    }
  for (int r = 0; r < 2; r++) batcher_close(part[r]);
  assert_int_equal(batches[0], batches[1]);
  for (int r = 0; r < ROWS; r++) {
    assert_true(seen[r] <= 1);
    unseen += seen[r] == 0;
  }
  assert_true(unseen <= largest); // of an odd batch, at the end of an epoch
  dataset_close(d);
  no_shards();
}

static void test_training_files_only(void **unused) {
  (void)unused;
  shard *s = malloc(sizeof *s);
  assert_non_null(s);
  make_rows(s, 0, 7);
  write_shard("corpus_test_0.hdf5", s, NULL, H5T_STD_I32LE);
  make_rows(s, 0, 9);
  write_shard("corpus_training_0.hdf5", s, NULL, H5T_STD_I32LE);
  dataset *d;
  check_ok(dataset_open(&d, dir, false));
  assert_int_equal(dataset_get_info(d)->sequences, 9);
  dataset_close(d);
  remove_file("corpus_test_0.hdf5");
  remove_file("corpus_training_0.hdf5");
  free(s);
}

static void test_options_that_do_not_fit(void **unused) {
  (void)unused;
  three_shards();
  dataset *d;
  check_ok(dataset_open(&d, dir, false));
  data_config c = defaults();
  seq_layout layout = bert;
  batcher *b;
  check_fails(batcher_open(&b, d, &c, &bert, PART_VALID, 0, 1), ERR_ARGUMENT, "nothing to validate on");
  c.negatives = 10;
  check_fails(batcher_open(&b, d, &c, &bert, PART_TRAIN, 0, 1), ERR_ARGUMENT, "data.negatives = 10");
  c.negatives = 0;
  layout.max_positions = 8;
  check_fails(batcher_open(&b, d, &c, &layout, PART_TRAIN, 0, 1), ERR_ARGUMENT,
              "examples of 12 tokens, model.max_positions is 8");
  layout = bert;
  layout.segments = 1;
  check_fails(batcher_open(&b, d, &c, &layout, PART_TRAIN, 0, 1), ERR_ARGUMENT, "model.segments");
  dataset_close(d);
  no_shards();
}

// ---- refusals ------------------------------------------------------------------------------------------------

static void spoil_pad(shard *s) {
  s->mask[3 * S + 1] = 0;
}
static void spoil_empty(shard *s) {
  memset(s->mask + 4 * S, 0, S);
}
static void spoil_mask_value(shard *s) {
  s->mask[2 * S] = 2;
}
static void spoil_id(shard *s) {
  s->ids[5 * S + 2] = WORDS;
}
static void spoil_negative_id(shard *s) {
  s->ids[5 * S + 2] = -1;
}
static void spoil_segment(shard *s) {
  s->segments[6 * S + 1] = 2;
}
static void spoil_position(shard *s) {
  s->positions[3 * P + 1] = S;
}
static void spoil_position_in_padding(shard *s) {
  s->positions[1 * P] = 5; // row 1 has five tokens
}
static void spoil_negative_position(shard *s) {
  s->positions[3 * P + 1] = -1;
}
static void spoil_twice(shard *s) {
  s->positions[3 * P + 1] = s->positions[3 * P];
}
static void spoil_label(shard *s) {
  s->labels[3 * P + 2] = 1000;
}
static void spoil_next(shard *s) {
  s->next[8] = -1;
}

static void check_refused(const shard *s, const char *text) {
  write_shard("a.hdf5", s, NULL, H5T_STD_I32LE);
  dataset *d;
  status rc = dataset_open(&d, dir, false);
  if (rc == OK) {
    const data_config c = defaults();
    batcher *b;
    const batch *x;
    check_ok(batcher_open(&b, d, &c, &bert, PART_TRAIN, 0, 1));
    rc = batcher_next(b, &x);
    batcher_close(b);
  }
  assert_int_equal(rc, ERR_FORMAT);
  if (strstr(fail_message(), text) == NULL || strstr(fail_message(), "a.hdf5") == NULL)
    fail_msg("\"%s\" does not say \"%s\"", fail_message(), text);
  dataset_close(d);
  remove_file("a.hdf5");
}

static void test_bad_values(void **unused) {
  (void)unused;
  static const struct {
    void (*spoil)(shard *s);
    const char *text;
  } cases[] = {
      {spoil_pad, "\"input_mask\" row 3 is not ones followed by zeros"},
      {spoil_empty, "\"input_mask\" row 4 is empty"},
      {spoil_mask_value, "\"input_mask\" row 2 is not ones"},
      {spoil_id, "\"input_ids\" row 5 column 2 is 60, not an id of the vocabulary's 60"},
      {spoil_negative_id, "\"input_ids\" row 5 column 2 is -1"},
      {spoil_segment, "\"segment_ids\" row 6 column 1 is 2, not 0 or 1"},
      {spoil_position, "\"masked_lm_positions\" row 3 column 1 is 12, not the place of a token"},
      {spoil_position_in_padding, "\"masked_lm_positions\" row 1 column 0 is 5, not the place"},
      {spoil_negative_position, "\"masked_lm_positions\" row 3 column 1 is -1"},
      {spoil_twice, "\"masked_lm_positions\" row 3 column 1 is 1, a second time in this row"},
      {spoil_label, "\"masked_lm_ids\" row 3 column 2 is 1000, not an id"},
      {spoil_next, "\"next_sentence_labels\" row 8 column 0 is -1, not 0 or 1"},
  };
  shard *s = malloc(sizeof *s);
  assert_non_null(s);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    make_rows(s, 0, 20);
    cases[i].spoil(s);
    check_refused(s, cases[i].text);
  }
  free(s);
}

static void write_one(const char *name, hid_t type, int ndim, hsize_t a, hsize_t b) {
  char path[300];
  const hsize_t dims[2] = {a, b};
  snprintf(path, sizeof path, "%s/a.hdf5", dir);
  h5_lock();
  const hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), space = H5Screate_simple(ndim, dims, NULL);
  const hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  assert_true(set >= 0);
  H5Dclose(set);
  H5Sclose(space);
  H5Fclose(file);
  h5_unlock();
}

static void test_bad_shapes(void **unused) {
  (void)unused;
  static const char *const names[] = {"input_ids",           "input_mask",    "segment_ids",
                                      "masked_lm_positions", "masked_lm_ids", "next_sentence_labels"};
  shard *s = malloc(sizeof *s);
  dataset *d;
  assert_non_null(s);
  make_rows(s, 0, 20);
  for (int k = 0; k < 6; k++) {
    char text[100];
    write_shard("a.hdf5", s, names[k], H5T_STD_I32LE);
    snprintf(text, sizeof text, "dataset \"%s\" is missing", names[k]);
    check_fails(dataset_open(&d, dir, false), ERR_FORMAT, text);
    write_one(names[k], H5T_IEEE_F32LE, k == 5 ? 1 : 2, 20, k == 3 || k == 4 ? P : S);
    snprintf(text, sizeof text, "dataset \"%s\" does not hold integers", names[k]);
    check_fails(dataset_open(&d, dir, false), ERR_FORMAT, text);
    write_shard("a.hdf5", s, names[k], H5T_STD_I32LE);
    write_one(names[k], H5T_STD_I32LE, k == 5 ? 2 : 1, 20, S);
    snprintf(text, sizeof text, k < 3 ? "dataset \"%s\" has 1 dimension(s), not 2" : "dataset \"%s\" has ",
             names[k]);
    check_fails(dataset_open(&d, dir, false), ERR_FORMAT,
                k == 3 ? "\"masked_lm_ids\" has 3 columns, not 1" : text);
    write_shard("a.hdf5", s, names[k], H5T_STD_I32LE);
    write_one(names[k], H5T_STD_I32LE, k == 5 ? 1 : 2, 21, k == 3 || k == 4 ? P : S);
    check_fails(dataset_open(&d, dir, false), ERR_FORMAT,
                k == 0 ? "has 20 rows, \"input_ids\" has 21" : "has 21 rows");
    if (k == 5) continue;
    write_shard("a.hdf5", s, names[k], H5T_STD_I32LE);
    write_one(names[k], H5T_STD_I32LE, 2, 20, S + 1);
    check_fails(dataset_open(&d, dir, false), ERR_FORMAT, "columns");
  }
  // A file that claims more than it could ever hold costs nothing but a sentence.
  write_shard("a.hdf5", s, "input_ids", H5T_STD_I32LE);
  char path[300];
  snprintf(path, sizeof path, "%s/a.hdf5", dir);
  const hsize_t huge[2] = {(hsize_t)1 << 40, S}, chunk[2] = {1024, S};
  h5_lock();
  const hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), space = H5Screate_simple(2, huge, NULL);
  const hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(plist, 2, chunk);
  const hid_t set = H5Dcreate2(file, "input_ids", H5T_STD_I32LE, space, H5P_DEFAULT, plist, H5P_DEFAULT);
  assert_true(set >= 0);
  H5Dclose(set);
  H5Pclose(plist);
  H5Sclose(space);
  H5Fclose(file);
  h5_unlock();
  check_fails(dataset_open(&d, dir, false), ERR_FORMAT, "1099511627776 x 12 elements");
  remove_file("a.hdf5");
  free(s);
}

static void test_bad_files(void **unused) {
  (void)unused;
  char path[300];
  dataset *d;
  snprintf(path, sizeof path, "%s/a.hdf5", dir);
  check_ok(file_write_atomic(path, "not HDF5", 8));
  check_fails(dataset_open(&d, dir, false), ERR_FORMAT, "a.hdf5 as an HDF5 file");
  remove_file("vocab.txt");
  check_fails(dataset_open(&d, dir, false), ERR_NOT_FOUND, "not the vocabulary they were made with");
  char words[300];
  snprintf(words, sizeof words, "%s/vocab.txt", dir);
  check_ok(file_write_atomic(words, "[PAD]\nx\xff\n", 9));
  check_fails(dataset_open(&d, dir, false), ERR_FORMAT, "vocab.txt line 2 is not UTF-8");
  check_ok(file_write_atomic(words, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n", 24));
  check_fails(dataset_open(&d, dir, false), ERR_FORMAT, "has no token \"[MASK]\"");
  check_ok(file_write_atomic(words, "[PAD]\nx\nx\n", 10));
  check_fails(dataset_open(&d, dir, false), ERR_FORMAT, "has no token \"[UNK]\"");
  remove_file("a.hdf5");
  tiny_vocab(dir);
  check_fails(dataset_open(&d, dir, false), ERR_ARGUMENT, "a data set is needed; souk prepare makes one");
}

// A file cut short anywhere is an error or, where only unused bytes are gone, the same rows; never a crash
// of ours.
static void test_truncated(void **unused) {
  (void)unused;
  shard *s = malloc(sizeof *s);
  assert_non_null(s);
  make_rows(s, 0, 20);
  write_shard("a.hdf5", s, NULL, H5T_STD_I32LE);
  char path[300], *bytes;
  size_t n;
  snprintf(path, sizeof path, "%s/a.hdf5", dir);
  check_ok(file_read(path, 1 << 20, &bytes, &n));
  int refused = 0;
  for (size_t cut = 0; cut < n; cut += n / 23 + 1) {
    check_ok(file_write_atomic(path, bytes, cut));
    dataset *d;
    refused += dataset_open(&d, dir, false) != OK;
    dataset_close(d);
  }
  assert_true(refused >= 20);
  free(bytes);
  free(s);
  remove_file("a.hdf5");
}

// ---- the child process ---------------------------------------------------------------------------------------

static void echo(void *self, int channel) {
  (void)self;
  for (int32_t x; channel_read(channel, &x, sizeof x);) {
    if (x < 0) kill(getpid(), SIGKILL);
    if (x == 0) return;
    if (x == 7) {
      child_time_limit(1);
      for (volatile unsigned k = 0;; k = k + 1) {
      }
    }
    x++;
    channel_write(channel, &x, sizeof x);
  }
}

static void check_end(int32_t order, const char *text) {
  child *c;
  int32_t x = 41;
  check_ok(child_start(&c, "the process that echoes", echo, NULL));
  check_ok(child_send(c, &x, sizeof x));
  check_ok(child_receive(c, &x, sizeof x));
  assert_int_equal(x, 42);
  check_ok(child_send(c, &order, sizeof order));
  check_fails(child_receive(c, &x, sizeof x), ERR_FORMAT, text);
  check_fails(child_send(c, &x, sizeof x), ERR_FORMAT, "the process that echoes has ended");
  child_stop(c);
}

static void test_child(void **unused) {
  (void)unused;
  check_end(-1, "the process that echoes was ended by SIGKILL (Killed)");
  check_end(0, "the process that echoes ended before it answered");
  check_end(7, "the process that echoes did not finish");
  child *c;
  check_ok(child_start(&c, "the process that echoes", echo, NULL));
  child_stop(c); // at rest, and never asked
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_batches),
      cmocka_unit_test(test_capacities),
      cmocka_unit_test(test_ranks_share),
      cmocka_unit_test(test_training_files_only),
      cmocka_unit_test(test_options_that_do_not_fit),
      cmocka_unit_test(test_bad_values),
      cmocka_unit_test(test_bad_shapes),
      cmocka_unit_test(test_bad_files),
      cmocka_unit_test(test_truncated),
      cmocka_unit_test(test_child),
  };
  return cmocka_run_group_tests_name("nvidia_shards", tests, set_up, tear_down);
}
