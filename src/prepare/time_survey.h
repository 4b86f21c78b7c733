// Are the times of a log plausible? A wrong unit, a column of mixed units and a few rows of nonsense are not seen by a parser:
// every number is a time. What the whole column looks like shows them.
#ifndef SOUK_PREPARE_TIME_SURVEY_H
#define SOUK_PREPARE_TIME_SURVEY_H

#include "data/dataset.h"
#include "prepare/times.h"

enum { SURVEY_YEAR = 1900, SURVEY_YEARS = 301, SURVEY_TEXT = 40 }; // years 1900 to 2200
enum { PLAUSIBLE_FROM = 1990, PLAUSIBLE_TO = 2100 };               // years of events in a log

// The times that were read, by year; full of zeros it is empty.
typedef struct time_survey {
  const char *file; // that is being read; NULL: the only one. It must live as long as the survey
  int64_t count;
  struct survey_year {
    int64_t count;
    const char *file; // of the first
    int64_t line;
    event_time time;
    char text[SURVEY_TEXT];
  } years[SURVEY_YEARS + 2]; // [0]: before SURVEY_YEAR; [i]: SURVEY_YEAR + i - 1; [SURVEY_YEARS + 1]: after
} time_survey;

void survey_add(time_survey *s, event_time t, int64_t line, const char *text, size_t bytes);
// Adds what was read after all that is in *to.
void survey_merge(time_survey *to, const time_survey *more);

// Calls `tell` with a sentence for everything that is doubtful. `column` is the name of the time column, `this_year` the year
// of today, or 0 for what does not depend on it.
typedef void survey_tell(void *self, const char *sentence);
void survey_judge(const time_survey *s, time_format format, int32_t zone, const char *column,
                  survey_tell *tell, void *self);
void survey_judge_future(const time_survey *s, int64_t this_year, const char *column, survey_tell *tell,
                         void *self);

// The times of the events that stay: their range, precision and gaps. Full of zeros it is empty.
enum { GAP_SIZES = 64 };
typedef struct time_span {
  int64_t events;
  event_time least, greatest, last;
  time_unit finest; // that holds all times
  int64_t gaps, no_gaps,
      sizes[GAP_SIZES]; // between events of a user; of them 0; of 2^i seconds and less than 2^(i + 1)
} time_span;

// Events of a user come one after the other, in order; `first`: another user's begin.
void span_add(time_span *s, event_time t, bool first);
// Tells what is doubtful in them. session_gap: seconds of silence that end a session; 0: nothing does.
void span_judge(const time_span *s, const char *column, double session_gap, survey_tell *tell, void *self);

#endif
