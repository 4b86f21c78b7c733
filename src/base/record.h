// Structs with an option table (options.h) as json objects: one table says what is written and what is read.
//
// Files outlive the program that wrote them, in both directions. A field that an older program did not write has its
// option's default. A field that this program does not know is an error (ERR_UNSUPPORTED: nothing is damaged) that says
// which version wrote it: left out, it would change what the file means. Choices are written by name; an unknown name is the
// same error.
#ifndef SOUK_BASE_RECORD_H
#define SOUK_BASE_RECORD_H

#include <jansson.h>
#include "base/options.h"

typedef struct record_source { // for messages
  const char *path;
  const char *writer; // what the file's "created_by" says; NULL: nothing
} record_source;

// An object with the fields of some sections over one file's object; new. NULL: no memory, or a text that is not UTF-8.
json_t *record_write(const option_section *parts, size_t n);

typedef struct record_rules {
  const record_source *from;
  const char *const *required; // fields that have no default; ends with NULL, or is NULL
  const char *const *others;   // fields that the caller reads by itself; likewise
} record_rules;
// Fills the targets, checking types and ranges. A choice may also be its number, as souk 0.1.0 wrote it. Sentences call a
// field PREFIX.NAME by the prefix of its section, so that of parts[0] should be where the object lies in its file.
status record_read(const option_section *parts, size_t n, const json_t *j, const record_rules *rules);

// For objects that are read by hand: fails at the first field that is not among the names (which end with NULL). prefix: of
// the field in the sentence, "data" say; "": none.
status record_check_names(const json_t *j, const char *prefix, const char *const *names,
                          const record_source *from);

#endif
