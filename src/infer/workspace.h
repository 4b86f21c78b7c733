// Scratch memory for calls, kept between them, and threads for one call.
#ifndef SOUK_INFER_WORKSPACE_H
#define SOUK_INFER_WORKSPACE_H

#include "infer/bundle.h"

souk_status pool_new(workspace_pool **out, souk_error *e);
void pool_free(workspace_pool *p);    // NULL is safe; no workspace may be in use
size_t pool_bytes(workspace_pool *p); // of the workspaces that it keeps; those in use are not counted
// An idle workspace or a new one; NULL without memory. Given back with workspace_put.
workspace *workspace_get(workspace_pool *p);
void workspace_put(workspace_pool *p, workspace *w); // NULL is safe

// Makes room for `bytes` and frees the pieces that were taken before. Then takes pieces, 64-byte aligned and not
// zeroed; `bytes` must count area_size() for each.
souk_status area_reserve(area *a, size_t bytes, souk_error *e);
size_t area_size(size_t count, size_t size);
void *area_take(area *a, size_t count, size_t size);

// Runs work(arg) on the calling thread and threads - 1 others, and waits for all. `work` divides what there
// is to do by itself; fewer threads may come than asked for.
void run_threads(int32_t threads, void (*work)(void *arg), void *arg);

// Work on n things that threads divide among them, `take` at a time.
typedef struct share_job {
  const souk_bundle *b;
  size_t n, take;
  // Does things first .. first + n - 1, with a workspace of the thread's own.
  souk_status (*work)(void *arg, workspace *space, size_t first, size_t n, souk_error *e);
  void *arg;
} share_job;
// Runs it on up to `threads` threads; after an error no more is taken, and the first one is returned.
souk_status run_shares(const share_job *j, int32_t threads, souk_error *e);

#endif
