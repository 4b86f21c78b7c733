// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing beyond U+10FFFF.
#ifndef SOUK_FORMAT_UTF8_H
#define SOUK_FORMAT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes of the character at text, of which `left` bytes can be read: 1 to 4; 0: none begins there, or it is cut short.
size_t utf8_length(const char *text, size_t left);
// The character at text, of which `left` bytes can be read, at least one; *bytes gets its length. What is not UTF-8 is U+FFFD for
// each longest piece that could begin a character, or else for a byte, as Unicode recommends and Python's errors="replace" does.
uint32_t utf8_next(const char *text, size_t left, size_t *bytes);
// Is a NUL-terminated text valid?
bool utf8_valid(const char *text);
bool utf8_valid_bytes(const char *text, size_t bytes);
// Is it all below U+0080?
bool utf8_is_ascii(const char *text, size_t bytes);
// The longest beginning of text[0, bytes) of at most `most` bytes that does not end inside a character.
size_t utf8_cut(const char *text, size_t bytes, size_t most);
// Writes the character c, at most U+10FFFF, and returns the end of its 1 to 4 bytes.
char *utf8_put(char *to, uint32_t c);

#endif
