// Events partitioned by user; see event_store.h.
//
// A partition is a sequence of chunks, and a chunk is a sequence of events in about 7 bytes each. All numbers are of variable
// length (7 bits a byte, lowest first). An event is:
//   its user's number in the chunk; one that is new there (the count of those before) is followed by the length of the
//     name and the name;
//   the item;
//   the time since the user's last event in the chunk, zigzag (0, -1, 1, -2 ... as 0, 1, 2, 3 ...), from 0 at first;
//   a byte: the event type, and whether nanoseconds and a session follow;
//   the nanoseconds, unless 0;
//   the session less that of the user's last event, zigzag, unless it is the same (0 at first).
// While the log is read, memory holds one chunk of each partition, and one table of all users in those chunks. When
// memory is full, every chunk is appended to its partition's file behind its length, and the table starts anew.
#include "prepare/event_store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/memory.h"
#include "data/dataset.h"

enum { HAS_NANOS = 64, HAS_SESSION = 128, TYPE_BITS = 63 };
_Static_assert(MAX_EVENT_TYPES <= TYPE_BITS + 1, "an event type fits into its bits");
enum { EVENT_BYTES = 48 }; // of an event without its name, at most: 5 + 5 + 5 + 10 + 1 + 5 + 10

// What an event of a user is told relative to.
typedef struct user_state {
  int64_t time;
  uint64_t session;
  int32_t number; // in the chunk when writing, in the partition when reading
} user_state;

typedef struct part {
  char *data; // the chunk in memory, behind those in the file
  size_t used, cap, on_disk;
  size_t events;
  int32_t users; // in the chunk
} part;

struct event_store {
  char dir[PATH_MAX];
  part parts[STORE_PARTITIONS];
  intern *users; // of all chunks in memory
  user_state *states;
  size_t states_cap;
  size_t held, limit; // bytes: of the chunks and of the users' names; of all
};

void partition_free(store_partition *p) {
  free(p->events);
  intern_free(p->users);
  free(p->buffer);
  free(p->states);
  *p = (store_partition){.events = NULL};
}

status store_new(event_store **out, const char *dir, size_t memory_bytes) {
  event_store *s;
  *out = NULL;
  TRY(mem_new(&s, 1, sizeof *s, "the event store"));
  if (snprintf(s->dir, sizeof s->dir, "%s", dir) >= (int)sizeof s->dir) {
    free(s);
    return fail(ERR_ARGUMENT, "%s: the path is too long", dir);
  }
  s->limit = memory_bytes;
  const status rc = intern_new(&s->users);
  if (rc != OK)
    free(s);
  else
    *out = s;
  return rc;
}

static void part_path(const event_store *s, size_t i, char path[PATH_MAX + 32]) {
  snprintf(path, PATH_MAX + 32, "%s/.events-%06zu", s->dir, i);
}

void store_free(event_store *s) {
  if (s == NULL) return;
  char path[PATH_MAX + 32];
  for (size_t i = 0; i < STORE_PARTITIONS; i++) {
    free(s->parts[i].data);
    part_path(s, i, path);
    if (s->parts[i].on_disk > 0) unlink(path);
  }
  intern_free(s->users);
  free(s->states);
  free(s);
}

static status io_error(const char *what, const char *path) {
  return fail(ERR_IO, "cannot %s temporary file %s: %s", what, path, strerror(errno));
}

// ---- the code of an event ------------------------------------------------------------------------------------

static char *put_number(char *to, uint64_t x) {
  for (; x >= 128; x >>= 7) *to++ = (char)(x | 128);
  *to++ = (char)x;
  return to;
}

static const char *get_number(const char *at, uint64_t *x) {
  uint64_t value = (unsigned char)*at++;
  if (value >= 128) {
    value &= 127;
    for (int shift = 7;; shift += 7) {
      const uint64_t byte = (unsigned char)*at++;
      value |= (byte & 127) << shift;
      if (byte < 128 || shift == 63) break;
    }
  }
  *x = value;
  return at;
}

static uint64_t zigzag(uint64_t difference) {
  return difference << 1 ^ (0 - (difference >> 63));
}

static uint64_t unzigzag(uint64_t x) {
  return x >> 1 ^ (0 - (x & 1));
}

// Writes e, which is of the user in *u. `name` is there when the user is new in the chunk.
static char *put_event(char *to, const log_event *e, user_state *u, const char *name, size_t name_bytes) {
  to = put_number(to, (uint32_t)u->number);
  if (name != NULL) {
    to = put_number(to, name_bytes);
    memcpy(to, name, name_bytes);
    to += name_bytes;
  }
  to = put_number(to, (uint32_t)e->item);
  to = put_number(to, zigzag((uint64_t)e->time - (uint64_t)u->time));
  *to++ = (char)(e->type | (e->nanos != 0 ? HAS_NANOS : 0) | (e->session != u->session ? HAS_SESSION : 0));
  if (e->nanos != 0) to = put_number(to, e->nanos);
  if (e->session != u->session) to = put_number(to, zigzag(e->session - u->session));
  u->time = e->time;
  u->session = e->session;
  return to;
}

// Reads what follows the user.
static const char *get_event(const char *at, log_event *e, user_state *u) {
  uint64_t item, time, x;
  at = get_number(at, &item);
  at = get_number(at, &time);
  const unsigned char flags = (unsigned char)*at++;
  *e = (log_event){.user = u->number, .item = (int32_t)item, .type = flags & TYPE_BITS};
  if (flags & HAS_NANOS) {
    at = get_number(at, &x);
    e->nanos = (uint32_t)x;
  }
  if (flags & HAS_SESSION) {
    at = get_number(at, &x);
    u->session += unzigzag(x);
  }
  e->session = u->session;
  u->time = (int64_t)((uint64_t)u->time + unzigzag(time));
  e->time = u->time;
  return at;
}

// ---- adding --------------------------------------------------------------------------------------------------

// Appends a chunk to the file of its partition.
static status append_chunk(event_store *s, size_t i, const char *data, size_t bytes) {
  part *p = &s->parts[i];
  char path[PATH_MAX + 32];
  part_path(s, i, path);
  FILE *f = fopen(path, p->on_disk > 0 ? "abe" : "wbxe");
  if (f == NULL) return io_error("create", path);
  const uint64_t length = bytes;
  const bool written = fwrite(&length, sizeof length, 1, f) == 1 && fwrite(data, 1, bytes, f) == bytes;
  const bool closed = fclose(f) == 0;
  p->on_disk += sizeof length + bytes; // counted even after an error, so that the file is removed
  return written && closed ? OK : io_error("write", path);
}

static status spill(event_store *s) {
  for (size_t i = 0; i < STORE_PARTITIONS; i++) {
    part *p = &s->parts[i];
    if (p->used > 0) TRY(append_chunk(s, i, p->data, p->used));
    free(p->data);
    p->data = NULL;
    p->used = p->cap = 0;
    p->users = 0;
  }
  s->held = 0;
  intern_clear(s->users);
  return OK;
}

static status make_room(event_store *s, part *p, size_t bytes) {
  if (p->used + bytes <= p->cap) return OK;
  const size_t of_users =
      (size_t)intern_count(s->users) * (sizeof *s->states + 4 * sizeof(uint64_t)); // with its index
  if (s->held + of_users + p->cap / 2 + bytes > s->limit) TRY(spill(s));
  const size_t before = p->cap;
  TRY(mem_grow(&p->data, &p->cap, p->used + bytes, 1, "events"));
  s->held += p->cap - before;
  return OK;
}

status store_add(event_store *s, const char *user, size_t bytes, uint64_t hash, const log_event *e) {
  part *p = &s->parts[hash >> 54];
  _Static_assert(STORE_PARTITIONS == 1 << 10, "partitions go by the top ten bits");
  TRY(make_room(s, p, EVENT_BYTES + bytes));
  const int32_t known = intern_count(s->users);
  int32_t id;
  TRY(intern_add_hashed(s->users, user, bytes, hash, &id));
  const bool fresh = id == known;
  if (fresh) {
    TRY(mem_grow(&s->states, &s->states_cap, (size_t)id + 1, sizeof *s->states, "users"));
    s->states[id] = (user_state){.number = p->users++};
    s->held += bytes + 1;
  }
  p->used = (size_t)(put_event(p->data + p->used, e, &s->states[id], fresh ? user : NULL, bytes) - p->data);
  p->events++;
  return OK;
}

void store_complete(event_store *s) {
  intern_free(s->users);
  free(s->states);
  s->users = NULL;
  s->states = NULL;
}

// ---- reading and replacing -----------------------------------------------------------------------------------

// Appends the events of a chunk to p, which has room for them.
static status take_chunk(store_partition *p, const char *at, size_t bytes) {
  if (bytes == 0) return OK;
  const char *const end = at + bytes;
  size_t users = 0; // in the chunk
  while (at < end) {
    uint64_t user, length;
    at = get_number(at, &user);
    if (user == users) {
      at = get_number(at, &length);
      TRY(mem_grow(&p->states, &p->states_cap, ++users, sizeof *p->states, "users"));
      p->states[user] = (user_state){.time = 0};
      TRY(intern_add_hashed(p->users, at, length, name_hash(at, length), &p->states[user].number));
      at += length;
    }
    at = get_event(at, &p->events[p->n++], &p->states[user]);
  }
  return OK;
}

static status take_file(const event_store *s, int32_t index, store_partition *p) {
  const size_t bytes = s->parts[index].on_disk;
  char path[PATH_MAX + 32];
  part_path(s, (size_t)index, path);
  TRY(mem_grow(&p->buffer, &p->buffer_cap, bytes, 1, "a partition of events"));
  FILE *f = fopen(path, "rbe");
  if (f == NULL) return io_error("open", path);
  setvbuf(f, NULL, _IONBF, 0);
  const size_t n = fread(p->buffer, 1, bytes, f);
  fclose(f);
  if (n != bytes) return io_error("read", path);
  for (size_t at = 0; at < bytes;) {
    uint64_t length;
    memcpy(&length, p->buffer + at, sizeof length);
    at += sizeof length;
    TRY(take_chunk(p, p->buffer + at, length));
    at += length;
  }
  return OK;
}

status store_read(const event_store *s, int32_t index, store_partition *p) {
  const part *from = &s->parts[index];
  if (p->users == NULL) TRY(intern_new(&p->users));
  intern_clear(p->users);
  p->n = 0;
  TRY(mem_grow(&p->events, &p->cap, from->events, sizeof *p->events, "a partition of events"));
  if (from->on_disk > 0) TRY(take_file(s, index, p));
  return take_chunk(p, from->data, from->used);
}

// Writes the events of p as one chunk into its buffer.
static status make_chunk(store_partition *p, size_t *bytes, int32_t *users) {
  const int32_t known = intern_count(p->users);
  TRY(mem_grow(&p->states, &p->states_cap, (size_t)known, sizeof *p->states, "users"));
  for (int32_t u = 0; u < known; u++) p->states[u] = (user_state){.number = -1};
  *bytes = 0;
  *users = 0;
  for (size_t i = 0; i < p->n; i++) {
    const log_event *e = &p->events[i];
    user_state *u = &p->states[e->user];
    const bool fresh = u->number < 0;
    const size_t length = fresh ? intern_length(p->users, e->user) : 0;
    if (fresh) u->number = (*users)++;
    TRY(mem_grow(&p->buffer, &p->buffer_cap, *bytes + EVENT_BYTES + length, 1, "a partition of events"));
    char *to = p->buffer + *bytes;
    *bytes += (size_t)(put_event(to, e, u, fresh ? intern_text(p->users, e->user) : NULL, length) - to);
  }
  return OK;
}

status store_replace(event_store *s, int32_t index, store_partition *p) {
  part *to = &s->parts[index];
  size_t bytes;
  TRY(make_chunk(p, &bytes, &to->users));
  to->events = p->n;
  to->used = 0;
  if (to->on_disk == 0) {
    TRY(mem_grow(&to->data, &to->cap, bytes, 1, "events"));
    if (bytes > 0) memcpy(to->data, p->buffer, bytes);
    to->used = bytes;
    return OK;
  }
  free(to->data); // what was in memory goes to the file, which begins anew
  to->data = NULL;
  to->cap = 0;
  char path[PATH_MAX + 32];
  part_path(s, (size_t)index, path);
  if (unlink(path) != 0) return io_error("remove", path);
  to->on_disk = 0;
  return bytes > 0 ? append_chunk(s, (size_t)index, p->buffer, bytes) : OK;
}

size_t store_largest(const event_store *s) {
  size_t largest = 0;
  for (size_t i = 0; i < STORE_PARTITIONS; i++) {
    const size_t bytes = s->parts[i].on_disk * 3 / 2 + s->parts[i].events * sizeof(log_event) * 3 / 2;
    if (bytes > largest) largest = bytes;
  }
  return largest;
}
