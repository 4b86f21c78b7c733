// Parameters are descriptors over an arena. Optimisers, clipping, checkpoints, tuning methods and sharding walk
// the descriptors; none knows a layer by name.
#ifndef SOUK_MODEL_PARAMS_H
#define SOUK_MODEL_PARAMS_H

#include <stdbool.h>
#include <stdint.h>
#include "ops/ops.h"

typedef enum param_kind { PARAM_REPLICATED, PARAM_ROW_SPARSE, PARAM_VOCAB_SHARDED } param_kind;
typedef enum param_init { INIT_NORMAL, INIT_ZERO, INIT_ONE } param_init;

enum { PARAM_NAME = 96, MAX_PARAMS = 4096 };

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
  param *items;         // [count]
  int64_t elements;     // of each arena
  float *master, *grad; // backend memory [elements]
  float *m, *v;         // optimiser moments; NULL until params_make_moments
  act *compute;         // compute copies; the master itself where act is float
  uint8_t *touched;     // row flags of the row-sparse parameters, one after the other; NULL: none
} param_set;

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
