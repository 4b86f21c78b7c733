// Times that are numbers, and the calendar. Dates are read in times_date.c.
#include "prepare/times.h"

#include <stdio.h>
#include <string.h>
#include "prepare/ascii.h"
#include "prepare/money.h"
#include "prepare/times_internal.h"

const char *const time_format_names[TIME_FORMAT_COUNT] = {
    "seconds", "milliseconds", "microseconds", "nanoseconds", "iso", "day_first", "month_first", "order"};

// ---- the calendar --------------------------------------------------------------------------------------------

// Both count in eras of 400 years that begin on the first of March, so that the leap day is the last day of a year.
int64_t days_of_date(int64_t year, int month, int day) {
  const int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
  const int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void date_of_days(int64_t days, int64_t *year, int *month, int *day) {
  const int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
  const int of_era = (int)(z - era * 146097);
  const int y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  const int of_year = of_era - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;
  *day = of_year - (153 * m + 2) / 5 + 1;
  *month = m < 10 ? m + 3 : m - 9;
  *year = y + era * 400 + (*month <= 2);
}

const char *time_text(char buf[TIME_TEXT], event_time t) {
  int64_t days = t.seconds / 86400, year;
  int of_day = (int)(t.seconds % 86400), month, day;
  if (of_day < 0) {
    of_day += 86400;
    days--;
  }
  date_of_days(days, &year, &month, &day);
  char fraction[16] = "";
  if (t.nanos > 0) {
    snprintf(fraction, sizeof fraction, ".%09u", t.nanos);
    for (size_t n = strlen(fraction); fraction[n - 1] == '0';) fraction[--n] = '\0';
  }
  snprintf(buf, TIME_TEXT, "%04lld-%02d-%02d %02d:%02d:%02d%s UTC", (long long)year, month, day,
           of_day / 3600, of_day / 60 % 60, of_day % 60, fraction);
  return buf;
}

// ---- numbers -------------------------------------------------------------------------------------------------

// A decimal number as it is written: its first digits, and where its point is among them.
enum { NUMBER_DIGITS = 40 };
typedef struct decimal {
  uint8_t digits[NUMBER_DIGITS]; // without leading zeros
  int n;
  int64_t point;       // digits in front of the point; may lie outside of [0, n]
  bool negative, more; // more: one beyond the first NUMBER_DIGITS is not zero
} decimal;

static void take_digit(decimal *d, char c) {
  if (d->n == 0 && c == '0') return;
  if (d->n < NUMBER_DIGITS)
    d->digits[d->n++] = (uint8_t)(c - '0');
  else
    d->more |= c != '0';
}

// An exponent's digits; those beyond +-10^6 do not change what becomes of the number.
static const char *read_exponent(const char *p, const char *end, int64_t *exponent) {
  const bool negative = p < end && *p == '-';
  if (p < end && (*p == '-' || *p == '+')) p++;
  if (p == end || !is_digit(*p)) return NULL;
  int64_t value = 0;
  for (; p < end && is_digit(*p); p++)
    if (value < 1000000) value = 10 * value + (*p - '0');
  *exponent = negative ? -value : value;
  return p;
}

// [+-]DIGITS[.DIGITS][e[+-]DIGITS], all of [p, end).
static bool read_decimal(const char *p, const char *end, decimal *d) {
  *d = (decimal){.negative = p < end && *p == '-'};
  if (p < end && (*p == '-' || *p == '+')) p++;
  int64_t whole = 0, leading = 0, exponent = 0, seen = 0;
  for (; p < end && is_digit(*p); p++, seen++) {
    take_digit(d, *p);
    whole += d->n > 0;
  }
  if (p < end && *p == '.')
    for (p++; p < end && is_digit(*p); p++, seen++) {
      take_digit(d, *p);
      leading += d->n == 0; // zeros directly behind the point, of a number below 1
    }
  if (seen == 0) return false;
  if (p < end && (*p == 'e' || *p == 'E')) p = read_exponent(p + 1, end, &exponent);
  d->point = whole - leading + exponent;
  return p == end;
}

// The number that `count` digits from place `from` make; places outside of the number are zeros.
static int64_t digits_at(const decimal *d, int64_t from, int count) {
  int64_t value = 0;
  for (int64_t i = from; i < from + count; i++) value = 10 * value + (i >= 0 && i < d->n ? d->digits[i] : 0);
  return value;
}

static bool any_behind(const decimal *d, int64_t from) {
  for (int64_t i = from > 0 ? from : 0; i < d->n; i++)
    if (d->digits[i] != 0) return true;
  return d->more;
}

// What is finer than a nanosecond is rounded down, like the seconds of a negative number.
static bool split_number(const decimal *d, int64_t point, event_time *t) {
  if (d->n > 0 && point > 17) return false;
  if (point < -20) point = -20;
  int64_t seconds = digits_at(d, point - 17, 17), nanos = digits_at(d, point, 9);
  if (seconds >= TIME_MAX_SECONDS) return false;
  if (d->negative) {
    nanos = -nanos - any_behind(d, point + 9);
    seconds = -seconds;
    if (nanos < 0) {
      nanos += 1000000000;
      seconds--;
    }
  }
  *t = (event_time){.seconds = seconds, .nanos = (uint32_t)nanos};
  return true;
}

static bool number_parse(time_format format, const char *p, const char *end, event_time *t,
                         const char **why) {
  static const int shift[TIME_FORMAT_COUNT] = {
      [TIME_MILLISECONDS] = 3, [TIME_MICROSECONDS] = 6, [TIME_NANOSECONDS] = 9};
  decimal d;
  if (!read_decimal(p, end, &d)) {
    event_time as_date;
    const bool date = date_parse(TIME_DAY_FIRST, 0, p, end, &as_date, why);
    *why = date ? BAD_TIME("a date, where a number is expected: input.time_format iso reads dates")
                : BAD_TIME("not a number");
    return false;
  }
  if (split_number(&d, d.point - (shift[format]), t)) return true;
  const bool nanoseconds = split_number(&d, d.point - 9, t);
  *why =
      nanoseconds
          ? BAD_TIME(
                "the number is out of range; input.time_format microseconds or nanoseconds has room for it")
          : BAD_TIME("the number is out of range");
  return false;
}

// ---- both ----------------------------------------------------------------------------------------------------

// What most rows hold, without a detour: ten digits of seconds or thirteen of milliseconds.
static bool parse_short(time_format format, const char *p, const char *end, event_time *t) {
  if (format > TIME_MILLISECONDS || end - p > 15 || p == end) return false;
  int64_t value = 0;
  for (; p < end; p++) {
    if (!is_digit(*p)) return false;
    value = 10 * value + (*p - '0');
  }
  const int64_t unit = format == TIME_MILLISECONDS ? 1000 : 1;
  *t = (event_time){.seconds = value / unit, .nanos = (uint32_t)(value % unit) * 1000000};
  return true;
}

bool time_parse(time_format format, int32_t zone, const char *text, size_t bytes, event_time *t,
                const char **why) {
  const char *p = text, *end = text + bytes;
  if (parse_short(format, p, end, t)) return true;
  while (p < end && (*p == ' ' || *p == '\t')) p++;
  while (p < end && (end[-1] == ' ' || end[-1] == '\t')) end--;
  if (value_missing(p, (size_t)(end - p))) {
    *why = "no time";
    return false;
  }
  const bool number = format < TIME_ISO || format == TIME_ORDER;
  return number ? number_parse(format, p, end, t, why) : date_parse(format, zone, p, end, t, why);
}

int64_t time_in_units(event_time t, int64_t per_second) {
  int64_t whole, out;
  if (__builtin_mul_overflow(t.seconds, per_second, &whole) ||
      __builtin_add_overflow(whole, t.nanos / (1000000000 / per_second), &out) || out == INT64_MIN)
    return t.seconds < 0 ? -INT64_MAX : INT64_MAX;
  return out;
}
