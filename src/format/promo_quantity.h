// What a quantity is, in Chinese and English text: one table of numerals, measures and units, and one reader of it.
//
// A quantity is what copy may state only if it is a term of the offer. In the words of a grammar over folded text (full-width forms are
// ASCII, upper case is lower case; an English word begins and ends where no letter or digit touches it):
//
//   quantity  = [sign] digits [unit]                                  199   ￥199   ２０％   8折   3d   ½
//             | zh_numeral {zh_numeral | zh_inner} zh_measure         三件   十几天   三百六十度   八五折   百分之
//             | zh_lead zh_numeral (but 一 alone)                     满三百   减五十
//             | sign zh_numeral                                       ￥三百
//             | zh_whole                                              半价   买一   百分百
//             | en_number {en_number | en_join | en_filler} en_unit   twenty percent   two free gifts   half an hour
//             | en_whole                                              half price   twice the   dozens
//
// The units of either language and % stand behind the numerals of both: 三%, 五 dollars, twenty件.
//
// Digits are a quantity whatever is near them: any of quantity_digits, which has other scripts' digits, fractions, and numbers in circles.
// Between the words of English there are spaces or a hyphen; between Chinese ones there may be spaces.
//
// What is no quantity, on purpose: Chinese numerals before a word that is no measure (三生三世, 一起, 一样, 一定, 万物, 百搭, 半身裙, 四射);
// 分 alone (十分 is "very", 九分裤 a cut; 分钟 and 分之 are in the table); words that count nothing exactly (几, 多, 双 and 数 at the
// beginning: 几种, 多层, 双排); figurative measures that go with 一 alone (一丝, 一抹, 一股); 样, 下, 步, 格, 点, 季 and 角, of which
// 一样, 一下, 进一步, 别具一格, 一点, 四季 and 三角 are made; in English a numeral before no unit ("one of the best", "think twice"), and "a".
//
// 一 before a measure (一款, 一件, 一种) is a quantity by this grammar, and a decoder may not write it. In copy that people wrote it is mostly
// what "a" is in English, so `article` tells it apart for those who count what copy claims.
//
// A measure is none where a word of ZH_NO_MEASURE begins that is longer (满300包邮, 199秒杀).
//
// Both the automaton of the lexicon (words of quantity_words) and promo_find read this table, so that what training takes for a
// quantity and what the decoder may not write are the same.
#ifndef SOUK_FORMAT_PROMO_QUANTITY_H
#define SOUK_FORMAT_PROMO_QUANTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum quantity_class {
  ZH_NUMERAL,    // of one character: 三, 拾, 万, 半; value
  ZH_INNER,      // of one character, only behind a numeral: 几 多 余 来 点
  ZH_MEASURE,    // 件, 小时, 元, 折, 分之
  ZH_NO_MEASURE, // words that only begin like a measure: 包邮, 秒杀, 本店
  ZH_LEAD,       // 满, 减, 仅售
  ZH_WHOLE,      // 半价
  SIGN,          // $, ￥, rmb: before digits or Chinese numerals
  EN_NUMBER,     // one, twenty, half, dozen; value
  EN_JOIN,       // and, a, or
  EN_FILLER,     // free, more, full
  EN_UNIT,       // percent, per cent, off, days, in one
  EN_WHOLE,      // half price
  QUANTITY_CLASSES
} quantity_class;

typedef enum quantity_unit {
  UNIT_OTHER,    // a measure of something else; digits within a word
  UNIT_NONE,     // no unit
  UNIT_PERCENT,  // % and its words
  UNIT_FOLD,     // 折: tenths of the price that are left
  UNIT_OFF,      // "twenty off"
  UNIT_CNY,      // 元, 块
  UNIT_USD,      //
  UNIT_GBP,      //
  UNIT_EUR,      //
  UNIT_JPY,      //
  UNIT_YEN_SIGN, // ¥, of China and of Japan
} quantity_unit;

typedef struct quantity_word {
  const char *
      text; // folded UTF-8; words of several parts have a space between them, which stands for spaces or a hyphen
  double value; // of numerals
  quantity_unit unit;
} quantity_word;

// All words of a class, in the order of their bytes; *n of them.
const quantity_word *quantity_words(quantity_class c, size_t *n);

typedef struct quantity_range { // of characters, both included
  uint32_t first, last;
} quantity_range;
// The characters that are digits or numbers by themselves, after folding, in their order.
const quantity_range *quantity_digits(size_t *n);
bool quantity_is_digit(uint32_t c);

// The character at text [left], left > 0, as quantities and terms are compared: full-width forms and spaces as ASCII, ￥ as ¥, lower case.
// Bytes that are no UTF-8 are U+FFFD. *bytes: its length.
uint32_t quantity_fold(const char *text, size_t left, size_t *bytes);
// Is it a letter or digit of a script that writes spaces between words?
bool quantity_in_word(uint32_t c);

typedef struct quantity {
  size_t begin, number_end, end; // bytes: [begin, end) with sign and unit, up to number_end without the unit
  double value;                  // NAN: not one number
  quantity_unit unit;
  bool article; // 一 before a measure
} quantity;

// Is there a quantity that begins at byte `at` of text [bytes], at < bytes? decimal: '.' or ',', the decimal mark where it can be either (1.299). Looks at what is
// before `at` too. Allocates nothing.
bool quantity_at(const char *text, size_t bytes, size_t at, char decimal, quantity *q);

#endif
