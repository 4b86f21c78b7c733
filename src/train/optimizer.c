// Optimiser steps over descriptors; see optimizer.h.
#include "train/optimizer.h"

// May q be updated in one span with p, its predecessor in the arena? The padding between them is zero and stays so.
static bool joins(const param *p, const param *q) {
  return p->kind == PARAM_REPLICATED && q->kind == PARAM_REPLICATED && p->trainable == q->trainable &&
         p->decay == q->decay && !(p->lr_scale < q->lr_scale) && !(p->lr_scale > q->lr_scale);
}

static optim_params span_of(const param_set *s, const optim_config *o, int32_t first, int32_t last) {
  const param *p = &s->items[first], *q = &s->items[last];
  act *compute = param_compute(s, p);
  return (optim_params){.n = q->offset + q->size - p->offset,
                        .p = param_master(s, p),
                        .p_compute =
                            (const void *)compute == (const void *)param_master(s, p) ? NULL : compute,
                        .g = param_grad(s, p),
                        .m = param_m(s, p),
                        .v = param_v(s, p),
                        .touched = param_touched(s, p),
                        .row = (int32_t)p->shape[1],
                        .lr_scale = p->lr_scale,
                        .weight_decay = p->decay ? (float)o->weight_decay : 0.0f,
                        .beta1 = (float)o->beta1,
                        .beta2 = (float)o->beta2,
                        .eps = (float)o->eps};
}

static status each_span(model *m, const optim_config *o, status (*op)(op_ctx *, const optim_params *)) {
  const param_set *s = model_params(m);
  bool first_span = true;
  for (int32_t i = 0; i < s->count;) {
    int32_t last = i;
    while (last + 1 < s->count && joins(&s->items[last], &s->items[last + 1])) last++;
    if (s->items[i].trainable) {
      optim_params span = span_of(s, o, i, last);
      span.first = first_span;
      TRY(op(model_ctx(m), &span));
      first_span = false;
    }
    i = last + 1;
  }
  return OK;
}

// LAMB's trust ratio is a tensor's own: no spans are joined, and stacked tensors are taken apart.
static status lamb_tensors(model *m, const optim_config *o) {
  const param_set *s = model_params(m);
  for (int32_t i = 0; i < s->count; i++) {
    const param *p = &s->items[i];
    if (!p->trainable) continue;
    const optim_params whole = span_of(s, o, i, i);
    const int64_t n = p->size / p->parts;
    for (int64_t at = 0; at < p->size; at += n) {
      optim_params part = whole;
      part.n = n;
      part.p += at;
      part.g += at;
      part.m += at;
      part.v += at;
      if (part.p_compute != NULL) part.p_compute = (char *)part.p_compute + (size_t)at * s->be->act_size;
      part.trust = p->decay || o->trust_all;
      TRY(model_backend(m)->lamb(model_ctx(m), &part));
    }
  }
  return OK;
}

status optimizer_step(model *m, const optim_config *o) {
  TRY(each_span(m, o, model_backend(m)->grad_norm));
  return o->kind == OPTIM_LAMB ? lamb_tensors(m, o) : each_span(m, o, model_backend(m)->adamw);
}
