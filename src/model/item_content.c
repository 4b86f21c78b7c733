// Texts and features of items, and which of them were trained on; see item_content.h.
#include "model/item_content.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "data/item_features.h"
#include "data/item_texts.h"
#include "hdf5/h5_arrays.h"

static const char what[] = "the content of items";

void item_content_free(item_content *c) {
  if (c == NULL) return;
  free(c->offsets);
  free(c->tokens);
  free(c->features);
  free(c->known);
  free(c);
}

static status make(item_content **out, int32_t items, int64_t tokens, int32_t width) {
  item_content *c;
  TRY(mem_new(&c, 1, sizeof *c, what));
  *out = c;
  c->items = items;
  c->width = width;
  TRY(mem_new(&c->offsets, (size_t)items + 1, sizeof *c->offsets, what));
  TRY(mem_new(&c->tokens, (size_t)tokens, sizeof *c->tokens, what));
  TRY(mem_new(&c->known, (size_t)items, sizeof *c->known, what));
  return width > 0 ? mem_new(&c->features, (size_t)items * (size_t)width, sizeof *c->features, what) : OK;
}

static status finish(item_content **out, status rc) {
  if (rc == OK) return OK;
  item_content_free(*out);
  *out = NULL;
  return rc;
}

static void copy(void *to, const void *from, size_t n, size_t size) {
  if (n > 0) memcpy(to, from, n * size);
}

// NULL texts: no item has a word; NULL rows: there are no features.
static void fill(item_content *c, const int64_t *offsets, const int32_t *tokens, const float *features) {
  const size_t items = (size_t)c->items;
  if (offsets != NULL) copy(c->offsets, offsets, items + 1, sizeof *offsets);
  if (offsets != NULL) copy(c->tokens, tokens, (size_t)offsets[items], sizeof *tokens);
  if (c->features != NULL) copy(c->features, features, items * (size_t)c->width, sizeof *features);
}

status item_content_copy(item_content **out, const item_content *c) {
  *out = NULL;
  const status rc = make(out, c->items, c->offsets[c->items], c->width);
  if (rc == OK) fill(*out, c->offsets, c->tokens, c->features);
  if (rc == OK) copy((*out)->known, c->known, (size_t)c->items, sizeof *c->known);
  return finish(out, rc);
}

// ---- of a data set -------------------------------------------------------------------------------------------

static status find(dataset *d, const item_texts **texts, const item_features **features) {
  TRY(dataset_item_texts(d, texts));
  TRY(dataset_item_features(d, features));
  if (*texts != NULL || *features != NULL) return OK;
  return fail(
      ERR_ARGUMENT,
      "model.items: %s has neither texts nor features of its items (souk prepare --words, --features)",
      dataset_dir(d));
}

status item_content_of_data(item_content **out, dataset *d) {
  const item_texts *texts;
  const item_features *features;
  *out = NULL;
  TRY(find(d, &texts, &features));
  const vocab *v = dataset_vocab(d);
  const int32_t first = vocab_begin(v, RANGE_ITEMS), items = vocab_end(v, RANGE_ITEMS) - first;
  const status rc =
      make(out, items, texts != NULL ? texts->offsets[items] : 0, features != NULL ? features->width : 0);
  if (rc != OK) return finish(out, rc);
  fill(*out, texts != NULL ? texts->offsets : NULL, texts != NULL ? texts->tokens : NULL,
       features != NULL ? features->rows : NULL);
  for (int32_t i = 0; i < items; i++) (*out)->known[i] = vocab_token_count(v, first + i) > 0;
  return OK;
}

status item_content_describe(model_config *c, dataset *d) {
  const item_texts *texts;
  const item_features *features;
  if (c->items == ITEMS_ID) return OK;
  TRY(find(d, &texts, &features));
  const int32_t *end = dataset_get_info(d)->range_end;
  c->item_base = end[RANGE_ATTRIBUTES];
  c->items_n = end[RANGE_ITEMS] - end[RANGE_ATTRIBUTES];
  if (c->items_n < 1)
    return fail(ERR_ARGUMENT, "model.items: the vocabulary of %s has no items", dataset_dir(d));
  c->item_words = texts != NULL ? texts->offsets[c->items_n] : 0;
  if (c->item_words > INT32_MAX)
    return fail(ERR_ARGUMENT, "model.items: the texts of %s have %lld tokens in all, and %d are possible",
                dataset_dir(d), (long long)c->item_words, INT32_MAX);
  c->item_features = features != NULL ? features->width : 0;
  return OK;
}

// ---- the file ------------------------------------------------------------------------------------------------

status item_content_write(const item_content *c, const char *path) {
  const h5_array arrays[] = {{"offsets", H5_KIND_I64, (int64_t)c->items + 1, 0, c->offsets},
                             {"tokens", H5_KIND_I32, c->offsets[c->items], 0, c->tokens},
                             {"known", H5_KIND_U8, c->items, 0, c->known},
                             {"features", H5_KIND_F32, c->items, c->width, c->features}};
  return h5_write_arrays(path, "souk.content", arrays, c->features != NULL ? 4 : 3, 0);
}

static status check_length(h5_reader *r, int32_t file, const char *path, const char *name, h5_kind kind,
                           int64_t wanted) {
  int64_t n;
  TRY(reader_dims(r, file, name, kind, 1, &n));
  return n == wanted ? OK
                     : fail(ERR_FORMAT, "%s: \"%s\" has %lld elements; of this model it has %lld", path, name,
                            (long long)n, (long long)wanted);
}

static status check_values(const item_content *c, const char *path, const model_config *m) {
  TRY(h5_check_offsets(path, "offsets", c->offsets, c->items, m->item_words));
  for (int64_t k = 0; k < m->item_words; k++)
    if (c->tokens[k] < 0 || c->tokens[k] >= m->item_base)
      return fail(ERR_FORMAT, "%s: token %lld is %d, which is no word", path, (long long)k, c->tokens[k]);
  for (int64_t k = 0; c->features != NULL && k < (int64_t)c->items * c->width; k++)
    if (!isfinite(c->features[k]))
      return fail(ERR_FORMAT, "%s: a feature of item %lld is not finite", path, (long long)(k / c->width));
  for (int32_t i = 0; i < c->items; i++)
    if (c->known[i] > 1) return fail(ERR_FORMAT, "%s: \"known\" of item %d is %d", path, i, c->known[i]);
  return OK;
}

static status read_arrays(h5_reader *r, item_content **out, const char *path, const model_config *m) {
  int32_t file;
  const int64_t items = m->items_n, tokens = m->item_words;
  TRY(reader_open(r, path, "souk.content", 1, &file));
  TRY(check_length(r, file, path, "offsets", H5_KIND_I64, items + 1));
  TRY(check_length(r, file, path, "tokens", H5_KIND_I32, tokens));
  TRY(check_length(r, file, path, "known", H5_KIND_U8, items));
  if (m->item_features > 0) {
    int64_t dims[2];
    TRY(reader_dims(r, file, "features", H5_KIND_F32, 2, dims));
    if (dims[0] != items || dims[1] != m->item_features)
      return fail(ERR_FORMAT, "%s: \"features\" is %lld x %lld; of this model it is %lld x %lld", path,
                  (long long)dims[0], (long long)dims[1], (long long)items, (long long)m->item_features);
  }
  TRY(make(out, (int32_t)items, tokens, (int32_t)m->item_features));
  item_content *c = *out;
  TRY(reader_rows(r, file, "offsets", H5_KIND_I64, 1, 0, items + 1, 1, c->offsets));
  TRY(reader_rows(r, file, "tokens", H5_KIND_I32, 1, 0, tokens, 1, c->tokens));
  TRY(reader_rows(r, file, "known", H5_KIND_U8, 1, 0, items, 1, c->known));
  if (c->width > 0)
    TRY(reader_rows(r, file, "features", H5_KIND_F32, 2, 0, items, m->item_features, c->features));
  return check_values(c, path, m);
}

status item_content_read(item_content **out, const char *path, const model_config *c) {
  h5_reader *r;
  *out = NULL;
  TRY(reader_start(&r));
  const status rc = read_arrays(r, out, path, c);
  reader_stop(r);
  return finish(out, rc);
}
