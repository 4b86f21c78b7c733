// Sorting, sessions, repeats and the k-core of souk prepare, and what is counted of the events that stay.
//
// The first pass sorts every user's events, numbers sessions and merges repeats. With a k-core, users with too few events go at
// once, and further passes drop the items that were too rare when the pass began, merge what has become a repeat by that, and
// drop the users who have too few now, until no item is too rare. So the filters hold on what is written. The result
// does not depend on the order of dropping: the fewer items and users are left, the fewer events every count has, with
// repeats merged too, so whatever is dropped for being too rare would be too rare in every later round as well.
//
// Each pass counts all that the report and the vocabulary need; the last one's counts stand.
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "prepare/prepare_internal.h"

// ---- a partition, on any thread ------------------------------------------------------------------------------

static bool has_core(const prepare_job *job) {
  return job->c->filter.min_user > 1 || job->c->filter.min_item > 1;
}

static size_t drop_rare_items(const prepare_job *job, log_event *e, size_t n) {
  size_t kept = 0;
  for (size_t i = 0; i < n; i++)
    if (job->item_counts[e[i].item] >= job->c->filter.min_item) e[kept++] = e[i];
  return kept;
}

// One user's events e[n], in order; *kept of them stay.
static status filter_user(partition_work *w, log_event *e, size_t n, size_t *kept) {
  const prepare_job *job = w->job;
  const bool first = job->passes == 0;
  int64_t sessions, cells;
  size_t frequent = n;
  if (first)
    TRY(history_number_sessions(job->c, e, n, &w->room));
  else
    frequent = drop_rare_items(job, e, n);
  *kept = frequent;
  if (first || frequent < n) TRY(history_merge_repeats(job->c, &job->split, e, frequent, &w->room, kept));
  w->dropped_by_core += (int64_t)(n - frequent);
  w->repeats += (int64_t)(frequent - *kept);
  if (*kept < (size_t)job->c->filter.min_user) {
    w->dropped_by_core += (int64_t)*kept;
    *kept = 0;
  }
  if (*kept == 0) return OK;
  TRY(history_renumber_sessions(e, *kept, &w->room, &sessions));
  TRY(history_count_items(e, *kept, &w->room, &cells));
  w->sessions += sessions;
  w->cells += cells;
  return OK;
}

static status filter_partition(partition_work *w) {
  prepare_job *job = w->job;
  store_partition *part = &w->part;
  const bool first = job->passes == 0;
  w->dropped_by_core = w->repeats = w->sessions = w->cells = 0;
  TRY(store_read(job->store, w->index, part));
  if (first) TRY(history_sort(part, &w->room));
  size_t stay = 0, kept;
  for (size_t i = 0; i < part->n;) {
    const size_t end = history_end(part, i);
    TRY(filter_user(w, part->events + i, end - i, &kept));
    if (stay < i && kept > 0) memmove(part->events + stay, part->events + i, kept * sizeof *part->events);
    stay += kept;
    i = end;
  }
  const bool changed = first || stay < part->n;
  part->n = stay;
  return changed ? store_replace(job->store, w->index, part) : OK;
}

// ---- counting, in the order of the partitions ----------------------------------------------------------------

static status count_user(prepare_job *job, const char *name, const log_event *e, size_t n) {
  const prepare_output *o = &job->c->output;
  if (n > INT32_MAX / 2) return fail(ERR_FORMAT, "user \"%.200s\" has more than 2^30 events", name);
  int32_t valid_from, test_from;
  cut_user(&job->split, name, e, (int32_t)n, &valid_from, &test_from);
  count_split(&job->divided, &job->split, name, e, (int32_t)n, valid_from, test_from);
  for (size_t i = 0; i < n; i++) {
    job->next_counts[e[i].item]++;
    span_add(&job->span, (event_time){e[i].time, e[i].nanos}, i == 0);
  }
  for (int32_t i = 0; i < valid_from; i++) {
    job->train_counts[e[i].item]++;
    job->type_counts[e[i].type]++;
  }
  job->windows += window_count(valid_from, (int32_t)o->window, (int32_t)o->stride);
  return count_length(job, (int32_t)n);
}

static status count_partition(partition_work *w) {
  prepare_job *job = w->job;
  const store_partition *part = &w->part;
  job->dropped_by_core += w->dropped_by_core;
  job->repeats += w->repeats;
  job->sessions += w->sessions;
  job->cells += w->cells;
  for (size_t i = 0; i < part->n;) {
    const size_t end = history_end(part, i);
    TRY(count_user(job, intern_text(part->users, part->events[i].user), part->events + i, end - i));
    i = end;
  }
  show_progress(job, job->passes == 0 ? "events sorted" : "k-core: events left", job->events,
                (double)w->index / STORE_PARTITIONS);
  return OK;
}

// ---- passes --------------------------------------------------------------------------------------------------

// Forgets what the pass before has counted.
static void begin_pass(prepare_job *job) {
  const size_t items = (size_t)intern_count(job->items);
  memset(job->next_counts, 0, items * sizeof *job->next_counts);
  memset(job->train_counts, 0, items * sizeof *job->train_counts);
  memset(job->type_counts, 0, sizeof job->type_counts);
  memset(job->short_lengths, 0, SHORT_LENGTHS * sizeof *job->short_lengths);
  job->n_long = 0;
  job->longest = 0;
  job->users_kept = job->events = job->sessions = job->cells = job->windows = 0;
  job->span = (time_span){.events = 0};
  job->divided = (split_counts){0};
}

static status pass(prepare_job *job) {
  begin_pass(job);
  TRY(for_partitions(job, filter_partition, count_partition));
  int64_t *swap = job->item_counts;
  job->item_counts = job->next_counts;
  job->next_counts = swap;
  job->passes++;
  return OK;
}

static bool any_rare_item(const prepare_job *job) {
  const int32_t items = intern_count(job->items);
  for (int32_t i = 0; i < items; i++)
    if (job->item_counts[i] > 0 && job->item_counts[i] < job->c->filter.min_item) return true;
  return false;
}

static status no_events_left(const prepare_job *job) {
  const char *log = list_title(job->c->input.log);
  char most[REJECT_MOST];
  if (job->log.rows == 0) return fail(ERR_FORMAT, "%s: there are no rows", log);
  return fail(
      ERR_FORMAT,
      "%s: no events are left after filtering: of %lld rows %lld could not be read%s, %lld are of event "
      "types that were not asked for, %lld have no item, and of the others filter.repeats and the "
      "k-core of filter.min_user and filter.min_item kept none",
      log, (long long)job->log.rows, (long long)job->log.rejected, reject_most(&job->log, most),
      (long long)job->skipped_events, (long long)job->without_item.rejected);
}

status filter_and_count(prepare_job *job) {
  const size_t items = (size_t)intern_count(job->items);
  TRY(mem_new(&job->item_counts, items, sizeof *job->item_counts, "item counts"));
  TRY(mem_new(&job->next_counts, items, sizeof *job->next_counts, "item counts"));
  TRY(mem_new(&job->train_counts, items, sizeof *job->train_counts, "item counts"));
  TRY(mem_new(&job->token_of, items, sizeof *job->token_of, "token ids"));
  TRY(mem_new(&job->short_lengths, SHORT_LENGTHS, sizeof *job->short_lengths, "lengths"));
  do TRY(pass(job));
  while (any_rare_item(job));
  if (has_core(job)) job->core_rounds = job->passes;
  return job->users_kept > 0 ? OK : no_events_left(job);
}
