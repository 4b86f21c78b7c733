// Doubts about a column of times; see time_survey.h.
#include "prepare/time_survey.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "format/printable.h"
#include "format/utf8.h"

// ---- what was read -------------------------------------------------------------------------------------------

// A year's bucket, by years of their mean length: a day more or less does not matter here.
static int bucket_of_seconds(int64_t seconds) {
  const int64_t since = seconds + 2208988800; // 1900-01-01
  if (since < 0) return 0;
  const int64_t year = since / 31556952;
  return year >= SURVEY_YEARS ? SURVEY_YEARS + 1 : (int)year + 1;
}

static int bucket_of_year(int year) {
  return year - SURVEY_YEAR + 1;
}

static void copy_text(char to[SURVEY_TEXT], const char *text, size_t bytes) {
  const size_t n = utf8_cut(text, bytes, SURVEY_TEXT - 1);
  memcpy(to, text, n);
  to[n] = '\0';
}

void survey_add(time_survey *s, event_time t, int64_t line, const char *text, size_t bytes) {
  struct survey_year *y = &s->years[bucket_of_seconds(t.seconds)];
  s->count++;
  if (y->count++ > 0) return;
  y->file = s->file;
  y->line = line;
  y->time = t;
  copy_text(y->text, text, bytes);
}

void survey_merge(time_survey *to, const time_survey *more) {
  to->count += more->count;
  for (int i = 0; i < SURVEY_YEARS + 2; i++) {
    if (more->years[i].count == 0) continue;
    const int64_t before = to->years[i].count;
    if (before == 0) to->years[i] = more->years[i];
    to->years[i].count = before + more->years[i].count;
  }
}

// ---- doubts --------------------------------------------------------------------------------------------------

// Years that are taken together, and the first row of them. Rows of several files are not ordered by line, but years of one
// group that differ in their file are rare enough.
typedef struct year_group {
  int64_t count;
  const struct survey_year *first, *most; // most: the year with the most
} year_group;

static void add_years(year_group *g, const time_survey *s, int from, int to) { // buckets [from, to)
  for (int i = from; i < to; i++) {
    const struct survey_year *y = &s->years[i];
    if (y->count == 0) continue;
    g->count += y->count;
    if (g->most == NULL || y->count > g->most->count) g->most = y;
    if (g->first == NULL || (y->file == g->first->file && y->line < g->first->line)) g->first = y;
  }
}

// "1650000000900" on line 2 is read as 54255-...
static void describe(char *to, size_t room, const struct survey_year *y) {
  char value[4 * SURVEY_TEXT], file[512], read[TIME_TEXT];
  const char *name =
      y->file != NULL ? path_name(y->file) : NULL; // what is said does not depend on where the log lies
  snprintf(to, room, "\"%s\" on %s%sline %lld is read as %s", printable(value, sizeof value, y->text, ""),
           name != NULL ? printable(file, sizeof file, name, "") : "", name != NULL ? " " : "",
           (long long)y->line, time_text(read, y->time));
}

static bool plausible(event_time t) {
  const int bucket = bucket_of_seconds(t.seconds);
  return bucket >= bucket_of_year(PLAUSIBLE_FROM) && bucket <= bucket_of_year(PLAUSIBLE_TO);
}

// What another format would make of most times of a group; "" if none makes a plausible time of them. Texts were cut to
// SURVEY_TEXT.
static void suggest(char *to, size_t room, time_format format, int32_t zone, const year_group *g) {
  const char *text = g->most->text;
  char value[4 * SURVEY_TEXT], of[4 * SURVEY_TEXT + 16] = "";
  if (g->most != g->first) snprintf(of, sizeof of, " for \"%s\"", printable(value, sizeof value, text, ""));
  to[0] = '\0';
  for (int f = 0; f < TIME_FORMAT_COUNT; f++) {
    event_time t;
    const char *why;
    char read[TIME_TEXT];
    if (f == (int)format || f == TIME_ORDER ||
        !time_parse((time_format)f, zone, text, strlen(text), &t, &why) || !plausible(t))
      continue;
    snprintf(to, room, "; --time_format %s would give %s%s", time_format_names[f], time_text(read, t), of);
    return;
  }
}

static void tell_implausible(const time_survey *s, const year_group *g, const char *where, time_format format,
                             int32_t zone, const char *column, survey_tell *tell, void *self) {
  char first[800], other[400], text[1800], name[256];
  const bool all = g->count == s->count;
  describe(first, sizeof first, g->first);
  suggest(other, sizeof other, format, zone, g);
  const char *more = "";
  if (other[0] != '\0' && !all) more = " (the column mixes units or forms)";
  if (other[0] == '\0' && all && format < TIME_ISO)
    more = "; if they are no times and only rise with time, --time_format order says so";
  snprintf(text, sizeof text, "fields.time: %lld of %lld times in \"%s\" lie %s: %s%s%s", (long long)g->count,
           (long long)s->count, printable(name, sizeof name, column, ""), where, first, other, more);
  tell(self, text);
}

// A few times that lie years away from all others.
enum { EMPTY_YEARS = 5 };
static void tell_outliers(const time_survey *s, const char *column, survey_tell *tell, void *self) {
  const int end = bucket_of_year(PLAUSIBLE_TO) + 1;
  for (int i = bucket_of_year(PLAUSIBLE_FROM); i < end;) {
    if (s->years[i].count == 0) {
      i++;
      continue;
    }
    int last = i; // the last year of what lies together
    for (int k = i; k < end && k - last <= EMPTY_YEARS; k++)
      if (s->years[k].count > 0) last = k;
    year_group g = {.count = 0};
    add_years(&g, s, i, last + 1);
    if (g.count * 10 < s->count) {
      char first[800], text[1200], name[256];
      describe(first, sizeof first, g.first);
      snprintf(text, sizeof text,
               "fields.time: %lld of %lld times in \"%s\" lie more than %d years from all others: %s",
               (long long)g.count, (long long)s->count, printable(name, sizeof name, column, ""), EMPTY_YEARS,
               first);
      tell(self, text);
    }
    i = last + 1;
  }
}

void survey_judge(const time_survey *s, time_format format, int32_t zone, const char *column,
                  survey_tell *tell, void *self) {
  year_group early = {.count = 0}, late = {.count = 0};
  add_years(&early, s, 0, bucket_of_year(PLAUSIBLE_FROM));
  add_years(&late, s, bucket_of_year(PLAUSIBLE_TO) + 1, SURVEY_YEARS + 2);
  if (early.count > 0) tell_implausible(s, &early, "before 1990", format, zone, column, tell, self);
  if (late.count > 0) tell_implausible(s, &late, "after 2100", format, zone, column, tell, self);
  tell_outliers(s, column, tell, self);
}

void survey_judge_future(const time_survey *s, int64_t this_year, const char *column, survey_tell *tell,
                         void *self) {
  year_group g = {.count = 0};
  if (this_year < PLAUSIBLE_FROM || this_year + 2 > PLAUSIBLE_TO) return;
  add_years(&g, s, bucket_of_year((int)this_year + 2), bucket_of_year(PLAUSIBLE_TO) + 1);
  if (g.count == 0) return;
  char first[800], text[1200], name[256];
  describe(first, sizeof first, g.first);
  snprintf(text, sizeof text, "fields.time: %lld of %lld times in \"%s\" lie after next year: %s",
           (long long)g.count, (long long)s->count, printable(name, sizeof name, column, ""), first);
  tell(self, text);
}

// ---- what stays ----------------------------------------------------------------------------------------------

static int compare(event_time a, event_time b) {
  if (a.seconds != b.seconds) return a.seconds < b.seconds ? -1 : 1;
  return a.nanos < b.nanos ? -1 : a.nanos > b.nanos;
}

static time_unit unit_of(uint32_t nanos) {
  if (nanos == 0) return TIME_UNIT_SECONDS;
  if (nanos % 1000 != 0) return TIME_UNIT_NANOSECONDS;
  return nanos % 1000000 == 0 ? TIME_UNIT_MILLISECONDS : TIME_UNIT_MICROSECONDS;
}

static void add_gap(time_span *s, event_time from, event_time to) {
  s->gaps++;
  s->no_gaps += compare(from, to) == 0;
  const uint64_t seconds = (uint64_t)to.seconds - (uint64_t)from.seconds;
  s->sizes[63 - __builtin_clzll(seconds | 1)]++;
}

void span_add(time_span *s, event_time t, bool first) {
  if (s->events == 0 || compare(t, s->least) < 0) s->least = t;
  if (s->events == 0 || compare(t, s->greatest) > 0) s->greatest = t;
  const time_unit unit = unit_of(t.nanos);
  if (unit > s->finest) s->finest = unit;
  if (!first) add_gap(s, s->last, t);
  s->last = t;
  s->events++;
}

// Gaps that may be of so many seconds or fewer: sizes are known as powers of two.
static int64_t gaps_up_to(const time_span *s, double seconds) {
  int64_t n = s->no_gaps;
  for (int i = 0; i < GAP_SIZES - 1 && ldexp(1, i) <= seconds; i++) n += s->sizes[i];
  return n;
}

enum { LONG_GAP = 26, ENOUGH_GAPS = 10 }; // 2^26 seconds are two years
void span_judge(const time_span *s, const char *column, double session_gap, survey_tell *tell, void *self) {
  int64_t long_gaps = 0;
  char text[600], name[256];
  printable(name, sizeof name, column, "");
  for (int i = LONG_GAP; i < GAP_SIZES; i++) long_gaps += s->sizes[i];
  if (s->gaps > 0 && s->no_gaps == s->gaps) {
    snprintf(text, sizeof text,
             "fields.time: in \"%s\" all events of each user have the same time, so their order is that of "
             "the file",
             name);
    tell(self, text);
  } else if (s->gaps >= ENOUGH_GAPS && 2 * long_gaps > s->gaps) {
    snprintf(text, sizeof text,
             "fields.time: more than half of the gaps between a user's events in \"%s\" are of two years or "
             "more: is "
             "it the time of the event, and --time_format its unit?",
             name);
    tell(self, text);
  } else if (s->gaps >= ENOUGH_GAPS && session_gap > 0 && gaps_up_to(s, session_gap) == 0) {
    snprintf(
        text, sizeof text,
        "filter.session_gap: in \"%s\" no two events of a user are within %g s of each other, so each is a "
        "session of its own; --session_gap 0 cuts no sessions, --time_format says the unit of the times",
        name, session_gap);
    tell(self, text);
  }
}
