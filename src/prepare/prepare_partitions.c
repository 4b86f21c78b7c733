// Passes over the partitions on several threads; see prepare_internal.h.
#include <stdlib.h>
#include "base/memory.h"
#include "prepare/prepare_internal.h"

// One for each thread and one to be taken, or fewer, where so many do not fit into output.memory at once.
static int32_t works_wanted(const prepare_job *job) {
  const int32_t threads = tasks_threads(job->pool), wanted = threads > 1 ? threads + 1 : 1;
  const size_t largest = store_largest(job->store), room = (size_t)job->c->output.memory;
  if (largest == 0 || room / largest >= (size_t)wanted) return wanted;
  return room / largest > 1 ? (int32_t)(room / largest) : 1;
}

status partitions_new(prepare_job *job) {
  job->n_works = works_wanted(job);
  TRY(mem_new(&job->works, (size_t)job->n_works, sizeof *job->works, "partitions"));
  for (int32_t i = 0; i < job->n_works; i++) job->works[i].job = job;
  return OK;
}

void partitions_free(prepare_job *job) {
  for (int32_t i = 0; job->works != NULL && i < job->n_works; i++) {
    partition_free(&job->works[i].part);
    history_room_free(&job->works[i].room);
  }
  free(job->works);
  job->works = NULL;
}

static status run_work(void *self) {
  partition_work *w = self;
  return w->work(w);
}

static status take_partition(prepare_job *job, int32_t p, partition_function take) {
  partition_work *w = &job->works[p % job->n_works];
  TRY(tasks_wait(job->pool, &w->task));
  return take(w);
}

// Partitions are worked on ahead of the one that is taken, so many as there is room for.
status for_partitions(prepare_job *job, partition_function work, partition_function take) {
  status rc = OK;
  for (int32_t p = 0; rc == OK && p < STORE_PARTITIONS + job->n_works; p++) {
    if (p >= job->n_works) TRY_GOTO(take_partition(job, p - job->n_works, take), done);
    if (p >= STORE_PARTITIONS) continue;
    partition_work *w = &job->works[p % job->n_works];
    w->index = p;
    w->work = work;
    w->task.run = run_work;
    w->task.self = w;
    tasks_add(job->pool, &w->task);
  }
done:;
  failure first; // of the partition that comes first, whichever thread was faster
  failure_keep(&first, rc);
  for (int32_t i = 0; i < job->n_works; i++) tasks_wait(job->pool, &job->works[i].task);
  return failure_raise(&first);
}
