// How the histories of a data set are divided into train, validation and test, and which of their events are targets.
//
//   leave_one_out  the last `targets` events of a history are test, as many before them validation; a history without
//                  an event before those only trains
//   none           everything trains
//   time           events before `valid_from` train, those before `test_from` are validation, the rest test
//   user           whole users are held out; of a held-out history the last `targets` events are targets and the others
//                  input, but its first event is always input
//
// The cuts of a sequence (dataset.h) say which part an event belongs to. Leave-one-out with one target is what a manifest
// without a split means: there cuts are as the shards have them, and every event of a part is a target.
#ifndef SOUK_DATA_SPLIT_H
#define SOUK_DATA_SPLIT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/record.h"
#include "base/status.h"

typedef enum split_kind { SPLIT_LEAVE_ONE_OUT, SPLIT_NONE, SPLIT_TIME, SPLIT_USER, SPLIT_KINDS } split_kind;
#define SPLIT_CHOICES "leave_one_out|none|time|user"

typedef struct data_split {
  split_kind kind;
  bool said;                      // the manifest has it, so that every sequence must keep to it
  int32_t targets;                // leave_one_out and user: of a history
  int64_t valid_from, test_from;  // time: seconds since 1970, UTC
  double valid_users, test_users; // user: shares of all users, drawn by a hash of name and seed
  int64_t seed;
} data_split;

// The object "split" of a manifest; j NULL: there is none, which is leave-one-out with one target. ERR_FORMAT for a field
// that is missing or out of range, ERR_UNSUPPORTED for a kind or field that is not known.
status split_from_json(data_split *out, const json_t *j, const record_source *from);
// Adds "split" to a manifest, if it is `said`; false: no memory.
bool split_into_json(const data_split *s, json_t *manifest);

// Why a history of n events with these cuts does not keep to the split, a constant text; NULL: it does. times [n], in
// order of the history, so many of them a second: looked at for `time` only.
const char *split_breach(const data_split *s, int32_t n, int32_t valid_from, int32_t test_from,
                         const int64_t *times, int64_t per_second);

// The targets of the validation or test part: events [*from, *to) of a history of n events with these cuts. None: *from
// >= *to.
void split_targets(const data_split *s, int32_t n, int32_t valid_from, int32_t test_from, bool test,
                   int32_t *from, int32_t *to);

// Is a date of the split between two times, in seconds, a not later than b?
bool split_between(const data_split *s, int64_t a, int64_t b);

// "leave_one_out", "time, validation from 2024-03-01T00:00:00Z, test from 2024-03-08T00:00:00Z" and the like, for people.
// buf has room for SPLIT_TEXT bytes. Returns buf.
enum { SPLIT_TEXT = 160, SPLIT_DATE = 40 };
const char *split_describe(const data_split *s, char buf[SPLIT_TEXT]);
// Seconds since 1970 as 2024-03-01T00:00:00Z; returns buf.
const char *split_date(int64_t seconds, char buf[SPLIT_DATE]);

#endif
