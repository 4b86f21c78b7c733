// Text for terminals; see printable.h.
#include "format/printable.h"

#include <string.h>

bool is_control(const char *p) {
  const unsigned char c = (unsigned char)p[0];
  if (c == 0xC2) return (unsigned char)p[1] >= 0x80 && (unsigned char)p[1] < 0xA0;
  return (c > 0 && c < 0x20) || c == 0x7f;
}

void make_printable(char *text, const char *keep) {
  for (char *p = text; *p != '\0'; p++) {
    if (!is_control(p) || strchr(keep, *p) != NULL) continue;
    if ((unsigned char)*p == 0xC2) *p++ = '?';
    *p = '?';
  }
}
