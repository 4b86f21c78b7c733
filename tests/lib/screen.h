// A small terminal for tests: what is on the screen after a program has written to it. It knows line feeds, carriage
// returns, erasing to the end of the line, and characters of one or two columns, and folds lines as terminals do.
#ifndef TESTS_LIB_SCREEN_H
#define TESTS_LIB_SCREEN_H

#include <stddef.h>

enum { SCREEN_ROWS = 64, SCREEN_COLUMNS = 256 };

typedef struct screen {
  int columns, row, column;
  char cells[SCREEN_ROWS][SCREEN_COLUMNS][8]; // a character's UTF-8; "" where nothing stands
  int width[SCREEN_ROWS];                     // columns in use
} screen;

void screen_start(screen *s, int columns);
void screen_feed(screen *s, const char *bytes, size_t n);
// Resizes the window: the line with the cursor is wrapped again, as VTE, kitty and others do.
void screen_resize(screen *s, int columns);
// The text of a row, without blanks at its end; valid until the next call.
const char *screen_row(const screen *s, int row);

#endif
