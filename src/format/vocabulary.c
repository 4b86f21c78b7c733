// Special tokens and ranges; see vocabulary.h.
#include "format/vocabulary.h"

const char *const special_tokens[TOKEN_SPECIALS] = {
#define TOKEN(name, id, text) [id] = text,
    SPECIAL_TOKENS(TOKEN)
#undef TOKEN
};

const char *const vocab_range_names[RANGE_COUNT] = {"special", "words", "attributes", "items"};
