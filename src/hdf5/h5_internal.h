// The messages between the process that reads HDF5 files (h5_serve.c) and the one that uses their contents
// (h5_reader.c).
//
// Every request is answered by replies. OPEN: one. DIMS: one, with the dimensions. ROWS: one before each piece of
// `bytes`, until all rows are sent. A reply with an error is the last, and is followed by `bytes` of text.
#ifndef SOUK_HDF5_H5_INTERNAL_H
#define SOUK_HDF5_H5_INTERNAL_H

#include <limits.h>
#include <stdint.h>
#include "hdf5/h5_reader.h"

enum { REQUEST_OPEN = 1, REQUEST_DIMS, REQUEST_ROWS };
enum { READER_NAME = 256, READER_SCHEMA = 32 };
enum { KIND_BYTES_MOST = 8 };

typedef struct reader_request {
  int32_t what, file, kind, ndim;
  int64_t version, first, rows, columns;
  char name[READER_NAME], schema[READER_SCHEMA], path[PATH_MAX];
} reader_request;

typedef struct reader_reply {
  int32_t rc; // a status
  uint32_t bytes;
  uint64_t dims[2];
} reader_reply;

static inline size_t kind_bytes(int32_t kind) {
  return kind == H5_KIND_U8 ? 1 : kind == H5_KIND_I64 ? 8 : 4;
}

// Serves requests until the channel closes.
void h5_serve(void *self, int channel);

#endif
