// The forms in which copy may say a term: every way in which a shop of the market would write it, not only the one that the renderer has.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "promo_scan_parts.h"

// "20% off" stands neither in "20% offers" nor in "SAVE20% off".
static bool within_word(const scan_text *t, size_t i, size_t end) {
  return (i > 0 && scan_glued(t, i - 1) && t->c[i - 1].end == t->c[i].begin) ||
         (end < t->n && scan_glued(t, end - 1));
}

// Occurrences of a form, both folded.
void scan_find(const scan_text *t, const char *form, scan_spans *to) {
  scan_text f = scan_text_of(form, strlen(form));
  for (size_t i = 0; f.n > 0 && i + f.n <= t->n; i++) {
    size_t k = 0;
    while (k < f.n && t->c[i + k].p == f.c[k].p) k++;
    if (k == f.n && !within_word(t, i, i + k)) scan_spans_add(to, t->c[i].begin, t->c[i + k - 1].end);
  }
  scan_text_free(&f);
}

// As given, byte by byte.
static void find_bytes(const char *text, size_t bytes, const char *name, scan_spans *to) {
  const size_t n = name == NULL ? 0 : strlen(name);
  for (size_t i = 0; n > 0 && i + n <= bytes; i++)
    if (memcmp(text + i, name, n) == 0) scan_spans_add(to, i, i + n);
}

typedef struct currency {
  const char *market, *signs[3], *words[7];
  int decimals;
  char mark, thousands;
} currency;

static const currency currencies[] = {
    {"cn", {"¥", "RMB", "CNY"}, {"元", "块", "圆", "圓", "人民币", "yuan", "RMB"}, 2, '.', ','},
    {"us", {"$", "US$", "USD"}, {"美元", "dollars", "USD"}, 2, '.', ','},
    {"gb", {"£", "GBP"}, {"英镑", "pounds", "GBP"}, 2, '.', ','},
    {"eu", {"€", "EUR"}, {"欧元", "euros", "EUR", "€"}, 2, ',', '.'},
    {"jp", {"¥", "JPY"}, {"円", "日元", "yen", "JPY"}, 2, '.', ','},
};

static const currency *currency_of(const char *market) {
  for (size_t i = 0; market != NULL && i < sizeof currencies / sizeof *currencies; i++)
    if (strcmp(currencies[i].market, market) == 0) return &currencies[i];
  return NULL;
}

#define FORM_BYTES 160

// The value with this number of decimals, with marks of thousands or none.
static void number(char to[64], double value, int decimals, const currency *c, bool thousands) {
  char plain[64];
  snprintf(plain, sizeof plain, "%.*f", decimals, value);
  const size_t whole = strcspn(plain, ".");
  size_t n = 0;
  for (size_t i = 0; plain[i] != '\0' && n < 62; i++) {
    if (thousands && i > 0 && i < whole && (whole - i) % 3 == 0) to[n++] = c->thousands;
    to[n++] = plain[i] == '.' ? c->mark : plain[i];
  }
  to[n] = '\0';
}

// Calls form(number) for every way to write the value: with as few decimals as show it, or with all of them.
typedef void number_form(const scan_text *t, const currency *c, const char *number, const void *arg,
                         scan_spans *to);
static void each_number(const scan_text *t, const currency *c, double value, number_form *form,
                        const void *arg, scan_spans *to) {
  if (!(value > 0 && value < 1e12)) return;
  const double unit = pow(10, -c->decimals), shown = round(value / unit) * unit;
  for (int decimals = 0; decimals <= c->decimals; decimals++) {
    const double step = pow(10, -decimals);
    if (fabs(round(shown / step) * step - shown) > 1e-9 * (1 + shown)) continue;
    for (int thousands = 0; thousands < (value >= 1000 ? 2 : 1); thousands++) {
      char text[64];
      number(text, shown, decimals, c, thousands);
      form(t, c, text, arg, to);
    }
    if (c->mark == '.' || decimals == 0) continue;
    char pointed[64]; // as Chinese writes it in any market
    snprintf(pointed, sizeof pointed, "%.*f", decimals, shown);
    form(t, c, pointed, arg, to);
  }
}

// `arg`, which may be NULL, is what may stand behind a form as well: " off".
static void money(const scan_text *t, const currency *c, const char *number, const void *arg,
                  scan_spans *to) {
  char form[FORM_BYTES];
  const char *const behind = arg != NULL ? arg : "";
  for (int spaced = 0; spaced < 2; spaced++) {
    const char *const space = spaced ? " " : "";
    for (size_t i = 0; i < 3 && c->signs[i] != NULL; i++) {
      snprintf(form, sizeof form, "%s%s%s%s", c->signs[i], space, number, behind);
      scan_find(t, form, to);
    }
    for (size_t i = 0; i < 7 && c->words[i] != NULL; i++) {
      snprintf(form, sizeof form, "%s%s%s%s", number, space, c->words[i], behind);
      scan_find(t, form, to);
    }
  }
}

// In China a number alone says money too: 满300减50. Elsewhere it does behind a word that says so.
static void bare(const scan_text *t, const currency *c, const char *number, const void *arg, scan_spans *to) {
  (void)c, (void)arg;
  scan_find(t, number, to);
}

static void after_word(const scan_text *t, const currency *c, const char *number, const void *arg,
                       scan_spans *to) {
  (void)c;
  char form[FORM_BYTES];
  for (const char *const *word = arg; *word != NULL; word++) {
    snprintf(form, sizeof form, "%s%s", *word, number);
    scan_find(t, form, to);
  }
}

static const char *const numerals[] = {"零", "一", "二", "三", "四", "五", "六", "七", "八", "九"};

// What is left of a price in tenths, 折: 八折, 8折, 85折, 八五折, 8.5折.
static void tenths(const scan_text *t, double percent, scan_spans *to) {
  char form[FORM_BYTES];
  const int left = (int)lround((100 - percent) * 100); // hundredths of a percent
  const int whole = left / 1000, tenth = left / 100 % 10, rest = left % 100;
  if (left < 1 || left >= 10000) return; // too little or all of it, to a hundredth of a percent
  char plain[32];
  snprintf(plain, sizeof plain, "%.5g折", left / 1000.0);
  scan_find(t, plain, to);
  if (whole > 0 && tenth == 0 && rest == 0) {
    snprintf(form, sizeof form, "%s折", numerals[whole]);
    scan_find(t, form, to);
  }
  if (tenth == 0 && rest == 0) return;
  snprintf(form, sizeof form, "%s点%s", numerals[whole], numerals[tenth]);
  if (rest > 0) strcat(form, numerals[rest / 10]);
  if (rest % 10 > 0) strcat(form, numerals[rest % 10]);
  scan_find(t, strcat(form, "折"), to);
  if (whole == 0) return; // 5折 is half the price, not a twentieth
  snprintf(form, sizeof form, "%.4g折", left / 100.0);
  scan_find(t, form, to);
  if (rest > 0) return;
  snprintf(form, sizeof form, "%s%s折", numerals[whole], numerals[tenth]);
  scan_find(t, form, to);
}

static void percents(const scan_text *t, double percent, scan_spans *to) {
  if (!(percent > 0 && percent < 100)) return;
  tenths(t, percent, to);
  static const char *const before[] = {"减", "省", "立减", "直降", "优惠", "-"};
  for (int decimals = 0; decimals <= 2; decimals++) {
    char number[32], form[FORM_BYTES];
    snprintf(number, sizeof number, "%.*f", decimals, percent);
    if (fabs(strtod(number, NULL) - percent) > 0.005 + 1e-9) continue;
    for (int comma = 0; comma < 2; comma++) {
      char *const point = strchr(number, '.');
      if (comma && point == NULL) continue;
      if (comma) *point = ',';
      static const char *const units[] = {"%", " %", " percent"};
      for (size_t i = 0; i < 3; i++) {
        snprintf(form, sizeof form, "%s%s off", number, units[i]);
        scan_find(t, form, to);
      }
      for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        snprintf(form, sizeof form, "%s%s%%", before[i], number);
        scan_find(t, form, to);
      }
    }
  }
}

static bool possible_date(const promo_scan_request *r) {
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (r->month < 1 || r->month > 12 || r->day < 1 || r->year < 0 || r->year > 9999) return false;
  const bool leap = r->year == 0 || (r->year % 4 == 0 && (r->year % 100 != 0 || r->year % 400 == 0));
  return r->day <= days[r->month - 1] + (r->month == 2 && leap);
}

static void dates(const scan_text *t, const promo_scan_request *r, scan_spans *to) {
  static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                       "July",    "August",   "September", "October", "November", "December"};
  if (!possible_date(r)) return;
  const int m = r->month, d = r->day, y = r->year;
  const char *const name = months[m - 1];
  char forms[20][64];
  size_t n = 0;
#define FORM(...) snprintf(forms[n++], sizeof *forms, __VA_ARGS__)
  FORM("%d月%d日", m, d);
  for (int point = 0; point < 2; point++) {
    FORM("%.3s%s %d", name, point ? "." : "", d);
    FORM("%d %.3s%s", d, name, point ? "." : "");
  }
  FORM("%s %d", name, d);
  FORM("%d %s", d, name);
  const bool american = r->market != NULL && strcmp(r->market, "us") == 0;
  const bool european = r->market != NULL && strcmp(r->market, "eu") == 0;
  if (american) FORM("%d/%d", m, d);
  if (european) FORM("%d.%d.", d, m), FORM("%02d.%02d.", d, m);
  if (y > 0) {
    FORM("%d年%d月%d日", y, m, d);
    FORM("%04d-%02d-%02d", y, m, d);
    if (european) FORM("%d.%d.%d", d, m, y), FORM("%02d.%02d.%d", d, m, y);
    FORM("%.3s %d, %d", name, d, y), FORM("%s %d, %d", name, d, y);
    FORM("%d %.3s %d", d, name, y), FORM("%d %s %d", d, name, y);
  }
#undef FORM
  for (size_t i = 0; i < n; i++) scan_find(t, forms[i], to);
}

static void full_reduction(const scan_text *t, const currency *c, const promo_scan_request *r,
                           scan_spans *to) {
  static const char *const least[] = {"满", "滿", NULL};
  static const char *const less[] = {"减", "減", "省", "降", "优惠", "返", NULL};
  if (strcmp(c->market, "cn") == 0) {
    each_number(t, c, r->threshold, bare, NULL, to);
    each_number(t, c, r->amount, bare, NULL, to);
  }
  each_number(t, c, r->threshold, after_word, least, to);
  each_number(t, c, r->amount, after_word, less, to);
}

void scan_accepted(const scan_text *t, const char *text, size_t bytes, const promo_scan_request *r,
                   scan_spans *to) {
  find_bytes(text, bytes, r->item, to);
  find_bytes(text, bytes, r->code, to);
  percents(t, r->percent, to);
  dates(t, r, to);
  const currency *const c = currency_of(r->market);
  if (c == NULL) return;
  each_number(t, c, r->price, money, NULL, to);
  each_number(t, c, r->threshold, money, NULL, to);
  each_number(t, c, r->amount, money, NULL, to);
  each_number(t, c, r->amount, money, " off", to);
  each_number(t, c, r->amount, money, "off", to); // full-width, which has no spaces
  full_reduction(t, c, r, to);
}
