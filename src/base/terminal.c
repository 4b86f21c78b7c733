// Width of terminals and texts; see terminal.h.
#include "base/terminal.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <utf8proc.h>

enum { USUAL_COLUMNS = 80, MOST_COLUMNS = 4096 };

int terminal_columns(int fd) {
  struct winsize size = {0};
  int columns =
      ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0; // 0: a serial line, or a container without -t
  const char *text = getenv("COLUMNS");
  const long said = text != NULL ? strtol(text, NULL, 10) : 0;
  if (said > 0 && said <= MOST_COLUMNS && (columns == 0 || said < columns)) columns = (int)said;
  return columns > 0 ? columns : USUAL_COLUMNS;
}

// The character at p: its bytes, and its columns; -1 columns: none that may be printed.
static size_t character(const char *p, int *columns) {
  int32_t c;
  const utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)p, -1, &c);
  const bool control = n > 0 && utf8proc_category(c) == UTF8PROC_CATEGORY_CC;
  *columns = n <= 0 || control ? -1 : utf8proc_charwidth(c);
  return n > 0 ? (size_t)n : 1;
}

int text_columns(const char *text) {
  int total = 0, columns;
  for (const char *p = text; *p != '\0';) {
    p += character(p, &columns);
    total += columns < 0 ? 1 : columns;
  }
  return total;
}

void text_fit(char *text, int columns) {
  int total = 0, wide;
  char *to = text;
  for (const char *p = text; *p != '\0';) {
    const size_t n = character(p, &wide);
    total += wide < 0 ? 1 : wide;
    if (total > columns) break;
    if (wide < 0)
      *to++ = '?';
    else
      memmove(to, p, n), to += n;
    p += n;
  }
  *to = '\0';
}
