// Dense features of items, out of an array of another program's with a list of names beside it.
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "data/item_features.h"
#include "data/npy_reader.h"
#include "hdf5/h5_reader.h"
#include "prepare/prepare_internal.h"

enum { LONGEST_NAME = 1 << 20 };

typedef struct feature_job {
  prepare_job *job;
  const vocab *v;
  const char *path;          // of the array
  char names[PATH_MAX + 16]; // of its rows
  float *given;              // [n, width] as they are in the file
  int64_t n, width;
  float *rows; // [items_kept, width]
  uint8_t *present;
} feature_job;

static bool is_hdf5(const char *path) {
  const char *dot = strrchr(path, '.');
  return dot != NULL && (strcmp(dot, ".h5") == 0 || strcmp(dot, ".hdf5") == 0);
}

// ---- the array -----------------------------------------------------------------------------------------------

// A header may say anything.
static status check_size(const feature_job *f) {
  if (f->width > MOST_FEATURES)
    return fail(ERR_FORMAT, "%s: features of %lld elements; %d is the most", f->path, (long long)f->width,
                MOST_FEATURES);
  return f->n <= INT32_MAX ? OK
                           : fail(ERR_FORMAT, "%s: features of %lld items; %d is the most", f->path,
                                  (long long)f->n, INT32_MAX);
}

static status read_npy(feature_job *f) {
  npy_file npy;
  status rc;
  TRY_GOTO(npy_open(&npy, f->path), done);
  f->n = npy.rows;
  f->width = npy.columns;
  TRY_GOTO(check_size(f), done);
  TRY_GOTO(mem_new(&f->given, (size_t)(f->n * f->width), sizeof *f->given, "features of items"), done);
  rc = npy_values(&npy, f->given);
done:
  npy_close(&npy);
  return rc;
}

static status read_array(feature_job *f, h5_reader *r) {
  const char *name = f->job->c->input.features_array;
  int32_t file;
  int64_t dims[2];
  TRY(reader_open(r, f->path, "", 0, &file));
  TRY(reader_dims(r, file, name, H5_KIND_F32, 2, dims));
  f->n = dims[0];
  f->width = dims[1];
  if (f->width < 1) return fail(ERR_FORMAT, "%s: dataset \"%s\" has no columns", f->path, name);
  TRY(check_size(f));
  TRY(mem_new(&f->given, (size_t)(f->n * f->width), sizeof *f->given, "features of items"));
  TRY(reader_rows(r, file, name, H5_KIND_F32, 2, 0, f->n, f->width, f->given));
  for (int64_t i = 0; i < f->n * f->width; i++)
    if (!isfinite(f->given[i]))
      return fail(ERR_NONFINITE, "%s: row %lld, column %lld is not finite", f->path,
                  (long long)(i / f->width), (long long)(i % f->width));
  return OK;
}

static status read_hdf5(feature_job *f) {
  h5_reader *r;
  TRY(reader_start(&r));
  const status rc = read_array(f, r);
  reader_stop(r);
  return rc;
}

// ---- rows by name --------------------------------------------------------------------------------------------

static status take_row(feature_job *f, char *name, int64_t line) {
  feature_counts *count = &f->job->features;
  if (!vocab_unescape(name))
    return fail(ERR_FORMAT, "%s line %lld: the name has an unknown escape", f->names, (long long)line);
  const int32_t id = vocab_find(f->v, RANGE_ITEMS, name);
  if (id < 0) {
    count->unknown++;
    return OK;
  }
  const size_t row = (size_t)(id - vocab_begin(f->v, RANGE_ITEMS)), width = (size_t)f->width;
  count->repeated += f->present[row] != 0;
  if (f->present[row] != 0) return OK; // the first row counts
  f->present[row] = 1;
  memcpy(f->rows + row * width, f->given + (size_t)(line - 1) * width, width * sizeof *f->rows);
  return OK;
}

static status read_names(feature_job *f, line_reader *lines) {
  for (int64_t n = 0;; n++) {
    char *line;
    size_t bytes;
    bool end;
    TRY(lines_next(lines, &line, &bytes, &end));
    if (end && n == f->n) return OK;
    if (end || n == f->n)
      return fail(ERR_FORMAT, "%s has %s names than %s has rows (%lld)", f->names, end ? "fewer" : "more",
                  f->path, (long long)f->n);
    TRY(take_row(f, line, n + 1));
  }
}

static status name_rows(feature_job *f) {
  const char *given = f->job->c->input.features_names;
  line_reader *lines;
  if (given[0] != '\0')
    snprintf(f->names, sizeof f->names, "%s", given);
  else
    snprintf(f->names, sizeof f->names, "%s.names.tsv", f->path);
  status rc = lines_open(&lines, f->names, LONGEST_NAME);
  if (rc != OK) return fail_prefix(rc, "the names of the rows of %s (input.features_names)", f->path);
  rc = read_names(f, lines);
  lines_close(lines);
  return rc;
}

static status warn_of_features(feature_job *f) {
  feature_counts *count = &f->job->features;
  count->rows = f->n;
  count->width = f->width;
  count->missing = f->job->items_kept;
  for (int64_t i = 0; i < f->job->items_kept; i++) count->missing -= f->present[i];
  if (count->missing == f->job->items_kept)
    return fail(ERR_ARGUMENT, "%s: none of its names is an item of the data set (line 1 of %s has the first)",
                f->path, f->names);
  return OK;
}

// ---- the whole -----------------------------------------------------------------------------------------------

static status make_features(feature_job *f) {
  const size_t items = (size_t)f->job->items_kept;
  TRY(is_hdf5(f->path) ? read_hdf5(f) : read_npy(f));
  TRY(mem_new(&f->rows, items * (size_t)f->width, sizeof *f->rows, "features of items"));
  TRY(mem_new(&f->present, items, sizeof *f->present, "features of items"));
  TRY(name_rows(f));
  return warn_of_features(f);
}

status write_item_features(prepare_job *job, dataset_writer *w, const vocab *v) {
  char path[PATH_MAX + 64];
  if (job->c->input.features[0] == '\0') return OK;
  feature_job f = {.job = job, .v = v, .path = job->c->input.features};
  status rc;
  TRY_GOTO(make_features(&f), done);
  TRY_GOTO(writer_path(w, "features.h5", path, sizeof path), done);
  const item_features all = {(int32_t)job->items_kept, (int32_t)f.width, f.rows, f.present};
  TRY_GOTO(item_features_write(&all, path, (int)job->c->output.deflate), done);
  rc = writer_list(w, "features.h5");
done:
  free(f.given);
  free(f.rows);
  free(f.present);
  return rc;
}
