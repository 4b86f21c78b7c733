// The public functions that read texts. Arguments are checked here, once (checks.h).
#include <stddef.h>
#include <stdlib.h>
#include "infer/checks.h"
#include "infer/content.h"
#include "infer/labels.h"
#include "infer/products.h"
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
  PASS(check_adapter(b, o->adapter, "options.adapter", error));
  if (o->reserved != 0)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "options.reserved = %d is not 0", o->reserved);
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

// ---- products ------------------------------------------------------------------------------------------------

enum { PRODUCT_WORDS = 128, PRODUCT_ATTRIBUTES = 1024 };

souk_status check_product(const souk_bundle *b, const souk_product *p, const char *array, size_t index,
                          bool features, souk_error *error) {
  place where = {.array = array, .index = index, .field = "attributes"};
  CHECK_POINTER(p->attributes, char *, p->n_attributes, name_of(&where));
  if (p->n_attributes > PRODUCT_ATTRIBUTES)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "%s has %zu elements, more than %d", name_of(&where),
                      p->n_attributes, PRODUCT_ATTRIBUTES);
  for (size_t i = 0; i < p->n_attributes; i++)
    if (p->attributes[i] == NULL)
      return infer_fail(error, SOUK_ERR_ARGUMENT, "%s[%zu] must not be NULL", name_of(&where), i);
  if (p->text != NULL && b->tokenizer == NULL)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "%s[%zu].text: %s has no words, so it reads no texts", array,
                      index, b->dir);
  if (p->text == NULL && p->bytes > 0)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "%s[%zu].text must not be NULL", array, index);
  where.field = "features";
  CHECK_POINTER(p->features, float, 0, name_of(&where));
  if (p->features == NULL) return SOUK_OK;
  if (!features || b->content.n_features == 0)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "%s: features play no part in this bundle", name_of(&where));
  return check_finite(p->features, (size_t)b->content.n_features, where, error);
}

souk_status check_elements(const void *array, size_t n, size_t bytes, size_t known, size_t least,
                           const char *what, souk_error *error) {
  if (bytes < least || bytes % _Alignof(souk_product) != 0)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "%s are not structures of %zu bytes", what, bytes);
  CHECK_POINTER(array, souk_product, n, what);
  for (size_t i = 0; bytes > known && i < n; i++)
    PASS(check_tail((const char *)array + i * bytes, bytes, known,
                    (place){.array = what, .index = i, .field = ""}, error));
  return SOUK_OK;
}

static souk_product product_of(const souk_product *products, size_t bytes, size_t i) {
  souk_product p = {.text = NULL};
  memcpy(&p, (const char *)products + i * bytes, bytes < sizeof p ? bytes : sizeof p);
  return p;
}

souk_status souk_item_vectors_of_products_sized(const souk_bundle *b, const souk_product *products,
                                                size_t product_bytes, size_t n, float *v, int32_t *unknown,
                                                souk_error *error) {
  int32_t ids[PRODUCT_WORDS + PRODUCT_ATTRIBUTES];
  BEGIN_CALL(error);
  PASS(check_bundle(b, error));
  PASS(check_count(n, "n", error));
  PASS(check_elements(products, n, product_bytes, sizeof *products, sizeof(char *), "products", error));
  CHECK_POINTER(v, float, n, "v");
  CHECK_POINTER(unknown, int32_t, 0, "unknown");
  if (!content_is_there(b))
    return infer_fail(error, SOUK_ERR_ARGUMENT,
                      "%s has no content.safetensors: its item vectors are not made of texts", b->dir);
  for (size_t i = 0; i < n; i++) {
    const souk_product p = product_of(products, product_bytes, i);
    size_t strangers;
    PASS(check_product(b, &p, "products", i, true, error));
    const size_t tokens =
        product_tokens(b, &p, ids, PRODUCT_WORDS + PRODUCT_ATTRIBUTES, PRODUCT_WORDS, &strangers);
    float *row = v + i * (size_t)b->width;
    PASS(content_vector(b, ids, tokens, p.features, row, error));
    if (unknown != NULL) unknown[i] = (int32_t)strangers;
    for (int32_t j = 0; j < b->width; j++)
      if (!__builtin_isfinite(row[j]))
        return infer_fail(error, SOUK_ERR_NONFINITE, "products[%zu]: the vector is not finite", i);
  }
  return SOUK_OK;
}

// ---- labels --------------------------------------------------------------------------------------------------

const char *souk_label_name(const souk_bundle *b, int32_t label) {
  return usable(b) && label >= 0 && label < b->labels.n ? b->labels.names[label] : NULL;
}

static souk_status check_labels(const souk_bundle *b, bool pairs, souk_error *error) {
  if (b->labels.n > 0 && b->labels.pairs == pairs) return SOUK_OK;
  if (b->labels.n == 0)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "%s has no labels: souk finetune --task %s makes them",
                      b->dir, pairs ? "pair" : "classify");
  return infer_fail(error, SOUK_ERR_ARGUMENT, "%s has labels of %s, not of %s", b->dir,
                    b->labels.pairs ? "pairs" : "texts", pairs ? "pairs" : "texts");
}

static souk_status take_label_options(const souk_bundle *b, souk_label_options *own,
                                      const souk_label_options *options, size_t bytes, souk_error *error) {
  CHECK_POINTER(options, souk_label_options, 0, "options");
  PASS(take_structure(own, sizeof *own, options, bytes, "options", error));
  PASS(check_threads(own->threads, error));
  PASS(check_adapter(b, own->adapter, "options.adapter", error));
  if (own->reserved != 0)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "options.reserved = %d is not 0", own->reserved);
  return check_switch(own->logits, "options.logits", error);
}

souk_status souk_classify_sized(const souk_bundle *b, const char *const *texts, const char *const *seconds,
                                size_t n, const souk_label_options *options, size_t options_bytes, float *out,
                                souk_error *error) {
  label_job j = {.b = b, .texts = texts, .seconds = seconds, .n = n, .out = out};
  BEGIN_CALL(error);
  PASS(check_bundle(b, error));
  PASS(check_count(n, "n", error));
  PASS(take_label_options(b, &j.options, options, options_bytes, error));
  PASS(check_labels(b, false, error));
  PASS(check_words(b, error));
  PASS(check_texts(&(text_list){texts, NULL}, n, "texts", error));
  if (seconds != NULL) PASS(check_texts(&(text_list){seconds, NULL}, n, "seconds", error));
  if (seconds != NULL && b->layout.segments < 2)
    return infer_fail(error, SOUK_ERR_ARGUMENT, "seconds: the model of %s has one segment only", b->dir);
  CHECK_POINTER(out, float, n, "out");
  return n > 0 ? labels_run(&j, error) : SOUK_OK;
}

souk_status souk_score_pairs_sized(const souk_bundle *b, const souk_pair *pairs, size_t pair_bytes, size_t n,
                                   const souk_label_options *options, size_t options_bytes, float *out,
                                   souk_error *error) {
  label_job j = {.b = b, .pairs = pairs, .pair_bytes = pair_bytes, .n = n, .out = out};
  BEGIN_CALL(error);
  PASS(check_bundle(b, error));
  PASS(check_count(n, "n", error));
  PASS(take_label_options(b, &j.options, options, options_bytes, error));
  PASS(check_labels(b, true, error));
  PASS(check_elements(pairs, n, pair_bytes, sizeof *pairs, offsetof(souk_pair, product), "pairs", error));
  for (size_t i = 0; i < n; i++) {
    const souk_pair p = job_pair(&j, i);
    place where = {.array = "pairs", .index = i, .field = "history"};
    PASS(check_history(b, &p.history, where, error));
    where.field = "item";
    if (p.item < -1 || p.item >= b->items)
      return infer_fail(error, SOUK_ERR_ARGUMENT, "%s = %d is not an item's number from -1 to %d",
                        name_of(&where), p.item, b->items - 1);
    if (p.reserved != 0)
      return infer_fail(error, SOUK_ERR_ARGUMENT, "pairs[%zu].reserved = %d is not 0", i, p.reserved);
    PASS(check_product(b, &p.product, "pairs", i, false, error));
  }
  CHECK_POINTER(out, float, n, "out");
  return n > 0 ? labels_run(&j, error) : SOUK_OK;
}
