// Parameter descriptors and arenas; see params.h.
#include "model/params.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/philox.h"

// ---- describing ----------------------------------------------------------------------------------------------

void params_next_bucket(param_set *s) {
  s->buckets++;
}

static status append(param_set *s, const char *prefix, const char *name) {
  TRY(mem_grow(&s->items, &s->cap, (size_t)s->count + 1, sizeof *s->items, "parameter descriptors"));
  char *to = s->items[s->count].name;
  if (snprintf(to, PARAM_NAME, "%s%s", prefix, name) >= PARAM_NAME)
    return fail(ERR_INTERNAL, "the parameter's name %s%s is longer than %d characters", prefix, name,
                PARAM_NAME - 1);
  if (param_find(s, to) != NULL) return fail(ERR_INTERNAL, "the parameter %s is described twice", to);
  return OK;
}

int32_t param_add(param_set *s, param_spec spec, const char *prefix, const char *name) {
  if (s->added != OK) return -1;
  s->added = append(s, prefix, name);
  if (s->added != OK) return -1;
  param *p = &s->items[s->count];
  p->ndim = spec.rows > 0 ? 2 : 1;
  p->shape[0] = spec.rows > 0 ? spec.rows : spec.columns;
  p->shape[1] = spec.rows > 0 ? spec.columns : 1;
  p->size = p->shape[0] * p->shape[1];
  p->trainable = true;
  p->decay = spec.decay;
  p->lr_scale = 1.0f;
  p->kind = spec.kind;
  p->init = spec.init;
  p->parts = spec.parts > 0 ? spec.parts : 1;
  p->bucket = s->buckets - 1;
  p->offset = 0;
  return s->count++;
}

int32_t param_add_matrix(param_set *s, const char *prefix, const char *name, int64_t out, int64_t in) {
  return param_add(s, (param_spec){.rows = out, .columns = in, .init = INIT_NORMAL, .decay = true}, prefix,
                   name);
}

int32_t param_add_vector(param_set *s, const char *prefix, const char *name, int64_t n, param_init init) {
  return param_add(s, (param_spec){.columns = n, .init = init}, prefix, name);
}

status params_lay_out(param_set *s) {
  TRY(s->added);
  s->elements = 0;
  for (int32_t i = 0; i < s->count; i++) {
    s->items[i].offset = s->elements;
    s->elements += (s->items[i].size + 63) / 64 * 64;
  }
  return OK;
}

void params_free(param_set *s) {
  free(s->items);
  s->items = NULL;
}

// ---- use -----------------------------------------------------------------------------------------------------

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

// Two standard normal values by Box and Muller's method.
static void normal_pair(const uint32_t words[2], double std, float out[2]) {
  const double u = ((double)words[0] + 1.0) * 0x1p-32, angle = 2.0 * M_PI * (double)words[1] * 0x1p-32;
  const double radius = std * sqrt(-2.0 * log(u));
  out[0] = (float)(radius * cos(angle));
  out[1] = (float)(radius * sin(angle));
}

static void draw_normal(const param *p, uint64_t seed, double std, float *w) {
  const uint64_t name = philox_name(p->name);
#pragma omp parallel for schedule(static)
  for (int64_t j = 0; j < p->size; j += 4) {
    const uint64_t block = (uint64_t)j / 4;
    const philox_out r = philox4x32(seed, STREAM_INIT, (uint32_t)block, (uint32_t)(block >> 32),
                                    (uint32_t)name, (uint32_t)(name >> 32));
    float four[4];
    normal_pair(r.v, std, four);
    normal_pair(r.v + 2, std, four + 2);
    for (int64_t k = 0; k < 4 && j + k < p->size; k++) w[j + k] = four[k];
  }
}

status params_initialise(param_set *s, uint64_t seed, double std) {
  float *host;
  TRY(mem_new(&host, (size_t)s->elements, sizeof *host, "initial parameters")); // zeroed
  for (int32_t i = 0; i < s->count; i++) {
    const param *p = &s->items[i];
    float *w = host + p->offset;
    if (p->init == INIT_NORMAL) draw_normal(p, seed, std, w);
    for (int64_t j = 0; p->init == INIT_ONE && j < p->size; j++) w[j] = 1.0f;
  }
  status rc = s->be->upload(s->ctx, s->master, host, (size_t)s->elements * sizeof *host);
  free(host);
  if (rc == OK) rc = params_refresh(s);
  return rc;
}
