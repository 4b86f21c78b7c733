// Events partitioned by user; see event_store.h.
//
// A partition is a sequence of groups: {number of events, bytes of the user's name}, name, events. While the log is
// read a group has one event; store_replace writes one group for each run of one user.
#include "prepare/event_store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/memory.h"

typedef struct group_head {
  uint32_t events, name_bytes; // the name's with its NUL
} group_head;

typedef struct stored_event {
  int64_t time, order;
  uint64_t session;
  int32_t item, type;
} stored_event;

typedef struct part {
  char *data; // held in memory, behind what is in the file
  size_t used, cap, on_disk;
  size_t events;
} part;

struct event_store {
  char dir[PATH_MAX];
  part parts[STORE_PARTITIONS];
  size_t held, limit; // bytes
};

void partition_free(store_partition *p) {
  free(p->events);
  intern_free(p->users);
  free(p->buffer);
  *p = (store_partition){.events = NULL};
}

status store_new(event_store **out, const char *dir, size_t memory_bytes) {
  TRY(mem_new(out, 1, sizeof **out, "the event store"));
  snprintf((*out)->dir, sizeof(*out)->dir, "%s", dir);
  (*out)->limit = memory_bytes;
  return OK;
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
  free(s);
}

static status io_error(const char *what, const char *path) {
  return fail(ERR_IO, "cannot %s temporary file %s: %s", what, path, strerror(errno));
}

// Appends what a part holds to its file.
static status spill_part(event_store *s, size_t i) {
  part *p = &s->parts[i];
  if (p->used == 0) return OK;
  char path[PATH_MAX + 32];
  part_path(s, i, path);
  FILE *f = fopen(path, p->on_disk > 0 ? "abe" : "wbxe");
  if (f == NULL) return io_error("create", path);
  setvbuf(f, NULL, _IONBF, 0); // one write
  const size_t written = fwrite(p->data, 1, p->used, f);
  const bool closed = fclose(f) == 0;
  p->on_disk += written; // counted even after an error, so that the file is removed
  if (written != p->used || !closed) return io_error("write", path);
  free(p->data);
  p->data = NULL;
  s->held -= p->cap;
  p->used = p->cap = 0;
  return OK;
}

status store_add(event_store *s, const char *user, const log_event *e) {
  const size_t i = (size_t)(name_hash(user) >> 54);
  _Static_assert(STORE_PARTITIONS == 1 << 10, "partitions go by the top ten bits");
  part *p = &s->parts[i];
  const group_head head = {1, (uint32_t)strlen(user) + 1};
  const stored_event stored = {e->time, e->order, e->session, e->item, e->type};
  const size_t bytes = sizeof head + head.name_bytes + sizeof stored;
  if (p->used + bytes > p->cap) {
    if (s->held + p->cap / 2 + bytes > s->limit)
      for (size_t k = 0; k < STORE_PARTITIONS; k++) TRY(spill_part(s, k));
    const size_t before = p->cap;
    TRY(mem_grow(&p->data, &p->cap, p->used + bytes, 1, "events"));
    s->held += p->cap - before;
  }
  char *to = p->data + p->used;
  memcpy(to, &head, sizeof head);
  memcpy(to + sizeof head, user, head.name_bytes);
  memcpy(to + sizeof head + head.name_bytes, &stored, sizeof stored);
  p->used += bytes;
  p->events++;
  return OK;
}

// Parses the groups in data[0, bytes) into p.
static status take_groups(store_partition *p, const char *data, size_t bytes) {
  for (const char *at = data, *end = data + bytes; at < end;) {
    group_head head;
    memcpy(&head, at, sizeof head);
    const char *name = at + sizeof head;
    at = name + head.name_bytes;
    int32_t user;
    TRY(intern_add(p->users, name, &user));
    for (uint32_t k = 0; k < head.events; k++, at += sizeof(stored_event)) {
      stored_event x;
      memcpy(&x, at, sizeof x);
      p->events[p->n++] = (log_event){x.time, x.order, x.session, user, x.item, x.type};
    }
  }
  return OK;
}

status store_read(event_store *s, int32_t index, store_partition *p) {
  const part *from = &s->parts[index];
  if (p->users == NULL) TRY(intern_new(&p->users));
  intern_clear(p->users);
  p->n = 0;
  TRY(mem_grow(&p->events, &p->cap, from->events, sizeof *p->events, "a partition of events"));
  if (from->on_disk > 0) {
    char path[PATH_MAX + 32];
    part_path(s, (size_t)index, path);
    TRY(mem_grow(&p->buffer, &p->buffer_cap, from->on_disk, 1, "a partition of events"));
    FILE *f = fopen(path, "rbe");
    if (f == NULL) return io_error("open", path);
    setvbuf(f, NULL, _IONBF, 0);
    const size_t n = fread(p->buffer, 1, from->on_disk, f);
    fclose(f);
    if (n != from->on_disk) return io_error("read", path);
    TRY(take_groups(p, p->buffer, from->on_disk));
  }
  return take_groups(p, from->data, from->used);
}

status store_replace(event_store *s, int32_t index, const store_partition *p) {
  part *to = &s->parts[index];
  // There are never more events than before, so the old memory has room for them. What came from a file goes back to
  // it.
  const bool disk = to->on_disk > 0;
  char path[PATH_MAX + 32];
  FILE *f = NULL;
  if (disk) {
    part_path(s, (size_t)index, path);
    f = fopen(path, "wbe");
    if (f == NULL) return io_error("write", path);
  }
  size_t used = 0;
  bool good = true;
  for (size_t i = 0; i < p->n;) {
    size_t stop = i;
    while (stop < p->n && p->events[stop].user == p->events[i].user) stop++;
    const char *name = intern_text(p->users, p->events[i].user);
    const group_head head = {(uint32_t)(stop - i), (uint32_t)strlen(name) + 1};
    const struct {
      const void *data;
      size_t bytes;
    } pieces[] = {{&head, sizeof head}, {name, head.name_bytes}};
    for (size_t k = 0; k < 2; k++) {
      if (disk)
        good = good && fwrite(pieces[k].data, 1, pieces[k].bytes, f) == pieces[k].bytes;
      else
        memcpy(to->data + used, pieces[k].data, pieces[k].bytes);
      used += pieces[k].bytes;
    }
    for (; i < stop; i++) {
      const log_event *e = &p->events[i];
      const stored_event stored = {e->time, e->order, e->session, e->item, e->type};
      if (disk)
        good = good && fwrite(&stored, 1, sizeof stored, f) == sizeof stored;
      else
        memcpy(to->data + used, &stored, sizeof stored);
      used += sizeof stored;
    }
  }
  if (disk) {
    good = fclose(f) == 0 && good;
    if (!good) return io_error("write", path);
    free(to->data); // what was in memory is in the file now
    s->held -= to->cap;
    to->data = NULL;
    to->used = to->cap = 0;
    to->on_disk = used;
    if (used == 0) unlink(path);
  } else {
    to->used = used;
  }
  to->events = p->n;
  return OK;
}

size_t store_largest(const event_store *s) {
  size_t largest = 0;
  for (size_t i = 0; i < STORE_PARTITIONS; i++) {
    const size_t bytes = s->parts[i].on_disk * 3 / 2 + s->parts[i].events * sizeof(log_event) * 3 / 2;
    if (bytes > largest) largest = bytes;
  }
  return largest;
}
