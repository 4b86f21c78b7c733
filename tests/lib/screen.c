// A terminal for tests; see screen.h.
#include "lib/screen.h"

#include <string.h>
#include <utf8proc.h>

void screen_start(screen *s, int columns) {
  memset(s, 0, sizeof *s);
  s->columns = columns;
}

static void next_row(screen *s) {
  if (s->row + 1 < SCREEN_ROWS) s->row++;
}

static void put(screen *s, const char *p, size_t n, int width) {
  if (s->column + width > s->columns) { // a full line goes on in the next
    next_row(s);
    s->column = 0;
  }
  memset(s->cells[s->row][s->column], 0, 8);
  memcpy(s->cells[s->row][s->column], p, n);
  for (int i = 1; i < width; i++) s->cells[s->row][s->column + i][0] = '\0';
  s->column += width;
  if (s->column > s->width[s->row]) s->width[s->row] = s->column;
}

void screen_feed(screen *s, const char *bytes, size_t n) {
  for (size_t i = 0; i < n;) {
    int32_t c;
    if (bytes[i] == '\r') {
      s->column = 0;
      i++;
    } else if (bytes[i] == '\n') {
      next_row(s);
      i++;
    } else if (n - i >= 3 && memcmp(bytes + i, "\033[K", 3) == 0) {
      if (s->column < s->width[s->row]) s->width[s->row] = s->column;
      i += 3;
    } else {
      const utf8proc_ssize_t size =
          utf8proc_iterate((const utf8proc_uint8_t *)bytes + i, (utf8proc_ssize_t)(n - i), &c);
      put(s, size > 0 ? bytes + i : "?", size > 0 ? (size_t)size : 1, size > 0 ? utf8proc_charwidth(c) : 1);
      i += size > 0 ? (size_t)size : 1;
    }
  }
}

void screen_resize(screen *s, int columns) {
  char line[SCREEN_COLUMNS][8];
  const int n = s->width[s->row];
  memcpy(line, s->cells[s->row], sizeof line);
  s->width[s->row] = s->column = 0;
  s->columns = columns;
  for (int i = 0; i < n; i++)
    if (line[i][0] != '\0') screen_feed(s, line[i], strlen(line[i]));
}

const char *screen_row(const screen *s, int row) {
  static char text[SCREEN_COLUMNS * 4 + 1];
  size_t used = 0;
  for (int i = 0; i < s->width[row]; i++) {
    const size_t n = strlen(s->cells[row][i]);
    memcpy(text + used, s->cells[row][i], n);
    used += n;
  }
  while (used > 0 && text[used - 1] == ' ') used--;
  text[used] = '\0';
  return text;
}
