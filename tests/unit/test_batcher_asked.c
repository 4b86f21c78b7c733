// What is asked of batches: masks, spans, last copies and crops, and successors.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "data/batcher.h"
#include "lib/batches.h"
#include "lib/check.h"

static void test_masks(void **unused) {
  (void)unused;
  data_config c = batches_config();
  c.last_copies = 0;
  for (int style = 0; style < 2; style++) {
    c.mask_style = style;
    c.mask_probability = 0.3;
    batcher *b = batches_of_training(&c, &items_only);
    int64_t items = 0, masked = 0, kept = 0, replaced = 0, hidden_events = 0;
    const batch *x;
    do {
      check_ok(batcher_next(b, &x));
      batches_check(x, &items_only, batcher_caps(b));
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
  batcher *b = batches_of_training(c, &items_only);
  for (const batch *x;;) {
    check_ok(batcher_next(b, &x));
    if (x->epoch == epochs) break;
    batches_check(x, &items_only, batcher_caps(b));
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
  data_config c = batches_config();
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
  data_config c = batches_config();
  c.last_copies = 0;
  c.mask_probability = 0.3;
  double share[3];
  for (int e = -1; e <= 1; e++) {
    c.mask_popularity = e;
    const mask_counts m = count_masks(&c, 40);
    const vocab *v = dataset_vocab(batches_data);
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
  data_config c = batches_config();
  c.dupe_factor = 0;
  c.last_copies = 1.5;
  c.crop = 0.5;
  batcher *b = batches_of_training(&c, &bert);
  const batch *x;
  int64_t sequences = 0, cropped = 0, longer = 0;
  do {
    check_ok(batcher_next(b, &x));
    batches_check(x, &bert, batcher_caps(b));
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
  for (int64_t s = 0; s < 150; s++) windows += window_count(dataset_train_lengths(batches_data)[s], 8, 4);
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
  data_config c = batches_config();
  c.window = 6;
  c.stride = 3;
  sequence_block *block;
  check_ok(block_read(&block, batches_data, 0, 150));
  for (int cls = 0; cls < 2; cls++) {
    seq_layout layout = cls ? bert : items_only;
    layout.asks = ASKS_NEXT;
    batcher *b = batches_of_training(&c, &layout);
    int64_t alone = 0, histories = 0, batches;
    int32_t(*labelled)[64] = calloc(150, sizeof *labelled);
    assert_non_null(labelled);
    check_ok(batcher_epoch_batches(b, 0, &batches));
    const batch *x;
    int64_t windows = 0;
    int64_t *sequence_of = calloc(5000, sizeof *sequence_of);
    assert_non_null(sequence_of);
    for (int64_t s = 0; s < 150; s++)
      for (int32_t w = window_count(dataset_train_lengths(batches_data)[s], 6, 3); w > 0; w--)
        sequence_of[windows++] = s;
    for (int64_t i = 0; i < 32 * batches; i++) {
      check_ok(batcher_next(b, &x));
      batches_check(x, &layout, batcher_caps(b));
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
          check_successors(x, s, &history, dataset_train_lengths(batches_data)[of], cls, &at, labelled[of]);
        }
      }
    }
    for (int64_t s = 0; s < 150; s++) {
      const int32_t n = dataset_train_lengths(batches_data)[s];
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
  const data_config c = batches_config();
  seq_layout layout = items_only;
  layout.asks = ASKS_BOTH;
  batcher *b = batches_of_training(&c, &layout);
  int64_t masked = 0, next = 0;
  const batch *x;
  do {
    check_ok(batcher_next(b, &x));
    batches_check(x, &layout, batcher_caps(b));
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

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_masks),
                                     cmocka_unit_test(test_spans),
                                     cmocka_unit_test(test_masks_by_popularity),
                                     cmocka_unit_test(test_last_copies_and_crops),
                                     cmocka_unit_test(test_next_items),
                                     cmocka_unit_test(test_both_kinds)};
  return cmocka_run_group_tests_name("batcher_asked", tests, batches_set_up, batches_tear_down);
}
