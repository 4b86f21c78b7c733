// Which phrases copy may not have, which it must have, and that it says no quantity of its own: one automaton a lexicon, stepped by
// bytes of UTF-8 as text is written.
//
// A file of a lexicon has a phrase a line:
//
//   # why these are forbidden            a comment; one may also stand behind a phrase, after a space
//   [banned]                             the section that a file begins in
//   best seller                          English and other languages with spaces: whole words
//   cure~                                and its forms: cures, cured, curing
//   最                                   Chinese and Japanese: wherever it stands
//   !最近                                an exception: no phrase counts that lies inside this one
//   [required]
//   free shipping                        copy must have it
//
// How text is read. Case, accents and width do not count (Ｂest, BÉST), nor do characters that are not seen (zero-width spaces, soft
// hyphens). Spaces, punctuation and other signs may stand anywhere in a phrase, so that "b e s t", "b.e.s.t" and "最 * 好" are
// found; the punctuation of a phrase does not count either. A phrase that begins or ends in letters does so where a word does: no
// letter touches it. An exception is read more strictly, since it opens a door: a space of it is one space or hyphen, and nothing else
// may stand in between.
//
// A state is small, holds no pointers, and is copied freely, so that beams fork for nothing. What is written so far may be fine only
// if the right thing follows: 最 is, if 近 comes; `lexicon_step` is false as soon as nothing can mend the text any more, and
// lexicon_may_end says whether it may stop here.
//
// A state follows at most LEXICON_LIVE beginnings of phrases at a time. More are banned, though nothing is hit yet: only phrases that
// repeat themselves many times get there.
#ifndef SOUK_FORMAT_LEXICON_H
#define SOUK_FORMAT_LEXICON_H

#include <stddef.h>
#include <stdint.h>
#include "format/format_error.h"
#include "format/promo_terms.h"

enum {
  LEXICON_LIVE = 16,
  LEXICON_LONGEST = 64, // letters and characters of a phrase
  LEXICON_MOST_REQUIRED = 64,
  LEXICON_MOST_BYTES = 1 << 26, // of all texts of a lexicon
};

typedef enum lexicon_kind {
  LEXICON_FILE,     // the text of a file as above
  LEXICON_BANNED,   // one phrase as it is, without marks
  LEXICON_REQUIRED, // the same
} lexicon_kind;

typedef struct lexicon_text {
  const char *text; // [bytes] UTF-8
  size_t bytes;
  const char *name; // of the file, for errors and reasons
  lexicon_kind kind;
} lexicon_text;

typedef struct lexicon lexicon; // read-only after lexicon_compile; any number of threads may use one

// One lexicon of several texts, 0 included: such a lexicon keeps quantities out. Nothing of them is needed afterwards. An error names
// file and line: no UTF-8, a phrase without letters, too long, a section or a mark that there is not.
bool lexicon_compile(lexicon **out, const lexicon_text *texts, size_t n, format_error *e);
void lexicon_free(lexicon *l); // NULL is safe
size_t lexicon_bytes(const lexicon *l);
size_t lexicon_phrases(const lexicon *l); // banned, exceptions and required, word forms not counted
int32_t lexicon_required(
    const lexicon *l); // how many phrases are required, in the order of the texts: bits of lexicon_met

// Required phrase i as it was written, [*bytes] without a NUL; 0 bytes: it is required twice, and comes at the other place.
const char *lexicon_required_phrase(const lexicon *l, int32_t i, size_t *bytes);

typedef struct lexicon_state {
  uint32_t live[LEXICON_LIVE]; // beginnings of phrases, the oldest first
  uint64_t met;                // required phrases
  uint32_t hit;                // what was hit when a step was false
  uint8_t n, last, fresh, number;
  uint8_t in_slot, inner, n_partial, point; // point: a digit and '.' or ',' are what the text ends with
  uint8_t partial[5];                       // a character that is not complete yet
} lexicon_state;

void lexicon_begin(lexicon_state *s); // no text yet

// What text [bytes] does to the state. False: the text so far is banned, or is no UTF-8; the state is of no use then, but for
// lexicon_reason.
bool lexicon_step(const lexicon *l, lexicon_state *s, const char *text, size_t bytes);
// The same for the text of a slot, filled in: quantities in it are the request's own, but banned phrases are banned there too. No
// other number or unit may touch it and make another quantity of it, unless a sign like , or . stands between: "[price] off" is false, and
// so are "三[price]" and "[price]万". An amount with its currency may be "off", and a sum without one may be of 元.
bool lexicon_step_slot(const lexicon *l, lexicon_state *s, promo_slot slot, const char *text, size_t bytes);
// May the text end here?
bool lexicon_may_end(const lexicon *l, const lexicon_state *s);
// Can only letters save the text, because it ends with a banned word that could still become a longer one? No mask lets a text come
// here: whoever has written "best" does not want to go on with "##ow".
bool lexicon_cornered(const lexicon *l, const lexicon_state *s);
// Which of the required phrases the text has, if it ended here: bit i.
uint64_t lexicon_met(const lexicon *l, const lexicon_state *s);
// Why a step was false, as words that follow "because": `the phrase "best" (line 3 of FILE) is banned`. Returns its length, as snprintf.
size_t lexicon_reason(const lexicon *l, const lexicon_state *s, char *to, size_t room);

#endif
