// Strings of json; see json_text.h.
#include "format/json_text.h"

#include <string.h>
#include "format/utf8.h"

bool hex_digits(const char **at, const char *end, int count, uint32_t *value) {
  *value = 0;
  for (; count > 0; count--, ++*at) {
    if (*at == end) return false;
    const char c = **at;
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return false;
    *value = *value << 4 | (uint32_t)digit;
  }
  return true;
}

static const char *hex4(const char **at, const char *end, uint32_t *value) {
  if (end - *at < 4) return "a \\u escape is cut short";
  return hex_digits(at, end, 4, value) ? NULL : "a \\u escape needs four hexadecimal digits";
}

// Behind the backslash.
static const char *escape(const char **at, const char *end, char **to) {
  static const char from[] = "\"\\/bfnrt", is[] = "\"\\/\b\f\n\r\t";
  if (*at == end) return "a string does not end";
  const char c = *(*at)++;
  const char *place = c != '\0' ? strchr(from, c) : NULL;
  if (place != NULL) {
    *(*to)++ = is[place - from];
    return NULL;
  }
  if (c != 'u') return "unknown escape in a string";
  uint32_t code, low;
  const char *why = hex4(at, end, &code);
  if (why != NULL) return why;
  if (code >= 0xDC00 && code < 0xE000) return "half of a surrogate pair";
  if (code >= 0xD800 && code < 0xDC00) {
    if (end - *at < 2 || (*at)[0] != '\\' || (*at)[1] != 'u') return "half of a surrogate pair";
    *at += 2;
    why = hex4(at, end, &low);
    if (why != NULL) return why;
    if (low < 0xDC00 || low >= 0xE000) return "half of a surrogate pair";
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  if (code == 0) return "a string contains a NUL";
  *to = utf8_put(*to, code);
  return NULL;
}

// Text that stays as it is: ASCII without quotes, backslashes and control characters.
static bool is_plain(unsigned char c) {
  return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

const char *json_decode(const char **at, const char *end, char **to) {
  const char *p = *at + 1, *why = NULL; // locals, which writing text does not change
  char *out = *to;
  for (;;) {
    while (p < end && is_plain((unsigned char)*p)) *out++ = *p++;
    if (p == end) {
      why = "a string does not end";
    } else if (*p == '"') {
      break;
    } else if (*p == '\\') {
      p++;
      why = escape(&p, end, &out);
    } else if ((unsigned char)*p < 0x20) {
      why = "a control character in a string";
    } else { // one UTF-8 sequence of two to four bytes
      const size_t n = utf8_length(p, (size_t)(end - p));
      if (n == 0) why = "not valid UTF-8";
      memmove(out, p, n);
      out += n;
      p += n;
    }
    if (why != NULL) break;
  }
  *at = p + (why == NULL);
  *to = out;
  return why;
}
