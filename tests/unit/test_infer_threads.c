// Sixteen threads on one bundle: the same answers as one thread, no data race (make TSAN=1 CC=clang), and
// memory that stays flat over many calls (SOUK_LONG=1: a million).
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/philox.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"
#include "souk/infer.h"

enum { THREADS = 16, ITEMS = 300, W = 17, QUERIES = 40, K = 5, HISTORY = 15, ROUNDS = 12, EXPLAINED = 6 };

static char dir[PATH_MAX];
static souk_bundle *b;
static souk_query queries[QUERIES];
static souk_history histories[QUERIES];
static int32_t events[QUERIES][HISTORY], types[QUERIES][HISTORY], candidates[20];

typedef struct answers {
  float u[QUERIES * W], scores[QUERIES * K], products[QUERIES * 20];
  int32_t items[QUERIES * K], counts[QUERIES], unknown[QUERIES];
  souk_explanation why[EXPLAINED][2];
  float shares[EXPLAINED][2 * HISTORY];
} answers;
static answers wanted;

static void ask(answers *a, int32_t threads) {
  const souk_rank_options o = {.threads = threads, .deny = candidates, .n_deny = 4};
  memset(a, 0, sizeof *a);
  assert_int_equal(souk_user_vectors(b, histories, QUERIES, threads, a->u, a->unknown, NULL), SOUK_OK);
  assert_int_equal(souk_score(b, a->u, QUERIES, candidates, 20, a->products, NULL), SOUK_OK);
  assert_int_equal(souk_rank(b, queries, QUERIES, K, &o, a->items, a->scores, a->counts, a->unknown, NULL),
                   SOUK_OK);
  for (int i = 0; i < EXPLAINED; i++) {
    const souk_explain_options how = {.threads = threads,
                                      .adapter = (i + 1) % 4,
                                      .method = i % 2 == 0 ? SOUK_WHY_LEAVE_ONE_OUT
                                                           : SOUK_WHY_INTEGRATED_GRADIENTS};
    assert_int_equal(souk_explain(b, &histories[i], candidates, 2, &how, a->why[i], a->shares[i], NULL),
                     SOUK_OK);
  }
}

static int open_all(void **state) {
  (void)state;
  tiny_directory(dir, sizeof dir);
  tiny_bundle(dir, 20, ITEMS, NULL);
  tiny_adapted_bundle(dir);
  b = tiny_open(dir);
  rng r = rng_at(3, 4, 0, 0);
  for (int i = 0; i < 20; i++) candidates[i] = i * 11;
  for (int i = 0; i < QUERIES; i++) {
    const int32_t n = (int32_t)rng_below(&r, HISTORY + 1);
    for (int j = 0; j < n; j++) {
      events[i][j] = (int32_t)rng_below(&r, ITEMS + 10) - 10;
      if (events[i][j] < 0) events[i][j] = -1;
      types[i][j] = (int32_t)rng_below(&r, 3);
    }
    histories[i] = (souk_history){.n = n, .items = events[i], .events = types[i]};
    queries[i] = (souk_query){.history = histories[i], .adapter = i % 7 % 4};
    if (i % 4 == 0) {
      queries[i].candidates = candidates;
      queries[i].n_candidates = 20;
    }
  }
  ask(&wanted, 1);
  return 0;
}

static int close_all(void **state) {
  (void)state;
  souk_close(b);
  tiny_remove(dir);
  return 0;
}

typedef struct worker {
  pthread_t id;
  int32_t number;
  int differences, errors;
} worker;

static void *work(void *arg) {
  worker *w = arg;
  answers *a = malloc(sizeof *a);
  if (a == NULL) abort();
  for (int32_t round = 0; round < ROUNDS; round++) {
    // Some of the threads start threads of their own; some ask badly and must not disturb the others.
    ask(a, w->number % 4 == 0 ? 3 : 1);
    w->differences += memcmp(a, &wanted, sizeof *a) != 0;
    souk_error e;
    const int32_t bad = ITEMS + w->number;
    const souk_history wrong = {.n = 1, .items = &bad};
    char said[64];
    snprintf(said, sizeof said, "histories[0].items[0] = %d is not", bad);
    w->errors += souk_user_vectors(b, &wrong, 1, 1, a->u, NULL, &e) == SOUK_ERR_ARGUMENT &&
                 strncmp(e.message, said, strlen(said)) == 0;
    souk_info info;
    souk_get_info(b, &info, NULL);
    w->differences += souk_find_item(b, souk_item_name(b, w->number)) != w->number;
  }
  free(a);
  return NULL;
}

static void sixteen_threads(void **state) {
  (void)state;
  static worker workers[THREADS];
  for (int32_t i = 0; i < THREADS; i++) {
    workers[i].number = i;
    assert_int_equal(pthread_create(&workers[i].id, NULL, work, &workers[i]), 0);
  }
  for (int32_t i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_join(workers[i].id, NULL), 0);
    assert_int_equal(workers[i].differences, 0);
    assert_int_equal(workers[i].errors, ROUNDS);
  }
}

// The address sanitizer keeps freed memory for a while and finds leaks by itself.
#if defined(__SANITIZE_ADDRESS__)
#define MEMORY_IS_TOLD 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEMORY_IS_TOLD 0
#endif
#endif
#ifndef MEMORY_IS_TOLD
#define MEMORY_IS_TOLD 1
#endif

// Pages that the process occupies, 0 where that is not known or says nothing.
static long resident_pages(void) {
  long size = 0, resident = 0;
  FILE *f = MEMORY_IS_TOLD ? fopen("/proc/self/statm", "re") : NULL;
  if (f == NULL) return 0;
  if (fscanf(f, "%ld %ld", &size, &resident) != 2) resident = 0;
  fclose(f);
  return resident;
}

static void flat_memory(void **state) {
  (void)state;
  const int calls = getenv("SOUK_LONG") != NULL ? 1000000 : 20000;
  float u[W];
  int32_t items[K], count, bad = -5;
  long before = 0;
  souk_error e;
  const souk_history wrong = {.n = 1, .items = &bad};
  for (int i = 0; i < calls; i++) {
    if (i == calls / 10) before = resident_pages();
    assert_int_equal(souk_user_vectors(b, &histories[i % QUERIES], 1, 1, u, NULL, &e), SOUK_OK);
    assert_int_equal(souk_rank(b, &queries[i % QUERIES], 1, K, NULL, items, NULL, &count, NULL, &e), SOUK_OK);
    if (i % 16 == 0) assert_int_equal(souk_user_vectors(b, &wrong, 1, 1, u, NULL, &e), SOUK_ERR_ARGUMENT);
  }
  const long grown = resident_pages() - before;
  print_message("# %d calls: %ld pages more\n", calls, grown);
  assert_true(grown * sysconf(_SC_PAGESIZE) < 1 << 20);
}

// Opening and closing gives everything back, also when opening fails at any of the files.
static void open_and_close(void **state) {
  (void)state;
  char path[PATH_MAX];
  long before = 0;
  check_ok(path_join(path, sizeof path, dir, "bundle"));
  for (int i = 0; i < 400; i++) {
    souk_bundle *again;
    if (i == 40) before = resident_pages();
    assert_int_equal(souk_open(&again, path, i % 2 == 0 ? 0 : SOUK_SKIP_CHECKSUMS, NULL), SOUK_OK);
    souk_close(again);
    assert_int_equal(souk_open(&again, dir, 0, NULL), SOUK_ERR_IO);
  }
  assert_true((resident_pages() - before) * sysconf(_SC_PAGESIZE) < 1 << 20);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(sixteen_threads), cmocka_unit_test(flat_memory),
                                     cmocka_unit_test(open_and_close)};
  return cmocka_run_group_tests(tests, open_all, close_all);
}
