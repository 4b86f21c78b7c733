// Losses over items; see item_loss.h.
#include "model/item_loss.h"

#include <math.h>

// The exponent of the label's probability: beta = alpha (t (1 - 1/alpha) + 1/alpha), alpha the share of the items that can be
// negatives which a row is compared with (Petrov, Macdonald: gSASRec, RecSys 2023, arXiv 2308.07192).
static double gbce_beta(double t, const xent_params *p) {
  const double others = p->classes - 1, alpha = others > 0 ? fmin(1, p->n_negatives / others) : 1;
  return alpha * (t * (1 - 1 / alpha) + 1 / alpha);
}

void item_loss_set(const item_loss *l, xent_params *p, bool training) {
  const bool sampled = p->n_negatives > 0, softmax = l->kind == ITEM_SOFTMAX || l->kind == ITEM_INFONCE;
  p->loss = !sampled || softmax ? LOSS_SOFTMAX : l->kind == ITEM_BPR ? LOSS_BPR : LOSS_GBCE;
  p->logq = l->kind == ITEM_SOFTMAX ? l->logq : LOGQ_NONE;
  p->smoothing = training && softmax ? (float)l->smoothing : 0;
  p->beta = p->loss == LOSS_GBCE ? (float)gbce_beta(l->kind == ITEM_GBCE ? l->gbce_t : 0, p) : 0;
}

double item_loss_start(const xent_params *p) {
  return p->loss == LOSS_GBCE ? log((double)p->beta / p->n_negatives) : 0;
}
