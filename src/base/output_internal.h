// What file.c and output.c share.
#ifndef SOUK_BASE_OUTPUT_INTERNAL_H
#define SOUK_BASE_OUTPUT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include "base/status.h"
#include "format/target.h"

// All bytes to a descriptor; false with errno set when that fails.
bool write_fully(int fd, const char *data, size_t bytes);
// Classifies a path, and opens it if it is a stream. Prints a line when that has to wait for a reader.
status find_target(target *to, const char *path);
status open_stream(const target *to, const char *path, int *fd);

#endif
