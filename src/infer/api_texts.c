// The public functions that read texts. Arguments are checked here, once (checks.h).
#include <stddef.h>
#include "infer/checks.h"
#include "infer/texts.h"

static souk_status check_words(const souk_bundle *b, souk_error *error) {
  if (b->tokenizer != NULL) return SOUK_OK;
  return infer_fail(error, SOUK_ERR_ARGUMENT, "%s has no words, so it reads no texts", b->dir);
}

// Texts of which none is NULL.
static souk_status check_texts(const text_list *l, size_t n, const char *what, souk_error *error) {
  CHECK_POINTER(l->texts, char *, n, what);
  CHECK_POINTER(l->bytes, size_t, 0, "bytes");
  for (size_t i = 0; i < n; i++)
    if (l->texts[i] == NULL) return infer_fail(error, SOUK_ERR_ARGUMENT, "%s[%zu] must not be NULL", what, i);
  return SOUK_OK;
}

static souk_status check_switch(int32_t value, const char *what, souk_error *error) {
  if (value == 0 || value == 1) return SOUK_OK;
  return infer_fail(error, SOUK_ERR_ARGUMENT, "%s = %d is not 0 or 1", what, value);
}

// ---- vectors of texts ----------------------------------------------------------------------------------------

static souk_status check_embed_options(const souk_bundle *b, const souk_embed_options *o, souk_error *error) {
  const int32_t least = b->layout.cls_sep ? 3 : 1;
  PASS(check_threads(o->threads, error));
  PASS(check_switch(o->normalise, "options.normalise", error));
  if (o->pooling < SOUK_POOL_MEAN || o->pooling > SOUK_POOL_MAX)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "options.pooling = %d is not one of SOUK_POOL_...",
                      o->pooling);
  if (o->pooling == SOUK_POOL_CLS && (!b->layout.cls_sep || b->layout.asks != ASKS_MASKED))
    return infer_fail(error, SOUK_ERR_ARGUMENT,
                      "options.pooling: in %s no [CLS] sees the text, so it has no such vectors", b->dir);
  if (o->most_tokens != 0 && o->most_tokens < least)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "options.most_tokens = %d is not 0 or at least %d",
                      o->most_tokens, least);
  return SOUK_OK;
}

souk_status souk_embed_texts_sized(const souk_bundle *b, const char *const *texts, const size_t *bytes,
                                   size_t n, const souk_embed_options *options, size_t options_bytes,
                                   float *vectors, int32_t *tokens, souk_error *error) {
  embed_job j = {.b = b, .texts = {texts, bytes}, .n = n, .vectors = vectors, .tokens = tokens};
  BEGIN_CALL(error);
  PASS(check_bundle(b, error));
  PASS(check_count(n, "n", error));
  CHECK_POINTER(options, souk_embed_options, 0, "options");
  PASS(take_structure(&j.options, sizeof j.options, options, options_bytes, "options", error));
  PASS(check_embed_options(b, &j.options, error));
  PASS(check_words(b, error));
  PASS(check_texts(&j.texts, n, "texts", error));
  CHECK_POINTER(vectors, float, n, "vectors");
  CHECK_POINTER(tokens, int32_t, 0, "tokens");
  return n > 0 ? embed_run(&j, error) : SOUK_OK;
}
