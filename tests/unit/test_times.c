// Times of events: every spelling, every field's range, and random instants against the C library's calendar.
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/philox.h"
#include "prepare/times.h"
#include "lib/check.h"

static void expect(time_format format, const char *text, int64_t seconds, uint32_t nanos) {
  event_time t;
  const char *why = "";
  if (!time_parse(format, 0, text, strlen(text), &t, &why)) fail_msg("\"%s\" is not read: %s", text, why);
  if (t.seconds != seconds || t.nanos != nanos)
    fail_msg("\"%s\" is read as %lld s and %u ns, not %lld and %u", text, (long long)t.seconds, t.nanos,
             (long long)seconds, nanos);
}

static void expect_none(time_format format, const char *text, const char *reason) {
  event_time t;
  const char *why = NULL;
  if (time_parse(format, 0, text, strlen(text), &t, &why))
    fail_msg("\"%s\" is read as %lld", text, (long long)t.seconds);
  if (why == NULL || strstr(why, reason) == NULL)
    fail_msg("\"%s\" is refused for \"%s\", not \"%s\"", text, why != NULL ? why : "(none)", reason);
}

// ---- numbers -------------------------------------------------------------------------------------------------

static void test_numbers_keep_their_precision(void **unused) {
  (void)unused;
  expect(TIME_ORDER, "829", 829, 0); // mmdd, say
  expect(TIME_ORDER, "0829", 829, 0);
  expect(TIME_ORDER, "-1.5", -2, 500000000);
  expect(TIME_SECONDS, "1709251200", 1709251200, 0);
  expect(TIME_SECONDS, "+1709251200", 1709251200, 0);
  expect(TIME_SECONDS, " 1709251200\t", 1709251200, 0);
  expect(TIME_SECONDS, "-5", -5, 0);
  expect(TIME_SECONDS, "0", 0, 0);
  expect(TIME_SECONDS, "-0", 0, 0);
  expect(TIME_SECONDS, "9.7817190E8", 978171900, 0); // RecBole's MovieLens
  expect(TIME_SECONDS, "0.97817190e+9", 978171900, 0);
  expect(TIME_SECONDS, "97817190000e-2", 978171900, 0);
  expect(TIME_SECONDS, "12.9", 12, 900000000);
  expect(TIME_SECONDS, "12.", 12, 0);
  expect(TIME_SECONDS, ".5", 0, 500000000);
  expect(TIME_SECONDS, "0.000000001", 0, 1);
  expect(TIME_SECONDS, "-0.000000001", -1, 999999999);
  expect(TIME_SECONDS, "-12.25", -13, 750000000);
  expect(TIME_SECONDS, "0.0000000009", 0, 0);
  expect(TIME_SECONDS, "-0.0000000009", -1, 999999999); // rounded down, as 0.0000000009 is
  expect(TIME_SECONDS, "1650000000.123456789", 1650000000,
         123456789); // a double has 7 digits left for the fraction
  expect(TIME_SECONDS, "1650000000.1234567891", 1650000000, 123456789);
  expect(TIME_SECONDS, "00000000000000000000000000000000000000000000001650000000", 1650000000, 0);
  expect(TIME_MILLISECONDS, "1709251200999", 1709251200, 999000000);
  expect(TIME_MILLISECONDS, "1650000000900.5", 1650000000, 900500000);
  expect(TIME_MILLISECONDS, "1.6500000009e12", 1650000000, 900000000);
  expect(TIME_MILLISECONDS, "-1", -1, 999000000);
  expect(TIME_MICROSECONDS, "1650000000123456", 1650000000, 123456000);
  expect(TIME_NANOSECONDS, "1650000000123456789", 1650000000, 123456789);
  expect(TIME_NANOSECONDS, "-1", -1, 999999999);
  expect(TIME_NANOSECONDS, "9223372036854775807", 9223372036, 854775807);
  expect(TIME_NANOSECONDS, "9223372036854775808000", 9223372036854, 775808000); // beyond int64
  expect(TIME_SECONDS, "9007199254740991", TIME_MAX_SECONDS - 1, 0);
  expect(TIME_SECONDS, "1e-400000000000000000000", 0, 0);
}

static void test_numbers_that_are_refused(void **unused) {
  (void)unused;
  static const char *const none[] = {"x",  "1x", "1,5", "0x10",  "1 2",   "--1",   "+-1",         ".",
                                     "e5", "1e", "1e+", "1.2.3", "1_000", "12:30", "\xEF\xBC\x91"};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++) expect_none(TIME_SECONDS, none[i], "not a number");
  static const char *const large[] = {
      "9007199254740992",         "-9007199254740992",
      "1650000000123456789",      "99999999999999999999999999999999999999999999999999999999999999999",
      "18446744073709551616",     "1e99",
      "1e99999999999999999999999"};
  for (size_t i = 0; i < sizeof large / sizeof *large; i++)
    expect_none(TIME_SECONDS, large[i], "the number is out of range");
  expect_none(TIME_MILLISECONDS, "9007199254740992000",
              "the number is out of range; input.time_format microseconds or nanoseconds");
  expect_none(TIME_ORDER, "2021-03-04", "input.time_format iso reads dates");
  expect_none(TIME_SECONDS, "2021-03-04 08:00:00 UTC", "input.time_format iso reads dates");
  expect_none(TIME_MILLISECONDS, "2021-03-04", "input.time_format iso reads dates");
  for (int f = 0; f < TIME_FORMAT_COUNT; f++) {
    expect_none((time_format)f, "", "no time");
    expect_none((time_format)f, " \t ", "no time");
    expect_none((time_format)f, "NaT", "no time");
    expect_none((time_format)f, "null", "no time");
  }
}

// Every count of units with a fraction of random length is the sum that integers make of it.
static void test_random_numbers(void **unused) {
  (void)unused;
  static const int64_t per_second[] = {1, 1000, 1000000, 1000000000};
  rng r = rng_at(5, STREAM_SYNTH, 0, 0);
  for (int i = 0; i < 20000; i++) {
    const int format = (int)rng_below(&r, 4), places = (int)rng_below(&r, 10);
    const int64_t unit = per_second[format];
    const int64_t seconds = (int64_t)rng_below(&r, 1u << 31) - (1 << 30);
    const uint32_t nanos = (uint32_t)rng_below(&r, 1000000000);
    // the text: seconds + nanos in the unit, cut to `places` digits behind the point
    const __int128 all = (__int128)seconds * 1000000000 + nanos;
    const __int128 step = 1000000000 / unit; // nanoseconds a unit
    const __int128 magnitude = all < 0 ? -all : all;
    char text[80];
    char fraction[16];
    int64_t tail = (int64_t)(magnitude % step), wide = step == 1         ? 0
                                                       : step == 1000    ? 3
                                                       : step == 1000000 ? 6
                                                                         : 9;
    snprintf(fraction, sizeof fraction, ".%0*lld", (int)wide, (long long)tail);
    const int kept = places < wide ? places : (int)wide;
    fraction[kept > 0 ? 1 + kept : 0] = '\0';
    int64_t cut = 1;
    for (int k = kept; k < wide; k++) cut *= 10;
    snprintf(text, sizeof text, "%s%lld%s", all < 0 ? "-" : "", (long long)(magnitude / step), fraction);
    const __int128 value = (all < 0 ? -1 : 1) * (magnitude - magnitude % cut);
    __int128 want = value / 1000000000;
    if (value < want * 1000000000) want--;
    expect((time_format)format, text, (int64_t)want, (uint32_t)(value - want * 1000000000));
  }
}

// ---- dates ---------------------------------------------------------------------------------------------------

enum { MARCH_4 = 1614844800 }; // 2021-03-04 08:00:00 UTC, a Thursday

static void test_spellings(void **unused) {
  (void)unused;
  static const char *const same[] = {"2021-03-04 08:00:00 UTC",
                                     "2021-03-04T08:00:00Z",
                                     "2021-03-04t08:00:00z",
                                     "2021-03-04T08:00:00",
                                     "2021-03-04 08:00:00",
                                     "2021-03-04_08:00:00",
                                     "  2021-03-04 08:00:00  ",
                                     "2021-03-04 08:00:00 GMT",
                                     "2021-03-04 08:00:00 utc",
                                     "2021-03-04T08:00:00 Z",
                                     "2021-03-04T08:00:00+00:00",
                                     "2021-03-04T08:00:00-00:00",
                                     "2021-03-04T16:00:00+0800",
                                     "2021-03-04T16:00:00+08:00",
                                     "2021-03-04T16:00:00+08",
                                     "2021-03-04 16:00:00 +8",
                                     "2021-03-04 16:00:00 +08:00",
                                     "2021-03-04 16:00 GMT+8",
                                     "2021-03-04 16:00:00 UTC+08:00",
                                     "2021-03-04T13:45:00+05:45",
                                     "2021-03-03T18:00:00-14:00",
                                     "2021-03-04T22:00:00+14:00",
                                     "2021-03-04T16:00:00+08:00[Asia/Shanghai]",
                                     "2021-03-04T08:00",
                                     "2021-03-04T8:00",
                                     "2021-03-04T08:00:00.000Z",
                                     "2021-03-04T08:00:00,000",
                                     "2021-03-04T08:00:00.00000000000000 UTC",
                                     "2021/03/04 08:00:00",
                                     "2021/3/4 8:00",
                                     "2021-3-4 8:00",
                                     "2021.03.04 08:00",
                                     "2021 03 04 08:00",
                                     "2021-Mar-04 08:00",
                                     "2021年3月4日 08:00:00",
                                     "2021年03月04日8:00",
                                     "20210304T080000",
                                     "20210304T080000Z",
                                     "20210304T160000+0800",
                                     "20210304T0800",
                                     "20210304 080000",
                                     "20210304 08:00:00",
                                     "20210304080000",
                                     "202103040800",
                                     "2021-03-04T080000Z",
                                     "2021-03-04 08:00:00 AM",
                                     "2021-03-04 8:00AM",
                                     "2021-03-04 8 a.m.",
                                     "2021-03-04 8 am UTC",
                                     "Thu Mar 04 08:00:00 +0000 2021",
                                     "Thu Mar  4 08:00:00 2021",
                                     "Thu Mar  4 08:00:00 UTC 2021",
                                     "Thu, 04 Mar 2021 08:00:00 GMT",
                                     "Thu, 4 Mar 2021 16:00:00 +0800 (CST)",
                                     "4 Mar 2021 08:00:00 +0000",
                                     "Thu Mar 04 2021 16:00:00 GMT+0800 (China Standard Time)",
                                     "Thursday, 04-Mar-2021 08:00:00 UTC",
                                     "04/Mar/2021:08:00:00 +0000",
                                     "04-MAR-2021 08:00",
                                     "March 4, 2021 8:00 AM",
                                     "March 4th, 2021 at 8:00 am",
                                     "Mar. 4, 2021, 8:00:00 AM",
                                     "Mar-04-2021 08:00",
                                     "4 march 2021 08:00",
                                     "4th March, 2021 08:00",
                                     "04MAR2021:08:00:00",
                                     "2021-03-04 08:00:00 +0000 UTC",
                                     "2021-03-04 08:00:00.000 +0000 UTC"};
  for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
    expect(TIME_ISO, same[i], MARCH_4, 0);
    expect(TIME_DAY_FIRST, same[i], MARCH_4, 0);
    expect(TIME_MONTH_FIRST, same[i], MARCH_4, 0);
  }
  static const char *const days[] = {
      "2011-11-05", "20111105",         "2011/11/5",         "Posted November 5, 2011.",
      "2011.11.05", "November 5, 2011", "5 November 2011",   "Nov 5 2011",
      "2011 Nov 5", "5-Nov-2011",       "Sat 5 Nov 2011",    "2011年11月5日",
      "2011-11-5",  "nov. 5, 2011",     "Posted Nov 5, 2011"};
  for (size_t i = 0; i < sizeof days / sizeof *days; i++) expect(TIME_ISO, days[i], 1320451200, 0);
}

static void test_dates(void **unused) {
  (void)unused;
  expect(TIME_ISO, "1970-01-01", 0, 0);
  expect(TIME_ISO, "2024-02-29T23:59:59Z", 1709251199, 0);
  expect(TIME_ISO, "2024-02-29T19:00:00.123456-0500", 1709251200, 123456000);
  expect(TIME_ISO, "2024-02-29T19:00:00-05", 1709251200, 0);
  expect(TIME_ISO, "1969-12-31T23:59:59Z", -1, 0);
  expect(TIME_ISO, "1969-12-31T23:59:59.25Z", -1, 250000000);
  expect(TIME_ISO, "2000-02-29", 951782400, 0);
  expect(TIME_ISO, "2000-02-29 02", 951782400 + 7200, 0); // the hour alone
  expect(TIME_ISO, "2000-02-29T02Z", 951782400 + 7200, 0);
  expect(TIME_ISO, "2000-02-29T02-05", 951782400 + 25200, 0);
  expect(TIME_ISO, "2000-02-29 02 +0100", 951782400 + 3600, 0);
  expect(TIME_DAY_FIRST, "29/02/2000 24", 951782400 + 86400, 0);
  expect(TIME_ISO, "0001-01-01", -62135596800, 0);
  expect(TIME_ISO, "9999-12-31T23:59:59.999999999Z", 253402300799, 999999999);
  expect(TIME_ISO, "2021-03-04T08:00:00.9999999999", MARCH_4, 999999999); // rounded down
  expect(TIME_ISO, "20210304T080000.5", MARCH_4, 500000000);
  expect(TIME_ISO, "2021-03-04 12:00 AM", MARCH_4 - 8 * 3600, 0);
  expect(TIME_ISO, "2021-03-04 12:30:15.5 PM", MARCH_4 + 4 * 3600 + 1815, 500000000);
  expect(TIME_ISO, "2021-03-04 11:59 p.m.", MARCH_4 + 16 * 3600 - 60, 0);
  expect(TIME_ISO, "2021-03-03T24:00:00", MARCH_4 - 8 * 3600, 0);
  expect(TIME_ISO, "2021-03-03 24:00", MARCH_4 - 8 * 3600, 0);
  expect(TIME_ISO, "2016-12-31T23:59:60Z", 1483228800, 0);
  expect(TIME_ISO, "2016-12-31T23:59:60.5Z", 1483228800, 500000000);
  expect(TIME_ISO, "2017-01-01T08:59:60+09:00", 1483228800, 0);
  expect(TIME_ISO, "2015-06-30T23:59:60Z", 1435708800, 0);
}

static void test_order_of_day_and_month(void **unused) {
  (void)unused;
  static const char *const texts[] = {"03/04/2021",  "3/4/2021",   "03-04-2021",       "3.4.2021",
                                      "03 04, 2021", "03 04 2021", "3/4/2021 00:00:00"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    expect_none(TIME_ISO, texts[i], "input.time_format day_first or month_first");
    expect(TIME_DAY_FIRST, texts[i], 1617408000, 0);
    expect(TIME_MONTH_FIRST, texts[i], 1614816000, 0);
  }
  expect_none(TIME_ISO, "25/12/2021", "day_first or month_first"); // nor is a file read in part
  expect_none(TIME_MONTH_FIRST, "25/12/2021", "the month is not 01 to 12");
  expect(TIME_DAY_FIRST, "25/12/2021", 1640390400, 0);
  expect(TIME_MONTH_FIRST, "09 13, 2009", 1252800000, 0); // Amazon 2014's reviewTime
  expect(TIME_MONTH_FIRST, "3/4/2021 8:00:00 AM", MARCH_4, 0);
  expect_none(TIME_DAY_FIRST, "3/4/21", "two digits");
}

static void test_fields_have_their_ranges(void **unused) {
  (void)unused;
  static const char *const bad[][2] = {{"2024-03-01T24:30:00", "24:00:00 is the end of a day"},
                                       {"2024-03-01T24:00:01", "24:00:00 is the end of a day"},
                                       {"2024-03-01T24:00:00.1", "24:00:00 is the end of a day"},
                                       {"2024-03-01T25:00", "the hour is not 00 to 23"},
                                       {"2024-03-01 00:60:00", "the minute is not 00 to 59"},
                                       {"2024-03-01 00:00:61", "the second is not 00 to 59"},
                                       {"2024-03-01 00:00:60", "no leap second can be"},
                                       {"2016-12-31T23:59:60+01:00", "no leap second can be"},
                                       {"2016-11-30T23:59:60Z", "no leap second can be"},
                                       {"2024-03-01 00:00:00+99:99", "the zone's minutes"},
                                       {"2024-03-01 00:00:00+99:00", "the zone is beyond 14:00"},
                                       {"2024-03-01 00:00:00+14:01", "the zone is beyond 14:00"},
                                       {"2024-03-01 00:00:00-1500", "the zone is beyond 14:00"},
                                       {"2024-03-01 00:00:00+01:60", "the zone's minutes"},
                                       {"2024-03-01 00:00:00+123", "the zone is not of the form"},
                                       {"2024-03-01 00:00:00+", "the zone is not of the form"},
                                       {"2024-03-01 00:00:00+01:", "the zone is not of the form"},
                                       {"2024-03-01 00:00:00 CST", "names of zones are not read"},
                                       {"2024-03-01 00:00:00 Europe/Paris", "names of zones are not read"},
                                       {"2024-03-01T00:00:00X", "names of zones are not read"},
                                       {"2024-13-01", "the month is not 01 to 12"},
                                       {"2024-00-01", "the month is not 01 to 12"},
                                       {"0000-00-00 00:00:00", "the year is not 0001 to 9999"},
                                       {"2024-02-30", "no such day"},
                                       {"2023-02-29", "no such day"},
                                       {"1900-02-29", "no such day"},
                                       {"2024-04-31", "no such day"},
                                       {"2024-03-00", "no such day"},
                                       {"2024-03-32", "no such day"},
                                       {"20240230", "no such day"},
                                       {"2024-03-01 13:00 PM", "the hour is not 1 to 12"},
                                       {"2024-03-01 0:30 AM", "the hour is not 1 to 12"},
                                       {"2024-03-01T00:00:00.", "fraction has no digits"},
                                       {"2024-03-01T00:00:00.x", "fraction has no digits"},
                                       {"2024-03-01T00:00:00.123456789x", "names of zones are not read"},
                                       {"2024-03-01T00:00:0", "the second has not two digits"},
                                       {"2024-03-01T00:0", "the minute has not two digits"},
                                       {"2024-03-01T00:", "the minute has not two digits"},
                                       {"2024-03-01 8", "no minute behind the hour"},
                                       {"2024-03-01 02-05", "no minute behind the hour"},
                                       {"2024-03-01T02.5", "no minute behind the hour"},
                                       {"Fri Mar 1 02 2024", "no minute behind the hour"},
                                       {"2024-03-01 25", "the hour is not 00 to 23"},
                                       {"2024-03-01 02h", "a zone, or a word"},
                                       {"2024-03-01T", "no hour"},
                                       {"2024-03-01 00:00:00 7", "something behind the time"},
                                       {"2024-03-01 00:00:00 (x)", "something behind the time"},
                                       {"2024-03-01 00:00:00 +0800 UTC", "something behind the time"},
                                       {"2024-03-01 00:00:00 UTC UTC UTC", "something behind the time"},
                                       {"Fri Mar 04 2021", "the weekday is not that of the date"},
                                       {"Mar 4 08:00:00", "no year"},
                                       {"4 Foo 2021", "a month's name that is not known"},
                                       {"4 Ma 2021", "a month's name that is not known"},
                                       {"2021-Marchs-04", "no month"},
                                       {"2021-03/04", "no day"},
                                       {"2021年3月4", "no day"},
                                       {"2024", "not a date of a known form"},
                                       {"x", "not a date of a known form"},
                                       {"1650000000", "a number, where a date is expected"},
                                       {"1650000000.5", "a number, where a date is expected"},
                                       {"1650000000123", "a number, where a date is expected"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) expect_none(TIME_ISO, bad[i][0], bad[i][1]);
  expect_none(TIME_ISO, "24-03-01", "");
}

static void test_bytes_behind_the_text_are_not_read(void **unused) {
  (void)unused;
  event_time t;
  const char *why;
  assert_true(time_parse(TIME_ISO, 0, "2021-03-04 08:00:00 UTC", 10, &t, &why) &&
              t.seconds == MARCH_4 - 8 * 3600);
  assert_true(time_parse(TIME_ISO, 0, "2021-03-04 08:00:00Z7", 20, &t, &why) && t.seconds == MARCH_4);
  assert_true(time_parse(TIME_SECONDS, 0, "16500", 3, &t, &why) && t.seconds == 165);
  assert_true(time_parse(TIME_SECONDS, 0, "1.55", 3, &t, &why) && t.nanos == 500000000);
  const char *whole = "Thu, 4 Mar 2021 16:00:00.25 +0800 (CST)";
  for (size_t n = 0; n <= strlen(whole); n++) { // with the sanitizers: no byte beyond is touched
    char *cut = malloc(n + 1);
    assert_non_null(cut);
    memcpy(cut, whole, n);
    char *exact = realloc(cut, n > 0 ? n : 1);
    assert_non_null(exact);
    for (int f = 0; f < TIME_FORMAT_COUNT; f++) time_parse((time_format)f, 0, exact, n, &t, &why);
    free(exact);
  }
}

// The usual form is recognised eight bytes at a time: any other byte in a digit's place is no digit.
static void test_every_byte_in_every_place(void **unused) {
  (void)unused;
  const char *whole = "2024-03-01 12:30:00";
  for (size_t i = 0; i < 19; i++)
    for (int b = 0; b < 256; b++) {
      char text[32];
      event_time t;
      const char *why;
      memcpy(text, whole, 20);
      text[i] = (char)b;
      const bool digit = whole[i] >= '0' && whole[i] <= '9', same = text[i] == whole[i];
      const bool read = time_parse(TIME_ISO, 0, text, 19, &t, &why);
      if (same && !(read && t.seconds == 1709296200)) fail_msg("\"%s\" is not read", text);
      if (digit && (b < '0' || b > '9') && read && !(i == 11 && (b == ' ' || b == '\t')))
        fail_msg("\"%s\" is read", text);
      if (!digit && i != 10 && !same && read && !(i == 16 && (b == '+' || b == '-')))
        fail_msg("\"%s\" is read", text);
      if (digit && b >= '0' && b <= '9' && read) {
        struct tm tm = {.tm_isdst = 0};
        assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &tm));
        assert_true(timegm(&tm) == t.seconds);
      }
    }
}

static void test_zones(void **unused) {
  (void)unused;
  event_time t;
  const char *why;
  int32_t zone = 0;
  assert_true(time_parse_zone("+08:00", &zone) && zone == 28800);
  assert_true(time_parse_zone("-0330", &zone) && zone == -12600);
  assert_true(time_parse_zone("UTC", &zone) && zone == 0);
  assert_true(time_parse_zone("Z", &zone) && time_parse_zone("GMT+8", &zone) && zone == 28800);
  assert_false(time_parse_zone("", &zone) || time_parse_zone("PST", &zone) ||
               time_parse_zone("+15:00", &zone) || time_parse_zone("8", &zone) ||
               time_parse_zone("+08:00 x", &zone));
  const char *local = "2021-03-04 16:00:00", *zoned = "2021-03-04T08:00:00Z";
  assert_true(time_parse(TIME_ISO, 28800, local, strlen(local), &t, &why) && t.seconds == MARCH_4);
  assert_true(time_parse(TIME_ISO, 28800, zoned, strlen(zoned), &t, &why) && t.seconds == MARCH_4);
}

// Random instants from 0001 to 9999, written by strftime in many forms, against timegm.
static void test_against_the_c_library(void **unused) {
  (void)unused;
  static const char *const forms[] = {
      "%Y-%m-%d %H:%M:%S",      "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S UTC", "%Y/%m/%d %H:%M:%S",
      "%Y%m%dT%H%M%S",          "%Y%m%d%H%M%S",       "%a, %d %b %Y %T GMT",   "%a %b %e %H:%M:%S %Y",
      "%a %b %d %T +0000 %Y",   "%d/%b/%Y:%T +0000",  "%B %d, %Y %I:%M:%S %p", "%A, %d-%b-%Y %T UTC",
      "%Y-%m-%d %I:%M:%S %p",   "%e %B %Y %T",        "%Y年%m月%d日 %T",       "%Y-%m-%dT%H:%M:%S+00:00",
      "%a %b %d %Y %T GMT+0000"};
  enum { FORMS = sizeof forms / sizeof *forms };
  rng r = rng_at(6, STREAM_SYNTH, 0, 0);
  for (int i = 0; i < 20000; i++) {
    // from the year 1000: %Y is not padded before it
    const int64_t when = -30610224000 + (int64_t)(rng_unit(&r) * (double)(253402300799 + 30610224000));
    const time_t c = (time_t)when;
    struct tm tm;
    char text[96], back[TIME_TEXT], ours[TIME_TEXT];
    gmtime_r(&c, &tm);
    assert_true(timegm(&tm) == c);
    strftime(text, sizeof text, forms[i % FORMS], &tm);
    expect(TIME_ISO, text, when, 0);
    strftime(back, sizeof back, "%Y-%m-%d %H:%M:%S UTC", &tm);
    assert_string_equal(time_text(ours, (event_time){.seconds = when}), back);
    // a zone moves the instant, and a fraction stays
    const int minutes = (int)rng_below(&r, 2 * 14 * 60 + 1) - 14 * 60;
    const uint32_t nanos = (uint32_t)rng_below(&r, 1000000000);
    strftime(back, sizeof back, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, sizeof text, "%s.%09u%c%02d:%02d", back, nanos, minutes < 0 ? '-' : '+', abs(minutes) / 60,
             abs(minutes) % 60);
    expect(TIME_ISO, text, when - minutes * 60, nanos);
    // both orders of day and month
    strftime(text, sizeof text, i % 2 == 0 ? "%d/%m/%Y %T" : "%m/%d/%Y %T", &tm);
    expect(i % 2 == 0 ? TIME_DAY_FIRST : TIME_MONTH_FIRST, text, when, 0);
  }
  char text[TIME_TEXT];
  assert_string_equal(time_text(text, (event_time){1650000000, 250000000}), "2022-04-15 05:20:00.25 UTC");
  assert_string_equal(time_text(text, (event_time){-1, 1}), "1969-12-31 23:59:59.000000001 UTC");
  assert_string_equal(time_text(text, (event_time){-TIME_MAX_SECONDS, 999999999}),
                      "-285424812-02-20 16:23:28.999999999 UTC"); // the longest
}

static void test_units(void **unused) {
  (void)unused;
  assert_true(time_in_units((event_time){7, 999999999}, 1) == 7);
  assert_true(time_in_units((event_time){-7, 250000000}, 1000) == -6750);
  assert_true(time_in_units((event_time){9223372036, 854775807}, 1000000000) == INT64_MAX);
  assert_true(time_in_units((event_time){9223372036, 854775808}, 1000000000) == INT64_MAX);
  assert_true(time_in_units((event_time){TIME_MAX_SECONDS, 0}, 1000000) == INT64_MAX);
  assert_true(time_in_units((event_time){-TIME_MAX_SECONDS, 0}, 1000000) == -INT64_MAX);
  assert_true(time_in_units((event_time){-9223372037, 145224192}, 1000000000) == -INT64_MAX);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_numbers_keep_their_precision),
      cmocka_unit_test(test_numbers_that_are_refused),
      cmocka_unit_test(test_random_numbers),
      cmocka_unit_test(test_spellings),
      cmocka_unit_test(test_dates),
      cmocka_unit_test(test_order_of_day_and_month),
      cmocka_unit_test(test_fields_have_their_ranges),
      cmocka_unit_test(test_bytes_behind_the_text_are_not_read),
      cmocka_unit_test(test_every_byte_in_every_place),
      cmocka_unit_test(test_zones),
      cmocka_unit_test(test_against_the_c_library),
      cmocka_unit_test(test_units),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
