// The bootstrap; see bootstrap.h. A replicate needs a weight a user and one pass over the ranks of each set, so the
// cost is replicates x (users + sets x questions), split among threads by replicates.
#include "eval/bootstrap.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/philox.h"
#include "eval/queries.h"
#include "format/order.h"

// Weighted metrics of one set with one relevant item a question. Questions that were not drawn or whose rank is beyond every cutoff are skipped early.
static void replicate_metrics(const int32_t *ranks, const int32_t *user, const uint32_t *weight,
                              int64_t queries, double total, rank_metrics *out) {
  rank_counts c = {.total = total};
  double reciprocal = 0;
  for (int64_t i = 0; i < queries; i++) {
    const double w = weight[user[i]];
    const int32_t rank = ranks[i];
    if (rank < 1) continue;
    reciprocal += w / rank;
    if (rank <= RANK_DEEPEST) c.at[rank] += w;
  }
  c.reciprocal = reciprocal;
  rank_counts_metrics(&c, out);
}

// The same with several relevant items.
static void replicate_set_metrics(const int32_t *ranks, const int32_t *relevant, const int32_t *user,
                                  const uint32_t *weight, int64_t queries, double total, rank_metrics *out) {
  *out = (rank_metrics){0};
  for (int64_t i = 0; i < queries; ranks += relevant[i++])
    if (weight[user[i]] > 0) rank_set_add(out, ranks, relevant[i], weight[user[i]]);
  for (int32_t m = 0; m < SET_METRICS; m++) out->value[m] /= total;
}

void bootstrap_draw(uint64_t seed, int64_t replicate, int32_t n, uint32_t *weight) {
  memset(weight, 0, (size_t)n * sizeof *weight);
  rng r =
      rng_at(seed, STREAM_EVAL + DRAW_BOOTSTRAP, (uint32_t)replicate, (uint32_t)((uint64_t)replicate >> 32));
  for (int32_t i = 0; i < n; i++) weight[rng_below(&r, (uint64_t)n)]++;
}

int32_t bootstrap_width(const bootstrap_questions *q) {
  return q->relevant != NULL ? SET_METRICS : RANK_METRICS;
}

status bootstrap_metrics(const bootstrap_questions *q, const int32_t *const *ranks, int32_t sets,
                         int64_t replicates, uint64_t seed, double *values) {
  const int64_t *slots = q->slots, queries = q->queries;
  const int32_t width = bootstrap_width(q);
  if (queries < 1 || replicates < 1)
    return fail(ERR_ARGUMENT, "a bootstrap needs at least one question and one replicate");
  if (queries > INT32_MAX)
    return fail(ERR_ARGUMENT,
                "a bootstrap over %lld questions; at most %d are possible (--users chooses some)",
                (long long)queries, INT32_MAX);
  int32_t *user = NULL; // users numbered without gaps: those without questions must not be drawn
  uint32_t *weights = NULL;
  const int32_t threads = omp_get_max_threads();
  int32_t users = 0;
  status rc;
  TRY_GOTO(mem_new(&user, (size_t)queries, sizeof *user, "bootstrap replicates"), done);
  for (int64_t i = 0; i < queries; i++) {
    users += i == 0 || slots[i] != slots[i - 1];
    user[i] = users - 1;
  }
  TRY_GOTO(mem_new(&weights, (size_t)threads * (size_t)users, sizeof *weights, "bootstrap replicates"), done);
#pragma omp parallel for schedule(dynamic, 4) num_threads(threads)
  for (int64_t b = 0; b < replicates; b++) {
    uint32_t *weight = weights + (size_t)omp_get_thread_num() * (size_t)users;
    bootstrap_draw(seed, b, users, weight);
    double total = 0;
    for (int64_t i = 0; i < queries; i++) total += weight[user[i]];
    for (int32_t s = 0; s < sets; s++) {
      rank_metrics m;
      if (q->relevant != NULL)
        replicate_set_metrics(ranks[s], q->relevant, user, weight, queries, total, &m);
      else
        replicate_metrics(ranks[s], user, weight, queries, total, &m);
      for (int32_t k = 0; k < width; k++) values[((int64_t)s * width + k) * replicates + b] = m.value[k];
    }
  }
done:
  free(user);
  free(weights);
  return rc;
}

static double quantile(const double *sorted, int64_t n, double q) {
  const double place = q * (double)(n - 1);
  const int64_t below = (int64_t)place;
  if (below >= n - 1) return sorted[n - 1];
  return sorted[below] + (place - (double)below) * (sorted[below + 1] - sorted[below]);
}

interval central_interval(double *values, int64_t n, double level) {
  qsort(values, (size_t)n, sizeof *values, order_double);
  return (interval){quantile(values, n, 0.5 * (1 - level)), quantile(values, n, 0.5 * (1 + level))};
}
