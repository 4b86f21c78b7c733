// Checked allocation and arenas.
#ifndef SOUK_BASE_MEMORY_H
#define SOUK_BASE_MEMORY_H

#include <stddef.h>
#include "base/status.h"

// Allocates count * size bytes, zeroed, 64-byte aligned; overflow-checked; `what` names it in the error.
// *out is NULL after an error. Freed with free(). count == 0 gives a valid pointer to at least 64 bytes.
status mem_new(void *out, size_t count, size_t size, const char *what);

// Grows *array (heap, elements of `size` bytes, capacity *cap) to hold at least `need` elements.
// New elements are not zeroed. Start with NULL and 0. Freed with free().
status mem_grow(void *array, size_t *cap, size_t need, size_t size, const char *what);

// Copies a string; freed with free().
status mem_strdup(char **out, const char *text);
status mem_strndup(char **out, const char *text, size_t bytes);

// Resident peak of this process in bytes (VmHWM); 0 if unknown.
size_t mem_peak_bytes(void);

#endif
