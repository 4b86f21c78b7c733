// souk prepare: parse, map fields, filter, sessionise, split, build the vocabulary, write.
//
// Passes over the events, each partition by partition (event_store.h), so that memory holds names and counters plus
// one partition whatever the log's size:
//   1. read the log into the store;  2. k-core: count, drop, until nothing changes;
//   3. sort each user by (time, order), drop repeats, number sessions, count the train parts' items;
//   4. the vocabulary, items by falling count and then name;  5. write sequences.
#include "data/prepare.h"

#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/event_store.h"
#include "data/intern.h"
#include "data/writer.h"

enum { MAX_REASONS = 16, SAMPLES = 3 };

typedef struct reject_reason {
  const char *text;
  int64_t count;
  int64_t lines[SAMPLES];
  char excerpts[SAMPLES][128];
} reject_reason;

typedef struct prepare_job {
  const prepare_config *c;
  intern *users, *items, *sessions, *types, *wanted_types;
  event_store *store;
  reject_reason reasons[MAX_REASONS];
  int n_reasons;
  int64_t rows, rejects, skipped_events, without_item, kept, core_rounds, dropped_by_core, repeats,
      sessions_total, windows;
  int64_t *user_counts, *item_counts; // [users], [items] events alive
  int64_t *train_counts;              // [items]
  int32_t *token_of;                  // [items], -1 not kept
  int64_t cold_valid, cold_test, catalogue_items, catalogue_matched, users_kept, items_kept;
  int32_t *lengths; // [users_kept]
  size_t lengths_cap;
  log_event *events; // one partition
  size_t events_cap;
  double seconds;
} prepare_job;

// ---- reading -------------------------------------------------------------------------------------------------

static void reject(prepare_job *job, const char *reason, const log_reader *r) {
  int i = 0;
  while (i < job->n_reasons && strcmp(job->reasons[i].text, reason) != 0) i++;
  if (i == MAX_REASONS) i--;
  reject_reason *x = &job->reasons[i];
  if (i == job->n_reasons) {
    x->text = reason;
    job->n_reasons++;
  }
  if (x->count < SAMPLES) {
    x->lines[x->count] = log_line(r);
    snprintf(x->excerpts[x->count], sizeof x->excerpts[0], "%.100s", log_row_text(r));
  }
  x->count++;
  job->rejects++;
}

static bool parse_iso(const char *text, int64_t *seconds) {
  int y, mo, d, h = 0, mi = 0, s = 0, used = 0;
  if (sscanf(text, "%4d-%2d-%2d%n", &y, &mo, &d, &used) < 3) return false;
  const char *p = text + used;
  if (*p == 'T' || *p == ' ') {
    used = 0;
    if (sscanf(p + 1, "%2d:%2d:%2d%n", &h, &mi, &s, &used) < 3) return false;
    p += 1 + used;
    if (*p == '.') p += 1 + strspn(p + 1, "0123456789");
  }
  int sign = 0, zone_h = 0, zone_m = 0;
  if (*p == 'Z')
    p++;
  else if (*p == '+' || *p == '-') {
    sign = *p == '+' ? 1 : -1;
    used = 0;
    if (sscanf(p + 1, "%2d:%2d%n", &zone_h, &zone_m, &used) < 2 &&
        sscanf(p + 1, "%2d%2d%n", &zone_h, &zone_m, &used) < 2)
      return false;
    p += 1 + used;
  }
  if (*p != '\0' || mo < 1 || mo > 12 || d < 1 || d > 31 || h > 24 || mi > 59 || s > 60) return false;
  struct tm t = {
      .tm_year = y - 1900, .tm_mon = mo - 1, .tm_mday = d, .tm_hour = h, .tm_min = mi, .tm_sec = s};
  *seconds = (int64_t)timegm(&t) - sign * (zone_h * 3600 + zone_m * 60);
  return true;
}

static bool parse_time(int format, const char *text, int64_t *seconds) {
  if (format == 2) return parse_iso(text, seconds);
  char *end;
  const double value = strtod(text, &end);
  if (end == text || *end != '\0' || !(fabs(value) < 1e17)) return false;
  *seconds = (int64_t)floor(format == 1 ? value / 1000.0 : value);
  return true;
}

enum { COL_USER, COL_ITEM, COL_TIME, COL_EVENT, COL_SESSION, COL_PRICE, COLS };

static status take_row(prepare_job *job, const log_reader *r, const char *const values[COLS]) {
  const prepare_config *c = &*job->c;
  log_event e = {.order = job->rows, .session = -1};
  char *end;
  if (values[COL_USER] == NULL) {
    reject(job, "no user", r);
    return OK;
  }
  if (values[COL_EVENT] != NULL && intern_count(job->wanted_types) > 0 &&
      intern_find(job->wanted_types, values[COL_EVENT]) < 0) {
    job->skipped_events++;
    return OK;
  }
  if (values[COL_ITEM] == NULL) { // a search, say: no token, but no fault either when events are typed
    if (c->fields.event[0] != '\0')
      job->without_item++;
    else
      reject(job, "no item", r);
    return OK;
  }
  if (c->fields.time[0] != '\0' &&
      (values[COL_TIME] == NULL || !parse_time(c->input.time_format, values[COL_TIME], &e.time))) {
    reject(job, values[COL_TIME] == NULL ? "no time" : "time that cannot be read", r);
    return OK;
  }
  if (values[COL_PRICE] != NULL && (!isfinite(strtod(values[COL_PRICE], &end)) || *end != '\0')) {
    reject(job, "price that is not a number", r);
    return OK;
  }
  if (c->fields.time[0] == '\0') e.time = job->rows;
  if (values[COL_EVENT] != NULL) {
    TRY(intern_add(job->types, values[COL_EVENT], &e.type));
    e.type++; // 0 is none
    if (e.type >= MAX_EVENT_TYPES || strlen(values[COL_EVENT]) >= EVENT_NAME)
      return fail(ERR_FORMAT,
                  "line %lld: more than %d event types, or a name of %d bytes or more; set input.events",
                  (long long)log_line(r), MAX_EVENT_TYPES - 1, EVENT_NAME);
  }
  TRY(intern_add(job->users, values[COL_USER], &e.user));
  TRY(intern_add(job->items, values[COL_ITEM], &e.item));
  if (values[COL_SESSION] != NULL) TRY(intern_add(job->sessions, values[COL_SESSION], &e.session));
  job->kept++;
  return store_add(job->store, &e);
}

static status read_log(prepare_job *job, const char *path) {
  const prepare_fields *f = &job->c->fields;
  const char *const columns[COLS] = {f->user, f->item, f->time, f->event, f->session, f->price};
  log_reader *r;
  TRY(log_open(&r, path, (log_kind)job->c->input.format, job->c->input.header, columns, COLS));
  status rc = OK;
  const bool terminal = log_is_terminal();
  for (;;) {
    const char *values[COLS], *reason;
    bool end;
    TRY_GOTO(log_next(r, values, &reason, &end), done);
    if (end) break;
    job->rows++;
    if (reason != NULL)
      reject(job, reason, r);
    else
      TRY_GOTO(take_row(job, r, values), done);
    if (terminal && job->rows % 262144 == 0)
      log_status_line("reading %s: %lld rows, %.0f%%", path, (long long)job->rows, 100.0 * log_progress(r));
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

// ---- filter, sort, sessions ----------------------------------------------------------------------------------

static status count_alive(prepare_job *job) {
  memset(job->user_counts, 0, (size_t)intern_count(job->users) * sizeof *job->user_counts);
  memset(job->item_counts, 0, (size_t)intern_count(job->items) * sizeof *job->item_counts);
  for (int32_t p = 0; p < store_partitions(job->store); p++) {
    size_t n;
    TRY(store_read(job->store, p, &job->events, &job->events_cap, &n));
    for (size_t i = 0; i < n; i++) {
      job->user_counts[job->events[i].user]++;
      job->item_counts[job->events[i].item]++;
    }
  }
  return OK;
}

static status k_core(prepare_job *job) {
  const prepare_filter *f = &job->c->filter;
  TRY(count_alive(job));
  if (f->min_user <= 1 && f->min_item <= 1) return OK;
  for (bool changed = true; changed;) {
    changed = false;
    for (int32_t p = 0; p < store_partitions(job->store); p++) {
      size_t n, kept = 0;
      TRY(store_read(job->store, p, &job->events, &job->events_cap, &n));
      for (size_t i = 0; i < n; i++) {
        const log_event *e = &job->events[i];
        if (job->user_counts[e->user] >= f->min_user && job->item_counts[e->item] >= f->min_item)
          job->events[kept++] = *e;
      }
      if (kept == n) continue;
      changed = true;
      job->dropped_by_core += (int64_t)(n - kept);
      TRY(store_replace(job->store, p, job->events, kept));
    }
    if (changed) TRY(count_alive(job));
    job->core_rounds++;
  }
  return OK;
}

static int by_user_time(const void *a, const void *b) {
  const log_event *x = a, *y = b;
  if (x->user != y->user) return x->user < y->user ? -1 : 1;
  if (x->time != y->time) return x->time < y->time ? -1 : 1;
  return x->order < y->order ? -1 : x->order > y->order;
}

static void cuts(const prepare_config *c, int32_t n, int32_t *valid_from, int32_t *test_from) {
  const bool split = c->output.split == 0 && n >= 3;
  *valid_from = split ? n - 2 : n;
  *test_from = split ? n - 1 : n;
}

// Sorts a partition, drops repeats, replaces session names by numbers in the user's history, counts.
static status order_partition(prepare_job *job, int32_t p) {
  const prepare_filter *f = &job->c->filter;
  size_t n, kept = 0;
  TRY(store_read(job->store, p, &job->events, &job->events_cap, &n));
  log_event *e = job->events;
  qsort(e, n, sizeof *e, by_user_time);
  int32_t session = 0, last_name = -1;
  for (size_t i = 0; i < n; i++) {
    const bool same_user = kept > 0 && e[kept - 1].user == e[i].user;
    if (same_user && f->drop_repeats && e[kept - 1].item == e[i].item && e[kept - 1].type == e[i].type) {
      job->repeats++;
      continue;
    }
    if (!same_user) {
      session = 0;
      job->sessions_total++;
    } else {
      const bool named = job->c->fields.session[0] != '\0';
      const bool timed = job->c->fields.time[0] != '\0' && f->session_gap > 0;
      const bool next =
          named ? e[i].session != last_name : timed && e[i].time - e[kept - 1].time > f->session_gap;
      session += next;
      job->sessions_total += next;
    }
    last_name = e[i].session;
    e[kept] = e[i];
    e[kept++].session = session;
  }
  TRY(store_replace(job->store, p, e, kept));
  for (size_t i = 0; i < kept;) {
    size_t stop = i;
    while (stop < kept && e[stop].user == e[i].user) stop++;
    if (stop - i > INT32_MAX / 2)
      return fail(ERR_FORMAT, "user \"%s\" has more than 2^30 events", intern_text(job->users, e[i].user));
    int32_t valid_from, test_from;
    cuts(job->c, (int32_t)(stop - i), &valid_from, &test_from);
    for (size_t k = i; k < i + (size_t)valid_from; k++) job->train_counts[e[k].item]++;
    TRY(mem_grow(&job->lengths, &job->lengths_cap, (size_t)job->users_kept + 1, sizeof *job->lengths,
                 "lengths"));
    job->lengths[job->users_kept++] = (int32_t)(stop - i);
    job->windows += window_count(valid_from, (int32_t)job->c->output.window, (int32_t)job->c->output.stride);
    i = stop;
  }
  return OK;
}

// ---- vocabulary ----------------------------------------------------------------------------------------------

static prepare_job *sorting; // qsort has no argument; prepare runs once, on one thread

static int by_count_then_name(const void *a, const void *b) {
  const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  const int64_t m = sorting->train_counts[x], n = sorting->train_counts[y];
  if (m != n) return m > n ? -1 : 1;
  return strcmp(intern_text(sorting->items, x), intern_text(sorting->items, y));
}

static status build_vocabulary(prepare_job *job, vocab **out) {
  const int32_t n = intern_count(job->items);
  int32_t *order, kept = 0;
  TRY(mem_new(&order, (size_t)n, sizeof *order, "the order of items"));
  for (int32_t i = 0; i < n; i++) {
    job->token_of[i] = -1;
    if (job->item_counts[i] > 0) order[kept++] = i;
  }
  sorting = job;
  qsort(order, (size_t)kept, sizeof *order, by_count_then_name);
  status rc;
  vocab *v = NULL;
  TRY_GOTO(vocab_new(&v), done);
  for (int32_t i = 0; i < kept; i++)
    TRY_GOTO(vocab_add(v, RANGE_ITEMS, intern_text(job->items, order[i]), job->train_counts[order[i]],
                       &job->token_of[order[i]]),
             done);
  job->items_kept = kept;
  *out = v;
  v = NULL;
done:
  vocab_free(v);
  free(order);
  return rc;
}

// ---- catalogue -----------------------------------------------------------------------------------------------

// Copies what the catalogue says of known items into the data set, one json object a line, for ranked lists to show.
static status read_catalogue(prepare_job *job, dataset_writer *w) {
  const prepare_catalogue *f = &job->c->catalogue;
  const char *const columns[5] = {f->item, f->title, f->category, f->brand, f->price};
  static const char *const names[5] = {"item", "title", "category", "brand", "price"};
  char path[PATH_MAX + 64];
  log_reader *r;
  out_file *out = NULL;
  TRY(log_open(&r, job->c->input.catalogue, (log_kind)job->c->input.catalogue_format, true, columns, 5));
  status rc;
  TRY_GOTO(writer_path(w, "catalogue.jsonl", path, sizeof path), done);
  TRY_GOTO(out_open(&out, path), done);
  for (;;) {
    const char *values[5], *reason;
    bool end;
    TRY_GOTO(log_next(r, values, &reason, &end), done);
    if (end) break;
    if (reason != NULL || values[0] == NULL) {
      rc = fail(ERR_FORMAT, "%s line %lld: %s", job->c->input.catalogue, (long long)log_line(r),
                reason != NULL ? reason : "no item");
      goto done;
    }
    job->catalogue_items++;
    const int32_t item = intern_find(job->items, values[0]);
    if (item < 0 || job->token_of[item] < 0) continue;
    job->catalogue_matched++;
    json_t *j = json_object();
    for (int i = 0; i < 5; i++)
      if (values[i] != NULL) json_object_set_new(j, names[i], json_string(values[i]));
    char *text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    if (text == NULL) {
      rc = fail(ERR_FORMAT, "%s line %lld: not valid UTF-8", job->c->input.catalogue, (long long)log_line(r));
      goto done;
    }
    rc = out_printf(out, "%s\n", text);
    free(text);
    if (rc != OK) goto done;
  }
  rc = out_commit(out);
  out = NULL;
  if (rc == OK) rc = writer_list(w, "catalogue.jsonl");
done:
  out_abort(out);
  log_close(r);
  return rc;
}

// ---- writing -------------------------------------------------------------------------------------------------

static status write_user(prepare_job *job, dataset_writer *w, const log_event *e, int32_t n, void **buffers) {
  int32_t *tokens = buffers[0], *sessions = buffers[1];
  uint8_t *events = buffers[2];
  int64_t *times = buffers[3];
  sequence s = {
      .user = e->user, .n = n, .tokens = tokens, .events = events, .times = times, .sessions = sessions};
  cuts(job->c, n, &s.valid_from, &s.test_from);
  for (int32_t i = 0; i < n; i++) {
    tokens[i] = job->token_of[e[i].item];
    sessions[i] = e[i].session;
    events[i] = (uint8_t)e[i].type;
    times[i] = e[i].time;
    const bool cold = job->train_counts[e[i].item] == 0;
    if (i >= s.test_from)
      job->cold_test += cold;
    else if (i >= s.valid_from)
      job->cold_valid += cold;
  }
  return writer_add(w, &s, intern_text(job->users, e->user));
}

static status write_sequences(prepare_job *job, dataset_writer *w) {
  int32_t longest = 1;
  for (int64_t i = 0; i < job->users_kept; i++)
    longest = job->lengths[i] > longest ? job->lengths[i] : longest;
  void *buffers[4] = {NULL};
  const size_t sizes[4] = {4, 4, 1, 8};
  status rc = OK;
  for (int i = 0; i < 4; i++) TRY_GOTO(mem_new(&buffers[i], (size_t)longest, sizes[i], "a sequence"), done);
  for (int32_t p = 0; p < store_partitions(job->store); p++) {
    size_t n;
    TRY_GOTO(store_read(job->store, p, &job->events, &job->events_cap, &n), done);
    for (size_t i = 0; i < n;) {
      size_t stop = i;
      while (stop < n && job->events[stop].user == job->events[i].user) stop++;
      TRY_GOTO(write_user(job, w, job->events + i, (int32_t)(stop - i), buffers), done);
      i = stop;
    }
  }
done:
  for (int i = 0; i < 4; i++) free(buffers[i]);
  return rc;
}

// ---- report --------------------------------------------------------------------------------------------------

static int by_value(const void *a, const void *b) {
  const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  return x < y ? -1 : x > y;
}

static json_t *make_report(prepare_job *job) {
  int64_t events = 0;
  const size_t n = (size_t)job->users_kept;
  for (size_t i = 0; i < n; i++) events += job->lengths[i];
  qsort(job->lengths, n, sizeof *job->lengths, by_value);
  const int32_t *l = job->lengths;
  json_t *reasons = json_array();
  for (int i = 0; i < job->n_reasons; i++) {
    const reject_reason *x = &job->reasons[i];
    json_t *samples = json_array();
    for (int k = 0; k < SAMPLES && k < x->count; k++) {
      json_t *text = json_string(x->excerpts[k]);
      json_array_append_new(samples, json_pack("{s:I,s:o}", "line", (json_int_t)x->lines[k], "text",
                                               text != NULL ? text : json_string("(not UTF-8)")));
    }
    json_array_append_new(reasons, json_pack("{s:s,s:I,s:o}", "reason", x->text, "rows", (json_int_t)x->count,
                                             "first", samples));
  }
  const double pairs = (double)job->users_kept * (double)job->items_kept;
  return json_pack(
      "{s:I,s:I,s:o,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:{s:i,s:i,s:f,s:i,s:i},s:f,s:I,s:I,s:I,s:I,s:I,s:I}",
      "rows", (json_int_t)job->rows, "rejected", (json_int_t)job->rejects, "rejects", reasons,
      "skipped_events", (json_int_t)job->skipped_events, "without_item", (json_int_t)job->without_item,
      "dropped_by_core", (json_int_t)job->dropped_by_core, "dropped_repeats", (json_int_t)job->repeats,
      "events", (json_int_t)events, "users", (json_int_t)job->users_kept, "items",
      (json_int_t)job->items_kept, "sessions", (json_int_t)job->sessions_total, "length", "min", l[0],
      "median", l[n / 2], "mean", (double)events / (double)n, "p95", l[(size_t)(0.95 * (double)(n - 1))],
      "max", l[n - 1], "sparsity", 1.0 - (double)events / pairs, "cold_valid_targets",
      (json_int_t)job->cold_valid, "cold_test_targets", (json_int_t)job->cold_test, "event_types",
      (json_int_t)intern_count(job->types), "windows", (json_int_t)job->windows, "catalogue_items",
      (json_int_t)job->catalogue_items, "catalogue_matched", (json_int_t)job->catalogue_matched);
}

static void print_report(const prepare_job *job, const json_t *j, const dataset_info *info) {
  const json_t *l = json_object_get(j, "length");
#define INT(name) ((long long)json_integer_value(json_object_get(j, name)))
#define LEN(name) ((long long)json_integer_value(json_object_get(l, name)))
  printf("rows            %lld, rejected %lld\n", INT("rows"), INT("rejected"));
  for (int i = 0; i < job->n_reasons; i++) {
    const reject_reason *x = &job->reasons[i];
    printf("  %-22s %lld rows; first: line %lld: %s\n", x->text, (long long)x->count, (long long)x->lines[0],
           x->excerpts[0]);
  }
  if (INT("skipped_events") > 0)
    printf("other events    %lld rows of event types that were not asked for\n", INT("skipped_events"));
  if (INT("without_item") > 0) printf("without item    %lld rows (searches, say)\n", INT("without_item"));
  if (INT("dropped_by_core") > 0)
    printf("k-core          %lld events dropped in %lld rounds\n", INT("dropped_by_core"),
           (long long)job->core_rounds);
  if (INT("dropped_repeats") > 0) printf("repeats         %lld events dropped\n", INT("dropped_repeats"));
  printf("users           %lld\nitems           %lld\nevents          %lld in %lld sessions\n", INT("users"),
         INT("items"), INT("events"), INT("sessions"));
  printf("event types    ");
  for (int32_t i = 1; i < info->n_event_types; i++) printf(" %s", info->event_types[i]);
  printf("%s\n", info->n_event_types == 1 ? " none" : "");
  printf("length          min %lld, median %lld, mean %.2f, p95 %lld, max %lld\n", LEN("min"), LEN("median"),
         json_real_value(json_object_get(l, "mean")), LEN("p95"), LEN("max"));
  printf("sparsity        %.4f%%\n", 100.0 * json_real_value(json_object_get(j, "sparsity")));
  printf("windows         %lld of at most %d, stride %d\n", INT("windows"), info->window, info->stride);
  const double valid = (double)info->valid_targets, test = (double)info->test_targets;
  if (test > 0)
    printf("cold targets    validation %.1f%%, test %.1f%% (items in no train part)\n",
           100.0 * (double)job->cold_valid / valid, 100.0 * (double)job->cold_test / test);
  if (job->c->input.catalogue[0] != '\0')
    printf("catalogue       %lld items, %lld of them in the log\n", INT("catalogue_items"),
           INT("catalogue_matched"));
  char buf[32], rate[32];
  printf("time            %s, %s rows/s\n", human_seconds(buf, job->seconds),
         human_count(rate, (double)job->rows / job->seconds));
#undef INT
#undef LEN
}

// ---- the whole -----------------------------------------------------------------------------------------------

static void job_free(prepare_job *job) {
  store_free(job->store);
  intern_free(job->users);
  intern_free(job->items);
  intern_free(job->sessions);
  intern_free(job->types);
  intern_free(job->wanted_types);
  free(job->user_counts);
  free(job->item_counts);
  free(job->train_counts);
  free(job->token_of);
  free(job->lengths);
  free(job->events);
}

static status run_job(prepare_job *job, dataset_writer **writer) {
  const prepare_config *c = job->c;
  const double start = now_seconds();
  TRY(intern_new(&job->users));
  TRY(intern_new(&job->items));
  TRY(intern_new(&job->sessions));
  TRY(intern_new(&job->types));
  TRY(intern_new(&job->wanted_types));
  TRY(for_each_name(c->input.events, want_type, job));
  if (c->input.events[0] != '\0' && c->fields.event[0] == '\0')
    return fail(ERR_ARGUMENT, "input.events needs fields.event, the column of the event type");
  TRY(writer_open(writer, c->output.out, c->output.shard_tokens, (int)c->output.deflate, c->output.force));
  char temporary[PATH_MAX + 64];
  TRY(writer_path(*writer, ".", temporary, sizeof temporary));
  TRY(store_new(&job->store, temporary, (size_t)c->output.memory));
  TRY(for_each_name(c->input.log, read_log, job));
  log_status_end();
  if ((double)job->rejects > c->input.max_rejects * (double)job->rows)
    return fail(ERR_FORMAT,
                "%s: %lld of %lld rows cannot be read (most: %s, first on line %lld); input.max_rejects "
                "allows %.0f%%",
                c->input.log, (long long)job->rejects, (long long)job->rows, job->reasons[0].text,
                (long long)job->reasons[0].lines[0], 100.0 * c->input.max_rejects);
  const size_t users = (size_t)intern_count(job->users), items = (size_t)intern_count(job->items);
  TRY(mem_new(&job->user_counts, users, sizeof *job->user_counts, "user counts"));
  TRY(mem_new(&job->item_counts, items, sizeof *job->item_counts, "item counts"));
  TRY(mem_new(&job->train_counts, items, sizeof *job->train_counts, "item counts"));
  TRY(mem_new(&job->token_of, items, sizeof *job->token_of, "token ids"));
  TRY(k_core(job));
  for (int32_t p = 0; p < store_partitions(job->store); p++) TRY(order_partition(job, p));
  if (job->users_kept == 0) return fail(ERR_FORMAT, "%s: no events are left after filtering", c->input.log);
  TRY(count_alive(job)); // dropping repeats may have changed counts
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
  TRY_GOTO(write_sequences(job, *writer), done);
  if (c->input.catalogue[0] != '\0') TRY_GOTO(read_catalogue(job, *writer), done);
  store_free(job->store); // its files are in the directory that is renamed next
  job->store = NULL;
  report = make_report(job);
  if (report == NULL) {
    rc = fail(ERR_INTERNAL, "cannot compose the report");
    goto done;
  }
  dataset_writer *w = *writer;
  *writer = NULL;
  TRY_GOTO(writer_finish(w, &info, v, report), done);
  job->seconds = now_seconds() - start;
  print_report(job, report, &info);
done:
  json_decref(report);
  vocab_free(v);
  return rc;
}

status prepare_run(const prepare_config *c) {
  if (c->input.log[0] == '\0') return fail(ERR_ARGUMENT, "input.log names no file");
  if (c->output.out[0] == '\0') return fail(ERR_ARGUMENT, "output.out names no directory (--out DIR)");
  if (c->output.stride > c->output.window)
    return fail(ERR_ARGUMENT, "output.stride must not exceed output.window");
  prepare_job job = {.c = c};
  dataset_writer *w = NULL;
  const status rc = run_job(&job, &w);
  store_free(job.store);
  job.store = NULL;
  writer_abort(w);
  job_free(&job);
  return rc;
}
