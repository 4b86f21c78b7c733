// Strings to dense ids in order of first appearance.
#ifndef SOUK_PREPARE_INTERN_H
#define SOUK_PREPARE_INTERN_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

typedef struct intern intern;
status intern_new(intern **out);
void intern_free(intern *t);                                 // NULL is safe
void intern_clear(intern *t);                                // forgets all, keeps its memory
status intern_add(intern *t, const char *text, int32_t *id); // finds or adds
int32_t intern_find(const intern *t, const char *text);      // -1: not there; several threads may ask at once
const char *intern_text(const intern *t, int32_t id);        // valid until the next intern_add
size_t intern_length(const intern *t, int32_t id);           // bytes of the text, without its NUL
int32_t intern_count(const intern *t);
size_t intern_bytes(const intern *t); // of memory

// The hash that it goes by: FNV-1a, mixed. The order of the users in a data set follows from it (event_store.h).
uint64_t name_hash(const char *text, size_t bytes);
// intern_add for who knows the length and the hash already.
status intern_add_hashed(intern *t, const char *text, size_t bytes, uint64_t hash, int32_t *id);
// Asks the processor to fetch what looking a hash up will read: its slot, and later the text behind it.
void intern_prefetch(const intern *t, uint64_t hash);
void intern_prefetch_text(const intern *t, uint64_t hash);

#endif
