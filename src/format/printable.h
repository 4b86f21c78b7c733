// Text from files that goes to a terminal: names and messages that quote them may hold whatever a file holds, and a
// terminal obeys control characters (it may be told to hide text, or to answer as if somebody had typed).
#ifndef SOUK_FORMAT_PRINTABLE_H
#define SOUK_FORMAT_PRINTABLE_H

#include <stdbool.h>

// Is there a control character at p, in UTF-8: below U+0020, DEL, or U+0080 to U+009F?
bool is_control(const char *p);
// Puts a '?' for each byte of the control characters but those in `keep`. Other UTF-8 stays.
void make_printable(char *text, const char *keep);

#endif
