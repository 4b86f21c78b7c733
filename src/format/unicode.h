// What a tokeniser has to know of characters: category, lower case, canonical decomposition and composition, for all of Unicode.
//
// The table (unicode_table.c) is made by tools/unicode_table.c of utf8proc's data, so that the inference module needs no
// library; a test compares the two for every character. A character's record is found in two steps: block[c >> 7] says which
// 128 entries, and the entry is a number of a record, of which there are few because most characters are like their neighbours.
//
// Hugging Face's fast tokenizers (tokenizers, in Rust) hold categories of Unicode 8, as their dependency unicode_categories
// 0.1 has them, while those in Python go by the interpreter's tables, Unicode 15.0 in Python 3.12. Where the two differ a
// record has both, since the ids of a model depend on it.
#ifndef SOUK_FORMAT_UNICODE_H
#define SOUK_FORMAT_UNICODE_H

#include <stddef.h>
#include <stdint.h>

enum unicode_flags {
  UNI_OTHER = 1 << 0,      // categories Cc, Cf, Cs, Co
  UNI_OTHER_OLD = 1 << 1,  // the same by the tables of Unicode 8
  UNI_UNASSIGNED = 1 << 2, // category Cn
  UNI_SPACE = 1 << 3,      // White_Space
  UNI_PUNCT = 1 << 4,      // categories P*, and all of ASCII that is neither letter, digit, space nor control
  UNI_PUNCT_OLD = 1 << 5,  //
  UNI_MARK = 1 << 6,       // category Mn
  UNI_MARK_OLD = 1 << 7,   //
  UNI_CHINESE = 1 << 8,    // BERT's CJK ideographs
  UNI_CHINESE_OLD = 1 << 9, // those of the fast tokenizers, which lack U+2B820 to U+2B91F
  UNI_WORD = 1 << 10,    // what a regular expression's \w matches, for added tokens that must be single words
  UNI_CHANGES = 1 << 11, // has a decomposition, a combining class or a lower case of its own
  UNI_WHOLE_OLD = 1 << 12, // has a decomposition that the fast tokenizers do not know
};

typedef struct unicode_record {
  uint16_t flags;
  uint8_t ccc;        // canonical combining class
  uint8_t decomposed; // length of the canonical decomposition, 0: none; Hangul syllables are computed
  uint16_t at;        // where it begins in unicode_sequences
  int32_t lower;      // what is added for the lower-case character
} unicode_record;

typedef struct unicode_pair { // a and b compose to c; sorted by a, then b
  uint32_t a, b, c;
} unicode_pair;

enum { UNICODE_CHARACTERS = 0x110000, UNICODE_BLOCK = 128, MOST_DECOMPOSED = 4 };
extern const char unicode_table_version[]; // "15.0.0"
extern const uint16_t unicode_blocks[UNICODE_CHARACTERS / UNICODE_BLOCK], unicode_entries[];
extern const unicode_record unicode_records[];
extern const uint32_t unicode_sequences[];
extern const unicode_pair unicode_pairs[];
extern const size_t unicode_n_pairs;

// c below 0x110000.
static inline const unicode_record *unicode_of(uint32_t c) {
  return &unicode_records[unicode_entries[unicode_blocks[c / UNICODE_BLOCK] * UNICODE_BLOCK +
                                          c % UNICODE_BLOCK]];
}

// The canonical decomposition of c (NFD, but for the order of marks), which may be c itself: at most MOST_DECOMPOSED characters.
int unicode_decompose(uint32_t c, uint32_t out[MOST_DECOMPOSED]);
// The character that a and b compose to; 0: none.
uint32_t unicode_compose(uint32_t a, uint32_t b);

#endif
