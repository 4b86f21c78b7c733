// souk-infer bench --copy: how fast a bundle writes promotion copy. Requests are random; each copy has 32 tokens, or as many as the
// model's may have, with and without the cache of keys and values, for one request a call and for sixteen.
#include <stdlib.h>
#include <time.h>
#include "format/order.h"
#include "format/processors.h"
#include "infer_cli/cli.h"

enum { COPY_TOKENS = 32, REQUESTS = 16, CALLS_MOST = 10000, COPY_ITEMS = 8 };

typedef struct bench_copy {
  const souk_bundle *b;
  const cli_options *o;
  souk_promo_request requests[REQUESTS];
  int32_t items[REQUESTS][COPY_ITEMS];
  double seconds[CALLS_MOST];
  int64_t tokens; // of a call
  souk_error e;
} bench_copy;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fill(bench_copy *x, const souk_info *info) {
  uint64_t state = 1;
  for (int i = 0; i < REQUESTS; i++) {
    for (int k = 0; k < COPY_ITEMS; k++) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      x->items[i][k] = info->items > 0 ? (int32_t)((state >> 33) % (uint64_t)info->items) : -1;
    }
    x->requests[i] = (souk_promo_request){.history = {.n = COPY_ITEMS, .items = x->items[i]},
                                          .item = x->items[i][0],
                                          .language = i % 2 == 0 ? "en" : "zh",
                                          .market = i % 2 == 0 ? "us" : "cn",
                                          .goal = "sales",
                                          .type = "discount",
                                          .terms = {.price = 199, .percent = 20},
                                          .min_tokens = COPY_TOKENS,
                                          .max_tokens = COPY_TOKENS};
  }
}

static souk_status write_copy(bench_copy *x, size_t n, int32_t no_cache) {
  const souk_promo_options options = {.threads = x->o->threads, .no_cache = no_cache};
  souk_promo *answers;
  const souk_status rc = souk_promo_write(x->b, x->requests, n, &options, &answers, &x->e);
  if (rc != SOUK_OK) return rc;
  x->tokens = 0;
  for (size_t i = 0; i < n; i++) {
    souk_copy c;
    souk_promo_get_copy(answers, i, 0, &c, NULL);
    x->tokens += c.tokens + 1; // the end is a step too
  }
  souk_promo_free(answers);
  return SOUK_OK;
}

// Measures calls of n requests and prints the line.
static void measure(bench_copy *x, const char *name, size_t n, int32_t no_cache) {
  const double begin = now();
  size_t calls = 0;
  if (x->e.code != SOUK_OK || write_copy(x, n, no_cache) != SOUK_OK) return; // warm-up
  do {
    const double start = now();
    if (write_copy(x, n, no_cache) != SOUK_OK) return;
    x->seconds[calls++] = now() - start;
  } while (calls < CALLS_MOST && now() - begin < x->o->seconds);
  qsort(x->seconds, calls, sizeof *x->seconds, order_double);
  const double median = x->seconds[calls / 2];
  printf("%-14s %8zu %10.3f %10.3f %12.0f %8zu\n", name, n, 1e3 * median, 1e3 * x->seconds[0],
         (double)x->tokens / median, calls);
  fflush(stdout);
}

int bench_copies(const cli_options *o, const souk_bundle *b) {
  souk_info info;
  souk_get_info(b, &info, NULL);
  if (info.has_copy == 0)
    return cli_fail(EXIT_FAILED,
                    "this bundle writes no copy: souk finetune --task promo makes a model that does");
  bench_copy *x = calloc(1, sizeof *x);
  if (x == NULL) return cli_fail(EXIT_FAILED, "out of memory: %d requests", REQUESTS);
  x->b = b;
  x->o = o;
  fill(x, &info);
  printf("%d layers x %d, greedy copy, threads %d\n", info.layers, info.hidden, threads_wanted(o->threads));
  printf("%-14s %8s %10s %10s %12s %8s\n%-14s %8s %10s %10s %12s\n", "", "requests", "ms a call", "ms a call",
         "tokens", "calls", "", "a call", "(median)", "(best)", "a second");
  measure(x, "cache", 1, 0);
  measure(x, "no cache", 1, 1);
  measure(x, "cache", REQUESTS, 0);
  measure(x, "no cache", REQUESTS, 1);
  const souk_error e = x->e;
  free(x);
  return e.code == SOUK_OK ? 0 : cli_fail(EXIT_FAILED, "%s", e.message);
}
