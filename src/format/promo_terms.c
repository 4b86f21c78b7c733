// Terms of offers and what they contradict; see promo_terms.h.
#include "format/promo_terms.h"

#include <math.h>
#include <string.h>
#include "format/lexicon_symbols.h"
#include "format/printable.h"
#include "format/promo_internal.h"
#include "format/utf8.h"

const char *const promo_slot_names[SLOT_COUNT] = {
#define SLOT(name, text) [SLOT_##name] = text,
    PROMO_SLOTS(SLOT)
#undef SLOT
};
const char *const promo_language_names[LANGUAGE_COUNT] = {[LANGUAGE_EN] = "en", [LANGUAGE_ZH] = "zh"};

bool promo_language_named(const char *name, promo_language *language) {
  for (int i = 0; i < LANGUAGE_COUNT; i++) {
    if (strcmp(name, promo_language_names[i]) != 0) continue;
    *language = (promo_language)i;
    return true;
  }
  return false;
}

promo_terms promo_terms_none(void) {
  return (promo_terms){.price = NAN, .was = NAN, .percent = NAN, .amount = NAN, .threshold = NAN};
}

int64_t promo_hundredths(double x) {
  return x > 0 && x <= PROMO_MOST_MONEY ? llround(x * 100) : 0;
}

int64_t promo_percent_hundredths(double percent) {
  const int64_t h = promo_hundredths(percent);
  return h < 100 * 100 ? h : 0;
}

static int32_t days_of(int32_t year, int32_t month) {
  static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year == 0 || (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
  return days[month - 1] + (month == 2 && leap);
}

static bool is_date(const promo_terms *t) {
  return (t->year == 0 || (t->year >= PROMO_FIRST_YEAR && t->year <= PROMO_LAST_YEAR)) && t->month >= 1 &&
         t->month <= 12 && t->day >= 1 && t->day <= days_of(t->year, t->month);
}

// What is wrong with a name or a code; NULL: nothing.
static const char *wrong_with(const char *text) {
  const size_t n = strnlen(text, MAX_NAME_BYTES + 1);
  if (n == 0) return "is empty";
  if (n > MAX_NAME_BYTES) return "is too long";
  if (!utf8_valid_bytes(text, n)) return "is not UTF-8";
  bool blank = true;
  for (size_t i = 0, bytes; i < n; i += bytes) {
    uint32_t code;
    if (is_control(text + i, n - i, &code)) return "has a control character";
    code = utf8_next(text + i, n - i, &bytes);
    blank = blank && (code == ' ' || code == 0xA0 || code == 0x3000 ||
                      lexicon_symbol_of(code).kind == LEXICON_NOTHING);
  }
  return blank ? "has only spaces" : NULL;
}

uint32_t promo_terms_given(const promo_terms *t) {
  const bool given[SLOT_COUNT] = {
      [SLOT_ITEM] = t->item != NULL && wrong_with(t->item) == NULL,
      [SLOT_PRICE] = promo_hundredths(t->price) > 0,
      [SLOT_PERCENT] = promo_percent_hundredths(t->percent) > 0,
      [SLOT_AMOUNT] = promo_hundredths(t->amount) > 0,
      [SLOT_THRESHOLD] = promo_hundredths(t->threshold) > 0,
      [SLOT_DATE] = is_date(t),
      [SLOT_CODE] = t->code != NULL && wrong_with(t->code) == NULL,
  };
  uint32_t bits = 0;
  for (int s = 0; s < SLOT_COUNT; s++) bits |= (uint32_t)given[s] << s;
  return bits;
}

static bool check_text(const char *name, const char *text, format_error *e) {
  const char *wrong = text != NULL ? wrong_with(text) : NULL;
  return wrong == NULL || format_fail(e, FORMAT_MALFORMED, "the %s %s", name, wrong);
}

static bool check_money(const char *name, double x, format_error *e) {
  if (isnan(x) || promo_hundredths(x) > 0) return true;
  return format_fail(e, FORMAT_MALFORMED, "%s is %g, which is not between 0.01 and %d", name, x,
                     PROMO_MOST_MONEY);
}

static bool check_numbers(const promo_terms *t, format_error *e) {
  if (!check_money("the price", t->price, e) || !check_money("the price before", t->was, e) ||
      !check_money("the amount off", t->amount, e) || !check_money("the threshold", t->threshold, e))
    return false;
  if (isnan(t->percent) || promo_percent_hundredths(t->percent) > 0) return true;
  return format_fail(e, FORMAT_MALFORMED, "%g percent off is not between 0.01 and 99.99", t->percent);
}

static bool check_date(const promo_terms *t, format_error *e) {
  if (t->month == 0 && t->day == 0 && t->year == 0) return true;
  if (is_date(t)) return true;
  return format_fail(e, FORMAT_MALFORMED, "the calendar has no date of year %d, month %d, day %d", t->year,
                     t->month, t->day);
}

// Comparisons with NAN are false, so what is not given contradicts nothing.
static bool check_prices(const promo_terms *t, format_error *e) {
  if (t->price >= t->was)
    return format_fail(e, FORMAT_MALFORMED, "the price %.10g is not below the %.10g before", t->price,
                       t->was);
  const double off = 100 * (1 - t->price / t->was), rounding = 0.5 + 1 / t->was;
  if (fabs(off - t->percent) > rounding)
    return format_fail(e, FORMAT_MALFORMED, "from %.10g to %.10g is %.4g percent off, not %.4g", t->was,
                       t->price, off, t->percent);
  return true;
}

static bool check_amounts(const promo_terms *t, format_error *e) {
  if (t->amount >= t->threshold)
    return format_fail(e, FORMAT_MALFORMED, "%.10g off is not less than the threshold %.10g", t->amount,
                       t->threshold);
  if (isnan(t->threshold) && (t->amount > t->price || t->amount >= t->was))
    return format_fail(e, FORMAT_MALFORMED, "%.10g off is more than the price %.10g", t->amount,
                       t->amount > t->price ? t->price : t->was);
  return true;
}

bool promo_terms_check(const promo_terms *t, format_error *e) {
  return check_text("item's name", t->item, e) && check_text("code", t->code, e) && check_numbers(t, e) &&
         check_date(t, e) && check_prices(t, e) && check_amounts(t, e);
}
