// What a copy may say next: the rules of one request, and where a hypothesis stands among them.
//
// A token may come if it is a word of the vocabulary, a slot whose term is given, or the end, and if
//   the lexicon allows it where the text stands (lexicon.h), and quantities are none of a term's
//   no n-gram of tokens comes twice that way
//   the copy is long enough to end, and has all that it must have
//   enough room is left afterwards for what it must still have: when just enough is left, only that may come
#ifndef SOUK_INFER_DECODER_LIMITS_H
#define SOUK_INFER_DECODER_LIMITS_H

#include "format/copy_text.h"
#include "infer/bundle.h"
#include "infer/lexicons.h"

enum {
  LIMIT_LEXICONS = 2,
  REQUIRED_MOST = 16,
  REQUIREMENTS = REQUIRED_MOST + SLOT_COUNT,
  REQUIRED_TOKENS = 256
};

// Tokens that a copy must have side by side.
typedef struct requirement {
  int32_t first, n; // of copy_limits.required
} requirement;

typedef struct copy_limits {
  const souk_bundle *b;
  promo_language language;
  const promo_market *market;
  promo_terms terms;
  char title[MAX_NAME_BYTES + 1]; // that terms.item may be
  uint32_t slots;                 // bit s: term s is given and the vocabulary has its slot
  int32_t least, most;            // tokens, the end not counted
  int32_t no_repeat;
  bool
      looks_ahead; // the last token is one that the copy may end with; else whoever searches goes back where it is not
  int32_t required[REQUIRED_TOKENS], n_required;
  requirement requirements[REQUIREMENTS];
  int32_t n_requirements;
  const souk_lexicon
      *lexicons[LIMIT_LEXICONS]; // [n_lexicons]; the first one keeps out quantities, whatever else
  souk_lexicon *own;             // of the request's banned phrases; NULL: there are none
  int32_t n_lexicons;
  char slot_text[SLOT_COUNT][PROMO_TERM_BYTES]; // rendered
} copy_limits;

// Copied freely.
typedef struct limit_state {
  copy_join join;
  lexicon_state lexicons[LIMIT_LEXICONS];
  uint32_t met;                   // bit r: requirement r
  uint8_t progress[REQUIREMENTS]; // tokens of each at the end of the copy
  bool closed;                    // no piece may continue the word that the copy ends with
} limit_state;

// Reads the rules of a request that has been checked, the call's number `number`. *why [room] gets the reason where no copy can follow them, else "". Freed with
// limits_free, also after an error.
souk_status limits_read(copy_limits *l, const souk_bundle *b, const souk_promo_request *r, size_t number,
                        const souk_promo_options *o, char *why, size_t room, souk_error *e);

void limits_free(copy_limits *l); // zeroed is safe

void limits_begin(const copy_limits *l, limit_state *s);
// Bits of the tokens that may come behind tokens [n]: bits [(classes + 63) / 64], and behind them as much room again. False: none may.
bool limits_mask(const copy_limits *l, const limit_state *s, const int32_t *tokens, int32_t n,
                 uint64_t *bits);
// The state behind another token, which may come.
void limits_after(const copy_limits *l, limit_state *s, int32_t token);
// Tokens of requirements that the copy has so far: the bank of grid beam search.
int32_t limits_bank(const copy_limits *l, const limit_state *s);
// Requirement r's next token behind this state.
int32_t limits_next(const copy_limits *l, const limit_state *s, int32_t r);

// Writes the first template of the promotion's type that the lexicons allow, with the terms filled in, as snprintf does; 0: there is none.
size_t limits_template(const copy_limits *l, const char *type, char *to, size_t room);
// Writes the text of tokens [n] to `to`, as snprintf does.
size_t limits_text(const copy_limits *l, const int32_t *tokens, int32_t n, char *to, size_t room);

static inline bool bit_is_set(const uint64_t *bits, int32_t i) {
  return (bits[i / 64] >> (i % 64) & 1) != 0;
}

#endif
