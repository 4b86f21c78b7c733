// HDF5 files, read by a process of their own.
//
// libhdf5 is not proof against malice, nor against every damage: a few flipped bytes can make it divide by
// zero or follow a wild pointer. A checksum in a manifest shows damage, not malice, since whoever made the file made
// the manifest too. So no HDF5 file is parsed by the process that trains: a child (base/child.h) opens the files and
// sends numbers. When it dies, the next call says so in a sentence that names the file.
//
// The child reads only what Souk itself writes: datasets of numbers, stored in the file itself, reached
// through groups without links, with no filters but shuffle, deflate and fletcher32. Sizes that come from it
// are compared with the file's, so that no allocation here is out of proportion to what is on disk.
#ifndef SOUK_HDF5_H5_READER_H
#define SOUK_HDF5_H5_READER_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

typedef enum h5_kind { H5_KIND_U8, H5_KIND_I32, H5_KIND_I64, H5_KIND_F32, H5_KINDS } h5_kind;

typedef struct h5_reader h5_reader;

// Starts the child. Best done before much memory is in use: while the child lives, every page that is written to is
// copied.
status reader_start(h5_reader **out);
void reader_stop(h5_reader *r); // NULL is safe

// Bytes that the child takes while it reads a column of so many rows, written by h5_write.
double reader_memory(double rows, size_t bytes_each);

// The rest may be called by several threads; calls wait for each other.

// Opens a file until the reader stops, and checks its attributes "schema" and "version" (schema "": a file of somebody else's,
// which has none). Files are numbered from 0.
status reader_open(h5_reader *r, const char *path, const char *schema, int64_t version, int32_t *file);
// Dimensions of a dataset, ERR_FORMAT unless it is there with `ndim` (1 or 2) dimensions and elements of this
// kind.
status reader_dims(h5_reader *r, int32_t file, const char *name, h5_kind kind, int ndim, int64_t dims[]);
// Rows [first, first + rows) of a dataset of `ndim` dimensions with `columns` elements a row (1 where it has
// one) into data.
status reader_rows(h5_reader *r, int32_t file, const char *name, h5_kind kind, int ndim, int64_t first,
                   int64_t rows, int64_t columns, void *data);

#endif
