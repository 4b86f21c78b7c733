// Promotions in a ranked list: at most `most` of them among the first `first` places, where they bring most.
//
// What is chosen is a set: which promotions are shown (P), and which items of the list keep a place among the first M. Its worth
// is the sum of scores over the first M places, relevance for an item of the list and relevance + weight x value for a promotion;
// in which order they stand does not change it, and score decides. A promotion of an item that stands among the first M
// anyway costs nothing; one of another item displaces the least relevant of those that are not promoted. So the best set
// with d of the second kind has the d best of those, and it displaces d of the first M, always the lowest that are not promoted:
// a table over (promoted among the first M, displaced) finds the best of all in M x most^2 steps, where brute force
// (tests/unit/test_promote.c) tries every placement.
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include "infer/checks.h"

enum { PROMOTE_MOST = 64, PROMOTE_FIRST = 4096, KEEP = 0, PROMOTE, DISPLACE };

// A promotion that could be placed.
typedef struct candidate {
  int32_t item, at; // at: its item's place in the list, -1: the list does not have it
  int32_t index;    // in the caller's array
  double relevance, gain;
} candidate;

typedef struct listed {
  int32_t item, at;
} listed;

// An item that comes among the first places.
typedef struct entry {
  int32_t item, at, index; // index -1: not promoted
  double relevance, score;
} entry;

typedef struct promoter {
  const int32_t *items;
  const float *scores;
  int32_t n, first, most; // first: of the list; most: promotions
  listed *sorted;         // [n] by item
  candidate *all;         // [n_all] the best of each item
  size_t n_all;
  candidate **in,
      **outside; // [first] the one of each of the first places or NULL; [n_outside] the others, best first
  size_t n_outside;
  double *worth;         // [most + 1][most + 1], by promoted among the first and displaced
  unsigned char *choice; // [first][most + 1][most + 1]
  entry *entries;        // [first]
  bool *taken;           // [n] has its place among the first, or is gone
} promoter;

// ---- what there is -------------------------------------------------------------------------------------------

static int by_item(const void *a, const void *b) {
  const listed *x = a, *y = b;
  return (x->item > y->item) - (x->item < y->item);
}

// Several promotions of one item: the one that gains most, then the first.
static int by_item_and_gain(const void *a, const void *b) {
  const candidate *x = a, *y = b;
  if (x->item != y->item) return x->item < y->item ? -1 : 1;
  if (x->gain > y->gain || x->gain < y->gain) return x->gain > y->gain ? -1 : 1;
  return (x->index > y->index) - (x->index < y->index);
}

static int by_score(const void *a, const void *b) {
  const candidate *x = *(candidate *const *)a, *y = *(candidate *const *)b;
  const double s = x->relevance + x->gain, t = y->relevance + y->gain;
  if (s > t || s < t) return s > t ? -1 : 1;
  return (x->index > y->index) - (x->index < y->index);
}

static souk_status sort_list(promoter *p, souk_error *error) {
  for (int32_t i = 0; i < p->n; i++) p->sorted[i] = (listed){p->items[i], i};
  qsort(p->sorted, (size_t)p->n, sizeof *p->sorted, by_item);
  for (int32_t i = 1; i < p->n; i++)
    if (p->sorted[i].item == p->sorted[i - 1].item)
      return infer_fail(error, SOUK_ERR_ARGUMENT, "items[%d] = %d is in the list twice", p->sorted[i].at,
                        p->sorted[i].item);
  return SOUK_OK;
}

static void take_candidates(promoter *p, const souk_promotion *given, size_t bytes, size_t n, double weight) {
  for (size_t i = 0; i < n; i++) {
    const souk_promotion *one = (const void *)((const char *)given + i * bytes);
    const listed key = {.item = one->item};
    const listed *there = bsearch(&key, p->sorted, (size_t)p->n, sizeof *p->sorted, by_item);
    p->all[i] = (candidate){.item = one->item,
                            .at = there != NULL ? there->at : -1,
                            .index = (int32_t)i,
                            .relevance = (double)(there != NULL ? p->scores[there->at] : one->relevance),
                            .gain = weight * one->value};
  }
  qsort(p->all, n, sizeof *p->all, by_item_and_gain);
  for (size_t i = 0; i < n; i++)
    if (i == 0 || p->all[i].item != p->all[i - 1].item) p->all[p->n_all++] = p->all[i];
  for (size_t i = 0; i < p->n_all; i++) {
    candidate *c = &p->all[i];
    if (c->at >= 0 && c->at < p->first)
      p->in[c->at] = c;
    else
      p->outside[p->n_outside++] = c;
  }
  qsort(p->outside, p->n_outside, sizeof(candidate *), by_score);
}

// ---- the best set --------------------------------------------------------------------------------------------

static double *worth_of(const promoter *p, int32_t promoted, int32_t displaced) {
  return &p->worth[promoted * (p->most + 1) + displaced];
}

static unsigned char *choice_of(const promoter *p, int32_t row, int32_t promoted, int32_t displaced) {
  return &p->choice[(row * (p->most + 1) + promoted) * (p->most + 1) + displaced];
}

// From the last of the first places to the first one: what is the best sum with so many promoted and so many displaced?
static void fill_table(const promoter *p) {
  for (int32_t i = 0; i < (p->most + 1) * (p->most + 1); i++) p->worth[i] = -INFINITY;
  *worth_of(p, 0, 0) = 0;
  for (int32_t row = p->first - 1; row >= 0; row--)
    for (int32_t a = p->most; a >= 0; a--)
      for (int32_t d = p->most - a; d >= 0; d--) {
        double best = *worth_of(p, a, d);
        unsigned char choice = KEEP;
        if (a > 0 && p->in[row] != NULL && *worth_of(p, a - 1, d) + p->in[row]->gain > best) {
          best = *worth_of(p, a - 1, d) + p->in[row]->gain;
          choice = PROMOTE;
        }
        if (d > 0 && *worth_of(p, a, d - 1) - (double)p->scores[row] > best) {
          best = *worth_of(p, a, d - 1) - (double)p->scores[row];
          choice = DISPLACE;
        }
        *worth_of(p, a, d) = best;
        *choice_of(p, row, a, d) = choice;
      }
}

// The best of the table with the best promotions from outside; of equal ones the one with fewer promotions, and fewer displaced.
static void best_pair(const promoter *p, int32_t *promoted, int32_t *displaced) {
  double best = -INFINITY;
  for (int32_t all = 0; all <= p->most; all++) {
    double outside = 0;
    for (int32_t d = 0; d <= all && (size_t)d <= p->n_outside; d++) {
      if (d > 0) outside += p->outside[d - 1]->relevance + p->outside[d - 1]->gain;
      if (*worth_of(p, all - d, d) + outside > best) {
        best = *worth_of(p, all - d, d) + outside;
        *promoted = all - d;
        *displaced = d;
      }
    }
  }
}

static int by_place(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->score > y->score || x->score < y->score) return x->score > y->score ? -1 : 1;
  if ((x->index < 0) != (y->index < 0)) return x->index < 0 ? -1 : 1;
  return x->index < 0 ? (x->at > y->at) - (x->at < y->at) : (x->index > y->index) - (x->index < y->index);
}

static entry entry_of(const candidate *c) {
  return (entry){c->item, c->at, c->index, c->relevance, c->relevance + c->gain};
}

static void choose(promoter *p) {
  int32_t a = 0, d = 0, n = 0;
  fill_table(p);
  best_pair(p, &a, &d);
  for (int32_t i = 0; i < d; i++) p->entries[n++] = entry_of(p->outside[i]);
  for (int32_t row = 0; row < p->first; row++) {
    const unsigned char choice = *choice_of(p, row, a, d);
    const double r = (double)p->scores[row];
    a -= choice == PROMOTE;
    d -= choice == DISPLACE;
    if (choice == PROMOTE) p->entries[n++] = entry_of(p->in[row]);
    if (choice == KEEP) p->entries[n++] = (entry){p->items[row], row, -1, r, r};
  }
  for (int32_t i = 0; i < n; i++)
    if (p->entries[i].at >= 0) p->taken[p->entries[i].at] = true;
  qsort(p->entries, (size_t)n, sizeof *p->entries, by_place);
}

// ---- the list ------------------------------------------------------------------------------------------------

static void write_list(const promoter *p, int32_t *placed_items, float *relevance, int32_t *placed,
                       souk_placement *cost) {
  int32_t at = 0;
  for (; at < p->first; at++) {
    const entry *e = &p->entries[at];
    const double discount = log2((double)at + 2);
    placed_items[at] = e->item;
    placed[at] = e->index;
    if (relevance != NULL) relevance[at] = (float)e->relevance;
    cost->promoted += e->index >= 0;
    cost->sum_before += (double)p->scores[at];
    cost->sum_after += e->relevance;
    cost->dcg_before += (double)p->scores[at] / discount;
    cost->dcg_after += e->relevance / discount;
  }
  for (int32_t i = 0; i < p->n && at < p->n; i++) {
    if (p->taken[i]) continue;
    placed_items[at] = p->items[i];
    placed[at] = -1;
    if (relevance != NULL) relevance[at] = p->scores[i];
    at++;
  }
}

static souk_status promote(promoter *p, const souk_promotion *given, size_t bytes, size_t n, double weight,
                           souk_error *error) {
  const size_t length = (size_t)p->n, first = (size_t)p->first, side = (size_t)p->most + 1;
  PASS(infer_alloc(&p->sorted, length + 1, sizeof *p->sorted, "a list", error));
  PASS(infer_alloc(&p->taken, length + 1, sizeof *p->taken, "a list", error));
  PASS(infer_alloc(&p->all, n + 1, sizeof *p->all, "promotions", error));
  PASS(infer_alloc(&p->outside, n + 1, sizeof(candidate *), "promotions", error));
  PASS(infer_alloc(&p->in, first + 1, sizeof(candidate *), "places", error));
  PASS(infer_alloc(&p->entries, first + 1, sizeof *p->entries, "places", error));
  PASS(infer_alloc(&p->worth, side * side, sizeof *p->worth, "places", error));
  PASS(infer_alloc(&p->choice, (first + 1) * side * side, 1, "places", error));
  PASS(sort_list(p, error));
  take_candidates(p, given, bytes, n, weight);
  choose(p);
  return SOUK_OK;
}

static void promoter_free(promoter *p) {
  void *const all[] = {p->sorted,     p->taken,   p->all,   p->outside,
                       (void *)p->in, p->entries, p->worth, p->choice};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

// ---- arguments -----------------------------------------------------------------------------------------------

static souk_status check_list(const int32_t *items, const float *scores, int32_t n, souk_error *error) {
  if (n < 0 || n > HISTORY_MAX)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "n = %d is not from 0 to 2^24", n);
  CHECK_POINTER(items, int32_t, n, "items");
  CHECK_POINTER(scores, float, n, "scores");
  PASS(check_finite(scores, (size_t)n, (place){.field = "scores"}, error));
  for (int32_t i = 0; i < n; i++)
    if (items[i] < 0) return infer_fail(error, SOUK_ERR_ARGUMENT, "items[%d] = %d is negative", i, items[i]);
  for (int32_t i = 1; i < n; i++)
    if (scores[i] > scores[i - 1])
      return infer_fail(error, SOUK_ERR_ARGUMENT, "scores[%d] is larger than the one before it", i);
  return SOUK_OK;
}

static souk_status check_promotions(const souk_promotion *given, size_t bytes, size_t n, souk_error *error) {
  if (bytes < sizeof *given || bytes % _Alignof(souk_promotion) != 0)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "promotions are not structures of %zu bytes", bytes);
  CHECK_POINTER(given, souk_promotion, n, "promotions");
  PASS(check_count(n, "n_promotions", error));
  for (size_t i = 0; i < n; i++) {
    const souk_promotion *one = (const void *)((const char *)given + i * bytes);
    PASS(check_tail(one, bytes, sizeof *one, (place){.array = "promotions", .index = i, .field = ""}, error));
    if (one->item < 0)
      return infer_fail(error, SOUK_ERR_ARGUMENT, "promotions[%zu].item = %d is negative", i, one->item);
    if (!__builtin_isfinite(one->relevance))
      return infer_fail(error, SOUK_ERR_NONFINITE, "promotions[%zu].relevance is a NaN or an infinity", i);
    if (!(one->value >= 0 && one->value <= 1e9))
      return infer_fail(error, SOUK_ERR_ARGUMENT, "promotions[%zu].value = %g is not from 0 to 1e9", i,
                        one->value);
  }
  return SOUK_OK;
}

static souk_status check_promote_options(const souk_promote_options *o, souk_error *error) {
  if (o->most < 0 || o->most > PROMOTE_MOST)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "options.most = %d is not from 0 to %d", o->most,
                      PROMOTE_MOST);
  if (o->first < 0 || o->first > PROMOTE_FIRST)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "options.first = %d is not from 0 to %d", o->first,
                      PROMOTE_FIRST);
  if (!(o->weight >= 0 && o->weight <= 1e9))
    return infer_fail(error, SOUK_ERR_ARGUMENT, "options.weight = %g is not from 0 to 1e9", o->weight);
  return SOUK_OK;
}

souk_status souk_promote_sized(const int32_t *items, const float *scores, int32_t n,
                               const souk_promotion *promotions, size_t promotion_bytes, size_t n_promotions,
                               const souk_promote_options *options, size_t options_bytes,
                               int32_t *placed_items, float *relevance, int32_t *placed, souk_placement *cost,
                               size_t cost_bytes, souk_error *error) {
  souk_promote_options o;
  souk_placement own = {.promoted = 0};
  BEGIN_CALL(error);
  CHECK_POINTER(options, souk_promote_options, 1, "options");
  PASS(take_structure(&o, sizeof o, options, options_bytes, "options", error));
  PASS(check_promote_options(&o, error));
  PASS(check_list(items, scores, n, error));
  PASS(check_promotions(promotions, promotion_bytes, n_promotions, error));
  CHECK_POINTER(placed_items, int32_t, n, "placed_items");
  CHECK_POINTER(relevance, float, 0, "relevance");
  CHECK_POINTER(placed, int32_t, n, "placed");
  CHECK_POINTER(cost, souk_placement, 0, "cost");
  if (cost != NULL && cost_bytes == 0) return infer_fail(error, SOUK_ERR_ARGUMENT, "cost_bytes = 0");
  promoter p = {.items = items, .scores = scores, .n = n};
  p.first = o.first < n ? o.first : n;
  p.most = o.most < p.first ? o.most : p.first;
  const souk_status rc = promote(&p, promotions, promotion_bytes, n_promotions, o.weight, error);
  if (rc == SOUK_OK) write_list(&p, placed_items, relevance, placed, &own);
  promoter_free(&p);
  if (rc != SOUK_OK || cost == NULL) return rc;
  memset(cost, 0, cost_bytes);
  memcpy(cost, &own, cost_bytes < sizeof own ? cost_bytes : sizeof own);
  return SOUK_OK;
}
