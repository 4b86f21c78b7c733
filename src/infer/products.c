// Items that are known by their texts and attributes; see products.h.
#include "infer/products.h"

#include <string.h>

size_t product_tokens(const souk_bundle *b, const souk_product *p, int32_t *ids, size_t cap, size_t words,
                      size_t *strangers) {
  size_t n = 0;
  *strangers = 0;
  if (words > cap) words = cap;
  if (p->text != NULL && b->tokenizer != NULL) {
    const size_t bytes = p->bytes > 0 ? p->bytes : strlen(p->text);
    n = word_tokenizer_encode(b->tokenizer, p->text, bytes, ids, words);
    if (n > words) n = words;
  }
  for (size_t i = 0; i < p->n_attributes; i++) {
    const int32_t id =
        vocab_find_bytes(b->vocab, RANGE_ATTRIBUTES, p->attributes[i], strlen(p->attributes[i]));
    *strangers += id < 0;
    if (id >= 0 && n < cap) ids[n++] = id;
  }
  return n;
}
