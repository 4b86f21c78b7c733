// Attributes of users; see user_attributes.h.
#include "format/user_attributes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "format/jtree.h"

enum { NUMBER = 64 };

bool user_attribute_name(const char *name) {
  return name[0] != '\0' && strlen(name) <= USER_ATTRIBUTE_NAME && strchr(name, '=') == NULL;
}

// "user:NAME=" into text; its length, 0: there is no such name.
static size_t prefix_of(char text[USER_ATTRIBUTE_NAME + sizeof USER_ATTRIBUTE + 2], const char *name) {
  if (!user_attribute_name(name)) return 0;
  return (size_t)snprintf(text, USER_ATTRIBUTE_NAME + sizeof USER_ATTRIBUTE + 2, USER_ATTRIBUTE "%s=", name);
}

bool user_attribute_number(const char *value, size_t bytes, double *x) {
  return bytes < NUMBER && jtree_decimal(value, bytes, x);
}

bool user_attribute_range(const char *value, double *least, double *below) {
  const char *dots = strstr(value, "..");
  *least = -INFINITY;
  *below = INFINITY;
  if (dots == NULL) return false;
  const char *rest = dots + 2;
  if (dots > value && !user_attribute_number(value, (size_t)(dots - value), least)) return false;
  return *rest == '\0' || user_attribute_number(rest, strlen(rest), below);
}

int32_t user_attribute_value(const vocab *v, const char *name, const char *value, size_t bytes) {
  char text[USER_ATTRIBUTE_NAME + MAX_NAME_BYTES + 16];
  const size_t n = prefix_of(text, name);
  if (n == 0 || bytes > MAX_NAME_BYTES) return -1;
  memcpy(text + n, value, bytes);
  return vocab_find_bytes(v, RANGE_ATTRIBUTES, text, n + bytes);
}
