// How souk prepare divides users' histories into train, validation and test; data/split.h has the rules.
//
// Which users a split by users holds out depends on their names and the seed alone, so that they are the same in every log
// of the same users. Dates divide before anything else does: an event must not become another one because of what
// comes after the date (merge_repeats asks split_between).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "format/printable.h"
#include "format/utf8.h"
#include "base/philox.h"
#include "prepare/prepare_internal.h"
#include "prepare/times.h"

// ---- options ---------------------------------------------------------------------------------------------------

static status only_for(bool set, const char *name, const char *kinds) {
  if (!set) return OK;
  return fail(ERR_ARGUMENT, "output.%s is for output.split = %s only", name, kinds);
}

// An option is set where it differs from its default.
static status check_unused(const prepare_output *o) {
  const bool time = o->split == SPLIT_TIME, user = o->split == SPLIT_USER;
  TRY(only_for(!time && o->valid_from[0] != '\0', "valid_from", "time"));
  TRY(only_for(!time && o->test_from[0] != '\0', "test_from", "time"));
  TRY(only_for(!user && o->valid_users != SPLIT_SHARE, "valid_users", "user"));
  TRY(only_for(!user && o->test_users != SPLIT_SHARE, "test_users", "user"));
  TRY(only_for(!user && o->split_seed != 1, "split_seed", "user"));
  return only_for(!user && o->split != SPLIT_LEAVE_ONE_OUT && o->targets != 1, "targets",
                  "leave_one_out and user");
}

// "last 7d": hours, days or weeks. False: it is none; *seconds is 0 if it begins like one.
static bool read_last(const char *text, int64_t *seconds) {
  static const struct {
    char unit;
    int64_t seconds;
  } units[] = {{'h', 3600}, {'d', 86400}, {'w', 7 * 86400}};
  *seconds = 0;
  if (strncmp(text, "last", 4) != 0) return false;
  char *end;
  const long long n = strtoll(text + 4, &end, 10);
  while (*end == ' ') end++;
  for (size_t i = 0; n > 0 && n < 1000000 && i < sizeof units / sizeof *units; i++)
    if (end[0] == units[i].unit && end[1] == '\0') *seconds = (int64_t)n * units[i].seconds;
  return *seconds > 0;
}

// A date in one of the spellings of times.h, or a number as the log has them, or a span before the latest event.
static status read_date(const prepare_job *job, const char *text, const char *name, int64_t *seconds,
                        int64_t *last) {
  const time_format format = (time_format)job->c->input.time_format;
  event_time t;
  const char *why, *number_why;
  if (text[0] == '\0')
    return fail(ERR_ARGUMENT,
                "output.split = time needs output.%s, a date such as 2024-03-01 or 2024-03-01T12:00:00Z, or "
                "\"last 7d\"",
                name);
  if (read_last(text, last)) return OK;
  if (!time_parse(format >= TIME_ISO ? format : TIME_ISO, job->zone, text, strlen(text), &t, &why) &&
      !time_parse(format, job->zone, text, strlen(text), &t, &number_why))
    return fail(ERR_ARGUMENT,
                "output.%s = \"%s\": %s; a date such as 2024-03-01 or 2024-03-01T12:00:00Z is needed, or the "
                "last hours, "
                "days or weeks: \"last 12h\", \"last 7d\", \"last 2w\"",
                name, text, why);
  if (t.nanos != 0) return fail(ERR_ARGUMENT, "output.%s = \"%s\" must be a whole second", name, text);
  *seconds = t.seconds;
  return OK;
}

static status check_order(const data_split *s) {
  char valid[SPLIT_DATE], test[SPLIT_DATE];
  if (s->valid_from <= s->test_from) return OK;
  return fail(ERR_ARGUMENT, "output.valid_from (%s) must not be after output.test_from (%s)",
              split_date(s->valid_from, valid), split_date(s->test_from, test));
}

static status time_split(prepare_job *job) {
  const prepare_config *c = job->c;
  data_split *s = &job->split;
  if (!prepare_has_times(c))
    return fail(ERR_ARGUMENT, "output.split = time needs fields.time, the column of the time, %s",
                c->fields.time[0] == '\0' ? "which is not set" : "and an input.time_format other than order");
  TRY(read_date(job, c->output.valid_from, "valid_from", &s->valid_from, &job->last.valid));
  TRY(read_date(job, c->output.test_from, "test_from", &s->test_from, &job->last.test));
  return job->last.valid > 0 || job->last.test > 0 ? OK : check_order(s);
}

status split_of(prepare_job *job) {
  const prepare_output *o = &job->c->output;
  data_split *s = &job->split;
  *s = (data_split){.kind = (split_kind)o->split, .targets = (int32_t)o->targets};
  TRY(check_unused(o));
  s->said = s->kind == SPLIT_TIME || s->kind == SPLIT_USER || s->targets > 1;
  if (s->kind == SPLIT_TIME) return time_split(job);
  if (s->kind != SPLIT_USER) return OK;
  s->valid_users = o->valid_users;
  s->test_users = o->test_users;
  s->seed = o->split_seed;
  if (s->valid_users + s->test_users < 1) return OK;
  return fail(ERR_ARGUMENT, "output.valid_users (%g) and output.test_users (%g) leave no users to train on",
              s->valid_users, s->test_users);
}

static status find_latest(partition_work *w) {
  int64_t *latest = &w->job->last.latest;
  for (size_t i = 0; i < w->part.n; i++)
    if (w->part.events[i].time > *latest) *latest = w->part.events[i].time;
  return OK;
}

status split_find_dates(prepare_job *job) {
  split_last *last = &job->last;
  if (last->valid == 0 && last->test == 0) return OK;
  last->latest = INT64_MIN;
  TRY(for_partitions(job, load_partition, find_latest));
  if (last->latest == INT64_MIN) return OK; // no events, which filter_and_count tells
  if (last->valid > 0) job->split.valid_from = last->latest + 1 - last->valid;
  if (last->test > 0) job->split.test_from = last->latest + 1 - last->test;
  return check_order(&job->split);
}

// ---- histories -------------------------------------------------------------------------------------------------

// FNV-1a. Not the hash of intern.h, which may become another one: a data set's users must not.
static uint64_t name_key(const char *name) {
  uint64_t h = 0xcbf29ce484222325u;
  for (; *name != '\0'; name++) h = (h ^ (uint8_t)*name) * 0x100000001b3u;
  return h;
}

// A user's draw: below valid_users validation, then test, the rest train.
static void cut_by_user(const data_split *s, const char *user, int32_t n, int32_t *valid_from,
                        int32_t *test_from) {
  const uint64_t h = name_key(user);
  rng r = rng_at((uint64_t)s->seed, STREAM_SPLIT, (uint32_t)h, (uint32_t)(h >> 32));
  const double draw = rng_unit(&r);
  const bool valid = draw < s->valid_users, test = !valid && draw < s->valid_users + s->test_users;
  *valid_from = valid || test ? 0 : n;
  *test_from = test ? 0 : n;
}

void cut_user(const data_split *s, const char *user, const log_event *e, int32_t n, int32_t *valid_from,
              int32_t *test_from) {
  const int32_t k = s->targets;
  *valid_from = *test_from = n;
  if (s->kind == SPLIT_USER) {
    cut_by_user(s, user, n, valid_from, test_from);
  } else if (s->kind == SPLIT_TIME) {
    while (*test_from > 0 && e[*test_from - 1].time >= s->test_from) --*test_from;
    *valid_from = *test_from;
    while (*valid_from > 0 && e[*valid_from - 1].time >= s->valid_from) --*valid_from;
  } else if (s->kind == SPLIT_LEAVE_ONE_OUT && n / 2 >= k && n - 2 * k > 0) {
    *valid_from = n - 2 * k;
    *test_from = n - k;
  }
}

// How many of at most `room` bytes end with a character of the name.
static size_t whole_characters(const char *name, size_t room) {
  const size_t bytes = strlen(name);
  size_t n = 0, length;
  for (; n < bytes; n += length) {
    length = utf8_length(name + n, bytes - n);
    if (length == 0) length = 1;
    if (n + length > room) break;
  }
  return n;
}

static void count_one(user_count *to, const char *user) {
  if (to->users < USERS_NAMED)
    snprintf(to->first[to->users], sizeof *to->first, "%.*s",
             (int)whole_characters(user, sizeof *to->first - 1), user);
  to->users++;
}

static bool is_tied(const log_event *e, int32_t from, int32_t end) {
  for (int32_t i = from > 0 ? from : 1; i < end; i++)
    if (e[i].time == e[i - 1].time && e[i].nanos == e[i - 1].nanos) return true;
  return false;
}

void count_split(split_counts *to, const data_split *s, const char *user, const log_event *e, int32_t n,
                 int32_t valid_from, int32_t test_from) {
  bool tied = false;
  to->train_users += valid_from > 0;
  to->train_events += valid_from;
  for (int test = 0; test < 2; test++) {
    int32_t from, end;
    split_targets(s, n, valid_from, test_from, test == 1, &from, &end);
    if (from >= end) {
      if (test == 1 ? test_from < n : valid_from < test_from) count_one(&to->without_targets, user);
      continue;
    }
    to->users[test]++;
    to->targets[test] += end - from;
    if (s->kind == SPLIT_TIME && valid_from == 0) count_one(&to->cold[test], user);
    tied = tied || is_tied(e, from, end);
  }
  if (tied && s->kind != SPLIT_TIME) count_one(&to->tied, user);
}

// ---- afterwards ------------------------------------------------------------------------------------------------

static status no_events(const prepare_job *job, const char *what, const char *names) {
  char text[SPLIT_TEXT], first[TIME_TEXT], last[TIME_TEXT];
  return fail(ERR_ARGUMENT, "no event is %s, with output.split = %s, and events from %s to %s; %s", what,
              split_describe(&job->split, text), time_text(first, job->span.least),
              time_text(last, job->span.greatest), names);
}

static status check_dates(const prepare_job *job) {
  const split_counts *n = &job->divided;
  if (n->train_events == 0)
    return no_events(job, "in the train part, so there is nothing to train on",
                     "output.valid_from decides it");
  if (n->targets[0] == 0 && job->split.valid_from < job->split.test_from)
    return no_events(job, "in the validation part", "output.valid_from and output.test_from decide it");
  return n->targets[1] == 0 ? no_events(job, "in the test part", "output.test_from decides it") : OK;
}

static status check_users(prepare_job *job) {
  const split_counts *n = &job->divided;
  const data_split *s = &job->split;
  if (n->train_events == 0)
    return fail(ERR_ARGUMENT, "all users are held out, so there is nothing to train on; output.valid_users, "
                              "output.test_users and output.split_seed decide it");
  if (n->users[0] == 0 && s->valid_users > 0)
    prepare_warn(job, "no user with two events or more fell to validation (output.valid_users = %g)",
                 s->valid_users);
  if (n->users[1] == 0 && s->test_users > 0)
    prepare_warn(job, "no user with two events or more fell to test (output.test_users = %g)", s->test_users);
  return OK;
}

status check_split(prepare_job *job) {
  if (job->split.kind == SPLIT_TIME) TRY(check_dates(job));
  if (job->split.kind == SPLIT_USER) TRY(check_users(job));
  if (job->divided.tied.users > 0)
    prepare_warn(
        job,
        "%lld users have a target at the same time as the event before it: there the order of the rows "
        "in the log "
        "decides what the target is",
        (long long)job->divided.tied.users);
  return OK;
}

static json_t *users_json(const user_count *n) {
  json_t *first = json_array();
  for (int64_t i = 0; i < n->users && i < USERS_NAMED; i++)
    json_array_append_new(first, json_string(n->first[i]));
  return json_pack("{s:I,s:o}", "users", (json_int_t)n->users, "first", first);
}

json_t *split_report(const split_counts *n, const data_split *s) {
  char text[SPLIT_TEXT];
  return json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:o,s:o,s:o,s:o}", "rule", split_describe(s, text),
                   "train_users", (json_int_t)n->train_users, "valid_users", (json_int_t)n->users[0],
                   "test_users", (json_int_t)n->users[1], "valid_targets", (json_int_t)n->targets[0],
                   "test_targets", (json_int_t)n->targets[1], "cold_valid", users_json(&n->cold[0]),
                   "cold_test", users_json(&n->cold[1]), "without_targets", users_json(&n->without_targets),
                   "tied", users_json(&n->tied));
}

// A line, unless there are none: LABEL, how many users of what kind, and the first of them.
static void print_users(const char *label, const user_count *n, const char *what) {
  char text[4 * sizeof *n->first];
  if (n->users == 0) return;
  printf("%-15s %lld %s:", label, (long long)n->users, what);
  for (int64_t i = 0; i < n->users && i < USERS_NAMED; i++)
    printf("%s %s", i > 0 ? "," : "", printable(text, sizeof text, n->first[i], ""));
  printf("%s\n", n->users > USERS_NAMED ? ", ..." : "");
}

void print_split(const split_counts *n, const data_split *s, bool has_time) {
  char text[SPLIT_TEXT];
  const bool by_order = !has_time && s->kind != SPLIT_NONE;
  printf("split           %s%s\n", split_describe(s, text),
         by_order ? " (without times the order of the rows decides which events are the last)" : "");
  if (s->said)
    printf("                %lld users train; %lld targets of %lld users validate, %lld of %lld test\n",
           (long long)n->train_users, (long long)n->targets[0], (long long)n->users[0],
           (long long)n->targets[1], (long long)n->users[1]);
  print_users("cold users", &n->cold[0], "with validation targets and no train event");
  print_users("cold users", &n->cold[1], "with test targets and no train event");
  print_users("no targets", &n->without_targets, "held-out users of a single event");
  print_users("tied targets", &n->tied,
              "at the same time as the event before, so that the order of rows decides");
}
