// Arrays for other programs; see array_file.h.
#include "data/array_file.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "hdf5/hdf5_glue.h"
#include "data/vocab.h"

enum { NAME_BLOCK_BYTES = 1 << 20, DEFLATE = 4 }; // names written at a time

struct array_file {
  bool hdf5, begun;
  out_file *f;     // .npy, and the place of the HDF5 file
  out_file *names; // .npy only
  hid_t file;      // HDF5 only; negative: closed
  char path[PATH_MAX], names_path[PATH_MAX + 16], name[64];
  int64_t n, width, at; // of the array at hand
};

static bool has_suffix(const char *path, const char *suffix) {
  const size_t n = strlen(path), m = strlen(suffix);
  return n > m && strcmp(path + n - m, suffix) == 0;
}

// HDF5 goes back and forth in its file.
static status open_hdf5(array_file *f) {
  if (path_is_stream(f->path))
    return fail(ERR_ARGUMENT, "%s is not a regular file, which HDF5 needs; a .npy can be written there",
                f->path);
  TRY(out_open(&f->f, f->path));
  h5_lock();
  const status rc = h5_create_in(&f->file, out_descriptor(f->f), f->path, "souk.vectors", 1);
  h5_unlock();
  if (rc != OK) f->file = -1;
  return rc;
}

status array_open(array_file **out, const char *path) {
  *out = NULL;
  const bool npy = has_suffix(path, ".npy");
  if (!npy && !has_suffix(path, ".h5") && !has_suffix(path, ".hdf5"))
    return fail(ERR_ARGUMENT, "%s: the name must end in .npy, .h5 or .hdf5", path);
  array_file *f;
  TRY(mem_new(&f, 1, sizeof *f, "an array file"));
  f->hdf5 = !npy;
  f->file = -1;
  snprintf(f->path, sizeof f->path, "%s", path);
  snprintf(f->names_path, sizeof f->names_path, "%s.names.tsv", path);
  const status rc = npy ? out_open_data(&f->f, path, f->names_path) : open_hdf5(f);
  if (rc != OK) {
    array_abort(f);
    return rc;
  }
  *out = f;
  return OK;
}

bool array_is_npy(const array_file *f) {
  return !f->hdf5;
}

static status whole(const array_file *f) {
  return f->at == f->n ? OK
                       : fail(ERR_INTERNAL, "%s: array \"%s\" has %lld rows, %lld were announced", f->path,
                              f->name, (long long)f->at, (long long)f->n);
}

// Version 1.0: magic, header size, a Python dictionary, spaces up to a multiple of 64.
static status npy_header(array_file *f) {
  char text[160];
  const int n =
      snprintf(text, sizeof text, "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld, %lld), }",
               (long long)f->n, (long long)f->width);
  const int padded = (10 + n + 1 + 63) / 64 * 64 - 10;
  const unsigned char magic[10] = {
      0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)(padded & 255), (unsigned char)(padded >> 8)};
  TRY(out_write(f->f, magic, sizeof magic));
  return out_printf(f->f, "%s%*s\n", text, padded - n - 1, "");
}

status array_begin(array_file *f, const char *name, int64_t n, int64_t width) {
  TRY(whole(f));
  if (f->begun && !f->hdf5) {
    f->n = f->at = 0;
    return OK;
  }
  f->begun = true;
  snprintf(f->name, sizeof f->name, "%s", name);
  f->n = n;
  f->width = width;
  f->at = 0;
  if (!f->hdf5) return npy_header(f);
  const hsize_t dims[2] = {(hsize_t)n, (hsize_t)width};
  h5_lock();
  const status rc = h5_create_rows(f->file, f->path, name, H5T_IEEE_F32LE, 2, dims, 0); // nothing to gain
  h5_unlock();
  return rc;
}

status array_rows(array_file *f, const float *data, int64_t n) {
  if (!f->hdf5 && f->n == 0) return OK;
  if (f->at + n > f->n) return fail(ERR_INTERNAL, "%s: too many rows for \"%s\"", f->path, f->name);
  f->at += n;
  if (!f->hdf5) return out_write(f->f, data, (size_t)(n * f->width) * sizeof *data);
  h5_lock();
  const status rc =
      h5_write_rows(f->file, f->path, f->name, H5T_NATIVE_FLOAT, (hsize_t)(f->at - n), (hsize_t)n, data);
  h5_unlock();
  return rc;
}

status array_integers(array_file *f, const char *name, const int64_t *data, int64_t n) {
  if (!f->hdf5) return OK;
  const hsize_t dims[1] = {(hsize_t)n};
  h5_lock();
  const status rc = h5_write(f->file, f->path, name, H5T_STD_I64LE, 1, dims, data, DEFLATE);
  h5_unlock();
  return rc;
}

// ---- names ---------------------------------------------------------------------------------------------------

static status names_to_text(array_file *f, int64_t n, array_name get, void *self) {
  if (f->names != NULL) return OK; // of the first array
  TRY(out_open_names(&f->names, f->names_path, f->f));
  for (int64_t i = 0; i < n; i++) {
    const char *name;
    TRY(get(self, i, &name));
    TRY(vocab_escape(f->names, name));
    TRY(out_write(f->names, "\n", 1));
  }
  return OK;
}

static status write_block(array_file *f, const char *set, hid_t type, char *block, size_t width,
                          int64_t first, int64_t n, array_name get, void *self) {
  memset(block, 0, width * (size_t)n);
  for (int64_t i = 0; i < n; i++) {
    const char *name;
    TRY(get(self, first + i, &name));
    memcpy(block + (size_t)i * width, name, strnlen(name, width));
  }
  h5_lock();
  const status rc = h5_write_rows(f->file, f->path, set, type, (hsize_t)first, (hsize_t)n, block);
  h5_unlock();
  return rc;
}

static status names_to_hdf5(array_file *f, const char *set, int64_t n, array_name get, void *self) {
  size_t width = 1;
  for (int64_t i = 0; i < n; i++) {
    const char *name;
    TRY(get(self, i, &name));
    if (strlen(name) > MAX_NAME_BYTES)
      return fail(ERR_ARGUMENT,
                  "%s: name %lld of \"%s\" has %zu bytes, and more than %d are not written to HDF5; a .npy "
                  "has names of "
                  "any length beside it",
                  f->path, (long long)i, set, strlen(name), MAX_NAME_BYTES);
    if (strlen(name) > width) width = strlen(name);
  }
  const hsize_t dims[1] = {(hsize_t)n};
  const int64_t step = (int64_t)(NAME_BLOCK_BYTES / width + 1);
  char *block;
  TRY(mem_new(&block, (size_t)step, width, "a block of names"));
  h5_lock();
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, width);
  H5Tset_strpad(type, H5T_STR_NULLPAD);
  H5Tset_cset(type, H5T_CSET_UTF8);
  status rc = h5_create_rows(f->file, f->path, set, type, 1, dims, DEFLATE);
  h5_unlock();
  for (int64_t i = 0; rc == OK && i < n; i += step)
    rc = write_block(f, set, type, block, width, i, n - i < step ? n - i : step, get, self);
  h5_lock();
  H5Tclose(type);
  h5_unlock();
  free(block);
  return rc;
}

status array_names(array_file *f, const char *name, int64_t n, array_name get, void *self) {
  return f->hdf5 ? names_to_hdf5(f, name, n, get, self) : names_to_text(f, n, get, self);
}

// ---- the end -------------------------------------------------------------------------------------------------

static status close_hdf5(array_file *f, status rc) {
  if (f->file < 0) return rc;
  h5_lock();
  rc = h5_finish(f->file, f->path, rc);
  h5_unlock();
  f->file = -1;
  return rc;
}

status array_commit(array_file *f) {
  status rc = close_hdf5(f, whole(f));
  out_file *const file = f->f, *const names = f->names;
  if (rc == OK) {
    f->f = f->names = NULL;
    rc = f->hdf5 ? out_commit(file) : out_commit_pair(file, names, f->names_path);
  }
  array_abort(f);
  return rc;
}

void array_abort(array_file *f) {
  if (f == NULL) return;
  close_hdf5(f, OK);
  out_abort(f->names);
  out_abort(f->f);
  free(f);
}
