// The first half of a tokeniser: the characters of a text, cleaned, in lower case, with accents removed or composed, and each
// classed as a space, a word of its own or part of a word; see word_tokenizer.h for the rules.
#ifndef SOUK_FORMAT_WORD_TEXT_H
#define SOUK_FORMAT_WORD_TEXT_H

#include "format/unicode.h"
#include "format/word_tokenizer.h"

enum word_class {
  IN_CHARACTER,
  IS_WORD,
  IS_SPACE,
  IS_ALONE
}; // of a byte: not the first of a character, or what that is

typedef struct word_text_rules {
  bool python, lower, strip, chinese, clean, compose;
  uint16_t other, unassigned, punct, mark, chinese_flag; // the flags of unicode.h that count
  char ascii[128];                                       // what a character becomes; 0: nothing
  uint8_t ascii_class[128];
} word_text_rules;

void word_text_rules_make(word_text_rules *r, const word_options *o);

enum { WINDOW = 8192, WINDOW_MARGIN = 512, PENDING = 64 };

// A piece of the result, and what is still to be ordered: marks are sorted by their combining class behind the character that
// they belong to. More than PENDING of them in a row are sorted piece by piece.
typedef struct word_window {
  char text[WINDOW];
  uint8_t classes[WINDOW]; // word_class of each byte
  size_t n;
  uint32_t pending[PENDING];
  uint8_t pending_ccc[PENDING];
  int n_pending;
} word_window;

// Appends what text [bytes] gives until the window has less than WINDOW_MARGIN bytes left; returns how many bytes of the text
// that took. At the end of the text word_text_flush appends what is pending.
size_t word_text_fill(const word_text_rules *r, word_window *w, const char *text, size_t bytes);
void word_text_flush(const word_text_rules *r, word_window *w);

#endif
