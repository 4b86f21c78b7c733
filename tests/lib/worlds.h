// Worlds for tests: ranks that are threads of one process, with sums over their common memory; and a rank on its own that
// keeps a record of its calls.
#ifndef SOUK_TESTS_WORLDS_H
#define SOUK_TESTS_WORLDS_H

#include <stdio.h>
#include <stdlib.h>
#include "dist/dist_calls.h"

// ---- ranks as threads ----

// In such a thread: cmocka's checks belong to the main one.
#define must(condition)                                                                    \
  do {                                                                                     \
    if (!(condition)) {                                                                    \
      fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, fail_message()); \
      abort();                                                                             \
    }                                                                                      \
  } while (0)
#define must_be_ok(expr) must((expr) == OK)

// Calls work(self, d) in `world` threads, each with a rank of its own and host memory; returns when all are back. A thread
// that returns must have made the same calls as the others.
void world_run(int32_t world, void (*work)(void *self, dist *d), void *self);

// ---- a record ----

typedef enum call_kind { CALL_SUM, CALL_ANY, CALL_READY, CALL_WAIT, CALL_NOTE } call_kind;
typedef struct call {
  call_kind kind;
  int32_t value;      // bucket; number of sums; what was noted
  dist_bucket bucket; // CALL_READY
  float *copy;        // [bucket.n] its gradients then
} call;

enum { MAX_CALLS = 4096 };
typedef struct recorder {
  dist base;
  int32_t n;
  call calls[MAX_CALLS];
  int32_t
      changed; // buckets whose gradients were not those that they were reported with when they were waited for
} recorder;

void recorder_open(recorder *r); // a world of one
void recorder_note(recorder *r, int32_t value);
void recorder_clear(recorder *r); // forgets the calls

#endif
