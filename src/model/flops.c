// Floating-point operations of passes and steps. A multiply-add counts as 2; norms, biases and embeddings count nothing.
//
// With frozen parameters a step costs less: their gradients are not computed, nor those of activations in layers where the
// backward pass has no parameter left to reach (flops_spared). Nor are rows computed that nobody reads.
#include "model/core.h"
#include "model/item_vectors.h"
#include "model/objective.h"
#include "model/table_tuning.h"

double batch_square_lengths(const batch *b) {
  double squares = 0;
  for (int32_t i = 0; i < b->seqs; i++) {
    const double n = b->cu_seqlens[i + 1] - b->cu_seqlens[i];
    squares += n * n;
  }
  return squares;
}

double linear_spared(const model_core *m, bool dx_wanted, int32_t w) {
  const param *p = &m->params.items[w];
  return 2.0 * (double)p->size * ((p->trainable ? 0 : 1) + (dx_wanted ? 0 : 1));
}

double model_config_flops(const model_config *c, const batch *b) {
  objective_list l;
  double sum = encoder_flops(c, b) + items_flops(c, b) + table_flops(c, b);
  if (objectives_of(&l, c) != OK) return 0; // a list that model_create refuses
  for (int32_t k = 0; k < l.n; k++) sum += l.of[k]->flops(c, b);
  return sum;
}

double model_step_flops(const model_config *c, const flops_spared *s, const batch *b) {
  const double M = b->n_masked, classes = b->n_negatives > 0 ? b->n_negatives + 1 : c->classes;
  return 3.0 * model_config_flops(c, b) - s->token * b->tokens - s->square * batch_square_lengths(b) -
         s->masked * M - s->score * M * classes - s->seq * b->seqs - s->unread * (b->tokens - M);
}
