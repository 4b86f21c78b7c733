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

// jansson does not survive a lack of memory well: it may report a syntax error instead, leave a key out, or free what is
// not its own. mem_json_watch (called by main, before any json) routes its memory through here, where a reserve of
// forty blocks steps in when there is none, enough to come to an end; mem_json_failed tells whether even that was used up
// on this thread since the last time it was asked.
void mem_json_watch(void);
bool mem_json_failed(void);

// Resident peak of this process in bytes (VmHWM), and what is resident now (VmRSS); 0 if unknown.
size_t mem_peak_bytes(void);
size_t mem_now_bytes(void);
// Blocks of a megabyte and more are given back to the system when they are freed, for good: by default the C library
// raises that bound as it goes, and what a process holds is then no longer the sum of what it uses.
void mem_return_large(void);

#endif
