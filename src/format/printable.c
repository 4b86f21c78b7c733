// Text for terminals; see printable.h.
#include "format/printable.h"

#include <stdio.h>
#include <string.h>
#include "format/utf8.h"

bool is_control(const char *text, size_t left, uint32_t *code) {
  const unsigned char *s = (const unsigned char *)text;
  const size_t n = utf8_length(text, left);
  if (n == 0 || n > 3) return false;
  const uint32_t c = n == 1   ? s[0]
                     : n == 2 ? (uint32_t)(s[0] & 0x1F) << 6 | (s[1] & 0x3F)
                              : (uint32_t)(s[0] & 0x0F) << 12 | (uint32_t)(s[1] & 0x3F) << 6 | (s[2] & 0x3F);
  *code = c;
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

// Writes what is shown for the n bytes at text, a character, or a byte that begins none (n = 0); returns its bytes.
static size_t show_character(char to[16], const char *text, size_t n, const char *keep) {
  uint32_t c;
  if (n == 0) return (size_t)snprintf(to, 16, "\\x%02x", (unsigned)(unsigned char)*text);
  if (!is_control(text, n, &c) || (n == 1 && strchr(keep, *text) != NULL)) {
    memcpy(to, text, n);
    return n;
  }
  return (size_t)snprintf(to, 16, c < 0x80 ? "\\x%02x" : "\\u%04x", (unsigned)c);
}

const char *printable(char *to, size_t room, const char *text, const char *keep) {
  size_t used = 0;
  for (size_t left = strlen(text); left > 0;) {
    char shown[16];
    const size_t n = utf8_length(text, left), bytes = show_character(shown, text, n, keep);
    if (used + bytes >= room) break;
    memcpy(to + used, shown, bytes);
    used += bytes;
    text += n > 0 ? n : 1;
    left -= n > 0 ? n : 1;
  }
  if (room > 0) to[used] = '\0';
  return to;
}
