// The best that a ranking or a prediction can be on a generated marketplace; see synth_oracle.h.
#include "synth/synth_oracle.h"

#include <math.h>
#include <stdio.h>

enum { DEEPEST = 20 };

static const int32_t cutoffs[CUTOFFS] = {1, 5, 10, 20};

void oracle_count(oracle *o, const double *p, int32_t n, int32_t target) {
  double top[DEEPEST] = {0}; // largest probabilities, falling
  int32_t rank = 1;
  for (int32_t i = 0; i < n; i++) {
    const bool before = i < target && p[i] >= p[target]; // ties only happen by rounding
    rank += before || p[i] > p[target];
    if (p[i] > 0) o->expected_loss -= p[i] * log(p[i]);
    if (p[i] <= top[DEEPEST - 1]) continue;
    int32_t k = DEEPEST - 1;
    for (; k > 0 && top[k - 1] < p[i]; k--) top[k] = top[k - 1];
    top[k] = p[i];
  }
  o->queries++;
  o->mrr += 1.0 / rank;
  o->loss -= log(p[target]);
  for (int32_t c = 0; c < CUTOFFS; c++) {
    if (rank <= cutoffs[c]) {
      o->hr[c] += 1;
      o->ndcg[c] += 1.0 / log2(rank + 1.0);
    }
    for (int32_t k = 0; k < cutoffs[c]; k++) {
      o->expected_hr[c] += top[k];
      o->expected_ndcg[c] += top[k] / log2(k + 2.0);
    }
  }
}

json_t *oracle_json(const oracle *o) {
  json_t *j = json_object(), *expected = json_object();
  const double n = o->queries > 0 ? (double)o->queries : 1;
  char name[32];
  json_object_set_new(j, "queries", json_integer(o->queries));
  for (int32_t c = 0; c < CUTOFFS; c++) {
    snprintf(name, sizeof name, "hr@%d", cutoffs[c]);
    json_object_set_new(j, name, json_real(o->hr[c] / n));
    json_object_set_new(expected, name, json_real(o->expected_hr[c] / n));
  }
  for (int32_t c = 0; c < CUTOFFS; c++) {
    snprintf(name, sizeof name, "ndcg@%d", cutoffs[c]);
    json_object_set_new(j, name, json_real(o->ndcg[c] / n));
    json_object_set_new(expected, name, json_real(o->expected_ndcg[c] / n));
  }
  json_object_set_new(j, "mrr", json_real(o->mrr / n));
  json_object_set_new(j, "loss", json_real(o->loss / n));
  json_object_set_new(expected, "loss", json_real(o->expected_loss / n));
  json_object_set_new(j, "expected", expected);
  return j;
}

// ---- yes or no -----------------------------------------------------------------------------------------------

void yes_count(yes_oracle *o, double p, bool happened) {
  const int32_t bin = p >= 1 ? YES_BINS - 1 : (int32_t)(p * YES_BINS);
  o->n[happened][bin]++;
  o->loss -= log(happened ? p : 1 - p);
  o->expected_loss -= p * log(p) + (1 - p) * log(1 - p);
}

double yes_auc(const yes_oracle *o) {
  double below = 0, won = 0, yes = 0;
  for (int32_t k = 0; k < YES_BINS; k++) {
    won += (double)o->n[1][k] * (below + 0.5 * (double)o->n[0][k]);
    below += (double)o->n[0][k];
    yes += (double)o->n[1][k];
  }
  return below > 0 && yes > 0 ? won / (below * yes) : NAN;
}

json_t *yes_json(const yes_oracle *o) {
  int64_t n[2] = {0};
  for (int32_t k = 0; k < YES_BINS; k++) {
    n[0] += o->n[0][k];
    n[1] += o->n[1][k];
  }
  const double all = n[0] + n[1] > 0 ? (double)(n[0] + n[1]) : 1, auc = yes_auc(o);
  json_t *j = json_pack("{s:I,s:I,s:f,s:f}", "n", (json_int_t)(n[0] + n[1]), "yes", (json_int_t)n[1], "loss",
                        o->loss / all, "expected_loss", o->expected_loss / all);
  if (isfinite(auc)) json_object_set_new(j, "auc", json_real(auc));
  return j;
}
