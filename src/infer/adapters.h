// Adapters of a bundle: one base serves many of them, one for each market or promotion type, chosen a request.
//
// A folder adapters/NAME of the bundle, listed in its souk.json file by file: adapter_config.json and adapter_model.safetensors
// (docs/bundle.md). Of three forms:
//   low rank     in the layout of Hugging Face's peft (LORA and ADALORA): a linear layer y = W x + b of the encoder becomes
//                y + s B (e o A x); the word table too, with what is scored by it (adapted_table.h)
//   bottlenecks  behind the attention's projection and behind the feed-forward part x becomes x + U act(D x + d) + u (Houlsby et
//                al., 2019), before the residual is added; act is the encoder's. A bundle may have these in its own encoder too,
//                where the model that was exported was tuned by them
//   biases       every bias of the model is its own, those of items and of the head too (bias_shifts.h)
// Else the head is the base's, and so are the vectors of items unless the table is adapted. Of labels, an adapter has temperatures of
// its own in a third file, labels.json: how sure its logits are to be taken was measured with it. Sequences of one chunk may have different adapters: the
// base's matmuls take all rows together, and what an adapter adds is made for the rows of its sequences, neighbours with the
// same one at once. Each row is computed in the same way in any company, so an answer has the same bits alone and in a batch.
#ifndef SOUK_INFER_ADAPTERS_H
#define SOUK_INFER_ADAPTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "infer/adapted_table.h"
#include "infer/bias_shifts.h"
#include "infer/errors.h"
#include "infer/mapping.h"

struct souk_bundle;

// The linear layers of an encoder layer, as the encoder calls them.
typedef enum adapted_place {
  ADAPTED_QUERY,
  ADAPTED_KEY,
  ADAPTED_VALUE,
  ADAPTED_PROJECTION,
  ADAPTED_FFN1,
  ADAPTED_FFN2,
  ADAPTED_PLACES
} adapted_place;

// s, e and the attention's 1/sqrt(D) are part of `up`. Matrices are packed by gemm_pack.
typedef struct adapted_layer {
  float *down, *up; // [r,in], [out,r]; NULL: this layer is as it is in the base
  int32_t rank;
} adapted_layer;

// The branches that a bottleneck can stand behind.
typedef enum neck_place { NECK_ATTENTION, NECK_FFN, NECK_PLACES } neck_place;

// Matrices are packed by gemm_pack.
typedef struct bottleneck_weights {
  float *down, *down_b, *up, *up_b; // [width,H], [width], [H,width], [H]
  int32_t width;                    // 0: there is none
} bottleneck_weights;

typedef struct bundle_tuning { // an adapter
  char *name;
  mapping config, model, labels; // until it is read
  adapted_layer *layers;         // [L][ADAPTED_PLACES]; NULL: it is not of low rank
  bottleneck_weights *necks;     // [L][NECK_PLACES]; NULL: it is not of bottlenecks
  adapted_table *table;          // NULL: that of the base
  bias_shifts *shifts;           // NULL: its biases are the base's
  double *temperatures;          // of the bundle's labels, as many as it has itself; NULL: those of the base
  float *arena;
  size_t floats; // of the arena
} bundle_tuning;

typedef struct bundle_adapters {
  bundle_tuning *list; // [n], in the order of souk.json
  size_t cap;
  int32_t n, most_inner; // the largest rank or width, that of the bundle's own bottlenecks included
  int32_t most_rank;     // the largest rank of a table; 0: none is adapted
} bundle_adapters;

// Is this listed file one of an adapter's ("adapters/NAME/FILE")?
bool adapters_is_file(const char *listed);
// Its mapping, closed with the bundle: a new adapter's with the first of its files. Other files of the folder are verified only
// (*m NULL).
souk_status adapters_add_file(struct souk_bundle *b, const char *listed, mapping **m, souk_error *e);
// Once the base's settings are known: reads all of them, and closes their files.
souk_status adapters_read(struct souk_bundle *b, souk_error *e);
size_t adapters_bytes(const struct souk_bundle *b);
void adapters_free(struct souk_bundle *b);

// The number of the adapter with this name; -1: the bundle has none of this name.
int32_t bundle_adapter(const struct souk_bundle *b, const char *name);
// What an adapter changes at a place; NULL: nothing.
static inline const adapted_layer *adapter_at(const bundle_adapters *a, int32_t adapter, int32_t layer,
                                              adapted_place place) {
  const adapted_layer *l = a->list[adapter].layers;
  return l != NULL && l[layer * ADAPTED_PLACES + (int32_t)place].down != NULL
             ? &l[layer * ADAPTED_PLACES + (int32_t)place]
             : NULL;
}
static inline const bottleneck_weights *adapter_neck_at(const bundle_adapters *a, int32_t adapter,
                                                        int32_t layer, neck_place place) {
  const bottleneck_weights *k = a->list[adapter].necks;
  return k != NULL ? &k[layer * NECK_PLACES + (int32_t)place] : NULL;
}

// What it adds to the bias of a place, an adapted_place or a norm; NULL: nothing. adapter -1: none.
static inline const float *adapter_shift(const bundle_adapters *a, int32_t adapter, int32_t layer,
                                         int place) {
  const bias_shifts *s = adapter >= 0 ? a->list[adapter].shifts : NULL;
  return s != NULL ? s->layer[layer * SHIFT_PLACES + place] : NULL;
}
static inline const float *adapter_shift_whole(const bundle_adapters *a, int32_t adapter, shift_whole which) {
  const bias_shifts *s = adapter >= 0 ? a->list[adapter].shifts : NULL;
  return s != NULL ? s->whole[which] : NULL;
}

// NULL: the table is the base's. adapter -1: none.
static inline const adapted_table *adapter_table(const bundle_adapters *a, int32_t adapter) {
  return adapter >= 0 ? a->list[adapter].table : NULL;
}

// What the names of a bottleneck's tensors have between the layer and "adapter.down.weight", by place.
extern const char *const neck_modules[NECK_PLACES];
enum { NECK_WIDTH_MAX = 65536 };

#endif
