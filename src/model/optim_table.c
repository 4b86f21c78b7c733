// The optimiser's table of a parameter set; see optim_table.h.
#include "model/optim_table.h"

#include "base/memory.h"

static int32_t parts_of_all(const param_set *s) {
  int32_t n = 0;
  for (int32_t i = 0; i < s->count; i++)
    if (s->items[i].trainable) n += s->items[i].parts;
  return n;
}

// The part-th of the tensors that are stacked in p. (The set has its moments, or it has no memory at all.)
static optim_tensor part_of(const param_set *s, const param *p, int32_t part) {
  const int64_t n = p->size / p->parts, at = part * n;
  const int32_t row = p->kind == PARAM_ROW_SPARSE ? (int32_t)p->shape[1] : 0;
  optim_tensor t = {.n = n, .row = row, .lr_scale = p->lr_scale};
  if (param_grad(s, p) == NULL) return t;
  const act *compute = param_compute(s, p);
  t.p = param_master(s, p) + at;
  if ((const void *)compute != (const void *)param_master(s, p))
    t.p_compute = (char *)param_compute(s, p) + (size_t)at * s->be->act_size;
  t.g = param_grad(s, p) + at;
  t.m = param_m(s, p) + at;
  t.v = param_v(s, p) + at;
  if (s->lag != NULL) t.lag = param_lag(s, p) + at;
  if (row > 0) t.touched = param_touched(s, p) + at / row;
  return t;
}

status optim_table_describe(optim_tensor **tensors, optim_params *out, const param_set *s,
                            double weight_decay, bool trust_all) {
  const int32_t n = parts_of_all(s);
  TRY(mem_new(tensors, (size_t)n, sizeof **tensors, "the optimiser's table"));
  int32_t at = 0;
  for (int32_t i = 0; i < s->count; i++) {
    const param *p = &s->items[i];
    for (int32_t part = 0; p->trainable && part < p->parts; part++, at++) {
      optim_tensor *t = &(*tensors)[at];
      *t = part_of(s, p, part);
      t->whole = at;
      t->weight_decay = p->decay ? (float)weight_decay : 0.0f;
      t->trust = p->decay || trust_all;
    }
  }
  *out = (optim_params){.tensors = *tensors, .n = n, .wholes = n};
  return OK;
}

static size_t norms_at(const backend *be, const optim_params *p) {
  return (be->optim_bytes(p) + 255) / 256 * 256;
}

size_t optim_table_bytes(const backend *be, const optim_params *p) {
  return norms_at(be, p) + 2 * (size_t)p->wholes * sizeof *p->norms;
}

void optim_table_place(optim_params *p, const backend *be, void *memory) {
  p->table = memory;
  p->norms = (double *)(void *)((char *)memory + norms_at(be, p));
}
