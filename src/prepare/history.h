// What is done with the events of one partition, user by user: sorting, sessions, repeats.
#ifndef SOUK_PREPARE_HISTORY_H
#define SOUK_PREPARE_HISTORY_H

#include "prepare/event_store.h"
#include "prepare/prepare.h"
#include "data/split.h"

// A map from 64-bit keys to numbers that is emptied at no cost; start with zeros, end with number_map_free().
typedef struct number_entry {
  uint64_t key, round;
  int32_t number;
} number_entry;
typedef struct number_map {
  number_entry *entries;
  size_t cap, mask;
  uint64_t round;
} number_map;
void number_map_free(number_map *m);

// Room that the functions below need and keep; start with zeros, end with history_room_free(). Each thread has its own.
typedef struct history_room {
  log_event *events; // [events_cap]
  size_t events_cap;
  uint32_t *begins; // [users + 1]
  size_t begins_cap;
  number_map map;
} history_room;
void history_room_free(history_room *r);

// Sorts by user and time. Events of equal times keep their order.
status history_sort(store_partition *p, history_room *r);

// The end of the run of events of one user that begins at i.
size_t history_end(const store_partition *p, size_t i);

// Of one user's events e[n], sorted:
// Replaces the hashes of session names by the number of the session, in order of first appearance. A session is its name;
// events without one are cut by filter.session_gap among themselves.
status history_number_sessions(const prepare_config *c, log_event *e, size_t n, history_room *r);
// Numbers sessions anew after events were dropped, without gaps. *sessions: how many there are.
status history_renumber_sessions(log_event *e, size_t n, history_room *r, int64_t *sessions);
// Merges or drops repeats as filter.repeats says. An event does not take the type of one behind a date of the split. *kept:
// how many events stay, in e[0, kept).
status history_merge_repeats(const prepare_config *c, const data_split *split, log_event *e, size_t n,
                             history_room *r, size_t *kept);
// Distinct items.
status history_count_items(const log_event *e, size_t n, history_room *r, int64_t *items);

#endif
