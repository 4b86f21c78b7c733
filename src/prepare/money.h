// Prices, as catalogues and logs spell them.
//
//   4.50  1,234.56  1.234,56  1 234,56  1'234.50  1,23,456.78  1.5e3  -4.50
//   $4.50  US$ 4.50  €4,50  USD 12  12 EUR  ￥99  99元  Rs. 99  R$ 4,50
//   $3.00 - $9.99   3 to 9 EUR   from $3   99元起        ranges: the lower end
//
// The currency is read over; who reads a column should say when it has several.
#ifndef SOUK_PREPARE_MONEY_H
#define SOUK_PREPARE_MONEY_H

#include <stdbool.h>
#include <stddef.h>

// What was guessed to read an amount; flags.
typedef enum money_guess {
  MONEY_LOWER_END = 1,     // of a range
  MONEY_DECIMAL_COMMA = 2, // "4,50": 4.50
  MONEY_GROUP_COMMA = 4,   // "1,234": 1234, not 1.234
  MONEY_POINT = 8,         // "1.234": 1.234, and not 1234: doubtful where others have decimal commas
} money_guess;

typedef struct money {
  double value;         // finite
  unsigned guesses;     // of money_guess
  const char *currency; // the currency's text inside the text that was read, or NULL
  size_t currency_bytes;
} money;

// Reads text[0, bytes), which need not end with NUL. False: *why is the reason, a constant. Thread-safe, and
// independent of the locale.
bool money_parse(const char *text, size_t bytes, money *m, const char **why);
// Is it one of the texts that stand for no value: "", N/A, null, None, NaN, - and the like?
bool value_missing(const char *text, size_t bytes);
// The sentence for a guess, a constant.
const char *money_guess_text(money_guess guess);

#endif
