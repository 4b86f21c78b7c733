// Counting baselines; see baselines.h and docs/evaluation.md.
//
// With n_i the count of item i, N of all items, n_ab the times that b followed a directly, w_ij the weight of pairs
// (pair_counts.h), a the last item of the history and h_0 = a, h_1, ... its items from the newest back:
//   popularity            n_j
//   markov                n_aj + prior n_j / N
//   co-occurrence         sum over k of decay^k w_{h_k j} / sqrt(n_{h_k} n_j)  (+ a popularity of at most EPSILON)
//   co-occurrence+markov  sum over k of decay^k w_{h_k j} / sqrt(n_{h_k}) + transition n_aj / n_a. (+ the same)
// Scores are made a row at a time: the part that is the same for all questions is copied, then the scores of the few
// items that are related to the history are raised.
#include "eval/baselines.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "eval/pair_counts.h"

// Weight of popularity where it only breaks ties.
#define EPSILON 1e-6

const char *const baseline_names[BASELINES] = {"popularity", "markov", "co-occurrence",
                                               "co-occurrence+markov"};

#define BA(f) offsetof(baseline_config, f)
const option baseline_options[] = {
    {"learn", OPT_CHOICE, BA(learn), "before", 0, 0, "before|train",
     "parts that baselines learn from: all before the one evaluated, or train only"},
    {"prior", OPT_FLOAT, BA(prior), "1", 0, 1e6, NULL,
     "markov: weight of the popularity prior, counted in transitions"},
    {"window", OPT_INT, BA(window), "20", 1, 10000, NULL,
     "co-occurrence: distance of pairs, and items of the history that count"},
    {"distance_power", OPT_FLOAT, BA(distance_power), "0.5", 0, 10, NULL,
     "co-occurrence: a pair t places apart has weight t^-distance_power"},
    {"backward", OPT_FLOAT, BA(backward), "0.3", 0, 1, NULL,
     "co-occurrence: weight of pairs against the order of time"},
    {"decay", OPT_FLOAT, BA(decay), "0.7", 0, 1, NULL,
     "co-occurrence: weight of an item of the history relative to the next newer one"},
    {"transition", OPT_FLOAT, BA(transition), "1", 0, 1e6, NULL,
     "co-occurrence+markov: weight of the transitions"},
    {"keep", OPT_INT, BA(keep), "1000", 0, 1e9, NULL,
     "partners kept for each item, those with the largest counts; 0: all"},
    {"memory", OPT_BYTES, BA(memory), "512M", 1 << 16, 1e15, NULL,
     "for collecting pairs; less means more passes over the data"},
};
const size_t n_baseline_options = sizeof baseline_options / sizeof *baseline_options;

struct baselines {
  baseline_config c;
  int32_t first_item, items;
  int64_t *counts;     // [items]
  float *popularity;   // [items] n_j / N
  float *prior;        // [items] prior n_j / N
  float *faint;        // [items] EPSILON n_j / N
  float *inverse_root; // [items] 1 / sqrt(n_j); 0 for items never seen
  pair_counts *transitions, *pairs;
};

static status build(baselines *b, dataset *d, eval_part before) {
  const size_t n = (size_t)b->items;
  TRY(mem_new(&b->counts, n, sizeof *b->counts, "item counts"));
  TRY(mem_new(&b->popularity, n, sizeof *b->popularity, "item counts"));
  TRY(mem_new(&b->prior, n, sizeof *b->prior, "item counts"));
  TRY(mem_new(&b->faint, n, sizeof *b->faint, "item counts"));
  TRY(mem_new(&b->inverse_root, n, sizeof *b->inverse_root, "item counts"));
  TRY(items_count(d, before, b->counts));
  double total = 0;
  for (size_t i = 0; i < n; i++) total += (double)b->counts[i];
  for (size_t i = 0; i < n; i++) {
    const double share = total > 0 ? (double)b->counts[i] / total : 0;
    b->popularity[i] = (float)share;
    b->prior[i] = (float)((b->c.prior > 0 ? b->c.prior : EPSILON) * share);
    b->faint[i] = (float)(EPSILON * share);
    b->inverse_root[i] = (float)(b->counts[i] > 0 ? 1.0 / sqrt((double)b->counts[i]) : 0);
  }
  pair_config p = {.before = before, .window = 1, .keep = (int32_t)b->c.keep, .memory = b->c.memory};
  TRY(pair_counts_build(&b->transitions, d, &p));
  p.window = (int32_t)b->c.window;
  p.distance_power = b->c.distance_power;
  p.backward = b->c.backward;
  return pair_counts_build(&b->pairs, d, &p);
}

status baselines_build(baselines **out, dataset *d, eval_part part, const baseline_config *c) {
  *out = NULL;
  baselines *b;
  TRY(mem_new(&b, 1, sizeof *b, "the baselines"));
  b->c = *c;
  b->first_item = vocab_begin(dataset_vocab(d), RANGE_ITEMS);
  b->items = vocab_end(dataset_vocab(d), RANGE_ITEMS) - b->first_item;
  // The parts before validation are the train part.
  const status rc = build(b, d, c->learn == 1 ? EVAL_VALID : part);
  if (rc == OK)
    *out = b;
  else
    baselines_free(b);
  return rc;
}

void baselines_free(baselines *b) {
  if (b == NULL) return;
  free(b->counts);
  free(b->popularity);
  free(b->prior);
  free(b->faint);
  free(b->inverse_root);
  pair_counts_free(b->transitions);
  pair_counts_free(b->pairs);
  free(b);
}

// ---- scores --------------------------------------------------------------------------------------------------

// The index of the newest item before `end`, or -1. (Histories may hold tokens that are not items.)
static int32_t newest_item(const baselines *b, const query *q, int32_t end) {
  while (end-- > 0)
    if (q->tokens[end] >= b->first_item && q->tokens[end] < b->first_item + b->items) return end;
  return -1;
}

static void add_transitions(const baselines *b, const query *q, bool share, double weight, float *scores) {
  const int32_t last = newest_item(b, q, q->n);
  if (last < 0) return;
  const pair_counts *t = b->transitions;
  const int32_t a = q->tokens[last] - b->first_item;
  if (share && t->totals[a] > 0) weight /= t->totals[a];
  for (int64_t k = t->offsets[a]; k < t->offsets[a + 1]; k++)
    scores[t->others[k]] += (float)(weight * (double)t->weights[k]);
}

static void add_cooccurrence(const baselines *b, const query *q, bool cosine, float *scores) {
  const pair_counts *t = b->pairs;
  double recency = 1;
  int32_t at = newest_item(b, q, q->n);
  for (int64_t k = 0; at >= 0 && k < b->c.window; k++, at = newest_item(b, q, at)) {
    const int32_t h = q->tokens[at] - b->first_item;
    const float weight = (float)recency * b->inverse_root[h];
    for (int64_t i = t->offsets[h]; i < t->offsets[h + 1]; i++) {
      const int32_t j = t->others[i];
      scores[j] += weight * t->weights[i] * (cosine ? b->inverse_root[j] : 1.0f);
    }
    recency *= b->c.decay;
  }
}

static void score_popularity(void *self, int32_t thread, const query *q, float *scores) {
  (void)thread, (void)q;
  const baselines *b = self;
  memcpy(scores, b->popularity, (size_t)b->items * sizeof *scores);
}

static void score_markov(void *self, int32_t thread, const query *q, float *scores) {
  (void)thread;
  const baselines *b = self;
  memcpy(scores, b->prior, (size_t)b->items * sizeof *scores);
  add_transitions(b, q, false, 1.0, scores);
}

static void score_cooccurrence(void *self, int32_t thread, const query *q, float *scores) {
  (void)thread;
  const baselines *b = self;
  memcpy(scores, b->faint, (size_t)b->items * sizeof *scores);
  add_cooccurrence(b, q, true, scores);
}

static void score_combined(void *self, int32_t thread, const query *q, float *scores) {
  (void)thread;
  const baselines *b = self;
  memcpy(scores, b->faint, (size_t)b->items * sizeof *scores);
  add_cooccurrence(b, q, false, scores);
  add_transitions(b, q, true, b->c.transition, scores);
}

row_scorer baseline_scorer(baseline_kind kind) {
  static const row_scorer scorers[BASELINES] = {score_popularity, score_markov, score_cooccurrence,
                                                score_combined};
  return scorers[kind];
}
