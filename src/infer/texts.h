// Vectors of texts: hidden states of the last layer, pooled.
#ifndef SOUK_INFER_TEXTS_H
#define SOUK_INFER_TEXTS_H

#include <string.h>
#include "infer/bundle.h"

// Texts of a call.
typedef struct text_list {
  const char *const *texts; // [n]
  const size_t *bytes;      // [n]; NULL: they end with a NUL
} text_list;

static inline size_t text_bytes(const text_list *l, size_t i) {
  return l->bytes != NULL ? l->bytes[i] : strlen(l->texts[i]);
}

typedef struct embed_job {
  const souk_bundle *b; // with a tokeniser
  text_list texts;
  size_t n;
  souk_embed_options options;
  float *vectors;  // [n][H]
  int32_t *tokens; // [n] or NULL
} embed_job;

// Arguments have been checked.
souk_status embed_run(const embed_job *j, souk_error *e);

#endif
