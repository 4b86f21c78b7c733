// Strings to dense ids in order of first appearance.
#ifndef SOUK_PREPARE_INTERN_H
#define SOUK_PREPARE_INTERN_H

#include <stdint.h>
#include "base/status.h"

typedef struct intern intern;
status intern_new(intern **out);
void intern_free(intern *t);                                 // NULL is safe
void intern_clear(intern *t);                                // forgets all, keeps its memory
status intern_add(intern *t, const char *text, int32_t *id); // finds or adds
int32_t intern_find(const intern *t, const char *text);      // -1: not there
const char *intern_text(const intern *t, int32_t id);        // valid until the next intern_add
int32_t intern_count(const intern *t);
uint64_t name_hash(const char *text); // the hash it goes by: FNV-1a, mixed

#endif
