// The matrices of a bundle and of one of its adapters as they lie in rows, with which the way back multiplies: the bundle holds
// them packed for the way forward (simd.h).
#ifndef SOUK_INFER_ROW_WEIGHTS_H
#define SOUK_INFER_ROW_WEIGHTS_H

#include "infer/bundle.h"

typedef struct row_layer {
  float *q, *kv, *out, *ffn1, *ffn2; // [H,H], [2H,H], [H,H], [F,H], [H,F]
} row_layer;

typedef struct row_factors { // of an adapter at a place, or of a bottleneck
  float *down, *up;          // [r,in], [out,r]; NULL: there are none
} row_factors;

// A layer's bottlenecks behind one of its branches, in the order in which rows pass them.
enum { NECKS = 2 };

typedef struct row_weights {
  int32_t adapter;
  row_layer *layer;   // [L]
  row_factors *low;   // [L][ADAPTED_PLACES]
  row_factors *necks; // [L][NECK_PLACES][NECKS]
  float *mlm;         // [H,H]; a plain head has none
  float *floats;      // of all
} row_weights;

// adapter: its number in the bundle (adapters.h), -1: none. Made once a call, read by any number of threads.
souk_status row_weights_new(row_weights **out, const souk_bundle *b, int32_t adapter, souk_error *e);
void row_weights_free(row_weights *w); // NULL is safe

// What the adapter adds to a layer at a place; NULL: nothing.
const adapted_layer *row_adapted(const row_weights *w, const souk_bundle *b, int32_t layer,
                                 adapted_place place);
// A layer's bottleneck k behind the branch `place`; NULL: there is none.
const bottleneck_weights *row_neck(const row_weights *w, const souk_bundle *b, int32_t layer, int place,
                                   int k);

#endif
