// BERT's pooler; see pooler.h.
#include "model/objectives/pooler.h"

void pooler_describe(pooler *p, param_set *s, const model_config *c) {
  const int64_t H = c->hidden;
  p->w = param_index(s, "bert.pooler.dense.weight");
  p->b = param_index(s, "bert.pooler.dense.bias");
  if (p->w >= 0) return; // another objective's
  p->w = param_add_matrix(s, "bert.", "pooler.dense.weight", H, H);
  p->b = param_add_vector(s, "bert.", "pooler.dense.bias", H, INIT_ZERO);
}

void pooler_plan(pooler *p, model_core *m) {
  const size_t n = (size_t)m->run.caps.seqs * (size_t)m->c.hidden, a = m->be->act_size;
  plan_kept(m, &p->first, n, a);
  plan_kept(m, &p->pooled, n, a);
  plan_gradient(m, &p->d_pooled, n, a);
  plan_gradient(m, &p->d_first, n, a);
}

static gather_params first_op(const pooler *p, const model_core *m) {
  return (gather_params){.n = rows_seqs(m),
                         .hidden = (int32_t)m->c.hidden,
                         .source = rows_tokens(m),
                         .index = m->batch.cu_seqlens,
                         .distinct = true, // no sequence is empty
                         .x = encoder_output(m),
                         .y = p->first,
                         .dy = p->d_first,
                         .dx = encoder_gradient(m)};
}

static linear_params pooler_op(const pooler *p, const model_core *m) {
  return (linear_params){.n = rows_seqs(m),
                         .in = (int32_t)m->c.hidden,
                         .out = (int32_t)m->c.hidden,
                         .x = p->first,
                         .w = weight(m, p->w),
                         .b = weight(m, p->b),
                         .kind = ACT_TANH,
                         .y = p->pooled,
                         .dy = p->d_pooled,
                         .dx = p->d_first,
                         .dw = grad(m, p->w),
                         .db = grad(m, p->b)};
}

status pooler_check(const pooler *p, const model_core *m, size_t *scratch) {
  const gather_params first = first_op(p, m);
  const linear_params dense = pooler_op(p, m);
  TRY(op_check(m, OP_GATHER, &first, scratch));
  return op_check(m, OP_LINEAR, &dense, scratch);
}

status pooler_forward(const pooler *p, const model_core *m) {
  const gather_params first = first_op(p, m);
  const linear_params dense = pooler_op(p, m);
  TRY(m->be->gather_forward(m->ctx, &first));
  return m->be->linear_forward(m->ctx, &dense);
}

bool pooler_wants_gradient(const pooler *p, const model_core *m) {
  return encoder_trains(m) || trains(m, p->w, p->b);
}

status pooler_backward(const pooler *p, const model_core *m) {
  const bool below = encoder_trains(m);
  linear_params dense = pooler_op(p, m);
  const gather_params first = first_op(p, m);
  if (!below) dense.dx = NULL;
  TRY(m->be->linear_backward(m->ctx, &dense));
  return below ? m->be->gather_backward(m->ctx, &first) : OK;
}

double pooler_flops(const model_config *c) {
  return 2 * (double)c->hidden * (double)c->hidden;
}

double pooler_spared(const pooler *p, const model_core *m) {
  return linear_spared(m, encoder_trains(m), p->w);
}
