// Checked allocation and arenas.
#ifndef SOUK_BASE_MEMORY_H
#define SOUK_BASE_MEMORY_H

#include <stdbool.h>
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

// jansson does not handle a failed allocation well: it may report a syntax error instead, drop a key, or free memory
// that is not its own. mem_json_watch (called by main, before any json) makes it allocate here. When an allocation
// fails, it gets one of forty reserved blocks, enough to finish its work. mem_json_failed tells whether even the
// reserve was not enough, on this thread since the last call.
void mem_json_watch(void);
bool mem_json_failed(void);

// Resident peak of this process in bytes (VmHWM), and what is resident now (VmRSS); 0 if unknown.
size_t mem_peak_bytes(void);
size_t mem_now_bytes(void);
// Makes free() return blocks of a megabyte and more to the system. By default the C library raises this threshold
// while the program runs, and the process then holds more memory than it uses.
void mem_return_large(void);

#endif
