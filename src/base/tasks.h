// Work on several threads whose results are taken in order, so that they do not depend on the number of threads.
//
// The caller adds tasks and later waits for each; who waits works on what is queued meanwhile. A pool of one thread
// has no thread of its own: everything runs in the caller, in the order in which it is waited for.
#ifndef SOUK_BASE_TASKS_H
#define SOUK_BASE_TASKS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"

// One piece of work, in memory of the caller's that lives until it has been waited for. `run` and `self` are the caller's,
// the rest is the pool's; start with zeros.
typedef struct task {
  status (*run)(void *self);
  void *self;
  struct task *next;
  bool added, done;
  failure error;
} task;

typedef struct task_pool task_pool;
status tasks_new(task_pool **out, int32_t threads); // the caller's thread counts
void tasks_free(task_pool *p);                      // NULL is safe; every task has been waited for
int32_t tasks_threads(const task_pool *p);
// Queues a task. Tasks begin in the order in which they were added. A task must not add tasks, nor wait for any.
void tasks_add(task_pool *p, task *t);
// Returns when the task is done, with its status and message; OK at once if it is not there (or was waited for before).
status tasks_wait(task_pool *p, task *t);

#endif
