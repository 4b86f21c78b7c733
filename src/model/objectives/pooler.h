// BERT's pooler: the first token of each sequence ([CLS]) through a layer with tanh. Next session, classify and pair put their
// scores on it, and share its parameters where a model has several of them.
//
//   parameters  bert.pooler.dense.weight [H,H] and .bias [H]
//   batch       cu_seqlens
#ifndef SOUK_MODEL_OBJECTIVES_POOLER_H
#define SOUK_MODEL_OBJECTIVES_POOLER_H

#include "model/core.h"

typedef struct pooler {
  int32_t w, b;            // by index into the parameters
  act *first, *pooled;     // [B,H] first tokens, after the pooler
  act *d_pooled, *d_first; // [B,H] gradients; the first is made by what comes after the pooler
} pooler;

void pooler_describe(pooler *p, param_set *s, const model_config *c);
void pooler_plan(pooler *p, model_core *m);
status pooler_check(const pooler *p, const model_core *m, size_t *scratch);
status pooler_forward(const pooler *p, const model_core *m);
// Does anything want d_pooled: the pooler, or the encoder below it?
bool pooler_wants_gradient(const pooler *p, const model_core *m);
// From d_pooled on, as far down as something trains. Only where it is wanted.
status pooler_backward(const pooler *p, const model_core *m);
double pooler_flops(const model_config *c);                 // of a sequence
double pooler_spared(const pooler *p, const model_core *m); // likewise

#endif
