// Verifying a data set; see dataset_verify.h.
#include "data/dataset_verify.h"

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "data/copy_rows.h"
#include "data/item_features.h"
#include "data/item_texts.h"
#include "data/user_context.h"
#include "data/user_names.h"
#include "hdf5/h5_reader.h"

enum { BLOCK_TOKENS = 1 << 20, LONGEST_ENTRY = 16 << 20 };

// ---- histories -----------------------------------------------------------------------------------------------

// The end of a block that begins at `first` and has BLOCK_TOKENS, or one history.
static int64_t block_end(const dataset *d, int64_t first) {
  const int64_t n = dataset_get_info(d)->sequences;
  int64_t end = first + 1, tokens = dataset_lengths(d)[first];
  while (end < n && tokens + dataset_lengths(d)[end] <= BLOCK_TOKENS) tokens += dataset_lengths(d)[end++];
  return end;
}

static status verify_histories(dataset *d) {
  for (int64_t first = 0, end; first < dataset_get_info(d)->sequences; first = end) {
    sequence_block *b;
    end = block_end(d, first);
    TRY(block_read(&b, d, first, end - first));
    block_free(b);
  }
  return OK;
}

// ---- items.h5 ------------------------------------------------------------------------------------------------

static status verify_attribute(const dataset *d, const char *path, const char *name, const int32_t *tokens,
                               int64_t n) {
  const vocab *v = dataset_vocab(d);
  const size_t bytes = strlen(name);
  for (int64_t i = 0; i < n; i++) {
    const int32_t t = tokens[i];
    const bool attribute = t >= vocab_begin(v, RANGE_ATTRIBUTES) && t < vocab_end(v, RANGE_ATTRIBUTES);
    if (t == 0 ||
        (attribute && strncmp(vocab_token(v, t), name, bytes) == 0 && vocab_token(v, t)[bytes] == '='))
      continue;
    return fail(ERR_FORMAT, "%s: \"%s\" of item %lld is %d, which is no token of that name", path, name,
                (long long)i, t);
  }
  return OK;
}

static status verify_columns(const dataset *d, h5_reader *r, const char *path) {
  static const char *const names[] = {"category", "price"};
  const int64_t items = vocab_end(dataset_vocab(d), RANGE_ITEMS) - vocab_begin(dataset_vocab(d), RANGE_ITEMS);
  int32_t file, *tokens;
  TRY(reader_open(r, path, "souk.items", 1, &file));
  TRY(mem_new(&tokens, (size_t)items, sizeof *tokens, "attributes of items"));
  status rc = OK;
  for (size_t i = 0; rc == OK && i < sizeof names / sizeof *names; i++) {
    int64_t n;
    rc = reader_dims(r, file, names[i], H5_KIND_I32, 1, &n);
    if (rc == OK && n != items)
      rc = fail(ERR_FORMAT, "%s: \"%s\" has %lld items, the vocabulary %lld", path, names[i], (long long)n,
                (long long)items);
    if (rc == OK) rc = reader_rows(r, file, names[i], H5_KIND_I32, 1, 0, n, 1, tokens);
    if (rc == OK) rc = verify_attribute(d, path, names[i], tokens, n);
  }
  free(tokens);
  return rc;
}

static status verify_items(const dataset *d) {
  char path[PATH_MAX];
  h5_reader *r;
  TRY(path_join(path, sizeof path, dataset_dir(d), "items.h5"));
  TRY(reader_start(&r));
  const status rc = verify_columns(d, r, path);
  reader_stop(r);
  return rc;
}

// ---- catalogue.jsonl -----------------------------------------------------------------------------------------

typedef struct catalogue_check {
  char path[PATH_MAX];
  line_reader *lines;
  uint8_t *seen; // [items], a bit each
} catalogue_check;

static status bad_entry(const catalogue_check *c, const char *why) {
  return fail(ERR_FORMAT, "%s line %lld: %s", c->path, (long long)lines_number(c->lines), why);
}

static status verify_entry(catalogue_check *c, const vocab *v, const json_t *j) {
  const char *item = json_string_value(json_object_get(j, "item")), *key;
  json_t *value;
  if (item == NULL) return bad_entry(c, "an object with a text \"item\" is expected");
  const int32_t id = vocab_find(v, RANGE_ITEMS, item);
  if (id < 0) return bad_entry(c, "its item is not in the vocabulary");
  const size_t k = (size_t)(id - vocab_begin(v, RANGE_ITEMS));
  if ((c->seen[k / 8] >> k % 8 & 1) != 0) return bad_entry(c, "its item has an entry already");
  c->seen[k / 8] |= (uint8_t)(1 << k % 8);
  json_object_foreach((json_t *)(uintptr_t)j, key, value) {
    if (!json_is_string(value)) return bad_entry(c, "a value is no text");
  }
  return OK;
}

static status verify_entries(catalogue_check *c, const vocab *v) {
  for (;;) {
    char *line;
    size_t bytes;
    bool end;
    TRY(lines_next(c->lines, &line, &bytes, &end));
    if (end) return OK;
    json_error_t error;
    json_t *j = json_loadb(line, bytes, JSON_REJECT_DUPLICATES, &error);
    if (j == NULL) return bad_entry(c, error.text);
    const status rc = verify_entry(c, v, j);
    json_decref(j);
    TRY(rc);
  }
}

static status verify_catalogue(const dataset *d) {
  catalogue_check c = {.lines = NULL};
  const vocab *v = dataset_vocab(d);
  const size_t items = (size_t)(vocab_end(v, RANGE_ITEMS) - vocab_begin(v, RANGE_ITEMS));
  TRY(path_join(c.path, sizeof c.path, dataset_dir(d), "catalogue.jsonl"));
  TRY(mem_new(&c.seen, items / 8 + 1, 1, "items of the catalogue"));
  status rc = lines_open(&c.lines, c.path, LONGEST_ENTRY);
  if (rc == OK) rc = verify_entries(&c, v);
  lines_close(c.lines);
  free(c.seen);
  return rc;
}

// ---- the whole -----------------------------------------------------------------------------------------------

status dataset_verify(dataset *d) {
  TRY(verify_histories(d));
  TRY(user_names_check(d));
  if (dataset_lists(d, "items.h5")) TRY(verify_items(d));
  const item_texts *texts;
  const item_features *features;
  const user_context *context;
  const copy_rows *copy;
  TRY(dataset_item_texts(d, &texts));
  TRY(dataset_item_features(d, &features));
  TRY(dataset_user_context(d, &context));
  TRY(dataset_copy(d, &copy));
  return dataset_lists(d, "catalogue.jsonl") ? verify_catalogue(d) : OK;
}
