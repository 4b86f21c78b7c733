// Reading and writing the dense features of items; see item_features.h.
#include "data/item_features.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "data/dataset_internal.h"
#include "hdf5/h5_arrays.h"

typedef struct features_file {
  const dataset *d;
  char path[PATH_MAX];
  h5_reader *reader;
  int32_t file;
  int32_t items, width; // of the file
  float *rows;
  uint8_t *present;
} features_file;

static status check_row(const features_file *f, int32_t i) {
  const float *row = f->rows + (size_t)i * (size_t)f->width;
  if (f->present[i] > 1)
    return fail(ERR_FORMAT, "%s: \"present\" of item %d is %d, which is neither 0 nor 1", f->path, i,
                f->present[i]);
  for (int32_t k = 0; k < f->width; k++) {
    if (!isfinite(row[k]))
      return fail(ERR_FORMAT, "%s: \"rows\" of item %d, column %d is not finite", f->path, i, k);
    if (f->present[i] == 0 && row[k] != 0.0f)
      return fail(ERR_FORMAT, "%s: item %d has no features, but \"rows\" of it is not zero", f->path, i);
  }
  return OK;
}

static status read_arrays(features_file *f) {
  const int32_t *end = dataset_stored(f->d)->range_end;
  int64_t n, dims[2];
  f->items = end[RANGE_ITEMS] - end[RANGE_ATTRIBUTES];
  TRY(reader_open(f->reader, f->path, "souk.features", 1, &f->file));
  TRY(reader_dims(f->reader, f->file, "rows", H5_KIND_F32, 2, dims));
  TRY(reader_dims(f->reader, f->file, "present", H5_KIND_U8, 1, &n));
  if (dims[0] != f->items || n != f->items)
    return fail(ERR_FORMAT, "%s: \"rows\" has %lld items and \"present\" %lld, the vocabulary %d", f->path,
                (long long)dims[0], (long long)n, f->items);
  if (dims[1] < 1 || dims[1] > MOST_FEATURES)
    return fail(ERR_FORMAT, "%s: \"rows\" has %lld columns; 1 to %d are possible", f->path,
                (long long)dims[1], MOST_FEATURES);
  f->width = (int32_t)dims[1];
  TRY(mem_new(&f->rows, (size_t)(dims[0] * dims[1]), sizeof *f->rows, "features of items"));
  TRY(mem_new(&f->present, (size_t)n, sizeof *f->present, "features of items"));
  TRY(reader_rows(f->reader, f->file, "rows", H5_KIND_F32, 2, 0, dims[0], dims[1], f->rows));
  TRY(reader_rows(f->reader, f->file, "present", H5_KIND_U8, 1, 0, n, 1, f->present));
  for (int32_t i = 0; i < f->items; i++) TRY(check_row(f, i));
  return OK;
}

// The rows in the order of the vocabulary that the data set is read in.
static status translate(features_file *f) {
  const vocab *v = dataset_vocab(f->d);
  const int32_t items = vocab_end(v, RANGE_ITEMS) - vocab_begin(v, RANGE_ITEMS);
  const size_t width = (size_t)f->width;
  int32_t *stored = NULL;
  float *rows = NULL;
  uint8_t *present = NULL;
  status rc;
  if (dataset_token_as(f->d) == NULL) return OK;
  TRY_GOTO(dataset_stored_items(f->d, &stored), done);
  TRY_GOTO(mem_new(&rows, (size_t)items * width, sizeof *rows, "features of items"), done);
  TRY_GOTO(mem_new(&present, (size_t)items, sizeof *present, "features of items"), done);
  for (int32_t i = 0; i < items; i++) {
    if (stored[i] < 0) continue;
    present[i] = f->present[stored[i]];
    memcpy(rows + (size_t)i * width, f->rows + (size_t)stored[i] * width, width * sizeof *rows);
  }
  free(f->rows);
  free(f->present);
  f->rows = rows;
  f->present = present;
  f->items = items;
  rows = NULL;
  present = NULL;
done:
  free(stored);
  free(rows);
  free(present);
  return rc;
}

static status read_features(features_file *f, item_features **out) {
  TRY(path_join(f->path, sizeof f->path, dataset_dir(f->d), "features.h5"));
  TRY(reader_start(&f->reader));
  TRY(read_arrays(f));
  TRY(translate(f));
  TRY(mem_new(out, 1, sizeof **out, "features of items"));
  **out = (item_features){f->items, f->width, f->rows, f->present};
  return OK;
}

status dataset_item_features(dataset *d, const item_features **out) {
  item_data *have = dataset_item_data(d);
  *out = have->features;
  if (have->features != NULL || !dataset_lists(d, "features.h5")) return OK;
  features_file f = {.d = d};
  const status rc = read_features(&f, &have->features);
  reader_stop(f.reader);
  if (rc != OK) {
    free(f.rows);
    free(f.present);
  }
  *out = have->features;
  return rc;
}

void item_features_free(item_features *f) {
  if (f == NULL) return;
  free((void *)(uintptr_t)f->rows);
  free((void *)(uintptr_t)f->present);
  free(f);
}

status item_features_write(const item_features *f, const char *path, int deflate) {
  const h5_array arrays[] = {{"rows", H5_KIND_F32, f->items, f->width, f->rows},
                             {"present", H5_KIND_U8, f->items, 0, f->present}};
  return h5_write_arrays(path, "souk.features", arrays, 2, deflate);
}
