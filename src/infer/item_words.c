// Texts of items; see item_words.h.
#include "infer/item_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "format/safetensors.h"
#include "infer/bundle.h"

void item_words_free(souk_bundle *b) {
  free(b->texts.offsets);
  free(b->texts.tokens);
  b->texts = (item_words){.offsets = NULL};
}

size_t item_words_bytes(const souk_bundle *b) {
  if (b->texts.offsets == NULL) return 0;
  return ((size_t)b->items + 1) * sizeof *b->texts.offsets +
         (size_t)b->texts.offsets[b->items] * sizeof *b->texts.tokens;
}

static souk_status check_texts(const souk_bundle *b, int64_t tokens, const char *path, souk_error *e) {
  const item_words *t = &b->texts;
  for (int32_t i = 0; i < b->items; i++)
    if (t->offsets[0] != 0 || t->offsets[i] > t->offsets[i + 1])
      return infer_fail(e, SOUK_ERR_FORMAT, "%s: tensor \"offsets\" does not begin at 0 and rise at %d", path,
                        i);
  if (t->offsets[b->items] != tokens)
    return infer_fail(e, SOUK_ERR_FORMAT, "%s: tensor \"offsets\" does not end with the number of tokens",
                      path);
  for (int64_t k = 0; k < tokens; k++)
    if (t->tokens[k] != TOKEN_UNK && (t->tokens[k] < TOKEN_SPECIALS || t->tokens[k] >= b->first_item))
      return infer_fail(e, SOUK_ERR_FORMAT,
                        "%s: tensor \"tokens\" holds %d, which is no word and no attribute", path,
                        t->tokens[k]);
  return SOUK_OK;
}

static souk_status read_tensors(souk_bundle *b, const safetensors *file, const char *path, souk_error *e) {
  const tensor *offsets, *tokens = safetensors_find(file, "tokens");
  format_error found;
  const int64_t n = tokens != NULL && tokens->ndim == 1 ? tokens->shape[0] : 0;
  if (!safetensors_expect(file, path, "offsets", "I64", 1, (int64_t)b->items + 1, 0, &offsets, &found) ||
      !safetensors_expect(file, path, "tokens", "I32", 1, n, 0, &tokens, &found))
    return infer_fail_format(e, &found);
  PASS(infer_alloc(&b->texts.offsets, (size_t)b->items + 1, sizeof *b->texts.offsets, "texts of items", e));
  PASS(infer_alloc(&b->texts.tokens, (size_t)n, sizeof *b->texts.tokens, "texts of items", e));
  memcpy(b->texts.offsets, offsets->data, ((size_t)b->items + 1) * sizeof *b->texts.offsets);
  if (n > 0) memcpy(b->texts.tokens, tokens->data, (size_t)n * sizeof *b->texts.tokens);
  return check_texts(b, n, path, e);
}

souk_status item_words_read(souk_bundle *b, souk_error *e) {
  const mapping *m = &b->files[FILE_TEXTS];
  safetensors file = {.count = 0};
  char path[4096];
  format_error found;
  if (m->data == NULL) return SOUK_OK;
  snprintf(path, sizeof path, "%s/%s", b->dir, bundle_file_names[FILE_TEXTS]);
  const souk_status rc = safetensors_read(&file, m->data, m->bytes, path, &found)
                             ? read_tensors(b, &file, path, e)
                             : infer_fail_format(e, &found);
  safetensors_free(&file);
  return rc;
}

size_t item_words_take(const souk_bundle *b, int32_t item, int32_t *ids, size_t cap) {
  const item_words *t = &b->texts;
  if (t->offsets == NULL) return 0;
  const size_t all = (size_t)(t->offsets[item + 1] - t->offsets[item]), n = all < cap ? all : cap;
  if (n > 0) memcpy(ids, t->tokens + t->offsets[item], n * sizeof *ids);
  return n;
}
