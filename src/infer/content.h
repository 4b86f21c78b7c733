// The vector of a new item from what is known of it: of a bundle whose item vectors are made of content (content.safetensors,
// docs/bundle.md). The trainer's formula is in src/model/item_vectors.h; a new item has no id that was trained, so m = 0:
//
//   v = W_t mean of E_w over its words w  +  W_d f  +  b,   and behind it the mean bias of the items that were trained on
//
// For cosine scores v has length 1, as the rows of items.safetensors have.
#ifndef SOUK_INFER_CONTENT_H
#define SOUK_INFER_CONTENT_H

#include "infer/errors.h"

struct souk_bundle;

typedef struct item_content_weights {
  float *text;        // [H,H]; NULL: texts play no part
  float *features;    // [H,F]; NULL: features play none
  float *bias;        // [H]
  float item_bias;    // of an item that was never trained on
  int32_t n_features; // F
} item_content_weights;

// Reads content.safetensors, which is mapped; freed with content_free, also after an error.
souk_status content_read(struct souk_bundle *b, souk_error *e);
size_t content_bytes(const struct souk_bundle *b);
void content_free(struct souk_bundle *b);

// Has the bundle a content.safetensors?
bool content_is_there(const struct souk_bundle *b);
// ids [n]: token ids of words and attributes, below the first item's (not checked); features [F] or NULL: none. out [W] is written.
souk_status content_vector(const struct souk_bundle *b, const int32_t *ids, size_t n, const float *features,
                           float *out, souk_error *e);

#endif
