// A reader of promotion copy that looks for what copy may not say. It was written from the rules alone and shares no code and no table
// with what it judges, so that a mistake in those tables is found here and not repeated.
//
// A quantity is a numeral with the unit or currency beside it: digits of any script wherever they stand; Chinese numerals before a
// measure, a unit or a currency, or behind a currency's sign; English numbers before a unit. It is admissible only if all of it lies within
// one form of a given term ("20% off", 八折, ￥199, 满300减50, 12月31日), within the item's name as given or within the code. So "$199 off" is
// a violation where 199 is a price, and so is 15折 where the name of the item is "Phone 15".
#ifndef SOUK_TESTS_PROMO_SCAN_H
#define SOUK_TESTS_PROMO_SCAN_H

#include <stddef.h>

typedef struct promo_scan_request {
  const char *item, *code;                  // NULL: not given
  double price, percent, amount, threshold; // NAN: not given
  int year, month, day;                     // 0: not given
  const char *market;                       // cn, us, gb, eu, jp
  const char *const *banned;                // phrases; "cure~" with the forms of its last word
  size_t n_banned;
  const char *const *exceptions; // phrases within which a banned one is allowed
  size_t n_exceptions;
} promo_scan_request;

typedef enum promo_scan_kind {
  SCAN_NOT_UTF8,
  SCAN_CONTROL, // a control character
  SCAN_MARKER, // a slot's name, a special token or the mark of a continued word, outside the item's name and the code
  SCAN_QUANTITY, // a quantity that is no form of a given term
  SCAN_BANNED,
} promo_scan_kind;

typedef struct promo_scan_found {
  promo_scan_kind kind;
  size_t begin, end; // bytes of the text
} promo_scan_found;

// Number of violations in `text`, of which the first `room` are written to `found`.
size_t promo_scan(const char *text, size_t bytes, const promo_scan_request *r, promo_scan_found *found,
                  size_t room);

const char *promo_scan_name(promo_scan_kind kind);

#endif
