// Events of a log, partitioned by user, in bounded memory: a user's name decides the partition, so all that a
// user did lies in one, and memory holds a few partitions at a time whatever their number. What does not fit is
// appended to a temporary file.
//
// In a partition users have numbers from 0 in order of first appearance, and events keep the order in which they were
// added. The order of partitions and users depends on the log alone, not on the memory.
#ifndef SOUK_PREPARE_EVENT_STORE_H
#define SOUK_PREPARE_EVENT_STORE_H

#include <stdint.h>
#include <stdbool.h>
#include <stddef.h>
#include "base/status.h"
#include "prepare/intern.h"

enum { STORE_PARTITIONS = 1024 };

typedef struct log_event {
  int64_t time;     // seconds since 1970, or the row number where the log has no time
  uint64_t session; // while reading a hash of its name (0 none), later its number in the user's history
  uint32_t nanos;   // of the second, below 10^9
  int32_t user;     // in the partition; set by store_read
  int32_t item;
  int32_t type; // event type, 0 none
} log_event;

// One partition in memory; start with zeros, end with partition_free(). Each thread has its own.
typedef struct store_partition {
  log_event *events;
  size_t n, cap;
  intern *users; // names by number
  char *buffer;  // as they lie in the file
  size_t buffer_cap;
  size_t *chunks; // bytes of each in the buffer
  size_t chunks_cap;
  struct user_state *states; // of the users, while their events are read or written
  size_t states_cap;
} store_partition;
void partition_free(store_partition *p);

typedef struct event_store event_store;
// A temporary file is made in `dir` (which exists) when it is needed. memory_bytes bounds what is
// held while events are added.
status store_new(event_store **out, const char *dir, size_t memory_bytes);
void store_free(event_store *s); // NULL is safe
// Adds an event of a user; hash is name_hash(user, bytes). One thread at a time, and none that reads.
status store_add(event_store *s, const char *user, size_t bytes, uint64_t hash, const log_event *e);
// Ends adding: gives back the memory that only adding needs.
void store_complete(event_store *s);
// Reads partition `index`. Several threads may read and replace, each another partition.
status store_read(const event_store *s, int32_t index, store_partition *p);
// Writes the (filtered or sorted) events of p back; p comes from store_read, with events removed or reordered.
status store_replace(event_store *s, int32_t index, store_partition *p);
// Bytes of the largest partition when it is read, for a warning.
size_t store_largest(const event_store *s);

#endif
