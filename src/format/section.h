// A section of a file of settings, which may be hostile: a json object of which every field must be known and as it should be.
#ifndef SOUK_FORMAT_SECTION_H
#define SOUK_FORMAT_SECTION_H

#include "format/format_error.h"
#include "format/jtree.h"

typedef struct section {
  const jtree *tree;
  const char *path, *name; // of the file; of the section, which stands before its fields' names in messages
  format_error *e;
} section;

// PATH: field "NAME.FIELD" must be WANTED. Returns false.
bool section_bad(const section *s, const char *field, const char *wanted);
// False, with a message, if an object of the section has a field that is not among `names` (NULL at their end). prefix: where the
// object stands in the section, "" or "PLACE.".
bool section_known(const section *s, const jnode *object, const char *const *names, const char *prefix);

#endif
