// Worlds for tests; see worlds.h.
#include "lib/worlds.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "lib/check.h"

// ---- ranks as threads ----------------------------------------------------------------------------------------

enum { MOST_RANKS = 4, MOST_BUCKETS = 64 };

struct common;
typedef struct thread_rank {
  dist base;
  struct common *common;
  const void *shown; // what the others may read between two barriers
  dist_bucket ready[MOST_BUCKETS];
} thread_rank;

typedef struct common {
  pthread_barrier_t barrier;
  thread_rank ranks[MOST_RANKS];
  int32_t world;
  void (*work)(void *self, dist *d);
  void *self;
} common;

static void meet(dist *d) {
  pthread_barrier_wait(&((thread_rank *)d)->common->barrier);
}

// Shows `mine` to the others; afterwards each may read theirs until it calls meet().
static common *show(dist *d, const void *mine) {
  thread_rank *r = (thread_rank *)d;
  r->shown = mine;
  meet(d);
  return r->common;
}

static void close_nothing(dist *d) {
  (void)d;
}

static status barrier(dist *d) {
  meet(d);
  return OK;
}

// Each adds up in the order of ranks, so all have the same bits.
static status sum(dist *d, double *x, size_t n) {
  const common *c = show(d, x);
  double *total = calloc(n, sizeof *total);
  for (int32_t r = 0; r < c->world; r++)
    for (size_t i = 0; i < n; i++) total[i] += ((const double *)c->ranks[r].shown)[i];
  meet(d);
  memcpy(x, total, n * sizeof *x);
  free(total);
  return OK;
}

static status any(dist *d, uint32_t *flags) {
  const common *c = show(d, flags);
  uint32_t all = 0;
  for (int32_t r = 0; r < c->world; r++) all |= *(const uint32_t *)c->ranks[r].shown;
  meet(d);
  *flags = all;
  return OK;
}

static status all_reduce(dist *d, dist_memory at, float *x, size_t n) {
  (void)at;
  const common *c = show(d, x);
  float *total = calloc(n, sizeof *total);
  for (int32_t r = 0; r < c->world; r++)
    for (size_t i = 0; i < n; i++) total[i] += ((const float *)c->ranks[r].shown)[i];
  meet(d);
  memcpy(x, total, n * sizeof *x);
  free(total);
  return OK;
}

static status reduce_scatter(dist *d, dist_memory at, float *x, float *slice, size_t n) {
  TRY(all_reduce(d, at, x, n * (size_t)d->world));
  memmove(slice, x + n * (size_t)d->rank, n * sizeof *x);
  return OK;
}

static status all_gather(dist *d, dist_memory at, const void *mine, void *all, size_t bytes) {
  (void)at;
  const common *c = show(d, mine);
  for (int32_t r = 0; r < c->world; r++) {
    char *to = (char *)all + bytes * (size_t)r;
    if (to != c->ranks[r].shown) memcpy(to, c->ranks[r].shown, bytes);
  }
  meet(d);
  return OK;
}

static status broadcast(dist *d, dist_memory at, void *x, size_t bytes, int32_t root) {
  (void)at;
  const common *c = show(d, x);
  if (d->rank != root) memcpy(x, c->ranks[root].shown, bytes);
  meet(d);
  return OK;
}

static status bucket_ready(dist *d, dist_memory at, const dist_bucket *b) {
  (void)at;
  must(b->index >= 0 && b->index < MOST_BUCKETS);
  ((thread_rank *)d)->ready[b->index] = *b;
  return OK;
}

// The whole work is done here: the threads of these tests gain nothing from a queue of their own.
static status bucket_wait(dist *d, dist_memory at, int32_t index) {
  const dist_bucket *b = &((thread_rank *)d)->ready[index];
  TRY(all_reduce(d, at, b->grad, b->n));
  if (b->touched == NULL) return OK;
  const common *c = show(d, b->touched);
  uint8_t *all = calloc(b->rows, 1);
  for (int32_t r = 0; r < c->world; r++)
    for (size_t i = 0; i < b->rows; i++) all[i] |= ((const uint8_t *)c->ranks[r].shown)[i];
  meet(d);
  memcpy(b->touched, all, b->rows);
  free(all);
  return OK;
}

static const dist_calls thread_calls = {
    .close = close_nothing,
    .barrier = barrier,
    .sum = sum,
    .any = any,
    .all_reduce = all_reduce,
    .reduce_scatter = reduce_scatter,
    .all_gather = all_gather,
    .broadcast = broadcast,
    .bucket_ready = bucket_ready,
    .bucket_wait = bucket_wait,
};

static void *one_rank(void *arg) {
  thread_rank *r = arg;
  r->common->work(r->common->self, &r->base);
  return NULL;
}

void world_run(int32_t world, void (*work)(void *self, dist *d), void *self) {
  static common c;
  pthread_t threads[MOST_RANKS];
  assert_true(world <= MOST_RANKS);
  memset(&c, 0, sizeof c);
  c.world = world;
  c.work = work;
  c.self = self;
  assert_int_equal(pthread_barrier_init(&c.barrier, NULL, (unsigned)world), 0);
  for (int32_t r = 0; r < world; r++) {
    c.ranks[r].base = (dist){.calls = &thread_calls, .rank = r, .world = world};
    c.ranks[r].common = &c;
    assert_int_equal(pthread_create(&threads[r], NULL, one_rank, &c.ranks[r]), 0);
  }
  for (int32_t r = 0; r < world; r++) pthread_join(threads[r], NULL);
  pthread_barrier_destroy(&c.barrier);
}

// ---- a record ------------------------------------------------------------------------------------------------

static call *add_call(dist *d, call_kind kind, int32_t value) {
  recorder *r = (recorder *)d;
  assert_true(r->n < MAX_CALLS);
  call *c = &r->calls[r->n++];
  *c = (call){.kind = kind, .value = value};
  return c;
}

static status record_sum(dist *d, double *x, size_t n) {
  (void)x;
  add_call(d, CALL_SUM, (int32_t)n);
  return OK;
}

static status record_any(dist *d, uint32_t *flags) {
  add_call(d, CALL_ANY, (int32_t)*flags);
  return OK;
}

static status record_ready(dist *d, dist_memory at, const dist_bucket *b) {
  assert_true(at.be->host_memory);
  call *c = add_call(d, CALL_READY, b->index);
  c->bucket = *b;
  c->copy = malloc(b->n * sizeof *c->copy);
  assert_non_null(c->copy);
  memcpy(c->copy, b->grad, b->n * sizeof *c->copy);
  return OK;
}

static status record_wait(dist *d, dist_memory at, int32_t index) {
  (void)at;
  recorder *r = (recorder *)d;
  for (int32_t i = r->n - 1; i >= 0; i--) {
    const call *c = &r->calls[i];
    if (c->kind != CALL_READY || c->value != index) continue;
    r->changed += memcmp(c->copy, c->bucket.grad, c->bucket.n * sizeof *c->copy) != 0;
    break;
  }
  add_call(d, CALL_WAIT, index);
  return OK;
}

static const dist_calls record_calls = {
    .close = close_nothing,
    .sum = record_sum,
    .any = record_any,
    .bucket_ready = record_ready,
    .bucket_wait = record_wait,
};

void recorder_open(recorder *r) {
  memset(r, 0, sizeof *r);
  r->base = (dist){.calls = &record_calls, .rank = 0, .world = 1};
}

void recorder_note(recorder *r, int32_t value) {
  add_call(&r->base, CALL_NOTE, value);
}

void recorder_clear(recorder *r) {
  for (int32_t i = 0; i < r->n; i++) free(r->calls[i].copy);
  r->n = 0;
}
