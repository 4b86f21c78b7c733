// The mix of a model and counts: scores against their definition, and counts that know no answer.
#include <math.h>
#include <string.h>
#include "base/philox.h"
#include "lib/check.h"
#include "lib/small_log.h"
#include "lib/tiny_dataset.h"
#include "lib/tiny_mix.h"

static char dir[256];

static const mix_count_config all_pairs = {
    .neighbours = 1000, .window = 20, .distance_power = 0.5, .memory = 1 << 20};

// ---- scores ----------------------------------------------------------------------------------------------------

// Weight of (a, b) in a channel; 0 where they are no pair.
static double weight_of(const mix_table *t, int channel, int32_t a, int32_t b) {
  for (int64_t i = t->offsets[a]; i < t->offsets[a + 1]; i++)
    if (t->others[i] == b) return (double)t->weights[channel][i];
  return 0;
}

// What format/mix.h says comes to scale u.v.
static double plain_score(const mix *x, const int32_t *history, int32_t n, int32_t item) {
  const mix_config *c = mix_get_config(x);
  const mix_table *t = mix_get_table(x);
  const double count = (double)t->counts[item];
  bool known = false;
  for (int32_t i = 0; i < n; i++) known = known || (history[i] >= 0 && history[i] < t->items);
  if (!known && c->scale > 0) return 0;
  double score = c->popularity * log(1 + count) + (count > 0 ? 0 : c->unseen);
  bool reached = false;
  for (int32_t s = 0; s < c->n; s++) {
    const mix_sum *sum = &c->sums[s];
    double value = 0;
    int32_t k = 0;
    for (int32_t i = n - 1; i >= 0 && k < sum->span; i--) {
      if (history[i] < 0 || history[i] >= t->items) continue;
      const double of_row = (double)t->counts[history[i]];
      const double row = of_row > 0 ? pow(of_row + sum->row_shrink, -sum->row_power) : 0;
      value += pow(sum->decay, k++) * row * weight_of(t, sum->channel, history[i], item);
    }
    value *= pow(count > 1 ? count : 1, -sum->column_power);
    reached = reached || value > 0;
    for (int32_t i = 0; i < sum->n; i++)
      score += sum->terms[i].weight * (sum->terms[i].gain > 0 ? log(1 + sum->terms[i].gain * value) : value);
  }
  return reached ? score + c->reached + c->reached_popularity * log(1 + count) : score;
}

static void check_scores(const mix_config *config) {
  enum { ITEMS = 12, HISTORIES = 60 };
  static const char *const log[] = {"ABCABD|E|F", "BCD|A|G", "HGFEDC|B|A", "AB|C|D", "CCABGH|H|I", "F|A|B"};
  dataset *d = small_open(dir, ITEMS, log, 6);
  mix *x = tiny_mix(d, EVAL_VALID, config, &all_pairs);
  format_error e;
  mix_batch b;
  assert_true(mix_batch_new(&b, x, &e));
  int32_t histories[HISTORIES][6], lengths[HISTORIES];
  rng r = rng_at(3, 1, 0, 0);
  for (int32_t h = 0; h < HISTORIES; h++) {
    lengths[h] = (int32_t)rng_below(&r, 7);
    for (int32_t i = 0; i < lengths[h]; i++)
      histories[h][i] =
          h % 20 == 0 ? ITEMS : (int32_t)rng_below(&r, ITEMS + 2) - 1; // now and then no item at all
    assert_true(mix_batch_add(&b, x, histories[h], lengths[h], &e));
  }
  for (int32_t h = 0; h < HISTORIES; h++) {
    const mix_added a = mix_batch_get(&b, (size_t)h);
    float all[ITEMS] = {0}, part[5] = {0}, chosen[3] = {0};
    const int32_t items[] = {7, 0, 11};
    mix_add(x, a, 0, ITEMS, all);
    mix_add(x, a, 4, 5, part);
    mix_add_items(x, a, items, 3, chosen);
    for (int32_t i = 0; i < ITEMS; i++) {
      const double wanted = plain_score(x, histories[h], lengths[h], i);
      check_near((double)all[i], wanted, 1e-5 * (1 + fabs(wanted)));
      assert_true(all[i] == mix_of(x, a, i)); // the same bits, whichever way
    }
    for (int32_t i = 0; i < 5; i++) assert_true(part[i] == all[4 + i]);
    for (int32_t i = 0; i < 3; i++) assert_true(chosen[i] == all[items[i]]);
  }
  mix_batch_free(&b);
  mix_free(x);
  small_close(d, dir);
}

// A history without an item has the encoder's score alone, unless the mix has no encoder.
static void test_scores(void **unused) {
  (void)unused;
  mix_config without = tiny_mix_config;
  without.scale = 0;
  assert_true(tiny_mix_config.scale > 0);
  check_scores(&tiny_mix_config);
  check_scores(&without);
}

// ---- counts ----------------------------------------------------------------------------------------------------

static double weights_of(const mix_table *t, int32_t a, int32_t b) {
  double sum = 0;
  for (int k = 0; k < MIX_CHANNELS; k++) sum += weight_of(t, k, a, b);
  return sum;
}

// A table cut to the two heaviest neighbours of each item, in all channels together, has those of the whole table, of equal ones the
// lower numbers, in the order of items.
static void check_kept(const mix_table *few, dataset *d) {
  mix_table all;
  check_ok(mix_count(&all, d, EVAL_TEST, &all_pairs));
  for (int32_t a = 0; a < all.items; a++)
    for (int32_t b = 0; b < all.items; b++) {
      int32_t before = 0;
      const double own = weights_of(&all, a, b);
      for (int32_t other = 0; other < all.items; other++) {
        const double theirs = weights_of(&all, a, other);
        before += theirs > own + 1e-6 || (other < b && fabs(theirs - own) <= 1e-6);
      }
      check_near(weights_of(few, a, b), before < 2 ? own : 0, 1e-6);
    }
  for (int32_t a = 0; a < few->items; a++)
    for (int64_t i = few->offsets[a] + 1; i < few->offsets[a + 1]; i++)
      assert_true(few->others[i - 1] < few->others[i]);
  mix_table_free(&all);
}

static void test_counts(void **unused) {
  (void)unused;
  static const char *const log[] = {"ABC|D|E", "ABD|C|A", "CBA|E|D"};
  dataset *d = small_open(dir, 6, log, 3);
  mix_table t;
  check_ok(mix_count(&t, d, EVAL_VALID, &all_pairs));
  assert_int_equal(t.counts[0], 3);
  assert_int_equal(t.counts[4], 0);
  check_near(weight_of(&t, MIX_NEXT, 0, 1), 2, 0);
  check_near(weight_of(&t, MIX_NEXT, 1, 0), 1, 0);
  check_near(weight_of(&t, MIX_LATER, 0, 2), sqrt(0.5), 1e-6);
  check_near(weight_of(&t, MIX_EARLIER, 2, 0), sqrt(0.5), 1e-6);
  check_near(weight_of(&t, MIX_EARLIER, 1, 0), 2, 1e-6);
  mix_table_free(&t);
  // The validation part too; and the two heaviest neighbours alone.
  mix_count_config few = all_pairs;
  few.neighbours = 2;
  check_ok(mix_count(&t, d, EVAL_TEST, &few));
  assert_int_equal(t.counts[4], 1);
  for (int32_t i = 0; i < 6; i++) assert_true(t.offsets[i + 1] - t.offsets[i] <= 2);
  check_near(weight_of(&t, MIX_NEXT, 0, 1), 2, 0);
  check_kept(&t, d);
  mix_table_free(&t);
  small_close(d, dir);
}

// Other answers in the validation and test parts leave the counts that weights are learned with as they are.
static void test_no_leak(void **unused) {
  (void)unused;
  static const char *const logs[][3] = {{"ABC|D|E", "ABD|C|A", "CBA|E|D"}, {"ABC|E|A", "ABD|A|E", "CBA|D|C"}};
  mix_table t[2];
  for (int i = 0; i < 2; i++) {
    dataset *d = small_open(dir, 6, logs[i], 3);
    check_ok(mix_count(&t[i], d, EVAL_VALID, &all_pairs));
    small_close(d, dir);
  }
  const size_t n = (size_t)t[0].offsets[6];
  assert_memory_equal(t[0].offsets, t[1].offsets, 7 * sizeof *t[0].offsets);
  assert_memory_equal(t[0].counts, t[1].counts, 6 * sizeof *t[0].counts);
  assert_memory_equal(t[0].others, t[1].others, n * sizeof *t[0].others);
  for (int k = 0; k < MIX_CHANNELS; k++)
    assert_memory_equal(t[0].weights[k], t[1].weights[k], n * sizeof **t[0].weights);
  for (int i = 0; i < 2; i++) mix_table_free(&t[i]);
}
int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_scores), cmocka_unit_test(test_counts),
                                     cmocka_unit_test(test_no_leak)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
