// Parameter descriptors and arenas; see params.h.
#include "model/params.h"

#include <string.h>

const param *param_find(const param_set *s, const char *name) {
  for (int32_t i = 0; i < s->count; i++)
    if (strcmp(s->items[i].name, name) == 0) return &s->items[i];
  return NULL;
}

act *param_compute(const param_set *s, const param *p) {
  return (char *)s->compute + (size_t)p->offset * s->be->act_size;
}

uint8_t *param_touched(const param_set *s, const param *p) {
  if (p->kind != PARAM_ROW_SPARSE) return NULL;
  uint8_t *flags = s->touched;
  for (const param *q = s->items; q != p; q++)
    if (q->kind == PARAM_ROW_SPARSE) flags += q->shape[0];
  return flags;
}

status params_make_moments(param_set *s) {
  if (s->m != NULL) return OK;
  const size_t bytes = (size_t)s->elements * sizeof(float);
  void *p;
  TRY(s->be->mem_alloc(s->ctx, 2 * bytes, "optimiser moments", &p));
  s->m = p;
  s->v = s->m + s->elements;
  return OK;
}

status params_refresh(param_set *s) {
  if ((const void *)s->compute == (const void *)s->master) return OK;
  return s->be->cast(s->ctx, s->compute, s->master, (size_t)s->elements);
}
