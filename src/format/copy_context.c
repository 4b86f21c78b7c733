// Tokens of what copy is wanted; see copy_context.h.
#include "format/copy_context.h"

#include <stdio.h>
#include <string.h>

const char *const copy_name_prefixes[COPY_NAMES] = {"language:", "market:", "promo:", "goal:"};

static int32_t find(const vocab *v, const char *prefix, const char *name) {
  char text[16 + MAX_NAME_BYTES];
  const int bytes = snprintf(text, sizeof text, "%s%s", prefix, name);
  return bytes < (int)sizeof text ? vocab_find(v, RANGE_ATTRIBUTES, text) : -1;
}

int32_t copy_name_token(const vocab *v, copy_name kind, const char *name) {
  return find(v, copy_name_prefixes[kind], name);
}

int32_t copy_slot_token(const vocab *v, promo_slot slot) {
  return find(v, PROMO_SLOT_TOKEN, promo_slot_names[slot]);
}

int32_t copy_context(const vocab *v, const copy_wanted *w, int32_t to[COPY_CONTEXT], uint32_t *unknown) {
  int32_t n = 0;
  uint32_t missing = 0;
  for (int k = 0; k < COPY_NAMES; k++) {
    if (w->name[k] == NULL) continue;
    const int32_t token = copy_name_token(v, (copy_name)k, w->name[k]);
    if (token < 0) missing |= 1u << k;
    to[n++] = token >= 0 ? token : TOKEN_UNK;
  }
  for (int s = 0; s < SLOT_COUNT; s++) {
    const int32_t token = (w->given >> s & 1) != 0 ? copy_slot_token(v, (promo_slot)s) : -1;
    if (token >= 0) to[n++] = token;
  }
  if (unknown != NULL) *unknown = missing;
  return n;
}
