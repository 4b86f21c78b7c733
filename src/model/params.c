// Parameter descriptors and arenas; see params.h.
#include "model/params.h"

#include <fnmatch.h>
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
  p->start = p->std = 0;
  p->tuned = false;
  p->parts = spec.parts > 0 ? spec.parts : 1;
  p->bucket = s->buckets - 1;
  p->depth = s->depth;
  p->objective = s->objective;
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

static status no_match(const param_set *s, const char *pattern) {
  return fail(
      ERR_ARGUMENT,
      "train.freeze: no parameter's name matches \"%s\"; there are %s, %s and %d others (souk inspect of a "
      "checkpoint lists them)",
      pattern, s->items[0].name, s->items[s->count - 1].name, s->count - 2);
}

void param_freeze(param *p) {
  p->trainable = false;
  p->kind = PARAM_REPLICATED; // without gradients there are no row flags
}

static status freeze_matches(param_set *s, const char *pattern) {
  bool any = false;
  for (int32_t i = 0; i < s->count; i++) {
    param *p = &s->items[i];
    if (fnmatch(pattern, p->name, 0) != 0) continue;
    any = true;
    param_freeze(p);
  }
  return any ? OK : no_match(s, pattern);
}

// Cuts the next pattern, without spaces around it, out of a list. False at the list's end.
static bool next_pattern(char **list, char **pattern) {
  if (*list == NULL) return false;
  char *at = *list, *comma = strchr(at, ',');
  *list = comma != NULL ? comma + 1 : NULL;
  if (comma != NULL) *comma = '\0';
  at += strspn(at, " ");
  for (size_t n = strlen(at); n > 0 && at[n - 1] == ' ';) at[--n] = '\0';
  *pattern = at;
  return true;
}

status params_freeze(param_set *s, const char *patterns) {
  TRY(s->added);
  if (patterns == NULL || patterns[0] == '\0') return OK;
  char *copy, *pattern;
  TRY(mem_strdup(&copy, patterns));
  char *list = copy;
  status rc = OK;
  while (rc == OK && next_pattern(&list, &pattern)) rc = freeze_matches(s, pattern);
  free(copy);
  TRY(rc);
  for (int32_t i = 0; i < s->count; i++)
    if (s->items[i].trainable) return OK;
  return fail(ERR_ARGUMENT, "train.freeze: \"%s\" leaves no parameter to train", patterns);
}

status params_freezes(bool *frozen, const char *patterns, const char *name) {
  char *copy, *pattern;
  TRY(mem_strdup(&copy, patterns));
  *frozen = false;
  for (char *list = copy; !*frozen && next_pattern(&list, &pattern);)
    *frozen = fnmatch(pattern, name, 0) == 0;
  free(copy);
  return OK;
}

void params_decay_rates(param_set *s, double decay, int64_t layers) {
  for (int32_t i = 0; decay > 0 && decay < 1 && i < s->count; i++)
    s->items[i].lr_scale = (float)pow(decay, (double)(layers + 1 - s->items[i].depth));
}

status params_lay_out(param_set *s) {
  TRY(s->added);
  s->elements = s->frozen_elements = 0;
  for (int32_t i = 0; i < s->count; i++) {
    param *p = &s->items[i];
    int64_t *const end = p->trainable ? &s->elements : &s->frozen_elements;
    p->offset = *end;
    *end += (p->size + 63) / 64 * 64;
  }
  return OK;
}

// ---- memory --------------------------------------------------------------------------------------------------

static size_t float_bytes(int64_t elements) {
  return (size_t)elements * sizeof(float);
}

// Bytes of compute copies: 0 if the backend uses the masters.
static size_t copy_bytes(const param_set *s, int64_t elements) {
  const size_t a = s->be->act_size;
  return a == sizeof(float) ? 0 : ((size_t)elements * a + 255) / 256 * 256;
}

param_bytes params_bytes(const param_set *s, bool training) {
  param_bytes b = {.weights = float_bytes(s->elements),
                   .frozen = float_bytes(s->frozen_elements),
                   .copies = copy_bytes(s, s->elements) + copy_bytes(s, s->frozen_elements)};
  if (!training) return b;
  b.gradients = b.weights;
  b.moments = 2 * b.weights;
  b.averages = s->averages ? b.weights : 0;
  b.importance = s->importance ? 3 * b.weights : 0;
  for (int32_t i = 0; i < s->count; i++)
    if (s->items[i].kind == PARAM_ROW_SPARSE) b.row_flags += (size_t)s->items[i].shape[0];
  return b;
}

// Takes `bytes` from the arena at *at; NULL for none.
static void *cut(char **at, size_t bytes) {
  void *const p = bytes > 0 ? *at : NULL;
  *at += bytes;
  return p;
}

status params_allocate(param_set *s, bool training) {
  const param_bytes b = params_bytes(s, training);
  const size_t bytes = b.weights + b.frozen + b.gradients + b.copies + b.row_flags;
  TRY(s->be->mem_alloc(s->ctx, bytes, "parameters and gradients", &s->memory));
  char *at = s->memory;
  s->master = cut(&at, b.weights);
  s->frozen = cut(&at, b.frozen);
  s->grad = cut(&at, b.gradients);
  s->compute = s->master;
  s->frozen_compute = s->frozen;
  if (b.copies > 0) {
    s->compute = cut(&at, copy_bytes(s, s->elements));
    s->frozen_compute = cut(&at, copy_bytes(s, s->frozen_elements));
  }
  s->touched = cut(&at, b.row_flags);
  return OK;
}

status params_make_moments(param_set *s) {
  if (s->m != NULL) return OK;
  const param_bytes b = params_bytes(s, true);
  void *p;
  TRY(s->be->mem_alloc(s->ctx, b.moments + b.averages + b.importance, "optimiser moments", &p));
  s->m = p;
  s->v = s->m + s->elements;
  s->lag = s->averages ? s->v + s->elements : NULL;
  if (!s->importance) return OK;
  s->ipt = s->v + (s->averages ? 2 : 1) * s->elements;
  s->unc = s->ipt + s->elements;
  s->last_grad = s->unc + s->elements;
  return OK;
}

void params_free(param_set *s) {
  if (s->ctx != NULL) {
    s->be->mem_free(s->ctx, s->m);
    s->be->mem_free(s->ctx, s->memory);
  }
  free(s->items);
  *s = (param_set){.be = s->be};
}

// ---- use -----------------------------------------------------------------------------------------------------

int32_t param_index(const param_set *s, const char *name) {
  const param *p = param_find(s, name);
  return p != NULL ? (int32_t)(p - s->items) : -1;
}

const param *param_find(const param_set *s, const char *name) {
  for (int32_t i = 0; i < s->count; i++)
    if (strcmp(s->items[i].name, name) == 0) return &s->items[i];
  return NULL;
}

static float *at_offset(float *arena, const param *p) {
  return arena != NULL ? arena + p->offset : NULL;
}

float *param_master(const param_set *s, const param *p) {
  return at_offset(p->trainable ? s->master : s->frozen, p);
}

act *param_compute(const param_set *s, const param *p) {
  char *const arena = p->trainable ? s->compute : s->frozen_compute;
  return arena != NULL ? arena + (size_t)p->offset * s->be->act_size : NULL;
}

float *param_grad(const param_set *s, const param *p) {
  return p->trainable ? at_offset(s->grad, p) : NULL;
}

float *param_m(const param_set *s, const param *p) {
  return p->trainable ? at_offset(s->m, p) : NULL;
}

float *param_v(const param_set *s, const param *p) {
  return p->trainable ? at_offset(s->v, p) : NULL;
}

float *param_lag(const param_set *s, const param *p) {
  return p->trainable ? at_offset(s->lag, p) : NULL;
}

float *param_ipt(const param_set *s, const param *p) {
  return p->trainable ? at_offset(s->ipt, p) : NULL;
}

float *param_unc(const param_set *s, const param *p) {
  return p->trainable ? at_offset(s->unc, p) : NULL;
}

uint8_t *param_touched(const param_set *s, const param *p) {
  if (p->kind != PARAM_ROW_SPARSE || s->touched == NULL) return NULL;
  uint8_t *flags = s->touched;
  for (const param *q = s->items; q != p; q++)
    if (q->kind == PARAM_ROW_SPARSE) flags += q->shape[0];
  return flags;
}

param_values params_values(const param_set *s) {
  return (param_values){.master = s->master,
                        .m = s->m,
                        .v = s->v,
                        .frozen = s->frozen,
                        .lag = s->lag,
                        .ipt = s->ipt,
                        .unc = s->unc};
}

status params_to_host(const param_set *s, bool moments, param_values *out, float **copy) {
  *copy = NULL;
  *out = params_values(s);
  if (!moments) out->m = out->v = out->lag = out->ipt = out->unc = NULL;
  if (s->be->host_memory) return OK;
  enum { ARENAS = 7 };
  const float *const from[ARENAS] = {out->master, out->m, out->v, out->lag, out->ipt, out->unc, out->frozen};
  const float **const to[ARENAS] = {&out->master, &out->m,   &out->v,     &out->lag,
                                    &out->ipt,    &out->unc, &out->frozen};
  const int64_t sizes[ARENAS] = {s->elements, s->elements, s->elements,       s->elements,
                                 s->elements, s->elements, s->frozen_elements};
  int64_t n = 0;
  for (int i = 0; i < ARENAS; i++)
    if (from[i] != NULL) n += sizes[i];
  TRY(mem_new(copy, (size_t)n, sizeof **copy, "a copy of the model"));
  float *at = *copy;
  status rc = OK;
  for (int i = 0; rc == OK && i < ARENAS; i++) {
    if (from[i] == NULL) continue;
    rc = s->be->download(s->ctx, at, from[i], float_bytes(sizes[i]));
    *to[i] = at;
    at += sizes[i];
  }
  if (rc != OK) {
    free(*copy);
    *copy = NULL;
  }
  return rc;
}

static const float *value_at(const float *arena, const param *p) {
  return arena != NULL ? arena + p->offset : NULL;
}

const float *value_master(const param_values *v, const param *p) {
  return value_at(p->trainable ? v->master : v->frozen, p);
}

const float *value_m(const param_values *v, const param *p) {
  return p->trainable ? value_at(v->m, p) : NULL;
}

const float *value_v(const param_values *v, const param *p) {
  return p->trainable ? value_at(v->v, p) : NULL;
}

const float *value_lag(const param_values *v, const param *p) {
  return p->trainable ? value_at(v->lag, p) : NULL;
}

const float *value_ipt(const param_values *v, const param *p) {
  return p->trainable ? value_at(v->ipt, p) : NULL;
}

const float *value_unc(const param_values *v, const param *p) {
  return p->trainable ? value_at(v->unc, p) : NULL;
}

status params_exchange(param_set *s) {
  const bool direct = s->compute == (act *)s->master;
  float *const grad = s->grad;
  s->grad = s->master;
  s->master = grad;
  if (direct) s->compute = s->master;
  return params_refresh(s);
}

status params_refresh(param_set *s) {
  s->refreshes++;
  if (s->compute == (act *)s->master && s->frozen_compute == (act *)s->frozen) return OK;
  TRY(s->be->cast(s->ctx, s->compute, s->master, (size_t)s->elements));
  return s->frozen_elements > 0
             ? s->be->cast(s->ctx, s->frozen_compute, s->frozen, (size_t)s->frozen_elements)
             : OK;
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

static void draw(const param *p, uint64_t seed, double std, float *w) {
  if (p->init == INIT_NORMAL) draw_normal(p, seed, p->std > 0 ? (double)p->std : std, w);
  for (int64_t j = 0; p->init != INIT_NORMAL && j < p->size; j++)
    w[j] = p->init == INIT_ONE ? 1.0f : p->start;
  for (int64_t j = 0; p->init == INIT_IDENTITY && j < p->shape[0] && j < p->shape[1]; j++)
    w[j * p->shape[1] + j] = 1.0f;
}

static int64_t largest_size(const param_set *s) {
  int64_t largest = 0;
  for (int32_t i = 0; i < s->count; i++)
    if (s->items[i].size > largest) largest = s->items[i].size;
  return largest;
}

// By way of host memory, a tensor at a time.
static status initialise_device(param_set *s, uint64_t seed, double std) {
  float *host;
  TRY(mem_new(&host, (size_t)largest_size(s), sizeof *host, "initial parameters"));
  status rc = OK;
  for (int32_t i = 0; rc == OK && i < s->count; i++) {
    const param *p = &s->items[i];
    draw(p, seed, std, host);
    rc = s->be->upload(s->ctx, param_master(s, p), host, float_bytes(p->size));
  }
  free(host);
  return rc;
}

status params_initialise(param_set *s, uint64_t seed, double std) {
  if (!s->be->host_memory) TRY(initialise_device(s, seed, std));
  for (int32_t i = 0; s->be->host_memory && i < s->count; i++)
    draw(&s->items[i], seed, std, param_master(s, &s->items[i]));
  return params_refresh(s);
}
