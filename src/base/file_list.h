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
// object, is an error as well. Always refused are symbolic links out of the directory (docs/security.md): the directory
// itself may be reached through any.
status file_list_verify(const json_t *files, const file_list_check *c);

// Copies the listed file FROM->DIR/NAME to TO_DIR/NAME, as what an output takes over from a directory must be: in that
// directory, and with the size and checksum of its manifest. ERR_NOT_FOUND: it is not listed, or not there. After an error
// there is no copy.
status file_list_copy(const json_t *files, const file_list_check *from, const char *name, const char *to_dir);

#endif
