// What programs of other versions and other languages rely on: sizes of structures that are passed on, the version, the
// flat form of histories, and the memory that a bundle says it holds.
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"

enum { ITEMS = 300, W = 17, N = 150, K = 6 };

static char dir[PATH_MAX];
static souk_bundle *b;
static int64_t offsets[N + 1];
static int32_t events[4 * N], types[4 * N];
static souk_query queries[N];

typedef struct answers {
  int32_t items[N * K], counts[N], unknown[N];
  float scores[N * K];
} answers;
static answers wanted;

static int open_all(void **state) {
  (void)state;
  souk_error e;
  tiny_directory(dir, sizeof dir);
  tiny_bundle(dir, 20, ITEMS, NULL);
  b = tiny_open(dir);
  offsets[0] = 2; // what lies before belongs to nobody
  for (int32_t i = 0; i < N; i++) offsets[i + 1] = offsets[i] + i % 4;
  for (int32_t i = 0; i < 4 * N; i++) {
    events[i] = i % 9 == 0 ? -1 : i * 37 % ITEMS;
    types[i] = i % 3;
  }
  for (int32_t i = 0; i < N; i++)
    queries[i].history =
        (souk_history){.n = i % 4, .items = events + offsets[i], .events = types + offsets[i]};
  if (souk_rank(b, queries, N, K, NULL, wanted.items, wanted.scores, wanted.counts, wanted.unknown, &e) !=
      SOUK_OK)
    fail_msg("%s", e.message);
  return 0;
}

static int close_all(void **state) {
  (void)state;
  souk_close(b);
  tiny_remove(dir);
  return 0;
}

static void check_answers(const answers *a) {
  assert_memory_equal(a, &wanted, sizeof wanted);
}

// ---- versions ------------------------------------------------------------------------------------------------

static void header_and_library_say_one_version(void **state) {
  (void)state;
  char text[32];
  snprintf(text, sizeof text, "%d.%d.%d", SOUK_VERSION_MAJOR, SOUK_VERSION_MINOR, SOUK_VERSION_PATCH);
  assert_string_equal(text, souk_infer_version());
}

// What no function is told the size of. Where this must change, SOUK_INFER_ABI is raised: a program that was compiled
// before would pass on less than the library reads.
static void what_never_changes_its_size(void **state) {
  (void)state;
  assert_int_equal(SOUK_INFER_ABI, 1);
  assert_int_equal(sizeof(souk_error), 512);
  assert_int_equal(sizeof(souk_history), 7 * sizeof(void *));
  assert_int_equal(offsetof(souk_history, event_names), 4 * sizeof(void *));
  assert_int_equal(offsetof(souk_query, u), sizeof(souk_history));
}

// A program that was compiled when a query was `bytes` long; what lies behind in its memory is no field.
static void rank_as_of(size_t bytes, const souk_rank_options *options, size_t options_bytes) {
  static answers a;
  souk_error e;
  char *made = malloc(N * bytes);
  assert_non_null(made);
  memset(made, 0, N * bytes);
  for (size_t i = 0; i < N; i++)
    memcpy(made + i * bytes, &queries[i], bytes < sizeof queries[i] ? bytes : sizeof queries[i]);
  memset(&a, 0, sizeof a);
  if (souk_rank_sized(b, (const souk_query *)(const void *)made, bytes, N, K, options, options_bytes, a.items,
                      a.scores, a.counts, a.unknown, &e) != SOUK_OK)
    fail_msg("%zu bytes: %s", bytes, e.message);
  check_answers(&a);
  free(made);
}

static void programs_of_other_versions(void **state) {
  (void)state;
  static const souk_rank_options none;
  rank_as_of(sizeof(souk_history), NULL, 0); // before there were vectors, candidates and filters
  rank_as_of(offsetof(souk_query, deny), &none, sizeof none);
  rank_as_of(sizeof(souk_query), &none, offsetof(souk_rank_options, allow));
  rank_as_of(sizeof(souk_query) + 24, &none, sizeof none);
  // Behind short options lies other memory.
  struct {
    souk_rank_options known;
    int32_t later;
  } options = {
      .known = {.allow = &events[1], .n_allow = (size_t)-1, .deny = &events[1], .n_deny = (size_t)-1}};
  rank_as_of(sizeof(souk_query), &options.known, offsetof(souk_rank_options, allow));
  options.known = none;
  rank_as_of(sizeof(souk_query), &options.known, sizeof options);
}

static void fields_that_the_library_does_not_know(void **state) {
  (void)state;
  static answers a;
  struct {
    souk_query known;
    int64_t later[2];
  } made[3] = {{.later = {0}}};
  struct {
    souk_rank_options known;
    int64_t later;
  } options = {.later = 1};
#define RANK(bytes, options, options_bytes)                                                                  \
  souk_rank_sized(b, &made[0].known, bytes, 3, K, options, options_bytes, a.items, a.scores, a.counts, NULL, \
                  error)
  made[2].later[1] = 1;
  refuses(RANK(sizeof *made, NULL, 0), SOUK_ERR_ARGUMENT,
          "queries[2] has a field that this library, version ");
  made[2].later[1] = 0;
  refuses(RANK(sizeof *made, &options.known, sizeof options), SOUK_ERR_ARGUMENT,
          "options has a field that this library");
  refuses(RANK(sizeof *made, &options.known, 0), SOUK_ERR_ARGUMENT, "options_bytes is 0");
  refuses(RANK(0, NULL, 0), SOUK_ERR_ARGUMENT, "query_bytes = 0 is not the size of a souk_query");
  refuses(RANK(sizeof *made + 4, NULL, 0), SOUK_ERR_ARGUMENT, "is not the size of a souk_query");
  const souk_user later = {.reserved_pointers = {&a}}, other = {.reserved = 1};
  made[1].known.history.user = &later;
  refuses(RANK(sizeof *made, NULL, 0), SOUK_ERR_ARGUMENT, "queries[1].history has a field that this library");
  const souk_history history = {.user = &other};
  float u[W];
  refuses(souk_user_vectors(b, &history, 1, 1, u, NULL, error), SOUK_ERR_ARGUMENT,
          "histories[0].user.reserved = 1 is not 0");
#undef RANK
}

static void info_of_other_versions(void **state) {
  (void)state;
  souk_info whole, part;
  struct {
    souk_info known;
    char later[16];
  } more;
  memset(&part, 0x55, sizeof part);
  memset(&more, 0x55, sizeof more);
  assert_int_equal(souk_get_info(b, &whole, NULL), SOUK_OK);
  assert_int_equal(souk_get_info_sized(b, &part, offsetof(souk_info, hidden), NULL), SOUK_OK);
  assert_memory_equal(&part, &whole, offsetof(souk_info, hidden));
  for (size_t i = offsetof(souk_info, hidden); i < sizeof part; i++)
    assert_int_equal(((const char *)&part)[i], 0x55);
  assert_int_equal(souk_get_info_sized(b, &more.known, sizeof more, NULL), SOUK_OK);
  assert_int_equal(more.known.items, ITEMS);
  for (size_t i = 0; i < sizeof more.later; i++) assert_int_equal(more.later[i], 0);
  refuses(souk_get_info_sized(b, &whole, 0, error), SOUK_ERR_ARGUMENT, "info_bytes is 0");
}

// ---- flat arrays ---------------------------------------------------------------------------------------------

static void flat_histories_are_histories(void **state) {
  (void)state;
  static answers a;
  static float u[2][N * W];
  static int32_t unknown[2][N];
  souk_history histories[N];
  for (size_t i = 0; i < N; i++) histories[i] = queries[i].history;
  static const int32_t threads[] = {1, 3};
  for (size_t t = 0; t < 2; t++) {
    const souk_rank_options o = {.threads = threads[t]};
    memset(&a, 0, sizeof a);
    assert_int_equal(
        souk_rank_flat(b, offsets, events, types, N, K, &o, a.items, a.scores, a.counts, a.unknown, NULL),
        SOUK_OK);
    check_answers(&a);
    assert_int_equal(souk_user_vectors(b, histories, N, 1, u[0], unknown[0], NULL), SOUK_OK);
    assert_int_equal(souk_user_vectors_flat(b, offsets, events, types, N, threads[t], u[1], unknown[1], NULL),
                     SOUK_OK);
    assert_memory_equal(u[0], u[1], sizeof u[0]);
    assert_memory_equal(unknown[0], unknown[1], sizeof unknown[0]);
  }
  // Without event types all are "none"; without any event there need be no arrays.
  for (size_t i = 0; i < N; i++) histories[i].events = NULL;
  assert_int_equal(souk_user_vectors(b, histories, N, 1, u[0], NULL, NULL), SOUK_OK);
  assert_int_equal(souk_user_vectors_flat(b, offsets, events, NULL, N, 1, u[1], NULL, NULL), SOUK_OK);
  assert_memory_equal(u[0], u[1], sizeof u[0]);
  static const int64_t zeros[3];
  assert_int_equal(souk_user_vectors_flat(b, zeros, NULL, NULL, 2, 1, u[1], NULL, NULL), SOUK_OK);
  assert_int_equal(souk_user_vectors(b, &(souk_history){.n = 0}, 1, 1, u[0], NULL, NULL), SOUK_OK);
  assert_memory_equal(u[1], u[0], W * sizeof(float));
  assert_int_equal(souk_user_vectors_flat(b, NULL, NULL, NULL, 0, 1, NULL, NULL, NULL), SOUK_OK);
}

static void flat_arrays_that_make_no_histories(void **state) {
  (void)state;
  float u[3 * W];
  int32_t items[3 * K], counts[3];
  const struct {
    int64_t offsets[4];
    const int32_t *items, *events;
    const char *says;
  } cases[] = {
      {{-1, 0, 0, 0}, events, NULL, "offsets[0] = -1 is negative"},
      {{0, 3, 2, 4}, events, NULL, "offsets[2] = 2 is less than offsets[1] = 3"},
      {{0, 1, 1 + (1 << 25), 1 << 26}, events, NULL, "histories[1] has 33554432 events, more than 2^24"},
      {{0, 0, INT64_MAX, INT64_MAX}, events, NULL, "histories[1] has 9223372036854775807 events"},
      {{0, 1, 2, 3}, NULL, NULL, "items must not be NULL"},
      {{0, 1, 2, 3}, (const int32_t[]){0, 1, ITEMS}, NULL, "histor"},
      {{0, 1, 2, 3}, events, (const int32_t[]){0, 1, 9}, "events[0] = 9 is not an event type"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    refuses(
        souk_user_vectors_flat(b, cases[i].offsets, cases[i].items, cases[i].events, 3, 1, u, NULL, error),
        SOUK_ERR_ARGUMENT, cases[i].says);
    refuses(souk_rank_flat(b, cases[i].offsets, cases[i].items, cases[i].events, 3, K, NULL, items, NULL,
                           counts, NULL, error),
            SOUK_ERR_ARGUMENT, cases[i].says);
  }
  refuses(souk_user_vectors_flat(b, NULL, events, NULL, 3, 1, u, NULL, error), SOUK_ERR_ARGUMENT,
          "offsets must not be NULL");
}

// ---- memory --------------------------------------------------------------------------------------------------

static size_t memory_of(const souk_bundle *bundle) {
  souk_info info;
  assert_int_equal(souk_get_info(bundle, &info, NULL), SOUK_OK);
  return info.memory_bytes;
}

static void kept_workspaces_are_counted(void **state) {
  (void)state;
  static answers a;
  souk_bundle *own;
  own = tiny_open(dir);
  const size_t opened = memory_of(own);
  assert_int_equal(souk_rank(own, queries, N, K, NULL, a.items, a.scores, a.counts, NULL, NULL), SOUK_OK);
  const size_t used = memory_of(own);
  // At least the vectors and scores of the group, which one thread ranks together.
  assert_true(used >= opened + N * (2 * W + 128) * sizeof(float));
  assert_int_equal(souk_rank(own, queries, N, K, NULL, a.items, a.scores, a.counts, NULL, NULL), SOUK_OK);
  assert_int_equal(memory_of(own), used); // reused, not made again
  souk_close(own);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(header_and_library_say_one_version),
                                     cmocka_unit_test(what_never_changes_its_size),
                                     cmocka_unit_test(programs_of_other_versions),
                                     cmocka_unit_test(fields_that_the_library_does_not_know),
                                     cmocka_unit_test(info_of_other_versions),
                                     cmocka_unit_test(flat_histories_are_histories),
                                     cmocka_unit_test(flat_arrays_that_make_no_histories),
                                     cmocka_unit_test(kept_workspaces_are_counted)};
  return cmocka_run_group_tests(tests, open_all, close_all);
}
