// Ranks and metrics; see rank_metrics.h.
//
// A rank is counted, not sorted: 1 + the candidates scored above the target + a uniform share of those that tie
// with it. Counting needs one pass over scores in any order and in any blocks, so no list of scores ever exists
// whole. Ties must be random: item ids follow first appearance in most logs, so ties broken by id would favour old or
// new items, and the figures of counting baselines (many ties at zero) would depend on the order of a file.
#include "eval/rank_metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const int32_t rank_cutoffs[RANK_CUTOFFS] = {1, 5, 10, RANK_DEEPEST};

static const char *const names[SET_METRICS] = {
    "hr@1",     "hr@5",      "hr@10",     "hr@20",       "ndcg@1",      "ndcg@5",       "ndcg@10",
    "ndcg@20",  "mrr@1",     "mrr@5",     "mrr@10",      "mrr@20",      "mrr",          "recall@1",
    "recall@5", "recall@10", "recall@20", "precision@1", "precision@5", "precision@10", "precision@20",
    "map@1",    "map@5",     "map@10",    "map@20"};

const char *rank_metric_name(int32_t metric) {
  return metric >= 0 && metric < SET_METRICS ? names[metric] : "";
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

// ---- several relevant items --------------------------------------------------------------------------------------

static int misses_last(const void *a, const void *b) {
  const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  if ((x == 0) != (y == 0)) return x == 0 ? 1 : -1;
  return (x > y) - (x < y);
}

void rank_set_sort(int32_t *ranks, int32_t relevant) {
  qsort(ranks, (size_t)relevant, sizeof *ranks, misses_last);
}

// 1 / log2(k + 1) for k = 1, 2, ..., and the sums of the first k of them; a bootstrap asks millions of times.
static const double discounts[RANK_DEEPEST + 1] = {0,
                                                   1.0,
                                                   0.6309297535714575,
                                                   0.5,
                                                   0.43067655807339306,
                                                   0.38685280723454163,
                                                   0.3562071871080222,
                                                   0.3333333333333333,
                                                   0.31546487678572877,
                                                   0.3010299956639812,
                                                   0.2890648263178879,
                                                   0.27894294565112987,
                                                   0.27023815442731974,
                                                   0.26264953503719357,
                                                   0.2559580248098155,
                                                   0.25,
                                                   0.24465054211822604,
                                                   0.23981246656813146,
                                                   0.23540891336663824,
                                                   0.23137821315975915,
                                                   0.227670248696953};
static const double ideals[RANK_DEEPEST + 1] = {0,
                                                1.0,
                                                1.6309297535714575,
                                                2.1309297535714578,
                                                2.5616063116448506,
                                                2.9484591188793923,
                                                3.3046663059874146,
                                                3.637999639320748,
                                                3.953464516106477,
                                                4.254494511770458,
                                                4.543559338088346,
                                                4.8225022837394755,
                                                5.092740438166795,
                                                5.355389973203989,
                                                5.611347998013804,
                                                5.861347998013804,
                                                6.10599854013203,
                                                6.345811006700162,
                                                6.5812199200668,
                                                6.812598133226559,
                                                7.040268381923512};

void rank_set_add(rank_metrics *sum, const int32_t *ranks, int32_t relevant, double weight) {
  if (ranks[0] == 0) return;
  const double first = weight / ranks[0];
  sum->value[METRIC_MRR_ALL] += first;
  double gain = 0, precisions = 0;
  int32_t hits = 0;
  for (int32_t cutoff = 0; cutoff < RANK_CUTOFFS; cutoff++) {
    const int32_t k = rank_cutoffs[cutoff], reachable = relevant < k ? relevant : k;
    for (; hits < relevant && ranks[hits] > 0 && ranks[hits] <= k; hits++) {
      gain += discounts[ranks[hits]];
      precisions += (hits + 1.0) / ranks[hits];
    }
    if (hits == 0) continue;
    sum->value[METRIC_HR + cutoff] += weight;
    sum->value[METRIC_NDCG + cutoff] += weight * gain / ideals[reachable];
    sum->value[METRIC_MRR + cutoff] += first;
    sum->value[METRIC_RECALL + cutoff] += weight * hits / relevant;
    sum->value[METRIC_PRECISION + cutoff] += weight * hits / k;
    sum->value[METRIC_MAP + cutoff] += weight * precisions / reachable;
  }
}

void rank_sets_metrics(const int32_t *ranks, const int32_t *relevant, int64_t queries, rank_metrics *out) {
  *out = (rank_metrics){0};
  for (int64_t i = 0; i < queries; ranks += relevant[i++]) rank_set_add(out, ranks, relevant[i], 1.0);
  for (int32_t m = 0; queries > 0 && m < SET_METRICS; m++) out->value[m] /= (double)queries;
}

// ---- ranks -------------------------------------------------------------------------------------------------------

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

// By falling score. Insertion into what is nearly sorted would do for a few; there may be thousands.
static void sort_by_score(const float *scores, int32_t *order, int32_t *room, int32_t n) {
  for (int32_t width = 1; width < n;
       width *= 2) { // merges runs, in place of a qsort that would need a context
    for (int32_t at = 0; at < n; at += 2 * width) {
      const int32_t middle = at + width < n ? at + width : n, end = middle + width < n ? middle + width : n;
      int32_t a = at, b = middle;
      for (int32_t i = at; i < end; i++)
        room[i] = a < middle && (b == end || scores[order[a]] >= scores[order[b]]) ? order[a++] : order[b++];
    }
    memcpy(order, room, (size_t)n * sizeof *order);
  }
}

// A relevant item is put among those that it ties with: the candidates that are not relevant and the relevant ones before
// it in the order. As each of those places is equally likely, so is each order of all of them in the end. What is kept is the
// gap, how many candidates that are not relevant lie before it; the ranks follow.
static int64_t draw_gap(const rank_set *s, int32_t item, const int64_t *tied, int32_t n_tied) {
  const rank_standing *own = &s->standings[item * s->stride];
  int64_t place = (int64_t)(s->units[item] * (double)(own->tied + n_tied + 1));
  if (place > own->tied + n_tied) place = own->tied + n_tied; // as in rank_place
  int64_t before = 0;                                         // relevant ones in front of the place
  for (int32_t i = 0; i < n_tied; i++) before += tied[i] - own->above + i < place;
  const int64_t gap = place - before;
  return own->above + (gap < 0 ? 0 : gap > own->tied ? own->tied : gap);
}

void rank_place_set(const rank_set *s, int32_t *ranks, int32_t *order, int64_t *gaps) {
  for (int32_t i = 0; i < s->n; i++) order[i] = i;
  sort_by_score(s->scores, order, ranks, s->n);
  int32_t group = 0; // where those that tie begin, and the score of the first of them
  float top = s->n > 0 ? s->scores[order[0]] : 0;
  for (int32_t i = 0; i < s->n; i++) {
    const int32_t item = order[i];
    if (top - s->scores[item] > s->tolerances[item]) {
      group = i;
      top = s->scores[item];
    }
    int64_t gap = draw_gap(s, item, gaps + group, i - group);
    if (group > 0 && gap < gaps[group - 1]) gap = gaps[group - 1]; // by rounding only
    int32_t at = i;
    for (; at > group && gaps[at - 1] > gap;
         at--) { // the gaps of a group are kept in order, with their items
      gaps[at] = gaps[at - 1];
      order[at] = order[at - 1];
    }
    gaps[at] = gap;
    order[at] = item;
  }
  for (int32_t i = 0; i < s->n; i++) ranks[order[i]] = (int32_t)(1 + gaps[i] + i);
}
