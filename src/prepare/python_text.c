// Strings as Python writes them: in single or double quotes, with its escapes. What \x and octal digits name are characters,
// as in Python 3.
#include <string.h>
#include "format/json_text.h"
#include "format/utf8.h"
#include "prepare/log_internal.h"

static bool put(char **to, uint32_t code) {
  if (code == 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
  *to = utf8_put(*to, code);
  return true;
}

// \u with four digits, and the second half of a pair behind the first, as Python 2 wrote characters beyond U+FFFF.
static bool escape_u(const char **at, const char *end, char **to) {
  uint32_t code, low;
  if (!hex_digits(at, end, 4, &code)) return false;
  if (code < 0xD800 || code >= 0xDC00) return put(to, code);
  if (end - *at < 2 || (*at)[0] != '\\' || (*at)[1] != 'u') return false;
  *at += 2;
  if (!hex_digits(at, end, 4, &low) || low < 0xDC00 || low >= 0xE000) return false;
  return put(to, 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00));
}

static bool octal(const char **at, const char *end, char **to) {
  uint32_t code = 0;
  for (int i = 0; i < 3 && *at < end && **at >= '0' && **at <= '7'; i++)
    code = 8 * code + (uint32_t)(*(*at)++ - '0');
  return put(to, code);
}

// Behind the backslash.
static bool escape(const char **at, const char *end, char **to) {
  static const char from[] = "\\'\"abfnrtv", is[] = "\\'\"\a\b\f\n\r\t\v";
  uint32_t code;
  if (*at == end) return false;
  const char c = **at;
  const char *place = c != '\0' ? strchr(from, c) : NULL;
  if (c >= '0' && c <= '7') return octal(at, end, to);
  ++*at;
  if (place != NULL) {
    *(*to)++ = is[place - from];
    return true;
  }
  if (c == 'x') return hex_digits(at, end, 2, &code) && put(to, code);
  if (c == 'u') return escape_u(at, end, to);
  if (c == 'U') return hex_digits(at, end, 8, &code) && put(to, code);
  if (c == 'N') return false;
  *(*to)++ = '\\'; // not an escape: Python keeps both
  *(*to)++ = c;
  return true;
}

bool python_text(char **at, const char *end, char **text, size_t *bytes) {
  char *const start = *at + 1, *to = start;
  const char quote = **at, *p = start;
  while (p < end && *p != quote) {
    if (*p == '\n') return false;
    if (*p != '\\') {
      *to++ = *p++;
      continue;
    }
    p++;
    if (!escape(&p, end, &to)) return false;
  }
  if (p == end) return false;
  *text = start;
  *bytes = (size_t)(to - start);
  *at += p - *at + 1;
  return true;
}
