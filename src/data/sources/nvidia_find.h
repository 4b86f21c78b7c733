// Where NVIDIA's shards are: the HDF5 files (.hdf5, .h5) of a directory, or else those of the folders in it.
#ifndef SOUK_DATA_SOURCES_NVIDIA_FIND_H
#define SOUK_DATA_SOURCES_NVIDIA_FIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

typedef struct shard_files {
  char **names; // [n], sorted; of files in folders with the folders: "train/part_0.hdf5"
  size_t cap;
  int32_t n;
  int32_t left_out; // files that are not for training, where others say that they are
  bool in_folders;
} shard_files;

// Looks into dir and, if no shards are there, into its folders, four levels deep; never into hidden ones or what Souk has
// written, and at no more than 100,000 names. If names contain "training", or their folders are called train, the others
// are left out. No shards at all: n is 0.
status shard_files_find(shard_files *out, const char *dir);
void shard_files_free(shard_files *f);
// Says on the log how many shards are where, unless they simply lie in dir.
void shard_files_tell(const shard_files *f, const char *dir);
// Bytes of the longest folder, without a slash at its end, that holds all of them: 0, dir itself.
size_t shard_files_common(const shard_files *f);

#endif
