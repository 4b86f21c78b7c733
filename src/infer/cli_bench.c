// souk-infer bench: how fast a bundle answers on this machine. Random histories; each figure is the best of
// several rounds after a warm-up.
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "infer/cli.h"

enum { USERS = 512, ROUNDS = 7 };

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
} bench;

// Seconds of one call for n users: their vectors, or whole lists, or lists from vectors that are there.
static double time_call(bench *x, int what, size_t n) {
  const souk_rank_options options = {.threads = x->o->threads};
  double best = 1e30;
  for (int round = 0; round < ROUNDS; round++) {
    const int repeats = n == 1 ? 64 : 1;
    const double start = now();
    for (int r = 0; r < repeats; r++) {
      if (what == 0)
        souk_user_vectors(x->b, x->histories, n, x->o->threads, x->u, NULL, NULL);
      else
        souk_rank(x->b, x->queries, n, x->o->k, &options, x->items, x->scores, x->counts, NULL, NULL);
    }
    const double seconds = (now() - start) / repeats;
    if (seconds < best && round > 0) best = seconds; // the first warms up
  }
  return best;
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
  souk_get_info(b, &info, NULL);
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
    const double one = time_call(x, 0, 1), many = time_call(x, 0, USERS);
    const double rank_one = time_call(x, 1, 1), rank_many = time_call(x, 1, USERS);
    for (size_t i = 0; i < USERS; i++) x->queries[i].u = x->u + i * W;
    const double list_one = time_call(x, 1, 1), list_many = time_call(x, 1, USERS);
    printf("%d layers x %d, histories of %d, %d items, k %d, threads %d\n", info.layers, info.hidden, length,
           info.items, o->k, o->threads);
    printf("user vector        one %9.4f ms   batch of %d %9.4f ms each %10.0f a second\n", 1e3 * one, USERS,
           1e3 * many / USERS, USERS / many);
    printf("list from vector   one %9.4f ms   batch of %d %9.4f ms each %10.0f a second\n", 1e3 * list_one,
           USERS, 1e3 * list_many / USERS, USERS / list_many);
    printf("list from history  one %9.4f ms   batch of %d %9.4f ms each %10.0f a second\n", 1e3 * rank_one,
           USERS, 1e3 * rank_many / USERS, USERS / rank_many);
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
