// What is known of the encoder before memory is taken: its parameters, how far down the backward pass goes, its buffers, and
// the floating-point operations of its passes.
#include <stdio.h>
#include <stdlib.h>
#include "base/memory.h"
#include "model/encoder_internal.h"
#include "model/item_vectors.h"
#include "model/table_tuning.h"

status encoder_new(model_core *m) {
  const size_t n = (size_t)m->c.layers;
  encoder *e;
  TRY(mem_new(&e, 1, sizeof *e, "an encoder"));
  m->encoder = e;
  TRY(mem_new(&e->layer_param, n, sizeof *e->layer_param, "layer descriptors"));
  TRY(mem_new(&e->tuning, n, sizeof *e->tuning, "layer descriptors"));
  return mem_new(&e->layers, n, sizeof *e->layers, "layer buffers");
}

void encoder_free(encoder *e) {
  if (e == NULL) return;
  free(e->layer_param);
  free(e->tuning);
  free(e->layers);
  free(e);
}

// ---- parameters ----------------------------------------------------------------------------------------------

static void describe_layer(param_set *s, const model_config *c, int64_t i, layer_params *p) {
  const int64_t H = c->hidden, F = c->intermediate;
  char prefix[PARAM_NAME];
  snprintf(prefix, sizeof prefix, "bert.encoder.layer.%lld.", (long long)i);
  p->norm2_w =
      param_add_vector(s, prefix, c->pre_norm ? "ln.weight" : "output.LayerNorm.weight", H, INIT_ONE);
  p->norm2_b = param_add_vector(s, prefix, c->pre_norm ? "ln.bias" : "output.LayerNorm.bias", H, INIT_ZERO);
  p->ffn2_w = param_add_matrix(s, prefix, "output.dense.weight", H, F);
  p->ffn2_b = param_add_vector(s, prefix, "output.dense.bias", H, INIT_ZERO);
  p->ffn1_w = param_add_matrix(s, prefix, "intermediate.dense.weight", F, H);
  p->ffn1_b = param_add_vector(s, prefix, "intermediate.dense.bias", F, INIT_ZERO);
  p->norm1_w = param_add_vector(
      s, prefix, c->pre_norm ? "attention.ln.weight" : "attention.output.LayerNorm.weight", H, INIT_ONE);
  p->norm1_b = param_add_vector(
      s, prefix, c->pre_norm ? "attention.ln.bias" : "attention.output.LayerNorm.bias", H, INIT_ZERO);
  p->out_w = param_add_matrix(s, prefix, "attention.output.dense.weight", H, H);
  p->out_b = param_add_vector(s, prefix, "attention.output.dense.bias", H, INIT_ZERO);
  const param_spec qkv_w = {.rows = 3 * H, .columns = H, .init = INIT_NORMAL, .decay = true, .parts = 3};
  p->qkv_w = param_add(s, qkv_w, prefix, "attention.self.qkv.weight");
  const param_spec qkv_b = {.columns = 3 * H, .init = INIT_ZERO, .parts = 3};
  p->qkv_b = param_add(s, qkv_b, prefix, "attention.self.qkv.bias");
}

enum {
  TUNING_SITE = 4096,
  SITES_OF_LAYER = 8
}; // of the dropout of adapters; far above those of layers and heads

static void describe_tuning(model_core *m, int64_t i) {
  const int64_t H = m->c.hidden, F = m->c.intermediate;
  layer_tuning *t = &m->encoder->tuning[i];
  char prefix[PARAM_NAME];
  if (m->c.peft.kind == PEFT_NONE) return;
  snprintf(prefix, sizeof prefix, "bert.encoder.layer.%lld.", (long long)i);
  tuned_place at = {
      .prefix = prefix, .site = (uint32_t)(TUNING_SITE + SITES_OF_LAYER * i), .in = F, .out = H};
  bottleneck_describe(m, &t->after_ffn2, prefix, "output");
  at.module[0] = "output.dense";
  tuned_describe(m, &t->ffn2, &at);
  at.module[0] = "intermediate.dense";
  at.in = H, at.out = F, at.site++;
  tuned_describe(m, &t->ffn1, &at);
  bottleneck_describe(m, &t->after_out, prefix, "attention.output");
  at.module[0] = "attention.output.dense";
  at.out = H, at.site++;
  tuned_describe(m, &t->out, &at);
  at.module[0] = "attention.self.query", at.module[1] = "attention.self.key",
  at.module[2] = "attention.self.value";
  at.site++;
  tuned_describe(m, &t->qkv, &at);
}

// In the order in which the backward pass finishes the gradients: layers from the last, embeddings, and the word table, a
// bucket of its own since objectives may share it.
void encoder_describe_params(model_core *m) {
  param_set *const s = &m->params;
  const model_config *c = &m->c;
  encoder *e = m->encoder;
  const int64_t H = c->hidden, V = c->vocab_size;
  const char *const bert = "bert.";
  if (c->pre_norm) {
    e->final_norm_w = param_add_vector(s, bert, "encoder.ln.weight", H, INIT_ONE);
    e->final_norm_b = param_add_vector(s, bert, "encoder.ln.bias", H, INIT_ZERO);
  }
  for (int64_t i = c->layers - 1; i >= 0; i--) {
    params_next_bucket(s);
    s->depth = (int32_t)i + 1;
    describe_layer(s, c, i, &e->layer_param[i]);
    describe_tuning(m, i);
  }
  params_next_bucket(s);
  s->depth = 0;
  const char *const emb = "bert.embeddings.";
  e->emb_norm_w = param_add_vector(s, emb, "LayerNorm.weight", H, INIT_ONE);
  e->emb_norm_b = param_add_vector(s, emb, "LayerNorm.bias", H, INIT_ZERO);
  e->type_table = param_add_matrix(s, emb, "token_type_embeddings.weight", c->segments * c->event_types, H);
  e->position_table = param_add_matrix(s, emb, "position_embeddings.weight", c->max_positions, H);
  items_describe_params(m);
  params_next_bucket(s);
  const param_spec words = {.rows = V,
                            .columns = H,
                            .init = INIT_NORMAL,
                            .decay = true,
                            .kind = m->run.row_sparse ? PARAM_ROW_SPARSE : PARAM_REPLICATED};
  e->word_table = param_add(s, words, emb, "word_embeddings.weight");
  table_describe_params(m);
}

// ---- how far down the backward pass goes ---------------------------------------------------------------------

// Of layer i, the first place with something to train; PLACES: none. Pre-norm: norm1 is the norm before the layer.
static layer_place first_place(const model_core *m, int32_t i) {
  const layer_params *p = &m->encoder->layer_param[i];
  const bool pre = m->c.pre_norm, last = i + 1 == n_layers(m);
  const bool end = !pre   ? trains(m, p->norm2_w, p->norm2_b)
                   : last ? trains(m, m->encoder->final_norm_w, m->encoder->final_norm_b)
                          : trains(m, p[1].norm1_w, p[1].norm1_b);
  const layer_tuning *t = &m->encoder->tuning[i];
  if (trains(m, p->qkv_w, p->qkv_b) || tuned_trains(m, &t->qkv)) return PLACE_QKV;
  if (trains(m, p->out_w, p->out_b) || tuned_trains(m, &t->out) || t->after_out.there)
    return PLACE_PROJECTION;
  if (pre ? trains(m, p->norm2_w, p->norm2_b) : trains(m, p->norm1_w, p->norm1_b)) return PLACE_MID;
  if (trains(m, p->ffn1_w, p->ffn1_b) || tuned_trains(m, &t->ffn1)) return PLACE_FFN1;
  if (trains(m, p->ffn2_w, p->ffn2_b) || tuned_trains(m, &t->ffn2) || t->after_ffn2.there) return PLACE_FFN2;
  return end ? PLACE_END : PLACES;
}

static int32_t first_trained(const model_core *m) {
  if (encoder_table_trains(m) || trains(m, m->encoder->position_table, m->encoder->position_table) ||
      trains(m, m->encoder->type_table, m->encoder->type_table) ||
      trains(m, m->encoder->emb_norm_w, m->encoder->emb_norm_b))
    return AT_EMBEDDINGS;
  if (m->c.pre_norm && trains(m, m->encoder->layer_param[0].norm1_w, m->encoder->layer_param[0].norm1_b))
    return AT_FIRST_NORM;
  for (int32_t i = 0; i < n_layers(m); i++) {
    const layer_place place = first_place(m, i);
    if (place < PLACES) return op_at(i, place);
  }
  return op_at(n_layers(m), 0);
}

void encoder_outline(model_core *m) {
  m->encoder->first_trained = m->run.training ? first_trained(m) : op_at(n_layers(m), 0);
  m->encoder->first_kept =
      m->encoder->first_trained < AT_LAYERS ? 0 : (m->encoder->first_trained - AT_LAYERS) / PLACES;
}

bool encoder_trains(const model_core *m) {
  return m->encoder->first_trained < op_at(n_layers(m), 0);
}

// Does the backward pass make the gradient of this op's input?
static bool hands_on(const model_core *m, int32_t layer, layer_place op) {
  return op_at(layer, op) > m->encoder->first_trained;
}

// ---- buffers of tuning ---------------------------------------------------------------------------------------

// Does the layer have it? Of layers that share buffers: does any of them?
static bool has(const model_core *m, int32_t i, size_t what) {
  const int32_t first = i < m->encoder->first_kept ? 0 : i,
                end = i < m->encoder->first_kept ? n_layers(m) : i + 1;
  for (int32_t k = first; k < end; k++) {
    const layer_tuning *t = &m->encoder->tuning[k];
    const bool there[] = {t->qkv.n > 0,  t->out.n > 0,       t->ffn1.n > 0,
                          t->ffn2.n > 0, t->after_out.there, t->after_ffn2.there};
    if (there[what]) return true;
  }
  return false;
}

static void plan_tuning(model_core *m, int32_t i, layer_tuning_buffers *b) {
  tuned_buffers *const low[] = {&b->qkv, &b->out, &b->ffn1, &b->ffn2};
  bottleneck_buffers *const necks[] = {&b->after_out, &b->after_ffn2};
  for (size_t k = 0; k < 4; k++)
    if (has(m, i, k)) tuned_plan(m, low[k]);
  for (size_t k = 0; k < 2; k++)
    if (has(m, i, 4 + k)) bottleneck_plan(m, necks[k]);
}

// ---- buffers -------------------------------------------------------------------------------------------------

void encoder_plan_buffers(model_core *m) {
  const model_config *c = &m->c;
  encoder *e = m->encoder;
  const size_t T = (size_t)m->run.caps.tokens, M = (size_t)m->run.caps.masked, H = (size_t)c->hidden,
               F = (size_t)c->intermediate, a = m->be->act_size;
  plan_kept(m, &e->emb_out, T * H, a);
  plan_norm(m, &e->emb, T);
  if (c->pre_norm) {
    plan_kept(m, &e->first_out, T * H, a);
    plan_norm(m, &e->first, T);
  }
  plan_kept(m, &e->branch, T * H, a);
  for (int32_t i = 0; i < (int32_t)c->layers; i++) {
    layer_buffers *l = layer_at(m, i);
    const bool kept = i >= e->first_kept;
    if (!kept && i > 0) continue; // they share those of layer 0
    plan_kept(m, &l->qkv, T * 3 * H, a);
    plan_kept(m, &l->context, T * H, a);
    plan_kept(m, &l->lse, T * (size_t)c->heads, sizeof(float));
    plan_norm(m, &l->mid, T);
    plan_kept(m, &l->h, T * H, a);
    const size_t n = kept && lists_rows(m, i) ? M : T;         // not kept: all layers share them
    if (kept || has(m, i, 2)) plan_kept(m, &l->pre, n * F, a); // an adapter writes it in evaluation too
    plan_kept(m, &l->gelu, n * F, a);
    plan_norm(m, &l->end, T);
    plan_kept(m, &l->out, T * H, a);
    plan_tuning(m, i, &l->tuned);
  }
  tuning_plan(m, &e->shared);
  if (m->listed_rows) {
    plan_kept(m, &e->rows_context, M * H, a);
    plan_kept(m, &e->rows_h, M * H, a);
    plan_kept(m, &e->rows_branch, M * H, a);
  }
  if (!encoder_trains(m)) return;
  if (m->listed_rows) {
    plan_gradient(m, &e->d_rows_branch, M * H, a);
    plan_gradient(m, &e->d_rows_in, M * H, a);
  }
  plan_gradient(m, &e->d_stream, T * H, a);
  plan_gradient(m, &e->d_branch, T * H, a);
  plan_gradient(m, &e->d_context, T * H, a);
  if (c->pre_norm) plan_gradient(m, &e->d_residual, T * H, a);
  plan_gradient(m, &e->d_ffn, T * F, a);
  plan_gradient(m, &e->d_qkv, T * 3 * H, a);
}

// ---- operations ----------------------------------------------------------------------------------------------

double encoder_flops(const model_config *c, const batch *b) {
  const double T = b->tokens, H = (double)c->hidden, F = (double)c->intermediate;
  const double layer = T * (8 * H * H + 4 * H * F) + 4 * H * batch_square_lengths(b);
  return (double)c->layers * layer + T * tuning_flops(c);
}

int32_t encoder_layers_reached(const model_core *m) {
  return n_layers(m) - m->encoder->first_kept;
}

void encoder_spared(const model_core *m, flops_spared *s) {
  const double H = (double)m->c.hidden, F = (double)m->c.intermediate;
  if (m->listed_rows) s->unread += 3 * (2 * H * H + 4 * H * F);
  for (int32_t i = 0; i < n_layers(m); i++) {
    const layer_params *p = &m->encoder->layer_param[i];
    double *const a_row = lists_rows(m, i) ? &s->masked : &s->token;
    s->token += linear_spared(m, hands_on(m, i, PLACE_QKV), p->qkv_w);
    *a_row += linear_spared(m, hands_on(m, i, PLACE_PROJECTION), p->out_w);
    *a_row += linear_spared(m, hands_on(m, i, PLACE_FFN1), p->ffn1_w);
    *a_row += linear_spared(m, hands_on(m, i, PLACE_FFN2), p->ffn2_w);
    if (!hands_on(m, i, PLACE_ATTENTION)) s->square += 8.0 * (double)m->c.hidden;
  }
}
