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
// memory is full, every chunk is appended to one file, behind its length and the place of the partition's chunk before it, and the
// table starts anew. The file has no name, so that nothing is left of it whatever ends the process.
#include "prepare/event_store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fault.h"
#include "base/file.h"
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

// In front of a chunk in the file.
typedef struct chunk_head {
  int64_t before; // where the partition's chunk before begins, -1 none
  uint64_t bytes; // of the chunk
} chunk_head;

typedef struct part {
  char *data; // the chunk in memory, behind those in the file
  size_t used, cap;
  size_t on_disk; // bytes of its chunks in the file
  int64_t last;   // where the last of them begins
  size_t events;
  int32_t users; // in the chunk
} part;

struct event_store {
  char path[PATH_MAX + 32]; // for messages
  int file;                 // -1: none yet
  atomic_int_least64_t end; // of the file
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
  free(p->chunks);
  free(p->states);
  *p = (store_partition){.events = NULL};
}

status store_new(event_store **out, const char *dir, size_t memory_bytes) {
  event_store *s;
  *out = NULL;
  TRY(mem_new(&s, 1, sizeof *s, "the event store"));
  s->limit = memory_bytes;
  s->file = -1;
  status rc = path_join(s->path, sizeof s->path, dir, ".events");
  if (rc == OK) rc = intern_new(&s->users);
  if (rc != OK)
    free(s);
  else
    *out = s;
  return rc;
}

void store_free(event_store *s) {
  if (s == NULL) return;
  for (size_t i = 0; i < STORE_PARTITIONS; i++) free(s->parts[i].data);
  if (s->file >= 0) close(s->file);
  intern_free(s->users);
  free(s->states);
  free(s);
}

// ---- the file ------------------------------------------------------------------------------------------------

static status io_error(const event_store *s, const char *what) {
  return fail(ERR_IO, "cannot %s temporary file %s: %s", what, s->path,
              errno != 0 ? strerror(errno) : "it is shorter than it was");
}

static status open_file(event_store *s) {
  s->file = fault_at(FAULT_CREATE) ? -1 : open(s->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  return s->file >= 0 && unlink(s->path) == 0 ? OK : io_error(s, "create");
}

static status write_at(const event_store *s, const void *data, size_t bytes, int64_t at) {
  for (const char *from = data; bytes > 0;) {
    const ssize_t n = fault_at(FAULT_WRITE) ? -1 : pwrite(s->file, from, bytes, at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return io_error(s, "write");
    from += n;
    at += n;
    bytes -= (size_t)n;
  }
  return OK;
}

static status read_at(const event_store *s, void *data, size_t bytes, int64_t at) {
  for (char *to = data; bytes > 0;) {
    errno = 0;
    const ssize_t n = pread(s->file, to, bytes, at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return io_error(s, "read");
    to += n;
    at += n;
    bytes -= (size_t)n;
  }
  return OK;
}

// Appends a chunk of a partition to the file.
static status append_chunk(event_store *s, part *p, const char *data, size_t bytes) {
  const chunk_head head = {p->on_disk > 0 ? p->last : -1, bytes};
  const int64_t at = atomic_fetch_add(&s->end, (int64_t)(sizeof head + bytes));
  TRY(write_at(s, &head, sizeof head, at));
  TRY(write_at(s, data, bytes, at + (int64_t)sizeof head));
  p->last = at;
  p->on_disk += bytes;
  return OK;
}

// Gives the disk's room back where the system can. It is no loss where it cannot: the file is gone soon.
static void forget_chunks(const event_store *s, part *p) {
  chunk_head head;
  for (int64_t at = p->last; p->on_disk > 0 && at >= 0; at = head.before) {
    if (read_at(s, &head, sizeof head, at) != OK) break;
    fallocate(s->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, (off_t)(sizeof head + head.bytes));
  }
  p->on_disk = 0;
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

static status spill(event_store *s) {
  if (s->file < 0) TRY(open_file(s));
  for (size_t i = 0; i < STORE_PARTITIONS; i++) {
    part *p = &s->parts[i];
    if (p->used > 0) TRY(append_chunk(s, p, p->data, p->used));
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

// Reads the chunks in the file, which are found from the last to the first, in their order: the last goes to the end of the
// buffer.
static status take_file(const event_store *s, const part *from, store_partition *p) {
  size_t chunks = 0, begin = from->on_disk;
  TRY(mem_grow(&p->buffer, &p->buffer_cap, from->on_disk, 1, "a partition of events"));
  for (int64_t at = from->last; at >= 0; chunks++) {
    chunk_head head;
    TRY(read_at(s, &head, sizeof head, at));
    TRY(mem_grow(&p->chunks, &p->chunks_cap, chunks + 1, sizeof *p->chunks, "a partition of events"));
    p->chunks[chunks] = head.bytes;
    begin -= head.bytes;
    TRY(read_at(s, p->buffer + begin, head.bytes, at + (int64_t)sizeof head));
    at = head.before;
  }
  while (chunks > 0) {
    TRY(take_chunk(p, p->buffer + begin, p->chunks[--chunks]));
    begin += p->chunks[chunks];
  }
  return OK;
}

status store_read(const event_store *s, int32_t index, store_partition *p) {
  const part *from = &s->parts[index];
  if (p->users == NULL) TRY(intern_new(&p->users));
  intern_clear(p->users);
  p->n = 0;
  TRY(mem_grow(&p->events, &p->cap, from->events, sizeof *p->events, "a partition of events"));
  if (from->on_disk > 0) TRY(take_file(s, from, p));
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
  free(to->data); // what was in memory goes to the file
  to->data = NULL;
  to->cap = 0;
  forget_chunks(s, to);
  return bytes > 0 ? append_chunk(s, to, p->buffer, bytes) : OK;
}

size_t store_largest(const event_store *s) {
  size_t largest = 0;
  for (size_t i = 0; i < STORE_PARTITIONS; i++) {
    const part *p = &s->parts[i];
    const size_t bytes =
        p->on_disk + p->used + p->events * 2 * sizeof(log_event); // events, and room to sort them
    if (bytes > largest) largest = bytes;
  }
  return largest;
}
