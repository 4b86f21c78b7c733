// Where a model's tensors are in a file made elsewhere.
//
// Hugging Face's names come with "bert." before the encoder's or without it, in programs that train with a wrapper also
// behind the wrapper's name ("model.bert."), and layernorms were once called gamma and beta.
#ifndef SOUK_CONVERT_HF_NAMES_H
#define SOUK_CONVERT_HF_NAMES_H

#include <stdint.h>
#include "base/status.h"
#include "format/safetensors.h"

enum { PREFIX_BYTES = 128 };

typedef struct hf_names {
  const safetensors *table;
  const char *path;           // of the file, for messages
  char encoder[PREFIX_BYTES]; // what stands before "embeddings." and "encoder."
  char outer[PREFIX_BYTES];   // and before "cls."
} hf_names;

// Finds out what stands before the names. An error: the file has the encoders of two models.
status hf_names_begin(hf_names *n, const safetensors *table, const char *path);
// The tensor that Souk calls `name` ("bert.encoder.layer.0..."); NULL: it is not there.
tensor *hf_names_get(const hf_names *n, const char *name);
// How many layers the file has: one beyond the largest number in a name.
int64_t hf_names_layers(const hf_names *n);
// Warns of the tensors that nobody has used, with their number and the first names; of those of layers from `layers` on
// apart.
void hf_names_tell_unused(const hf_names *n, int64_t layers);

// Appends to a list of names for a message [bytes], or "..." when it is full.
void hf_names_list(char *list, size_t bytes, const char *name);

#endif
