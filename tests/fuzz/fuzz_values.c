// Times and prices, each line of the input one of either.
//
// What is refused has its reason. A date that is accepted lies in its years and, written and read again, is the same; a
// number of one unit is the same time as the number of a finer unit with zeros behind it.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "prepare/money.h"
#include "prepare/times.h"
#include "fuzz/fuzz.h"

static bool same(event_time a, event_time b) {
  return a.seconds == b.seconds && a.nanos == b.nanos;
}

static void check_date(const char *text, size_t bytes, time_format format) {
  event_time t, again;
  const char *why = NULL;
  char written[TIME_TEXT];
  if (!time_parse(format, 0, text, bytes, &t, &why)) {
    require(why != NULL);
    return;
  }
  fuzz_accepted();
  const int64_t zone = 15 * 3600;
  require(t.nanos < 1000000000 && t.seconds >= -62135596800 - zone && t.seconds <= 253402300800 + zone);
  if (t.seconds < -62135596800 || t.seconds >= 253402300800) return; // by its zone
  time_text(written, t);
  require(time_parse(TIME_ISO, 0, written, strlen(written), &again, &why) && same(t, again));
}

static void check_number(const char *text, size_t bytes) {
  event_time t, finer;
  const char *why = NULL;
  if (!time_parse(TIME_SECONDS, 0, text, bytes, &t, &why)) {
    require(why != NULL);
    return;
  }
  fuzz_accepted();
  require(t.nanos < 1000000000 && llabs(t.seconds) <= TIME_MAX_SECONDS);
  for (size_t i = 0; i < bytes; i++)
    if (text[i] < '0' || text[i] > '9') return;
  char *more = malloc(bytes + 9);
  require(more != NULL);
  memcpy(more, text, bytes);
  memset(more + bytes, '0', 9);
  for (int unit = TIME_MILLISECONDS; unit <= TIME_NANOSECONDS; unit++)
    require(time_parse((time_format)unit, 0, more, bytes + 3 * (size_t)unit, &finer, &why) && same(t, finer));
  free(more);
}

static void check_price(const char *text, size_t bytes) {
  money m;
  const char *why = NULL;
  if (!money_parse(text, bytes, &m, &why)) {
    require(why != NULL);
    return;
  }
  fuzz_accepted();
  require(isfinite(m.value) && !value_missing(text, bytes));
  require(m.currency == NULL || (m.currency >= text && m.currency + m.currency_bytes <= text + bytes));
  for (unsigned flag = 1; flag <= m.guesses; flag *= 2)
    require((m.guesses & flag) == 0 || money_guess_text((money_guess)flag)[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  const char *p = (const char *)data, *end = p + bytes;
  while (p < end) {
    const char *stop = memchr(p, '\n', (size_t)(end - p));
    const size_t n = (size_t)((stop != NULL ? stop : end) - p);
    char *exact = malloc(n > 0 ? n : 1); // so that a byte beyond it is noticed
    require(exact != NULL);
    memcpy(exact, p, n);
    for (int f = TIME_ISO; f <= TIME_MONTH_FIRST; f++) check_date(exact, n, (time_format)f);
    check_number(exact, n);
    check_price(exact, n);
    free(exact);
    p += n + (stop != NULL);
  }
  return 0;
}
