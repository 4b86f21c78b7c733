// Formats of files that Souk does not read: what they are, told by their beginning, and which command turns them into text that it
// does read. docs/formats.md lists them.
#ifndef SOUK_BASE_FOREIGN_FORMATS_H
#define SOUK_BASE_FOREIGN_FORMATS_H

#include <stddef.h>
#include "base/status.h"

// So many bytes are enough: tar's mark is at byte 257, and the names in a zip archive say whether it is a spreadsheet.
enum { FOREIGN_HEAD = 512 };

typedef struct foreign_file {
  const char *name;   // for the sentence
  const char *path;   // for the command; NULL: it has none that could be given to another program
  const char *packed; // the compression that the bytes were under; NULL: none
} foreign_file;
// OK if this may be text, else ERR_UNSUPPORTED with a sentence.
status foreign_formats_check(const unsigned char *head, size_t n, const foreign_file *file);

#endif
