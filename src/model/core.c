// The plan of a model's memory, and what its parts ask the backend; see core.h.
#include "model/core.h"

static void add_buffer(model_core *m, plan_kind kind, void *where, size_t count, size_t size) {
  memory_plan *p = &m->plan;
  p->buffer[p->n].where = where;
  p->buffer[p->n].kind = kind;
  p->buffer[p->n++].bytes = (count * size + 255) / 256 * 256;
}

void plan_batch(model_core *m, void *where, size_t bytes) {
  add_buffer(m, PLAN_BATCH, where, bytes, 1);
}

void plan_kept(model_core *m, void *where, size_t count, size_t size) {
  add_buffer(m, PLAN_KEPT, where, count, size);
}

void plan_gradient(model_core *m, void *where, size_t count, size_t size) {
  if (m->run.training) add_buffer(m, PLAN_GRADIENT, where, count, size);
}

void plan_norm(model_core *m, norm_saved *s, size_t n) {
  plan_kept(m, &s->sum, n * (size_t)m->c.hidden, m->be->act_size);
  plan_kept(m, &s->mean, n, sizeof(float));
  plan_kept(m, &s->rstd, n, sizeof(float));
}

status op_check(const model_core *m, op_kind kind, const void *params, size_t *scratch) {
  TRY(m->be->supports(kind, params));
  const size_t need = m->be->scratch_bytes(kind, params, m->run.threads);
  if (need > *scratch) *scratch = need;
  return OK;
}

// Only float activations exist on the CPU; a backend with others converts on download through its own path.
status read_rows(const model_core *m, const act *from, size_t count, float *to) {
  if (m->be->act_size != sizeof(float))
    return fail(ERR_UNSUPPORTED, "reading %zu-byte activations", m->be->act_size);
  return m->be->download(m->ctx, to, from, count * sizeof(float));
}
