// Times that are dates; times.h lists the spellings.
//
// A cursor walks through the text. Each function reads one part and says whether it could; the first that could not
// leaves its reason, which names the field.
#include <string.h>
#include <strings.h>
#include "prepare/ascii.h"
#include "prepare/times_internal.h"

typedef struct scan {
  const char *p, *end; // what is left
  const char *why;
  time_format format;
  int year, month, day;
  int weekday; // 0: Sunday; -1: not named
  int hour, minute, second;
  uint32_t nanos;
  int32_t zone; // seconds east of UTC
  bool has_clock, has_zone;
} scan;

static bool wrong(scan *s, const char *why) {
  if (s->why == NULL) s->why = why;
  return false;
}

// ---- characters ----------------------------------------------------------------------------------------------

static bool at(const scan *s, char c) {
  return s->p < s->end && *s->p == c;
}
static bool at_digit(const scan *s) {
  return s->p < s->end && is_digit(*s->p);
}
static bool take(scan *s, char c) {
  const bool there = at(s, c);
  s->p += there;
  return there;
}
static bool take_any(scan *s, const char *set) {
  const bool there = s->p < s->end && *s->p != '\0' && strchr(set, *s->p) != NULL;
  s->p += there;
  return there;
}
static bool take_text(scan *s, const char *text) {
  const size_t n = strlen(text);
  if ((size_t)(s->end - s->p) < n || memcmp(s->p, text, n) != 0) return false;
  s->p += n;
  return true;
}
static bool take_spaces(scan *s) {
  const char *from = s->p;
  while (at(s, ' ') || at(s, '\t')) s->p++;
  return s->p > from;
}

static int digits_ahead(const scan *s) {
  int n = 0;
  while (n < s->end - s->p && is_digit(s->p[n])) n++;
  return n;
}
static int letters_ahead(const scan *s) {
  int n = 0;
  while (n < s->end - s->p && is_letter(s->p[n])) n++;
  return n;
}

// The number in the next n digits, which are there.
static int take_number(scan *s, int n) {
  int value = 0;
  for (int i = 0; i < n; i++) value = 10 * value + (*s->p++ - '0');
  return value;
}

// Takes the word if it is this one, in any case.
static bool take_word(scan *s, const char *word) {
  const size_t n = strlen(word);
  if ((size_t)letters_ahead(s) != n || strncasecmp(s->p, word, n) != 0) return false;
  s->p += n;
  return true;
}

// The place of the next word in a list of full names, which may be cut to three letters or more, with a '.' then; -1: not
// there.
static int take_name(scan *s, const char *const *names, int count) {
  const int n = letters_ahead(s);
  for (int i = 0; n >= 3 && i < count; i++) {
    if ((size_t)n > strlen(names[i]) || strncasecmp(s->p, names[i], (size_t)n) != 0) continue;
    s->p += n;
    if ((size_t)n < strlen(names[i])) take(s, '.');
    return i;
  }
  return -1;
}

static int take_month_name(scan *s) { // from 1; 0: none
  static const char *const names[12] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};
  return take_name(s, names, 12) + 1;
}

static int take_weekday(scan *s) {
  static const char *const names[7] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
  return take_name(s, names, 7);
}

// ---- the date ------------------------------------------------------------------------------------------------

static bool take_year(scan *s) {
  const int n = digits_ahead(s);
  if (n == 2) return wrong(s, BAD_TIME("the year has two digits only"));
  if (n != 4) return wrong(s, BAD_TIME("no year of four digits"));
  s->year = take_number(s, 4);
  return true;
}

static bool take_day(scan *s) {
  const int n = digits_ahead(s);
  if (n < 1 || n > 2) return wrong(s, BAD_TIME("no day of one or two digits"));
  s->day = take_number(s, n);
  return true;
}

static bool take_month(scan *s) { // a number or a name
  const int n = digits_ahead(s);
  if (n == 1 || n == 2) {
    s->month = take_number(s, n);
    return true;
  }
  s->month = n == 0 ? take_month_name(s) : 0;
  return s->month > 0 || wrong(s, BAD_TIME("no month, as a number or an English name"));
}

// Behind the year: -MM-DD, /MM/DD, .MM.DD, " MM DD", or as Chinese writes it.
static bool take_month_and_day(scan *s) {
  if (take_text(s, "年")) {
    if (!take_month(s)) return false;
    if (!take_text(s, "月")) return wrong(s, BAD_TIME("no day"));
    return take_day(s) && (take_text(s, "日") || take_text(s, "号") || wrong(s, BAD_TIME("no day")));
  }
  const char separator[2] = {s->p < s->end ? *s->p : '\0', '\0'};
  if (!take_any(s, "-/. ")) return wrong(s, BAD_TIME("not a date of a known form"));
  if (!take_month(s)) return false;
  if (!take_any(s, separator)) return wrong(s, BAD_TIME("no day"));
  return take_day(s);
}

// Behind "4" or "04": the rest of 4 March 2021, 04-Mar-2021, 04/Mar/2021, 4. March 2021, 4th March, 2021.
static bool take_named_month_and_year(scan *s) {
  s->month = take_month_name(s);
  if (s->month == 0) return wrong(s, BAD_TIME("a month's name that is not known"));
  if (!take_any(s, "-/")) {
    take(s, ',');
    take_spaces(s);
  }
  return take_year(s);
}

static void take_ordinal(scan *s) { // 1st, 2nd, 3rd, 4th
  static const char *const endings[4] = {"st", "nd", "rd", "th"};
  for (int i = 0; i < 4; i++)
    if (take_word(s, endings[i])) return;
}

// Behind "03" of 03/04/2021, 3.4.2021, 03-04-2021, "03 04, 2021": the format says which is the day.
static bool take_two_and_year(scan *s, int first) {
  const int n = digits_ahead(s);
  if (n > 2) return wrong(s, BAD_TIME("not a date of a known form"));
  const int second = take_number(s, n);
  if (take(s, ',') + take_spaces(s) == 0 && !take_any(s, "-/."))
    return wrong(s, BAD_TIME("not a date of a known form"));
  if (!take_year(s)) return false;
  if (s->format == TIME_ISO)
    return wrong(s, BAD_TIME("the day may be first or the month: input.time_format day_first or month_first "
                             "says which"));
  s->day = s->format == TIME_DAY_FIRST ? first : second;
  s->month = s->format == TIME_DAY_FIRST ? second : first;
  return true;
}

static bool take_day_or_month_first(scan *s) {
  const int first = take_number(s, digits_ahead(s));
  take_ordinal(s);
  const bool parted = take_any(s, "-/."), spaced = take_spaces(s);
  if (!parted && !spaced && letters_ahead(s) == 0) return wrong(s, BAD_TIME("not a date of a known form"));
  if (at_digit(s)) return take_two_and_year(s, first);
  s->day = first;
  return take_named_month_and_year(s);
}

static bool take_clock(scan *s);

// "March 4, 2021", and with the clock and the zone before the year as ctime() writes it.
static bool take_zone(scan *s);
static bool take_month_first_by_name(scan *s) {
  s->month = take_month_name(s);
  if (s->month == 0) return wrong(s, BAD_TIME("not a date of a known form"));
  if (!take_spaces(s)) take_any(s, "-/");
  if (!take_day(s)) return false;
  take_ordinal(s);
  if (take_any(s, "-/")) return take_year(s);
  take(s, ',');
  if (!take_spaces(s)) return wrong(s, BAD_TIME("no year of four digits"));
  if (digits_ahead(s) <= 2) {
    if (!take_clock(s) || !take_zone(s)) return false;
    take_spaces(s);
  }
  return take_year(s);
}

// 20210304, 202103040800, 20210304080000
static bool take_compact(scan *s, int n) {
  s->year = take_number(s, 4);
  s->month = take_number(s, 2);
  s->day = take_number(s, 2);
  if (n > 8) return take_clock(s);
  return true;
}

static bool take_date(scan *s) {
  s->weekday = take_weekday(s);
  if (s->weekday >= 0) {
    take(s, ',');
    take_spaces(s);
  }
  const int n = digits_ahead(s);
  if (n == 0) return take_month_first_by_name(s);
  if (n <= 2) return take_day_or_month_first(s);
  if (n == 8 || n == 12 || n == 14) return take_compact(s, n);
  if (n > 4)
    return wrong(s,
                 BAD_TIME("a number, where a date is expected: input.time_format seconds or milliseconds"));
  return take_year(s) && take_month_and_day(s);
}

// ---- the time of day -----------------------------------------------------------------------------------------

static bool take_fraction(scan *s) {
  if (!take_any(s, ".,")) return true;
  const int n = digits_ahead(s);
  if (n == 0) return wrong(s, BAD_TIME("the second's fraction has no digits"));
  const int used = n < 9 ? n : 9;
  s->nanos = (uint32_t)take_number(s, used);
  for (int i = used; i < 9; i++) s->nanos *= 10;
  s->p += n - used;
  return true;
}

// AM and PM, also "a.m." and directly behind the digits.
static bool take_half_day(scan *s) {
  const char *from = s->p;
  take_spaces(s);
  const bool pm = at(s, 'P') || at(s, 'p');
  bool there = take_word(s, "AM") || take_word(s, "PM");
  if (!there && (take_word(s, "a") || take_word(s, "p")))
    there = take(s, '.') && take_word(s, "m") && (take(s, '.') || true);
  if (!there) {
    s->p = from;
    return false;
  }
  if (s->hour < 1 || s->hour > 12) return wrong(s, BAD_TIME("the hour is not 1 to 12, with AM or PM"));
  s->hour = s->hour % 12 + 12 * pm;
  return true;
}

// Behind the hour of H:MM and H:MM:SS.
static bool take_minutes(scan *s) {
  if (digits_ahead(s) != 2) return wrong(s, BAD_TIME("the minute has not two digits"));
  s->minute = take_number(s, 2);
  if (!take(s, ':')) return true;
  if (digits_ahead(s) != 2) return wrong(s, BAD_TIME("the second has not two digits"));
  s->second = take_number(s, 2);
  return take_fraction(s);
}

// Behind the two digits of an hour: is it a time of its own, as "2014-12-06 02" and 2014-12-06T02+08 have it? What may as well be
// 02-05 for five past two is not; nor is the hour of a date whose year comes last.
static bool hour_alone(const scan *s, const char *hour) {
  const bool behind_t = hour[-1] == 'T' || hour[-1] == 't';
  return s->year > 0 && s->p - hour == 2 && (behind_t || !at(s, '-')) && !at(s, '.') && !at(s, ',');
}

// HHMM, HHMMSS, H:MM, H:MM:SS, 8 PM, HH.
static bool take_clock(scan *s) {
  const char *const hour = s->p;
  const int n = digits_ahead(s);
  s->has_clock = true;
  if (n == 4 || n == 6) {
    s->hour = take_number(s, 2);
    s->minute = take_number(s, 2);
    if (n == 6) s->second = take_number(s, 2);
    return n == 4 || take_fraction(s);
  }
  if (n < 1 || n > 2) return wrong(s, BAD_TIME("no hour of one or two digits"));
  s->hour = take_number(s, n);
  if (take(s, ':')) {
    if (!take_minutes(s)) return false;
  } else if (take_half_day(s)) {
    return true;
  } else if (s->why != NULL || !hour_alone(s, hour)) {
    return wrong(s, BAD_TIME("no minute behind the hour"));
  }
  return take_half_day(s) || s->why == NULL;
}

static bool take_offset(scan *s) { // behind the sign: 08, 8, 0800, 08:00
  const int sign = s->p[-1] == '-' ? -1 : 1, n = digits_ahead(s);
  if (n != 1 && n != 2 && n != 4) return wrong(s, BAD_TIME("the zone is not of the form +HH:MM"));
  const int hours = take_number(s, n == 1 ? 1 : 2);
  int minutes = n == 4 ? take_number(s, 2) : 0;
  if (n < 4 && take(s, ':')) {
    if (digits_ahead(s) != 2) return wrong(s, BAD_TIME("the zone is not of the form +HH:MM"));
    minutes = take_number(s, 2);
  }
  if (minutes > 59) return wrong(s, BAD_TIME("the zone's minutes are not 00 to 59"));
  if (hours * 60 + minutes > 14 * 60) return wrong(s, BAD_TIME("the zone is beyond 14:00"));
  s->zone = sign * (hours * 3600 + minutes * 60);
  s->has_zone = true;
  return true;
}

// Nothing, or a zone: Z, UTC, GMT, +08:00, GMT+8.
static bool take_zone(scan *s) {
  const char *from = s->p;
  take_spaces(s);
  if (take_word(s, "Z") || take_word(s, "UTC") || take_word(s, "GMT") || take_word(s, "UT")) {
    s->zone = 0;
    s->has_zone = true;
    return take_any(s, "+-") ? take_offset(s) : true;
  }
  if (take_any(s, "+-")) return take_offset(s);
  if (letters_ahead(s) > 0)
    return wrong(s, BAD_TIME("a zone, or a word, that is not UTC, GMT or Z: names of zones are not read"));
  s->p = from;
  return true;
}

// What may stand between date and time of day.
static bool take_gap(scan *s) {
  if (take(s, 'T') || take(s, 't') || take(s, '_')) return true;
  if (take(s, ':')) return at_digit(s); // Apache's logs
  take(s, ',');
  if (!take_spaces(s)) return at_digit(s);
  if (take_word(s, "at")) take_spaces(s);
  return true;
}

// A remark behind the zone, which says it once more: (China Standard Time), [Asia/Shanghai], and UTC behind +0000.
static void take_remark(scan *s) {
  const char *from = s->p;
  take_spaces(s);
  const char close = at(s, '(') ? ')' : ']';
  if (s->has_zone && s->zone == 0 && (take_word(s, "UTC") || take_word(s, "GMT"))) from = s->p;
  if (s->has_zone && (at(s, '(') || at(s, '['))) {
    const char *stop = memchr(s->p, close, (size_t)(s->end - s->p));
    if (stop != NULL) from = stop + 1;
  }
  s->p = from;
}

// ---- the whole -----------------------------------------------------------------------------------------------

static int days_in(int year, int month) {
  static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : days[month - 1];
}

static bool check_ranges(scan *s) {
  if (s->year < 1) return wrong(s, BAD_TIME("the year is not 0001 to 9999"));
  if (s->month < 1 || s->month > 12) return wrong(s, BAD_TIME("the month is not 01 to 12"));
  if (s->day < 1 || s->day > days_in(s->year, s->month))
    return wrong(s, BAD_TIME("the month has no such day"));
  if (s->hour > 24) return wrong(s, BAD_TIME("the hour is not 00 to 23"));
  if (s->minute > 59) return wrong(s, BAD_TIME("the minute is not 00 to 59"));
  if (s->second > 60) return wrong(s, BAD_TIME("the second is not 00 to 59"));
  if (s->hour == 24 && (s->minute > 0 || s->second > 0 || s->nanos > 0))
    return wrong(s, BAD_TIME("24:00:00 is the end of a day, and nothing comes after it"));
  return true;
}

// Leap seconds were and can be at the end of June and December, in UTC; as POSIX has it, 23:59:60 is the second after.
static bool leap_second_possible(int64_t next) {
  int64_t year;
  int month, day;
  if (next % 86400 != 0) return false;
  date_of_days(next / 86400, &year, &month, &day);
  return day == 1 && (month == 1 || month == 7);
}

static bool to_instant(scan *s, int32_t local_zone, event_time *t) {
  if (!check_ranges(s)) return false;
  const int64_t days = days_of_date(s->year, s->month, s->day);
  if (s->weekday >= 0 && s->weekday != (int)(((days + 4) % 7 + 7) % 7))
    return wrong(s, BAD_TIME("the weekday is not that of the date"));
  t->seconds =
      days * 86400 + s->hour * 3600 + s->minute * 60 + s->second - (s->has_zone ? s->zone : local_zone);
  t->nanos = s->nanos;
  if (s->second == 60 && !leap_second_possible(t->seconds))
    return wrong(s, BAD_TIME("second 60, where no leap second can be"));
  return true;
}

// Are eight bytes of the form: digits where it has 0, and else what it has? Both differ by 0 to 9 then, or by nothing: more
// than that takes the sum with `room` to 128. One byte does not carry into another, unless it is beyond 127 itself.
static bool has_form(const char *p, const char form[8], const char room[8]) {
  uint64_t text, wanted, most;
  memcpy(&text, p, 8);
  memcpy(&wanted, form, 8);
  memcpy(&most, room, 8);
  text ^= wanted;
  return (((text + most) | text) & 0x8080808080808080) == 0;
}

// YYYY-MM-DD HH:MM:SS, with T or a space, and a fraction and a zone behind it: what most logs hold.
static bool read_usual(scan *s) {
  const char *p = s->p;
  if (s->end - p < 19 || (p[10] != ' ' && p[10] != 'T') || !is_digit(p[8]) || !is_digit(p[9]) ||
      !has_form(p, "0000-00-", "vvvv\x7fvv\x7f") || !has_form(p + 11, "00:00:00", "vv\x7fvv\x7fvv"))
    return false;
#define TWO(i) (10 * (p[i] - '0') + (p[(i) + 1] - '0'))
  s->year = 100 * TWO(0) + TWO(2);
  s->month = TWO(5);
  s->day = TWO(8);
  s->hour = TWO(11);
  s->minute = TWO(14);
  s->second = TWO(17);
#undef TWO
  s->p += 19;
  return s->p == s->end || (take_fraction(s) && take_zone(s) && s->p == s->end);
}

static bool read_any(scan *s) {
  const bool posted = take_word(s, "Posted");
  if (posted) take_spaces(s);
  if (!take_date(s)) return false;
  if (s->p < s->end && !s->has_clock && !at(s, '.')) {
    if (!take_gap(s)) return wrong(s, BAD_TIME("something that is no time of day behind the date"));
    if (!take_clock(s)) return false;
  }
  if (s->has_clock && !s->has_zone && !take_zone(s)) return false;
  take_remark(s);
  if (posted) take(s, '.');
  return s->p == s->end || wrong(s, BAD_TIME("something behind the time"));
}

bool date_parse(time_format format, int32_t zone, const char *p, const char *end, event_time *t,
                const char **why) {
  const scan begin = {.p = p, .end = end, .format = format, .weekday = -1};
  scan s = begin;
  if (!read_usual(&s)) {
    s = begin;
    if (!read_any(&s)) {
      *why = s.why;
      return false;
    }
  }
  if (to_instant(&s, zone, t)) return true;
  *why = s.why;
  return false;
}

bool time_parse_zone(const char *text, int32_t *zone) {
  scan s = {.p = text, .end = text + strlen(text)};
  if (!take_zone(&s) || !s.has_zone || s.p != s.end) return false;
  *zone = s.zone;
  return true;
}
