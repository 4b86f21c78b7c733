// From tokens to text: the one rule by which pieces of words and rendered slots are joined. The decoder writes with it, metrics read
// references back with it, and a lexicon steps over exactly the bytes that it writes.
//
// BERT's tokeniser forgets where spaces were, so they are put where the languages that we write put them: between words of scripts
// that write spaces, none beside Chinese and Japanese characters and their punctuation, none in front of , . ! ? ; : ) ] } % and
// none behind ( [ { # $, none around - / @ and inside 3.5, 1,000, 12:30, it's and l'oreal; a straight quotation mark opens or closes in
// turn. What this cannot know is a dash with spaces around it, or where a line broke.
//
// The rule sees the end of the text so far and the beginning of the next piece. Of the piece only its kind counts (copy_kind_of), and
// whether a space comes in between is a function of state and kind, so that a mask over a whole vocabulary asks a dozen times
// and not once a token.
#ifndef SOUK_FORMAT_COPY_TEXT_H
#define SOUK_FORMAT_COPY_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum copy_kind {
  COPY_NOTHING,     // as state: no text yet; as a piece: an empty one
  COPY_CONTINUES,   // a piece of the word that is being written, "##x" without its "##"
  COPY_WORD,        // letters of a script that writes spaces
  COPY_CONTRACTION, // s, t, d, m, ll, re or ve, which belong to an apostrophe
  COPY_DIGIT,       // 0 to 9
  COPY_THOUSANDS,   // three digits and no more, which belong to a comma behind a digit
  COPY_CHINESE,     // ideographs, kana, their punctuation, full-width forms
  COPY_CLOSES,      // no space in front
  COPY_COMMA,       // the same
  COPY_OPENS,       // no space behind
  COPY_TIGHT,       // neither
  COPY_APOSTROPHE,
  COPY_QUOTE, // "
  COPY_PLUS,  // + & * = and other signs
  COPY_KINDS
} copy_kind;

// The state between two pieces. All zeros: no text yet. Copied freely.
typedef struct copy_join {
  uint8_t last, before; // kinds of the last character and of the one in front of it
  uint8_t letters;      // of the word at the end, at most 2
  bool quoted;          // an odd number of "
} copy_join;

// The kind of a piece of `bytes` bytes; `continues`: it is one of the "##" kind. A piece that begins inside a character continues.
copy_kind copy_kind_of(const char *piece, size_t bytes, bool continues);
// Does a space come between the text so far and a piece of this kind?
bool copy_join_space(const copy_join *j, copy_kind kind);
// The state after the piece.
void copy_join_after(copy_join *j, const char *piece, size_t bytes, copy_kind kind);

// All at once: writes the space, if there is one, and the piece to `to`, as far as it has room, with a 0 at the end if room > 0;
// returns the bytes that there are, as snprintf. piece: NUL-terminated, without its "##"; a slot's rendered text is a piece that
// does not continue.
size_t copy_join_piece(copy_join *j, const char *piece, bool continues, char *to, size_t room);

#endif
