// What is true of an offer, and how it is said: terms, the slots that stand for them in copy, and the forms of markets.
//
// A model of copy writes a slot where a number, a date, a name or a code belongs, and promo_render fills it in from the terms of the
// request, so that what is said of an offer is true whatever the model prefers. In a vocabulary the slots are the attribute tokens
// "slot:item", "slot:price" and so on; text that somebody typed never becomes one.
//
// How a term is written (docs/copy.md has the whole table):
//
//   slot        zh, market cn             en, market us          rule
//   item, code  as given                  as given               UTF-8 without control characters
//   price       ￥199  ￥199.50           $199  $1,299.50        to the nearest hundredth; no decimals if it is whole
//   amount      50                        $50                    bare in zh of cn, so that 满[threshold]减[amount] is 满300减50;
//   threshold   300                       $300                   in other markets 满300美元减50美元
//   percent     八折 八五折 6.667折       20% off 33.33% off     to the nearest hundredth of a percent
//   date        12月31日 2026年12月31日   Dec 31  Dec 31, 2026   with the year if it is given
#ifndef SOUK_FORMAT_PROMO_TERMS_H
#define SOUK_FORMAT_PROMO_TERMS_H

#include <stdint.h>
#include "format/format_error.h"
#include "format/vocabulary.h"

#define PROMO_SLOTS(SLOT)      \
  SLOT(ITEM, "item")           \
  SLOT(PRICE, "price")         \
  SLOT(PERCENT, "percent")     \
  SLOT(AMOUNT, "amount")       \
  SLOT(THRESHOLD, "threshold") \
  SLOT(DATE, "date")           \
  SLOT(CODE, "code")

typedef enum promo_slot {
#define SLOT(name, text) SLOT_##name,
  PROMO_SLOTS(SLOT)
#undef SLOT
      SLOT_COUNT
} promo_slot;
extern const char *const promo_slot_names[SLOT_COUNT]; // "item", "price", ...
#define PROMO_SLOT_TOKEN "slot:"                       // before the name: the token of a vocabulary

typedef enum promo_language { LANGUAGE_EN, LANGUAGE_ZH, LANGUAGE_COUNT } promo_language;
extern const char *const promo_language_names[LANGUAGE_COUNT]; // "en", "zh"
// False: there is no such language.
bool promo_language_named(const char *name, promo_language *language);

// Where a promotion runs: currency, and how numbers and dates are written.
typedef struct promo_market promo_market;
const promo_market *promo_market_named(const char *name); // "cn", "us", "gb", "eu", "jp"; NULL: there is none
const promo_market *promo_market_at(size_t i);            // all of them, from 0; NULL: there are no more
const char *promo_market_name(const promo_market *m);

typedef struct promo_terms {
  const char *item, *code; // NULL: not given. Borrowed
  double price, was;       // money to pay now and before, in the market's currency; NAN: not given
  double percent;          // share off: 20 is a fifth off, 八折
  double amount;           // money off; with a threshold: off a basket that is worth so much
  double threshold;
  int32_t year, month, day; // the last day of the offer; month 0: not given; year 0: said without
} promo_terms;

promo_terms promo_terms_none(void); // nothing given

enum {
  PROMO_TERM_BYTES = MAX_NAME_BYTES + 1, // room for any term's text, with its NUL
  PROMO_FIRST_YEAR = 1900,               //
  PROMO_LAST_YEAR = 9999,                //
  PROMO_MOST_MONEY = 1000 * 1000 * 1000, // prices and amounts go up to it
};

// May these terms be said together? False: *e says in one sentence what contradicts what or cannot be said: a price that is not
// below the one before; a percentage that is not between 0 and 100, or that old and new price do not bear out (rounded to whole
// percents or to a hundredth of the currency at most); money off that is all of the threshold, or without one, of the price; a date
// that no calendar has; a name or code that is empty, too long, no UTF-8 or has control characters; a number that is not finite.
// Terms that are not given contradict nothing.
bool promo_terms_check(const promo_terms *t, format_error *e);
// Bit s: slot s can be filled. A term that could not be said by itself (see promo_terms_check) counts as not given.
uint32_t promo_terms_given(const promo_terms *t);

// Writes a term in the market's form to `to` [room], as snprintf does: returns the bytes of the whole text, at most
// PROMO_TERM_BYTES - 1, without its NUL; what does not fit is left out, whole characters of it. 0, and an empty text: it is not given. The text is
// UTF-8. `to` may be NULL if room is 0.
size_t promo_render(promo_slot s, const promo_terms *t, const promo_market *m, promo_language l, char *to,
                    size_t room);

enum { PROMO_QUANTITY = -1, PROMO_ARTICLE = -2 };

typedef struct promo_span {
  size_t begin, end; // bytes
  int32_t
      slot; // promo_slot; PROMO_QUANTITY: a quantity that is no term; PROMO_ARTICLE: one of those that is 一 before a measure
} promo_span;

// Where terms and other quantities stand in copy [bytes], in order, without overlaps; returns how many there are, of which the first
// `most` are written to `to` (NULL if most is 0). Only terms that are given are found, in any of their accepted forms
// (docs/copy.md has the list): in either language, in figures, Chinese numerals or English words, in full-width forms. A slot in place of
// its span leaves copy that reads as before: 满300元 becomes 满[threshold]元 where a threshold is written bare. Money in another
// currency than the market's, a date of another year, and a number that is worth the same but counts something else are no terms. Where
// several terms are worth the same, what stands beside the number decides (满, 减, "over", "off"), then price, threshold, amount.
// Names and codes of a single character are not looked for. Bytes that are no UTF-8 are passed over. m may be NULL: then no currency
// is another one, and 12/31 is not read as a date.
size_t promo_find(const char *text, size_t bytes, const promo_terms *t, const promo_market *m,
                  promo_language l, promo_span *to, size_t most);

#endif
