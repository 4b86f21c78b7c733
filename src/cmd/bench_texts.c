// Lines of a file for benchmarks; see bench_texts.h.
#include "cmd/bench_texts.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/file.h"
#include "base/memory.h"

enum { MOST_BYTES = 1 << 30 };

static status split(bench_texts *t) {
  for (size_t at = 0; at < t->bytes;) {
    const char *stop = memchr(t->data + at, '\n', t->bytes - at);
    TRY(mem_grow(&t->begins, &t->cap, t->n + 2, sizeof *t->begins, "texts"));
    t->begins[t->n++] = at;
    at = stop != NULL ? (size_t)(stop - t->data) + 1 : t->bytes + 1;
    t->begins[t->n] = at;
  }
  return t->n > 0 ? OK : fail(ERR_ARGUMENT, "--input holds no text");
}

status bench_texts_read(bench_texts *t, const char *path) {
  *t = (bench_texts){0};
  status rc = file_read(path, MOST_BYTES, &t->data, &t->bytes);
  if (rc == OK) rc = split(t);
  if (rc != OK) bench_texts_free(t);
  return rc;
}

void bench_texts_free(bench_texts *t) {
  free(t->begins);
  free(t->data);
  *t = (bench_texts){0};
}

double bench_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
