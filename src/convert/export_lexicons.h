// The lexicons that a bundle carries, by which its copy is written.
#ifndef SOUK_CONVERT_EXPORT_LEXICONS_H
#define SOUK_CONVERT_EXPORT_LEXICONS_H

#include <stdbool.h>
#include "base/status.h"

enum { LEXICON_FILES = 2 };
extern const char *const lexicon_files[LEXICON_FILES]; // lexicon-en.txt, lexicon-zh.txt

// Copies those that the folder `from` has into the folder `bundle`, once they have been read as lexicons; copied[i]: it has file i. An error if it
// has neither, or one of them is no lexicon.
status export_lexicons(const char *from, const char *bundle, bool copied[LEXICON_FILES]);

#endif
