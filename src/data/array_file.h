// Vectors and the names of their rows, in files that others read: .npy (numpy, FAISS) or HDF5 (h5py). The
// file's name says which: .npy, or .h5 or .hdf5.
//
// HDF5 files hold named float32 arrays [n, width] and arrays of names (UTF-8, fixed length, at most MAX_NAME_BYTES,
// padded with zeros), with the attribute schema = "souk.vectors". A .npy file holds one array, so only the first one
// begun is written to it; its names go, one a line and escaped as in vocab.tsv, to FILE.names.tsv; without
// names such a file goes, as it would belong to other vectors. Whole or not there, like all files, and never one without
// the other's fitting (docs/formats.md, "Files in pairs").
#ifndef SOUK_DATA_ARRAY_FILE_H
#define SOUK_DATA_ARRAY_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"

typedef struct array_file array_file;

status array_open(array_file **out, const char *path);
bool array_is_npy(const array_file *f);
// Begins a float32 array of n rows, then appends rows to it.
status array_begin(array_file *f, const char *name, int64_t n, int64_t width);
status array_rows(array_file *f, const float *data, int64_t n);
// Int64 values beside it; nothing in a .npy file.
status array_integers(array_file *f, const char *name, const int64_t *data, int64_t n);
// Names of the rows; get() returns the i-th, valid until it is asked for the next. Rewinds: asked twice for
// all.
typedef status (*array_name)(void *self, int64_t i, const char **name);
status array_names(array_file *f, const char *name, int64_t n, array_name get, void *self);
// ERR_INTERNAL unless as many rows were given as were promised. Frees f in every case.
status array_commit(array_file *f);
void array_abort(array_file *f); // NULL is safe

#endif
