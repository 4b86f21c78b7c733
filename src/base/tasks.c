// A queue of tasks and the threads that work on it; see tasks.h.
#include "base/tasks.h"

#include <pthread.h>
#include <stdlib.h>
#include "base/memory.h"

struct task_pool {
  pthread_mutex_t lock;
  pthread_cond_t queued, finished;
  task *first, **last; // not begun
  bool closing;
  int32_t workers;
  pthread_t threads[];
};

// Takes the first task and runs it; the caller holds the lock, which is free meanwhile.
static void run_first(task_pool *p) {
  task *t = p->first;
  p->first = t->next;
  if (p->first == NULL) p->last = &p->first;
  pthread_mutex_unlock(&p->lock);
  failure_keep(&t->error, t->run(t->self));
  pthread_mutex_lock(&p->lock);
  t->done = true;
  pthread_cond_broadcast(&p->finished);
}

static void *work(void *arg) {
  task_pool *p = arg;
  pthread_mutex_lock(&p->lock);
  for (;;) {
    while (p->first == NULL && !p->closing) pthread_cond_wait(&p->queued, &p->lock);
    if (p->first == NULL) break;
    run_first(p);
  }
  pthread_mutex_unlock(&p->lock);
  return NULL;
}

status tasks_new(task_pool **out, int32_t threads) {
  task_pool *p;
  *out = NULL;
  const size_t workers = threads > 1 ? (size_t)threads - 1 : 0;
  TRY(mem_new(&p, 1, sizeof *p + workers * sizeof p->threads[0], "threads"));
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->queued, NULL);
  pthread_cond_init(&p->finished, NULL);
  p->last = &p->first;
  for (size_t i = 0; i < workers; i++) {
    if (pthread_create(&p->threads[i], NULL, work, p) != 0) break; // fewer threads do the same work
    p->workers++;
  }
  *out = p;
  return OK;
}

void tasks_free(task_pool *p) {
  if (p == NULL) return;
  pthread_mutex_lock(&p->lock);
  p->closing = true;
  pthread_cond_broadcast(&p->queued);
  pthread_mutex_unlock(&p->lock);
  for (int32_t i = 0; i < p->workers; i++) pthread_join(p->threads[i], NULL);
  pthread_cond_destroy(&p->queued);
  pthread_cond_destroy(&p->finished);
  pthread_mutex_destroy(&p->lock);
  free(p);
}

int32_t tasks_threads(const task_pool *p) {
  return p->workers + 1;
}

void tasks_add(task_pool *p, task *t) {
  t->next = NULL;
  t->added = true;
  t->done = false;
  pthread_mutex_lock(&p->lock);
  *p->last = t;
  p->last = &t->next;
  pthread_cond_signal(&p->queued);
  pthread_mutex_unlock(&p->lock);
}

status tasks_wait(task_pool *p, task *t) {
  if (!t->added) return OK;
  pthread_mutex_lock(&p->lock);
  while (!t->done) {
    if (p->first != NULL)
      run_first(p);
    else
      pthread_cond_wait(&p->finished, &p->lock);
  }
  pthread_mutex_unlock(&p->lock);
  t->added = false;
  return failure_raise(&t->error);
}
