// Users' histories in order; see history.h.
#include "prepare/history.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"

// ---- a map that is emptied at no cost ------------------------------------------------------------------------

// Empties it and makes room for n keys. Few keys use the beginning of the memory alone.
static status map_begin(number_map *m, size_t n) {
  size_t wanted = 16;
  while (wanted < 2 * n) wanted *= 2;
  if (wanted > m->cap) {
    free(m->entries);
    m->cap = 0;
    TRY(mem_new(&m->entries, wanted, sizeof *m->entries, "a map of numbers"));
    m->cap = wanted;
  }
  m->mask = wanted - 1;
  m->round++;
  return OK;
}

// The number of a key; `fresh` is given to a key that is new.
static int32_t map_number(number_map *m, uint64_t key, int32_t fresh) {
  size_t i = (size_t)((key ^ key >> 32) * 0x9E3779B97F4A7C15u >> 32) & m->mask;
  for (; m->entries[i].round == m->round; i = (i + 1) & m->mask)
    if (m->entries[i].key == key) return m->entries[i].number;
  m->entries[i] = (number_entry){key, m->round, fresh};
  return fresh;
}

void number_map_free(number_map *m) {
  free(m->entries);
  *m = (number_map){.entries = NULL};
}

void history_room_free(history_room *r) {
  free(r->events);
  free(r->begins);
  number_map_free(&r->map);
  *r = (history_room){.events = NULL};
}

// ---- sorting -------------------------------------------------------------------------------------------------

static bool later(const log_event *a, const log_event *b) {
  return a->time > b->time || (a->time == b->time && a->nanos > b->nanos);
}

// Sorts by insertion, which is quick where little is out of order; gives up after so many moves.
static bool insert_each(log_event *e, size_t n) {
  size_t budget = 4 * n + 64;
  for (size_t i = 1; i < n; i++) {
    if (!later(&e[i - 1], &e[i])) continue;
    const log_event x = e[i];
    size_t k = i;
    for (; k > 0 && later(&e[k - 1], &x); k--) e[k] = e[k - 1];
    e[k] = x;
    if (i - k > budget) return false;
    budget -= i - k;
  }
  return true;
}

// Merges the sorted a[n] and b[m] into out; of equal ones those of a come first.
static void merge(const log_event *a, size_t n, const log_event *b, size_t m, log_event *out) {
  while (n > 0 && m > 0) {
    if (later(a, b)) {
      *out++ = *b++;
      m--;
    } else {
      *out++ = *a++;
      n--;
    }
  }
  if (n > 0) memcpy(out, a, n * sizeof *out);
  if (m > 0) memcpy(out, b, m * sizeof *out);
}

// Merge sort from the bottom; room [n].
static void merge_all(log_event *e, size_t n, log_event *room) {
  log_event *from = e, *to = room;
  for (size_t width = 1; width < n; width *= 2) {
    for (size_t i = 0; i < n; i += 2 * width) {
      const size_t left = n - i < width ? n - i : width, rest = n - i - left;
      merge(from + i, left, from + i + left, rest < width ? rest : width, to + i);
    }
    log_event *swap = from;
    from = to;
    to = swap;
  }
  if (from != e) memcpy(e, from, n * sizeof *e);
}

// A log is usually in order of time, and a user's part of it then is in order already.
status history_sort(store_partition *p, history_room *r) {
  const size_t users = (size_t)intern_count(p->users), n = p->n;
  if (n > UINT32_MAX) return fail(ERR_FORMAT, "a partition of users has more than 2^32 events");
  TRY(mem_grow(&r->begins, &r->begins_cap, users + 1, sizeof *r->begins, "users"));
  TRY(mem_grow(&r->events, &r->events_cap, n, sizeof *r->events, "a partition of events"));
  memset(r->begins, 0, (users + 1) * sizeof *r->begins);
  for (size_t i = 0; i < n; i++) r->begins[p->events[i].user + 1]++;
  for (size_t u = 0; u < users; u++) r->begins[u + 1] += r->begins[u];
  for (size_t i = 0; i < n; i++) r->events[r->begins[p->events[i].user]++] = p->events[i];
  log_event *const sorted = r->events; // begins[u] is the end of u's events now
  const size_t cap = r->events_cap;
  r->events = p->events;
  r->events_cap = p->cap;
  p->events = sorted;
  p->cap = cap;
  for (size_t u = 0, begin = 0; u < users; begin = r->begins[u++]) {
    const size_t m = r->begins[u] - begin;
    if (!insert_each(sorted + begin, m)) merge_all(sorted + begin, m, r->events);
  }
  return OK;
}

size_t history_end(const store_partition *p, size_t i) {
  const int32_t user = p->events[i].user;
  while (i < p->n && p->events[i].user == user) i++;
  return i;
}

// ---- sessions ------------------------------------------------------------------------------------------------

// Is the silence between two events, the first of which is not later, longer than filter.session_gap?
static bool silent(const prepare_config *c, const log_event *a, const log_event *b) {
  if (!prepare_has_times(c) || c->filter.session_gap <= 0) return false;
  const __int128 nanos = ((__int128)b->time - a->time) * 1000000000 + b->nanos - a->nanos;
  return nanos > (__int128)llrint(c->filter.session_gap * 1e9); // at most 10^18
}

status history_number_sessions(const prepare_config *c, log_event *e, size_t n, history_room *r) {
  int32_t next = 0, of_unnamed = -1;
  uint64_t last_name = 0, last = 0;
  log_event before = {.time = 0}; // the last one without a session's name
  if (c->fields.session[0] != '\0') TRY(map_begin(&r->map, n));
  for (size_t i = 0; i < n; i++) {
    const uint64_t name = e[i].session;
    if (name == 0) {
      if (of_unnamed < 0 || silent(c, &before, &e[i])) of_unnamed = next++;
      before = e[i];
      e[i].session = (uint64_t)of_unnamed;
    } else if (name == last_name) {
      e[i].session = last;
    } else {
      const int32_t number = map_number(&r->map, name, next);
      next += number == next;
      e[i].session = (uint64_t)number;
    }
    last_name = name;
    last = e[i].session;
  }
  return OK;
}

status history_renumber_sessions(log_event *e, size_t n, history_room *r, int64_t *sessions) {
  int32_t next = 0;
  uint64_t old = 0, last = 0;
  TRY(map_begin(&r->map, n));
  for (size_t i = 0; i < n; i++) {
    if (i == 0 || e[i].session != old) {
      old = e[i].session;
      const int32_t number = map_number(&r->map, old, next);
      next += number == next;
      last = (uint64_t)number;
    }
    e[i].session = last;
  }
  *sessions = next;
  return OK;
}

// ---- repeats -------------------------------------------------------------------------------------------------

status history_merge_repeats(const prepare_config *c, const data_split *split, log_event *e, size_t n,
                             history_room *r, size_t *kept) {
  const int how = c->filter.repeats;
  *kept = n;
  if (how == REPEATS_KEEP || n == 0) return OK;
  if (how == REPEATS_FIRST) TRY(map_begin(&r->map, n));
  size_t stay = 0;
  bool dropped = false; // the run that the last event is in, as a return to its item
  int32_t last_item = 0;
  for (size_t i = 0; i < n; i++) {
    if (i > 0 && e[i].item == last_item) { // directly after itself
      if (!dropped && !split_between(split, e[stay - 1].time, e[i].time)) e[stay - 1].type = e[i].type;
      continue;
    }
    last_item = e[i].item;
    dropped =
        how == REPEATS_FIRST && map_number(&r->map, (uint32_t)last_item, (int32_t)stay) != (int32_t)stay;
    if (!dropped) e[stay++] = e[i];
  }
  *kept = stay;
  return OK;
}

status history_count_items(const log_event *e, size_t n, history_room *r, int64_t *items) {
  int32_t next = 0;
  TRY(map_begin(&r->map, n));
  for (size_t i = 0; i < n; i++) next += map_number(&r->map, (uint32_t)e[i].item, next) == next;
  *items = next;
  return OK;
}
