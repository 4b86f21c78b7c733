// Attributes of users; see known_user.h.
#include "infer/known_user.h"

#include <stdlib.h>
#include <string.h>
#include "format/domains.h"
#include "format/user_attributes.h"

// The name in a token user:NAME=VALUE, and its length; false: it is another token.
static bool name_in(const char *token, const char **name, size_t *bytes) {
  const size_t prefix = sizeof USER_ATTRIBUTE - 1;
  if (strncmp(token, USER_ATTRIBUTE, prefix) != 0) return false;
  const char *end = strchr(token + prefix, '=');
  *name = token + prefix;
  *bytes = end != NULL ? (size_t)(end - *name) : 0;
  return *bytes > 0 && *bytes <= USER_ATTRIBUTE_NAME;
}

static bool is_last(const souk_bundle *b, const char *name, size_t bytes) {
  if (b->attributes == 0) return false;
  const char *last = b->attribute_names[b->attributes - 1];
  return strncmp(last, name, bytes) == 0 && last[bytes] == '\0';
}

static souk_status find_domains(souk_bundle *b, souk_error *e) {
  if (!vocab_has_domains(b->vocab) || b->items == 0) return SOUK_OK;
  PASS(infer_alloc(&b->domain_of, (size_t)b->items, sizeof *b->domain_of, "domains of items", e));
  for (int32_t i = 0; i < b->items; i++) b->domain_of[i] = domain_of_item(b->vocab, b->first_item + i);
  return SOUK_OK;
}

// Tokens of one name lie one behind the other.
static souk_status find_attributes(souk_bundle *b, souk_error *e) {
  const vocab *v = b->vocab;
  const char *name;
  size_t bytes;
  int32_t n = 0;
  for (int32_t id = vocab_begin(v, RANGE_ATTRIBUTES); id < vocab_end(v, RANGE_ATTRIBUTES); id++)
    n += name_in(vocab_token(v, id), &name, &bytes);
  if (n == 0) return SOUK_OK;
  PASS(infer_alloc(&b->attribute_names, (size_t)n, sizeof *b->attribute_names, "attributes of users", e));
  for (int32_t id = vocab_begin(v, RANGE_ATTRIBUTES); id < vocab_end(v, RANGE_ATTRIBUTES); id++) {
    if (!name_in(vocab_token(v, id), &name, &bytes) || is_last(b, name, bytes)) continue;
    char *copy;
    PASS(infer_alloc(&copy, bytes + 1, 1, "attributes of users", e));
    memcpy(copy, name, bytes); // zeroed
    b->attribute_names[b->attributes++] = copy;
  }
  return SOUK_OK;
}

souk_status known_user_open(souk_bundle *b, souk_error *e) {
  PASS(find_domains(b, e));
  return find_attributes(b, e);
}

void known_user_close(souk_bundle *b) {
  free(b->domain_of);
  for (int32_t i = 0; i < b->attributes; i++) free(b->attribute_names[i]);
  free(b->attribute_names);
}

int32_t known_attribute(const souk_bundle *b, const char *name) {
  for (int32_t i = 0; i < b->attributes; i++)
    if (strcmp(b->attribute_names[i], name) == 0) return i;
  return -1;
}

// The token of attribute `name`, -1: the user has none, or of a value without one.
static int32_t token_of(const souk_bundle *b, const souk_user *user, const char *name) {
  for (int32_t i = user->n_attributes - 1; i >= 0; i--)
    if (strcmp(user->names[i], name) == 0)
      return user_attribute_find(b->vocab, name, user->values[i], strlen(user->values[i]));
  return -1;
}

int32_t known_attributes(const souk_bundle *b, const souk_user *user, int32_t *tokens, int32_t cap) {
  int32_t n = 0;
  for (int32_t k = 0; user != NULL && k < b->attributes; k++) {
    const int32_t token = token_of(b, user, b->attribute_names[k]);
    if (token < 0) continue;
    if (n < cap) tokens[n] = token;
    n++;
  }
  return n;
}
