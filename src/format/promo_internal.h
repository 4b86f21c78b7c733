// What the files of promo_terms.h share.
#ifndef SOUK_FORMAT_PROMO_INTERNAL_H
#define SOUK_FORMAT_PROMO_INTERNAL_H

#include "format/promo_quantity.h"
#include "format/promo_terms.h"

// Money to the nearest hundredth; 0: it cannot be said (NAN, not above 0, beyond PROMO_MOST_MONEY).
int64_t promo_hundredths(double x);
// A share off in hundredths of a percent, 1 to 9999; 0: it cannot be said.
int64_t promo_percent_hundredths(double percent);

typedef struct money_form { // what stands before and behind the number
  const char *before, *after;
} money_form;

typedef enum date_order { MONTH_DAY, DAY_MONTH, DAY_MONTH_DOTS } date_order; // Dec 31, 31 Dec, 31.12.

struct promo_market {
  const char *name;
  quantity_unit currency;
  money_form zh_price, zh_amount, en; // amounts and thresholds in zh; all money in en
  char decimal, thousands;            // in en; zh writes 1299.50
  date_order order;                   // in en; zh writes 12月31日
};

extern const char *const promo_months[12]; // "January", ...; their first three letters are what is written

// The end of the terms' date, which is given, at byte `at` of text [bytes], in any form of it; 0: it is not there.
size_t promo_date_at(const char *text, size_t bytes, size_t at, const promo_terms *t, const promo_market *m,
                     promo_language l);
// The end of `word`, folded already, at `at`, in whole words if it is one of letters; 0: it is not there. A space in `word` is any
// number of spaces.
size_t promo_word_at(const char *text, size_t bytes, size_t at, const char *word);

#endif
