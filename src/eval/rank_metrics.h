// Ranking metrics: from scores to a rank, from ranks to HR, NDCG and MRR at 1, 5, 10, 20.
//
// One relevant item a query, so with r the target's rank among the candidates (1 is first):
//   HR@k = [r <= k]    NDCG@k = [r <= k] / log2(r + 1)    MRR@k = [r <= k] / r    MRR = 1 / r
// each averaged over queries (docs/evaluation.md). Rank 0 stands for "cannot be ranked" (the target is unknown to
// the vocabulary) and counts as a miss.
#ifndef SOUK_EVAL_RANK_METRICS_H
#define SOUK_EVAL_RANK_METRICS_H

#include <stdint.h>

enum { RANK_CUTOFFS = 4, RANK_DEEPEST = 20, RANK_METRICS = 3 * RANK_CUTOFFS + 1 };
enum {
  METRIC_HR = 0,
  METRIC_NDCG = RANK_CUTOFFS,
  METRIC_MRR = 2 * RANK_CUTOFFS,
  METRIC_MRR_ALL = 3 * RANK_CUTOFFS
};
extern const int32_t rank_cutoffs[RANK_CUTOFFS]; // 1, 5, 10, 20

// value[METRIC_HR + c] is HR at rank_cutoffs[c], likewise NDCG and MRR; value[METRIC_MRR_ALL] has no cutoff.
typedef struct rank_metrics {
  double value[RANK_METRICS];
} rank_metrics;

const char *rank_metric_name(int32_t metric); // "hr@1" ... "ndcg@10" ... "mrr@20", "mrr"
int32_t rank_metric_find(const char *name);   // -1: there is no such metric

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

// How many candidates have a higher score than the target, and how many have the same.
typedef struct rank_standing {
  int64_t above, tied;
} rank_standing;

// Adds scores[0..n) to *s. Scores within `tolerance` of the target's are ties. -infinity is never above or tied.
void rank_count(const float *scores, int64_t n, float target, float tolerance, rank_standing *s);
// Places the target uniformly among its ties; unit is a draw from [0, 1).
int32_t rank_place(rank_standing s, double unit);

#endif
