// Prices; money.h lists the spellings.
//
// An amount is a number between currencies and signs. The number is read as groups of digits with what stands between
// them, and the groups decide what is a decimal point and what only divides thousands.
#include "prepare/money.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "prepare/ascii.h"

enum { MAX_GROUPS = 16, MAX_DIGITS = 40 };

typedef struct scan {
  const char *p, *end; // what is left
  const char *why;
  unsigned guesses;
  const char *currency;
  size_t currency_bytes;
} scan;

static bool wrong(scan *s, const char *why) {
  if (s->why == NULL) s->why = why;
  return false;
}

// ---- texts ---------------------------------------------------------------------------------------------------

// Is the text here, in any case, and, if it ends with a letter, not the beginning of a longer word?
static bool ahead(const scan *s, const char *text) {
  if (s->p == s->end || ((*s->p ^ *text) & ~0x20) != 0) return false; // most are not, at a glance
  const size_t n = strlen(text);
  if ((size_t)(s->end - s->p) < n || strncasecmp(s->p, text, n) != 0) return false;
  return !is_letter(text[n - 1]) || s->p + n == s->end || !is_letter(s->p[n]);
}

static bool take(scan *s, const char *text) {
  if (!ahead(s, text)) return false;
  s->p += strlen(text);
  return true;
}

static bool take_one(scan *s, const char *const *texts, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (take(s, texts[i])) return true;
  return false;
}
#define TAKE_ONE(s, texts) take_one(s, texts, sizeof(texts) / sizeof *(texts))

static bool take_space(scan *s) { // a blank, a tab, or a space of typesetters
  static const char *const spaces[] = {" ", "\t", "\xC2\xA0", "\xE2\x80\xAF", "\xE2\x80\x89", "\xE3\x80\x80"};
  return TAKE_ONE(s, spaces);
}

static void take_spaces(scan *s) {
  while (take_space(s)) {
  }
}

bool value_missing(const char *text, size_t bytes) {
  static const char *const words[] = {
      "n/a", "na",       "#n/a",      "<na>", "null", "\\n", "none", "nil", "nan", "undefined",    "unknown",
      "tbd", "infinity", "-infinity", "inf",  "-inf", "-",   "--",   "?",   "nat", "not available"};
  for (size_t i = 0; i < bytes; i++)
    if (is_digit(text[i])) return false;
  scan s = {.p = text, .end = text + bytes};
  take_spaces(&s);
  bool missing = s.p == s.end;
  for (size_t i = 0; !missing && i < sizeof words / sizeof *words; i++) {
    scan t = s;
    if (!take(&t, words[i])) continue;
    take_spaces(&t);
    missing = t.p == t.end;
  }
  return missing;
}

// ---- currencies ----------------------------------------------------------------------------------------------

static const char *const currencies[] = {
    "$",   "€",   "£",    "¥",   "￥",  "元",      "US $",  "AU $", "C $",  "US$", "CA$", "A$",  "C$",
    "NZ$", "HK$", "NT$",  "S$",  "R$",  "MX$",     "₹",     "₩",    "₽",  "₺",   "₫",   "฿",   "₪",
    "₴",   "₦",   "₱",    "₸",   "円",  "圆",      "块",    "원",   "kr.",  "kr",  "zł",  "Kč",  "Ft",
    "lei", "лв",  "руб.", "руб", "р.",  "đ",       "Rs.",   "Rs",   "USD",  "EUR", "GBP", "JPY", "CNY",
    "RMB", "INR", "KRW",  "RUB", "BRL", "CAD",     "AUD",   "NZD",  "CHF",  "SEK", "NOK", "DKK", "PLN",
    "CZK", "HUF", "TRY",  "MXN", "ZAR", "SGD",     "HKD",   "TWD",  "THB",  "VND", "IDR", "MYR", "PHP",
    "AED", "SAR", "ILS",  "UAH", "ARS", "CLP",     "COP",   "PEN",  "EGP",  "NGN", "PKR", "BDT", "KZT",
    "RON", "BGN", "Fr.",  "Rp",  "RM",  "dollars", "euros", "euro", "yuan", "yen"};

static bool take_currency(scan *s) {
  if (s->p == s->end || is_digit(*s->p)) return false;
  const char *from = s->p;
  if (!TAKE_ONE(s, currencies)) return false;
  if (s->currency == NULL) {
    s->currency = from;
    s->currency_bytes = (size_t)(s->p - from);
  }
  return true;
}

// ---- numbers -------------------------------------------------------------------------------------------------

// "1.234,56": groups 1, 234 and 56 with '.' and ',' between them.
typedef struct number {
  char digits[MAX_DIGITS + 1]; // of all groups
  int n_digits;
  int bytes[MAX_GROUPS];    // digits of each group
  char between[MAX_GROUPS]; // group i and i + 1: '.', ',', '\'' or ' '
  int n;
} number;

static bool take_group(scan *s, number *x) {
  int n = 0;
  for (; s->p < s->end && is_digit(*s->p); s->p++, n++) {
    if (x->n_digits == MAX_DIGITS) return wrong(s, "price: a number of too many digits");
    x->digits[x->n_digits++] = *s->p;
  }
  x->bytes[x->n++] = n;
  return true;
}

// What stands between two groups, if it does and a digit follows: spaces only in front of three digits.
static char take_between(scan *s) {
  scan t = *s;
  static const char *const quotes[] = {"'", "\xE2\x80\x99"};
  const char c = take(&t, ".")          ? '.'
                 : take(&t, ",")        ? ','
                 : TAKE_ONE(&t, quotes) ? '\''
                 : take_space(&t)       ? ' '
                                        : '\0';
  int digits = 0;
  while (digits < t.end - t.p && is_digit(t.p[digits])) digits++;
  if (c == '\0' || digits == 0 || (c == ' ' && digits != 3)) return '\0';
  s->p = t.p;
  return c;
}

static bool take_groups(scan *s, number *x) {
  for (;;) {
    if (!take_group(s, x)) return false;
    if (x->n == 1 && x->bytes[0] == 0 && !ahead(s, "."))
      return wrong(s, "price: text that is not an amount of money");
    const char c = take_between(s);
    if (c == '\0' && x->n == 1 && x->n_digits > 0) take(s, "."); // "5."
    if (c == '\0') return x->n_digits > 0 || wrong(s, "price: text that is not an amount of money");
    if (x->n == MAX_GROUPS) return wrong(s, "price: a number of too many digits");
    x->between[x->n - 1] = c;
  }
}

// Are the first n groups thousands: one to three digits, then three each? India's have two each until the last.
static bool are_thousands(const number *x, int n) {
  bool two = true, three = true;
  for (int i = 1; i < n - 1; i++) {
    two &= x->bytes[i] == 2;
    three &= x->bytes[i] == 3;
  }
  return x->bytes[0] >= 1 && x->bytes[0] <= 3 && x->bytes[n - 1] == 3 && (three || (two && x->bytes[0] <= 2));
}

static bool same_between(const number *x, int n) { // in front of the first n groups but the first
  for (int i = 1; i < n - 1; i++)
    if (x->between[i] != x->between[0]) return false;
  return true;
}

// One ',' or '.', and nothing else, between two groups.
static int decimals_of_pair(scan *s, const number *x) {
  const bool thousand = x->bytes[1] == 3 && x->bytes[0] >= 1 && x->bytes[0] <= 3 && x->digits[0] != '0';
  if (x->between[0] == '.') {
    s->guesses |= thousand ? MONEY_POINT : 0;
    return x->bytes[1];
  }
  s->guesses |= thousand ? MONEY_GROUP_COMMA : MONEY_DECIMAL_COMMA;
  return thousand ? 0 : x->bytes[1];
}

// How many of the digits stand behind the decimal point; -1: what is between the groups does not fit together.
static int decimals_of(scan *s, const number *x) {
  const int n = x->n;
  if (n == 1) return 0;
  const char last = x->between[n - 2];
  const bool point = last == '.' || last == ',';
  if (n == 2 && point) return decimals_of_pair(s, x);
  if (same_between(x, n)) return are_thousands(x, n) ? 0 : -1;
  return point && last != x->between[0] && same_between(x, n - 1) && are_thousands(x, n - 1) ? x->bytes[n - 1]
                                                                                             : -1;
}

static void take_exponent(scan *s, char exponent[16]) {
  const char *p = s->p;
  exponent[0] = '\0';
  if (p == s->end || (*p != 'e' && *p != 'E')) return;
  p++;
  if (p < s->end && (*p == '+' || *p == '-')) p++;
  const char *digits = p;
  while (p < s->end && is_digit(*p)) p++;
  if (p == digits || p - s->p >= 8) return;
  snprintf(exponent, 16, "%.*s", (int)(p - s->p), s->p);
  s->p = p;
}

static bool take_number(scan *s, double *value) {
  number x = {.n = 0};
  char exponent[16], text[MAX_DIGITS + 40];
  if (!take_groups(s, &x)) return false;
  const int decimals = decimals_of(s, &x);
  if (decimals < 0) return wrong(s, "price: points and commas that do not fit together");
  take_exponent(s, exponent);
  // an integer and an exponent: no decimal point, which would depend on the locale
  const int more = exponent[0] != '\0' ? atoi(exponent + 1) : 0;
  snprintf(text, sizeof text, "%se%d", x.digits, more - decimals);
  *value = strtod(text, NULL);
  return isfinite(*value) || wrong(s, "price: a number that is out of range");
}

// ---- amounts -------------------------------------------------------------------------------------------------

static bool take_sign(scan *s) { // true: negative
  if (take(s, "+")) return false;
  return take(s, "-") || take(s, "\xE2\x88\x92");
}

// 199,- and 199:-
static void take_no_cents(scan *s) {
  static const char *const marks[] = {",-", ".-", ":-", ",\xE2\x80\x93", ".\xE2\x80\x93"};
  const scan before = *s;
  if (TAKE_ONE(s, marks) && s->p < s->end && is_digit(*s->p)) *s = before;
}

static bool take_amount(scan *s, double *value) {
  take_spaces(s);
  bool negative = take_sign(s);
  take_spaces(s);
  if (take_currency(s)) {
    take_spaces(s);
    negative |= take_sign(s);
    take_spaces(s);
  }
  if (!take_number(s, value)) return false;
  take_no_cents(s);
  if (negative) *value = -*value;
  const scan behind = *s;
  take_spaces(s);
  if (!take_currency(s)) *s = behind;
  return true;
}

static bool take_range(scan *s, double *value) {
  static const char *const words[] = {"-",  "\xE2\x80\x93", "\xE2\x80\x94", "~", "\xEF\xBD\x9E",
                                      "to", "bis",          "\xE8\x87\xB3"};
  double other;
  take_spaces(s);
  if (!TAKE_ONE(s, words)) return true;
  if (!take_amount(s, &other)) return false;
  if (other < *value) *value = other;
  s->guesses |= MONEY_LOWER_END;
  return true;
}

// What most rows hold, without a detour: digits, and a point with digits behind it that cannot be meant otherwise.
static bool parse_short(const char *p, size_t bytes, double *value) {
  static const double powers[] = {1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  int64_t digits = 0;
  size_t point = bytes;
  if (bytes == 0 || bytes > 15 || !is_digit(p[0]) || !is_digit(p[bytes - 1])) return false;
  for (size_t i = 0; i < bytes; i++) {
    if (is_digit(p[i]))
      digits = 10 * digits + (p[i] - '0');
    else if (p[i] == '.' && point == bytes)
      point = i;
    else
      return false;
  }
  const size_t decimals = point < bytes ? bytes - 1 - point : 0;
  if (decimals == 3) return false;            // thousands?
  *value = (double)digits / powers[decimals]; // both exact, so this is the number that is nearest
  return true;
}

bool money_parse(const char *text, size_t bytes, money *m, const char **why) {
  static const char *const from[] = {"from", "ab"}, *const up[] = {"起", "+"};
  scan s = {.p = text, .end = text + bytes};
  *m = (money){.value = NAN};
  if (parse_short(text, bytes, &m->value)) return true;
  if (value_missing(text, bytes)) {
    *why = "price: N/A, null or another word for none";
    return false;
  }
  take_spaces(&s);
  bool lower = TAKE_ONE(&s, from);
  if (take_amount(&s, &m->value) && take_range(&s, &m->value)) {
    lower |= TAKE_ONE(&s, up);
    take_spaces(&s);
    if (s.p < s.end) wrong(&s, "price: text that is not an amount of money");
  }
  *why = s.why;
  if (s.why != NULL) return false;
  m->guesses = s.guesses | (lower ? MONEY_LOWER_END : 0);
  m->currency = s.currency;
  m->currency_bytes = s.currency_bytes;
  return true;
}

const char *money_guess_text(money_guess guess) {
  switch (guess) {
  case MONEY_LOWER_END:
    return "price: a range, of which the lower end counts";
  case MONEY_DECIMAL_COMMA:
    return "price: a comma that is read as the decimal point";
  case MONEY_GROUP_COMMA:
    return "price: a comma in front of three digits that is read as dividing thousands";
  case MONEY_POINT:
    return "price: a point in front of three digits that is read as the decimal point, where others have a "
           "comma";
  }
  return "";
}
