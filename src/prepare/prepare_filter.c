// Sorting, sessions, repeats and the k-core of souk prepare; each pass goes over the partitions of the store.
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "prepare/prepare_internal.h"

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
static status sort_partition(prepare_job *job, int32_t p) {
  store_partition *part = &job->part;
  TRY(store_read(job->store, p, &job->part));
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
    TRY(store_read(job->store, p, &job->part));
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
  cut_user(job->c, e, (int32_t)n, &valid_from, &test_from);
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
    TRY(store_read(job->store, p, &job->part));
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
status filter_and_count(prepare_job *job) {
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
