// Promotions in a ranked list: souk_promote against every placement there is, on lists that are small enough to try them all.
#include <math.h>
#include <string.h>
#include "base/philox.h"
#include "lib/check.h"
#include "souk/infer.h"

enum { LIST = 6, PROMOTIONS = 4, ROUNDS = 3000 };

typedef struct task {
  int32_t n, items[LIST];
  float scores[LIST];
  size_t n_promotions;
  souk_promotion promotions[PROMOTIONS];
  souk_promote_options options;
} task;

typedef struct answer {
  int32_t items[LIST], placed[LIST];
  float relevance[LIST];
  souk_placement cost;
} answer;

static void ask(const task *t, answer *a) {
  souk_error error;
  memset(a, 0, sizeof *a);
  if (souk_promote(t->items, t->scores, t->n, t->promotions, t->n_promotions, &t->options, a->items,
                   a->relevance, a->placed, &a->cost, &error) != SOUK_OK)
    fail_msg("%s", error.message);
}

// Whole numbers, so that sums are exact, and few, so that there are many equal ones.
static void draw(task *t, uint32_t i) {
  rng r = rng_at(12, 4, i, 0);
  *t = (task){.n = (int32_t)rng_below(&r, LIST + 1), .n_promotions = (size_t)rng_below(&r, PROMOTIONS + 1)};
  for (int32_t k = 0; k < t->n; k++) {
    t->items[k] = (k * 5 + 3) % 11; // out of order
    t->scores[k] = k == 0 ? 6 : t->scores[k - 1] - (float)rng_below(&r, 4);
  }
  for (size_t k = 0; k < t->n_promotions; k++)
    t->promotions[k] = (souk_promotion){.item = (int32_t)rng_below(&r, 11),
                                        .relevance = (float)rng_below(&r, 8) - 4,
                                        .value = (double)rng_below(&r, 9)};
  // What is outside of the list has one relevance, however often it is promoted.
  for (size_t k = 1; k < t->n_promotions; k++)
    for (size_t j = 0; j < k; j++)
      if (t->promotions[j].item == t->promotions[k].item)
        t->promotions[k].relevance = t->promotions[j].relevance;
  t->options = (souk_promote_options){.most = (int32_t)rng_below(&r, 4),
                                      .first = (int32_t)rng_below(&r, LIST),
                                      .weight = (double)rng_below(&r, 3)};
}

static double listed_relevance(const task *t, int32_t item, float otherwise) {
  for (int32_t i = 0; i < t->n; i++)
    if (t->items[i] == item) return (double)t->scores[i];
  return (double)otherwise;
}

// ---- every placement -----------------------------------------------------------------------------------------

typedef struct search {
  const task *t;
  int32_t first, used[LIST]; // the items of the places so far
  double best;               // sum of scores
  int32_t fewest;            // promotions, of those with this sum
} search;

static bool is_used(const search *s, int32_t place, int32_t item) {
  for (int32_t i = 0; i < place; i++)
    if (s->used[i] == item) return true;
  return false;
}

static void place_all(search *s, int32_t place, int32_t promoted, double sum) {
  const task *t = s->t;
  if (place == s->first) {
    const bool better = sum > s->best;
    if (better || (!(sum < s->best) && promoted < s->fewest)) s->fewest = promoted;
    if (better) s->best = sum;
    return;
  }
  for (int32_t i = 0; i < t->n; i++) {
    if (is_used(s, place, t->items[i])) continue;
    s->used[place] = t->items[i];
    place_all(s, place + 1, promoted, sum + (double)t->scores[i]);
  }
  for (size_t k = 0; promoted < t->options.most && k < t->n_promotions; k++) {
    const souk_promotion *p = &t->promotions[k];
    if (is_used(s, place, p->item)) continue;
    s->used[place] = p->item;
    place_all(s, place + 1, promoted + 1,
              sum + listed_relevance(t, p->item, p->relevance) + t->options.weight * p->value);
  }
}

// ---- what is true of every answer ----------------------------------------------------------------------------

static double score_at(const task *t, const answer *a, int32_t i) {
  const souk_promotion *p = a->placed[i] >= 0 ? &t->promotions[a->placed[i]] : NULL;
  return (double)a->relevance[i] + (p != NULL ? t->options.weight * p->value : 0);
}

static void check_answer(const task *t, const answer *a, const search *s) {
  int32_t promoted = 0, last = -1;
  double sum = 0, before[2] = {0, 0}, after[2] = {0, 0};
  for (int32_t i = 0; i < t->n; i++) {
    for (int32_t j = 0; j < i; j++) assert_int_not_equal(a->items[i], a->items[j]);
    if (a->placed[i] >= 0) assert_int_equal(a->items[i], t->promotions[a->placed[i]].item);
    const float otherwise = a->placed[i] >= 0 ? t->promotions[a->placed[i]].relevance : NAN;
    check_near((double)a->relevance[i], listed_relevance(t, a->items[i], otherwise), 0);
    promoted += a->placed[i] >= 0;
    if (i >= s->first) { // the rest, in the list's order
      assert_int_equal(a->placed[i], -1);
      int32_t at = 0;
      while (t->items[at] != a->items[i]) at++;
      assert_true(at > last);
      last = at;
      continue;
    }
    const double discount = log2((double)i + 2);
    sum += score_at(t, a, i);
    if (i > 0) assert_true(score_at(t, a, i - 1) >= score_at(t, a, i));
    before[0] += (double)t->scores[i];
    before[1] += (double)t->scores[i] / discount;
    after[0] += (double)a->relevance[i];
    after[1] += (double)a->relevance[i] / discount;
  }
  assert_int_equal(promoted, a->cost.promoted);
  assert_int_equal(promoted, s->fewest);
  check_near(sum, s->best, 1e-9);
  check_near(a->cost.sum_before, before[0], 1e-9);
  check_near(a->cost.dcg_before, before[1], 1e-9);
  check_near(a->cost.sum_after, after[0], 1e-9);
  check_near(a->cost.dcg_after, after[1], 1e-9);
}

// Is nothing that is promoted more relevant than what the list has? So it is with a list over the whole catalogue.
static bool is_best_of_all(const task *t) {
  for (size_t k = 0; k < t->n_promotions; k++)
    if (t->n > 0 && t->promotions[k].relevance > t->scores[t->n - 1]) return false;
  return true;
}

// Then no placement is more relevant than the list.
static bool is_no_gain(const souk_placement *c) {
  return c->sum_before >= c->sum_after - 1e-9 && c->dcg_before >= c->dcg_after - 1e-9;
}

static void as_brute_force(void **state) {
  (void)state;
  int32_t placed = 0, several = 0;
  for (uint32_t i = 0; i < ROUNDS; i++) {
    task t;
    answer a, again;
    draw(&t, i);
    ask(&t, &a);
    ask(&t, &again);
    assert_memory_equal(&a, &again, sizeof a);
    search s = {.t = &t, .first = t.options.first < t.n ? t.options.first : t.n, .best = -INFINITY};
    place_all(&s, 0, 0, 0);
    check_answer(&t, &a, &s);
    if (is_best_of_all(&t)) assert_true(is_no_gain(&a.cost));
    placed += a.cost.promoted > 0;
    several += a.cost.promoted > 1;
  }
  assert_true(placed > ROUNDS / 10 && several > ROUNDS / 50);
}

// ---- by hand -------------------------------------------------------------------------------------------------

static const task shop = {.n = 5,
                          .items = {10, 11, 12, 13, 14},
                          .scores = {5, 4, 3, 2, 1},
                          .n_promotions = 3,
                          .promotions = {{.item = 20, .relevance = 0, .value = 3.5},
                                         {.item = 12, .relevance = 99, .value = 0.5},
                                         {.item = 20, .relevance = 0, .value = 4.5}},
                          .options = {.most = 1, .first = 3, .weight = 1}};

// The promotion of item 20 gains 4.5 - 3 = 1.5 where it displaces item 12, and 12's own would gain .5.
static void one_by_hand(void **state) {
  (void)state;
  answer a;
  ask(&shop, &a);
  const int32_t items[] = {10, 20, 11, 12, 13}, placed[] = {-1, 2, -1, -1, -1};
  assert_memory_equal(a.items, items, sizeof items);
  assert_memory_equal(a.placed, placed, sizeof placed);
  assert_int_equal(a.cost.promoted, 1);
  check_near(a.cost.sum_before - a.cost.sum_after, 3, 1e-12); // 12's relevance for 20's
  check_near(a.cost.dcg_before, 5 + 4 / log2(3) + 3 / log2(4), 1e-12);
  check_near(a.cost.dcg_after, 5 + 4 / log2(4), 1e-12);
}

// Of an item in the list, the list's own score counts, and it costs no relevance to show its promotion where it stands.
static void weights_and_numbers(void **state) {
  (void)state;
  answer a;
  task t = shop;
  t.options.weight = 0.6; // 20 would gain 2.7 - 3
  ask(&t, &a);
  assert_int_equal(a.placed[2], 1);
  check_near(a.cost.sum_before - a.cost.sum_after, 0, 1e-12);
  t.options.weight = 0; // nothing is gained
  ask(&t, &a);
  assert_int_equal(a.cost.promoted, 0);
  assert_memory_equal(a.items, t.items, sizeof t.items);
  t.options = (souk_promote_options){.most = 64, .first = 4096, .weight = 1e9};
  ask(&t, &a);
  assert_int_equal(a.cost.promoted, 2);
  assert_int_equal(a.items[0], 20);
  assert_int_equal(a.items[1], 12);
}

// A long list with as many promotions as there may be.
static void a_long_list(void **state) {
  (void)state;
  enum { N = 5000, P = 3000 };
  static int32_t items[N], placed_items[N], placed[N];
  static float scores[N];
  static souk_promotion promotions[P];
  const souk_promote_options o = {.most = 64, .first = 4096, .weight = 2};
  souk_placement cost;
  for (int32_t i = 0; i < N; i++) {
    items[i] = N - i;
    scores[i] = (float)(N - i);
  }
  for (int32_t i = 0; i < P; i++)
    promotions[i] = (souk_promotion){.item = N + 1 + i, .relevance = (float)i, .value = 100};
  assert_int_equal(souk_promote(items, scores, N, promotions, P, &o, placed_items, NULL, placed, &cost, NULL),
                   SOUK_OK);
  assert_int_equal(cost.promoted, 64);
  // The last 64 of the first 4,096 make room for the 64 most relevant promotions.
  double loss = 0;
  for (int32_t i = 0; i < 64; i++) loss += (double)scores[4095 - i] - (double)promotions[P - 1 - i].relevance;
  check_near(cost.sum_before - cost.sum_after, loss, 1e-6);
  assert_int_equal(placed_items[N - 1], items[N - 1 - 64]);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(as_brute_force), cmocka_unit_test(one_by_hand),
                                     cmocka_unit_test(weights_and_numbers), cmocka_unit_test(a_long_list)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
