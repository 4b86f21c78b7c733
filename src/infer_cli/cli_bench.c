// souk-infer bench: how fast a bundle answers on this machine. The histories are random; each measurement is printed
// when it is done.
//
// A measurement takes about --seconds for any model: as many calls as fit, the first few being a warm-up if there are
// enough. The number of users of the large calls is halved until a call should fit, judged by the time for a single
// user; at least one call is made.
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "format/order.h"
#include "infer_cli/cli.h"
#include "format/processors.h"

enum { USERS = 512, CALLS_MAX = 20000, WARM_UP = 3 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct bench {
  const souk_bundle *b;
  const cli_options *o;
  souk_history histories[USERS];
  souk_query queries[USERS];
  int32_t *events;
  float *u, *scores;
  int32_t *items, counts[USERS];
  double seconds[CALLS_MAX];
  souk_error e;
} bench;

typedef enum question { USER_VECTOR, LIST } question;

// x->e keeps the first error.
static void call(bench *x, question what, size_t n) {
  const souk_rank_options options = {.threads = x->o->threads};
  if (x->e.code != SOUK_OK) return;
  if (what == USER_VECTOR)
    souk_user_vectors(x->b, x->histories, n, x->o->threads, x->u, NULL, &x->e);
  else
    souk_rank(x->b, x->queries, n, x->o->k, &options, x->items, x->scores, x->counts, NULL, &x->e);
}

// Measures calls for n users each, prints the line, and returns the median seconds of a call.
static double measure(bench *x, const char *name, question what, size_t n) {
  const double begin = now();
  size_t calls = 0;
  do {
    const double start = now();
    call(x, what, n);
    x->seconds[calls++] = now() - start;
  } while (x->e.code == SOUK_OK && calls < CALLS_MAX && now() - begin < x->o->seconds);
  if (x->e.code != SOUK_OK) return 0;
  const size_t skipped = calls > 2 * WARM_UP ? WARM_UP : 0;
  double *seconds = x->seconds + skipped;
  calls -= skipped;
  qsort(seconds, calls, sizeof *seconds, order_double);
  const double each = 1.0 / (double)n, median = seconds[calls / 2] * each, best = seconds[0] * each;
  printf("%-18s %6zu %9.4f %9.4f %10.0f %8zu\n", name, n, 1e3 * median, 1e3 * best, 1.0 / median, calls);
  fflush(stdout);
  return median * (double)n;
}

// How many users a call may have to take no longer than a measurement, if one user takes `single` seconds.
static size_t users_for(const bench *x, double single) {
  size_t n = USERS;
  while (n > 16 && (double)n * single > x->o->seconds) n /= 2;
  return n;
}

static void measure_all(bench *x, size_t W) {
  const double vector = measure(x, "user vector", USER_VECTOR, 1);
  const double list = measure(x, "list from history", LIST, 1);
  const size_t vectors = users_for(x, vector);
  measure(x, "user vector", USER_VECTOR, vectors);
  measure(x, "list from history", LIST, users_for(x, list));
  for (size_t i = 0; i < USERS; i++) x->queries[i].u = x->u + i % vectors * W;
  const double from_vector = measure(x, "list from vector", LIST, 1);
  measure(x, "list from vector", LIST, users_for(x, from_vector));
}

static void fill(bench *x, const souk_info *info, int32_t length) {
  uint64_t state = 1;
  for (size_t i = 0; i < (size_t)USERS * (size_t)length; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    x->events[i] = (int32_t)((state >> 33) % (uint64_t)info->items);
  }
  for (size_t i = 0; i < USERS; i++) {
    x->histories[i] = (souk_history){.n = length, .items = x->events + i * (size_t)length};
    x->queries[i] = (souk_query){.history = x->histories[i]};
  }
}

int command_bench(const cli_options *o, const souk_bundle *b) {
  souk_info info;
  if (o->copy) return bench_copies(o, b);
  souk_get_info(b, &info, NULL);
  if (must_rank(b) != 0) return EXIT_FAILED;
  const int32_t length = o->length > 0 ? o->length : info.max_history;
  const size_t W = (size_t)info.dimension, k = (size_t)o->k;
  bench *x = calloc(1, sizeof *x);
  if (x != NULL) {
    x->b = b;
    x->o = o;
    x->events = malloc((size_t)USERS * (size_t)(length + 1) * sizeof *x->events);
    x->u = malloc(USERS * W * sizeof *x->u);
    x->items = malloc(USERS * k * sizeof *x->items);
    x->scores = malloc(USERS * k * sizeof *x->scores);
  }
  const bool good = x != NULL && x->events != NULL && x->u != NULL && x->items != NULL && x->scores != NULL;
  int rc = good ? 0 : cli_fail(EXIT_FAILED, "out of memory: %d users", USERS);
  if (good) {
    fill(x, &info, length);
    printf("%d layers x %d, histories of %d, %d items, k %d, threads %d\n", info.layers, info.hidden, length,
           info.items, o->k, threads_wanted(o->threads));
    printf("%-18s %6s %9s %9s %10s %8s\n%-18s %6s %9s %9s %10s\n", "", "users", "ms a user", "ms a user",
           "users", "calls", "", "a call", "(median)", "(best)", "a second");
    fflush(stdout);
    measure_all(x, W);
    if (x->e.code != SOUK_OK) rc = cli_fail(EXIT_FAILED, "%s", x->e.message);
  }
  if (x != NULL) {
    free(x->events);
    free(x->u);
    free(x->items);
    free(x->scores);
  }
  free(x);
  return rc;
}
