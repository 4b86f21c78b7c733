// Which tokens of a vocabulary a lexicon lets come next. See lexicon.h.
#ifndef SOUK_FORMAT_LEXICON_MASK_H
#define SOUK_FORMAT_LEXICON_MASK_H

#include "format/copy_text.h"
#include "format/lexicon.h"

typedef struct lexicon_piece {
  const char *
      text; // NUL-terminated, without its "##", or bytes that are no whole characters. NULL or empty: no text, and never admissible
  bool continues; // it goes on with the word that is being written: "##x"
} lexicon_piece;

enum { LEXICON_LONGEST_PIECE = 1024 }; // bytes; a longer one is never admissible

typedef struct lexicon_words lexicon_words; // read-only after lexicon_bind; any number of threads may use one

// A lexicon with the pieces [n] of a vocabulary, by token. The lexicon must live as long; the pieces are not needed afterwards.
bool lexicon_bind(lexicon_words **out, const lexicon *l, const lexicon_piece *pieces, int32_t n,
                  format_error *e);
// The same with the pieces that another lexicon is bound to, which must live as long too: a few milliseconds for one of few phrases, such as those
// of one request.
bool lexicon_bind_like(lexicon_words **out, const lexicon *l, const lexicon_words *other, format_error *e);
void lexicon_words_free(lexicon_words *w); // NULL is safe
size_t lexicon_words_bytes(const lexicon_words *w);

// Bits [(n + 63) / 64] of the tokens that may come: those that lexicon_step takes, with the space that copy_join_space puts in front of
// them, and that leave no corner (lexicon_cornered). j: how the text so far ends; s: the state behind it.
void lexicon_mask(const lexicon_words *w, const lexicon_state *s, const copy_join *j, uint64_t *bits);

#endif
