// Damaged and hostile bundles: a copy of a good one with one thing changed, which opening must refuse with a sentence.
#ifndef SOUK_TESTS_HOSTILE_H
#define SOUK_TESTS_HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include "souk/infer.h"

typedef enum change {
  SET,      // souk.json or config.json: the field at `where` (a path with slashes) becomes the json `with`
  DELETE,   // or goes
  HEADER,   // the same in the header of a safetensors file
  UNHEADER, // or goes from there
  REPLACE,  // the first `where` in the file becomes `with`, of any length
  WHOLE,    // the file becomes `with`
  APPEND,   // `with` is added to the file
  CUT,      // the file keeps its first atoi(with) bytes
  NUMBER,   // its first eight bytes become the number `with`, little-endian
  FLOAT,    // the float number atoi(where) of the data of a safetensors file gets the bits `with`
  ELEMENT,  // the same where `where` is TENSOR/NUMBER: of four bytes, from the tensor's first on
  LINK,     // the file becomes a symbolic link to the good one
  DIRECTORY,
  PIPE,
  ABSENT,
} change;

typedef struct hostile {
  const char *file;
  change change;
  const char *where, *with;
  bool keep_checksums; // souk.json stays as it was
  souk_status code;
  const char *says; // part of the sentence
} hostile;

// The bundle in `good` is copied to `evil`, a directory of which nothing is kept, and changed there. Both names stay the caller's.
void hostile_of(const char *good, const char *evil);
void hostile_copy(void);              // all of it, anew
void hostile_apply(const hostile *h); // one change of the copy
void hostile_agree(
    void); // the copy's souk.json has the sizes and checksums of its files, where it can still be read
// Copies, changes and opens the bundle for each case, with checksums and without: it is refused with the code and the sentence.
void hostile_all(const hostile *cases, size_t n);

// DIR/NAME, until the fourth call after this one.
const char *hostile_path(const char *dir, const char *name);
// Sets the field at `where` (a path with slashes) of a json file to the json `with`; NULL: deletes it.
void hostile_json(const char *path, const char *where, const char *with);
// Number of the first four bytes of a tensor in the data of a file of the good bundle, for FLOAT.
int hostile_first(const char *file, const char *tensor);

#endif
