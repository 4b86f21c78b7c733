// Calls of dist.h go to the implementation's table.
#include "dist/dist.h"

#include "dist/dist_calls.h"

void dist_close(dist *d) {
  if (d != NULL) d->calls->close(d);
}

int32_t dist_rank(const dist *d) {
  return d->rank;
}

int32_t dist_world(const dist *d) {
  return d->world;
}

status dist_barrier(dist *d) {
  return d->calls->barrier(d);
}

status dist_sum(dist *d, double *x, size_t n) {
  return d->calls->sum(d, x, n);
}

status dist_any(dist *d, uint32_t *flags) {
  return d->calls->any(d, flags);
}

status dist_all_reduce(dist *d, dist_memory at, float *x, size_t n) {
  return d->calls->all_reduce(d, at, x, n);
}

status dist_reduce_scatter(dist *d, dist_memory at, float *x, float *slice, size_t n) {
  return d->calls->reduce_scatter(d, at, x, slice, n);
}

status dist_all_gather(dist *d, dist_memory at, const void *mine, void *all, size_t bytes) {
  return d->calls->all_gather(d, at, mine, all, bytes);
}

status dist_broadcast(dist *d, dist_memory at, void *x, size_t bytes, int32_t root) {
  return d->calls->broadcast(d, at, x, bytes, root);
}

status dist_bucket_ready(dist *d, dist_memory at, const dist_bucket *b) {
  return d->calls->bucket_ready(d, at, b);
}

status dist_bucket_wait(dist *d, dist_memory at, int32_t index) {
  return d->calls->bucket_wait(d, at, index);
}
