// What an implementation of dist.h fills: one table, in one file. Whoever uses dist.h has no need of this.
//
// An implementation allocates a struct whose first member is `dist`, and exports a function that makes one. Its calls do
// what dist.h says of them. Three things are easy to miss:
//   - Sums have the same bits on every rank, or copies of the model drift apart, and ranks disagree on what is finite.
//   - bucket_ready must not start before the ops that were launched so far have run, and ops launched after bucket_wait
//     must not start before the sum is there. On host memory ops have run when they return, so a thread or MPI_Iallreduce
//     is such a queue. On a device it is a stream of its own with an event each way, so that implementation belongs to
//     the backend's library, where streams are known.
//   - A rank may fail and leave. Calls of the others then return an error and do not wait for ever.
// No call allocates once training has begun. Errors are told by fail(), as everywhere.
#ifndef SOUK_DIST_DIST_CALLS_H
#define SOUK_DIST_DIST_CALLS_H

#include "dist/dist.h"

typedef struct dist_calls {
  void (*close)(dist *d);
  status (*barrier)(dist *d);
  status (*sum)(dist *d, double *x, size_t n);
  status (*any)(dist *d, uint32_t *flags);
  status (*all_reduce)(dist *d, dist_memory at, float *x, size_t n);
  status (*reduce_scatter)(dist *d, dist_memory at, float *x, float *slice, size_t n);
  status (*all_gather)(dist *d, dist_memory at, const void *mine, void *all, size_t bytes);
  status (*broadcast)(dist *d, dist_memory at, void *x, size_t bytes, int32_t root);
  status (*bucket_ready)(dist *d, dist_memory at, const dist_bucket *b);
  status (*bucket_wait)(dist *d, dist_memory at, int32_t index);
} dist_calls;

struct dist {
  const dist_calls *calls;
  int32_t rank, world;
};

#endif
