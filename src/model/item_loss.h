// Which loss over items a run trains: what the options train.loss, train.gbce_t, train.label_smoothing and
// data.negative_logq come to for the op xent (ops/ops.h has the formulas).
#ifndef SOUK_MODEL_ITEM_LOSS_H
#define SOUK_MODEL_ITEM_LOSS_H

#include "ops/ops.h"

typedef enum item_loss_kind { // "softmax|gbce|bce|bpr|infonce"
  ITEM_SOFTMAX,
  ITEM_GBCE,
  ITEM_BCE, // gBCE with t = 0
  ITEM_BPR,
  ITEM_INFONCE // sampled softmax of cosine scores without logQ
} item_loss_kind;

typedef struct item_loss { // zeros: softmax with the standard logQ
  item_loss_kind kind;
  logq_kind logq;   // of ITEM_SOFTMAX
  double gbce_t;    // 0: binary cross-entropy; 1: calibrated as if every item were scored
  double smoothing; // of the softmaxes
} item_loss;

// Sets what p says about its loss; classes and n_negatives are set. Without negatives (and so in evaluation) it is the
// softmax over all classes, which is smoothed in training alone: the loss of a validation stays a likelihood.
void item_loss_set(const item_loss *l, xent_params *p, bool training);

// Where the biases of the items begin: the constant score that is best for a binary loss, ln(beta / negatives), so that the first
// thousand steps are not spent on moving all scores there (the prior of Lin et al., ICCV 2017, arXiv 1708.02002); else 0, since a
// softmax and BPR do not see a constant. p as item_loss_set left it.
double item_loss_start(const xent_params *p);

#endif
