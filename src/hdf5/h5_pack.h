// Chunks of HDF5 datasets, compressed outside of HDF5, on any thread and without its lock: the bytes that its filters
// shuffle and deflate make, from libdeflate.
#ifndef SOUK_HDF5_H5_PACK_H
#define SOUK_HDF5_H5_PACK_H

#include <hdf5.h>
#include <stdbool.h>
#include <stddef.h>
#include "base/status.h"

typedef struct h5_chunk {
  void *data; // heap
  size_t bytes;
  bool deflated; // no: shuffled alone, because deflate made it no smaller
} h5_chunk;

// Packs raw [elements * width bytes]; level from 1.
status h5_pack(const void *raw, size_t elements, size_t width, int level, h5_chunk *out);

// Writes a dataset of one dimension from its chunks, which have H5_CHUNK elements each, or all of its `n` if those are fewer.
// The caller holds HDF5's lock.
status h5_write_chunks(hid_t file, const char *path, const char *name, hid_t type, hsize_t n,
                       const h5_chunk *chunks, size_t count, int level);

#endif
