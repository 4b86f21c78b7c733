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

static souk_status find_domains(souk_bundle *b, souk_error *e) {
  if (!vocab_has_domains(b->vocab) || b->items == 0) return SOUK_OK;
  PASS(infer_alloc(&b->domain_of, (size_t)b->items, sizeof *b->domain_of, "domains of items", e));
  for (int32_t i = 0; i < b->items; i++) b->domain_of[i] = domain_of_item(b->vocab, b->first_item + i);
  return SOUK_OK;
}

// ---- attributes ----------------------------------------------------------------------------------------------

// A token user:NAME=VALUE.
typedef struct named_token {
  const char *name, *value; // NAME ends before '='
  size_t bytes;             // of the name
  int32_t token, first;     // `first`: that of the same name which comes first
} named_token;

static int by_name(const void *a, const void *b) {
  const named_token *x = a, *y = b;
  const size_t shorter = x->bytes < y->bytes ? x->bytes : y->bytes;
  const int order = memcmp(x->name, y->name, shorter);
  if (order != 0) return order;
  if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
  return x->token < y->token ? -1 : x->token > y->token;
}

static int by_first(const void *a, const void *b) {
  const named_token *x = a, *y = b;
  if (x->first != y->first) return x->first < y->first ? -1 : 1;
  return x->token < y->token ? -1 : x->token > y->token;
}

static bool same_name(const named_token *x, const named_token *y) {
  return x->bytes == y->bytes && memcmp(x->name, y->name, x->bytes) == 0;
}

// Brings the tokens of each name together, the names in the order of their first tokens. A vocabulary may have them anywhere.
static void gather(named_token *all, size_t n) {
  qsort(all, n, sizeof *all, by_name);
  for (size_t i = 0; i < n; i++)
    all[i].first = i > 0 && same_name(&all[i], &all[i - 1]) ? all[i - 1].first : all[i].token;
  qsort(all, n, sizeof *all, by_first);
}

static souk_status take_attributes(souk_bundle *b, const named_token *all, size_t n, souk_error *e) {
  PASS(infer_alloc(&b->attribute_names, n, sizeof *b->attribute_names, "attributes of users", e));
  PASS(infer_alloc(&b->attribute_ranges, n, sizeof *b->attribute_ranges, "attributes of users", e));
  b->attribute_room = n;
  attribute_name *a = NULL;
  for (size_t i = 0; i < n; i++) {
    attribute_range *r = &b->attribute_ranges[b->n_attribute_ranges];
    if (i == 0 || all[i].first != all[i - 1].first) {
      a = &b->attribute_names[b->attributes];
      a->ranges = a->end = b->n_attribute_ranges;
      PASS(infer_alloc(&a->name, all[i].bytes + 1, 1, "attributes of users", e));
      memcpy(a->name, all[i].name, all[i].bytes); // zeroed
      b->attributes++;
    }
    if (!user_attribute_range(all[i].value, &r->least, &r->below)) continue;
    r->token = all[i].token;
    a->end = ++b->n_attribute_ranges;
  }
  return SOUK_OK;
}

static souk_status find_attributes(souk_bundle *b, souk_error *e) {
  const vocab *v = b->vocab;
  const int32_t begin = vocab_begin(v, RANGE_ATTRIBUTES), end = vocab_end(v, RANGE_ATTRIBUTES);
  named_token *all, t = {.first = 0};
  size_t n = 0;
  for (int32_t id = begin; id < end; id++) n += name_in(vocab_token(v, id), &t.name, &t.bytes);
  if (n == 0) return SOUK_OK;
  PASS(infer_alloc(&all, n, sizeof *all, "attributes of users", e));
  n = 0;
  for (t.token = begin; t.token < end; t.token++) {
    if (!name_in(vocab_token(v, t.token), &t.name, &t.bytes)) continue;
    t.value = t.name + t.bytes + 1;
    all[n++] = t;
  }
  gather(all, n);
  const souk_status rc = take_attributes(b, all, n, e);
  free(all);
  return rc;
}

souk_status known_user_open(souk_bundle *b, souk_error *e) {
  PASS(find_domains(b, e));
  return find_attributes(b, e);
}

size_t known_user_bytes(const souk_bundle *b) {
  size_t bytes = b->attribute_room * (sizeof *b->attribute_names + sizeof *b->attribute_ranges);
  for (int32_t i = 0; i < b->attributes; i++) bytes += strlen(b->attribute_names[i].name) + 1;
  return bytes + (b->domain_of != NULL ? (size_t)b->items * sizeof *b->domain_of : 0);
}

void known_user_close(souk_bundle *b) {
  free(b->domain_of);
  for (int32_t i = 0; i < b->attributes; i++) free(b->attribute_names[i].name);
  free(b->attribute_names);
  free(b->attribute_ranges);
}

int32_t known_attribute(const souk_bundle *b, const char *name) {
  for (int32_t i = 0; i < b->attributes; i++)
    if (strcmp(b->attribute_names[i].name, name) == 0) return i;
  return -1;
}

// The token of a value of this attribute: as it stands, or else the first range that holds it. -1: it has none.
static int32_t token_of_value(const souk_bundle *b, const attribute_name *a, const char *value) {
  const size_t bytes = strlen(value);
  const int32_t id = user_attribute_value(b->vocab, a->name, value, bytes);
  double x;
  if (id >= 0 || a->ranges == a->end || !user_attribute_number(value, bytes, &x)) return id;
  for (size_t i = a->ranges; i < a->end; i++) {
    const attribute_range *r = &b->attribute_ranges[i];
    if (x >= r->least && x < r->below) return r->token;
  }
  return -1;
}

// The token of an attribute, -1: the user has none, or of a value without one. The last of one name counts.
static int32_t token_of(const souk_bundle *b, const souk_user *user, const attribute_name *a) {
  for (int32_t i = user->n_attributes - 1; i >= 0; i--)
    if (strcmp(user->names[i], a->name) == 0) return token_of_value(b, a, user->values[i]);
  return -1;
}

int32_t known_attributes(const souk_bundle *b, const souk_user *user, int32_t *tokens, int32_t cap) {
  int32_t n = 0;
  for (int32_t k = 0; user != NULL && k < b->attributes; k++) {
    const int32_t token = token_of(b, user, &b->attribute_names[k]);
    if (token < 0) continue;
    if (n < cap) tokens[n] = token;
    n++;
  }
  return n;
}
