// Batches of rows of copy: an epoch has every row that trains once, in another order each time, the same for the same seed and from any place;
// what a row shows of its user ends before its time; weights; what the layout leaves to the data.
#include <stdlib.h>
#include <string.h>
#include "data/batcher.h"
#include "data/copy_examples.h"
#include "lib/batches.h"
#include "lib/check.h"
#include "lib/prepare_run.h"

enum { ROWS = 60 };
static const seq_layout layout = {
    .cls_sep = true, .max_positions = 32, .n_event_types = 3, .segments = 2, .writes = true};

static void in_dir(const char *which, const char *name) {
  char path[400];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  option_text(which, path);
}

// Row i is of user i % 4, shown at second 10 i, of item i % 3, with a copy of 1 to 5 words; user k has an event every 7 seconds.
static dataset *make(double valid_share) {
  static char rows[1 << 14], events[1 << 13];
  char share[32];
  rows[0] = '\0';
  strcpy(events, "user_id,item_id,event,ts\n");
  for (int i = 0; i < ROWS; i++) {
    sprintf(
        rows + strlen(rows),
        "{\"user\":\"u%d\",\"item\":\"i%d\",\"language\":\"en\",\"market\":\"us\",\"time\":%d,\"copy\":\"",
        i % 4, i % 3, 10 * i);
    for (int k = 0; k <= i % 5; k++)
      sprintf(rows + strlen(rows), "%sw%c", k > 0 ? " " : "", 'a' + (i + k) % 9);
    sprintf(rows + strlen(rows), "%s\"}\n", i % 10 == 9 ? " 3 pieces" : "");
  }
  for (int k = 0; k < 4; k++)
    for (int i = 0; i < 40; i++)
      sprintf(events + strlen(events), "u%d,i%d,%s,%d\n", k, (i + k) % 3, i % 2 ? "buy" : "view", 7 * i);
  begin("data");
  write_log("log", events);
  write_log("rows.jsonl", rows);
  write_log("words.txt",
            "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nwa\nwb\nwc\nwd\nwe\nwf\nwg\nwh\nwi\n3\npieces\n");
  in_dir("output.words", "words.txt");
  in_dir("input.copy", "rows.jsonl");
  option_text("input.copy_time_format", "seconds");
  option_text("fields.time", "ts");
  option_text("fields.event", "event");
  snprintf(share, sizeof share, "%g", valid_share);
  option_text("copy.valid_share", share);
  return run_and_open();
}

static data_config config(void) {
  data_config dc = batches_config();
  dc.batch_tokens = 128;
  return dc;
}

static void every_row_once(void **unused) {
  (void)unused;
  dataset *d = make(0.5);
  const data_config dc = config();
  const copy_rows *r;
  batcher *b;
  int64_t rows_seen = 0, order_changed = 0;
  int64_t first[ROWS];
  check_ok(dataset_copy(d, &r));
  check_ok(batcher_open(&b, d, &dc, &layout, PART_TRAIN, 0, 1));
  for (int epoch = 0; epoch < 2; epoch++) {
    int seen[ROWS] = {0};
    rows_seen = 0;
    while (rows_seen < copy_rows_count(r, COPY_TRAIN)) {
      const batch *x;
      check_ok(batcher_next(b, &x));
      assert_int_equal(x->epoch, epoch);
      assert_true(x->tokens <= batcher_caps(b).tokens && x->n_masked <= batcher_caps(b).masked);
      for (int32_t s = 0; s < x->seqs; s++, rows_seen++) {
        const int64_t row = x->seq_ids[s] - (int64_t)epoch * ROWS;
        assert_true(row >= 0 && row < ROWS && r->part[row] == COPY_TRAIN);
        seen[row]++;
        if (epoch == 0) first[rows_seen] = row;
        order_changed += epoch == 1 && first[rows_seen] != row;
      }
    }
    for (int64_t i = 0; i < ROWS; i++) assert_int_equal(seen[i], r->part[i] == COPY_TRAIN);
  }
  assert_true(copy_rows_count(r, COPY_VALID) > 0 && order_changed > 10);
  batcher_coverage cover;
  check_ok(batcher_get_coverage(b, &cover));
  assert_true(cover.events == copy_rows_count(r, COPY_TRAIN) && cover.covered == cover.events);
  batcher_close(b);
  dataset_close(d);
}

// From any place the batches that follow are those that followed there.
static void seek(void **unused) {
  (void)unused;
  enum { BATCHES = 40 };
  dataset *d = make(0);
  const data_config dc = config();
  uint64_t hashes[BATCHES];
  data_place places[BATCHES];
  batcher *b;
  const batch *x;
  int64_t before = 0;
  check_ok(batcher_open(&b, d, &dc, &layout, PART_TRAIN, 0, 1));
  for (int i = 0; i < BATCHES; i++) {
    check_ok(batcher_next(b, &x));
    hashes[i] = batches_hash_whole(x);
    places[i] = (data_place){.epoch = x->epoch, .index = x->index};
    if (i > 0 && x->epoch == places[i - 1].epoch) places[i].example = before;
    before = x->examples;
  }
  batcher_close(b);
  assert_true(places[BATCHES - 1].epoch > 1);
  for (int start = 0; start < BATCHES; start += 7) {
    check_ok(batcher_open(&b, d, &dc, &layout, PART_TRAIN, 0, 1));
    check_ok(batcher_seek(b, &places[start]));
    for (int i = start; i < BATCHES; i++) {
      check_ok(batcher_next(b, &x));
      assert_true(batches_hash_whole(x) == hashes[i]);
    }
    batcher_close(b);
  }
  dataset_close(d);
}

// Row 30 is of user u2 and second 300, behind all events; row 2 of second 20, behind those of 0, 7 and 14.
static void histories_end_before_the_row(void **unused) {
  (void)unused;
  dataset *d = make(0);
  const data_config dc = {.copy_tokens = 6, .text_tokens = 4};
  copy_layout l;
  copy_examples *e;
  check_ok(copy_layout_of(&l, d, &dc, &layout));
  assert_true(l.copy_tokens == 6 && l.item_tokens == 4);
  check_ok(copy_examples_open(&e, d, &l));
  const copy_source late = copy_examples_source(e, 30), early = copy_examples_source(e, 2);
  assert_int_equal(early.history.n, 3);
  const vocab *v = dataset_vocab(d);
  assert_string_equal(vocab_token(v, early.history.tokens[0]), "i2");
  assert_string_equal(vocab_token(v, early.history.tokens[1]), "i0");
  assert_true(early.history.events[0] != early.history.events[1]);
  // 32 positions, less [CLS], [SEP], five rows of copy, language and market and the item's token.
  assert_int_equal(late.history.n, 32 - 2 - 5 - 2 - 1);
  const copy_plan p = copy_examples_plan(e, 30);
  assert_true(p.source == 32 - 5 && p.item == 1 && p.written == 2);
  copy_examples_close(e);
  // What is 0 is the data's: a copy of 5 words, two of them a quantity, and its end; the rest of the positions is the item's.
  check_ok(copy_layout_of(&l, d, &(data_config){.seed = 1}, &layout));
  assert_int_equal(l.copy_tokens, 8);
  int32_t positions;
  check_ok(copy_positions(&positions, d, &(data_config){.seed = 1}));
  assert_int_equal(positions, 2 + 2 + 1 + COPY_EVENTS + 7);
  const seq_layout small = {.cls_sep = true, .max_positions = 9, .n_event_types = 3, .segments = 2};
  check_ok(copy_layout_of(&l, d, &dc, &small));
  check_ok(copy_examples_open(&e, d, &l)); // whole, without item and history
  assert_true(copy_examples_plan(e, 30).item == 0 && copy_examples_source(e, 30).history.n == 0);
  copy_examples_close(e);
  l.sequence.max_positions = 8;
  check_fails(copy_examples_open(&e, d, &l), ERR_ARGUMENT,
              "model.max_positions = 8 has no room for copy of 6 tokens");
  dataset_close(d);
}

// Tokens count by the row's weight, those of a quantity and the end of a copy that was cut not at all; rows of weight 0 do not come.
static void weights(void **unused) {
  (void)unused;
  dataset *d = make(0);
  const data_config dc = {.copy_tokens = 8, .text_tokens = 4};
  copy_layout l;
  copy_examples *e;
  batch *b;
  check_ok(copy_layout_of(&l, d, &dc, &layout));
  check_ok(copy_examples_open(&e, d, &l));
  check_ok(batch_new(&b, (batch_caps){.tokens = 64, .seqs = 4, .masked = 16}));
  e->weights[9] = 0.5f; // wa wb wc wd we 3 pieces
  batch_clear(b);
  assert_true(copy_examples_put(e, 9, 9, b));
  static const float wanted[] = {0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0, 0, 0.5f};
  assert_int_equal(b->n_masked, 8);
  assert_memory_equal(b->copy_weights, wanted, sizeof wanted);
  ((uint8_t *)(uintptr_t)e->rows->cut)[9] = 1;
  batch_clear(b);
  assert_true(copy_examples_put(e, 9, 9, b));
  assert_true(b->copy_weights[7] == 0 && b->copy_weights[4] == 0.5f);
  batch_free(b);
  copy_examples_close(e);
  dataset_close(d);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_row_once), cmocka_unit_test(seek),
                                     cmocka_unit_test(histories_end_before_the_row),
                                     cmocka_unit_test(weights)};
  return cmocka_run_group_tests_name("copy_source", tests, setup, teardown);
}
