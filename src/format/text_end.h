// How a text ends.
#ifndef SOUK_FORMAT_TEXT_END_H
#define SOUK_FORMAT_TEXT_END_H

#include <stdbool.h>
#include <string.h>

static inline bool text_ends_with(const char *text, const char *end) {
  const size_t n = strlen(text), m = strlen(end);
  return n >= m && strcmp(text + n - m, end) == 0;
}

#endif
