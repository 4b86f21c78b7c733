// Dates in copy; see promo_find in promo_terms.h.
//
// A date is the terms' one if its month and day are, and its year too where both have one. Accepted are 12月31日, 十二月三十一号,
// 2026年12月31日; December 31, Dec. 31st, 2026, 31 Dec, the 31st of December; 2026-12-31, 12-31, 12/31, 31.12., 31.12.26, where the market
// and language say which number is the month.
#include <math.h>
#include <string.h>
#include "format/promo_internal.h"
#include "format/utf8.h"

typedef struct date_input {
  const char *text;
  size_t bytes;
  const promo_terms *terms;
} date_input;

// Up to four digits at `at`, not more: their end; 0: there are none.
static size_t number_at(const date_input *in, size_t at, int *value, int *digits) {
  size_t n;
  *value = *digits = 0;
  for (; at < in->bytes; at += n) {
    const uint32_t c = quantity_fold(in->text + at, in->bytes - at, &n);
    if (c < '0' || c > '9') break;
    if (++*digits > 4) return 0;
    *value = 10 * *value + (int)(c - '0');
  }
  return *digits > 0 ? at : 0;
}

// A number, in digits or Chinese numerals, before the character `unit` (年, 月, 日): its end; 0: there is none.
static size_t zh_part(const date_input *in, size_t at, const char *unit, int *value) {
  quantity q;
  const size_t length = strlen(unit);
  if (at >= in->bytes || !quantity_at(in->text, in->bytes, at, '.', &q) ||
      !(q.value >= 1 && q.value <= PROMO_LAST_YEAR))
    return 0;
  if (q.end < q.number_end + length || memcmp(in->text + q.end - length, unit, length) != 0) return 0;
  *value = (int)q.value;
  return *value == q.value ? q.end : 0;
}

static bool is_it(const promo_terms *t, int year, int month, int day) {
  const bool same_year =
      year == 0 || year == t->year || (year < 100 && t->year != 0 && year == t->year % 100);
  return same_year && month == t->month && day == t->day;
}

static size_t zh_date(const date_input *in, size_t at) {
  int year = 0, month, day;
  const size_t behind = zh_part(in, at, "年", &year), n = strlen("年");
  if (behind > 0)
    at = behind;
  else if (in->terms->year != 0 && at >= n && memcmp(in->text + at - n, "年", n) == 0)
    return 0; // it has another year
  const size_t from = zh_part(in, at, "月", &month);
  if (from == 0) return 0;
  size_t end = zh_part(in, from, "日", &day);
  if (end == 0) end = zh_part(in, from, "号", &day);
  if (end == 0) end = zh_part(in, from, "號", &day);
  return end > 0 && is_it(in->terms, year, month, day) ? end : 0;
}

// Spaces from `at`, a point or comma before them too if `mark` has it.
static size_t skip(const date_input *in, size_t at, const char *mark) {
  if (at < in->bytes && in->text[at] != '\0' && strchr(mark, in->text[at]) != NULL) at++;
  for (size_t n; at < in->bytes && quantity_fold(in->text + at, in->bytes - at, &n) == ' ';) at += n;
  return at;
}

// A year behind a date, which has to be the terms' one if they have one: the end with it; 0: it is another one.
static size_t year_behind(const date_input *in, size_t at) {
  int year, digits;
  const size_t from = skip(in, at, ","), end = number_at(in, from, &year, &digits);
  if (end == 0 || digits != 4 || year < PROMO_FIRST_YEAR || in->terms->year == 0) return at;
  return year == in->terms->year ? end : 0;
}

// A day, with st, nd, rd or th.
static size_t en_day(const date_input *in, size_t at, int *day) {
  static const char *const ends[] = {"st", "nd", "rd", "th"};
  int digits;
  const size_t end = number_at(in, at, day, &digits);
  if (end == 0 || digits > 2) return 0;
  for (size_t i = 0; i < 4; i++) {
    size_t n, m, behind = end;
    if (end >= in->bytes || quantity_fold(in->text + end, in->bytes - end, &n) != (uint32_t)ends[i][0])
      continue;
    behind += n;
    if (behind >= in->bytes ||
        quantity_fold(in->text + behind, in->bytes - behind, &m) != (uint32_t)ends[i][1])
      continue;
    return behind + m;
  }
  return end;
}

// The terms' month at `at`, whole or in three letters, with a point.
static size_t en_month(const date_input *in, size_t at) {
  const char *name = promo_months[in->terms->month - 1];
  char whole[16], three[4] = {0};
  size_t i = 0;
  for (; name[i] != '\0'; i++)
    whole[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 'a' - 'A' : name[i]);
  whole[i] = '\0';
  memcpy(three, whole, 3);
  size_t end = promo_word_at(in->text, in->bytes, at, whole);
  if (end == 0) end = promo_word_at(in->text, in->bytes, at, three);
  if (end == 0 && in->terms->month == 9) end = promo_word_at(in->text, in->bytes, at, "sept");
  return end;
}

static size_t behind_word(const date_input *in, size_t at, const char *word) {
  const size_t end = promo_word_at(in->text, in->bytes, at, word);
  return end > 0 ? skip(in, end, "") : at;
}

static size_t month_first(const date_input *in, size_t at) {
  int day;
  size_t end = en_month(in, at);
  if (end == 0) return 0;
  end = en_day(in, behind_word(in, skip(in, end, "."), "the"), &day);
  return end > 0 && day == in->terms->day ? year_behind(in, end) : 0;
}

static size_t day_first(const date_input *in, size_t at) {
  int day;
  size_t end = en_day(in, behind_word(in, at, "the"), &day);
  if (end == 0 || day != in->terms->day) return 0;
  end = en_month(in, behind_word(in, skip(in, end, ""), "of"));
  if (end == 0) return 0;
  const size_t dated = year_behind(in, end);
  if (dated != end || end >= in->bytes || in->text[end] != '.') return dated;
  const size_t point = year_behind(in, end + 1); // 31 Dec. 2026, but not the point that ends a sentence
  return point > end + 1 || point == 0 ? point : end;
}

static size_t en_date(const date_input *in, size_t at) {
  const size_t end = month_first(in, at);
  return end > 0 ? end : day_first(in, at);
}

// Numbers with '-', '/' or '.' between them; `order` is that of the month.
static size_t number_date(const date_input *in, size_t at, date_order order) {
  int v[3], digits[3], n = 0;
  char mark = '\0';
  size_t end = 0;
  for (; n < 3; n++) {
    end = number_at(in, at, &v[n], &digits[n]);
    if (end == 0) return 0;
    at = end;
    if (n == 2 || at >= in->bytes || in->text[at] == '\0' || strchr("-/.", in->text[at]) == NULL) break;
    if (n > 0 && in->text[at] != mark) break;
    mark = in->text[at++];
    if (at >= in->bytes || in->text[at] < '0' || in->text[at] > '9') { // the mark is behind the date
      at--;
      break;
    }
  }
  n += n < 3;
  if (n < 2 || (n == 2 && mark == '.' && digits[1] > 2)) return 0;
  const bool iso = n == 3 && digits[0] == 4;
  const int first = iso ? v[1] : v[0], second = iso ? v[2] : v[1], year = n == 2 ? 0 : iso ? v[0] : v[2];
  const bool month_day = iso || order == MONTH_DAY;
  if (!is_it(in->terms, year, month_day ? first : second, month_day ? second : first)) return 0;
  const bool dot = n == 2 && mark == '.' && order == DAY_MONTH_DOTS;
  return end + (dot && end < in->bytes && in->text[end] == '.');
}

size_t promo_date_at(const char *text, size_t bytes, size_t at, const promo_terms *t, const promo_market *m,
                     promo_language l) {
  const date_input in = {text, bytes, t};
  size_t end = zh_date(&in, at), n;
  if (end > 0) return end;
  if (at > 0 && text[at - 1] >= 0 && quantity_in_word((unsigned char)text[at - 1])) return 0;
  end = en_date(&in, at);
  if (end == 0 && m != NULL) end = number_date(&in, at, l == LANGUAGE_ZH ? MONTH_DAY : m->order);
  return end > 0 && (end >= bytes || !quantity_in_word(quantity_fold(text + end, bytes - end, &n))) ? end : 0;
}
