// Words of copy, as metrics of generated text count them: what follows is theirs to the letter, so that figures compare.
//
//   13a, zh, char, none   the tokenizers of sacrebleu (M. Post, A call for clarity in reporting BLEU scores, WMT 2018). 13a is
//              that of WMT's mteval-v13a; zh puts every Chinese character by itself first, none goes by white space
//   rouge      rouge-score's: runs of the letters a to z and digits in lower case; all else only divides them
//   rouge_zh   the same for Chinese, of which rouge would leave nothing: an ideograph is a word by itself, too, and punctuation,
//              full-width forms and other scripts only divide. (An ideograph is what BERT takes for one, UNI_CHINESE of
//              format/unicode.h.)
//
// sacrebleu's "Chinese characters" are ranges that two slips of its source made wider than their names: U+2001 to U+2A6D are all
// among them, the quotation marks and dashes of English too. Its figures are what everybody reports, so it is the same here.
#ifndef SOUK_EVAL_COPY_WORDS_H
#define SOUK_EVAL_COPY_WORDS_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

#define WORDS_CHOICES "13a|zh|char|none|rouge|rouge_zh"
typedef enum words_kind {
  WORDS_13A,
  WORDS_ZH,
  WORDS_CHAR,
  WORDS_NONE,
  WORDS_ROUGE,
  WORDS_ROUGE_ZH
} words_kind;

// Texts to words, with their memory. Equal words of all texts have equal numbers.
typedef struct copy_words copy_words;
status copy_words_new(copy_words **out, words_kind kind);
void copy_words_free(copy_words *w); // NULL is safe

// Numbers of words; begin with zeros, free words.
typedef struct word_list {
  int32_t *words;
  size_t n, cap;
} word_list;
// The words of a text [bytes], which is read as UTF-8 with U+FFFD for what is none, in place of what the list had. No NUL in it.
status copy_words_of(copy_words *w, const char *text, size_t bytes, word_list *to);
// The word of a number, until the next text.
const char *copy_word(const copy_words *w, int32_t word);

#endif
