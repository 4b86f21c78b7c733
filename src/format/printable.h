// Text from files and command lines that goes to a terminal: names, and messages that quote them, may hold whatever a file
// holds, and a terminal obeys control characters (it may be told to hide text, or to answer as if somebody had typed).
// Each of them is written as an escape that can be read: \x1b, \u0085, \u202e; a byte that is no UTF-8: \xff.
#ifndef SOUK_FORMAT_PRINTABLE_H
#define SOUK_FORMAT_PRINTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Is there a control character at text, in UTF-8: below U+0020, DEL, U+0080 to U+009F, or one that ends the line or turns
// the direction of writing for what follows (U+2028 to U+202E, U+2066 to U+2069)? `left` bytes can be read; *code gets which one it is.
bool is_control(const char *text, size_t left, uint32_t *code);
// Writes the text, escaped but for the control characters in `keep`, into to [room], with a NUL; what does not fit is left
// out, whole characters of it. Returns `to`. The two may not overlap.
const char *printable(char *to, size_t room, const char *text, const char *keep);

#endif
