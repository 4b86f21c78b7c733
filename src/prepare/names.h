// The bound on names, so that one user's bytes do not cost others: names are kept in memory, in tables of fixed width, and
// in messages. And what is odd about names that are taken.
#ifndef SOUK_PREPARE_NAMES_H
#define SOUK_PREPARE_NAMES_H

#include <stdint.h>
#include <stddef.h>

typedef enum name_kind {
  NAME_USER,
  NAME_ITEM,
  NAME_SESSION,
  NAME_EVENT,
  NAME_CATEGORY,
  NAME_BRAND
} name_kind;

// The reason to reject a row with such a name, a constant; NULL: it is short enough. At most MAX_NAME_BYTES of
// format/vocabulary.h; event types, which stand in fixed fields, at most EVENT_NAME - 1 of data/dataset.h.
const char *name_too_long(name_kind kind, size_t bytes);

// Rows whose name has blanks before or behind it, which are part of it: a mistake of whoever wrote the log, perhaps.
typedef struct padded_names {
  int64_t rows, line; // how many, and the first of them
} padded_names;

#endif
