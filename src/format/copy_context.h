// What copy is wanted, as tokens in front of its source: language, market, type of promotion, goal, and the slots of the terms that are
// given. Training and the inference module make them here.
//
// Each is an attribute of the vocabulary: language:zh, market:cn, promo:flash_sale, goal:clear_stock, slot:price. Names are free, so a
// vocabulary says by itself which ones it knows; languages and markets are those of promo_terms.h. souk prepare makes the tokens of the
// names that its rows of copy have, and those of all slots.
#ifndef SOUK_FORMAT_COPY_CONTEXT_H
#define SOUK_FORMAT_COPY_CONTEXT_H

#include "format/promo_terms.h"
#include "format/vocabulary.h"

typedef enum copy_name { COPY_LANGUAGE, COPY_MARKET, COPY_TYPE, COPY_GOAL, COPY_NAMES } copy_name;
extern const char *const copy_name_prefixes[COPY_NAMES]; // "language:", "market:", "promo:", "goal:"

typedef struct copy_wanted {
  const char *name[COPY_NAMES]; // NULL: not said, which has no token
  uint32_t given;               // promo_terms_given()
} copy_wanted;

enum { COPY_CONTEXT = COPY_NAMES + SLOT_COUNT }; // tokens at most

// The token of a name, or of a slot; -1: the vocabulary has none.
int32_t copy_name_token(const vocab *v, copy_name kind, const char *name);
int32_t copy_slot_token(const vocab *v, promo_slot slot);
// Writes the tokens to `to` and returns how many there are. A name without a token is [UNK]; *unknown (may be NULL) becomes a set of bits
// of them by copy_name.
int32_t copy_context(const vocab *v, const copy_wanted *w, int32_t to[COPY_CONTEXT], uint32_t *unknown);

#endif
