// From a checkpoint to a bundle (docs/bundle.md): Hugging Face files that other tools load as they are, and
// what inference needs beside them.
#ifndef SOUK_CONVERT_EXPORT_H
#define SOUK_CONVERT_EXPORT_H

#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"

typedef struct export_result {
  int64_t step;
  int32_t items, dimension;
  uint64_t bytes; // of all files
} export_result;

// Writes the bundle directory beside its place and renames it when whole. `checkpoint`: a checkpoint's
// directory. An existing bundle is replaced only with `force`, and a directory that is no bundle never.
// result may be NULL.
status export_bundle(const char *checkpoint, const char *bundle, bool force, export_result *result);

#endif
