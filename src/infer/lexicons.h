// Lexicons for the words of a bundle: what souk_lexicon stands for.
#ifndef SOUK_INFER_LEXICONS_H
#define SOUK_INFER_LEXICONS_H

#include "format/lexicon_mask.h"
#include "infer/bundle.h"

struct souk_lexicon {
  uint64_t magic; // LEXICON_MAGIC while it is open
  const souk_bundle *b;
  lexicon *phrases;
  lexicon_words *words; // by token, up to the first item
};
#define LEXICON_MAGIC UINT64_C(0x6c65786963306e31)

// Texts [n], which may be phrases too (lexicon_kind), for the words of b, which has some.
souk_status lexicon_open(souk_lexicon **out, const souk_bundle *b, const lexicon_text *texts, size_t n,
                         souk_error *error);
// Is it an open lexicon of this bundle?
bool lexicon_is_of(const souk_lexicon *x, const souk_bundle *b);

#endif
