// Times of events, as logs spell them, to the nanosecond.
//
// Numbers count seconds, milliseconds, microseconds or nanoseconds since 1970-01-01 00:00:00 UTC; they may have a
// fraction and an exponent ("9.7817190E8") and are read digit by digit, so that no precision is lost.
//
// Dates are read by TIME_ISO in the spellings that are usual and that can mean one thing only:
//   2021-03-04, 2021/3/4, 2021.03.04, 20210304, 2021年3月4日            the date alone: its first second
//   2021-03-04T08:00:00Z, 2021-03-04 8:05, 20210304T080000, 20210304080000, 2021-03-04 8:05:09 PM
//   2021-03-04 08, 2021-03-04T08Z                                        the hour alone, of two digits
//   4 March 2021, 04-Mar-2021 08:00, March 4, 2021, Posted November 5, 2011., 04/Mar/2021:08:00:00 +0000
//   Thu, 04 Mar 2021 08:00:00 GMT, Thu Mar 04 08:00:00 +0000 2021, Thu Mar 4 2021 08:00:00 GMT+0800 (CST)
// Seconds may have a fraction behind '.' or ',': nine digits of it count. A zone is Z, UTC, GMT, or an offset of at
// most 14 hours: +08, +0800, +08:00. Without one the time is UTC, or of the zone that the caller names.
// "03/04/2021" is not guessed: TIME_DAY_FIRST and TIME_MONTH_FIRST read it too, besides all of the above.
#ifndef SOUK_PREPARE_TIMES_H
#define SOUK_PREPARE_TIMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIME_FORMATS "seconds|milliseconds|microseconds|nanoseconds|iso|day_first|month_first|order"
typedef enum time_format {
  TIME_SECONDS,
  TIME_MILLISECONDS,
  TIME_MICROSECONDS,
  TIME_NANOSECONDS,
  TIME_ISO,
  TIME_DAY_FIRST,
  TIME_MONTH_FIRST,
  TIME_ORDER, // any number that rises with time: read as seconds are, and no time
  TIME_FORMAT_COUNT
} time_format;
extern const char *const time_format_names[TIME_FORMAT_COUNT];

// TIME_MAX_SECONDS: times lie within this many seconds of 1970, so that milliseconds fit an int64.
enum { TIME_TEXT = 48 };
#define TIME_MAX_SECONDS ((int64_t)1 << 53)

typedef struct event_time {
  int64_t seconds; // since 1970-01-01 00:00:00 UTC, rounded down
  uint32_t nanos;  // beyond them, below 10^9
} event_time;

// Reads text[0, bytes), which need not end with NUL; spaces around it do not matter. False: *why is the reason, a
// constant sentence that names the field at fault. Thread-safe, and independent of the locale.
// A date without a zone is local time, `zone` seconds east of UTC.
bool time_parse(time_format format, int32_t zone, const char *text, size_t bytes, event_time *t,
                const char **why);
// Reads a zone as it stands behind a time ("+08:00", "Z", "UTC"); false: it is none, or out of range.
bool time_parse_zone(const char *text, int32_t *zone);

// In a unit of which a second has `per_second`, to 10^9. A time that does not fit is as early or late as can be: -INT64_MAX, INT64_MAX.
int64_t time_in_units(event_time t, int64_t per_second);

// The calendar: days since 1970-01-01 of a date of the Gregorian calendar, and back.
int64_t days_of_date(int64_t year, int month, int day);
void date_of_days(int64_t days, int64_t *year, int *month, int *day);
// "2021-03-04 08:00:00.25 UTC", of any year; returns buf.
const char *time_text(char buf[TIME_TEXT], event_time t);

#endif
