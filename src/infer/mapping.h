// Files mapped for reading. Only regular files reached without a symbolic link are.
#ifndef SOUK_INFER_MAPPING_H
#define SOUK_INFER_MAPPING_H

#include <stdbool.h>
#include "infer/errors.h"

typedef struct mapping {
  const char *data; // [bytes]; valid (but nothing to read) when bytes is 0
  size_t bytes;
  void *address; // what is mapped, NULL: nothing
} mapping;

// Maps NAME inside the directory open as `dir`; `where` is the directory's path for messages.
souk_status mapping_open(mapping *m, int dir, const char *where, const char *name, souk_error *e);
void mapping_close(mapping *m); // zeroed is fine

#endif
