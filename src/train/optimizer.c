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
                        .m = s->m + p->offset,
                        .v = s->v + p->offset,
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
    optim_params span = span_of(s, o, i, last);
    span.first = first_span;
    if (s->items[i].trainable) {
      TRY(op(model_ctx(m), &span));
      first_span = false;
    }
    i = last + 1;
  }
  return OK;
}

status optimizer_step(model *m, const optim_config *o) {
  TRY(each_span(m, o, model_backend(m)->grad_norm));
  return each_span(m, o, model_backend(m)->adamw);
}
