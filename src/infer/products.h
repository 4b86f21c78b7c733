// Items that are known by their texts and attributes.
#ifndef SOUK_INFER_PRODUCTS_H
#define SOUK_INFER_PRODUCTS_H

#include "infer/bundle.h"

// The tokens of a product: up to `words` of its text, then its attributes, at most `cap` in all. Returns how many there are; *strangers
// counts attributes that the vocabulary does not have. Without a tokeniser a text has no tokens.
size_t product_tokens(const souk_bundle *b, const souk_product *p, int32_t *ids, size_t cap, size_t words,
                      size_t *strangers);

#endif
