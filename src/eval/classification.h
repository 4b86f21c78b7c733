// How good predicted labels are.
//
// single: a row has one of the labels; probabilities are the softmax of its logits. several: each label holds or not, as
// the sigmoid of its logit says. Every logit is divided by a temperature first (Guo, Pleiss, Sun, Weinberger: On calibration
// of modern neural networks, ICML 2017), which changes no order within a label. Unknown labels (-1) count nowhere.
//
//   auc        area under the ROC curve, ties counted half: (sum of the ranks of the positives - P (P + 1) / 2) / (P N). single:
//              of each label against all others, by its probability. Not a number for a label without both kinds of rows;
//              the mean is over the others.
//   log_loss   mean of -ln p(what is), in nats, over rows (single) or known labels (several)
//   accuracy   share of rows whose most probable label is theirs, the first of several equal ones (single); of known labels on the
//              right side of 1/2, which itself is "does not hold" (several)
//   f1         2 tp / (2 tp + fp + fn); micro: of the sums over labels, macro: mean over labels that occur or are predicted
//   ece        expected calibration error: sum over bins of (rows in it / rows) |mean probability - share that holds|, with
//              CALIBRATION_BINS bins of equal width. single: of the most probable label. several: of each label's probability,
//              and the mean over labels
#ifndef SOUK_EVAL_CLASSIFICATION_H
#define SOUK_EVAL_CLASSIFICATION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "base/status.h"

enum { CALIBRATION_BINS = 15 };

// What a model says of rows, and what is true.
typedef struct label_scores {
  int64_t n;
  int32_t labels;
  bool single;
  const float *logits;    // [n, labels]
  const int32_t *targets; // single: [n] label, -1 unknown; several: [n, labels] 1, 0, -1 unknown
} label_scores;

typedef struct calibration_bin {
  int64_t n;
  double probability, holds; // sums over its rows
} calibration_bin;

typedef struct label_figures { // of one label
  int64_t known, positives;
  int64_t tp, fp, fn;
  double auc, log_loss, f1, ece; // log_loss and ece: several only
} label_figures;

typedef struct classification {
  int32_t labels;
  bool single;
  int64_t rows;                                            // with a known label
  int64_t known;                                           // labels
  double auc, log_loss, accuracy, f1_micro, f1_macro, ece; // NaN where there is nothing to count
  label_figures *of;                                       // [labels]
  int64_t *confusion;    // single: [labels, labels] rows of a label (first) that are taken for another
  calibration_bin *bins; // single: [CALIBRATION_BINS], several: [labels, CALIBRATION_BINS]
} classification;

// temperatures: single [1], several [labels]; NULL: 1.
status classification_run(classification *out, const label_scores *s, const double *temperatures);
void classification_free(classification *c); // safe on a zeroed one

// Temperatures that make the log loss of these rows least, single [1], several [labels]: bisection of its derivative by
// 1 / temperature, which does not fall. Between TEMPERATURE_LEAST and TEMPERATURE_MOST, and 1 where no row tells.
#define TEMPERATURE_LEAST 0.01
#define TEMPERATURE_MOST  100.0
void temperatures_fit(double *out, const label_scores *s);

// The metric of this name (objective label_head's: auc, log_loss, accuracy, f1_macro, f1_micro, ece); false: there is none.
bool classification_value(const classification *c, const char *name, double *value);

// Figures of before and after temperatures, with the names of the labels.
typedef struct classification_report {
  const classification *before, *after;
  const char *const *names; // [labels]
  const double *temperatures;
} classification_report;
json_t *classification_json(const classification_report *r); // new, NULL: no memory
status classification_print(const classification_report *r, FILE *to);

// The probabilities of one row into p [labels].
void label_probabilities(const float *logits, int32_t labels, bool single, const double *temperatures,
                         double *p);

#endif
