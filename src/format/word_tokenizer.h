// Text to token ids as BERT does it: clean-up, spaces around Chinese characters, lower case and accents by option, words at
// spaces and punctuation, and each word cut into the longest pieces of the vocabulary from left to right (WordPiece; Wu et al.,
// 2016). What cannot be cut is one [UNK], and so is a word that is too long.
//
// The ids are those of Hugging Face's BertTokenizerFast, or of BertTokenizer, which is written in Python; the two differ:
//
//   what                                    WORDS_FAST                             WORDS_PYTHON
//   punctuation, marks, format characters   by the tables of Unicode 8             by those of Unicode 15.0 (Python 3.12)
//   characters that are not assigned        kept                                   removed
//   accents that are kept                   as they are written                    composed (NFC)
//   U+2B820 to U+2B91F                      not split like other ideographs        split
//   clean_text                              an option                              always
//   added tokens that are "normalized"      found in the text as it is after       found in the text as it is given
//                                           clean-up, in lower case
//
// A special token that somebody has typed, "[MASK]" or "[SEP]", is text like any other: three words, "[", "mask" and "]". Texts come from
// strangers, and one of them must not be able to hide a word or to end a segment. Hugging Face's tokenizers make the special token of
// it, unless they are called with split_special_tokens=True; `typed_specials` does as they do. This is decided here and nowhere else.
//
// Two oddities of Python are not followed: a special token that clean-up makes of pieces ("[MA\0SK]") stays text, and lower case
// does not keep an added token that is not special from being found. Both find the special tokens and the other added ones in the
// text as it is given, but for "normalized" ones as said above. Bytes that are no UTF-8 are U+FFFD, which
// clean-up removes.
#ifndef SOUK_FORMAT_WORD_TOKENIZER_H
#define SOUK_FORMAT_WORD_TOKENIZER_H

#include "format/vocabulary.h"

typedef enum word_rules { WORDS_FAST, WORDS_PYTHON } word_rules;
extern const char *const word_rules_names[]; // "fast", "python"

enum { LONGEST_WORD = 1000, LONGEST_ADDED = 500 }; // characters; bytes

// A token that is found in a text before the text is cut into words.
typedef struct word_added {
  const char *text; // at most LONGEST_ADDED bytes, of UTF-8
  int32_t id;
  bool normalized;  // found after clean-up, lower case and accents, which its own text goes through as well
  bool single_word; // only where no letter, digit, mark or underscore touches it
  bool in_model;    // WordPiece may give it too, if its text is a piece of the vocabulary
  bool special;     // one of Hugging Face's special tokens: only with typed_specials
} word_added;

typedef struct word_options {
  word_rules rules;
  bool lower_case;
  int strip_accents; // -1: as lower_case; 0 or 1
  bool split_chinese, clean_text;
  int32_t longest_word;                 // in characters, at most LONGEST_WORD
  const char *prefix;                   // of pieces inside a word: "##"
  const char *specials[TOKEN_SPECIALS]; // their texts in a text; NULL: those of vocabulary.h
  const word_added *added;              // [n_added] besides the specials
  size_t n_added;
  bool typed_specials; // the text of a special token is that token; else no text gives one
} word_options;

// What BERT's tokenizers do by default: lower case, no accents, Chinese characters apart, words of at most 100 characters.
word_options word_options_default(void);

typedef struct word_tokenizer word_tokenizer; // read-only after creation; any number of threads may use one

// Words are those of v's range RANGE_WORDS and, with typed_specials, its special tokens. Nothing of v or o is needed afterwards. False: an option
// is out of range, or out of memory.
bool word_tokenizer_new(word_tokenizer **out, const vocab *v, const word_options *o, format_error *e);
void word_tokenizer_free(word_tokenizer *t); // NULL is safe
size_t word_tokenizer_bytes(const word_tokenizer *t);

// The ids of text [bytes], without [CLS] and [SEP]: the first `cap` of them are written to ids [cap] (NULL if cap is 0). Returns
// how many there are in all. Allocates nothing and cannot fail.
size_t word_tokenizer_encode(const word_tokenizer *t, const char *text, size_t bytes, int32_t *ids,
                             size_t cap);

// Calls `each` for every word of text [bytes] as it is before it is cut into pieces; a word that is too long has 0 bytes. Added
// tokens are passed over. `word` lives as long as the call.
typedef void (*word_visitor)(void *self, const char *word, size_t bytes);
void word_tokenizer_words(const word_tokenizer *t, const char *text, size_t bytes, word_visitor each,
                          void *self);

#endif
