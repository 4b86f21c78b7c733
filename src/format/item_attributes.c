// Attributes of an item as one text; see item_attributes.h.
#include "format/item_attributes.h"

#include <string.h>

size_t item_attribute_write(char *to, bool first, const char *name, size_t name_bytes, const char *value,
                            size_t bytes) {
  char *at = to;
  if (!first) *at++ = '*';
  memcpy(at, name, name_bytes);
  at += name_bytes;
  *at++ = '#';
  memcpy(at, value, bytes);
  return (size_t)(at - to) + bytes;
}

void item_attributes_words(char *text, size_t bytes) {
  for (size_t i = 0; i < bytes; i++)
    if (text[i] == '#' || text[i] == '*') text[i] = ' ';
}
