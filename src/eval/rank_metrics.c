// Ranks and metrics; see rank_metrics.h.
//
// A rank is counted, not sorted: 1 + the candidates scored above the target + a uniform share of those that tie
// with it. Counting needs one pass over scores in any order and in any blocks, so no list of scores ever exists
// whole. Ties must be random: item ids follow first appearance in most logs, so ties broken by id would favour old or
// new items, and the figures of counting baselines (many ties at zero) would depend on the order of a file.
#include "eval/rank_metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const int32_t rank_cutoffs[RANK_CUTOFFS] = {1, 5, 10, RANK_DEEPEST};

static const char *const names[RANK_METRICS] = {"hr@1",   "hr@5",    "hr@10",   "hr@20", "ndcg@1",
                                                "ndcg@5", "ndcg@10", "ndcg@20", "mrr@1", "mrr@5",
                                                "mrr@10", "mrr@20",  "mrr"};

const char *rank_metric_name(int32_t metric) {
  return metric >= 0 && metric < RANK_METRICS ? names[metric] : "";
}

int32_t rank_metric_find(const char *name) {
  for (int32_t i = 0; i < RANK_METRICS; i++)
    if (strcmp(names[i], name) == 0) return i;
  return -1;
}

void rank_counts_metrics(const rank_counts *c, rank_metrics *out) {
  *out = (rank_metrics){0};
  if (c->total <= 0) return;
  double hits = 0, gain = 0, reciprocal = 0;
  for (int32_t r = 1, cutoff = 0; r <= RANK_DEEPEST; r++) {
    hits += c->at[r];
    gain += c->at[r] / log2(r + 1.0);
    reciprocal += c->at[r] / r;
    if (r != rank_cutoffs[cutoff]) continue;
    out->value[METRIC_HR + cutoff] = hits / c->total;
    out->value[METRIC_NDCG + cutoff] = gain / c->total;
    out->value[METRIC_MRR + cutoff] = reciprocal / c->total;
    cutoff++;
  }
  out->value[METRIC_MRR_ALL] = c->reciprocal / c->total;
}

void rank_metrics_of(const int32_t *ranks, int64_t n, rank_metrics *out) {
  rank_counts c = {0};
  for (int64_t i = 0; i < n; i++) rank_counts_add(&c, ranks[i], 1.0);
  rank_counts_metrics(&c, out);
}

void rank_count(const float *scores, int64_t n, float target, float tolerance, rank_standing *s) {
  const float above_from = target + tolerance, tied_from = target - tolerance;
  int64_t above = 0, reached = 0;
  // Blocks keep the inner counters 32 bits wide, as wide as the scores, which is what vectorises well.
  for (int64_t at = 0; at < n; at += 1 << 20) {
    const int32_t m = (int32_t)(n - at < 1 << 20 ? n - at : 1 << 20);
    const float *x = scores + at;
    int32_t over = 0, level = 0;
#pragma omp simd reduction(+ : over, level)
    for (int32_t i = 0; i < m; i++) {
      over += x[i] > above_from;
      level += x[i] >= tied_from;
    }
    above += over;
    reached += level;
  }
  s->above += above;
  s->tied += reached - above;
}

int32_t rank_place(rank_standing s, double unit) {
  int64_t place = (int64_t)(unit * (double)(s.tied + 1));
  if (place > s.tied) place = s.tied; // unit * (n + 1) may round up to n + 1
  return (int32_t)(1 + s.above + place);
}
