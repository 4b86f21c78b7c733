// The heads: masked LM (transform, tied table, item bias) over gathered rows, and pooler with next-sentence
// classifier over first tokens. In our data the next sentence is the next session.
#include "model/model_internal.h"

static gather_params masked_rows_op(const model *m) {
  return (gather_params){.n = rows_masked(m),
                         .hidden = (int32_t)m->c.hidden,
                         .source = rows_tokens(m),
                         .index = m->batch.masked,
                         .distinct = true,
                         .x = m->batch.ids == NULL ? NULL : encoder_output(m),
                         .y = m->rows,
                         .dy = m->d_rows,
                         .dx = m->d_stream};
}

static linear_params transform_op(const model *m) {
  return (linear_params){.n = rows_masked(m),
                         .in = (int32_t)m->c.hidden,
                         .out = (int32_t)m->c.hidden,
                         .x = m->rows,
                         .w = weight(m, m->mlm_w),
                         .b = weight(m, m->mlm_b),
                         .kind = m->c.activation == 0 ? ACT_GELU_TANH : ACT_GELU_ERF,
                         .pre = m->training ? m->transform_pre : NULL,
                         .y = m->transform,
                         .dy = m->d_transform,
                         .dx = m->d_rows,
                         .dw = grad(m, m->mlm_w),
                         .db = grad(m, m->mlm_b)};
}

static norm_params transform_norm_op(const model *m) {
  return (norm_params){.n = rows_masked(m),
                       .hidden = (int32_t)m->c.hidden,
                       .x = m->transform,
                       .gamma = weight(m, m->mlm_norm_w),
                       .beta = weight(m, m->mlm_norm_b),
                       .eps = (float)m->c.layer_norm_eps,
                       .sum = m->mlm_saved.sum,
                       .mean = m->mlm_saved.mean,
                       .rstd = m->mlm_saved.rstd,
                       .y = m->mlm,
                       .dy = m->d_mlm,
                       .dx = m->d_transform,
                       .dgamma = grad(m, m->mlm_norm_w),
                       .dbeta = grad(m, m->mlm_norm_b)};
}

static xent_params xent_op(const model *m, bool grads) {
  const int32_t base = m->c.class_base;
  const size_t table_at = (size_t)base * (size_t)m->c.hidden;
  const char *table = weight(m, m->word_table), *bias = weight(m, m->mlm_bias);
  float *dtable = grad(m, m->word_table), *dbias = grad(m, m->mlm_bias);
  uint8_t *touched = param_touched(&m->params, &m->params.items[m->word_table]);
  const batch_view *b = &m->batch;
  return (xent_params){.n = rows_masked(m),
                       .slot = SLOT_MASKED_LM,
                       .hidden = (int32_t)m->c.hidden,
                       .classes = m->c.classes,
                       .class_base = base,
                       .n_negatives = m->sampled ? m->run.caps.negatives : 0,
                       .labels = b->labels,
                       .weights = b->weights,
                       .negatives = b->negatives,
                       .negative_logq = b->negative_logq,
                       .label_logq = b->label_logq,
                       .score = m->c.score == 0 ? SCORE_DOT : SCORE_COSINE,
                       .inv_temperature = (float)(1.0 / m->c.temperature),
                       .x = m->mlm,
                       .table = table == NULL ? NULL : table + table_at * m->be->act_size,
                       .bias = bias == NULL ? NULL : bias + (size_t)base * m->be->act_size,
                       .dx = grads ? m->d_mlm : NULL,
                       .dtable = grads && dtable != NULL ? dtable + table_at : NULL,
                       .dbias = grads && dbias != NULL ? dbias + base : NULL,
                       .touched = grads && touched != NULL ? touched + base : NULL};
}

static gather_params first_tokens_op(const model *m) {
  return (gather_params){.n = rows_seqs(m),
                         .hidden = (int32_t)m->c.hidden,
                         .source = rows_tokens(m),
                         .index = m->batch.cu_seqlens,
                         .distinct = true, // no sequence is empty
                         .x = m->batch.ids == NULL ? NULL : encoder_output(m),
                         .y = m->first_tokens,
                         .dy = m->d_first,
                         .dx = m->d_stream};
}

static linear_params pooler_op(const model *m) {
  return (linear_params){.n = rows_seqs(m),
                         .in = (int32_t)m->c.hidden,
                         .out = (int32_t)m->c.hidden,
                         .x = m->first_tokens,
                         .w = weight(m, m->pooler_w),
                         .b = weight(m, m->pooler_b),
                         .kind = ACT_TANH,
                         .y = m->pooled,
                         .dy = m->d_pooled,
                         .dx = m->d_first,
                         .dw = grad(m, m->pooler_w),
                         .db = grad(m, m->pooler_b)};
}

static linear_params nsp_op(const model *m) {
  return (linear_params){.n = rows_seqs(m),
                         .in = (int32_t)m->c.hidden,
                         .out = 2,
                         .x = m->pooled,
                         .w = weight(m, m->nsp_w),
                         .b = weight(m, m->nsp_b),
                         .kind = ACT_NONE,
                         .y = m->cls_logits,
                         .dy = m->cls_logits,
                         .dx = m->d_pooled,
                         .dw = grad(m, m->nsp_w),
                         .db = grad(m, m->nsp_b)};
}

static classify_params classify_op(const model *m, bool grads) {
  return (classify_params){.n = rows_seqs(m),
                           .slot = SLOT_NEXT_SESSION,
                           .classes = 2,
                           .labels = m->batch.cls_labels,
                           .logits = m->cls_logits,
                           .dlogits = grads ? m->cls_logits : NULL};
}

status heads_check(model *m, size_t *scratch) {
  const gather_params rows_op = masked_rows_op(m);
  TRY(op_check(m, OP_GATHER, &rows_op, scratch));
  const linear_params transform = transform_op(m);
  TRY(op_check(m, OP_LINEAR, &transform, scratch));
  const norm_params norm = transform_norm_op(m);
  TRY(op_check(m, OP_NORM, &norm, scratch));
  for (int sampled = 0; sampled < 2; sampled++) { // evaluation is always full
    m->sampled = sampled == 1 && m->run.caps.negatives > 0;
    const xent_params xent = xent_op(m, m->run.training);
    TRY(op_check(m, OP_XENT, &xent, scratch));
  }
  if (!m->c.pooler) return OK;
  const linear_params pooler = pooler_op(m), nsp = nsp_op(m);
  const classify_params classify = classify_op(m, true);
  TRY(op_check(m, OP_LINEAR, &pooler, scratch));
  TRY(op_check(m, OP_LINEAR, &nsp, scratch));
  return op_check(m, OP_CLASSIFY, &classify, scratch);
}

status heads_transform(model *m) {
  const gather_params rows_op = masked_rows_op(m);
  TRY(m->be->gather_forward(m->ctx, &rows_op));
  const linear_params transform = transform_op(m);
  TRY(m->be->linear_forward(m->ctx, &transform));
  const norm_params norm = transform_norm_op(m);
  return m->be->norm_forward(m->ctx, &norm);
}

status heads_pool(model *m) {
  const gather_params first = first_tokens_op(m);
  const linear_params pooler = pooler_op(m), nsp = nsp_op(m);
  TRY(m->be->gather_forward(m->ctx, &first));
  TRY(m->be->linear_forward(m->ctx, &pooler));
  return m->be->linear_forward(m->ctx, &nsp);
}

// The backward passes end at the earliest op that trains, or go on into the stream if the encoder does.
static status pooler_backward(model *m) {
  const bool below = encoder_trains(m), pools = below || trains(m, m->pooler_w, m->pooler_b);
  if (!pools && !trains(m, m->nsp_w, m->nsp_b)) return OK;
  linear_params nsp = nsp_op(m), pooler = pooler_op(m);
  const gather_params first = first_tokens_op(m);
  if (!pools) nsp.dx = NULL;
  TRY(m->be->linear_backward(m->ctx, &nsp));
  if (!below) pooler.dx = NULL;
  if (pools) TRY(m->be->linear_backward(m->ctx, &pooler));
  return below ? m->be->gather_backward(m->ctx, &first) : OK;
}

static status transform_backward(model *m) {
  const bool below = encoder_trains(m), transforms = below || trains(m, m->mlm_w, m->mlm_b);
  if (!transforms && !trains(m, m->mlm_norm_w, m->mlm_norm_b)) return OK;
  const norm_params norm = transform_norm_op(m);
  linear_params transform = transform_op(m);
  const gather_params rows_op = masked_rows_op(m);
  TRY(m->be->norm_backward(m->ctx, &norm));
  if (!below) transform.dx = NULL;
  if (transforms) TRY(m->be->linear_backward(m->ctx, &transform));
  return below ? m->be->gather_backward(m->ctx, &rows_op) : OK;
}

status heads_loss(model *m, bool grads) {
  const backend *be = m->be;
  TRY(heads_transform(m));
  const xent_params xent = xent_op(m, grads);
  TRY(be->xent(m->ctx, &xent));
  if (m->c.pooler) {
    const classify_params classify = classify_op(m, grads);
    TRY(heads_pool(m));
    TRY(be->classify(m->ctx, &classify));
  }
  if (!grads) return OK;
  const size_t stream_bytes = (size_t)m->run.caps.tokens * (size_t)m->c.hidden * be->act_size;
  if (encoder_trains(m)) TRY(be->zero(m->ctx, m->d_stream, stream_bytes));
  if (m->c.pooler) TRY(pooler_backward(m));
  return transform_backward(m);
}
