// Communication between the processes that train one model together: `world` of them, each with a rank.
//
// Every process has a copy of the model, and a device of its own. Of the batches of an epoch it gets every world-th
// (data/batcher.h), so a step of the run is one step of every process, and what the run computes is that of one process
// with `world` times as many micro-batches.
//
// What is called when, by all ranks in the same order, since each call waits for the others:
//   1. once, before the first step: dist_any of whether there is a checkpoint to go on from, and if so dist_barrier when rank 0
//      has put the run's directory in order; dist_broadcast of the parameters;
//   2. a step, before its first backward pass: dist_sum of its loss weights (every loss is divided by the weight of the
//      whole step, that of other ranks included), tokens and operations;
//   3. in the backward pass of its last micro-batch: dist_bucket_ready, bucket by bucket in the order in which the
//      gradients are finished (model/params.h), each once;
//   4. before the gradient norm: dist_bucket_wait, once for each of them in the same order. From here on the gradients of
//      all ranks are the same, so their optimisers do the same;
//   5. when the step's results are read: dist_any of whether it was refused; between two steps: dist_any of whether a
//      signal or the clock ends the run;
//   6. when a line is written or a checkpoint saved: dist_sum of the sums of losses; after a validation: dist_sum of its
//      metric, which is 0 on all but rank 0. Rank 0 writes and prints.
//
// A single process uses dist_single(), whose calls cost nothing.
#ifndef SOUK_DIST_DIST_H
#define SOUK_DIST_DIST_H

#include "ops/ops.h"

typedef struct dist dist;

// The world of one process. It is static and not closed.
dist *dist_single(void);
// Leaves the world; the calls of those who stay fail from then on. NULL is safe.
void dist_close(dist *d);
int32_t dist_rank(const dist *d); // 0 ... world - 1
int32_t dist_world(const dist *d);

// ---- on the host: they return when every rank has called ----

status dist_barrier(dist *d);
// x [n] becomes the sum over ranks, with the same bits on every rank.
status dist_sum(dist *d, double *x, size_t n);
// Bits that are set on any rank.
status dist_any(dist *d, uint32_t *flags);

// ---- in the memory of a backend: ordered with its ops, and as little waited for as they are ----

// The backend and context that the memory of a call belongs to.
typedef struct dist_memory {
  const backend *be;
  op_ctx *ctx;
} dist_memory;

// x [n] becomes the sum over ranks, with the same bits on every rank.
status dist_all_reduce(dist *d, dist_memory at, float *x, size_t n);
// slice [n] becomes rank's part of the sum of x [world, n]. It may be row `rank` of x; the rest of x is overwritten.
status dist_reduce_scatter(dist *d, dist_memory at, float *x, float *slice, size_t n);
// all [world, bytes] gets every rank's `mine` [bytes], which may be row `rank` of it.
status dist_all_gather(dist *d, dist_memory at, const void *mine, void *all, size_t bytes);
// x [bytes] of rank `root` goes to all.
status dist_broadcast(dist *d, dist_memory at, void *x, size_t bytes, int32_t root);

// Gradients that are finished together: a piece of the gradient arena, and where rows were written to (rows that nobody
// marked are zero on every rank, and need not be sent).
typedef struct dist_bucket {
  int32_t index;
  float *grad; // [n]
  size_t n;
  uint8_t *touched; // [rows] 1: a row was added to; NULL: the bucket is dense
  size_t rows;
} dist_bucket;

// The bucket's gradients are complete once what was launched so far has run: from then on they are summed over ranks in a
// queue beside that of the ops, which go on. Nothing else may read or write the bucket before dist_bucket_wait.
// `touched` becomes 1 where it is so on any rank.
status dist_bucket_ready(dist *d, dist_memory at, const dist_bucket *b);
// Ops that are launched from now on see the sum. The host need not wait.
status dist_bucket_wait(dist *d, dist_memory at, int32_t index);

#endif
