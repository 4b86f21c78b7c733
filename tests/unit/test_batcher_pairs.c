// What stands beside the sequences of batches: pairs of sessions, and negatives.
#include <math.h>
#include <string.h>
#include "data/batcher.h"
#include "data/hard_negatives.h"
#include "data/writer.h"
#include "lib/batches.h"
#include "lib/check.h"

static void test_pairs(void **unused) {
  (void)unused;
  data_config c = batches_config();
  c.next_session = true;
  batcher *b = batches_of_training(&c, &bert);
  const batch *x;
  int64_t random = 0, next = 0, none = 0;
  do {
    check_ok(batcher_next(b, &x));
    batches_check(x, &bert, batcher_caps(b));
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
  snprintf(path, bytes, "%s/interleaved", batches_dir);
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
  data_config c = batches_config();
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
  const vocab *v = dataset_vocab(batches_data);
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
  data_config c = batches_config();
  c.negatives = 500;
  c.negative_kind = kind;
  c.negative_mix = mix;
  const seq_layout layout = batches_asking(&items_only, asks);
  batcher *b = batches_of_training(&c, &layout);
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
  data_config c = batches_config();
  c.negatives = DRAWS;
  c.negative_kind = NEGATIVES_POPULARITY;
  c.hard_negatives = HARD;
  const int64_t n = dataset_get_info(batches_data)->sequences;
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
  dataset_set_hard_negatives(batches_data, lists);
  const seq_layout layout = batches_asking(&items_only, ASKS_NEXT);
  batcher *b = batches_of_training(&c, &layout);
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
  dataset_set_hard_negatives(batches_data, NULL);
  c.hard_negatives = DRAWS + 1;
  check_fails(batcher_open(&b, batches_data, &c, &layout, PART_TRAIN, 0, 1), ERR_ARGUMENT,
              "data.hard_negatives = 61 are more than all");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_pairs),
                                     cmocka_unit_test(test_pairs_of_interleaved_sessions),
                                     cmocka_unit_test(test_negatives), cmocka_unit_test(test_hard_negatives)};
  return cmocka_run_group_tests_name("batcher_pairs", tests, batches_set_up, batches_tear_down);
}
