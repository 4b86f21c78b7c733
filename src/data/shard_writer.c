// Shards in columns and chunks; see shard_writer.h.
#include "data/shard_writer.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "hdf5/h5_pack.h"
#include "hdf5/hdf5_glue.h"

typedef struct chunk {
  task task;
  struct chunk *next;
  char *raw; // [elements * width], NULL once it is packed
  size_t elements, width;
  int level;
  h5_chunk packed;
} chunk;

typedef struct column {
  const char *name;
  size_t width;
  chunk *first, **last;
  char *raw; // the chunk that is being filled: [H5_CHUNK * width] at most
  size_t used, cap;
  hsize_t n; // elements in all
} column;

enum { TOKENS, EVENTS, TIMES, SESSIONS, OFFSETS, VALID_FROM, TEST_FROM, USERS, COLUMNS };

struct shard {
  column columns[COLUMNS];
  task_pool *pool;
  int level;
  chunk **waiting; // [in_flight_max] chunks that are being packed, in a ring
  size_t in_flight_max, next;
  task store;
  char path[PATH_MAX + 64];
};

status shard_new(shard **out, task_pool *pool, int deflate_level) {
  static const struct {
    const char *name;
    size_t width;
  } kinds[COLUMNS] = {
      [TOKENS] = {"tokens", 4},       [EVENTS] = {"events", 1},   [TIMES] = {"times", 8},
      [SESSIONS] = {"sessions", 4},   [OFFSETS] = {"offsets", 8}, [VALID_FROM] = {"valid_from", 4},
      [TEST_FROM] = {"test_from", 4}, [USERS] = {"users", 8},
  };
  shard *s;
  *out = NULL;
  TRY(mem_new(&s, 1, sizeof *s, "a shard"));
  for (int i = 0; i < COLUMNS; i++) {
    s->columns[i] = (column){.name = kinds[i].name, .width = kinds[i].width};
    s->columns[i].last = &s->columns[i].first;
  }
  s->pool = pool;
  s->level = deflate_level;
  s->in_flight_max = pool == NULL ? 1 : tasks_threads(pool) < 12 ? 2 * (size_t)tasks_threads(pool) : 24;
  const status rc = mem_new(&s->waiting, s->in_flight_max, sizeof *s->waiting, "a shard");
  if (rc != OK)
    free(s);
  else
    *out = s;
  return rc;
}

void shard_free(shard *s) {
  if (s == NULL) return;
  if (s->pool != NULL) tasks_wait(s->pool, &s->store);
  for (int i = 0; i < COLUMNS; i++) {
    for (chunk *c = s->columns[i].first, *next; c != NULL; c = next) {
      next = c->next;
      if (s->pool != NULL) tasks_wait(s->pool, &c->task);
      free(c->raw);
      free(c->packed.data);
      free(c);
    }
    free(s->columns[i].raw);
  }
  free(s->waiting);
  free(s);
}

// ---- collecting ----------------------------------------------------------------------------------------------

static status pack_chunk(void *self) {
  chunk *c = self;
  TRY(h5_pack(c->raw, c->elements, c->width, c->level, &c->packed));
  free(c->raw);
  c->raw = NULL;
  return OK;
}

static status run(shard *s, task *t) {
  if (s->pool == NULL) return t->run(t->self);
  tasks_add(s->pool, t);
  return OK;
}

static status finish(shard *s, task *t) {
  return s->pool != NULL ? tasks_wait(s->pool, t) : OK;
}

// Packs a chunk, or lets a thread do it. As memory is bounded, the oldest one that is on its way has to be done first.
static status send_chunk(shard *s, chunk *c) {
  chunk **place = &s->waiting[s->next++ % s->in_flight_max];
  if (*place != NULL) TRY(finish(s, &(*place)->task));
  *place = c;
  c->task.run = pack_chunk;
  c->task.self = c;
  return run(s, &c->task);
}

// Ends the chunk that is being filled. HDF5 stores whole chunks where a column has several.
static status end_chunk(shard *s, column *k) {
  chunk *c;
  TRY(mem_new(&c, 1, sizeof *c, "a chunk"));
  *k->last = c;
  k->last = &c->next;
  c->raw = k->raw;
  c->elements = k->used;
  c->width = k->width;
  c->level = s->level;
  k->raw = NULL;
  k->used = k->cap = 0;
  if (s->level == 0) return OK;
  if (k->n > H5_CHUNK && c->elements < H5_CHUNK) {
    size_t cap = c->elements;
    TRY(mem_grow(&c->raw, &cap, H5_CHUNK, c->width, "a chunk"));
    memset(c->raw + c->elements * c->width, 0, (H5_CHUNK - c->elements) * c->width);
    c->elements = H5_CHUNK;
  }
  return send_chunk(s, c);
}

static status append(shard *s, int which, const void *data, size_t n) {
  column *k = &s->columns[which];
  for (const char *from = data; n > 0;) {
    const size_t room = H5_CHUNK - k->used, now = n < room ? n : room;
    TRY(mem_grow(&k->raw, &k->cap, k->used + now, k->width, "a shard"));
    memcpy(k->raw + k->used * k->width, from, now * k->width);
    k->used += now;
    k->n += now;
    from += now * k->width;
    n -= now;
    if (k->used == H5_CHUNK) TRY(end_chunk(s, k));
  }
  return OK;
}

status shard_add(shard *s, const sequence *q) {
  const int64_t offset = shard_tokens(s);
  const size_t n = (size_t)q->n;
  TRY(append(s, TOKENS, q->tokens, n));
  TRY(append(s, EVENTS, q->events, n));
  TRY(append(s, TIMES, q->times, n));
  TRY(append(s, SESSIONS, q->sessions, n));
  TRY(append(s, OFFSETS, &offset, 1));
  TRY(append(s, VALID_FROM, &q->valid_from, 1));
  TRY(append(s, TEST_FROM, &q->test_from, 1));
  return append(s, USERS, &q->user, 1);
}

int64_t shard_tokens(const shard *s) {
  return (int64_t)s->columns[TOKENS].n;
}

// ---- writing -------------------------------------------------------------------------------------------------

static hid_t type_of(int which) {
  switch (which) {
  case EVENTS:
    return H5T_STD_U8LE;
  case TOKENS:
  case SESSIONS:
  case VALID_FROM:
  case TEST_FROM:
    return H5T_STD_I32LE;
  default:
    return H5T_STD_I64LE;
  }
}

static status write_raw(const shard *s, hid_t file, int which) {
  const column *k = &s->columns[which];
  hsize_t at = 0;
  TRY(h5_create_rows(file, s->path, k->name, type_of(which), 1, &k->n, 0));
  for (const chunk *c = k->first; c != NULL; at += c->elements, c = c->next)
    TRY(h5_write_rows(file, s->path, k->name, type_of(which), at, c->elements, c->raw));
  return OK;
}

static status write_packed(const shard *s, hid_t file, int which) {
  const column *k = &s->columns[which];
  size_t count = 0;
  h5_chunk *chunks;
  TRY(mem_new(&chunks, k->n / H5_CHUNK + 1, sizeof *chunks, "a shard"));
  for (const chunk *c = k->first; c != NULL; c = c->next) chunks[count++] = c->packed;
  const status rc = h5_write_chunks(file, s->path, k->name, type_of(which), k->n, chunks, count, s->level);
  free(chunks);
  return rc;
}

static status store(void *self) {
  const shard *s = self;
  hid_t file;
  h5_lock();
  status rc = h5_create(&file, s->path, "souk.shard", 1);
  if (rc == OK) {
    for (int i = 0; rc == OK && i < COLUMNS; i++)
      rc = s->level > 0 ? write_packed(s, file, i) : write_raw(s, file, i);
    rc = h5_finish(file, s->path, rc);
  }
  h5_unlock();
  return rc == OK ? file_sync(s->path) : rc;
}

status shard_store(shard *s, const char *path) {
  if (snprintf(s->path, sizeof s->path, "%s", path) >= (int)sizeof s->path)
    return fail(ERR_ARGUMENT, "%s: the path is too long", path);
  const int64_t end = shard_tokens(s);
  TRY(append(s, OFFSETS, &end, 1));
  for (int i = 0; i < COLUMNS; i++)
    if (s->columns[i].used > 0) TRY(end_chunk(s, &s->columns[i]));
  for (size_t i = 0; i < s->in_flight_max; i++)
    if (s->waiting[i] != NULL) TRY(finish(s, &s->waiting[i]->task));
  s->store.run = store;
  s->store.self = s;
  return run(s, &s->store);
}

status shard_finish(shard *s) {
  return finish(s, &s->store);
}
