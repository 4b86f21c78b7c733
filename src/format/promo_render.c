// Terms as text; see promo_terms.h.
#include <stdio.h>
#include <string.h>
#include "format/promo_internal.h"
#include "format/utf8.h"

// In Chinese the currency of another country is a word, since ￥ and $ stand for the currencies of several.
static const promo_market markets[] = {
    {"cn", UNIT_CNY, {"￥", ""}, {"", ""}, {"¥", ""}, '.', ',', MONTH_DAY},
    {"us", UNIT_USD, {"", "美元"}, {"", "美元"}, {"$", ""}, '.', ',', MONTH_DAY},
    {"gb", UNIT_GBP, {"", "英镑"}, {"", "英镑"}, {"£", ""}, '.', ',', DAY_MONTH},
    {"eu", UNIT_EUR, {"", "欧元"}, {"", "欧元"}, {"", " €"}, ',', '.', DAY_MONTH_DOTS},
    {"jp", UNIT_JPY, {"", "日元"}, {"", "日元"}, {"¥", ""}, '.', ',', MONTH_DAY},
};
enum { MARKETS = sizeof markets / sizeof markets[0], SHORT = 96 };

const char *const promo_months[12] = {"January", "February", "March",     "April",   "May",      "June",
                                      "July",    "August",   "September", "October", "November", "December"};

const promo_market *promo_market_at(size_t i) {
  return i < MARKETS ? &markets[i] : NULL;
}

const promo_market *promo_market_named(const char *name) {
  for (size_t i = 0; i < MARKETS; i++)
    if (strcmp(name, markets[i].name) == 0) return &markets[i];
  return NULL;
}

const char *promo_market_name(const promo_market *m) {
  return m->name;
}

// A number of hundredths: its decimals only if it is not whole; thousands '\0': no mark between them.
static void put_number(char to[SHORT], int64_t hundredths, char decimal, char thousands) {
  char digits[32];
  const int n = snprintf(digits, sizeof digits, "%lld", (long long)(hundredths / 100));
  size_t at = 0;
  for (int i = 0; i < n; i++) {
    if (i > 0 && thousands != '\0' && (n - i) % 3 == 0) to[at++] = thousands;
    to[at++] = digits[i];
  }
  to[at] = '\0';
  if (hundredths % 100 != 0) snprintf(to + at, SHORT - at, "%c%02d", decimal, (int)(hundredths % 100));
}

static void put_money(char to[SHORT], double x, bool price, const promo_market *m, promo_language l) {
  const money_form *f = l == LANGUAGE_EN ? &m->en : price ? &m->zh_price : &m->zh_amount;
  char number[SHORT];
  if (l == LANGUAGE_EN)
    put_number(number, promo_hundredths(x), m->decimal, m->thousands);
  else
    put_number(number, promo_hundredths(x), '.', '\0');
  snprintf(to, SHORT, "%s%.40s%s", f->before, number, f->after);
}

// What is left to pay, in 折, tenths: one or two digits are written as Chinese numerals, 八五折, others as 6.67折.
static void put_fold(char to[SHORT], int64_t percent) {
  static const char *const digits[] = {"", "一", "二", "三", "四", "五", "六", "七", "八", "九"};
  const int left = (int)(100 * 100 - percent); // thousandths of 折
  if (left % 100 == 0 && left >= 1000) {
    snprintf(to, SHORT, "%s%s折", digits[left / 1000], digits[left / 100 % 10]);
    return;
  }
  int n = snprintf(to, SHORT, "%d.%03d", left / 1000, left % 1000);
  while (to[n - 1] == '0') n--;
  snprintf(to + n, SHORT - (size_t)n, "折");
}

static void put_percent(char to[SHORT], double percent, const promo_market *m, promo_language l) {
  const int64_t h = promo_percent_hundredths(percent);
  if (l == LANGUAGE_ZH) {
    put_fold(to, h);
    return;
  }
  put_number(to, h, m->decimal, '\0');
  size_t n = strlen(to);
  if (h % 100 != 0 && to[n - 1] == '0') n--;
  snprintf(to + n, SHORT - n, "%% off");
}

static void put_date(char to[SHORT], const promo_terms *t, const promo_market *m, promo_language l) {
  char year[16] = "";
  const int month = t->month, day = t->day;
  const char *name = promo_months[month - 1];
  if (l == LANGUAGE_ZH) {
    if (t->year != 0) snprintf(year, sizeof year, "%d年", t->year);
    snprintf(to, SHORT, "%s%d月%d日", year, month, day);
  } else if (m->order == MONTH_DAY) {
    if (t->year != 0) snprintf(year, sizeof year, ", %d", t->year);
    snprintf(to, SHORT, "%.3s %d%s", name, day, year);
  } else if (m->order == DAY_MONTH) {
    if (t->year != 0) snprintf(year, sizeof year, " %d", t->year);
    snprintf(to, SHORT, "%d %.3s%s", day, name, year);
  } else {
    if (t->year != 0) snprintf(year, sizeof year, "%d", t->year);
    snprintf(to, SHORT, "%02d.%02d.%s", day, month, year);
  }
}

// The text of a term that is given.
static const char *text_of(char buffer[SHORT], promo_slot s, const promo_terms *t, const promo_market *m,
                           promo_language l) {
  switch (s) {
  case SLOT_ITEM:
    return t->item;
  case SLOT_CODE:
    return t->code;
  case SLOT_PRICE:
    put_money(buffer, t->price, true, m, l);
    break;
  case SLOT_AMOUNT:
    put_money(buffer, t->amount, false, m, l);
    break;
  case SLOT_THRESHOLD:
    put_money(buffer, t->threshold, false, m, l);
    break;
  case SLOT_PERCENT:
    put_percent(buffer, t->percent, m, l);
    break;
  case SLOT_DATE:
    put_date(buffer, t, m, l);
    break;
  case SLOT_COUNT:
    break;
  }
  return buffer;
}

size_t promo_render(promo_slot s, const promo_terms *t, const promo_market *m, promo_language l, char *to,
                    size_t room) {
  char buffer[SHORT] = "";
  if (room > 0) to[0] = '\0';
  if (s >= SLOT_COUNT || (promo_terms_given(t) >> s & 1) == 0) return 0;
  const char *text = text_of(buffer, s, t, m, l);
  const size_t n = strlen(text);
  if (room == 0) return n;
  const size_t kept = utf8_cut(text, n, room - 1);
  memcpy(to, text, kept);
  to[kept] = '\0';
  return n;
}
