// Leaks; see leaks.h.
#include "eval/leaks.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include "base/file.h"
#include "base/memory.h"
#include "data/user_names.h"

// ---- of data ---------------------------------------------------------------------------------------------------

static status check_vocabulary(dataset *d, int64_t *counts) {
  const vocab *v = dataset_vocab(d);
  const int32_t first = vocab_begin(v, RANGE_ITEMS), end = vocab_end(v, RANGE_ITEMS);
  TRY(items_count(d, EVAL_VALID, counts)); // of the parts before validation
  for (int32_t id = first; id < end; id++)
    if (counts[id - first] != vocab_token_count(v, id))
      return fail(
          ERR_FORMAT,
          "%s/vocab.tsv: item \"%.100s\" is counted %lld times, and the train parts have it %lld times: its "
          "counts are of other events, which may be held out",
          dataset_dir(d), vocab_token(v, id), (long long)vocab_token_count(v, id),
          (long long)counts[id - first]);
  return OK;
}

status leaks_check_data(dataset *d) {
  const vocab *v = dataset_vocab(d);
  int64_t *counts;
  if (dataset_premasked(d) != NULL) return OK; // has no histories, which is an error of its own
  TRY(user_names_check_twice(d));
  TRY(mem_new(&counts, (size_t)(vocab_end(v, RANGE_ITEMS) - vocab_begin(v, RANGE_ITEMS)), sizeof *counts,
              "item counts"));
  const status rc = check_vocabulary(d, counts);
  free(counts);
  return rc;
}

// ---- of a model's training -------------------------------------------------------------------------------------

static status compare_counts(const checkpoint *c, const vocab *theirs, const dataset *d) {
  const vocab *ours = dataset_vocab(d);
  for (int32_t id = vocab_begin(theirs, RANGE_ITEMS); id < vocab_end(theirs, RANGE_ITEMS); id++) {
    const int32_t own = vocab_find(ours, RANGE_ITEMS, vocab_token(theirs, id));
    const int64_t counted = vocab_token_count(theirs, id), here = own < 0 ? 0 : vocab_token_count(ours, own);
    if (counted != here)
      return fail(
          ERR_ARGUMENT,
          "%s says that it was trained on %s, but counts item \"%.100s\" %lld times, and what it may have "
          "been "
          "trained on there has it %lld times: it was trained on something else, which may be held out",
          c->dir, dataset_dir(d), vocab_token(theirs, id), (long long)counted, (long long)here);
  }
  return OK;
}

status leaks_check_counts(const checkpoint *c, const dataset *d) {
  char path[PATH_MAX];
  vocab *theirs;
  TRY(path_join(path, sizeof path, c->dir, "vocab.tsv"));
  TRY(vocab_read(&theirs, path, c->data.range_end));
  const status rc = compare_counts(c, theirs, d);
  vocab_free(theirs);
  return rc;
}

// ---- of answers ------------------------------------------------------------------------------------------------

// P(X >= hits) for a binomial X of n draws with probability p; summed from the largest terms down.
static double tail_of(int64_t n, int64_t hits, double p) {
  double sum = 0;
  if (hits <= 0 || p >= 1) return 1;
  for (int64_t k = hits; k <= n; k++) {
    const double term = exp(lgamma((double)n + 1) - lgamma((double)k + 1) - lgamma((double)(n - k) + 1) +
                            (double)k * log(p) + (double)(n - k) * log1p(-p));
    sum += term;
    if (term < 1e-20 * sum) break;
  }
  return sum < 1 ? sum : 1;
}

// seen [items]: which have been asked about.
static status count_hits(const ranking *r, const ranking_result *result, uint8_t *seen, leak_suspicion *out) {
  query_source *source = (query_source *)ranking_queries(r);
  const int64_t *known = ranking_known(r);
  int64_t at = 0;
  for (int64_t i = 0; i < queries_chunks(source); i++) {
    query_chunk c;
    TRY(queries_chunk(source, i, &c));
    for (int64_t k = 0; k < c.count; k++)
      for (int32_t t = 0; t < c.queries[k].n_targets; t++, at++) {
        const int32_t item = c.queries[k].targets[t], rank = result->ranks[RANK_FULL][at];
        if (item < 0 || known[item] > 0 || seen[item] != 0) continue;
        seen[item] = 1;
        out->targets++;
        out->hits += rank >= 1 && rank <= 10;
      }
  }
  return OK;
}

status leaks_suspect(const ranking *r, const ranking_result *result, leak_suspicion *out) {
  const vocab *v = dataset_vocab(queries_dataset((query_source *)ranking_queries(r)));
  const int32_t items = vocab_end(v, RANGE_ITEMS) - vocab_begin(v, RANGE_ITEMS);
  uint8_t *seen;
  *out = (leak_suspicion){.chance = 1};
  if (result->ranks[RANK_FULL] == NULL) return OK;
  for (int32_t i = 0; i < items; i++) out->never += ranking_known(r)[i] == 0;
  TRY(mem_new(&seen, (size_t)items, 1, "items that were asked about"));
  const status rc = count_hits(r, result, seen, out);
  free(seen);
  if (rc != OK || out->targets == 0) return rc;
  const double p = fmin(1, 10 / (double)out->never);
  out->expected = p * (double)out->targets;
  out->chance = tail_of(out->targets, out->hits, p);
  out->suspected = out->chance < 1e-9;
  return OK;
}

const char *leaks_describe(const leak_suspicion *s, char buf[LEAK_TEXT]) {
  snprintf(
      buf, LEAK_TEXT,
      "%lld of %lld items that no part before has stand among the best 10, where chance has at most %.1f: it "
      "has seen what is held out, or knows items by more than their id",
      (long long)s->hits, (long long)s->targets, s->expected);
  return buf;
}
