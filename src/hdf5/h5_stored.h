// How a dataset of somebody's file is stored: what the two processes that read HDF5 (h5_serve.c, nvidia_parse.c) look at
// before they let the library read it. They hold no lock, see there.
#ifndef SOUK_HDF5_H5_STORED_H
#define SOUK_HDF5_H5_STORED_H

#include <hdf5.h>
#include <stdbool.h>
#include "base/status.h"

enum { H5_CHUNK_BYTES_MOST = 256 << 20, DEFLATE_RATIO = 1100 }; // a byte of deflate gives at most 1032

// Which filters a dataset may be stored through.
typedef enum h5_filters {
  H5_FILTERS_OURS, // shuffle, deflate, fletcher32
  H5_FILTERS_ANY, // all that the library can undo: its own, lzf (h5_lzf.h), and those of plugins in HDF5_PLUGIN_PATH
} h5_filters;

// Is every link on the way to the dataset `name` a hard link? Soft links may lead nowhere, external ones into other files.
status h5_check_way(hid_t file, const char *path, const char *name);
// Is an open dataset of `ndim` dimensions (1 or 2) and elements of `bytes_each` stored in the file itself, in chunks of a
// bearable size and through filters that may be? *chunk_rows (may be NULL): rows of a chunk, 1 without chunks.
status h5_check_stored(hid_t set, const char *path, const char *name, int ndim, size_t bytes_each,
                       h5_filters filters, hsize_t *chunk_rows);
// The process gets at most `more_bytes` of memory beside what it has, and cannot write files.
void h5_limit_process(unsigned long long more_bytes);

#endif
