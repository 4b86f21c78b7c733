// The inference library when memory runs out: for every N the Nth allocation fails, in opening and in each
// kind of call. It is always an error with a sentence, nothing is lost, and the bundle goes on answering. And how many
// threads a call starts.
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "lib/check.h"
#include "lib/copy_bundle.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"
#include "souk/infer.h"

// The sanitizers bring their own allocator, which cannot be replaced; they watch one round of calls instead.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define CAN_FAIL 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CAN_FAIL 0
#endif
#endif
#ifndef CAN_FAIL
#define CAN_FAIL 1
#endif

#if CAN_FAIL
static _Thread_local long countdown = -1; // allocations until one fails; negative: none does
static _Thread_local long refused, live;  // allocations that failed; blocks in use

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);
extern void __libc_free(void *p);

static bool fails_now(void) {
  if (countdown < 0 || countdown-- > 0) return false;
  refused++;
  errno = ENOMEM;
  return true;
}
static void *counted(void *p) {
  live += p != NULL;
  return p;
}
void *malloc(size_t bytes) {
  return fails_now() ? NULL : counted(__libc_malloc(bytes));
}
void *calloc(size_t count, size_t size) {
  return fails_now() ? NULL : counted(__libc_calloc(count, size));
}
void *realloc(void *p, size_t bytes) {
  if (fails_now()) return NULL;
  void *q = __libc_realloc(p, bytes);
  live += p == NULL && q != NULL;
  return q;
}
void *aligned_alloc(size_t alignment, size_t bytes) {
  return fails_now() ? NULL : counted(__libc_memalign(alignment, bytes));
}
void free(void *p) {
  live -= p != NULL;
  __libc_free(p);
}
#else
static long countdown, refused, live;
#endif

enum { ITEMS = 300, W = 17, K = 4 };
static char dir[PATH_MAX], path[PATH_MAX];
static char copy_dir[256], copy_path[300]; // of a bundle that writes copy

static int make_bundle(void **state) {
  (void)state;
  char data[PATH_MAX];
  dataset *d;
  const model_config writes = copy_bundle_config();
  tiny_directory(copy_dir, sizeof copy_dir);
  copy_bundle(copy_dir, copy_vocab(20), &writes, 6, 1);
  snprintf(copy_path, sizeof copy_path, "%s/bundle", copy_dir);
  tiny_directory(dir, sizeof dir);
  check_ok(path_join(data, sizeof data, dir, "data"));
  check_ok(path_join(path, sizeof path, dir, "bundle"));
  tiny_dataset(data, 10, ITEMS, 0);
  const char text[] = "{\"item\":\"item1\",\"title\":\"One\"}\n";
  tiny_list(data, "catalogue.jsonl", text, sizeof text - 1);
  check_ok(dataset_open(&d, data, false));
  model_config c = tiny_config();
  model *m = tiny_model(d, &c);
  tiny_export(dir, m, d);
  model_free(m);
  dataset_close(d);
  return 0;
}

static int remove_bundle(void **state) {
  (void)state;
  tiny_remove(dir);
  tiny_remove(copy_dir);
  return 0;
}

typedef souk_status (*one_call)(souk_bundle *b, souk_error *e);

static souk_status open_and_close(souk_bundle *b, souk_error *e) {
  souk_bundle *own;
  const souk_status rc = souk_open(&own, path, 0, e);
  if (rc != SOUK_OK) assert_null(own);
  souk_close(own);
  (void)b;
  return rc;
}

// Calls on a bundle of their own, so that no workspace is there yet.
static const int32_t history[] = {1, 2, 3}, few[] = {5, 6, 7, 8};
static souk_status user_vectors(souk_bundle *b, souk_error *e) {
  const souk_history h = {.n = 3, .items = history};
  float u[W];
  return souk_user_vectors(b, &h, 1, 1, u, NULL, e);
}
static souk_status rank_few(souk_bundle *b, souk_error *e) {
  const souk_query q = {.history = {.n = 3, .items = history}};
  const souk_rank_options o = {.allow = few, .n_allow = 4};
  int32_t items[K], count;
  return souk_rank(b, &q, 1, K, &o, items, NULL, &count, NULL, e);
}
static const int64_t offsets[] = {0, 2, 3};
static souk_status flat_user_vectors(souk_bundle *b, souk_error *e) {
  float u[2 * W];
  return souk_user_vectors_flat(b, offsets, history, NULL, 2, 1, u, NULL, e);
}
static souk_status rank_flat(souk_bundle *b, souk_error *e) {
  int32_t items[2 * K], counts[2];
  return souk_rank_flat(b, offsets, history, NULL, 2, K, NULL, items, NULL, counts, NULL, e);
}
// Opens a bundle, makes copy with a lexicon of the request's own, and a template, and closes all of it.
static souk_status write_copy(souk_bundle *b, souk_error *e) {
  static const char *const banned[] = {"best"};
  souk_promo_request requests[2] = {copy_request(), copy_request()};
  const souk_promo_options o = {.decode = SOUK_DECODE_BEAM, .coverage_penalty = 0.1};
  souk_bundle *own;
  souk_promo *p = NULL;
  (void)b;
  requests[0].banned = banned;
  requests[0].n_banned = 1;
  requests[1].terms.was = 1; // less than the price
  souk_status rc = souk_open(&own, copy_path, 0, e);
  if (rc == SOUK_OK) rc = souk_promo_write(own, requests, 2, &o, &p, e);
  if (rc != SOUK_OK) assert_null(p);
  souk_promo_free(p);
  souk_close(own);
  return rc;
}

static souk_status score(souk_bundle *b, souk_error *e) {
  const float u[W] = {1};
  float scores[4];
  return souk_score(b, u, 1, few, 4, scores, e);
}

static souk_status query_vectors(souk_bundle *b, souk_error *e) {
  const souk_query q = {.history = {.n = 3, .items = history}};
  float u[W];
  return souk_query_vectors(b, &q, 1, 1, u, NULL, e);
}
static souk_status explain(souk_bundle *b, int32_t method, souk_error *e) {
  const souk_history h = {.n = 3, .items = history};
  const souk_explain_options o = {.method = method};
  souk_explanation out[4];
  float shares[12];
  return souk_explain(b, &h, few, 4, &o, out, shares, e);
}
static souk_status leave_one_out(souk_bundle *b, souk_error *e) {
  return explain(b, SOUK_WHY_LEAVE_ONE_OUT, e);
}
static souk_status integrated_gradients(souk_bundle *b, souk_error *e) {
  return explain(b, SOUK_WHY_INTEGRATED_GRADIENTS, e);
}

static void every_allocation(void **state) {
  (void)state;
  static const struct {
    const char *name;
    one_call call;
    long least; // allocations there must be
  } calls[] = {{"open", open_and_close, 15},
               {"user vectors", user_vectors, 2},
               {"flat user vectors", flat_user_vectors, 2},
               {"rank", rank_few, 5},
               {"flat rank", rank_flat, 3},
               {"query vectors", query_vectors, 4},
               {"leave one out", leave_one_out, 8},
               {"integrated gradients", integrated_gradients, 15},
               {"score", score, 2},
               {"copy", write_copy, 40}};
  souk_error e;
  souk_bundle *b;
  open_and_close(NULL, &e); // what libc allocates once and keeps
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    long n = 0;
    for (bool done = false; !done; n++) { // without failures, one round is all
      assert_int_equal(souk_open(&b, path, 0, &e), SOUK_OK);
      const long before = live;
      countdown = n;
      refused = 0;
      const souk_status rc = calls[i].call(b, &e);
      countdown = -1;
      done = refused == 0;
      if (rc != (done ? SOUK_OK : SOUK_ERR_MEMORY) || (e.message[0] == '\0') != done)
        fail_msg("%s, allocation %ld: code %d, \"%s\"", calls[i].name, n, rc, e.message);
      if (!done && strstr(e.message, "out of memory") == NULL) fail_msg("%s: %s", calls[i].name, e.message);
      if (calls[i].call == open_and_close || calls[i].call == write_copy) assert_int_equal(live, before);
      assert_int_equal(calls[i].call(b, &e), SOUK_OK); // and now there is memory again
      souk_close(b);
      assert_true(n < 1000);
    }
    print_message("# %s: %ld allocations failed in turn\n", calls[i].name, n - 1);
    if (CAN_FAIL) assert_true(n - 1 >= calls[i].least);
  }
}

// ---- threads -------------------------------------------------------------------------------------------------

#if CAN_FAIL
static int started;
int pthread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*run)(void *), void *arg) {
  static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  void *found = dlsym(RTLD_NEXT, "pthread_create");
  memcpy(&real, &found, sizeof real);
  started++;
  return real(id, attributes, run, arg);
}
#else
static const int started = -1;
#endif

// A call for user vectors of n histories must start so many threads; under sanitizers it must only answer.
static void starts(souk_bundle *b, size_t n, int32_t threads, int wanted) {
  enum { MOST = 200 };
  static souk_history histories[MOST];
  static const int32_t items[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  static float u[MOST * W];
  const int before = started;
  for (size_t i = 0; i < n; i++) histories[i] = (souk_history){.n = 9, .items = items};
  assert_int_equal(souk_user_vectors(b, histories, n, threads, u, NULL, NULL), SOUK_OK);
  if (CAN_FAIL) assert_int_equal(started - before, wanted);
}

// A call divides what it has among the threads that it may use, where that is worth their start.
static void few_histories_and_many_threads(void **state) {
  (void)state;
  souk_bundle *b;
  assert_int_equal(souk_open(&b, path, 0, NULL), SOUK_OK);
  starts(b, 1, 4, 0);
  starts(b, 4, 4, 0);
  starts(b, 60, 2, 1);
  starts(b, 200, 3, 2);
  starts(b, 200, 1, 0);
  souk_close(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation),
                                     cmocka_unit_test(few_histories_and_many_threads)};
  return cmocka_run_group_tests(tests, make_bundle, remove_bundle);
}
