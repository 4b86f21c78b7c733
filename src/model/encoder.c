// The encoder: embeddings and layers, forward and backward.
//
// Post-norm (BERT):  h = norm1(x + drop(attention(x)));  x' = norm2(h + drop(ffn(h))).
// Pre-norm: a stream s that norms only read: s += drop(attention(norm1(s))); s += drop(ffn(norm2(s))); a final norm
// ends it. The fused op "sum = residual + drop(x); y = norm(sum)" serves both: in pre-norm the norm at a layer's
// end is the next layer's first one (or the final norm), and its `sum` is the stream.
//
// Dropout sites: 0 embeddings; layer i: 1 + 3i attention, 2 + 3i projection, 3 + 3i feed-forward.
// Activations kept a layer and token: 3H (qkv) + H (context) + 2H (mid) + 2F (pre, gelu) + 2H (end) elements.
#include "model/model_internal.h"

#include <math.h>
#include "base/philox.h"

layer_buffers *layer_at(const model *m, int32_t layer) {
  return &m->layers[m->run.training ? layer : 0];
}

static int32_t n_layers(const model *m) {
  return (int32_t)m->c.layers;
}

static dropout drop_at(const model *m, int32_t site, double p) {
  return (dropout){.site = (uint32_t)site, .threshold = m->training ? dropout_threshold(p) : 0};
}

// Input of layer i: the previous output (pre-norm: already normed).
static const act *layer_input(const model *m, int32_t i) {
  if (i > 0) return layer_at(m, i - 1)->out;
  return m->c.pre_norm ? m->first_out : m->emb_out;
}

// The residual of layer i's middle norm.
static const act *layer_residual(const model *m, int32_t i) {
  if (!m->c.pre_norm) return layer_input(m, i);
  return i > 0 ? layer_at(m, i - 1)->end.sum : m->first.sum;
}

const act *encoder_output(const model *m) {
  return layer_at(m, n_layers(m) - 1)->out;
}

// ---- params of each op ---------------------------------------------------------------------------------------

static embed_params embed_op(const model *m) {
  return (embed_params){.batch = &m->batch,
                        .n = rows_tokens(m),
                        .hidden = (int32_t)m->c.hidden,
                        .vocab = (int32_t)m->c.vocab_size,
                        .n_types = (int32_t)(m->c.segments * m->c.event_types),
                        .n_positions = (int32_t)m->c.max_positions,
                        .word = weight(m, m->word_table),
                        .type = weight(m, m->type_table),
                        .position = weight(m, m->position_table),
                        .gamma = weight(m, m->emb_norm_w),
                        .beta = weight(m, m->emb_norm_b),
                        .eps = (float)m->c.layer_norm_eps,
                        .drop = drop_at(m, 0, m->c.dropout),
                        .sum = m->emb.sum,
                        .mean = m->emb.mean,
                        .rstd = m->emb.rstd,
                        .y = m->emb_out,
                        .dy = m->c.pre_norm ? m->d_branch : m->d_stream,
                        .dword = grad(m, m->word_table),
                        .touched = param_touched(&m->params, &m->params.items[m->word_table]),
                        .dtype = grad(m, m->type_table),
                        .dposition = grad(m, m->position_table),
                        .dgamma = grad(m, m->emb_norm_w),
                        .dbeta = grad(m, m->emb_norm_b)};
}

static linear_params linear_op(const model *m, int32_t in, int32_t out, int32_t w, int32_t b, const act *x,
                               act *y, act *dy, act *dx, bool dx_add) {
  return (linear_params){.n = rows_tokens(m),
                         .in = in,
                         .out = out,
                         .x = x,
                         .w = weight(m, w),
                         .b = weight(m, b),
                         .kind = ACT_NONE,
                         .y = y,
                         .dy = dy,
                         .dx = dx,
                         .dw = grad(m, w),
                         .db = grad(m, b),
                         .dx_add = dx_add};
}

static linear_params qkv_op(const model *m, int32_t i) {
  const int32_t H = (int32_t)m->c.hidden;
  const layer_params *p = &m->layer_param[i];
  return linear_op(m, H, 3 * H, p->qkv_w, p->qkv_b, layer_input(m, i), layer_at(m, i)->qkv, m->d_qkv,
                   m->d_stream, !m->c.pre_norm);
}

static attention_params attention_op(const model *m, int32_t i) {
  const layer_buffers *l = layer_at(m, i);
  const int32_t D = (int32_t)(m->c.hidden / m->c.heads);
  return (attention_params){.batch = &m->batch,
                            .n = rows_tokens(m),
                            .max_seqs = m->run.caps.seqs,
                            .max_work = batch_max_work(m->run.caps),
                            .heads = (int32_t)m->c.heads,
                            .head_size = D,
                            .kind = ATTENTION_FULL,
                            .scale = 1.0f / sqrtf((float)D),
                            .drop = drop_at(m, 1 + 3 * i, m->c.attention_dropout),
                            .qkv = l->qkv,
                            .out = l->context,
                            .lse = l->lse,
                            .dout = m->d_context,
                            .dqkv = m->d_qkv};
}

static linear_params projection_op(const model *m, int32_t i) {
  const int32_t H = (int32_t)m->c.hidden;
  const layer_params *p = &m->layer_param[i];
  return linear_op(m, H, H, p->out_w, p->out_b, layer_at(m, i)->context, m->branch, m->d_branch, m->d_context,
                   false);
}

// The norm between attention and feed-forward: post-norm's first, pre-norm's second.
static norm_params mid_norm_op(const model *m, int32_t i) {
  const layer_params *p = &m->layer_param[i];
  const layer_buffers *l = layer_at(m, i);
  const bool pre = m->c.pre_norm;
  const int32_t w = pre ? p->norm2_w : p->norm1_w, b = pre ? p->norm2_b : p->norm1_b;
  return (norm_params){.batch = &m->batch,
                       .n = rows_tokens(m),
                       .hidden = (int32_t)m->c.hidden,
                       .x = m->branch,
                       .residual = layer_residual(m, i),
                       .gamma = weight(m, w),
                       .beta = weight(m, b),
                       .eps = (float)m->c.layer_norm_eps,
                       .drop = drop_at(m, 2 + 3 * i, m->c.dropout),
                       .sum = l->mid.sum,
                       .mean = l->mid.mean,
                       .rstd = l->mid.rstd,
                       .y = l->h,
                       .dy = m->d_stream,
                       .dsum = pre ? m->d_residual : NULL,
                       .dx = m->d_branch,
                       .dresidual = pre ? m->d_residual : m->d_stream,
                       .dgamma = grad(m, w),
                       .dbeta = grad(m, b)};
}

static linear_params ffn1_op(const model *m, int32_t i) {
  const layer_params *p = &m->layer_param[i];
  const layer_buffers *l = layer_at(m, i);
  linear_params op = linear_op(m, (int32_t)m->c.hidden, (int32_t)m->c.intermediate, p->ffn1_w, p->ffn1_b,
                               l->h, l->gelu, m->d_ffn, m->d_stream, !m->c.pre_norm);
  op.kind = m->c.activation == 0 ? ACT_GELU_TANH : ACT_GELU_ERF;
  op.pre = m->training ? l->pre : NULL;
  return op;
}

static linear_params ffn2_op(const model *m, int32_t i) {
  const layer_params *p = &m->layer_param[i];
  return linear_op(m, (int32_t)m->c.intermediate, (int32_t)m->c.hidden, p->ffn2_w, p->ffn2_b,
                   layer_at(m, i)->gelu, m->branch, m->d_branch, m->d_ffn, false);
}

// The norm at the end of layer i.
static norm_params end_norm_op(const model *m, int32_t i) {
  const layer_buffers *l = layer_at(m, i);
  const bool pre = m->c.pre_norm, last = i + 1 == n_layers(m);
  int32_t w = m->layer_param[i].norm2_w, b = m->layer_param[i].norm2_b;
  if (pre) {
    w = last ? m->final_norm_w : m->layer_param[i + 1].norm1_w;
    b = last ? m->final_norm_b : m->layer_param[i + 1].norm1_b;
  }
  return (norm_params){.batch = &m->batch,
                       .n = rows_tokens(m),
                       .hidden = (int32_t)m->c.hidden,
                       .x = m->branch,
                       .residual = pre ? l->mid.sum : l->h,
                       .gamma = weight(m, w),
                       .beta = weight(m, b),
                       .eps = (float)m->c.layer_norm_eps,
                       .drop = drop_at(m, 3 + 3 * i, m->c.dropout),
                       .sum = l->end.sum,
                       .mean = l->end.mean,
                       .rstd = l->end.rstd,
                       .y = l->out,
                       .dy = m->d_stream,
                       .dsum = pre && !last ? m->d_residual : NULL,
                       .dx = m->d_branch,
                       .dresidual = pre ? m->d_residual : m->d_stream,
                       .dgamma = grad(m, w),
                       .dbeta = grad(m, b)};
}

// Pre-norm only: the norm before layer 0. Its dx, with no residual, is the whole gradient of the embeddings.
static norm_params first_norm_op(const model *m) {
  const int32_t w = m->layer_param[0].norm1_w, b = m->layer_param[0].norm1_b;
  return (norm_params){.batch = &m->batch,
                       .n = rows_tokens(m),
                       .hidden = (int32_t)m->c.hidden,
                       .x = m->emb_out,
                       .gamma = weight(m, w),
                       .beta = weight(m, b),
                       .eps = (float)m->c.layer_norm_eps,
                       .sum = m->first.sum,
                       .mean = m->first.mean,
                       .rstd = m->first.rstd,
                       .y = m->first_out,
                       .dy = m->d_stream,
                       .dsum = m->d_residual,
                       .dx = m->d_branch,
                       .dgamma = grad(m, w),
                       .dbeta = grad(m, b)};
}

// ---- passes --------------------------------------------------------------------------------------------------

status encoder_check(model *m, size_t *scratch) {
  const embed_params embed = embed_op(m);
  TRY(op_check(m, OP_EMBED, &embed, scratch));
  const linear_params linears[] = {qkv_op(m, 0), projection_op(m, 0), ffn1_op(m, 0), ffn2_op(m, 0)};
  for (size_t i = 0; i < sizeof linears / sizeof *linears; i++)
    TRY(op_check(m, OP_LINEAR, &linears[i], scratch));
  const attention_params attention = attention_op(m, 0);
  TRY(op_check(m, OP_ATTENTION, &attention, scratch));
  const norm_params norm = mid_norm_op(m, 0);
  return op_check(m, OP_NORM, &norm, scratch);
}

status encoder_forward(model *m) {
  const backend *be = m->be;
  const embed_params embed = embed_op(m);
  TRY(be->embed_forward(m->ctx, &embed));
  if (m->c.pre_norm) {
    const norm_params first = first_norm_op(m);
    TRY(be->norm_forward(m->ctx, &first));
  }
  for (int32_t i = 0; i < n_layers(m); i++) {
    const linear_params qkv = qkv_op(m, i), projection = projection_op(m, i);
    const attention_params attention = attention_op(m, i);
    const norm_params mid = mid_norm_op(m, i), end = end_norm_op(m, i);
    const linear_params ffn1 = ffn1_op(m, i), ffn2 = ffn2_op(m, i);
    TRY(be->linear_forward(m->ctx, &qkv));
    TRY(be->attention_forward(m->ctx, &attention));
    TRY(be->linear_forward(m->ctx, &projection));
    TRY(be->norm_forward(m->ctx, &mid));
    TRY(be->linear_forward(m->ctx, &ffn1));
    TRY(be->linear_forward(m->ctx, &ffn2));
    TRY(be->norm_forward(m->ctx, &end));
  }
  return OK;
}

status encoder_backward(model *m) {
  const backend *be = m->be;
  for (int32_t i = n_layers(m) - 1; i >= 0; i--) {
    const linear_params qkv = qkv_op(m, i), projection = projection_op(m, i);
    const attention_params attention = attention_op(m, i);
    const norm_params mid = mid_norm_op(m, i), end = end_norm_op(m, i);
    const linear_params ffn1 = ffn1_op(m, i), ffn2 = ffn2_op(m, i);
    TRY(be->norm_backward(m->ctx, &end));
    TRY(be->linear_backward(m->ctx, &ffn2));
    TRY(be->linear_backward(m->ctx, &ffn1));
    TRY(be->norm_backward(m->ctx, &mid));
    TRY(be->linear_backward(m->ctx, &projection));
    TRY(be->attention_backward(m->ctx, &attention));
    TRY(be->linear_backward(m->ctx, &qkv));
  }
  if (m->c.pre_norm) {
    const norm_params first = first_norm_op(m);
    TRY(be->norm_backward(m->ctx, &first));
  }
  const embed_params embed = embed_op(m);
  return be->embed_backward(m->ctx, &embed);
}
