// How wide the terminal is, and how wide a text is on it.
#ifndef SOUK_BASE_TERMINAL_H
#define SOUK_BASE_TERMINAL_H

#include <stddef.h>

// Columns of the terminal behind descriptor fd, as it is now: a window may be resized at any time, so ask each time.
// The variable COLUMNS can make it less. 80 if it is unknown.
int terminal_columns(int fd);
// Columns that a UTF-8 text takes: 2 for a Chinese character, 0 for an accent that joins the letter before it.
int text_columns(const char *text);
// Cuts the text in place to at most that many columns, never through a character. Control characters, and bytes that
// are no UTF-8, become '?', so that a name from a file cannot move the cursor.
void text_fit(char *text, int columns);

#endif
