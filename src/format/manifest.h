// The list of files that a manifest has, {"files": {NAME: {"bytes": N, "sha256": HEX}}}: what an entry may say, and whether a
// file is the one that is meant. Data sets, checkpoints, bundles and marketplaces are all verified here.
#ifndef SOUK_FORMAT_MANIFEST_H
#define SOUK_FORMAT_MANIFEST_H

#include <stdint.h>
#include "format/format_error.h"

// An entry as it stands in a manifest.
typedef struct manifest_file {
  const char *name;
  int64_t bytes;      // negative: the field is missing or no such number
  const char *sha256; // NULL: the field is missing or no string
} manifest_file;

// May a manifest list this name? Its parts are plain: none leads out of the directory, is hidden or looks like an option.
// Parts are separated by '/' where subfolders are allowed.
bool manifest_name_is_plain(const char *name, bool subfolders);
// Checks an entry before the file is touched. `manifest` is the manifest's path, for messages.
bool manifest_check_entry(const manifest_file *f, bool subfolders, const char *manifest, format_error *e);
// Compares a file, which has `bytes` and the digest `hex` (NULL: not compared), with its entry. `path` is the file's, `manifest`
// what the manifest is called in messages.
bool manifest_check_file(const manifest_file *f, uint64_t bytes, const char *hex, const char *path,
                         const char *manifest, format_error *e);

#endif
