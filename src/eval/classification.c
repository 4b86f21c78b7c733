// How good predicted labels are; see classification.h.
#include "eval/classification.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"

// ---- probabilities -------------------------------------------------------------------------------------------

static double temperature_of(const double *temperatures, bool single, int32_t label) {
  return temperatures == NULL ? 1.0 : temperatures[single ? 0 : label];
}

static double sigmoid(double z) {
  const double e = exp(-fabs(z));
  return z > 0 ? 1 / (1 + e) : e / (1 + e);
}

// -ln of the sigmoid of z, or of what is left of 1.
static double logistic_loss(double z, bool holds) {
  const double margin = holds ? z : -z;
  return log1p(exp(-fabs(margin))) + (margin < 0 ? -margin : 0.0);
}

// ln of the sum of exponentials, with the logits divided by t.
static double log_sum(const float *z, int32_t n, double t) {
  double largest = (double)z[0] / t;
  for (int32_t k = 1; k < n; k++) largest = fmax(largest, (double)z[k] / t);
  double sum = exp((double)z[0] / t - largest);
  for (int32_t k = 1; k < n; k++) sum += exp((double)z[k] / t - largest);
  return largest + log(sum);
}

void label_probabilities(const float *logits, int32_t labels, bool single, const double *temperatures,
                         double *p) {
  const double t = temperature_of(temperatures, single, 0), all = single ? log_sum(logits, labels, t) : 0;
  for (int32_t k = 0; k < labels; k++)
    p[k] = single ? exp((double)logits[k] / t - all)
                  : sigmoid((double)logits[k] / temperature_of(temperatures, false, k));
}

// z_k / t less ln of the others' sum of exponentials; infinite where there are no others.
static double logit_of(const float *z, int32_t n, double t, int32_t k) {
  const int32_t first = k == 0 ? 1 : 0;
  if (first >= n) return INFINITY;
  int32_t largest = first;
  for (int32_t j = first + 1; j < n; j++)
    if (j != k && z[j] > z[largest]) largest = j;
  double rest = 0; // of the sum, where the largest term is 1
  for (int32_t j = 0; j < n; j++)
    if (j != k && j != largest) rest += exp(((double)z[j] - (double)z[largest]) / t);
  return ((double)z[k] - (double)z[largest]) / t - log1p(rest);
}

// In place of a row's probabilities their logits, which rank alike and keep apart what rounds to 0 or 1.
static void to_logits(const label_scores *s, int64_t i, const double *temperatures, double *p) {
  const float *z = s->logits + i * s->labels;
  const double t = temperature_of(temperatures, s->single, 0), all = s->single ? log_sum(z, s->labels, t) : 0;
  for (int32_t k = 0; k < s->labels; k++)
    p[k] = !s->single    ? (double)z[k]
           : p[k] <= 0.5 ? (double)z[k] / t - all - log1p(-p[k])
                         : logit_of(z, s->labels, t, k); // of one label at most
}

// ---- areas under curves --------------------------------------------------------------------------------------

typedef struct scored {
  double score;
  bool positive;
} scored;

static int by_score(const void *a, const void *b) {
  const double x = ((const scored *)a)->score, y = ((const scored *)b)->score;
  return (x > y) - (x < y);
}

// By ranks, equal scores sharing the mean of theirs.
static double area(scored *rows, size_t n) {
  double positives = 0, ranks = 0;
  qsort(rows, n, sizeof *rows, by_score);
  for (size_t i = 0, stop; i < n; i = stop) {
    double here = 0;
    for (stop = i; stop < n && !(rows[stop].score > rows[i].score); stop++) here += rows[stop].positive;
    positives += here;
    ranks += here * ((double)(i + 1) + (double)stop) / 2;
  }
  const double negatives = (double)n - positives;
  return positives > 0 && negatives > 0 ? (ranks - positives * (positives + 1) / 2) / (positives * negatives)
                                        : (double)NAN;
}

// What is known of label k in row i: 1, 0 or -1.
static int32_t truth(const label_scores *s, int64_t i, int32_t k) {
  if (!s->single) return s->targets[i * s->labels + k];
  return s->targets[i] < 0 ? -1 : s->targets[i] == k;
}

// ---- counting ------------------------------------------------------------------------------------------------

static void count_bin(calibration_bin *bins, double p, bool holds) {
  int32_t k = (int32_t)(p * CALIBRATION_BINS);
  if (k > CALIBRATION_BINS - 1) k = CALIBRATION_BINS - 1;
  bins[k].n++;
  bins[k].probability += p;
  bins[k].holds += holds;
}

static double bins_error(const calibration_bin *bins) {
  double n = 0, sum = 0;
  for (int32_t k = 0; k < CALIBRATION_BINS; k++) {
    n += (double)bins[k].n;
    sum += fabs(bins[k].probability - bins[k].holds);
  }
  return n > 0 ? sum / n : (double)NAN;
}

static void count_single(classification *c, const label_scores *s, int64_t i, const double *p, double t) {
  const float *z = s->logits + i * s->labels;
  const int32_t label = s->targets[i];
  int32_t best = 0;
  for (int32_t k = 1; k < s->labels; k++)
    if (z[k] > z[best]) best = k;
  c->rows++;
  c->known++;
  c->log_loss += log_sum(z, s->labels, t) - (double)z[label] / t;
  c->confusion[label * s->labels + best]++;
  for (int32_t k = 0; k < s->labels; k++) c->of[k].known++;
  c->of[label].positives++;
  c->of[best].tp += best == label;
  c->of[best].fp += best != label;
  c->of[label].fn += best != label;
  count_bin(c->bins, p[best], best == label);
}

static void count_several(classification *c, const label_scores *s, int64_t i, const double *p,
                          const double *temperatures) {
  bool any = false;
  for (int32_t k = 0; k < s->labels; k++) {
    const int32_t holds = truth(s, i, k);
    const double z = (double)s->logits[i * s->labels + k] / temperature_of(temperatures, false, k);
    label_figures *f = &c->of[k];
    if (holds < 0) continue;
    any = true;
    f->known++;
    f->positives += holds;
    f->log_loss += logistic_loss(z, holds == 1);
    f->tp += z > 0 && holds == 1;
    f->fp += z > 0 && holds == 0;
    f->fn += !(z > 0) && holds == 1;
    count_bin(c->bins + (size_t)k * CALIBRATION_BINS, p[k], holds == 1);
  }
  c->rows += any;
}

// ---- figures from counts -------------------------------------------------------------------------------------

static double share(double part, double whole) {
  return whole > 0 ? part / whole : (double)NAN;
}

static double f1_of(int64_t tp, int64_t fp, int64_t fn) {
  return share(2.0 * (double)tp, 2.0 * (double)tp + (double)fp + (double)fn);
}

static void add_mean(double *sum, int32_t *n, double x) {
  if (isnan(x)) return;
  *sum += x;
  (*n)++;
}

static void finish(classification *c) {
  double f1 = 0, auc = 0, ece = 0, loss = 0;
  int32_t n_f1 = 0, n_auc = 0, n_ece = 0;
  int64_t tp = 0, fp = 0, fn = 0, known = 0, wrong = 0;
  for (int32_t k = 0; k < c->labels; k++) {
    label_figures *f = &c->of[k];
    tp += f->tp;
    fp += f->fp;
    fn += f->fn;
    known += f->known;
    wrong += f->fp + f->fn;
    loss += f->log_loss;
    f->f1 = f1_of(f->tp, f->fp, f->fn);
    add_mean(&f1, &n_f1, f->f1);
    add_mean(&auc, &n_auc, f->auc);
    if (c->single) continue;
    f->log_loss = share(f->log_loss, (double)f->known);
    f->ece = bins_error(c->bins + (size_t)k * CALIBRATION_BINS);
    add_mean(&ece, &n_ece, f->ece);
  }
  if (!c->single) c->known = known;
  c->log_loss = share(c->single ? c->log_loss : loss, (double)c->known);
  c->accuracy = share(c->single ? (double)tp : (double)(known - wrong), (double)c->known);
  c->f1_micro = f1_of(tp, fp, fn);
  c->f1_macro = share(f1, n_f1);
  c->auc = share(auc, n_auc);
  c->ece = c->single ? bins_error(c->bins) : share(ece, n_ece);
}

static void find_areas(classification *c, const label_scores *s, const double *all, scored *room) {
  for (int32_t k = 0; k < s->labels; k++) {
    size_t n = 0;
    for (int64_t i = 0; i < s->n; i++) {
      const int32_t holds = truth(s, i, k);
      if (holds >= 0) room[n++] = (scored){all[i * s->labels + k], holds == 1};
    }
    c->of[k].auc = area(room, n);
  }
}

static status new_classification(classification *c, const label_scores *s) {
  const size_t L = (size_t)s->labels;
  *c = (classification){.labels = s->labels, .single = s->single};
  TRY(mem_new(&c->of, L, sizeof *c->of, "figures of labels"));
  TRY(mem_new(&c->bins, (s->single ? 1 : L) * CALIBRATION_BINS, sizeof *c->bins, "bins of probabilities"));
  return s->single ? mem_new(&c->confusion, L * L, sizeof *c->confusion, "a table of labels") : OK;
}

status classification_run(classification *c, const label_scores *s, const double *temperatures) {
  double *all = NULL;
  scored *room = NULL;
  status rc;
  TRY_GOTO(new_classification(c, s), done);
  TRY_GOTO(mem_new(&all, (size_t)s->n * (size_t)s->labels + 1, sizeof *all, "probabilities"), done);
  TRY_GOTO(mem_new(&room, (size_t)s->n + 1, sizeof *room, "scores of a label"), done);
  for (int64_t i = 0; i < s->n; i++) {
    double *p = all + i * s->labels;
    label_probabilities(s->logits + i * s->labels, s->labels, s->single, temperatures, p);
    if (!s->single)
      count_several(c, s, i, p, temperatures);
    else if (s->targets[i] >= 0)
      count_single(c, s, i, p, temperature_of(temperatures, true, 0));
    to_logits(s, i, temperatures, p);
  }
  find_areas(c, s, all, room);
  finish(c);
done:
  free(all);
  free(room);
  if (rc != OK) classification_free(c);
  return rc;
}

void classification_free(classification *c) {
  free(c->of);
  free(c->bins);
  free(c->confusion);
  *c = (classification){.labels = 0};
}

bool classification_value(const classification *c, const char *name, double *value) {
  const struct {
    const char *name;
    double value;
  } all[] = {{"auc", c->auc},           {"log_loss", c->log_loss}, {"accuracy", c->accuracy},
             {"f1_macro", c->f1_macro}, {"f1_micro", c->f1_micro}, {"ece", c->ece}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (strcmp(all[i].name, name) == 0) {
      *value = all[i].value;
      return true;
    }
  return false;
}

// ---- temperatures --------------------------------------------------------------------------------------------

// The derivative of the log loss by a = 1 / temperature, of all rows or of label k (several).
static double slope(const label_scores *s, int32_t k, double a, bool *any) {
  double sum = 0;
  for (int64_t i = 0; i < s->n; i++) {
    const float *z = s->logits + i * s->labels;
    const int32_t target = s->single ? s->targets[i] : truth(s, i, k);
    if (target < 0) continue;
    *any = true;
    if (!s->single) {
      sum += (double)z[k] * (sigmoid(a * (double)z[k]) - target);
      continue;
    }
    const double all = log_sum(z, s->labels, 1 / a);
    for (int32_t j = 0; j < s->labels; j++) sum += (double)z[j] * exp(a * (double)z[j] - all);
    sum -= (double)z[target];
  }
  return sum;
}

static double fit_one(const label_scores *s, int32_t k) {
  double low = log(1 / TEMPERATURE_MOST), high = log(1 / TEMPERATURE_LEAST);
  bool any = false;
  const double at_one = slope(s, k, 1, &any);
  if (!any || !(fabs(at_one) > 0)) return 1;
  for (int i = 0; i < 60; i++) {
    const double middle = (low + high) / 2;
    *(slope(s, k, exp(middle), &any) > 0 ? &high : &low) = middle;
  }
  return exp(-(low + high) / 2);
}

void temperatures_fit(double *out, const label_scores *s) {
  for (int32_t k = 0; k < (s->single ? 1 : s->labels); k++) out[k] = fit_one(s, k);
}
