// Attributes of users; see user_attributes.h.
#include "format/user_attributes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER = 64 };

bool user_attribute_name(const char *name) {
  return name[0] != '\0' && strlen(name) <= USER_ATTRIBUTE_NAME && strchr(name, '=') == NULL;
}

// "user:NAME=" into text; its length, 0: there is no such name.
static size_t prefix_of(char text[USER_ATTRIBUTE_NAME + sizeof USER_ATTRIBUTE + 2], const char *name) {
  if (!user_attribute_name(name)) return 0;
  return (size_t)snprintf(text, USER_ATTRIBUTE_NAME + sizeof USER_ATTRIBUTE + 2, USER_ATTRIBUTE "%s=", name);
}

static bool parse_number(const char *text, size_t bytes, double *x) {
  char copy[NUMBER], *end;
  if (bytes == 0 || bytes >= sizeof copy) return false;
  memcpy(copy, text, bytes);
  copy[bytes] = '\0';
  *x = strtod(copy, &end);
  return *end == '\0' && isfinite(*x);
}

// Is x in the range that the text says? "A..B", "..B", "A.." or "..".
static bool holds(const char *range, double x) {
  const char *dots = strstr(range, "..");
  double least = -INFINITY, below = INFINITY;
  if (dots == NULL) return false;
  const char *rest = dots + 2;
  if (dots > range && !parse_number(range, (size_t)(dots - range), &least)) return false;
  if (*rest != '\0' && !parse_number(rest, strlen(rest), &below)) return false;
  return x >= least && x < below;
}

int32_t user_attribute_find(const vocab *v, const char *name, const char *value, size_t bytes) {
  char text[USER_ATTRIBUTE_NAME + MAX_NAME_BYTES + 16];
  const size_t n = prefix_of(text, name);
  double x;
  if (n == 0 || bytes > MAX_NAME_BYTES) return -1;
  memcpy(text + n, value, bytes);
  const int32_t id = vocab_find_bytes(v, RANGE_ATTRIBUTES, text, n + bytes);
  if (id >= 0 || !parse_number(value, bytes, &x)) return id;
  for (int32_t i = vocab_begin(v, RANGE_ATTRIBUTES); i < vocab_end(v, RANGE_ATTRIBUTES); i++) {
    const char *token = vocab_token(v, i);
    if (strncmp(token, text, n) == 0 && holds(token + n, x)) return i;
  }
  return -1;
}

bool user_attribute_known(const vocab *v, const char *name) {
  char text[USER_ATTRIBUTE_NAME + sizeof USER_ATTRIBUTE + 2];
  const size_t n = prefix_of(text, name);
  if (n == 0) return false;
  for (int32_t i = vocab_begin(v, RANGE_ATTRIBUTES); i < vocab_end(v, RANGE_ATTRIBUTES); i++)
    if (strncmp(vocab_token(v, i), text, n) == 0) return true;
  return false;
}
