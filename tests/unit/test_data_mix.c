// Epochs of histories, texts of items and pairs of both: what they have, how it is masked, and that they are a function of seed and
// epoch, for any number of ranks and from any place.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "data/batcher.h"
#include "data/data_mix.h"
#include "data/item_texts.h"
#include "data/permutation.h"
#include "lib/batches.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"
#include "lib/tiny_texts.h"

enum { USERS = 200, ITEMS = 50, WITH_WORDS = 42 };
static const seq_layout layout = {.cls_sep = true, .max_positions = 24, .n_event_types = 3, .segments = 2};

static char dir[256];
static dataset *d;
static data_config c;

static int set_up(void **unused) {
  (void)unused;
  tiny_directory(dir, sizeof dir);
  tiny_texts(dir, USERS, ITEMS);
  c = data_defaults();
  c.batch_tokens = 100;
  return dataset_open(&d, dir, false) == OK ? 0 : 1;
}

static int tear_down(void **unused) {
  (void)unused;
  dataset_close(d);
  tiny_remove(dir);
  return 0;
}

static void mix_is(const char *text) {
  snprintf(c.mix, sizeof c.mix, "%s", text);
}

static batcher *open_as(int32_t rank, int32_t ranks) {
  batcher *b;
  check_ok(batcher_open(&b, d, &c, &layout, PART_TRAIN, rank, ranks));
  return b;
}

// ---- what an epoch has ---------------------------------------------------------------------------------------

typedef struct counts {
  int64_t seqs, texts, pairs, falses, masked, of_item[ITEMS];
} counts;

static bool is_word(int32_t t) {
  return t >= TOKEN_SPECIALS && t < TOKEN_SPECIALS + TINY_WORDS;
}

// The token at a row before it was masked.
static int32_t truth(const batch *b, int32_t row) {
  for (int32_t i = 0; i < b->n_masked; i++)
    if (b->masked[i] == row) return b->labels[i];
  return b->ids[row];
}

static bool is_masked(const batch *b, int32_t row) {
  for (int32_t i = 0; i < b->n_masked; i++)
    if (b->masked[i] == row) return true;
  return false;
}

// Rows [begin, end) are words and a brand of one item, the newest part of which may be cut; returns the item, -1: of several.
static void check_text(const batch *b, int32_t begin, int32_t end, int32_t segment) {
  const int32_t brand = truth(b, end - 1);
  assert_true(brand == TOKEN_SPECIALS + TINY_WORDS || brand == TOKEN_SPECIALS + TINY_WORDS + 1);
  assert_false(is_masked(b, end - 1));
  for (int32_t row = begin; row < end - 1; row++) {
    assert_true(is_word(truth(b, row)));
    if (truth(b, row) >= TOKEN_SPECIALS + 10)
      assert_int_equal(is_masked(b, row), is_masked(b, row - 1)); // one word
  }
  for (int32_t row = begin; row < end; row++) assert_int_equal(b->types[row], segment * 3);
}

static void check_sequence(const batch *b, int32_t s, counts *n) {
  const int32_t begin = b->cu_seqlens[s], end = b->cu_seqlens[s + 1];
  int32_t seps = 0, second = -1, masked = 0;
  for (int32_t row = begin; row < end; row++) {
    if (b->ids[row] == TOKEN_SEP && ++seps == 1) second = row + 1;
    masked += is_masked(b, row);
  }
  assert_int_equal(b->ids[begin], TOKEN_CLS);
  assert_int_equal(b->ids[end - 1], TOKEN_SEP);
  assert_true(masked > 0);
  n->seqs++;
  n->masked += masked;
  const bool text = truth(b, begin + 1) < TINY_FIRST;
  if (text) {
    n->texts++;
    n->of_item[b->seq_ids[s] % WITH_WORDS]++; // for counting how evenly they come
    check_text(b, begin + 1, end - 1, 0);
  } else if (seps == 2) {
    n->pairs++;
    n->falses += b->nsp_labels[s] == 1;
    check_text(b, second, end - 1, 1);
    for (int32_t row = begin + 1; row < second - 1; row++) assert_true(truth(b, row) >= TINY_FIRST);
  }
}

static counts count_epoch(int64_t epoch) {
  batcher *b = open_as(0, 1);
  int64_t batches;
  counts n = {0};
  check_ok(batcher_epoch_batches(b, epoch, &batches));
  check_ok(batcher_seek(b, &(data_place){.epoch = epoch}));
  for (int64_t i = 0; i < batches; i++) {
    const batch *x;
    check_ok(batcher_next(b, &x));
    assert_true(x->tokens <= c.batch_tokens);
    for (int32_t s = 0; s < x->seqs; s++) check_sequence(x, s, &n);
  }
  batcher_close(b);
  return n;
}

static void an_epoch_has_what_the_weights_say(void **unused) {
  (void)unused;
  const counts plain = count_epoch(0);
  assert_int_equal(plain.seqs,
                   2 * USERS); // a copy masked at random and one with the last item, of a window each
  mix_is("histories 1, texts 0.5, pairs 0.25");
  counts n = count_epoch(3);
  assert_int_equal(n.texts, USERS);
  // Of every seventh user the window has a single event, and of every seventh item the text no word.
  const int64_t pairs = n.seqs - n.texts - 2 * USERS;
  assert_true(pairs > USERS * 3 / 8 && pairs < USERS / 2);
  assert_true(n.pairs > USERS / 4 && n.pairs < USERS / 2);
  assert_int_equal(n.falses, 0);
  mix_is("pairs 2, texts 1");
  n = count_epoch(0);
  assert_int_equal(n.texts, USERS / 2);
  mix_is("texts");
  n = count_epoch(0);
  assert_int_equal(n.seqs, WITH_WORDS);
  mix_is("histories 0, texts 5");
  assert_int_equal(count_epoch(1).seqs, WITH_WORDS);
}

static void texts_come_equally_often(void **unused) {
  (void)unused;
  mix_is("histories 1, texts 0.2"); // 80 an epoch, of 42
  batcher *b = open_as(0, 1);
  int64_t seen[WITH_WORDS * 10] = {0};
  for (int64_t first = -1, texts = 0; texts < WITH_WORDS * 4;) {
    const batch *x;
    check_ok(batcher_next(b, &x));
    for (int32_t s = 0; s < x->seqs; s++) {
      const int64_t id = x->seq_ids[s];
      if (id < (int64_t)1 << 46) continue;
      if (first < 0) first = (int64_t)1 << 46;
      if (id - first < (int64_t)(sizeof seen / sizeof *seen)) seen[id - first]++;
      texts++;
    }
  }
  batcher_close(b);
  for (int k = 0; k < WITH_WORDS * 10; k++)
    assert_true(seen[k] <= 1); // each position of the endless order once
  int32_t times[WITH_WORDS] = {0};
  for (int64_t p = 0; p < 3 * WITH_WORDS; p++)
    times[permuted(1, STREAM_SHUFFLE, 7, (uint32_t)(p / WITH_WORDS), p % WITH_WORDS, WITH_WORDS)]++;
  for (int k = 0; k < WITH_WORDS; k++) assert_int_equal(times[k], 3);
}

static void false_pairs_are_labelled(void **unused) {
  (void)unused;
  mix_is("histories 0, pairs 1");
  c.pair_false = 0.5;
  const counts n = count_epoch(0);
  assert_true(n.falses > n.pairs / 4 && n.falses < n.pairs * 3 / 4);
}

// [CLS] history [SEP] item text [SEP]: nothing of the second segment is masked, and the item is not in the history, be it true or
// false.
static void check_item_pair(const batch *b, int32_t s) {
  const int32_t begin = b->cu_seqlens[s], end = b->cu_seqlens[s + 1];
  int32_t at = begin + 1;
  while (b->ids[at] != TOKEN_SEP) at++;
  const int32_t item = b->ids[++at];
  assert_in_range(item, TINY_FIRST, TINY_FIRST + ITEMS - 1);
  assert_int_equal(b->ids[end - 1], TOKEN_SEP);
  for (int32_t row = begin + 1; row < at - 1; row++) assert_int_not_equal(truth(b, row), item);
  const item_texts *t;
  check_ok(dataset_item_texts(d, &t));
  const int64_t from = t->offsets[item - TINY_FIRST], n = t->offsets[item - TINY_FIRST + 1] - from;
  assert_in_range(end - 1 - at - 1, n < 9 ? n : 9, n); // half of the rows that are no special tokens
  for (int32_t row = at; row < end - 1; row++) {
    assert_false(is_masked(b, row));
    assert_int_equal(b->types[row], layout.n_event_types);
    if (row > at) assert_int_equal(b->ids[row], t->tokens[from + row - at - 1]);
  }
}

static void item_pairs_show_items(void **unused) {
  (void)unused;
  mix_is("histories 0, item_pairs 1");
  c.pair_false = 0.5;
  c.mask_probability = 0.9;
  batcher *b = open_as(0, 1);
  int64_t batches, pairs = 0, falses = 0;
  check_ok(batcher_epoch_batches(b, 0, &batches));
  for (int64_t i = 0; i < batches; i++) {
    const batch *x;
    check_ok(batcher_next(b, &x));
    for (int32_t s = 0; s < x->seqs; s++) {
      check_item_pair(x, s);
      assert_true(x->nsp_labels[s] == 0 || x->nsp_labels[s] == 1);
      pairs++;
      falses += x->nsp_labels[s] == 1;
    }
  }
  batcher_close(b);
  assert_true(pairs > USERS / 2 && falses > pairs / 4 && falses < pairs * 3 / 4);
}

// They need no texts, and another's item is drawn by how often it comes in training: a never trained one is not.
static void false_items_come_by_counts(void **unused) {
  (void)unused;
  char plain[256];
  dataset *other;
  batcher *b;
  tiny_directory(plain, sizeof plain);
  tiny_dataset(plain, 2000, ITEMS, 0);
  check_ok(dataset_open(&other, plain, false));
  mix_is("histories 0, item_pairs 1");
  c.pair_false = 1;
  check_ok(batcher_open(&b, other, &c, &layout, PART_TRAIN, 0, 1));
  const vocab *v = dataset_vocab(other);
  const int32_t first = vocab_begin(v, RANGE_ITEMS);
  double drawn[ITEMS] = {0}, all = 0, count = 0;
  while (all < 20000) {
    const batch *x;
    check_ok(batcher_next(b, &x));
    for (int32_t s = 0; s < x->seqs; s++) {
      if (x->nsp_labels[s] < 0) continue; // a history alone
      const int32_t item = x->ids[x->cu_seqlens[s + 1] - 2] - first;
      assert_in_range(item, 0, ITEMS - 1);
      drawn[item]++;
      all++;
    }
  }
  for (int32_t i = 0; i < ITEMS; i++) count += (double)vocab_token_count(v, first + i);
  for (int32_t i = 0; i < ITEMS; i++) {
    const double expected = all * (double)vocab_token_count(v, first + i) / count;
    if (!(fabs(drawn[i] - expected) <= 5 * sqrt(expected) + 1e-9))
      fail_msg("item %d is drawn %.0f times, and %.0f were expected", i, drawn[i], expected);
  }
  batcher_close(b);
  dataset_close(other);
  tiny_remove(plain);
}

static void long_texts_keep_their_attributes(void **unused) {
  (void)unused;
  c.text_tokens = 4;
  mix_is("texts");
  count_epoch(0); // check_text finds the brand at the end
  mix_is("pairs");
  count_epoch(0);
}

// ---- a function of seed and epoch ----------------------------------------------------------------------------

static void ranks_share_the_batches_of_one(void **unused) {
  (void)unused;
  mix_is("histories 1, texts 0.4, pairs 0.3, item_pairs 0.3");
  batcher *one = open_as(0, 1), *two[2] = {open_as(0, 2), open_as(1, 2)};
  for (int i = 0; i < 40; i++) {
    const batch *a, *b;
    check_ok(batcher_next(one, &a));
    const uint64_t wanted = batches_hash(a);
    check_ok(batcher_next(two[i % 2], &b));
    assert_true(batches_hash(b) == wanted);
  }
  batcher_close(one);
  batcher_close(two[0]);
  batcher_close(two[1]);
}

static void a_run_goes_on_from_its_place(void **unused) {
  (void)unused;
  mix_is("histories 1, texts 0.4, pairs 0.3, item_pairs 0.3");
  batcher *b = open_as(0, 1);
  uint64_t wanted[30];
  data_place place = {0};
  for (int i = 0; i < 30; i++) {
    const batch *x;
    check_ok(batcher_next(b, &x));
    wanted[i] = batches_hash(x);
    if (i == 11) place = (data_place){x->epoch, x->examples, x->index + 1};
  }
  batcher_close(b);
  b = open_as(0, 1);
  check_ok(batcher_seek(b, &place));
  for (int i = 12; i < 30; i++) {
    const batch *x;
    check_ok(batcher_next(b, &x));
    assert_true(batches_hash(x) == wanted[i]);
  }
  batcher_close(b);
}

static void the_mix_decides_the_order(void **unused) {
  (void)unused;
  data_config now = c;
  assert_null(data_order_changed(&c, &now, false));
  snprintf(now.mix, sizeof now.mix, "histories 2, texts 0");
  assert_null(data_order_changed(&c, &now, false));
  snprintf(now.mix, sizeof now.mix, "histories 2, texts 1");
  assert_string_equal(data_order_changed(&c, &now, false), "data.mix");
}

// Pairs have more labels than histories that are masked at their ends: labels are drawn from them, too.
static void negatives_come_from_pairs(void **unused) {
  (void)unused;
  mix_is("histories 1, pairs 3");
  c.negatives = 16;
  c.negative_kind = NEGATIVES_IN_BATCH;
  c.negative_mix = 0;
  c.dupe_factor = 0;
  c.last_copies = 1;
  c.mask_probability = 0.5;
  c.batch_tokens = 4000;
  seq_layout items = layout;
  items.items_only = true;
  batcher *b;
  int32_t most = 0;
  check_ok(batcher_open(&b, d, &c, &items, PART_TRAIN, 0, 1));
  for (int i = 0; i < 20; i++) {
    const batch *x;
    check_ok(batcher_next(b, &x));
    assert_int_equal(x->n_negatives, 16);
    if (x->n_masked > most) most = x->n_masked;
    for (int32_t k = 0; k < 16; k++) {
      bool is_label = false;
      for (int32_t r = 0; r < x->n_masked; r++) is_label |= x->labels[r] == x->negatives[k];
      assert_true(is_label);
    }
  }
  batcher_close(b);
  mix_is("");
  check_ok(batcher_open(&b, d, &c, &items, PART_TRAIN, 0, 1));
  if (most <= batcher_caps(b).masked) fail_msg("%d labels of %d", most, batcher_caps(b).masked);
  batcher_close(b);
}

// ---- errors --------------------------------------------------------------------------------------------------

static void expect_refused(const seq_layout *l, const char *says) {
  batcher *b;
  check_fails(batcher_open(&b, d, &c, l, PART_TRAIN, 0, 1), ERR_ARGUMENT, says);
}

static void what_cannot_be_is_told(void **unused) {
  (void)unused;
  static const char *const wrong[][2] = {
      {"words 1", "data.mix: \"words 1\" is none of histories, texts, pairs and item_pairs"},
      {"texts 1, texts 2", "data.mix: texts comes twice"},
      {"texts x", "data.mix: the weight of texts is not a number"},
      {"texts -1", "the weight of texts is not a number from 0"},
      {"texts 1 2", "the weight of texts is not a number"},
      {"texts nan", "the weight of texts is not a number"},
      {"texts 0", "data.mix: a list like"},
      {",", "is none of histories"}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    mix_is(wrong[i][0]);
    expect_refused(&layout, wrong[i][1]);
  }
  mix_is("histories, texts, pairs");
  seq_layout l = layout;
  l.cls_sep = false;
  expect_refused(&l, "need model.cls_sep = true");
  l = layout;
  l.segments = 1;
  expect_refused(&l, "pairs need model.segments = 2 or more");
  l = layout;
  l.asks = ASKS_NEXT;
  expect_refused(&l, "train.objectives does not name masked_lm");
  l = layout;
  l.items_only = true;
  expect_refused(&l, "needs model.item_classes = false");
  c.negatives = 5;
  expect_refused(&layout, "data.negatives = 5; set it to 0");
  c.negatives = 0;
  dataset_close(d);
  tiny_dataset(dir, 20, 10, 0);
  check_ok(dataset_open(&d, dir, false));
  expect_refused(&layout, "has no texts of items; souk prepare --words");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(an_epoch_has_what_the_weights_say),
      TEST(texts_come_equally_often),
      TEST(false_pairs_are_labelled),
      TEST(item_pairs_show_items),
      TEST(false_items_come_by_counts),
      TEST(long_texts_keep_their_attributes),
      TEST(ranks_share_the_batches_of_one),
      TEST(a_run_goes_on_from_its_place),
      TEST(the_mix_decides_the_order),
      TEST(negatives_come_from_pairs),
      TEST(what_cannot_be_is_told),
  };
  return cmocka_run_group_tests_name("data_mix", tests, NULL, NULL);
}
