// What file.c and output.c share.
#ifndef SOUK_BASE_OUTPUT_INTERNAL_H
#define SOUK_BASE_OUTPUT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

// All bytes to a descriptor; false with errno set when that fails.
bool write_fully(int fd, const char *data, size_t bytes);

#endif
