// Workspaces and threads; see workspace.h.
//
// Allocating scratch on every call would cost more than encoding a short history: big blocks go back to the
// system and come again as zeroed pages. So a bundle keeps the workspaces of finished calls, as many as ever ran at
// the same time, except very large ones.
#include "infer/workspace.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { KEEP_BYTES = 64 << 20, THREADS_MAX = 1024 };

static void area_free(area *a) {
  free(a->memory);
  *a = (area){0};
}

souk_status pool_new(workspace_pool **out, souk_error *e) {
  PASS(infer_alloc(out, 1, sizeof **out, "workspaces", e));
  if (pthread_mutex_init(&(*out)->lock, NULL) == 0) return SOUK_OK;
  free(*out);
  *out = NULL;
  return infer_fail(e, SOUK_ERR_MEMORY, "out of memory: no lock for the workspaces");
}

void pool_free(workspace_pool *p) {
  if (p == NULL) return;
  for (workspace *w = p->idle, *next; w != NULL; w = next) {
    next = w->next;
    area_free(&w->encode);
    area_free(&w->rank);
    mix_batch_free(&w->mixed);
    free(w);
  }
  pthread_mutex_destroy(&p->lock);
  free(p);
}

size_t pool_bytes(workspace_pool *p) {
  size_t bytes = sizeof *p;
  pthread_mutex_lock(&p->lock);
  for (const workspace *w = p->idle; w != NULL; w = w->next)
    bytes += sizeof *w + w->encode.bytes + w->rank.bytes + mix_batch_bytes(&w->mixed);
  pthread_mutex_unlock(&p->lock);
  return bytes;
}

workspace *workspace_get(workspace_pool *p) {
  pthread_mutex_lock(&p->lock);
  workspace *w = p->idle;
  if (w != NULL) p->idle = w->next;
  pthread_mutex_unlock(&p->lock);
  return w != NULL ? w : calloc(1, sizeof *w);
}

void workspace_put(workspace_pool *p, workspace *w) {
  if (w == NULL) return;
  if (w->encode.bytes > KEEP_BYTES) area_free(&w->encode);
  if (w->rank.bytes > KEEP_BYTES) area_free(&w->rank);
  if (mix_batch_bytes(&w->mixed) > KEEP_BYTES) mix_batch_free(&w->mixed);
  pthread_mutex_lock(&p->lock);
  w->next = p->idle;
  p->idle = w;
  pthread_mutex_unlock(&p->lock);
}

souk_status area_reserve(area *a, size_t bytes, souk_error *e) {
  a->used = 0;
  if (bytes <= a->bytes) return SOUK_OK;
  area_free(a);
  PASS(infer_alloc(&a->memory, bytes, 1, "a workspace", e));
  a->bytes = bytes;
  return SOUK_OK;
}

size_t area_size(size_t count, size_t size) {
  return (count * size + 63) / 64 * 64;
}

void *area_take(area *a, size_t count, size_t size) {
  void *p = a->memory + a->used;
  a->used += area_size(count, size);
  return p;
}

// ---- threads -------------------------------------------------------------------------------------------------

typedef struct job {
  void (*work)(void *arg);
  void *arg;
} job;

static void *thread_main(void *arg) {
  const job *j = arg;
  j->work(j->arg);
  return NULL;
}

void run_threads(int32_t threads, void (*work)(void *arg), void *arg) {
  job j = {work, arg};
  pthread_t ids[THREADS_MAX];
  int32_t started = 0;
  if (threads > 1) {
    // Our threads block all signals, so that the caller's handlers run on the caller's threads.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (started < threads - 1 && started < THREADS_MAX &&
           pthread_create(&ids[started], NULL, thread_main, &j) == 0)
      started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
  }
  work(arg);
  for (int32_t i = 0; i < started; i++) pthread_join(ids[i], NULL);
}

// ---- shares --------------------------------------------------------------------------------------------------

typedef struct share_run {
  const share_job *j;
  pthread_mutex_t lock;
  size_t next;
  souk_status rc;
  souk_error *error;
} share_run;

static void run_share(void *arg) {
  share_run *r = arg;
  souk_error e = {.code = SOUK_OK};
  workspace *space = workspace_get(r->j->b->pool);
  souk_status rc = space != NULL ? SOUK_OK : infer_fail(&e, SOUK_ERR_MEMORY, "out of memory: a workspace");
  for (;;) {
    pthread_mutex_lock(&r->lock);
    if (rc != SOUK_OK && r->rc == SOUK_OK) {
      r->rc = rc;
      if (r->error != NULL) *r->error = e;
    }
    const size_t first = r->rc == SOUK_OK ? r->next : r->j->n;
    const size_t n = r->j->n - first < r->j->take ? r->j->n - first : r->j->take;
    r->next = first + n;
    pthread_mutex_unlock(&r->lock);
    if (n == 0) break;
    rc = r->j->work(r->j->arg, space, first, n, &e);
  }
  workspace_put(r->j->b->pool, space);
}

souk_status run_shares(const share_job *j, int32_t threads, souk_error *e) {
  share_run r = {.j = j, .error = e};
  if (pthread_mutex_init(&r.lock, NULL) != 0)
    return infer_fail(e, SOUK_ERR_MEMORY, "out of memory: no lock for the threads");
  const size_t parts = (j->n + j->take - 1) / j->take;
  run_threads((size_t)threads < parts ? threads : (int32_t)parts, run_share, &r);
  pthread_mutex_destroy(&r.lock);
  return r.rc;
}
