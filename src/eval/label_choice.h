// Learning from fewer labels: which rows a model can label itself, and which ones somebody should.
#ifndef SOUK_EVAL_LABEL_CHOICE_H
#define SOUK_EVAL_LABEL_CHOICE_H

#include "eval/classification.h"

// Pseudo-labels (Lee: Pseudo-label, 2013): the most probable label of a row (single) where its calibrated probability is at least the
// threshold; of several labels 1 where the probability is at least that, 0 where it is at most 1 - threshold. Into labels as
// label_scores.targets, -1: not sure enough. Returns in how many rows any is taken.
int64_t pseudo_labels(const label_scores *s, const double *temperatures, double threshold, int32_t *labels);

// How often such labels are right where the truth is known. *judged: how many there were.
double pseudo_precision(const label_scores *truth, const int32_t *labels, int64_t *judged);

// Entropy of what a model says of each row, in nats: of its distribution over labels (single), or the sum over labels.
void label_entropies(const label_scores *s, const double *temperatures, double *entropy);

// Picks rows whose labels would teach most (Lewis, Gale: A sequential algorithm for training text classifiers, 1994), and no two that teach
// the same: of the PICK_FROM x n rows of largest entropy the first is the most uncertain one, and each next is that of the largest
//   entropy x squared distance to the nearest one picked
// where vectors [rows, width] are compared by their directions (as in farthest-first traversal, Gonzalez 1985; and BADGE, Ash et al., 2020,
// draws by such products). *picked [n] in this order; returns how many there are: n, or all rows.
enum { PICK_FROM = 3 };
typedef enum pick_rule { PICK_DIVERSE, PICK_ENTROPY, PICK_RANDOM } pick_rule; // "diverse|entropy|random"
status label_pick(pick_rule rule, const double *entropy, const float *vectors, int64_t rows_n, int32_t width,
                  int64_t n, uint64_t seed, int64_t *picked, int64_t *count);

#endif
