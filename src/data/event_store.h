// Events of a log, partitioned by user, in bounded memory: user ids are given in order of first appearance, so a
// partition is a range of them, and going through the partitions in order goes through the users in order. What does
// not fit is appended to one temporary file a partition.
#ifndef SOUK_DATA_EVENT_STORE_H
#define SOUK_DATA_EVENT_STORE_H

#include <stdint.h>
#include <stdbool.h>
#include <stddef.h>
#include "base/status.h"

enum { USERS_PER_PARTITION = 4096 };

typedef struct log_event {
  int64_t time, order;         // order: row number in the input
  int32_t user, item, session; // session: interned name, -1 none
  int32_t type;                // event type, 0 none
} log_event;

typedef struct event_store event_store;
// Temporary files are made in `dir` (which exists) and removed by store_free. memory_bytes bounds what is held.
status store_new(event_store **out, const char *dir, size_t memory_bytes);
void store_free(event_store *s); // NULL is safe
status store_add(event_store *s, const log_event *e);
int32_t store_partitions(const event_store *s);
// All events of a partition into a growing array owned by the caller (start with NULL and 0; free()).
status store_read(event_store *s, int32_t partition, log_event **events, size_t *cap, size_t *count);
// Replaces a partition by the given events (after sorting or filtering).
status store_replace(event_store *s, int32_t partition, const log_event *events, size_t count);

#endif
