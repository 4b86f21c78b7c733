// Batches: composition, masks, copies, crops, negatives, order, seeking, ranks.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "data/batcher.h"
#include "data/hard_negatives.h"
#include "data/writer.h"
#include "hdf5/hdf5_glue.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"
#include "ops/ops.h"

static const option_section section = {"data", "Data", NULL, 0, NULL};

static data_config defaults(void) {
  static data_config c;
  option_section s = section;
  s.options = data_options;
  s.count = n_data_options;
  s.target = &c;
  const option_set set = {"test", "", &s, 1};
  check_ok(options_defaults(&set));
  c.batch_tokens = 64;
  return c;
}

static const seq_layout items_only = {.positions_from_end = true, .max_positions = 20, .n_event_types = 3};
static const seq_layout bert = {.cls_sep = true, .max_positions = 20, .n_event_types = 3, .segments = 2};

static char dir[256];
static dataset *data_set;

static int set_up(void **unused) {
  (void)unused;
  tiny_directory(dir, sizeof dir);
  tiny_dataset(dir, 150, 40, 0);
  return dataset_open(&data_set, dir, false) == OK ? 0 : 1;
}

static int tear_down(void **unused) {
  (void)unused;
  dataset_close(data_set);
  tiny_remove(dir);
  return 0;
}

// What every batch promises.
static void check_batch(const batch *b, const seq_layout *layout, batch_caps caps) {
  assert_true(b->tokens <= caps.tokens && b->seqs <= caps.seqs && b->n_masked <= caps.masked);
  assert_true(b->seqs > 0 && b->n_masked > 0);
  assert_int_equal(b->cu_seqlens[0], 0);
  assert_int_equal(b->cu_seqlens[b->seqs], b->tokens);
  int32_t work = 0;
  for (int32_t s = 0; s < b->seqs; s++) {
    const int32_t n = b->cu_seqlens[s + 1] - b->cu_seqlens[s];
    assert_true(n >= 1 && n <= layout->max_positions);
    for (int32_t i = 0; i < n; i++) {
      const int32_t row = b->cu_seqlens[s] + i;
      assert_int_equal(b->seq_of[row], s);
      assert_int_equal(b->positions[row], layout->positions_from_end ? n - 1 - i : i);
      assert_true(b->ids[row] >= 0 && b->ids[row] < 45 && b->types[row] >= 0 && b->types[row] < 6);
    }
    for (int32_t first = 0; first < n; first += ATTENTION_BLOCK, work++) {
      assert_int_equal(b->work[2 * work], s);
      assert_int_equal(b->work[2 * work + 1], first);
    }
  }
  assert_int_equal(work, b->n_work);
  for (int32_t i = 0; i < b->n_masked; i++) {
    assert_true(b->masked[i] >= 0 && b->masked[i] < b->tokens);
    assert_true(b->labels[i] >= TOKEN_SPECIALS && b->labels[i] < 45);
    if (i > 0) assert_true(b->masked[i] > b->masked[i - 1]);
    assert_true(b->weights[i] + b->next_weights[i] == 1.0f);
  }
}

static uint64_t hash_batch(const batch *b) {
  uint64_t h = 1469598103934665603u;
#define MIX(array, n)                                        \
  for (size_t k = 0; k < (size_t)(n) * sizeof *(array); k++) \
  h = (h ^ ((const unsigned char *)(array))[k]) * 1099511628211u
  MIX(b->ids, b->tokens);
  MIX(b->types, b->tokens);
  MIX(b->masked, b->n_masked);
  MIX(b->labels, b->n_masked);
  MIX(b->seq_ids, b->seqs);
  MIX(b->negatives, b->n_negatives);
#undef MIX
  return h;
}

// What a batch is to the model, all of it.
static uint64_t hash_whole_batch(const batch *b) {
  uint64_t h = hash_batch(b);
#define MIX(array, n)                                        \
  for (size_t k = 0; k < (size_t)(n) * sizeof *(array); k++) \
  h = (h ^ ((const unsigned char *)(array))[k]) * 1099511628211u
  MIX(b->positions, b->tokens);
  MIX(b->seq_of, b->tokens);
  MIX(b->cu_seqlens, b->seqs + 1);
  MIX(b->prefix_len, b->seqs);
  MIX(b->nsp_labels, b->seqs);
  MIX(b->work, 2 * b->n_work);
  MIX(b->weights, b->n_masked);
  MIX(b->label_logq, b->n_masked);
  MIX(b->negative_logq, b->n_negatives);
  bool any = false;
  for (int32_t i = 0; i < b->n_masked; i++) any = any || b->next_weights[i] > 0;
  if (any) MIX(b->next_weights, b->n_masked); // batches of before had none
#undef MIX
  return h;
}

static seq_layout asking(const seq_layout *layout, seq_asks asks) {
  seq_layout l = *layout;
  l.asks = asks;
  return l;
}

static batcher *open_train(const data_config *c, const seq_layout *layout) {
  batcher *b;
  check_ok(batcher_open(&b, data_set, c, layout, PART_TRAIN, 0, 1));
  return b;
}

static void test_epoch_is_complete(void **unused) {
  (void)unused;
  data_config c = defaults();
  c.window = 5;
  c.stride = 2;
  c.dupe_factor = 2;
  c.last_copies = 1;
  batcher *b = open_train(&c, &items_only);
  int64_t batches, windows = 0;
  check_ok(batcher_epoch_batches(b, 0, &batches));
  for (int64_t s = 0; s < 150; s++) windows += window_count(dataset_train_lengths(data_set)[s], 5, 2);
  int *seen = calloc((size_t)(3 * windows), sizeof *seen);
  assert_non_null(seen);
  const batch *x;
  for (int64_t i = 0; i < batches; i++) {
    check_ok(batcher_next(b, &x));
    check_batch(x, &items_only, batcher_caps(b));
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

static void test_masks(void **unused) {
  (void)unused;
  data_config c = defaults();
  c.last_copies = 0;
  for (int style = 0; style < 2; style++) {
    c.mask_style = style;
    c.mask_probability = 0.3;
    batcher *b = open_train(&c, &items_only);
    int64_t items = 0, masked = 0, kept = 0, replaced = 0, hidden_events = 0;
    const batch *x;
    do {
      check_ok(batcher_next(b, &x));
      check_batch(x, &items_only, batcher_caps(b));
      items += x->tokens;
      masked += x->n_masked;
      for (int32_t i = 0; i < x->n_masked; i++) {
        const int32_t id = x->ids[x->masked[i]];
        kept += id == x->labels[i];
        replaced += id != x->labels[i] && id != TOKEN_MASK;
        hidden_events += x->types[x->masked[i]] == 0;
      }
    } while (x->epoch < 40);
    const double share = (double)masked / (double)items;
    assert_true(share > 0.3 && share < 0.45); // above 0.3, since short windows get at least one mask
    assert_int_equal(hidden_events, masked);
    const double n = (double)masked;
    if (style == MASK_ALWAYS)
      assert_int_equal(kept + replaced, 0);
    else
      assert_true(fabs((double)kept / n - 0.1) < 0.015 && fabs((double)replaced / n - 0.1) < 0.015);
    batcher_close(b);
  }
}

// The random masks of some epochs: by token, how often it was there and how often masked; and of the examples of two
// items and more, how many had all of them masked and how many one.
typedef struct mask_counts {
  int64_t items[45], masked[45], all_items, all_masked, examples, whole, single;
} mask_counts;

static mask_counts count_masks(const data_config *c, int epochs) {
  mask_counts m = {.examples = 0};
  batcher *b = open_train(c, &items_only);
  for (const batch *x;;) {
    check_ok(batcher_next(b, &x));
    if (x->epoch == epochs) break;
    check_batch(x, &items_only, batcher_caps(b));
    for (int32_t s = 0, k = 0; s < x->seqs; s++) {
      const int32_t n = x->cu_seqlens[s + 1] - x->cu_seqlens[s], first = k;
      for (int32_t row = x->cu_seqlens[s]; row < x->cu_seqlens[s + 1]; row++) {
        const bool masked = k < x->n_masked && x->masked[k] == row;
        const int32_t token = masked ? x->labels[k++] : x->ids[row];
        assert_true((x->ids[row] == TOKEN_MASK) == masked);
        m.items[token]++, m.all_items++;
        m.masked[token] += masked, m.all_masked += masked;
      }
      assert_true(k > first); // every example has a label
      if (n > 1) m.examples++, m.whole += k - first == n, m.single += k - first == 1;
    }
  }
  batcher_close(b);
  return m;
}

// Spans far longer than windows: an example is masked as a whole with mask_probability, whatever was masked before it, and
// else one item of it is, so that it has a label.
static void test_spans(void **unused) {
  (void)unused;
  data_config c = defaults();
  c.last_copies = 0;
  c.window = 3;
  c.stride = 3;
  c.mask_probability = 0.4;
  c.mask_spans = 1000;
  const mask_counts m = count_masks(&c, 60);
  assert_true(m.whole + m.single >= m.examples - m.examples / 200); // a span of 1000 rarely ends
  check_near((double)m.whole / (double)m.examples, 0.4, 5 * sqrt(0.24 / (double)m.examples));
  c.mask_spans = 2;
  c.window = 8;
  c.stride = 8;
  c.mask_probability = 0.5; // of an example of 3 items none are masked with 0.5 * 0.75^2
  const mask_counts two = count_masks(&c, 60);
  const double share = (double)two.all_masked / (double)two.all_items;
  assert_true(share > 0.5 && share < 0.53);
}

// The share of the items that are masked stays, and goes from the frequent to the rare.
static void test_masks_by_popularity(void **unused) {
  (void)unused;
  data_config c = defaults();
  c.last_copies = 0;
  c.mask_probability = 0.3;
  double share[3];
  for (int e = -1; e <= 1; e++) {
    c.mask_popularity = e;
    const mask_counts m = count_masks(&c, 40);
    const vocab *v = dataset_vocab(data_set);
    double frequent[2] = {0}, rare[2] = {0},
           mean = 0; // masked and all: of tokens with more and with fewer than the mean
    for (int32_t t = TOKEN_SPECIALS; t < 45; t++)
      mean += (double)vocab_token_count(v, t) / (45 - TOKEN_SPECIALS);
    for (int32_t t = TOKEN_SPECIALS; t < 45; t++) {
      double *const to = (double)vocab_token_count(v, t) > mean ? frequent : rare;
      to[0] += (double)m.masked[t], to[1] += (double)m.items[t];
    }
    const double lean = frequent[0] / frequent[1] - rare[0] / rare[1];
    share[e + 1] = (double)m.all_masked / (double)m.all_items;
    assert_true(e == 0 ? fabs(lean) < 0.02 : e * lean > 0.02);
  }
  check_near(share[0], share[1], 0.02);
  check_near(share[2], share[1], 0.02);
}

static void test_last_copies_and_crops(void **unused) {
  (void)unused;
  data_config c = defaults();
  c.dupe_factor = 0;
  c.last_copies = 1.5;
  c.crop = 0.5;
  batcher *b = open_train(&c, &bert);
  const batch *x;
  int64_t sequences = 0, cropped = 0, longer = 0;
  do {
    check_ok(batcher_next(b, &x));
    check_batch(x, &bert, batcher_caps(b));
    assert_int_equal(x->n_masked, x->seqs);
    for (int32_t s = 0; s < x->seqs; s++) {
      const int32_t last = x->cu_seqlens[s + 1] - 1, n = last + 1 - x->cu_seqlens[s] - 2;
      assert_int_equal(x->ids[x->cu_seqlens[s]], TOKEN_CLS);
      assert_int_equal(x->ids[last], TOKEN_SEP);
      assert_int_equal(x->masked[s], last - 1); // only the last item
      assert_int_equal(x->ids[last - 1], TOKEN_MASK);
      sequences++;
      if (n < 8) cropped++; // shorter than the window: a crop or a short history
      longer += n == 8;
    }
  } while (x->epoch < 20);
  int64_t windows = 0;
  for (int64_t s = 0; s < 150; s++) windows += window_count(dataset_train_lengths(data_set)[s], 8, 4);
  assert_true(fabs((double)sequences / (20.0 * (double)windows) - 1.5) < 0.06);
  assert_true(longer > 0 && cropped > longer / 4);
  batcher_close(b);
}

// One sequence of a batch: is it a part of the history whose rows are labelled with their successors? Its labels are counted, by
// their place in the history. Rows of the batch that something is predicted at begin at *at.
static void check_successors(const batch *b, int32_t s, const sequence *history, int32_t n, bool cls,
                             int32_t *at, int32_t *labelled) {
  const int32_t begin = b->cu_seqlens[s] + cls, end = b->cu_seqlens[s + 1] - cls;
  int32_t from = 0; // place of the first row in the history
  while (from < n &&
         memcmp(history->tokens + from, b->ids + begin, (size_t)(end - begin) * sizeof *b->ids) != 0)
    from++;
  assert_true(from < n);
  assert_int_equal(b->prefix_len[s], 0);
  for (; *at < b->n_masked && b->masked[*at] < b->cu_seqlens[s + 1]; ++*at) {
    const int32_t row = b->masked[*at] - begin; // -1: [CLS]
    assert_true(row >= -1 && b->masked[*at] < end);
    assert_true(b->labels[*at] == history->tokens[from + row + 1] && b->next_weights[*at] == 1.0f);
    labelled[from + row + 1]++;
  }
}

// Every event but the first of a history is predicted from those before it, by at least one window; the first one by [CLS] or by
// a [MASK] alone now and then.
static void test_next_items(void **unused) {
  (void)unused;
  data_config c = defaults();
  c.window = 6;
  c.stride = 3;
  sequence_block *block;
  check_ok(block_read(&block, data_set, 0, 150));
  for (int cls = 0; cls < 2; cls++) {
    seq_layout layout = cls ? bert : items_only;
    layout.asks = ASKS_NEXT;
    batcher *b = open_train(&c, &layout);
    int64_t alone = 0, histories = 0, batches;
    int32_t(*labelled)[64] = calloc(150, sizeof *labelled);
    assert_non_null(labelled);
    check_ok(batcher_epoch_batches(b, 0, &batches));
    const batch *x;
    int64_t windows = 0;
    int64_t *sequence_of = calloc(5000, sizeof *sequence_of);
    assert_non_null(sequence_of);
    for (int64_t s = 0; s < 150; s++)
      for (int32_t w = window_count(dataset_train_lengths(data_set)[s], 6, 3); w > 0; w--)
        sequence_of[windows++] = s;
    for (int64_t i = 0; i < 32 * batches; i++) {
      check_ok(batcher_next(b, &x));
      check_batch(x, &layout, batcher_caps(b));
      for (int32_t s = 0, at = 0; s < x->seqs; s++) {
        sequence history;
        const int64_t of = sequence_of[x->seq_ids[s] % windows];
        block_get(block, of, &history);
        if (x->ids[x->cu_seqlens[s]] == TOKEN_MASK) { // the history's first item, and nothing else
          assert_true(!cls && x->cu_seqlens[s + 1] == x->cu_seqlens[s] + 1 &&
                      x->masked[at] == x->cu_seqlens[s]);
          assert_int_equal(x->labels[at++], history.tokens[0]);
          alone++;
        } else {
          check_successors(x, s, &history, dataset_train_lengths(data_set)[of], cls, &at, labelled[of]);
        }
      }
    }
    for (int64_t s = 0; s < 150; s++) {
      const int32_t n = dataset_train_lengths(data_set)[s];
      histories += n > 0;
      for (int32_t i = 1; i < n; i++) assert_true(labelled[s][i] >= 30); // of 32 epochs, which may end early
      if (n > 0) assert_true(cls ? labelled[s][0] >= 30 : labelled[s][0] == 0);
    }
    if (cls)
      assert_int_equal(alone, 0);
    else
      assert_true(fabs((double)alone / (32.0 * (double)histories) - 1.0 / COLD_STARTS) < 0.01);
    free(labelled);
    free(sequence_of);
    batcher_close(b);
  }
  block_free(block);
}

// Masks and successors in one run: each row is of one kind, and no sequence has both.
static void test_both_kinds(void **unused) {
  (void)unused;
  const data_config c = defaults();
  seq_layout layout = items_only;
  layout.asks = ASKS_BOTH;
  batcher *b = open_train(&c, &layout);
  int64_t masked = 0, next = 0;
  const batch *x;
  do {
    check_ok(batcher_next(b, &x));
    check_batch(x, &layout, batcher_caps(b));
    for (int32_t i = 0; i < x->n_masked; i++) {
      const int32_t s = x->seq_of[x->masked[i]], n = x->cu_seqlens[s + 1] - x->cu_seqlens[s];
      const bool is_next = x->next_weights[i] > 0;
      assert_int_equal(x->prefix_len[s], is_next ? 0 : n);
      masked += !is_next;
      next += is_next;
    }
  } while (x->epoch < 3);
  assert_true(masked > 0 && next > masked);
  batcher_close(b);
}

static void check_seek(const seq_layout *layout) {
  data_config c = defaults();
  c.negatives = 7;
  c.crop = 0.5;
  uint64_t hashes[80];
  batcher *b = open_train(&c, layout);
  const batch *x;
  data_place places[80];
  int64_t before = 0;
  for (int i = 0; i < 80; i++) {
    check_ok(batcher_next(b, &x));
    hashes[i] = hash_whole_batch(x);
    places[i] = (data_place){.epoch = x->epoch, .index = x->index};
    if (i > 0 && x->epoch == places[i - 1].epoch) places[i].example = before;
    before = x->examples;
  }
  assert_true(places[79].epoch > 0);
  batcher_close(b);
  for (int start = 0; start < 80; start += 13) {
    b = open_train(&c, layout);
    data_place found;
    check_ok(batcher_find_batch(b, places[start].epoch, places[start].index, &found));
    assert_memory_equal(&found, &places[start], sizeof found);
    check_ok(batcher_seek(b, &places[start]));
    for (int i = start; i < 80; i++) {
      check_ok(batcher_next(b, &x));
      assert_true(hash_whole_batch(x) == hashes[i]);
    }
    batcher_close(b);
  }
  c.seed = 2;
  b = open_train(&c, layout);
  check_ok(batcher_next(b, &x));
  assert_true(hash_whole_batch(x) != hashes[0]);
  batcher_close(b);
}

static void test_seek_equals_continuing(void **unused) {
  (void)unused;
  for (int asks = ASKS_MASKED; asks <= ASKS_BOTH; asks++) {
    const seq_layout layout = asking(&items_only, (seq_asks)asks);
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
    data_config c = defaults();
    c.batch_tokens = known[i].tokens;
    c.batch_sequences = known[i].sequences;
    c.dupe_factor = known[i].dupe_factor;
    c.negatives = known[i].negatives;
    c.mask_probability = known[i].probability;
    c.mask_style = i % 2 == 0 ? MASK_ALWAYS : MASK_BERT;
    c.last_copies = known[i].last_copies;
    c.crop = known[i].crop;
    c.next_session = known[i].pairs;
    const seq_layout layout = asking(known[i].pairs ? &bert : &items_only, known[i].asks);
    batcher *b;
    check_ok(batcher_open(&b, d, &c, &layout, PART_TRAIN, 0, 1));
    uint64_t hash = 0;
    const batch *x;
    for (;;) {
      check_ok(batcher_next(b, &x));
      if (x->epoch == 3) break;
      hash = hash * 31 + hash_whole_batch(x);
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
  data_config c = defaults();
  batcher *whole = open_train(&c, &items_only), *part[3];
  for (int r = 0; r < 3; r++) check_ok(batcher_open(&part[r], data_set, &c, &items_only, PART_TRAIN, r, 3));
  const batch *x, *y;
  for (int i = 0; i < 9; i++) {
    check_ok(batcher_next(whole, &x));
    check_ok(batcher_next(part[i % 3], &y));
    assert_true(hash_batch(x) == hash_batch(y));
    assert_int_equal(y->index, i / 3);
  }
  batcher_close(whole);
  for (int r = 0; r < 3; r++) batcher_close(part[r]);
}

// Ranks go from epoch to epoch at the same step: what is left when batches are dealt is nobody's.
static void test_ranks_stay_together(void **unused) {
  (void)unused;
  data_config c = defaults();
  int64_t all, each;
  batcher *part[4], *whole = open_train(&c, &items_only);
  check_ok(batcher_epoch_batches(whole, 0, &all));
  batcher_close(whole);
  for (int ranks = 2; ranks <= 4; ranks++) {
    for (int r = 0; r < ranks; r++)
      check_ok(batcher_open(&part[r], data_set, &c, &items_only, PART_TRAIN, r, ranks));
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
  check_fails(batcher_open(&part[0], data_set, &c, &items_only, PART_TRAIN, 0, 4), ERR_ARGUMENT,
              "has fewer batches in an epoch than there are ranks (4); lower data.batch_tokens");
}

static void check_validation(seq_asks asks) {
  const seq_layout layout = asking(&items_only, asks);
  const int32_t masks = asks == ASKS_MASKED; // rows that are no items
  data_config c = defaults();
  batcher *b;
  check_ok(batcher_open(&b, data_set, &c, &layout, PART_VALID, 0, 1));
  sequence_block *all;
  check_ok(block_read(&all, data_set, 0, 150));
  for (int pass = 0; pass < 2; pass++) {
    int64_t n = 0;
    for (const batch *x;;) {
      check_ok(batcher_next(b, &x));
      if (x == NULL) break;
      check_batch(x, &layout, batcher_caps(b));
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

static void test_pairs(void **unused) {
  (void)unused;
  data_config c = defaults();
  c.next_session = true;
  batcher *b = open_train(&c, &bert);
  const batch *x;
  int64_t random = 0, next = 0, none = 0;
  do {
    check_ok(batcher_next(b, &x));
    check_batch(x, &bert, batcher_caps(b));
    for (int32_t s = 0; s < x->seqs; s++) {
      int seps = 0;
      for (int32_t i = x->cu_seqlens[s]; i < x->cu_seqlens[s + 1]; i++) {
        assert_int_equal(x->types[i] / 3, seps > 0 ? (i == x->cu_seqlens[s + 1] ? 0 : 1) : 0);
        seps += x->ids[i] == TOKEN_SEP;
      }
      assert_int_equal(seps, x->nsp_labels[s] < 0 ? 1 : 2);
      random += x->nsp_labels[s] == 1;
      next += x->nsp_labels[s] == 0;
      none += x->nsp_labels[s] < 0;
    }
  } while (x->epoch < 20);
  assert_true(none > 0 && fabs((double)random / (double)(random + next) - 0.5) < 0.05);
  batcher_close(b);
}

// Sessions that are interleaved: a pair is cut where no session is on both sides. Item p stands at place p of every history.
enum { INTERLEAVED = 12 };
static const int32_t interleaved[INTERLEAVED] = {0, 1, 0, 1, 2, 2, 3, 2, 3, 4, 5, 5};
static bool clean_cut(int32_t at) { // is every session before this place over there?
  for (int32_t i = 0; i < at; i++)
    for (int32_t k = at; k < INTERLEAVED; k++)
      if (interleaved[i] == interleaved[k]) return false;
  return true;
}

static dataset *interleaved_dataset(char *path, size_t bytes) {
  dataset_writer *w;
  vocab *v;
  dataset *d;
  int32_t tokens[INTERLEAVED];
  const uint8_t events[INTERLEAVED] = {0};
  const int64_t times[INTERLEAVED] = {0};
  snprintf(path, bytes, "%s/interleaved", dir);
  check_ok(vocab_new(&v));
  for (int32_t p = 0; p < INTERLEAVED; p++)
    check_ok(vocab_add(v, RANGE_ITEMS, (char[2]){(char)('a' + p)}, 1, &tokens[p]));
  check_ok(writer_open(&w, path, 1 << 20, 4, true));
  for (int i = 0; i < 30; i++)
    check_ok(writer_add(w,
                        &(sequence){.user = i,
                                    .n = INTERLEAVED,
                                    .valid_from = INTERLEAVED,
                                    .test_from = INTERLEAVED,
                                    .tokens = tokens,
                                    .events = events,
                                    .times = times,
                                    .sessions = interleaved},
                        "user"));
  check_ok(writer_finish(
      w, &(dataset_info){.name = "x", .n_event_types = 1, .event_types = {"none"}, .window = 12, .stride = 6},
      v, NULL));
  vocab_free(v);
  check_ok(dataset_open(&d, path, false));
  return d;
}

static void test_pairs_of_interleaved_sessions(void **unused) {
  (void)unused;
  char path[300];
  data_config c = defaults();
  c.next_session = true;
  batcher *b;
  dataset *d = interleaved_dataset(path, sizeof path);
  const batch *x;
  int cuts[INTERLEAVED] = {0}, random = 0;
  check_ok(batcher_open(&b, d, &c, &bert, PART_TRAIN, 0, 1));
  do {
    check_ok(batcher_next(b, &x));
    int32_t ids[256];
    memcpy(ids, x->ids, (size_t)x->tokens * sizeof *ids);
    for (int32_t i = 0; i < x->n_masked; i++) ids[x->masked[i]] = x->labels[i];
    for (int32_t s = 0; s < x->seqs; s++) {
      assert_true(x->nsp_labels[s] >= 0); // every window has a border
      int32_t i = x->cu_seqlens[s];
      while (ids[i] != TOKEN_SEP) i++;
      const int32_t at = ids[i + 1] - TOKEN_SPECIALS; // the second part begins with this place
      assert_true(at == 0 || clean_cut(at));
      random += x->nsp_labels[s] == 1;
      if (x->nsp_labels[s] == 0) cuts[at]++;
    }
  } while (x->epoch < 20);
  for (int32_t at = 1; at < INTERLEAVED; at++) assert_int_equal(cuts[at] > 0, clean_cut(at));
  assert_true(random > 0);
  batcher_close(b);
  dataset_close(d);
}

// Probability of item i of 40 by the formulas of negatives.c.
static double probability(int kind, int i) {
  const vocab *v = dataset_vocab(data_set);
  const int64_t own = vocab_token_count(v, TOKEN_SPECIALS + i);
  double total = 0;
  int rank = 0;
  for (int k = 0; k < 40; k++) {
    const int64_t count = vocab_token_count(v, TOKEN_SPECIALS + k);
    total += (double)count;
    rank += count > own || (count == own && k < i);
  }
  if (kind == NEGATIVES_UNIFORM) return 1.0 / 40;
  if (kind == NEGATIVES_LOG_UNIFORM) return log((rank + 2.0) / (rank + 1.0)) / log(41);
  return (double)own / total;
}

// Each row gave its label as often as any other, or once more.
static void check_labels(const batch *x, int32_t uniform) {
  int32_t of_rows[40] = {0}, of_draws[40] = {0};
  const int32_t times = (x->n_negatives - uniform) / x->n_masked;
  for (int32_t i = 0; i < x->n_masked; i++) of_rows[x->labels[i] - TOKEN_SPECIALS]++;
  for (int32_t i = uniform; i < x->n_negatives; i++) of_draws[x->negatives[i] - TOKEN_SPECIALS]++;
  for (int i = 0; i < 40; i++)
    assert_true(of_draws[i] >= times * of_rows[i] && of_draws[i] <= (times + 1) * of_rows[i]);
}

static void check_negatives(int kind, double mix, seq_asks asks) {
  data_config c = defaults();
  c.negatives = 500;
  c.negative_kind = kind;
  c.negative_mix = mix;
  const seq_layout layout = asking(&items_only, asks);
  batcher *b = open_train(&c, &layout);
  const int32_t uniform = kind == NEGATIVES_UNIFORM ? 500 : (int32_t)lround(500 * mix);
  double counts[40] = {0}, logq[40] = {0}, n = 0, mass = 0;
  const batch *x;
  for (int k = 0; k < 200; k++) {
    check_ok(batcher_next(b, &x));
    assert_int_equal(x->n_negatives, 500);
    for (int32_t i = 0; i < 500; i++, n++) {
      counts[x->negatives[i] - TOKEN_SPECIALS]++;
      logq[x->negatives[i] - TOKEN_SPECIALS] = (double)x->negative_logq[i];
    }
    for (int32_t i = 0; i < x->n_masked; i++)
      assert_true(fabs((double)x->label_logq[i] - logq[x->labels[i] - TOKEN_SPECIALS]) < 1e-6);
    if (kind == NEGATIVES_IN_BATCH) check_labels(x, uniform);
  }
  for (int i = 0; i < 40; i++) {
    const double p = (uniform / 40.0 + (500 - uniform) * probability(kind, i)) / 500;
    assert_true(fabs(logq[i] - log(500 * p)) < 1e-5);
    mass += exp(logq[i]);
    if (kind == NEGATIVES_IN_BATCH)
      continue; // the labels of this data set have nothing to do with its counts
    if (!(fabs(counts[i] / n - p) < 5 * sqrt(p / n))) // five standard errors
      fail_msg("kind %d, mix %g: item %d is %g of the negatives, not %g", kind, mix, i, counts[i] / n, p);
  }
  assert_true(fabs(mass - 500) < 0.01);
  batcher_close(b);
}

static void test_negatives(void **unused) {
  (void)unused;
  for (int kind = NEGATIVES_UNIFORM; kind <= NEGATIVES_IN_BATCH; kind++) {
    check_negatives(kind, 0, ASKS_MASKED);
    check_negatives(kind, 0.3, ASKS_MASKED);
    check_negatives(kind, 1, ASKS_MASKED);
    check_negatives(kind, 0.3, ASKS_NEXT);
  }
}

// Of the histories of a batch, and of any item where a history has no list; their log of expected counts adds up.
static void test_hard_negatives(void **unused) {
  (void)unused;
  enum { DRAWS = 60, HARD = 24 };
  data_config c = defaults();
  c.negatives = DRAWS;
  c.negative_kind = NEGATIVES_POPULARITY;
  c.hard_negatives = HARD;
  const int64_t n = dataset_get_info(data_set)->sequences;
  double q[40] = {0};
  hard_negatives *lists;
  check_ok(hard_negatives_new(&lists, n, 2));
  for (int64_t s = 0; s < n; s++) { // of items 0 to 9 alone; every fourth history has no list
    for (int64_t k = 0; k < 2 && s % 4 != 0; k++) {
      const int32_t item = (int32_t)((s + 3 * k) % 10);
      lists->items[2 * s + k] = TOKEN_SPECIALS + item;
      q[item] += 0.5 / (double)n;
    }
    for (int i = 0; i < 40 && s % 4 == 0; i++) q[i] += 1 / (40.0 * (double)n);
  }
  dataset_set_hard_negatives(data_set, lists);
  const seq_layout layout = asking(&items_only, ASKS_NEXT);
  batcher *b = open_train(&c, &layout);
  const batch *x;
  double few = 0, all = 0, mass = 0;
  for (int k = 0; k < 100; k++) {
    check_ok(batcher_next(b, &x));
    assert_int_equal(x->n_negatives, DRAWS);
    for (int32_t i = 0; i < DRAWS; i++) {
      const int32_t item = x->negatives[i] - TOKEN_SPECIALS;
      const double wanted = (DRAWS - HARD) * probability(NEGATIVES_POPULARITY, item) + HARD * q[item];
      assert_true(fabs((double)x->negative_logq[i] - log(wanted)) < 1e-5);
      if (i >= DRAWS - HARD) all++, few += item < 10;
    }
  }
  for (int i = 0; i < 40; i++) mass += (DRAWS - HARD) * probability(NEGATIVES_POPULARITY, i) + HARD * q[i];
  assert_true(fabs(mass - DRAWS) < 0.01);
  assert_true(few / all > 0.7 && few / all < 0.9); // 3/4, and a quarter of the rest
  batcher_close(b);
  dataset_set_hard_negatives(data_set, NULL);
  c.hard_negatives = DRAWS + 1;
  check_fails(batcher_open(&b, data_set, &c, &layout, PART_TRAIN, 0, 1), ERR_ARGUMENT,
              "data.hard_negatives = 61 are more than all");
}

static void test_last_rows(void **unused) {
  (void)unused;
  data_config c = defaults();
  const seq_layout layout = asking(&items_only, ASKS_NEXT);
  c.next_rows = NEXT_ROWS_LAST;
  batcher *b = open_train(&c, &layout);
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
  data_config c = defaults();
  batcher *b;
  c.dupe_factor = 0;
  c.last_copies = 0;
  check_fails(batcher_open(&b, data_set, &c, &items_only, PART_TRAIN, 0, 1), ERR_ARGUMENT,
              "nothing to train on");
  c = defaults();
  c.next_session = true;
  check_fails(batcher_open(&b, data_set, &c, &items_only, PART_TRAIN, 0, 1), ERR_ARGUMENT, "cls_sep");
  c = defaults();
  c.window = 4;
  c.stride = 9;
  check_fails(batcher_open(&b, data_set, &c, &items_only, PART_TRAIN, 0, 1), ERR_ARGUMENT, "data.stride");
  c = defaults();
  b = open_train(&c, &items_only);
  data_place place = {.example = 100000};
  check_fails(batcher_find_batch(b, 0, 100000, &place), ERR_ARGUMENT, "epoch 0 has no batch 100000");
  check_fails(batcher_seek(b, &place), ERR_ARGUMENT, "epoch 0 has no example 100000");
  batcher_close(b);
}

// A thread that holds HDF5's lock must not wait for the batcher's thread, which may be waiting for that lock.
static void test_order_of_locks(void **unused) {
  (void)unused;
  data_config c = defaults();
  batcher *b = open_train(&c, &items_only);
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
      cmocka_unit_test(test_epoch_is_complete),
      cmocka_unit_test(test_masks),
      cmocka_unit_test(test_spans),
      cmocka_unit_test(test_masks_by_popularity),
      cmocka_unit_test(test_last_copies_and_crops),
      cmocka_unit_test(test_next_items),
      cmocka_unit_test(test_both_kinds),
      cmocka_unit_test(test_seek_equals_continuing),
      cmocka_unit_test(test_batches_of_before),
      cmocka_unit_test(test_ranks_partition),
      cmocka_unit_test(test_ranks_stay_together),
      cmocka_unit_test(test_validation_part),
      cmocka_unit_test(test_pairs),
      cmocka_unit_test(test_pairs_of_interleaved_sessions),
      cmocka_unit_test(test_negatives),
      cmocka_unit_test(test_hard_negatives),
      cmocka_unit_test(test_last_rows),
      cmocka_unit_test(test_errors),
      cmocka_unit_test(test_order_of_locks),
  };
  return cmocka_run_group_tests_name("batcher", tests, set_up, tear_down);
}
