// souk prepare: parse, map fields, filter, sessionise, split, build the vocabulary, write.
//
// Passes over the events, each partition by partition (event_store.h), so that memory holds the items' names
// and counters plus what --memory allows, whatever the log's size:
//   1. read the log into the store;
//   2. sort each user by (time, order), number sessions, merge repeats;
//   3. k-core: count, drop, until nothing changes;
//   4. number sessions anew, count lengths and the train parts' items;
//   5. the catalogue and the vocabulary: attributes, then items by falling count and name;
//   6. write sequences.
// Without a k-core, 2 and 4 are one pass.
#include "prepare/prepare.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "prepare/prepare_internal.h"

// ---- reading -------------------------------------------------------------------------------------------------

enum { COL_USER, COL_ITEM, COL_TIME, COL_EVENT, COL_SESSION, COL_PRICE, COLS };

static status take_price(prepare_job *job, int32_t item, double price) {
  const size_t n = (size_t)intern_count(job->items), before = job->price_count_cap;
  TRY(mem_grow(&job->price_sum, &job->price_sum_cap, n, sizeof *job->price_sum, "prices"));
  TRY(mem_grow(&job->price_count, &job->price_count_cap, n, sizeof *job->price_count, "prices"));
  for (size_t i = before; i < job->price_count_cap; i++) {
    job->price_sum[i] = 0;
    job->price_count[i] = 0;
  }
  job->price_sum[item] += price;
  job->price_count[item]++;
  return OK;
}

static status take_row(prepare_job *job, const log_reader *r, const char *const values[COLS]) {
  const prepare_config *c = job->c;
  log_event e = {.order = job->log.rows};
  double price = 0;
  if (values[COL_USER] == NULL) {
    reject_row(&job->log, "no user", r);
    return OK;
  }
  if (intern_count(job->wanted_types) > 0 &&
      (values[COL_EVENT] == NULL || intern_find(job->wanted_types, values[COL_EVENT]) < 0)) {
    job->skipped_events++;
    return OK;
  }
  if (values[COL_ITEM] ==
      NULL) { // a search, for example: it gets no token, and is no error in a log with event types
    if (c->fields.event[0] != '\0')
      job->without_item++;
    else
      reject_row(&job->log, "no item", r);
    return OK;
  }
  if (c->fields.time[0] != '\0' &&
      (values[COL_TIME] == NULL || !parse_time(c->input.time_format, values[COL_TIME], &e.time))) {
    reject_row(&job->log, values[COL_TIME] == NULL ? "no time" : "time that cannot be read", r);
    return OK;
  }
  if (values[COL_PRICE] != NULL && !parse_number(values[COL_PRICE], &price)) {
    reject_row(&job->log, "price that is not a number", r);
    return OK;
  }
  if (c->fields.time[0] == '\0') e.time = job->log.rows;
  if (values[COL_EVENT] != NULL) {
    TRY(intern_add(job->types, values[COL_EVENT], &e.type));
    e.type++; // 0 is none
    if (e.type >= MAX_EVENT_TYPES || strlen(values[COL_EVENT]) >= EVENT_NAME)
      return fail(ERR_FORMAT,
                  "line %lld: more than %d event types, or a name of %d bytes or more; set input.events",
                  (long long)log_line(r), MAX_EVENT_TYPES - 1, EVENT_NAME);
  }
  TRY(intern_add(job->items, values[COL_ITEM], &e.item));
  if (values[COL_PRICE] != NULL) TRY(take_price(job, e.item, price));
  if (values[COL_SESSION] != NULL) e.session = name_hash(values[COL_SESSION]);
  return store_add(job->store, values[COL_USER], &e);
}

static status read_log(prepare_job *job, const char *path) {
  const prepare_fields *f = &job->c->fields;
  const char *const columns[COLS] = {f->user, f->item, f->time, f->event, f->session, f->price};
  log_reader *r;
  TRY(log_open(&r, path, (log_kind)job->c->input.format, job->c->input.header, columns, COLS));
  status rc = OK;
  for (;;) {
    const char *values[COLS], *reason;
    bool end;
    TRY_GOTO(log_next(r, values, &reason, &end), done);
    if (end) break;
    job->log.rows++;
    if (reason != NULL)
      reject_row(&job->log, reason, r);
    else
      TRY_GOTO(take_row(job, r, values), done);
    if (job->log.rows % 65536 == 0) show_progress(job, "rows read", job->log.rows, log_progress(r));
  }
done:
  if (rc != OK && rc != ERR_MEMORY && strstr(fail_message(), path) == NULL) fail_prefix(rc, "%s", path);
  log_close(r);
  return rc;
}

// Calls `each` with every name of a list separated by commas.
static status for_each_name(const char *list, status (*each)(prepare_job *, const char *), prepare_job *job) {
  char name[OPTION_STRING];
  while (*list != '\0') {
    const size_t n = strcspn(list, ",");
    snprintf(name, sizeof name, "%.*s", (int)n, list);
    if (n > 0) TRY(each(job, name));
    list += n + (list[n] == ',');
  }
  return OK;
}

static status want_type(prepare_job *job, const char *name) {
  int32_t id;
  return intern_add(job->wanted_types, name, &id);
}

// ---- sort, sessions, repeats ---------------------------------------------------------------------------------

static int by_user_time(const void *a, const void *b) {
  const log_event *x = a, *y = b;
  if (x->user != y->user) return x->user < y->user ? -1 : 1;
  if (x->time != y->time) return x->time < y->time ? -1 : 1;
  return x->order < y->order ? -1 : x->order > y->order;
}

// Replaces session names by their numbers in the user's history. The events are sorted, and none has been dropped
// yet.
static void number_sessions(const prepare_config *c, log_event *e, size_t n) {
  const bool named = c->fields.session[0] != '\0';
  const bool timed = c->fields.time[0] != '\0' && c->filter.session_gap > 0;
  uint64_t session = 0, last_name = 0;
  for (size_t i = 0; i < n; i++) {
    const bool same_user = i > 0 && e[i - 1].user == e[i].user;
    const bool next = named ? e[i].session != last_name
                            : timed && i > 0 && e[i].time - e[i - 1].time > c->filter.session_gap;
    session = same_user ? session + next : 0;
    last_name = e[i].session;
    e[i].session = session;
  }
}

// Merges or drops repeats; last_user [items] belongs to `first` alone. Returns how many events stay.
static size_t merge_repeats(prepare_job *job, log_event *e, size_t n) {
  const int how = job->c->filter.repeats;
  if (how == REPEATS_KEEP) return n;
  size_t kept = 0;
  for (size_t i = 0; i < n; i++) {
    const bool same_user = i > 0 && e[i - 1].user == e[i].user;
    if (!same_user) job->users_seen++;
    if (same_user && kept > 0 && job->last_item == e[i].item) { // what comes directly after itself
      if (!job->last_dropped) e[kept - 1].type = e[i].type;
      job->repeats++;
      continue;
    }
    job->last_item = e[i].item;
    job->last_dropped = how == REPEATS_FIRST && job->last_user[e[i].item] == job->users_seen;
    if (job->last_dropped) {
      job->repeats++;
      continue;
    }
    if (how == REPEATS_FIRST) job->last_user[e[i].item] = job->users_seen;
    e[kept++] = e[i];
  }
  return kept;
}

static status read_partition(prepare_job *job, int32_t p) {
  return store_read(job->store, p, &job->part);
}

static status sort_partition(prepare_job *job, int32_t p) {
  store_partition *part = &job->part;
  TRY(read_partition(job, p));
  if (part->n > 0) qsort(part->events, part->n, sizeof *part->events, by_user_time);
  number_sessions(job->c, part->events, part->n);
  part->n = merge_repeats(job, part->events, part->n);
  return OK;
}

// ---- k-core --------------------------------------------------------------------------------------------------

static status count_users(prepare_job *job, int64_t **counts, size_t *cap) {
  const size_t users = (size_t)intern_count(job->part.users);
  TRY(mem_grow(counts, cap, users, sizeof **counts, "user counts"));
  if (users > 0) memset(*counts, 0, users * sizeof **counts); // an empty partition has no counts
  for (size_t i = 0; i < job->part.n; i++) (*counts)[job->part.events[i].user]++;
  return OK;
}

// One round drops what was too rare when it began, and counts the items for the next round. The core does not depend
// on the order of dropping.
static status core_round(prepare_job *job, int64_t *next_counts, int64_t **user_counts, size_t *cap,
                         bool *changed) {
  const prepare_filter *f = &job->c->filter;
  memset(next_counts, 0, (size_t)intern_count(job->items) * sizeof *next_counts);
  *changed = false;
  for (int32_t p = 0; p < STORE_PARTITIONS; p++) {
    store_partition *part = &job->part;
    TRY(read_partition(job, p));
    TRY(count_users(job, user_counts, cap));
    size_t kept = 0;
    for (size_t i = 0; i < part->n; i++) {
      const log_event *e = &part->events[i];
      if ((*user_counts)[e->user] < f->min_user || job->item_counts[e->item] < f->min_item) continue;
      next_counts[e->item]++;
      part->events[kept++] = *e;
    }
    if (kept == part->n) continue;
    *changed = true;
    job->dropped_by_core += (int64_t)(part->n - kept);
    part->n = kept;
    TRY(store_replace(job->store, p, part));
  }
  return OK;
}

static status k_core(prepare_job *job) {
  int64_t *next_counts = NULL, *user_counts = NULL;
  size_t cap = 0;
  status rc;
  for (int32_t p = 0; p < STORE_PARTITIONS; p++) {
    TRY(sort_partition(job, p));
    for (size_t i = 0; i < job->part.n; i++) job->item_counts[job->part.events[i].item]++;
    TRY(store_replace(job->store, p, &job->part));
  }
  TRY_GOTO(mem_new(&next_counts, (size_t)intern_count(job->items), sizeof *next_counts, "item counts"), done);
  for (bool changed = true; changed;) {
    TRY_GOTO(core_round(job, next_counts, &user_counts, &cap, &changed), done);
    int64_t *swap = job->item_counts;
    job->item_counts = next_counts;
    next_counts = swap;
    job->core_rounds++;
    show_progress(job, "k-core: events dropped", job->dropped_by_core, -1);
  }
done:
  free(next_counts);
  free(user_counts);
  return rc;
}

// ---- counting ------------------------------------------------------------------------------------------------

static void cuts(const prepare_config *c, int32_t n, int32_t *valid_from, int32_t *test_from) {
  const bool split = c->output.split == 0 && n >= 3;
  *valid_from = split ? n - 2 : n;
  *test_from = split ? n - 1 : n;
}

static status count_user(prepare_job *job, log_event *e, size_t n) {
  const prepare_output *o = &job->c->output;
  if (n > INT32_MAX / 2)
    return fail(ERR_FORMAT, "user \"%s\" has more than 2^30 events", intern_text(job->part.users, e->user));
  uint64_t session = 0, old = e[0].session;
  for (size_t i = 0; i < n; i++) { // sessions that lost all their events leave no gap
    session += e[i].session != old;
    old = e[i].session;
    e[i].session = session;
    job->item_counts[e[i].item]++;
  }
  job->sessions += (int64_t)session + 1;
  int32_t valid_from, test_from;
  cuts(job->c, (int32_t)n, &valid_from, &test_from);
  for (int32_t i = 0; i < valid_from; i++) {
    job->train_counts[e[i].item]++;
    job->type_counts[e[i].type]++;
  }
  job->windows += window_count(valid_from, (int32_t)o->window, (int32_t)o->stride);
  if (n >= SHORT_LENGTHS)
    TRY(mem_grow(&job->long_lengths, &job->long_cap, job->n_long + 1, sizeof *job->long_lengths, "lengths"));
  count_length(job, (int32_t)n);
  return OK;
}

// The last pass before writing. `sorted`: the k-core pass has sorted already. Dropping events may have made
// neighbours equal, so repeats are merged again.
static status order_partition(prepare_job *job, int32_t p, bool sorted) {
  store_partition *part = &job->part;
  if (sorted) {
    TRY(read_partition(job, p));
    part->n = merge_repeats(job, part->events, part->n);
  } else {
    TRY(sort_partition(job, p));
  }
  for (size_t i = 0; i < part->n;) {
    size_t stop = i;
    while (stop < part->n && part->events[stop].user == part->events[i].user) stop++;
    TRY(count_user(job, part->events + i, stop - i));
    i = stop;
  }
  return store_replace(job->store, p, part);
}

// ---- writing -------------------------------------------------------------------------------------------------

typedef struct sequence_buffers {
  int32_t *tokens, *sessions;
  uint8_t *events;
  int64_t *times;
} sequence_buffers;

static status write_user(prepare_job *job, dataset_writer *w, const log_event *e, int32_t n, int64_t user,
                         const sequence_buffers *b) {
  sequence s = {.user = user,
                .n = n,
                .tokens = b->tokens,
                .events = b->events,
                .times = b->times,
                .sessions = b->sessions};
  cuts(job->c, n, &s.valid_from, &s.test_from);
  for (int32_t i = 0; i < n; i++) {
    b->tokens[i] = job->token_of[e[i].item];
    b->sessions[i] = (int32_t)e[i].session;
    b->events[i] = (uint8_t)e[i].type;
    b->times[i] = e[i].time;
    const bool cold = job->train_counts[e[i].item] == 0;
    if (i >= s.test_from)
      job->cold_test += cold;
    else if (i >= s.valid_from)
      job->cold_valid += cold;
  }
  return writer_add(w, &s, intern_text(job->part.users, e->user));
}

static status write_sequences(prepare_job *job, dataset_writer *w) {
  const size_t longest = (size_t)job->longest;
  sequence_buffers b = {.tokens = NULL};
  status rc;
  int64_t user = 0;
  TRY_GOTO(mem_new(&b.tokens, longest, sizeof *b.tokens, "a sequence"), done);
  TRY_GOTO(mem_new(&b.sessions, longest, sizeof *b.sessions, "a sequence"), done);
  TRY_GOTO(mem_new(&b.events, longest, sizeof *b.events, "a sequence"), done);
  TRY_GOTO(mem_new(&b.times, longest, sizeof *b.times, "a sequence"), done);
  for (int32_t p = 0; p < STORE_PARTITIONS; p++) {
    TRY_GOTO(read_partition(job, p), done);
    const log_event *e = job->part.events;
    for (size_t i = 0; i < job->part.n; user++) {
      size_t stop = i;
      while (stop < job->part.n && e[stop].user == e[i].user) stop++;
      TRY_GOTO(write_user(job, w, e + i, (int32_t)(stop - i), user, &b), done);
      i = stop;
    }
    show_progress(job, "sequences written", user, (double)p / STORE_PARTITIONS);
  }
done:
  free(b.tokens);
  free(b.sessions);
  free(b.events);
  free(b.times);
  return rc;
}

// ---- the whole -----------------------------------------------------------------------------------------------

static void job_free(prepare_job *job) {
  store_free(job->store);
  partition_free(&job->part);
  intern *const names[] = {job->items, job->types, job->wanted_types, job->categories};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) intern_free(names[i]);
  void *const arrays[] = {job->item_counts,  job->train_counts, job->token_of, job->price_sum,
                          job->price_count,  job->category,     job->price,    job->short_lengths,
                          job->long_lengths, job->last_user};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
  free(job);
}

static status read_logs(prepare_job *job, dataset_writer *w) {
  const prepare_config *c = job->c;
  char temporary[PATH_MAX + 64];
  TRY(intern_new(&job->items));
  TRY(intern_new(&job->types));
  TRY(intern_new(&job->wanted_types));
  TRY(for_each_name(c->input.events, want_type, job));
  if (c->input.events[0] != '\0' && c->fields.event[0] == '\0')
    return fail(ERR_ARGUMENT, "input.events needs fields.event, the column of the event type");
  TRY(writer_path(w, ".", temporary, sizeof temporary));
  // Warns if the largest partition does not fit: reading it takes memory besides the names of the items.
  TRY(store_new(&job->store, temporary, (size_t)c->output.memory / 4 * 3));
  TRY(for_each_name(c->input.log, read_log, job));
  TRY(check_rejects(&job->log, c->input.log, c->input.max_rejects));
  if (store_largest(job->store) > (size_t)c->output.memory) {
    char a[32], b[32];
    log_warn("the largest partition of users needs %s, more than output.memory (%s)",
             human_bytes(a, (double)store_largest(job->store)), human_bytes(b, (double)c->output.memory));
  }
  return OK;
}

static status filter_and_count(prepare_job *job) {
  const prepare_config *c = job->c;
  const size_t items = (size_t)intern_count(job->items);
  TRY(mem_new(&job->item_counts, items, sizeof *job->item_counts, "item counts"));
  TRY(mem_new(&job->train_counts, items, sizeof *job->train_counts, "item counts"));
  TRY(mem_new(&job->token_of, items, sizeof *job->token_of, "token ids"));
  TRY(mem_new(&job->short_lengths, SHORT_LENGTHS, sizeof *job->short_lengths, "lengths"));
  if (c->filter.repeats == REPEATS_FIRST)
    TRY(mem_new(&job->last_user, items, sizeof *job->last_user, "the last users of items"));
  const bool core = c->filter.min_user > 1 || c->filter.min_item > 1;
  if (core) TRY(k_core(job));
  memset(job->item_counts, 0, items * sizeof *job->item_counts);
  for (int32_t p = 0; p < STORE_PARTITIONS; p++) {
    TRY(order_partition(job, p, core));
    show_progress(job, "events sorted", job->events, (double)p / STORE_PARTITIONS);
  }
  return job->users_kept > 0 ? OK : fail(ERR_FORMAT, "%s: no events are left after filtering", c->input.log);
}

static status run_job(prepare_job *job, dataset_writer **writer) {
  const prepare_config *c = job->c;
  const double start = now_seconds();
  TRY(writer_open(writer, c->output.out, c->output.shard_tokens, (int)c->output.deflate, c->output.force));
  TRY(read_logs(job, *writer));
  TRY(filter_and_count(job));
  TRY(read_catalogue(job, *writer));
  vocab *v = NULL;
  TRY(build_vocabulary(job, &v));
  status rc;
  dataset_info info = {.n_event_types = 1 + intern_count(job->types),
                       .event_types = {"none"},
                       .window = (int32_t)c->output.window,
                       .stride = (int32_t)c->output.stride,
                       .has_time = c->fields.time[0] != '\0'};
  snprintf(info.name, sizeof info.name, "%.127s", c->output.name);
  for (int32_t i = 1; i < info.n_event_types; i++)
    snprintf(info.event_types[i], EVENT_NAME, "%s", intern_text(job->types, i - 1));
  json_t *report = NULL;
  TRY_GOTO(write_item_attributes(job, *writer, v), done);
  TRY_GOTO(write_sequences(job, *writer), done);
  store_free(job->store); // removes its files from the directory that is renamed next
  job->store = NULL;
  report = make_report(job);
  dataset_writer *w = *writer;
  *writer = NULL;
  TRY_GOTO(writer_finish(w, &info, v, report), done);
  job->seconds = now_seconds() - start;
  log_status_end();
  print_report(job, report, &info);
done:
  json_decref(report);
  vocab_free(v);
  return rc;
}

status prepare_run(const prepare_config *c) {
  if (c->input.log[0] == '\0') return fail(ERR_ARGUMENT, "input.log names no file (--log FILE)");
  if (c->output.out[0] == '\0') return fail(ERR_ARGUMENT, "output.out names no directory (--out DIR)");
  if (c->output.stride > c->output.window)
    return fail(ERR_ARGUMENT, "output.stride must not exceed output.window");
  prepare_job *job;
  TRY(mem_new(&job, 1, sizeof *job, "the job"));
  job->c = c;
  job->last_progress = now_seconds();
  dataset_writer *w = NULL;
  const status rc = run_job(job, &w);
  store_free(job->store);
  job->store = NULL;
  writer_abort(w);
  job_free(job);
  return rc;
}
