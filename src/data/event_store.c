// Events partitioned by user; see event_store.h.
#include "data/event_store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/memory.h"

typedef struct partition {
  log_event *events; // held in memory, behind what is in the file
  size_t n, cap, on_disk;
} partition;

struct event_store {
  char dir[PATH_MAX];
  partition *parts;
  size_t n_parts, parts_cap;
  size_t held, limit; // events
};

status store_new(event_store **out, const char *dir, size_t memory_bytes) {
  TRY(mem_new(out, 1, sizeof **out, "the event store"));
  snprintf((*out)->dir, sizeof(*out)->dir, "%s", dir);
  (*out)->limit = memory_bytes / sizeof(log_event);
  return OK;
}

static void part_path(const event_store *s, size_t i, char path[PATH_MAX + 32]) {
  snprintf(path, PATH_MAX + 32, "%s/.events-%06zu", s->dir, i);
}

void store_free(event_store *s) {
  if (s == NULL) return;
  char path[PATH_MAX + 32];
  for (size_t i = 0; i < s->n_parts; i++) {
    free(s->parts[i].events);
    part_path(s, i, path);
    if (s->parts[i].on_disk > 0) unlink(path);
  }
  free(s->parts);
  free(s);
}

static status spill(event_store *s) {
  char path[PATH_MAX + 32];
  for (size_t i = 0; i < s->n_parts; i++) {
    partition *p = &s->parts[i];
    if (p->n == 0) continue;
    part_path(s, i, path);
    FILE *f = fopen(path, p->on_disk > 0 ? "abe" : "wbe");
    if (f == NULL) return fail(ERR_IO, "cannot create temporary file %s: %s", path, strerror(errno));
    const size_t written = fwrite(p->events, sizeof *p->events, p->n, f);
    const bool closed = fclose(f) == 0;
    p->on_disk += written; // so that it is removed in any case
    if (written != p->n || !closed)
      return fail(ERR_IO, "cannot write temporary file %s: %s", path, strerror(errno));
    free(p->events);
    p->events = NULL;
    p->n = p->cap = 0;
  }
  s->held = 0;
  return OK;
}

status store_add(event_store *s, const log_event *e) {
  const size_t i = (size_t)e->user / USERS_PER_PARTITION;
  if (i >= s->n_parts) {
    TRY(mem_grow(&s->parts, &s->parts_cap, i + 1, sizeof *s->parts, "the event store"));
    memset(s->parts + s->n_parts, 0, (i + 1 - s->n_parts) * sizeof *s->parts);
    s->n_parts = i + 1;
  }
  if (s->held >= s->limit) TRY(spill(s));
  partition *p = &s->parts[i];
  TRY(mem_grow(&p->events, &p->cap, p->n + 1, sizeof *e, "events"));
  p->events[p->n++] = *e;
  s->held++;
  return OK;
}

int32_t store_partitions(const event_store *s) {
  return (int32_t)s->n_parts;
}

status store_read(event_store *s, int32_t index, log_event **events, size_t *cap, size_t *count) {
  const partition *p = &s->parts[index];
  *count = p->on_disk + p->n;
  TRY(mem_grow(events, cap, *count, sizeof **events, "a partition of events"));
  if (p->on_disk > 0) {
    char path[PATH_MAX + 32];
    part_path(s, (size_t)index, path);
    FILE *f = fopen(path, "rbe");
    const size_t n = f != NULL ? fread(*events, sizeof **events, p->on_disk, f) : 0;
    if (f != NULL) fclose(f);
    if (n != p->on_disk) return fail(ERR_IO, "cannot read temporary file %s: %s", path, strerror(errno));
  }
  if (p->n > 0) memcpy(*events + p->on_disk, p->events, p->n * sizeof **events);
  return OK;
}

status store_replace(event_store *s, int32_t index, const log_event *events, size_t count) {
  partition *p = &s->parts[index];
  if (p->on_disk == 0) { // it fitted before, and never grows
    if (count > 0) memcpy(p->events, events, count * sizeof *events);
    s->held -= p->n - count;
    p->n = count;
    return OK;
  }
  char path[PATH_MAX + 32];
  part_path(s, (size_t)index, path);
  FILE *f = fopen(path, "wbe");
  const size_t n = f != NULL ? fwrite(events, sizeof *events, count, f) : 0;
  const bool good = f != NULL && fclose(f) == 0 && n == count;
  if (!good) return fail(ERR_IO, "cannot write temporary file %s: %s", path, strerror(errno));
  s->held -= p->n;
  free(p->events);
  p->events = NULL;
  p->n = p->cap = 0;
  p->on_disk = count;
  return OK;
}
