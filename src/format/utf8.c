// UTF-8; see utf8.h.
#include "format/utf8.h"

#include <string.h>

size_t utf8_length(const char *text, size_t left) {
  const unsigned char *s = (const unsigned char *)text;
  if (left == 0) return 0;
  if (s[0] < 0x80) return 1;
  const size_t n = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
  if (s[0] < 0xC2 || s[0] > 0xF4 || left < n) return 0;
  for (size_t i = 1; i < n; i++)
    if ((s[i] & 0xC0) != 0x80) return 0;
  // Overlong forms, surrogates, and what lies beyond U+10FFFF.
  const bool bad = (s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] >= 0xA0) ||
                   (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] >= 0x90);
  return bad ? 0 : n;
}

uint32_t utf8_next(const char *text, size_t left, size_t *bytes) {
  const unsigned char *s = (const unsigned char *)text;
  const unsigned char a = s[0];
  *bytes = 1;
  if (a < 0x80) return a;
  if (a < 0xC2 || a > 0xF4) return 0xFFFD;
  const size_t n = a >= 0xF0 ? 4 : a >= 0xE0 ? 3 : 2;
  uint32_t c = a & (0x7Fu >> n);
  for (size_t i = 1; i < n; i++) {
    // The second byte has bounds of its own: overlong forms, surrogates, and what lies beyond U+10FFFF.
    const unsigned char low = i > 1 ? 0x80 : a == 0xE0 ? 0xA0 : a == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = i > 1 ? 0xBF : a == 0xED ? 0x9F : a == 0xF4 ? 0x8F : 0xBF;
    if (i == left || s[i] < low || s[i] > high) return 0xFFFD;
    c = c << 6 | (s[i] & 0x3F);
    *bytes = i + 1;
  }
  return c;
}

bool utf8_is_ascii(const char *text, size_t bytes) {
  uint64_t any = 0, word;
  size_t i = 0;
  for (; i + 8 <= bytes; i += 8) {
    memcpy(&word, text + i, 8);
    any |= word;
  }
  for (; i < bytes; i++) any |= (unsigned char)text[i];
  return (any & UINT64_C(0x8080808080808080)) == 0;
}

bool utf8_valid_bytes(const char *text, size_t bytes) {
  const uint64_t high = UINT64_C(0x8080808080808080);
  for (size_t i = 0, n; i < bytes; i += n) {
    uint64_t word;
    if (bytes - i >= 8 && (memcpy(&word, text + i, 8), (word & high) == 0)) {
      n = 8;
      continue;
    }
    n = utf8_length(text + i, bytes - i);
    if (n == 0) return false;
  }
  return true;
}

bool utf8_valid(const char *text) {
  return utf8_valid_bytes(text, strlen(text));
}

size_t utf8_cut(const char *text, size_t bytes, size_t most) {
  if (bytes <= most) return bytes;
  while (most > 0 && ((unsigned char)text[most] & 0xC0) == 0x80) most--;
  return most;
}

char *utf8_put(char *to, uint32_t c) {
  if (c < 0x80) {
    *to++ = (char)c;
    return to;
  }
  const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3; // bytes that follow the first
  *to++ = (char)((0xFF00 >> (more + 1) & 0xFF) | c >> 6 * more);
  for (int i = more - 1; i >= 0; i--) *to++ = (char)(0x80 | (c >> 6 * i & 0x3F));
  return to;
}
