// Names of the items: texts in one block, counts, and an index from name to number. Read from vocab.tsv.
#ifndef SOUK_INFER_NAMES_H
#define SOUK_INFER_NAMES_H

#include <stdint.h>
#include "infer/errors.h"

typedef struct names {
  int32_t count;
  const char **texts; // [count]
  int64_t *counts;    // [count] training occurrences
  char *block;        // all texts
  uint32_t *slots;    // [n_slots] number + 1, 0 empty; n_slots is a power of two
  uint64_t n_slots, seed;
  size_t bytes; // allocated
} names;

// Parses vocab.tsv (data [bytes]; `path` for messages): `size` lines, of which [first, size) are the items.
souk_status names_read(names *n, const char *data, size_t bytes, int32_t first, int32_t size,
                       const char *path, souk_error *e);
void names_free(names *n);                                          // zeroed is fine
int32_t names_find(const names *n, const char *text, size_t bytes); // -1: none

#endif
