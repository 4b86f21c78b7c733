// Parameters are descriptors over arenas. Optimisers, clipping, checkpoints, tuning methods and sharding walk
// the descriptors; none knows a layer by name.
//
// Trained and frozen parameters have separate arenas. The trainable arenas (master, gradients, moments) share one
// layout and hold nothing that does not change; a frozen parameter has its value and, where activations are narrower
// than float, its compute copy, and nothing else. Where a parameter lies is asked for (param_master and its like),
// never computed by hand.
#ifndef SOUK_MODEL_PARAMS_H
#define SOUK_MODEL_PARAMS_H

#include <stdbool.h>
#include <stdint.h>
#include "ops/ops.h"

typedef enum param_kind { PARAM_REPLICATED, PARAM_ROW_SPARSE, PARAM_VOCAB_SHARDED } param_kind;
// INIT_IDENTITY: a matrix with ones where row and column are the same, zeros elsewhere.
typedef enum param_init { INIT_NORMAL, INIT_ZERO, INIT_ONE, INIT_IDENTITY } param_init;

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
  float start; // of INIT_ZERO: begins at this constant instead
  float std;   // of INIT_NORMAL: standard deviation; 0: the model's
  bool tuned;  // it belongs to what tunes a base (peft_config.h), which has no value of it
  int32_t
      parts; // tensors of equal size that are joined here and separate in other programs (q, k, v: 3), else 1
  int32_t bucket; // gradients of a bucket are finished together
  int32_t depth;  // 0: embeddings; i + 1: layer i of the encoder; layers + 1: what comes after the last
  const char *objective; // the name of the one that it belongs to; NULL: the encoder
  int64_t offset;        // in each of the trainable arenas, or in the frozen one; elements, a multiple of 64
} param;

// Descriptors and the arenas they point into, in the order in which the backward pass finishes the gradients.
typedef struct param_set {
  const backend *be;
  op_ctx *ctx;
  int32_t count, buckets;
  param *items; // [count]; moves while parameters are added, so keep indices until then
  size_t cap;
  int32_t depth;           // of the parameters added from now on
  const char *objective;   // likewise
  status added;            // the first error of param_add, returned by params_lay_out
  int64_t elements;        // of each trainable arena
  int64_t frozen_elements; // of the frozen one
  void *memory;            // everything below but the moments
  float *master, *grad;    // backend memory [elements]; grad NULL in evaluation
  float *m, *v;            // optimiser moments [elements]; NULL until params_make_moments
  bool importance;  // keep what AdaLoRA knows of elements (train/rank_budget.h): set before memory is planned
  float *ipt, *unc; // importance and its uncertainty [elements]; NULL: none, or until params_make_moments
  float *last_grad; // the gradients of the step [elements]; likewise
  bool averages;    // keep an average of the weights: set before memory is planned
  float *lag;       // where it is (ops/ops.h) [elements]; NULL: none, or until params_make_moments
  float *frozen;    // [frozen_elements]; NULL: none
  act *compute;     // compute copies [elements]; the master itself where act is float
  act *frozen_compute; // [frozen_elements]; likewise
  uint64_t refreshes;  // how often params_refresh was called: the host has changed parameters
  uint8_t *touched;    // row flags of the row-sparse parameters, one after the other; NULL: none
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
// already) is reported by params_lay_out, so that lists of parameters need no error handling; the index is then -1.
int32_t param_add(param_set *s, param_spec spec, const char *prefix, const char *name);
// The usual two: a matrix [out,in] with weight decay, drawn from the normal distribution, and a vector [n] without decay.
int32_t param_add_matrix(param_set *s, const char *prefix, const char *name, int64_t out, int64_t in);
int32_t param_add_vector(param_set *s, const char *prefix, const char *name, int64_t n, param_init init);
void param_freeze(param *p); // before params_lay_out
// Before params_lay_out: freezes what a list of shell patterns matches ("bert.embeddings.*, *.LayerNorm.*"; fnmatch(3),
// dots are like other characters). NULL or "": nothing. A pattern that matches no parameter's name, and a list that leaves
// nothing to train, are refused.
status params_freeze(param_set *s, const char *patterns);
// Does such a list match this parameter's name? For what another run froze.
status params_freezes(bool *frozen, const char *patterns, const char *name);
// Layer-wise learning rates: lr_scale of a parameter becomes decay^(layers + 1 - depth), so that of layer i (from 0) is
// decay^(layers - i), that of the embeddings, word table included, decay^(layers + 1), and that of heads 1. 1, or 0 (unset): no change.
// (Clark et al.: ELECTRA, 2020, appendix B; the exponents are those of BEiT, Bao et al., 2022.)
void params_decay_rates(param_set *s, double decay, int64_t layers);
// After the last one: gives every parameter its place in the arenas.
status params_lay_out(param_set *s);

// ---- memory ----

typedef struct param_bytes { // backend memory, by what it is for
  size_t weights, frozen;    // masters of the trainable and of the frozen parameters
  size_t gradients, copies;  // copies: of both, where activations are not float
  size_t row_flags, moments, averages;
  size_t importance; // both averages of AdaLoRA, and a copy of the gradients
} param_bytes;
// Known after params_lay_out; without training there are no gradients, row flags, moments and averages.
param_bytes params_bytes(const param_set *s, bool training);
status params_allocate(param_set *s, bool training); // all but the moments, zeroed; needs s->ctx
status params_make_moments(param_set *s);            // zeroed m and v, and lag if the set averages
void params_free(param_set *s);                      // descriptors and memory; before the context closes

// ---- use ----

const param *param_find(const param_set *s, const char *name); // NULL: not there
int32_t param_index(const param_set *s, const char *name);     // in the list; -1: not there
// Backend memory of one parameter, [size] each. All are NULL while no memory is allocated.
float *param_master(const param_set *s, const param *p);
act *param_compute(const param_set *s, const param *p); // the master itself where act is float
float *param_grad(const param_set *s, const param *p);  // NULL: frozen, or a set for evaluation
float *param_m(const param_set *s, const param *p);     // moments; NULL: frozen, or none were made
float *param_v(const param_set *s, const param *p);
float *param_lag(const param_set *s, const param *p); // NULL: frozen, or no averages
float *param_ipt(const param_set *s, const param *p); // NULL: frozen, or the set has none
float *param_unc(const param_set *s, const param *p);
uint8_t *param_touched(const param_set *s, const param *p); // [rows] flags; NULL: dense or frozen
// The values of a set in host memory, arena by arena: what a checkpoint is written from.
typedef struct param_values {
  const float *master, *m, *v; // [elements] of the set; m and v NULL: no moments
  const float *frozen;         // [frozen_elements]
  const float *lag;            // [elements]; NULL: no averages
  const float *ipt, *unc;      // [elements]; NULL: none
} param_values;
// The arenas themselves. For backends whose memory the host may read.
param_values params_values(const param_set *s);
// The same, or a copy of a device's, which the caller frees: *copy (NULL: there was no need of one).
status params_to_host(const param_set *s, bool moments, param_values *out, float **copy);
const float *value_master(const param_values *v, const param *p);
const float *value_m(const param_values *v, const param *p); // NULL: frozen, or no moments
const float *value_v(const param_values *v, const param *p);
const float *value_lag(const param_values *v, const param *p); // NULL: frozen, or no averages
const float *value_ipt(const param_values *v, const param *p); // NULL: frozen, or none
const float *value_unc(const param_values *v, const param *p);
// Initial values: normal(0, std) by Philox, keyed by the parameter's name (base/philox.h), zeros or ones. What a parameter
// gets depends on nothing but its name, its elements and the seed, so another head or a longer table changes no other weight.
status params_initialise(param_set *s, uint64_t seed, double std);
// After master changed by the host (a checkpoint was read): refreshes the compute copies.
status params_refresh(param_set *s);
// Exchanges weights and gradients, which lie in arenas of the same layout, and refreshes the compute copies: between steps
// averaged weights are made in the place of the gradients, evaluated as the weights, and exchanged back. Pointers that were
// taken before are those of the arenas, not of what they hold.
status params_exchange(param_set *s);

#endif
