// Parameters are descriptors over an arena. Optimisers, clipping, checkpoints, tuning methods and sharding walk
// the descriptors; none knows a layer by name.
#ifndef SOUK_MODEL_PARAMS_H
#define SOUK_MODEL_PARAMS_H

#include <stdbool.h>
#include <stdint.h>
#include "ops/ops.h"

typedef enum param_kind { PARAM_REPLICATED, PARAM_ROW_SPARSE, PARAM_VOCAB_SHARDED } param_kind;
typedef enum param_init { INIT_NORMAL, INIT_ZERO, INIT_ONE } param_init;

enum { PARAM_NAME = 96 };

typedef struct param {
  char
      name[PARAM_NAME]; // Hugging Face name, but that q, k and v are one: ...attention.self.qkv.weight [3H,H]
  int32_t ndim;
  int64_t shape[2];
  int64_t size; // elements
  bool trainable;
  bool decay; // weight decay applies (not on biases and layernorms)
  float lr_scale;
  param_kind kind;
  param_init init;
  int32_t parts;  // tensors of equal size laid end to end that count as apart elsewhere (q, k, v: 3), else 1
  int32_t bucket; // gradients of a bucket are finished together
  int64_t offset; // in each arena, elements; a multiple of 64
} param;

// Descriptors and the arenas they point into, in the order in which the backward pass finishes the gradients.
typedef struct param_set {
  const backend *be;
  op_ctx *ctx;
  int32_t count, buckets;
  param *items; // [count]; moves while parameters are added, so keep indices until then
  size_t cap;
  status added;         // the first error of param_add, told by params_lay_out
  int64_t elements;     // of each arena
  float *master, *grad; // backend memory [elements]
  float *m, *v;         // optimiser moments; NULL until params_make_moments
  act *compute;         // compute copies; the master itself where act is float
  uint8_t *touched;     // row flags of the row-sparse parameters, one after the other; NULL: none
} param_set;

// ---- describing: begin a bucket, add what it holds, and so on; params_lay_out ends it ----

typedef struct param_spec {
  int64_t rows, columns; // rows 0: a vector of `columns` elements
  param_init init;
  bool decay;
  param_kind kind;
  int32_t parts; // 0 counts as 1
} param_spec;
// Parameters added from now on belong to the next bucket.
void params_next_bucket(param_set *s);
// Adds a parameter `prefix`name and returns its index. What cannot be added (no memory, a name that is too long or there
// already) is told by params_lay_out, so that a list of parameters reads like one; the index is then -1.
int32_t param_add(param_set *s, param_spec spec, const char *prefix, const char *name);
// The usual two: a matrix [out,in] with weight decay, drawn from the normal distribution, and a vector [n] without decay.
int32_t param_add_matrix(param_set *s, const char *prefix, const char *name, int64_t out, int64_t in);
int32_t param_add_vector(param_set *s, const char *prefix, const char *name, int64_t n, param_init init);
// After the last one: gives every parameter its place in the arenas.
status params_lay_out(param_set *s);
void params_free(param_set *s); // the descriptors

// ---- use ----

const param *param_find(const param_set *s, const char *name); // NULL: not there
static inline float *param_master(const param_set *s, const param *p) {
  return s->master + p->offset;
}
static inline float *param_grad(const param_set *s, const param *p) {
  return s->grad + p->offset;
}
act *param_compute(const param_set *s, const param *p);
uint8_t *param_touched(const param_set *s, const param *p); // NULL for dense parameters
status params_make_moments(param_set *s);                   // zeroed m and v
// Initial values: normal(0, std) by Philox, keyed by the parameter's name (base/philox.h), zeros or ones. What a parameter
// gets depends on nothing but its name, its elements and the seed, so another head or a longer table changes no other weight.
status params_initialise(param_set *s, uint64_t seed, double std);
// After master changed by the host (a checkpoint was read): refreshes the compute copies.
status params_refresh(param_set *s);

#endif
