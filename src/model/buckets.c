// Gradients go to the other ranks bucket by bucket, while the backward pass continues with earlier layers.
//
// Only the last micro-batch of a step reports buckets, since those before it add to the same gradients. The backward pass
// calls buckets_done as gradients become final; buckets are reported in order, each once a step.
#include "model/core.h"

static dist *world_of(const model_core *m) {
  return m->run.dist != NULL ? m->run.dist : dist_single();
}

static dist_memory memory_of(const model_core *m) {
  return (dist_memory){.be = m->be, .ctx = m->ctx};
}

// The piece of the gradient arena that holds the parameters of a bucket, which lie side by side. False: none is trained.
static bool find_bucket(const param_set *s, int32_t index, dist_bucket *out) {
  *out = (dist_bucket){.index = index};
  for (int32_t i = 0; i < s->count; i++) {
    const param *p = &s->items[i];
    if (p->bucket != index || !p->trainable) continue;
    if (out->grad == NULL) out->grad = param_grad(s, p);
    out->n = (size_t)(param_grad(s, p) + p->size - out->grad);
    if (p->kind != PARAM_ROW_SPARSE) continue;
    if (out->touched == NULL) out->touched = param_touched(s, p);
    out->rows += (size_t)p->shape[0];
  }
  return out->grad != NULL;
}

void model_last_micro(model *m) {
  model_get_core(m)->reports_buckets = true;
}

status buckets_done(model_core *m, int32_t n) {
  if (!m->reports_buckets) return OK;
  for (; m->buckets_reported < n; m->buckets_reported++) {
    dist_bucket b;
    if (find_bucket(&m->params, m->buckets_reported, &b))
      TRY(dist_bucket_ready(world_of(m), memory_of(m), &b));
  }
  return OK;
}

status model_wait_gradients(model *whole) {
  model_core *const m = model_get_core(whole);
  if (m->buckets_reported != m->params.buckets)
    return fail(ERR_INTERNAL, "a step waits for %d buckets of gradients, and %d were reported",
                m->params.buckets, m->buckets_reported);
  m->reports_buckets = false;
  m->buckets_reported = 0;
  for (int32_t i = 0; i < m->params.buckets; i++) {
    dist_bucket b;
    if (find_bucket(&m->params, i, &b)) TRY(dist_bucket_wait(world_of(m), memory_of(m), i));
  }
  return OK;
}
