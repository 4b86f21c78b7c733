// What a lexicon sees of a character; see lexicon.h.
#ifndef SOUK_FORMAT_LEXICON_SYMBOLS_H
#define SOUK_FORMAT_LEXICON_SYMBOLS_H

#include <stdint.h>
#include "format/utf8.h"

typedef enum lexicon_class {
  LEXICON_NOTHING, // not seen: zero-width characters, accents
  LEXICON_SPACE,   // space and hyphen
  LEXICON_SIGN,    // other punctuation and signs
  LEXICON_STOP,    // , . ! ? ; : and line ends, which no quantity goes over
  LEXICON_MONEY,   // currency signs
  LEXICON_PERCENT, // % and its like
  LEXICON_LETTER,  // of a script that writes spaces
  LEXICON_DIGIT,   // all that Unicode has: full-width, raised, in circles, Roman
  LEXICON_CHINESE, // ideographs and kana
} lexicon_class;

typedef struct lexicon_symbol {
  uint32_t c;    // the character without case, accent and width
  uint32_t kind; // a lexicon_class
} lexicon_symbol;

extern const uint8_t lexicon_ascii[128];
lexicon_symbol lexicon_symbol_of_other(uint32_t c); // any character

static inline lexicon_symbol lexicon_symbol_of(uint32_t c) {
  if (c < 128) return (lexicon_symbol){c >= 'A' && c <= 'Z' ? c + 32 : c, lexicon_ascii[c]};
  if (c >= 0x4E00 && c < 0xA000) return (lexicon_symbol){c, LEXICON_CHINESE};
  return lexicon_symbol_of_other(c);
}

// The character at text [left], left > 0, which is UTF-8; *bytes: its length. Letters of ASCII and most Chinese, which most text is made of, go the
// short way.
static inline lexicon_symbol lexicon_read(const char *text, size_t left, size_t *bytes) {
  const unsigned char *s = (const unsigned char *)text;
  *bytes = 1;
  if (s[0] < 0x80) return lexicon_symbol_of(s[0]);
  if (left >= 3 && ((s[0] >= 0xE5 && s[0] <= 0xE9) || (s[0] == 0xE4 && s[1] >= 0xB8))) { // U+4E00 to U+9FFF
    *bytes = 3;
    return (lexicon_symbol){(s[0] & 0xFu) << 12 | (s[1] & 0x3Fu) << 6 | (s[2] & 0x3Fu), LEXICON_CHINESE};
  }
  return lexicon_symbol_of(utf8_next(text, left, bytes));
}

#endif
