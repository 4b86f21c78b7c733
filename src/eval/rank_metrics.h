// Ranking metrics: from scores to a rank, from ranks to HR, NDCG, MRR and others at 1, 5, 10, 20.
//
// With one relevant item a query, r being the target's rank among the candidates (1 is first):
//   HR@k = [r <= k]    NDCG@k = [r <= k] / log2(r + 1)    MRR@k = [r <= k] / r    MRR = 1 / r
// With R relevant items, at ranks r_1 < r_2 < ... of which h are at most k:
//   HR@k = [h > 0]    recall@k = h / R    precision@k = h / k    MRR@k = [h > 0] / r_1    MRR = 1 / r_1
//   NDCG@k = (sum over i <= h of 1 / log2(r_i + 1)) / (sum over i <= min(R, k) of 1 / log2(i + 1))
//   MAP@k = (sum over i <= h of i / r_i) / min(R, k)
// each averaged over queries (docs/evaluation.md). Rank 0 stands for "cannot be ranked" (the target is unknown to
// the vocabulary) and counts as a miss. With R = 1 recall@k is HR@k, precision@k HR@k / k, and MAP@k MRR@k.
#ifndef SOUK_EVAL_RANK_METRICS_H
#define SOUK_EVAL_RANK_METRICS_H

#include <stdint.h>

// RANK_METRICS: those of queries with one relevant item. SET_METRICS: all of them, for queries with several.
enum {
  RANK_CUTOFFS = 4,
  RANK_DEEPEST = 20,
  RANK_METRICS = 3 * RANK_CUTOFFS + 1,
  SET_METRICS = RANK_METRICS + 3 * RANK_CUTOFFS
};
enum {
  METRIC_HR = 0,
  METRIC_NDCG = RANK_CUTOFFS,
  METRIC_MRR = 2 * RANK_CUTOFFS,
  METRIC_MRR_ALL = 3 * RANK_CUTOFFS,
  METRIC_RECALL = RANK_METRICS,
  METRIC_PRECISION = METRIC_RECALL + RANK_CUTOFFS,
  METRIC_MAP = METRIC_PRECISION + RANK_CUTOFFS
};
extern const int32_t rank_cutoffs[RANK_CUTOFFS]; // 1, 5, 10, 20

// value[METRIC_HR + c] is HR at rank_cutoffs[c], likewise the others; value[METRIC_MRR_ALL] has no cutoff. Those behind
// RANK_METRICS are 0 where queries have one relevant item.
typedef struct rank_metrics {
  double value[SET_METRICS];
} rank_metrics;

const char *rank_metric_name(int32_t metric); // "hr@1" ... "ndcg@10" ... "mrr", "recall@1" ... "map@20"
int32_t rank_metric_find(const char *name);   // one of the first RANK_METRICS; -1: there is no such metric

// Weighted counts of ranks: all that the metrics need. at[r] for r = 1..20; reciprocal has every rank.
typedef struct rank_counts {
  double at[RANK_DEEPEST + 1];
  double reciprocal, total;
} rank_counts;

static inline void rank_counts_add(rank_counts *c, int32_t rank, double weight) {
  c->total += weight;
  if (rank < 1) return;
  c->reciprocal += weight / rank;
  if (rank <= RANK_DEEPEST) c->at[rank] += weight;
}
void rank_counts_metrics(const rank_counts *c, rank_metrics *out); // zeros when nothing was counted
void rank_metrics_of(const int32_t *ranks, int64_t n, rank_metrics *out);

// Queries with several relevant items, given by the ranks of each: ascending, with those that cannot be ranked (0) last.
void rank_set_sort(int32_t *ranks, int32_t relevant);
// Adds the metrics of one query to sum->value, times `weight`.
void rank_set_add(rank_metrics *sum, const int32_t *ranks, int32_t relevant, double weight);
// The mean over queries: relevant [queries] >= 1, ranks one query behind the other, sorted.
void rank_sets_metrics(const int32_t *ranks, const int32_t *relevant, int64_t queries, rank_metrics *out);

// How many candidates have a higher score than the target, and how many have the same.
typedef struct rank_standing {
  int64_t above, tied;
} rank_standing;

// Adds scores[0..n) to *s. Scores within `tolerance` of the target's are ties. -infinity is never above or tied.
void rank_count(const float *scores, int64_t n, float target, float tolerance, rank_standing *s);
// Places the target uniformly among its ties; unit is a draw from [0, 1).
int32_t rank_place(rank_standing s, double unit);

// The same for a query with several relevant items: all that tie, relevant or not, are in random order, and no two have the
// same rank.
typedef struct rank_set {
  int32_t n;
  const rank_standing *standings; // every `stride`-th: against the candidates that are not relevant
  int32_t stride;
  const float *scores, *tolerances; // [n] of the relevant items
  const double *units;              // [n] draws from [0, 1)
} rank_set;
// ranks [n] in the order of the set; order, gaps [n] scratch.
void rank_place_set(const rank_set *s, int32_t *ranks, int32_t *order, int64_t *gaps);

#endif
