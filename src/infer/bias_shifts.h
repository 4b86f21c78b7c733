// The biases of an adapter that was tuned by them alone (peft bias): what each is more than the base's, so that rows of several
// adapters go through the base's kernels together and get the difference afterwards. A row gets it in the same way in any
// company. Of an item, the difference is part of its score: the last element of its vector.
#ifndef SOUK_INFER_BIAS_SHIFTS_H
#define SOUK_INFER_BIAS_SHIFTS_H

#include <stddef.h>
#include <stdint.h>
#include "format/safetensors.h"
#include "infer/errors.h"

struct souk_bundle;

// In each layer: its linear layers, in the order of adapted_place (adapters.h), and its norms.
enum { SHIFT_NORM1 = 6, SHIFT_NORM2, SHIFT_PLACES };
typedef enum shift_whole { // of the whole model
  SHIFT_EMBEDDING,         // [H] the embeddings' norm
  SHIFT_FINAL,             // [H] the norm behind the last layer (pre-norm)
  SHIFT_HEAD,              // [H] the head's transform, and its norm
  SHIFT_HEAD_NORM,
  SHIFT_POOLER,     // [H]
  SHIFT_CLASSIFIER, // [labels]
  SHIFT_ITEMS,      // [items]
  SHIFT_COPY,       // [H] the transform of the head that writes copy, and its norm
  SHIFT_COPY_NORM,
  SHIFT_COPY_BIAS, // [its classes]
  SHIFT_WHOLES
} shift_whole;

typedef struct bias_shifts {
  float **layer; // [L][SHIFT_PLACES]; NULL: as in the base
  float *whole[SHIFT_WHOLES];
  float *floats; // all of them
  size_t n, layers;
} bias_shifts;

// Of a file of the trained biases under the names of model.safetensors. Marks those that it knows as used. The bundle's weights have
// been read. *out is to be freed after an error, too.
souk_status bias_shifts_read(bias_shifts **out, const struct souk_bundle *b, const safetensors *f,
                             const char *path, souk_error *e);
void bias_shifts_free(bias_shifts *s);          // NULL is safe
size_t bias_shifts_bytes(const bias_shifts *s); // 0 of NULL

#endif
