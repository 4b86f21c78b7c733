// Rows of copy; see copy_rows.h.
#include "data/copy_rows.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include "base/file.h"
#include "base/memory.h"
#include "data/dataset_internal.h"
#include "hdf5/h5_arrays.h"

const char *const copy_part_names[COPY_PARTS] = {"train", "valid", "test"};

typedef struct copy_file {
  const dataset *d;
  char path[PATH_MAX];
  h5_reader *reader;
  int32_t file;
  copy_rows *r;
} copy_file;

// ---- the arrays ----------------------------------------------------------------------------------------------

// A whole dataset of one dimension; wanted: how many elements, negative: any number.
static status read_set(const copy_file *f, const char *name, h5_kind kind, size_t bytes_each, int64_t wanted,
                       void *out, int64_t *n) {
  TRY(reader_dims(f->reader, f->file, name, kind, 1, n));
  if (wanted >= 0 && *n != wanted)
    return fail(ERR_FORMAT, "%s: \"%s\" has %lld elements, not %lld", f->path, name, (long long)*n,
                (long long)wanted);
  TRY(mem_new(out, (size_t)*n, bytes_each, "rows of copy"));
  return reader_rows(f->reader, f->file, name, kind, 1, 0, *n, 1, *(void **)out);
}

static status read_lists(const copy_file *f, const char *offsets, const char *tokens, copy_lists *l) {
  int64_t n, all;
  TRY(read_set(f, offsets, H5_KIND_I64, sizeof *l->offsets, f->r->n + 1, &l->offsets, &n));
  TRY(read_set(f, tokens, H5_KIND_I32, sizeof *l->tokens, -1, &l->tokens, &all));
  return h5_check_offsets(f->path, offsets, l->offsets, f->r->n, all);
}

static status read_arrays(copy_file *f) {
  copy_rows *r = f->r;
  int64_t n;
  TRY(read_set(f, "part", H5_KIND_U8, sizeof *r->part, -1, &r->part, &r->n));
  TRY(read_set(f, "user", H5_KIND_I64, sizeof *r->user, r->n, &r->user, &n));
  TRY(read_set(f, "time", H5_KIND_I64, sizeof *r->time, r->n, &r->time, &n));
  TRY(read_set(f, "item", H5_KIND_I32, sizeof *r->item, r->n, &r->item, &n));
  TRY(read_lists(f, "context_offsets", "context", &r->context));
  TRY(read_lists(f, "text_offsets", "text", &r->text));
  TRY(read_lists(f, "copy_offsets", "copy", &r->copy));
  TRY(read_set(f, "weights", H5_KIND_U8, sizeof *r->weights, r->copy.offsets[r->n], &r->weights, &n));
  TRY(read_set(f, "cut", H5_KIND_U8, sizeof *r->cut, r->n, &r->cut, &n));
  TRY(read_set(f, "click", H5_KIND_U8, sizeof *r->click, r->n, &r->click, &n));
  TRY(read_set(f, "propensity", H5_KIND_F32, sizeof *r->propensity, r->n, &r->propensity, &n));
  return read_set(f, "style", H5_KIND_I32, sizeof *r->style, r->n, &r->style, &n);
}

// ---- their values --------------------------------------------------------------------------------------------

static status check_lists(const copy_file *f, const char *what, const copy_lists *l) {
  const int32_t *end = dataset_stored(f->d)->range_end;
  for (int64_t i = 0; i < f->r->n; i++)
    for (int64_t k = l->offsets[i]; k < l->offsets[i + 1]; k++) {
      const int32_t t = l->tokens[k];
      if (t != TOKEN_UNK && (t < end[RANGE_SPECIAL] || t >= end[RANGE_ATTRIBUTES]))
        return fail(ERR_FORMAT, "%s: \"%s\" of row %lld has %d, which is no word and no attribute", f->path,
                    what, (long long)i, t);
    }
  return OK;
}

static const char *fault_of(const copy_file *f, int64_t i) {
  const copy_rows *r = f->r;
  const int32_t *end = dataset_stored(f->d)->range_end;
  if (r->part[i] >= COPY_PARTS) return "part";
  if (r->user[i] < -1 || r->user[i] >= dataset_get_info(f->d)->sequences) return "user";
  if (r->item[i] != -1 && (r->item[i] < end[RANGE_ATTRIBUTES] || r->item[i] >= end[RANGE_ITEMS]))
    return "item";
  if (r->copy.offsets[i] == r->copy.offsets[i + 1]) return "copy";
  if (r->copy.offsets[i + 1] - r->copy.offsets[i] >= COPY_LONGEST) return "copy";
  if (r->cut[i] > 1) return "cut";
  if (r->click[i] > 1 && r->click[i] != COPY_NO_CLICK) return "click";
  if (!(r->propensity[i] >= 0 && r->propensity[i] <= 1)) return "propensity";
  return r->style[i] < -1 ? "style" : NULL;
}

static status check_values(const copy_file *f) {
  const copy_rows *r = f->r;
  TRY(check_lists(f, "context", &r->context));
  TRY(check_lists(f, "text", &r->text));
  TRY(check_lists(f, "copy", &r->copy));
  for (int64_t i = 0; i < r->n; i++) {
    const char *fault = fault_of(f, i);
    if (fault != NULL)
      return fail(ERR_FORMAT, "%s: \"%s\" of row %lld is out of range", f->path, fault, (long long)i);
  }
  for (int64_t k = 0; k < r->copy.offsets[r->n]; k++)
    if (r->weights[k] > 1)
      return fail(ERR_FORMAT, "%s: \"weights\" at %lld is neither 0 nor 1", f->path, (long long)k);
  return OK;
}

// In the vocabulary that the data set is read in.
static void translate(const copy_file *f) {
  const int32_t *as = dataset_token_as(f->d);
  copy_rows *r = f->r;
  copy_lists *const lists[] = {&r->context, &r->text, &r->copy};
  if (as == NULL) return;
  for (size_t k = 0; k < sizeof lists / sizeof *lists; k++)
    for (int64_t i = 0; i < lists[k]->offsets[r->n]; i++) lists[k]->tokens[i] = as[lists[k]->tokens[i]];
  for (int64_t i = 0; i < r->n; i++) {
    if (r->item[i] >= 0) r->item[i] = as[r->item[i]];
    if (r->item[i] == TOKEN_UNK) r->item[i] = -1;
  }
}

static status read_rows(copy_file *f) {
  TRY(path_join(f->path, sizeof f->path, dataset_dir(f->d), "copy.h5"));
  TRY(reader_start(&f->reader));
  TRY(reader_open(f->reader, f->path, "souk.copy", 1, &f->file));
  TRY(read_arrays(f));
  TRY(check_values(f));
  translate(f);
  return OK;
}

status dataset_copy(dataset *d, const copy_rows **out) {
  item_data *have = dataset_item_data(d);
  *out = have->copy;
  if (have->copy != NULL || !dataset_lists(d, "copy.h5")) return OK;
  copy_file f = {.d = d};
  TRY(mem_new(&f.r, 1, sizeof *f.r, "rows of copy"));
  const status rc = read_rows(&f);
  reader_stop(f.reader);
  if (rc == OK) {
    *out = have->copy = f.r;
    return OK;
  }
  copy_rows_free(f.r);
  free(f.r);
  return rc;
}

// ---- the rest ------------------------------------------------------------------------------------------------

void copy_rows_free(copy_rows *r) {
  if (r == NULL) return;
  void *const arrays[] = {
      r->part,           r->user,         r->time,        r->item,         r->context.offsets,
      r->context.tokens, r->text.offsets, r->text.tokens, r->copy.offsets, r->copy.tokens,
      r->weights,        r->click,        r->propensity,  r->style,        r->cut};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
  *r = (copy_rows){.n = 0};
}

double copy_rows_bytes(const copy_rows *r) {
  if (r == NULL) return 0;
  const double each = 3 * sizeof *r->context.offsets + sizeof *r->part + sizeof *r->user + sizeof *r->time +
                      sizeof *r->item + sizeof *r->cut + sizeof *r->click + sizeof *r->propensity +
                      sizeof *r->style;
  return (double)r->n * each +
         (double)(r->context.offsets[r->n] + r->text.offsets[r->n]) * sizeof *r->text.tokens +
         (double)r->copy.offsets[r->n] * (sizeof *r->copy.tokens + sizeof *r->weights);
}

int64_t copy_rows_count(const copy_rows *r, copy_part part) {
  int64_t n = 0;
  for (int64_t i = 0; i < r->n; i++) n += r->part[i] == part;
  return n;
}

const int32_t *copy_list(const copy_lists *l, int64_t i, int32_t *n) {
  *n = (int32_t)(l->offsets[i + 1] - l->offsets[i]);
  return l->tokens + l->offsets[i];
}

int32_t copy_longest(const copy_rows *r, const copy_lists *l) {
  int32_t longest = 0, n;
  for (int64_t i = 0; i < r->n; i++) {
    copy_list(l, i, &n);
    if (n > longest) longest = n;
  }
  return longest;
}

status copy_rows_write(const copy_rows *r, const char *path, int deflate) {
  const int64_t n = r->n, tokens = r->copy.offsets[n];
  const h5_array arrays[] = {
      {"part", H5_KIND_U8, n, 0, r->part},
      {"user", H5_KIND_I64, n, 0, r->user},
      {"time", H5_KIND_I64, n, 0, r->time},
      {"item", H5_KIND_I32, n, 0, r->item},
      {"context_offsets", H5_KIND_I64, n + 1, 0, r->context.offsets},
      {"context", H5_KIND_I32, r->context.offsets[n], 0, r->context.tokens},
      {"text_offsets", H5_KIND_I64, n + 1, 0, r->text.offsets},
      {"text", H5_KIND_I32, r->text.offsets[n], 0, r->text.tokens},
      {"copy_offsets", H5_KIND_I64, n + 1, 0, r->copy.offsets},
      {"copy", H5_KIND_I32, tokens, 0, r->copy.tokens},
      {"weights", H5_KIND_U8, tokens, 0, r->weights},
      {"cut", H5_KIND_U8, n, 0, r->cut},
      {"click", H5_KIND_U8, n, 0, r->click},
      {"propensity", H5_KIND_F32, n, 0, r->propensity},
      {"style", H5_KIND_I32, n, 0, r->style},
  };
  return h5_write_arrays(path, "souk.copy", arrays, sizeof arrays / sizeof *arrays, deflate);
}
