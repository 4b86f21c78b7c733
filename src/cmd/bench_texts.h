// What the benchmarks of texts share: lines of a file, and the processor's time.
#ifndef SOUK_CMD_BENCH_TEXTS_H
#define SOUK_CMD_BENCH_TEXTS_H

#include <stddef.h>
#include "base/status.h"

typedef struct bench_texts {
  char *data;
  size_t bytes, n, cap;
  size_t *begins; // [n + 1]; a text ends in front of the line end before the next
} bench_texts;

// The lines of --input, at most 1 GiB and at least one.
status bench_texts_read(bench_texts *t, const char *path);
void bench_texts_free(bench_texts *t);

// Of this thread's processor, so that other jobs of the machine do not count.
double bench_seconds(void);

#endif
