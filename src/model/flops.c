// Floating-point operations of a step that frozen parameters save: the gradients of their own, and those of activations
// that the backward pass no longer reaches. A multiply-add counts as 2, as in model_config_flops; norms, biases and
// embeddings count nothing there and here.
#include "model/model_internal.h"

// Of a linear layer at op `at`, for each row. Its forward pass, its dw and its dx cost the same.
static double linear_spared(const model *m, bool dx_wanted, int32_t w) {
  const param *p = &m->params.items[w];
  return 2.0 * (double)p->size * ((p->trainable ? 0 : 1) + (dx_wanted ? 0 : 1));
}

static void add_layer(const model *m, int32_t i, flops_spared *s) {
  const layer_params *p = &m->layer_param[i];
  s->token += linear_spared(m, encoder_hands_on(m, i, PLACE_QKV), p->qkv_w);
  s->token += linear_spared(m, encoder_hands_on(m, i, PLACE_PROJECTION), p->out_w);
  s->token += linear_spared(m, encoder_hands_on(m, i, PLACE_FFN1), p->ffn1_w);
  s->token += linear_spared(m, encoder_hands_on(m, i, PLACE_FFN2), p->ffn2_w);
  if (!encoder_hands_on(m, i, PLACE_ATTENTION)) s->square += 8.0 * (double)m->c.hidden;
}

flops_spared spared_flops(const model *m) {
  flops_spared s = {.token = 0};
  const bool below = encoder_trains(m);
  for (int32_t i = 0; i < (int32_t)m->c.layers; i++) add_layer(m, i, &s);
  s.masked += linear_spared(m, below, m->mlm_w);
  if (!m->params.items[m->word_table].trainable) s.score += 2.0 * (double)m->c.hidden;
  if (!m->c.pooler) return s;
  s.seq += linear_spared(m, below, m->pooler_w);
  s.seq += linear_spared(m, below || trains(m, m->pooler_w, m->pooler_b), m->nsp_w);
  return s;
}

double model_step_flops(const model_config *c, const flops_spared *s, const batch *b) {
  const double M = b->n_masked, classes = b->n_negatives > 0 ? b->n_negatives + 1 : c->classes;
  double squares = 0;
  for (int32_t i = 0; i < b->seqs; i++) {
    const double n = b->cu_seqlens[i + 1] - b->cu_seqlens[i];
    squares += n * n;
  }
  return 3.0 * model_config_flops(c, b) - s->token * b->tokens - s->square * squares - s->masked * M -
         s->score * M * classes - s->seq * b->seqs;
}
