// The "files" of a manifest: every file beside it with its size and SHA-256. See format/manifest.h.
#ifndef SOUK_BASE_FILE_LIST_H
#define SOUK_BASE_FILE_LIST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"

// Lists the finished file DIR/NAME in `files`, an object. *bytes (may be NULL) gets its size.
status file_list_add(json_t *files, const char *dir, const char *name, uint64_t *bytes);

typedef struct file_list_check {
  const char *dir, *manifest; // the manifest's path, for messages
  bool subfolders;            // names may have them
  bool contents;              // sizes and checksums are compared, not only what the entries say
} file_list_check;

// Checks all that `files` lists: an error names the first file that is not as it says. NULL, or something else than an
// object, is an error as well.
status file_list_verify(const json_t *files, const file_list_check *c);

#endif
