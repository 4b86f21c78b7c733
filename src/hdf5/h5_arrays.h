// A file of whole arrays: what is written of a data set or a model in one go.
#ifndef SOUK_HDF5_H5_ARRAYS_H
#define SOUK_HDF5_H5_ARRAYS_H

#include <stdint.h>
#include "base/status.h"
#include "hdf5/h5_reader.h"

typedef struct h5_array {
  const char *name;
  h5_kind kind;
  int64_t rows, columns; // columns 0: one dimension
  const void *data;      // [rows] or [rows, columns]; may be NULL when rows is 0
} h5_array;

// Writes a new file with these n arrays, little-endian, and syncs it; deflate as h5_write has it. Takes HDF5's lock.
// ERR_IO: it exists, or cannot be written.
status h5_write_arrays(const char *path, const char *schema, const h5_array *arrays, int n, int deflate);
// Lists that lie one behind the other in an array of `end` elements: offsets [n + 1] go from 0 to `end` and never fall, and no list
// has more than INT32_MAX elements. Else ERR_FORMAT, which names the file and the array.
status h5_check_offsets(const char *path, const char *name, const int64_t *offsets, int64_t n, int64_t end);

#endif
