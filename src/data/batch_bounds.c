// Capacities from the lengths of a data set; see batch_bounds.h.
#include "data/batch_bounds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"

static const double NEVER = 50; // one batch in e^50

// What an example adds at most.
static double most(const example_kind *k, counted what) {
  if (what == COUNT_SEQS) return 1;
  if (what == COUNT_WORK) return batch_work(k->rows);
  return k->maskable > 0 ? k->maskable : k->masked;
}

// What it adds on average.
static double mean(const example_kind *k, counted what, const masking *m) {
  if (what != COUNT_MASKED || k->maskable == 0) return most(k, what);
  return m->probability * k->maskable + exp(masking_log_none(m, k->maskable));
}

static double log_sum(double a, double b) {
  const double top = fmax(a, b);
  return isinf(top) ? top : top + log1p(exp(fmin(a, b) - top));
}

// Log of the mean of exp(theta w). Of the items that may be masked W are, and one if that leaves none: w = max(W, 1), and the
// mean is that of exp(theta W) and P(W = 0) (e^theta - 1).
static double log_moment(const example_kind *k, counted what, const masking *m, double theta) {
  if (what != COUNT_MASKED || k->maskable == 0) return theta * most(k, what);
  const double none = m->probability < 1 ? masking_log_none(m, k->maskable) + log(expm1(theta)) : -INFINITY;
  return log_sum(masking_log_moment(m, k->maskable, theta), none);
}

// What a batch has so and so much of: rows, or just examples.
typedef enum limit { LIMIT_ROWS, LIMIT_EXAMPLES } limit;

static double size(const example_kind *k, limit by) {
  return by == LIMIT_ROWS ? k->rows : 1;
}

// log sum of count exp(theta w - psi size), and its mean size under these weights.
static double log_total(const example_kind *k, const double *moment, size_t n, limit by, double psi,
                        double *mean_size) {
  double top = -INFINITY, sum = 0, weighted = 0;
  for (size_t i = 0; i < n; i++) top = fmax(top, moment[i] - psi * size(&k[i], by));
  for (size_t i = 0; i < n; i++) {
    const double part = exp(moment[i] - psi * size(&k[i], by) - top);
    sum += part;
    weighted += part * size(&k[i], by);
  }
  *mean_size = weighted / sum;
  return top + log(fmax(sum, 1)); // the largest part is 1
}

// The psi of a theta: Newton's method on a convex, falling function, from the left.
static double solve(const example_kind *k, const double *moment, size_t n, limit by, double count) {
  double psi = 0, mean_size;
  for (int i = 0; i < 200; i++) {
    const double step = (log_total(k, moment, n, by, psi, &mean_size) - log(count)) / mean_size;
    psi += step;
    if (!(step > 1e-12 * psi)) break;
  }
  return psi;
}

// m, of one set of examples, for batches of `room` rows or examples.
static double reached_of(batch_bounds *b, int set, counted what, limit by, double room) {
  const example_kind *k = b->sets[set].kinds;
  const size_t n = b->sets[set].n;
  double count = 0, best = 0;
  if (n == 0) return 0;
  for (size_t i = 0; i < n; i++) {
    count += k[i].count;
    best = fmax(best, room * most(&k[i], what) / size(&k[i], by)); // whatever is drawn
  }
  for (int step = -20; step <= 14; step++) {
    const double theta = exp2(0.5 * step);
    for (size_t i = 0; i < n; i++)
      b->moments[i] = log(k[i].count) + log_moment(&k[i], what, &b->masking, theta);
    best = fmin(best, (NEVER + room * solve(k, b->moments, n, by, count)) / theta);
  }
  return best * (1 + 1e-9); // a rounding more: whole numbers may be reached exactly
}

// The worst block's set: of rows, then of examples.
static int worst(counted what, limit by) {
  return (by == LIMIT_ROWS ? 0 : COUNTS) + (int)what;
}

static double reached(batch_bounds *b, counted what, limit by, double room) {
  return fmax(reached_of(b, worst(what, by), what, by, room), reached_of(b, ALL_BLOCKS, what, by, room));
}

static status keep(batch_bounds *b, int set, const example_kind *kinds, size_t n) {
  TRY(mem_grow(&b->sets[set].kinds, &b->sets[set].cap, n, sizeof *kinds, "the bounds of batches"));
  TRY(mem_grow(&b->moments, &b->moments_cap, n, sizeof *b->moments, "the bounds of batches"));
  if (n > 0) memcpy(b->sets[set].kinds, kinds, n * sizeof *kinds);
  b->sets[set].n = n;
  return OK;
}

status bounds_set_all(batch_bounds *b, const example_kind *kinds, size_t n) {
  return keep(b, ALL_BLOCKS, kinds, n);
}

// Keeps the block if it is the worst so far: has most for each row, or for each example.
static status compare_block(batch_bounds *b, const example_kind *kinds, size_t n, counted what, limit by) {
  const int set = worst(what, by);
  double sum = 0, sizes = 0;
  for (size_t i = 0; i < n; i++) {
    sum += kinds[i].count * mean(&kinds[i], what, &b->masking);
    sizes += kinds[i].count * size(&kinds[i], by);
  }
  if (!(sum > b->sets[set].share * sizes)) return OK;
  TRY(keep(b, set, kinds, n));
  b->sets[set].share = sum / sizes;
  return OK;
}

status bounds_add_block(batch_bounds *b, const example_kind *kinds, size_t n) {
  for (int what = 0; what < COUNTS; what++) {
    TRY(compare_block(b, kinds, n, (counted)what, LIMIT_ROWS));
    TRY(compare_block(b, kinds, n, (counted)what, LIMIT_EXAMPLES));
  }
  return OK;
}

void bounds_add_total(batch_bounds *b, const example_kind *kinds, size_t n) {
  for (size_t i = 0; i < n; i++) {
    b->rows += kinds[i].count * kinds[i].rows;
    for (int what = 0; what < COUNTS; what++)
      b->total[what] += kinds[i].count * most(&kinds[i], (counted)what);
  }
}

void bounds_free(batch_bounds *b) {
  for (int set = 0; set < BOUND_SETS; set++) free(b->sets[set].kinds);
  free(b->moments);
}

static int32_t whole(double x, double least) {
  return (int32_t)fmax(least, floor(x));
}

batch_caps bounds_caps(batch_bounds *b, int64_t tokens, int64_t seqs, int32_t longest) {
  double caps[COUNTS];
  const double rows = fmax(longest, fmin((double)tokens, b->rows));
  for (int what = 0; what < COUNTS; what++) {
    const double by_rows = reached(b, (counted)what, LIMIT_ROWS, rows);
    caps[what] = fmin(fmin(b->total[what], by_rows), rows);
    if (what == COUNT_SEQS)
      caps[what] = fmin(caps[what], (double)seqs);
    else
      caps[what] = fmin(caps[what], reached(b, (counted)what, LIMIT_EXAMPLES, floor(caps[COUNT_SEQS])));
  }
  return (batch_caps){.tokens = whole(rows, 1),
                      .seqs = whole(caps[COUNT_SEQS], 1),
                      .masked = whole(caps[COUNT_MASKED], 1),
                      .work = whole(caps[COUNT_WORK], batch_work(longest))};
}

status bounds_of_queries(batch_caps *out, const dataset *d, const seq_layout *layout, int64_t tokens,
                         int64_t seqs) {
  const int32_t longest = layout->max_positions,
                others = layout->cls_sep ? 3 : 1; // rows besides the history's
  example_kind *by_rows;
  TRY(mem_new(&by_rows, (size_t)longest + 1, sizeof *by_rows, "the bounds of batches"));
  for (int64_t i = 0; i < dataset_get_info(d)->sequences; i++) {
    const int32_t n = dataset_train_lengths(d)[i] + others, rows = n < longest ? n : longest;
    by_rows[rows].count++;
  }
  size_t kinds = 0;
  for (int32_t n = 1; n <= longest; n++)
    if (by_rows[n].count > 0)
      by_rows[kinds++] = (example_kind){.count = by_rows[n].count, .rows = n, .masked = 1};
  batch_bounds b = {.rows = 0};
  bounds_add_total(&b, by_rows, kinds);
  const status rc = bounds_set_all(&b, by_rows, kinds);
  if (rc == OK) *out = bounds_caps(&b, tokens, seqs, longest);
  bounds_free(&b);
  free(by_rows);
  return rc;
}
