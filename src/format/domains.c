// Domains of items; see domains.h.
#include "format/domains.h"

#include <string.h>

bool vocab_has_domains(const vocab *v) {
  for (int32_t i = vocab_begin(v, RANGE_ATTRIBUTES); i < vocab_end(v, RANGE_ATTRIBUTES); i++)
    if (strncmp(vocab_token(v, i), DOMAIN_ATTRIBUTE, sizeof DOMAIN_ATTRIBUTE - 1) == 0) return true;
  return false;
}

int32_t domain_of_item(const vocab *v, int32_t item) {
  char text[sizeof DOMAIN_ATTRIBUTE + DOMAIN_BYTES] = DOMAIN_ATTRIBUTE;
  const size_t prefix = sizeof DOMAIN_ATTRIBUTE - 1;
  const char *name = vocab_token(v, item), *slash = strchr(name, '/');
  if (slash == NULL || !domain_name(name, (size_t)(slash - name))) return -1;
  memcpy(text + prefix, name, (size_t)(slash - name));
  return vocab_find_bytes(v, RANGE_ATTRIBUTES, text, prefix + (size_t)(slash - name));
}

bool domain_name(const char *name, size_t bytes) {
  return bytes > 0 && bytes <= DOMAIN_BYTES && memchr(name, '/', bytes) == NULL;
}
