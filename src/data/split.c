// Splits: what the manifest says of them, and whether a history keeps to it; see split.h.
#include "data/split.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const kind_names[SPLIT_KINDS] = {"leave_one_out", "none", "time", "user"};

// ---- json ------------------------------------------------------------------------------------------------------

static status bad_field(const record_source *from, const char *field) {
  return fail(ERR_FORMAT, "%s: field \"split.%s\" is missing, of the wrong type or out of range", from->path,
              field);
}

static status get_integer(const json_t *j, const char *field, int64_t least, int64_t most, int64_t *value,
                          const record_source *from) {
  const json_t *f = json_object_get(j, field);
  if (!json_is_integer(f) || json_integer_value(f) < least || json_integer_value(f) > most)
    return bad_field(from, field);
  *value = json_integer_value(f);
  return OK;
}

static status get_share(const json_t *j, const char *field, double *value, const record_source *from) {
  const json_t *f = json_object_get(j, field);
  *value = json_number_value(f);
  return json_is_number(f) && *value >= 0 && *value <= 1 ? OK : bad_field(from, field);
}

static status get_targets(data_split *s, const json_t *j, const record_source *from) {
  int64_t targets;
  TRY(get_integer(j, "targets", 1, INT32_MAX, &targets, from));
  s->targets = (int32_t)targets;
  return OK;
}

static status read_time(data_split *s, const json_t *j, const record_source *from) {
  static const char *const names[] = {"kind", "valid_from", "test_from", NULL};
  TRY(get_integer(j, "valid_from", INT64_MIN, INT64_MAX, &s->valid_from, from));
  TRY(get_integer(j, "test_from", s->valid_from, INT64_MAX, &s->test_from, from));
  return record_check_names(j, "split", names, from);
}

static status read_user(data_split *s, const json_t *j, const record_source *from) {
  static const char *const names[] = {"kind", "targets", "valid_users", "test_users", "seed", NULL};
  TRY(get_targets(s, j, from));
  TRY(get_share(j, "valid_users", &s->valid_users, from));
  TRY(get_share(j, "test_users", &s->test_users, from));
  TRY(get_integer(j, "seed", 0, INT64_MAX, &s->seed, from));
  return record_check_names(j, "split", names, from);
}

static status read_leave_one_out(data_split *s, const json_t *j, const record_source *from) {
  static const char *const names[] = {"kind", "targets", NULL};
  TRY(get_targets(s, j, from));
  return record_check_names(j, "split", names, from);
}

status split_from_json(data_split *out, const json_t *j, const record_source *from) {
  *out = (data_split){.kind = SPLIT_LEAVE_ONE_OUT, .targets = 1};
  if (j == NULL) return OK;
  const char *kind = json_string_value(json_object_get(j, "kind"));
  if (kind == NULL) return bad_field(from, "kind");
  int k = 0;
  while (k < SPLIT_KINDS && strcmp(kind_names[k], kind) != 0) k++;
  out->kind = (split_kind)k;
  out->said = true;
  switch (out->kind) {
  case SPLIT_LEAVE_ONE_OUT:
    return read_leave_one_out(out, j, from);
  case SPLIT_TIME:
    return read_time(out, j, from);
  case SPLIT_USER:
    return read_user(out, j, from);
  default:
    break;
  }
  return fail(ERR_UNSUPPORTED,
              "%s: field \"split.kind\" is \"%.60s\", which souk " SOUK_VERSION
              " does not know; %.60s wrote it",
              from->path, kind, from->writer != NULL ? from->writer : "an unknown version");
}

static json_t *to_json(const data_split *s) {
  const char *kind = kind_names[s->kind];
  if (s->kind == SPLIT_TIME)
    return json_pack("{s:s,s:I,s:I}", "kind", kind, "valid_from", (json_int_t)s->valid_from, "test_from",
                     (json_int_t)s->test_from);
  if (s->kind == SPLIT_USER)
    return json_pack("{s:s,s:i,s:f,s:f,s:I}", "kind", kind, "targets", s->targets, "valid_users",
                     s->valid_users, "test_users", s->test_users, "seed", (json_int_t)s->seed);
  return json_pack("{s:s,s:i}", "kind", kind, "targets", s->targets);
}

bool split_into_json(const data_split *s, json_t *manifest) {
  return !s->said || json_object_set_new(manifest, "split", to_json(s)) == 0;
}

// ---- histories -------------------------------------------------------------------------------------------------

static const char *breach_of_counts(const data_split *s, int32_t n, int32_t valid_from, int32_t test_from) {
  if (valid_from == n) return NULL; // only trains
  const int32_t k = s->targets;
  if ((int64_t)n <= 2 * (int64_t)k || valid_from != n - 2 * k || test_from != n - k)
    return "its validation and test parts are not its last events in the number that the manifest says";
  return NULL;
}

static const char *breach_of_users(int32_t n, int32_t valid_from, int32_t test_from) {
  if (valid_from == n) return NULL;
  if (valid_from > 0) return "some events of a held-out user are in the train part";
  return test_from == 0 || test_from == n ? NULL : "it is of the validation and of the test users";
}

// The first of so many times a second that is not before `seconds`.
static int64_t scaled(int64_t seconds, int64_t per_second) {
  int64_t t;
  if (!__builtin_mul_overflow(seconds, per_second, &t)) return t;
  return seconds < 0 ? INT64_MIN : INT64_MAX;
}

static const char *breach_of_times(const data_split *s, int32_t n, int32_t valid_from, int32_t test_from,
                                   const int64_t *times, int64_t per_second) {
  const int64_t valid = scaled(s->valid_from, per_second), test = scaled(s->test_from, per_second);
  bool late = false, early = false, test_early = false; // without branches, as every event is looked at
  for (int32_t i = 0; i < valid_from; i++) late |= times[i] >= valid;
  if (late) return "an event of its train part is not before the date of validation";
  for (int32_t i = valid_from; i < test_from; i++) late |= times[i] >= test, early |= times[i] < valid;
  if (late) return "an event of its validation part is not before the date of test";
  for (int32_t i = test_from; i < n; i++) test_early |= times[i] < test;
  if (test_early) return "an event of its test part is before the date of test";
  return early ? "an event of its validation part is before the date of validation" : NULL;
}

const char *split_breach(const data_split *s, int32_t n, int32_t valid_from, int32_t test_from,
                         const int64_t *times, int64_t per_second) {
  if (!s->said) return NULL;
  switch (s->kind) {
  case SPLIT_LEAVE_ONE_OUT:
    return breach_of_counts(s, n, valid_from, test_from);
  case SPLIT_TIME:
    return breach_of_times(s, n, valid_from, test_from, times, per_second);
  case SPLIT_USER:
    return breach_of_users(n, valid_from, test_from);
  default:
    return valid_from == n ? NULL : "it has events that are held out";
  }
}

void split_targets(const data_split *s, int32_t n, int32_t valid_from, int32_t test_from, bool test,
                   int32_t *from, int32_t *to) {
  *from = test ? test_from : valid_from;
  *to = test ? n : test_from;
  if (s->kind != SPLIT_USER || *from >= *to) return;
  const int32_t first = *to > s->targets ? *to - s->targets : 1;
  if (*from < first) *from = first;
}

bool split_between(const data_split *s, int64_t a, int64_t b) {
  return s->kind == SPLIT_TIME &&
         ((a < s->valid_from && b >= s->valid_from) || (a < s->test_from && b >= s->test_from));
}

// ---- for people ------------------------------------------------------------------------------------------------

const char *split_date(int64_t seconds, char buf[SPLIT_DATE]) {
  const time_t t = (time_t)seconds;
  struct tm utc;
  if (gmtime_r(&t, &utc) == NULL)
    snprintf(buf, SPLIT_DATE, "%lld seconds", (long long)seconds);
  else
    snprintf(buf, SPLIT_DATE, "%04d-%02d-%02dT%02d:%02d:%02dZ", 1900 + utc.tm_year, 1 + utc.tm_mon,
             utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
  return buf;
}

const char *split_describe(const data_split *s, char buf[SPLIT_TEXT]) {
  char valid[SPLIT_DATE], test[SPLIT_DATE];
  if (s->kind == SPLIT_TIME)
    snprintf(buf, SPLIT_TEXT, "time, validation from %s, test from %s", split_date(s->valid_from, valid),
             split_date(s->test_from, test));
  else if (s->kind == SPLIT_USER)
    snprintf(buf, SPLIT_TEXT, "user, validation %.4g and test %.4g of the users by seed %lld, targets %d",
             s->valid_users, s->test_users, (long long)s->seed, s->targets);
  else if (s->kind == SPLIT_LEAVE_ONE_OUT && s->targets > 1)
    snprintf(buf, SPLIT_TEXT, "leave_one_out, targets %d", s->targets);
  else
    snprintf(buf, SPLIT_TEXT, "%s", kind_names[s->kind]);
  return buf;
}
