// A Hugging Face BERT becomes a checkpoint.
#ifndef SOUK_CONVERT_IMPORT_H
#define SOUK_CONVERT_IMPORT_H

#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"

typedef struct import_config {
  bool force;   // replace an existing checkpoint
  bool passing; // the checkpoint goes with the process, so its place is not told
  bool pooler;  // make a pooler and next-sentence head even if the file has neither
  int64_t seed; // of what the file does not have
  bool
      typed_specials; // texts have special tokens where somebody types them, as with Hugging Face (word_tokenizer.h)
} import_config;

// Reads config.json, model.safetensors and the tokenizer (wordpiece.h) of hf_dir and writes the checkpoint
// directory `out`, step 0, without optimiser state. Tensors may be named with or without "bert." and
// behind a wrapper's name, layernorms in the old way (gamma, beta). The encoder must be complete; missing parameters of objectives are initialised
// and named in a message, and so are tensors that Souk has no place for. The word table's rows (and the masked-LM biases)
// are renumbered as the vocabulary is.
status import_hugging_face(const char *hf_dir, const char *out, const import_config *c);

#endif
