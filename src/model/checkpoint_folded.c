// Folding a checkpoint as it is read; see checkpoint_folded.h.
#include "model/checkpoint_folded.h"

#include "model/tuning_fold.h"

bool checkpoint_is_folded(const checkpoint *c) {
  return c->model.peft.kind == PEFT_LORA || c->model.peft.kind == PEFT_ADALORA;
}

// Does `whole` take this parameter from c, one that it builds on, or from one that c builds on?
static bool reaches(const checkpoint *whole, const checkpoint *c, const char *name) {
  while (whole != c && checkpoint_takes_from_base(whole, name)) whole = whole->base;
  return whole == c;
}

static status copy_value(const checkpoint *c, model *from, model *m, const param *p) {
  const param_set *to = model_params(m), *s = model_params(from);
  const param *old = param_find(s, p->name);
  if (old == NULL) return OK;
  if (old->ndim != p->ndim || old->shape[0] != p->shape[0] || old->shape[1] != p->shape[1])
    return fail(ERR_ARGUMENT, "%s: \"%s\" is %lld x %lld, the model needs %lld x %lld", c->dir, p->name,
                (long long)old->shape[0], (long long)old->shape[1], (long long)p->shape[0],
                (long long)p->shape[1]);
  TRY(to->be->upload(to->ctx, param_master(to, p), param_master(s, old), (size_t)p->size * sizeof(float)));
  return to->be->sync(to->ctx);
}

status checkpoint_read_folded(const checkpoint *c, model *m, const checkpoint *whole) {
  const model_run run = {.caps = {.tokens = 8, .seqs = 1, .masked = 1}, .threads = 1};
  const param_set *s = model_params(m);
  model *from;
  TRY(model_create(&from, "cpu", &c->model, &run));
  status rc = checkpoint_load(c, from, false);
  if (rc == OK) rc = tuning_fold(from);
  for (int32_t i = 0; rc == OK && i < s->count; i++) {
    const param *p = &s->items[i];
    if (p->tuned || checkpoint_lacks(c, p) || (whole != NULL && !reaches(whole, c, p->name))) continue;
    rc = copy_value(c, from, m, p);
  }
  model_free(from);
  return rc;
}
