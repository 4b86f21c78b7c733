// The texts that the items of a bundle of pairs had in training, as tokens (texts.safetensors, docs/bundle.md).
#ifndef SOUK_INFER_ITEM_WORDS_H
#define SOUK_INFER_ITEM_WORDS_H

#include "infer/errors.h"

struct souk_bundle;

typedef struct item_words {
  int64_t *offsets; // [I + 1]; NULL: there are none
  int32_t *tokens;  // [offsets[I]] words and attributes
} item_words;

// Reads texts.safetensors, which is mapped; freed with item_words_free, also after an error.
souk_status item_words_read(struct souk_bundle *b, souk_error *e);
size_t item_words_bytes(const struct souk_bundle *b);
void item_words_free(struct souk_bundle *b);

// The first `cap` tokens of an item's text, from 0 to I - 1, into ids; returns how many it wrote.
size_t item_words_take(const struct souk_bundle *b, int32_t item, int32_t *ids, size_t cap);

#endif
