// Optimiser steps over a table of tensors; see optimizer.h.
#include "train/optimizer.h"

#include <stdlib.h>
#include "base/memory.h"
#include "model/optim_table.h"

struct optimizer {
  const backend *be;
  op_ctx *ctx;
  param_set *params;
  bool lamb;
  optim_params p;
  optim_tensor *tensors; // p's
  void *memory;          // table and norms
};

static status describe(optimizer *o, param_set *s, const optim_config *c, int64_t layers) {
  params_decay_rates(s, c->layer_decay, layers);
  TRY(optim_table_describe(&o->tensors, &o->p, s, c->weight_decay, c->trust_all));
  o->p.beta1 = (float)c->beta1;
  o->p.beta2 = (float)c->beta2;
  o->p.eps = (float)c->eps;
  TRY(o->be->supports(OP_OPTIM, &o->p));
  TRY(o->be->mem_alloc(o->ctx, optim_table_bytes(o->be, &o->p), "the optimiser's table", &o->memory));
  optim_table_place(&o->p, o->be, o->memory);
  return o->be->optim_prepare(o->ctx, &o->p);
}

status optimizer_open(optimizer **out, model *m, const optim_config *c) {
  *out = NULL;
  TRY(params_make_moments(model_params(m)));
  optimizer *o;
  TRY(mem_new(&o, 1, sizeof *o, "an optimiser"));
  o->params = model_params(m);
  o->be = model_backend(m);
  o->ctx = model_ctx(m);
  o->lamb = c->kind == OPTIM_LAMB;
  const status rc = describe(o, model_params(m), c, model_get_config(m)->layers);
  if (rc == OK) *out = o;
  if (rc != OK) optimizer_close(o);
  return rc;
}

void optimizer_close(optimizer *o) {
  if (o == NULL) return;
  o->be->mem_free(o->ctx, o->memory);
  free(o->tensors);
  free(o);
}

status optimizer_step(optimizer *o) {
  TRY(o->be->grad_norm(o->ctx, &o->p));
  if (!o->lamb) return o->be->adamw(o->ctx, &o->p);
  TRY(o->be->lamb_update(o->ctx, &o->p));
  return o->be->lamb_apply(o->ctx, &o->p);
}

status optimizer_show_average(optimizer *o, double scale) {
  if (o->params->lag == NULL) return OK;
  o->p.scale = (float)scale;
  TRY(o->be->average_weights(o->ctx, &o->p));
  return params_exchange(o->params);
}

status optimizer_hide_average(optimizer *o) {
  const param_set *s = o->params;
  if (s->lag == NULL) return OK;
  TRY(params_exchange(o->params));
  return o->be->zero(o->ctx, s->grad, (size_t)s->elements * sizeof *s->grad);
}

status optimizer_rescale_average(optimizer *o, double scale) {
  if (o->params->lag == NULL) return OK;
  o->p.scale = (float)scale;
  return o->be->average_rescale(o->ctx, &o->p);
}
