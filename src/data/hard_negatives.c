// Lists of hard negatives; see hard_negatives.h.
#include "data/hard_negatives.h"

#include <stdlib.h>
#include "base/memory.h"
#include "data/dataset_internal.h"
#include "hdf5/h5_arrays.h"

enum { MOST_EACH = 4096 };

status hard_negatives_new(hard_negatives **out, int64_t sequences, int32_t each) {
  const size_t n = (size_t)sequences * (size_t)each;
  *out = NULL;
  hard_negatives *h;
  TRY(mem_new(&h, 1, sizeof *h, "hard negatives"));
  h->sequences = sequences;
  h->each = each;
  const status rc = mem_new(&h->items, n, sizeof *h->items, "hard negatives");
  if (rc != OK) {
    free(h);
    return rc;
  }
  for (size_t i = 0; i < n; i++) h->items[i] = -1;
  *out = h;
  return OK;
}

void hard_negatives_free(hard_negatives *h) {
  if (h == NULL) return;
  free(h->items);
  free(h);
}

int32_t hard_negatives_count(const hard_negatives *h, int64_t history) {
  int32_t n = 0;
  while (n < h->each && h->items[history * h->each + n] >= 0) n++;
  return n;
}

void dataset_set_hard_negatives(dataset *d, hard_negatives *h) {
  item_data *have = dataset_item_data(d);
  hard_negatives_free(have->hard);
  have->hard = h;
}

// ---- the file ------------------------------------------------------------------------------------------------

status hard_negatives_write(const hard_negatives *h, const char *path) {
  const h5_array arrays[] = {{"items", H5_KIND_I32, h->sequences, h->each, h->items},
                             {"step", H5_KIND_I64, 1, 0, &h->step}};
  return h5_write_arrays(path, "souk.mined", arrays, 2, 1);
}

static status check_items(const hard_negatives *h, const char *path, const vocab *v) {
  const int32_t first = vocab_begin(v, RANGE_ITEMS), end = vocab_end(v, RANGE_ITEMS);
  for (int64_t i = 0; i < h->sequences; i++) {
    const int32_t *list = h->items + i * h->each, n = hard_negatives_count(h, i);
    for (int32_t k = 0; k < h->each; k++)
      if (k < n ? list[k] < first || list[k] >= end : list[k] != -1)
        return fail(ERR_FORMAT, "%s: \"items\" of history %lld holds %d, which is no item", path,
                    (long long)i, list[k]);
  }
  return h->step > 0 ? OK : fail(ERR_FORMAT, "%s: \"step\" is %lld", path, (long long)h->step);
}

static status read_lists(h5_reader *r, hard_negatives **out, const char *path, dataset *d) {
  const int64_t sequences = dataset_get_info(d)->sequences;
  int64_t dims[2], steps;
  int32_t file;
  TRY(reader_open(r, path, "souk.mined", 1, &file));
  TRY(reader_dims(r, file, "items", H5_KIND_I32, 2, dims));
  TRY(reader_dims(r, file, "step", H5_KIND_I64, 1, &steps));
  if (dims[0] != sequences || dims[1] < 1 || dims[1] > MOST_EACH || steps != 1)
    return fail(
        ERR_FORMAT,
        "%s: \"items\" is %lld x %lld and \"step\" has %lld elements; of this data set it is %lld x 1 "
        "to %d, and has one",
        path, (long long)dims[0], (long long)dims[1], (long long)steps, (long long)sequences, MOST_EACH);
  TRY(hard_negatives_new(out, dims[0], (int32_t)dims[1]));
  hard_negatives *h = *out;
  TRY(reader_rows(r, file, "items", H5_KIND_I32, 2, 0, dims[0], dims[1], h->items));
  TRY(reader_rows(r, file, "step", H5_KIND_I64, 1, 0, 1, 1, &h->step));
  return check_items(h, path, dataset_vocab(d));
}

status hard_negatives_read(hard_negatives **out, const char *path, dataset *d) {
  h5_reader *r;
  *out = NULL;
  TRY(reader_start(&r));
  const status rc = read_lists(r, out, path, d);
  reader_stop(r);
  if (rc == OK) return OK;
  hard_negatives_free(*out);
  *out = NULL;
  return rc;
}
