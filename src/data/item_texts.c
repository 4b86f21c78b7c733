// Reading and writing the texts of items; see item_texts.h.
#include "data/item_texts.h"

#include <limits.h>
#include <stdlib.h>
#include "base/file.h"
#include "base/memory.h"
#include "base/tensor_file.h"
#include "data/dataset_internal.h"
#include "hdf5/h5_arrays.h"

typedef struct texts_file {
  const dataset *d;
  char path[PATH_MAX];
  h5_reader *reader;
  int32_t file;
  int32_t items; // of the file
  int64_t *offsets;
  int32_t *tokens;
} texts_file;

static status check_tokens(const texts_file *f) {
  const int32_t *end = dataset_stored(f->d)->range_end;
  for (int32_t i = 0; i < f->items; i++)
    for (int64_t k = f->offsets[i]; k < f->offsets[i + 1]; k++) {
      const int32_t t = f->tokens[k];
      if (t != TOKEN_UNK && (t < end[RANGE_SPECIAL] || t >= end[RANGE_ATTRIBUTES]))
        return fail(ERR_FORMAT, "%s: token %lld of item %d is %d, which is no word and no attribute", f->path,
                    (long long)(k - f->offsets[i]), i, t);
    }
  return OK;
}

static status read_arrays(texts_file *f) {
  const int32_t *end = dataset_stored(f->d)->range_end;
  int64_t n, tokens;
  f->items = end[RANGE_ITEMS] - end[RANGE_ATTRIBUTES];
  TRY(reader_open(f->reader, f->path, "souk.texts", 1, &f->file));
  TRY(reader_dims(f->reader, f->file, "offsets", H5_KIND_I64, 1, &n));
  TRY(reader_dims(f->reader, f->file, "tokens", H5_KIND_I32, 1, &tokens));
  if (n != (int64_t)f->items + 1)
    return fail(ERR_FORMAT, "%s: \"offsets\" has %lld elements; of %d items it has %lld", f->path,
                (long long)n, f->items, (long long)f->items + 1);
  TRY(mem_new(&f->offsets, (size_t)n, sizeof *f->offsets, "texts of items"));
  TRY(mem_new(&f->tokens, (size_t)tokens, sizeof *f->tokens, "texts of items"));
  TRY(reader_rows(f->reader, f->file, "offsets", H5_KIND_I64, 1, 0, n, 1, f->offsets));
  TRY(h5_check_offsets(f->path, "offsets", f->offsets, f->items, tokens));
  TRY(reader_rows(f->reader, f->file, "tokens", H5_KIND_I32, 1, 0, tokens, 1, f->tokens));
  return check_tokens(f);
}

// The texts in the vocabulary that the data set is read in.
static status translate(texts_file *f) {
  const int32_t *as = dataset_token_as(f->d);
  const vocab *v = dataset_vocab(f->d);
  const int32_t items = vocab_end(v, RANGE_ITEMS) - vocab_begin(v, RANGE_ITEMS);
  int32_t *stored = NULL, *tokens = NULL;
  int64_t *offsets = NULL;
  status rc;
  if (as == NULL) return OK;
  TRY_GOTO(dataset_stored_items(f->d, &stored), done);
  TRY_GOTO(mem_new(&offsets, (size_t)items + 1, sizeof *offsets, "texts of items"), done);
  for (int32_t i = 0; i < items; i++)
    offsets[i + 1] = offsets[i] + (stored[i] >= 0 ? f->offsets[stored[i] + 1] - f->offsets[stored[i]] : 0);
  TRY_GOTO(mem_new(&tokens, (size_t)offsets[items], sizeof *tokens, "texts of items"), done);
  for (int32_t i = 0; i < items; i++)
    for (int64_t k = offsets[i]; k < offsets[i + 1]; k++)
      tokens[k] = as[f->tokens[f->offsets[stored[i]] + k - offsets[i]]];
  free(f->offsets);
  free(f->tokens);
  f->offsets = offsets;
  f->tokens = tokens;
  f->items = items;
  offsets = NULL;
  tokens = NULL;
done:
  free(stored);
  free(offsets);
  free(tokens);
  return rc;
}

static status read_texts(texts_file *f, item_texts **out) {
  TRY(path_join(f->path, sizeof f->path, dataset_dir(f->d), "texts.h5"));
  TRY(reader_start(&f->reader));
  TRY(read_arrays(f));
  TRY(translate(f));
  TRY(mem_new(out, 1, sizeof **out, "texts of items"));
  **out = (item_texts){f->items, f->offsets, f->tokens};
  return OK;
}

status dataset_item_texts(dataset *d, const item_texts **out) {
  item_data *have = dataset_item_data(d);
  *out = have->texts;
  if (have->texts != NULL || !dataset_lists(d, "texts.h5")) return OK;
  texts_file f = {.d = d};
  const status rc = read_texts(&f, &have->texts);
  reader_stop(f.reader);
  if (rc != OK) {
    free(f.offsets);
    free(f.tokens);
  }
  *out = have->texts;
  return rc;
}

void item_texts_free(item_texts *t) {
  if (t == NULL) return;
  free((void *)(uintptr_t)t->offsets);
  free((void *)(uintptr_t)t->tokens);
  free(t);
}

double item_texts_bytes(const item_texts *t) {
  return t == NULL
             ? 0
             : (double)(t->items + 1) * sizeof *t->offsets + (double)t->offsets[t->items] * sizeof *t->tokens;
}

status item_texts_write(const item_texts *t, const char *path, int deflate) {
  const h5_array arrays[] = {{"offsets", H5_KIND_I64, (int64_t)t->items + 1, 0, t->offsets},
                             {"tokens", H5_KIND_I32, t->offsets[t->items], 0, t->tokens}};
  return h5_write_arrays(path, "souk.texts", arrays, 2, deflate);
}

status item_texts_write_tensors(const item_texts *t, const char *path) {
  const int64_t tokens = t->offsets[t->items];
  tensor list[] = {{.name = "offsets", .dtype = "I64", .ndim = 1, .shape = {(int64_t)t->items + 1}},
                   {.name = "tokens", .dtype = "I32", .ndim = 1, .shape = {tokens}}};
  out_file *f = NULL;
  status rc =
      tensor_file_begin(&f, path, list, 2, "\"format\":\"pt\",\"rows\":\"items in the order of vocab.tsv\"");
  if (rc == OK) rc = out_write(f, t->offsets, ((size_t)t->items + 1) * sizeof *t->offsets);
  if (rc == OK) rc = out_write(f, t->tokens, (size_t)tokens * sizeof *t->tokens);
  return out_finish(f, rc);
}
