// Which encoding a text has that is not UTF-8: a hint for people, never used by itself.
#ifndef SOUK_BASE_ENCODING_GUESS_H
#define SOUK_BASE_ENCODING_GUESS_H

#include <stddef.h>

// A name that --encoding takes, by which these bytes would be plausible text: "GB18030", "Big5", "Shift_JIS", "EUC-JP", "EUC-KR",
// "windows-1251", "windows-1252", "latin-1". NULL: no idea.
const char *encoding_guess(const unsigned char *text, size_t n);
// The same for the lines of a file that are not UTF-8. Reads some of its beginning; NULL also if all of that is UTF-8, and for
// what can be read only once.
const char *encoding_guess_file(const char *path);

#endif
