// The encoder: embeddings and layers, forward and backward.
//
// Post-norm (BERT):  h = norm1(x + drop(attention(x)));  x' = norm2(h + drop(ffn(h))).
// Pre-norm: a stream s that norms only read: s += drop(attention(norm1(s))); s += drop(ffn(norm2(s))); a final norm
// ends it. The fused op "sum = residual + drop(x); y = norm(sum)" serves both: in pre-norm the norm at a layer's
// end is the next layer's first one (or the final norm), and its `sum` is the stream.
//
// Stochastic depth drops either branch of a layer for a whole sequence: s += path(drop(...)).
//
// Dropout sites: 0 embeddings; layer i: 1 + 3i attention, 2 + 3i projection, 3 + 3i feed-forward. Sites of paths: 2i, 2i + 1.
// Activations kept a layer and token: 3H (qkv) + H (context) + 2H (mid) + 2F (pre, gelu) + 2H (end) elements.
//
// Listed rows: where objectives read no other rows of the output than those that the batch lists (masked LM: a fifth of them),
// the last layer's projection and feed-forward part, which mix no rows, are computed at these alone. Rows are gathered before
// each of the two and put back after it into a branch of zeros, so that the norms, which are cheap, see every row at its
// place: dropout's counters are those of the row. What the other rows hold then has no effect on any result, and their
// gradients are zero as before.
//
// Frozen parameters: the backward pass ends at the earliest op that has something to train. Layers that it does not
// reach keep nothing; they share one set of buffers, as all layers do in evaluation.
#include <math.h>

#include "base/philox.h"
#include "model/encoder_internal.h"
#include "model/table_tuning.h"

static dropout drop_at(const model_core *m, int32_t site, double p) {
  return (dropout){.site = (uint32_t)site, .threshold = m->training ? dropout_threshold(p) : 0};
}

// Stochastic depth of a branch of layer i: 0 the attention's, 1 the feed-forward part's. The probability rises linearly from 0
// in the first layer to model.drop_path in the last one; an only layer is the last.
static dropout path_at(const model_core *m, int32_t i, int32_t branch) {
  const int32_t last = n_layers(m) - 1;
  const double share = last > 0 ? (double)i / (double)last : 1;
  return drop_at(m, 2 * i + branch, share * m->c.drop_path);
}

// Input of layer i: the previous output (pre-norm: already normed).
static const act *layer_input(const model_core *m, int32_t i) {
  if (i > 0) return layer_at(m, i - 1)->out;
  return m->c.pre_norm ? m->encoder->first_out : m->encoder->emb_out;
}

// The residual of layer i's middle norm.
static const act *layer_residual(const model_core *m, int32_t i) {
  if (!m->c.pre_norm) return layer_input(m, i);
  return i > 0 ? layer_at(m, i - 1)->end.sum : m->encoder->first.sum;
}

const act *encoder_output(const model_core *m) {
  return layer_at(m, n_layers(m) - 1)->out;
}

act *encoder_gradient(const model_core *m) {
  return m->encoder->d_stream;
}

int32_t encoder_word_table(const model_core *m) {
  return m->encoder->word_table;
}

// ---- params of each op ---------------------------------------------------------------------------------------

static embed_params embed_op(const model_core *m) {
  return (embed_params){.batch = table_batch(m),
                        .n = rows_tokens(m),
                        .hidden = (int32_t)m->c.hidden,
                        .vocab = table_rows(m),
                        .n_types = (int32_t)(m->c.segments * m->c.event_types),
                        .n_positions = (int32_t)m->c.max_positions,
                        .word = encoder_table(m),
                        .type = weight(m, m->encoder->type_table),
                        .position = weight(m, m->encoder->position_table),
                        .gamma = weight(m, m->encoder->emb_norm_w),
                        .beta = weight(m, m->encoder->emb_norm_b),
                        .eps = (float)m->c.layer_norm_eps,
                        .drop = drop_at(m, 0, m->c.dropout),
                        .sum = m->encoder->emb.sum,
                        .mean = m->encoder->emb.mean,
                        .rstd = m->encoder->emb.rstd,
                        .y = m->encoder->emb_out,
                        .dy = m->c.pre_norm ? m->encoder->d_branch : m->encoder->d_stream,
                        .dword = encoder_table_grad(m),
                        .touched = encoder_table_touched(m),
                        .dtype = grad(m, m->encoder->type_table),
                        .dposition = grad(m, m->encoder->position_table),
                        .dgamma = grad(m, m->encoder->emb_norm_w),
                        .dbeta = grad(m, m->encoder->emb_norm_b)};
}

static linear_params linear_op(const model_core *m, int32_t in, int32_t out, int32_t w, int32_t b,
                               const act *x, act *y, act *dy, act *dx, bool dx_add) {
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

static linear_params qkv_op(const model_core *m, int32_t i) {
  const int32_t H = (int32_t)m->c.hidden;
  const layer_params *p = &m->encoder->layer_param[i];
  return linear_op(m, H, 3 * H, p->qkv_w, p->qkv_b, layer_input(m, i), layer_at(m, i)->qkv, m->encoder->d_qkv,
                   m->encoder->d_stream, !m->c.pre_norm);
}

static attention_params attention_op(const model_core *m, int32_t i) {
  const layer_buffers *l = layer_at(m, i);
  const int32_t D = (int32_t)(m->c.hidden / m->c.heads);
  return (attention_params){.batch = &m->batch,
                            .n = rows_tokens(m),
                            .max_seqs = m->run.caps.seqs,
                            .max_work = batch_max_work(m->run.caps),
                            .max_length = model_max_length(m),
                            .heads = (int32_t)m->c.heads,
                            .head_size = D,
                            .kind = m->attention,
                            .scale = 1.0f / sqrtf((float)D),
                            .drop = drop_at(m, 1 + 3 * i, m->c.attention_dropout),
                            .qkv = l->qkv,
                            .out = l->context,
                            .lse = l->lse,
                            .dout = m->encoder->d_context,
                            .dqkv = m->encoder->d_qkv};
}

static linear_params projection_op(const model_core *m, int32_t i) {
  const int32_t H = (int32_t)m->c.hidden;
  const encoder *e = m->encoder;
  const layer_params *p = &e->layer_param[i];
  linear_params op = linear_op(m, H, H, p->out_w, p->out_b, layer_at(m, i)->context, e->branch, e->d_branch,
                               e->d_context, false);
  if (lists_rows(m, i)) {
    op.n = rows_masked(m);
    op.x = e->rows_context;
    op.y = e->rows_branch;
    op.dy = e->d_rows_branch;
    op.dx = e->d_rows_in;
  }
  return op;
}

// The norm between attention and feed-forward: post-norm's first, pre-norm's second.
static norm_params mid_norm_op(const model_core *m, int32_t i) {
  const layer_params *p = &m->encoder->layer_param[i];
  const layer_buffers *l = layer_at(m, i);
  const bool pre = m->c.pre_norm;
  const int32_t w = pre ? p->norm2_w : p->norm1_w, b = pre ? p->norm2_b : p->norm1_b;
  return (norm_params){.batch = &m->batch,
                       .n = rows_tokens(m),
                       .hidden = (int32_t)m->c.hidden,
                       .x = m->encoder->branch,
                       .residual = layer_residual(m, i),
                       .gamma = weight(m, w),
                       .beta = weight(m, b),
                       .eps = (float)m->c.layer_norm_eps,
                       .drop = drop_at(m, 2 + 3 * i, m->c.dropout),
                       .path = path_at(m, i, 0),
                       .sum = l->mid.sum,
                       .mean = l->mid.mean,
                       .rstd = l->mid.rstd,
                       .y = l->h,
                       .dy = m->encoder->d_stream,
                       .dsum = pre ? m->encoder->d_residual : NULL,
                       .dx = m->encoder->d_branch,
                       .dresidual = pre ? m->encoder->d_residual : m->encoder->d_stream,
                       .dgamma = grad(m, w),
                       .dbeta = grad(m, b)};
}

static linear_params ffn1_op(const model_core *m, int32_t i) {
  const layer_params *p = &m->encoder->layer_param[i];
  const layer_buffers *l = layer_at(m, i);
  linear_params op = linear_op(m, (int32_t)m->c.hidden, (int32_t)m->c.intermediate, p->ffn1_w, p->ffn1_b,
                               l->h, l->gelu, m->encoder->d_ffn, m->encoder->d_stream, !m->c.pre_norm);
  op.kind = m->c.activation == 0 ? ACT_GELU_TANH : ACT_GELU_ERF;
  op.pre = m->training || m->encoder->tuning[i].ffn1.n > 0 ? l->pre : NULL;
  if (lists_rows(m, i)) {
    op.n = rows_masked(m);
    op.x = m->encoder->rows_h;
    op.dx = m->encoder->d_rows_in;
    op.dx_add = false;
  }
  return op;
}

static linear_params ffn2_op(const model_core *m, int32_t i) {
  const layer_params *p = &m->encoder->layer_param[i];
  linear_params op =
      linear_op(m, (int32_t)m->c.intermediate, (int32_t)m->c.hidden, p->ffn2_w, p->ffn2_b,
                layer_at(m, i)->gelu, m->encoder->branch, m->encoder->d_branch, m->encoder->d_ffn, false);
  if (lists_rows(m, i)) {
    op.n = rows_masked(m);
    op.y = m->encoder->rows_branch;
    op.dy = m->encoder->d_rows_branch;
  }
  return op;
}

// Forward: listed rows [M,H] of x [T,H] to y. Backward: dy [M,H] is added to the rows of dx [T,H].
static gather_params listed_op(const model_core *m, const act *x, act *y, const act *dy, act *dx) {
  return (gather_params){.n = rows_masked(m),
                         .hidden = (int32_t)m->c.hidden,
                         .source = rows_tokens(m),
                         .index = m->batch.masked,
                         .distinct = true,
                         .x = x,
                         .y = y,
                         .dy = dy,
                         .dx = dx};
}

// The norm at the end of layer i.
static norm_params end_norm_op(const model_core *m, int32_t i) {
  const layer_buffers *l = layer_at(m, i);
  const bool pre = m->c.pre_norm, last = i + 1 == n_layers(m);
  int32_t w = m->encoder->layer_param[i].norm2_w, b = m->encoder->layer_param[i].norm2_b;
  if (pre) {
    w = last ? m->encoder->final_norm_w : m->encoder->layer_param[i + 1].norm1_w;
    b = last ? m->encoder->final_norm_b : m->encoder->layer_param[i + 1].norm1_b;
  }
  return (norm_params){.batch = &m->batch,
                       .n = rows_tokens(m),
                       .hidden = (int32_t)m->c.hidden,
                       .x = m->encoder->branch,
                       .residual = pre ? l->mid.sum : l->h,
                       .gamma = weight(m, w),
                       .beta = weight(m, b),
                       .eps = (float)m->c.layer_norm_eps,
                       .drop = drop_at(m, 3 + 3 * i, m->c.dropout),
                       .path = path_at(m, i, 1),
                       .sum = l->end.sum,
                       .mean = l->end.mean,
                       .rstd = l->end.rstd,
                       .y = l->out,
                       .dy = m->encoder->d_stream,
                       .dsum = pre && !last ? m->encoder->d_residual : NULL,
                       .dx = m->encoder->d_branch,
                       .dresidual = pre ? m->encoder->d_residual : m->encoder->d_stream,
                       .dgamma = grad(m, w),
                       .dbeta = grad(m, b)};
}

// Pre-norm only: the norm before layer 0. Its dx, with no residual, is the whole gradient of the embeddings.
static norm_params first_norm_op(const model_core *m) {
  const int32_t w = m->encoder->layer_param[0].norm1_w, b = m->encoder->layer_param[0].norm1_b;
  return (norm_params){.batch = &m->batch,
                       .n = rows_tokens(m),
                       .hidden = (int32_t)m->c.hidden,
                       .x = m->encoder->emb_out,
                       .gamma = weight(m, w),
                       .beta = weight(m, b),
                       .eps = (float)m->c.layer_norm_eps,
                       .sum = m->encoder->first.sum,
                       .mean = m->encoder->first.mean,
                       .rstd = m->encoder->first.rstd,
                       .y = m->encoder->first_out,
                       .dy = m->encoder->d_stream,
                       .dsum = m->encoder->d_residual,
                       .dx = m->encoder->d_branch,
                       .dgamma = grad(m, w),
                       .dbeta = grad(m, b)};
}

// ---- passes --------------------------------------------------------------------------------------------------

static status check_tuning(const model_core *m, int32_t i, size_t *scratch) {
  const encoder *e = m->encoder;
  const layer_tuning *t = &e->tuning[i];
  const linear_params qkv = qkv_op(m, i), out = projection_op(m, i), ffn1 = ffn1_op(m, i),
                      ffn2 = ffn2_op(m, i);
  TRY(tuned_check(m, &e->shared, &t->qkv, &qkv, scratch));
  TRY(tuned_check(m, &e->shared, &t->out, &out, scratch));
  TRY(tuned_check(m, &e->shared, &t->ffn1, &ffn1, scratch));
  TRY(tuned_check(m, &e->shared, &t->ffn2, &ffn2, scratch));
  TRY(bottleneck_check(m, &t->after_out, out.n, scratch));
  return bottleneck_check(m, &t->after_ffn2, ffn2.n, scratch);
}

status encoder_check(model_core *m, size_t *scratch) {
  const embed_params embed = embed_op(m);
  TRY(op_check(m, OP_EMBED, &embed, scratch));
  const linear_params linears[] = {qkv_op(m, 0), projection_op(m, 0), ffn1_op(m, 0), ffn2_op(m, 0)};
  for (size_t i = 0; i < sizeof linears / sizeof *linears; i++)
    TRY(op_check(m, OP_LINEAR, &linears[i], scratch));
  const int32_t last = n_layers(m) - 1;
  const linear_params lasts[] = {projection_op(m, last), ffn1_op(m, last), ffn2_op(m, last)};
  for (size_t i = 0; i < sizeof lasts / sizeof *lasts; i++) TRY(op_check(m, OP_LINEAR, &lasts[i], scratch));
  for (int32_t i = 0; i < n_layers(m); i++) TRY(check_tuning(m, i, scratch));
  const gather_params listed = listed_op(m, NULL, NULL, NULL, NULL);
  if (m->listed_rows) TRY(op_check(m, OP_GATHER, &listed, scratch));
  const attention_params attention = attention_op(m, 0);
  TRY(op_check(m, OP_ATTENTION, &attention, scratch));
  const norm_params norm = mid_norm_op(m, n_layers(m) - 1); // which has stochastic depth, where there is any
  return op_check(m, OP_NORM, &norm, scratch);
}

static status take_listed(const model_core *m, const act *from, act *to) {
  const gather_params op = listed_op(m, from, to, NULL, NULL);
  return m->be->gather_forward(m->ctx, &op);
}

static status add_listed(const model_core *m, const act *from, act *to) {
  const gather_params op = listed_op(m, NULL, NULL, from, to);
  return m->be->gather_backward(m->ctx, &op);
}

// The other rows become zero.
static status put_listed(const model_core *m, const act *from, act *to) {
  TRY(m->be->zero(m->ctx, to, (size_t)m->run.caps.tokens * (size_t)m->c.hidden * m->be->act_size));
  return add_listed(m, from, to);
}

static status layer_forward(model_core *m, int32_t i) {
  const backend *be = m->be;
  const encoder *e = m->encoder;
  const layer_buffers *l = layer_at(m, i);
  const bool listed = lists_rows(m, i);
  const linear_params qkv = qkv_op(m, i), projection = projection_op(m, i);
  const attention_params attention = attention_op(m, i);
  const norm_params mid = mid_norm_op(m, i), end = end_norm_op(m, i);
  const linear_params ffn1 = ffn1_op(m, i), ffn2 = ffn2_op(m, i);
  const layer_tuning *t = &e->tuning[i];
  const layer_tuning_buffers *b = &l->tuned;
  const int32_t *index = listed ? m->batch.masked : NULL;
  TRY(tuned_forward(m, &e->shared, &t->qkv, &b->qkv, &qkv, NULL));
  TRY(be->attention_forward(m->ctx, &attention));
  if (listed) TRY(take_listed(m, l->context, e->rows_context));
  TRY(tuned_forward(m, &e->shared, &t->out, &b->out, &projection, index));
  TRY(bottleneck_forward(m, &t->after_out, &b->after_out, projection.n, projection.y));
  if (listed) TRY(put_listed(m, e->rows_branch, e->branch));
  TRY(be->norm_forward(m->ctx, &mid));
  if (listed) TRY(take_listed(m, l->h, e->rows_h));
  TRY(tuned_forward(m, &e->shared, &t->ffn1, &b->ffn1, &ffn1, index));
  TRY(tuned_forward(m, &e->shared, &t->ffn2, &b->ffn2, &ffn2, index));
  TRY(bottleneck_forward(m, &t->after_ffn2, &b->after_ffn2, ffn2.n, ffn2.y));
  if (listed) TRY(put_listed(m, e->rows_branch, e->branch));
  return be->norm_forward(m->ctx, &end);
}

status encoder_forward(model_core *m) {
  const backend *be = m->be;
  const embed_params embed = embed_op(m);
  TRY(be->embed_forward(m->ctx, &embed));
  if (m->c.pre_norm) {
    const norm_params first = first_norm_op(m);
    TRY(be->norm_forward(m->ctx, &first));
  }
  for (int32_t i = 0; i < n_layers(m); i++) TRY(layer_forward(m, i));
  return OK;
}

// The earliest op that trains computes no gradient of its input, since nothing before it needs one.
static status linear_backward(const model_core *m, int32_t i, layer_place place, const tuned_linear *t,
                              const tuned_buffers *b, linear_params op) {
  const int32_t at = op_at(i, place);
  const int32_t *index = op.n.kind == ROWS_MASKED ? m->batch.masked : NULL;
  if (at < m->encoder->first_trained) return OK;
  if (at == m->encoder->first_trained) op.dx = NULL;
  return tuned_backward(m, &m->encoder->shared, t, b, &op, index);
}

static status neck_backward(const model_core *m, int32_t at, const bottleneck *k, const bottleneck_buffers *b,
                            const linear_params *op) {
  if (at < m->encoder->first_trained) return OK;
  return bottleneck_backward(m, &m->encoder->shared, k, b, op->n, op->dy);
}

static status norm_backward(const model_core *m, int32_t at, norm_params op) {
  return at < m->encoder->first_trained ? OK : m->be->norm_backward(m->ctx, &op);
}

// FFN2 and FFN1, whose gradient of h goes to d_stream (pre-norm: is it).
static status ffn_backward(model_core *m, int32_t i) {
  const encoder *e = m->encoder;
  const bool listed = lists_rows(m, i);
  const int32_t at = op_at(i, PLACE_FFN1);
  const layer_tuning *t = &e->tuning[i];
  const layer_tuning_buffers *b = &layer_at(m, i)->tuned;
  const linear_params ffn2 = ffn2_op(m, i);
  if (listed && at + 1 >= e->first_trained) TRY(take_listed(m, e->d_branch, e->d_rows_branch));
  TRY(neck_backward(m, at + 1, &t->after_ffn2, &b->after_ffn2, &ffn2));
  TRY(linear_backward(m, i, PLACE_FFN2, &t->ffn2, &b->ffn2, ffn2));
  TRY(linear_backward(m, i, PLACE_FFN1, &t->ffn1, &b->ffn1, ffn1_op(m, i)));
  if (!listed || at <= e->first_trained) return OK;
  return m->c.pre_norm ? put_listed(m, e->d_rows_in, e->d_stream) : add_listed(m, e->d_rows_in, e->d_stream);
}

static status projection_backward(model_core *m, int32_t i) {
  const encoder *e = m->encoder;
  const bool listed = lists_rows(m, i);
  const int32_t at = op_at(i, PLACE_PROJECTION);
  const layer_tuning *t = &e->tuning[i];
  const layer_tuning_buffers *b = &layer_at(m, i)->tuned;
  const linear_params projection = projection_op(m, i);
  if (listed && at >= e->first_trained) TRY(take_listed(m, e->d_branch, e->d_rows_branch));
  TRY(neck_backward(m, at, &t->after_out, &b->after_out, &projection));
  TRY(linear_backward(m, i, PLACE_PROJECTION, &t->out, &b->out, projection));
  return listed && at > e->first_trained ? put_listed(m, e->d_rows_in, e->d_context) : OK;
}

// Its first op, the norm at its end, is the last one that adds to a gradient of what comes before the layer in the arena: in
// pre-norm that norm's parameters are the next layer's, or the final norm's.
static status layer_backward(model_core *m, int32_t i) {
  TRY(norm_backward(m, op_at(i, PLACE_END), end_norm_op(m, i)));
  TRY(buckets_done(m, m->params.items[m->encoder->layer_param[i].qkv_w].bucket));
  TRY(ffn_backward(m, i));
  TRY(norm_backward(m, op_at(i, PLACE_MID), mid_norm_op(m, i)));
  TRY(projection_backward(m, i));
  if (op_at(i, PLACE_ATTENTION) < m->encoder->first_trained) return OK;
  const attention_params attention = attention_op(m, i);
  TRY(m->be->attention_backward(m->ctx, &attention));
  return linear_backward(m, i, PLACE_QKV, &m->encoder->tuning[i].qkv, &layer_at(m, i)->tuned.qkv,
                         qkv_op(m, i));
}

status encoder_backward(model_core *m) {
  for (int32_t i = n_layers(m) - 1; i >= m->encoder->first_kept; i--) TRY(layer_backward(m, i));
  if (m->c.pre_norm) TRY(norm_backward(m, AT_FIRST_NORM, first_norm_op(m)));
  if (m->encoder->first_trained > AT_EMBEDDINGS) return OK;
  TRY(buckets_done(m, m->params.items[m->encoder->type_table].bucket));
  const embed_params embed = embed_op(m);
  return m->be->embed_backward(m->ctx, &embed);
}
