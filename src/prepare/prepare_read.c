// Reading the logs of souk prepare: a row becomes an event in the store, or is counted as rejected.
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "base/memory.h"
#include "prepare/prepare_internal.h"

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

static bool take_time(prepare_job *job, const log_reader *r, const char *text, log_event *e) {
  const char *why = "no time";
  event_time t;
  if (text == NULL ||
      !time_parse_local((time_format)job->c->input.time_format, job->zone, text, strlen(text), &t, &why)) {
    reject_row(&job->log, why, r);
    return false;
  }
  survey_add(&job->times, t, log_line(r), text, strlen(text));
  e->time = t.seconds;
  e->nanos = t.nanos;
  return true;
}

static status take_row(prepare_job *job, const log_reader *r, const char *const values[COLS]) {
  const prepare_config *c = job->c;
  log_event e = {.time = job->log.rows};
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
  if (c->fields.time[0] != '\0' && !take_time(job, r, values[COL_TIME], &e)) return OK;
  if (values[COL_EVENT] != NULL) {
    TRY(intern_add(job->types, values[COL_EVENT], &e.type));
    e.type++; // 0 is none
    if (e.type >= MAX_EVENT_TYPES || strlen(values[COL_EVENT]) >= EVENT_NAME)
      return fail(ERR_FORMAT,
                  "line %lld: more than %d event types, or a name of %d bytes or more; set input.events",
                  (long long)log_line(r), MAX_EVENT_TYPES - 1, EVENT_NAME);
  }
  TRY(intern_add(job->items, values[COL_ITEM], &e.item));
  const char *price_text = values[COL_PRICE];
  if (price_text != NULL && price_take(&job->log_prices, price_text, strlen(price_text), log_line(r), &price))
    TRY(take_price(job, e.item, price));
  if (values[COL_SESSION] != NULL)
    e.session = name_hash(values[COL_SESSION], strlen(values[COL_SESSION])) | 1; // 0 is none
  const size_t user_bytes = strlen(values[COL_USER]);
  return store_add(job->store, values[COL_USER], user_bytes, name_hash(values[COL_USER], user_bytes), &e);
}

static status read_log(prepare_job *job, const char *path) {
  const prepare_fields *f = &job->c->fields;
  const char *const columns[COLS] = {f->user, f->item, f->time, f->event, f->session, f->price};
  const prepare_input *in = &job->c->input;
  const log_format format = {.kind = (log_kind)in->format,
                             .header = in->header,
                             .separator = in->separator,
                             .quotes = (log_quotes)in->quotes};
  log_reader *r;
  TRY(log_open(&r, path, &format, columns, COLS));
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
  if (rc == OK) log_tell(r, log_reader_counts(r), tell_user, job);
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

status read_logs(prepare_job *job, dataset_writer *w) {
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
  store_complete(job->store);
  warn_of_times(job);
  TRY(check_rejects(&job->log, c->input.log, c->input.max_rejects));
  if (store_largest(job->store) > (size_t)c->output.memory) {
    char a[32], b[32];
    log_warn("the largest partition of users needs %s, more than output.memory (%s)",
             human_bytes(a, (double)store_largest(job->store)), human_bytes(b, (double)c->output.memory));
  }
  return OK;
}
