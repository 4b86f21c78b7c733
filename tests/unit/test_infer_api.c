// The inference library's functions: what they answer, against plain loops, and what they refuse: NULL, zero,
// negative, huge and misaligned arguments.
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "base/philox.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"
#include "souk/infer.h"

enum { ITEMS = 700, W = 17, QUERIES = 100, HISTORY = 12 };

static char dir[PATH_MAX], path[PATH_MAX + 64];
static souk_bundle *b;

static int open_all(void **state) {
  (void)state;
  tiny_directory(dir, sizeof dir);
  tiny_bundle(dir, 30, ITEMS, NULL);
  check_ok(path_join(path, sizeof path, dir, "bundle"));
  b = tiny_open(dir);
  return 0;
}

static int close_all(void **state) {
  (void)state;
  souk_close(b);
  tiny_remove(dir);
  return 0;
}

// ---- answers -------------------------------------------------------------------------------------------------

typedef struct question {
  souk_query query;
  int32_t items[HISTORY], events[HISTORY], candidates[64], deny[8];
} question;

static question *random_questions(size_t n) {
  question *q = calloc(n, sizeof *q);
  assert_non_null(q);
  for (uint32_t i = 0; i < n; i++) {
    rng r = rng_at(5, 9, i, 0);
    const int32_t length = (int32_t)rng_below(&r, HISTORY + 1);
    for (int32_t j = 0; j < HISTORY; j++) {
      q[i].items[j] = (int32_t)rng_below(&r, ITEMS + 30) - 30;
      if (q[i].items[j] < 0) q[i].items[j] = -1;
      q[i].events[j] = (int32_t)rng_below(&r, 3);
    }
    q[i].query.history = (souk_history){.n = length, .items = q[i].items, .events = q[i].events};
    if (i % 3 == 0) {
      for (int32_t j = 0; j < 64; j++)
        q[i].candidates[j] = (int32_t)rng_below(&r, ITEMS + 1) - 1; // repetitions too
      q[i].query.candidates = q[i].candidates;
      q[i].query.n_candidates = (size_t)rng_below(&r, 65);
    }
    if (i % 2 == 0) {
      for (int32_t j = 0; j < 8; j++) q[i].deny[j] = (int32_t)rng_below(&r, ITEMS + 1) - 1;
      q[i].query.deny = q[i].deny;
      q[i].query.n_deny = (size_t)rng_below(&r, 9);
    }
  }
  return q;
}

static bool among(const int32_t *list, size_t n, int32_t item) {
  for (size_t i = 0; i < n; i++)
    if (list[i] == item) return true;
  return false;
}

static bool may_be_listed(const souk_query *q, const souk_rank_options *o, int32_t item) {
  if (o->keep_history == 0 && among(q->history.items, (size_t)q->history.n, item)) return false;
  if (q->candidates != NULL && !among(q->candidates, q->n_candidates, item)) return false;
  if (o->allow != NULL && !among(o->allow, o->n_allow, item)) return false;
  return !among(q->deny, q->n_deny, item) && !among(o->deny, o->n_deny, item);
}

// The list that plain loops make of all scores: same items, same bits.
static void check_list(const souk_query *q, const souk_rank_options *o, const float *scores, int32_t k,
                       const int32_t *items, const float *list, int32_t count) {
  bool taken[ITEMS] = {false};
  for (int32_t place = 0; place < k; place++) {
    int32_t best = -1;
    for (int32_t i = 0; i < ITEMS; i++)
      if (!taken[i] && may_be_listed(q, o, i) && (best < 0 || scores[i] > scores[best])) best = i;
    if (best < 0) {
      assert_int_equal(count, place);
      return;
    }
    assert_true(place < count);
    assert_int_equal(items[place], best);
    assert_memory_equal(&list[place], &scores[best], sizeof(float));
    taken[best] = true;
  }
  assert_int_equal(count, k);
}

static void check_ranking(const souk_query *queries, size_t n, int32_t k, const souk_rank_options *o) {
  souk_error e;
  int32_t *items = malloc(n * (size_t)k * sizeof *items), *all = malloc(ITEMS * sizeof *all);
  float *list = malloc(n * (size_t)k * sizeof *list), *scores = malloc(ITEMS * sizeof *scores);
  int32_t counts[QUERIES], unknown[QUERIES];
  assert_true(items != NULL && all != NULL && list != NULL && scores != NULL);
  for (int32_t i = 0; i < ITEMS; i++) all[i] = i;
  if (souk_rank(b, queries, n, k, o, items, list, counts, unknown, &e) != SOUK_OK) fail_msg("%s", e.message);
  assert_string_equal(e.message, "");
  for (size_t i = 0; i < n; i++) {
    float u[W];
    int32_t missing = 0, wanted = 0;
    assert_int_equal(souk_user_vectors(b, &queries[i].history, 1, 1, u, &missing, &e), SOUK_OK);
    for (int32_t j = 0; j < queries[i].history.n; j++) wanted += queries[i].history.items[j] < 0;
    assert_int_equal(missing, wanted);
    assert_int_equal(unknown[i], wanted);
    assert_int_equal(souk_score(b, u, 1, all, ITEMS, scores, &e), SOUK_OK);
    check_list(&queries[i], o, scores, k, items + i * (size_t)k, list + i * (size_t)k, counts[i]);
  }
  free(items);
  free(all);
  free(list);
  free(scores);
}

static void lists_are_what_loops_find(void **state) {
  (void)state;
  question *q = random_questions(QUERIES);
  souk_query queries[QUERIES];
  int32_t few[40], many[600], deny[50];
  for (size_t i = 0; i < QUERIES; i++) queries[i] = q[i].query;
  for (int32_t i = 0; i < 40; i++) few[i] = i * 17 % ITEMS;
  for (int32_t i = 0; i < 600; i++) many[i] = i < 5 ? -1 : i;
  for (int32_t i = 0; i < 50; i++) deny[i] = i * 13 % ITEMS - 1;
  const souk_rank_options options[] = {
      {.threads = 1},
      {.threads = 3, .keep_history = 1},
      {.threads = 2, .allow = few, .n_allow = 40}, // becomes a table of its own
      {.threads = 1, .allow = many, .n_allow = 600, .deny = deny, .n_deny = 50},
      {.threads = -1, .deny = deny, .n_deny = 50},
      {.threads = 1, .allow = few, .n_allow = 0}}; // nothing is allowed
  static const int32_t ks[] = {1, 10, 699, 5000};
  for (size_t o = 0; o < sizeof options / sizeof *options; o++)
    check_ranking(queries, o == 0 ? QUERIES : 24, ks[o % 4], &options[o]);
  check_ranking(queries, 24, 700, &options[0]);
  free(q);
}

// The same bits alone, in a batch, and with any number of threads.
static void answers_do_not_depend_on_company(void **state) {
  (void)state;
  enum { K = 7 };
  question *q = random_questions(QUERIES);
  souk_query queries[QUERIES];
  souk_history histories[QUERIES];
  int32_t items[2][QUERIES * K], counts[2][QUERIES];
  float scores[2][QUERIES * K], u[2][QUERIES * W];
  for (size_t i = 0; i < QUERIES; i++) {
    queries[i] = q[i].query;
    histories[i] = q[i].query.history;
  }
  memset(items, 0, sizeof items);
  memset(scores, 0, sizeof scores);
  assert_int_equal(souk_user_vectors(b, histories, QUERIES, 1, u[0], NULL, NULL), SOUK_OK);
  assert_int_equal(souk_rank(b, queries, QUERIES, K, NULL, items[0], scores[0], counts[0], NULL, NULL),
                   SOUK_OK);
  static const int32_t threads[] = {2, 5, -1};
  for (size_t t = 0; t < 3; t++) {
    const souk_rank_options o = {.threads = threads[t]};
    memset(u[1], 0, sizeof u[1]);
    assert_int_equal(souk_user_vectors(b, histories, QUERIES, threads[t], u[1], NULL, NULL), SOUK_OK);
    assert_int_equal(souk_rank(b, queries, QUERIES, K, &o, items[1], scores[1], counts[1], NULL, NULL),
                     SOUK_OK);
    assert_memory_equal(u[0], u[1], sizeof u[0]);
    assert_memory_equal(items[0], items[1], sizeof items[0]);
    assert_memory_equal(scores[0], scores[1], sizeof scores[0]);
    assert_memory_equal(counts[0], counts[1], sizeof counts[0]);
  }
  for (size_t i = 0; i < QUERIES; i++) {
    souk_query vector = queries[i];
    float alone[W];
    assert_int_equal(souk_user_vectors(b, &histories[i], 1, 1, alone, NULL, NULL), SOUK_OK);
    assert_memory_equal(alone, u[0] + i * W, sizeof alone);
    for (int given = 0; given < 2; given++) { // from the history, and from the vector
      vector.u = given ? alone : NULL;
      assert_int_equal(souk_rank(b, &vector, 1, K, NULL, items[1], scores[1], counts[1], NULL, NULL),
                       SOUK_OK);
      assert_int_equal(counts[1][0], counts[0][i]);
      assert_memory_equal(items[1], items[0] + i * K, (size_t)counts[0][i] * sizeof(int32_t));
      assert_memory_equal(scores[1], scores[0] + i * K, (size_t)counts[0][i] * sizeof(float));
    }
  }
  free(q);
}

// A catalogue large enough to be divided among the threads of a single query, with ties.
static void a_divided_catalogue(void **state) {
  (void)state;
  enum { LARGE = 60000, K = 25 };
  char own[PATH_MAX], data[PATH_MAX], bundle[PATH_MAX];
  dataset *d;
  souk_bundle *large;
  souk_error e;
  tiny_directory(own, sizeof own);
  check_ok(path_join(data, sizeof data, own, "data"));
  check_ok(path_join(bundle, sizeof bundle, own, "bundle"));
  tiny_dataset(data, 3, LARGE, 0);
  check_ok(dataset_open(&d, data, false));
  model_config c = tiny_config();
  c.hidden = 40;
  c.layers = 1;
  model *m = tiny_model(d, &c);
  const param_set *s = model_params(m);
  float *word = param_master(s, param_find(s, "bert.embeddings.word_embeddings.weight"));
  float *bias = param_master(s, param_find(s, "cls.predictions.bias"));
  for (int32_t i = 0; i < LARGE; i++) { // equal items, in runs that come back all over the catalogue
    memcpy(word + (size_t)(5 + i) * 40, word + (size_t)(5 + i % 64) * 40, 40 * sizeof *word);
    bias[5 + i] = bias[5 + i % 64];
  }
  tiny_export(own, m, d);
  if (souk_open(&large, bundle, 0, &e) != SOUK_OK) fail_msg("%s", e.message);
  const int32_t history[] = {64, 4711, 12};
  const souk_query q[3] = {
      {.history = {.n = 3, .items = history}}, {.history = {.n = 1, .items = history}}, {.n_deny = 0}};
  int32_t items[2][3 * K], counts[2][3];
  float scores[2][3 * K];
  static const int32_t threads[] = {1, 4, 7};
  for (size_t t = 0; t < 3; t++) {
    const souk_rank_options o = {.threads = threads[t]};
    assert_int_equal(souk_rank(large, q, 3, K, &o, items[t > 0], scores[t > 0], counts[t > 0], NULL, &e),
                     SOUK_OK);
    if (t == 0) continue;
    assert_memory_equal(items[0], items[1], sizeof items[0]);
    assert_memory_equal(scores[0], scores[1], sizeof scores[0]);
  }
  for (int32_t i = 1; i < K; i++) // all K are of the best kind, by rising number
    assert_true(items[0][2 * K + i] > items[0][2 * K + i - 1] && !(scores[0][2 * K + i] < scores[0][2 * K]));
  float longest[41]; // a score that overflows in any thread's part is told
  for (size_t i = 0; i < 41; i++) longest[i] = 3e38f;
  const souk_query overflowing[2] = {q[0], {.u = longest}};
  for (size_t t = 0; t < 3; t++) {
    const souk_rank_options o = {.threads = threads[t]};
    assert_int_equal(souk_rank(large, overflowing, 2, K, &o, items[1], scores[1], counts[1], NULL, &e),
                     SOUK_ERR_NONFINITE);
    if (strstr(e.message, "queries[1]: the score of item") == NULL) fail_msg("%s", e.message);
  }
  souk_close(large);
  model_free(m);
  dataset_close(d);
  tiny_remove(own);
}

static void names_and_events(void **state) {
  (void)state;
  souk_info info;
  souk_error e;
  assert_int_equal(souk_get_info(b, &info, &e), SOUK_OK);
  assert_int_equal(info.items, ITEMS);
  assert_int_equal(info.dimension, W);
  assert_int_equal(info.max_history, 9);
  assert_int_equal(info.event_types, 3);
  assert_int_equal(info.training_step, 7);
  assert_string_equal(info.data_name, "tiny");
  assert_true(info.memory_bytes > ITEMS * W * 4 && info.mapped_bytes > ITEMS * W * 4);
  assert_int_equal(souk_find_item(b, "item0"), 0);
  assert_int_equal(souk_find_item(b, "item699"), 699);
  assert_int_equal(souk_find_item(b, "item700"), -1);
  assert_int_equal(souk_find_item(b, "[MASK]"), -1);
  assert_int_equal(souk_find_item(b, ""), -1);
  for (int32_t i = 0; i < ITEMS; i++) assert_int_equal(souk_find_item(b, souk_item_name(b, i)), i);
  assert_int_equal(souk_item_count(b, 0), 202); // all events of the train parts of thirty histories
  assert_int_equal(souk_find_event(b, "buy"), 2);
  assert_int_equal(souk_find_event(b, "sell"), -1);
  assert_string_equal(souk_event_name(b, 0), "none");

  // By number and by name, with and without event types.
  const int32_t items[] = {3, -1, 44, 5}, events[] = {0, 1, 2, 0}, zeros[4] = {0};
  const char *const names[] = {"item3", "who", "item44", "item5"}, *const event_names[] = {"none", "view",
                                                                                           "buy", NULL};
  const souk_history histories[] = {{.n = 4, .items = items, .events = events},
                                    {.n = 4, .names = names, .event_names = event_names},
                                    {.n = 4, .names = names, .events = zeros},
                                    {.n = 4, .items = items}};
  float u[4][W];
  int32_t unknown[4];
  assert_int_equal(souk_user_vectors(b, histories, 4, 1, u[0], unknown, &e), SOUK_OK);
  assert_memory_equal(u[0], u[1], sizeof u[0]);
  assert_memory_equal(u[2], u[3], sizeof u[0]);
  assert_memory_not_equal(u[0], u[2], sizeof u[0]);
  for (int i = 0; i < 4; i++) assert_int_equal(unknown[i], 1);
}

// Only the newest max_history known events are read, but all of them are filtered out.
static void long_histories(void **state) {
  (void)state;
  enum { LONG = 3000 };
  int32_t *items = malloc(LONG * sizeof *items), listed[ITEMS], count;
  float a[W], c[W];
  assert_non_null(items);
  for (int32_t i = 0; i < LONG; i++)
    items[i] = i < LONG - 20 ? i % (ITEMS - 1) : i % 2 == 0 ? -1 : i % (ITEMS - 1);
  int32_t known[9], n = 0;
  for (int32_t i = LONG - 1; n < 9; i--)
    if (items[i] >= 0) known[8 - n++] = items[i];
  const souk_history whole = {.n = LONG, .items = items}, newest = {.n = 9, .items = known};
  assert_int_equal(souk_user_vectors(b, &whole, 1, 1, a, NULL, NULL), SOUK_OK);
  assert_int_equal(souk_user_vectors(b, &newest, 1, 1, c, NULL, NULL), SOUK_OK);
  assert_memory_equal(a, c, sizeof a);
  const souk_query q = {.history = whole};
  assert_int_equal(souk_rank(b, &q, 1, ITEMS, NULL, listed, NULL, &count, NULL, NULL), SOUK_OK);
  assert_int_equal(count, 1); // the one item that the history lacks
  assert_int_equal(listed[0], ITEMS - 1);
  free(items);
}

// ---- refusals ------------------------------------------------------------------------------------------------

#define MISALIGNED(type, p) ((type)(void *)((char *)(uintptr_t)(p) + 1))

static void opening(void **state) {
  (void)state;
  souk_bundle *out = b;
  const char *file = "/dev/null";
  refuses(souk_open(NULL, path, 0, error), SOUK_ERR_ARGUMENT, "out must not be NULL");
  refuses(souk_open(MISALIGNED(souk_bundle **, &out), path, 0, error), SOUK_ERR_ARGUMENT,
          "out is not aligned");
  refuses(souk_open(&out, NULL, 0, error), SOUK_ERR_ARGUMENT, "dir must not be NULL");
  assert_null(out);
  refuses(souk_open(&out, "", 0, error), SOUK_ERR_ARGUMENT, "dir is empty");
  refuses(souk_open(&out, path, 2, error), SOUK_ERR_ARGUMENT, "flags = 0x2");
  refuses(souk_open(&out, path, UINT32_MAX, error), SOUK_ERR_ARGUMENT, "flags");
  refuses(souk_open(&out, "/no/such/bundle", 0, error), SOUK_ERR_IO, "/no/such/bundle");
  refuses(souk_open(&out, file, 0, error), SOUK_ERR_IO, "/dev/null");
  refuses(souk_open(&out, dir, 0, error), SOUK_ERR_IO, "souk.json");
  char *huge = malloc(100000);
  assert_non_null(huge);
  memset(huge, 'x', 99999);
  huge[99999] = '\0';
  refuses(souk_open(&out, huge, 0, error), SOUK_ERR_ARGUMENT, "too long");
  free(huge);
  souk_error e;
  assert_int_equal(souk_open(&out, path, 0, MISALIGNED(souk_error *, &e)), SOUK_ERR_ARGUMENT);
  souk_close(NULL);
  souk_close(MISALIGNED(souk_bundle *, b)); // what is no bundle is left alone
  uint64_t other[64] = {0};
  souk_close((souk_bundle *)(void *)other);
  assert_string_equal(souk_status_text(SOUK_ERR_MEMORY), "out of memory");
  assert_string_equal(souk_status_text((souk_status)-1), "unknown status");
  assert_string_equal(souk_status_text((souk_status)4711), "unknown status");
  assert_true(strlen(souk_infer_version()) >= 5);
}

static void no_bundle(void **state) {
  (void)state;
  // NULL, something else, misaligned: every function says so.
  uint64_t *other;
  check_ok(mem_new(&other, 4096, 1, "a block"));
  const souk_bundle *const wrong[] = {NULL, (const souk_bundle *)(void *)other,
                                      MISALIGNED(const souk_bundle *, b)};
  float x[W] = {0};
  int32_t i[W] = {0}, count;
  souk_info info;
  size_t bytes;
  const souk_history history = {.n = 0};
  const souk_query query = {.n_deny = 0};
  for (size_t w = 0; w < 3; w++) {
    const souk_bundle *no = wrong[w];
    refuses(souk_get_info(no, &info, error), SOUK_ERR_ARGUMENT, "not an open bundle");
    refuses(souk_user_vectors(no, &history, 1, 1, x, i, error), SOUK_ERR_ARGUMENT, "not an open bundle");
    refuses(souk_item_vectors(no, 0, 1, x, error), SOUK_ERR_ARGUMENT, "not an open bundle");
    refuses(souk_adapted_item_vectors(no, 0, 0, 1, x, error), SOUK_ERR_ARGUMENT, "not an open bundle");
    refuses(souk_score(no, x, 1, i, 1, x, error), SOUK_ERR_ARGUMENT, "not an open bundle");
    refuses(souk_rank(no, &query, 1, 1, NULL, i, x, &count, i, error), SOUK_ERR_ARGUMENT,
            "not an open bundle");
    assert_int_equal(souk_find_item(no, "item1"), -1);
    assert_null(souk_item_name(no, 0));
    assert_int_equal(souk_item_count(no, 0), -1);
    assert_int_equal(souk_item_title(no, 0, NULL, 0), 0);
    assert_null(souk_item_record(no, 0, &bytes));
    assert_int_equal(souk_find_event(no, "none"), -1);
    assert_null(souk_event_name(no, 0));
  }
  free(other);
  souk_error *crooked = MISALIGNED(souk_error *, &info);
  assert_int_equal(souk_user_vectors(b, &history, 1, 1, x, i, crooked), SOUK_ERR_ARGUMENT);
  assert_int_equal(souk_item_vectors(b, 0, 1, x, crooked), SOUK_ERR_ARGUMENT);
  assert_int_equal(souk_score(b, x, 1, i, 1, x, crooked), SOUK_ERR_ARGUMENT);
  assert_int_equal(souk_rank(b, &query, 1, 1, NULL, i, x, &count, i, crooked), SOUK_ERR_ARGUMENT);
}

static void names_out_of_range(void **state) {
  (void)state;
  static const int32_t none[] = {-1, INT32_MIN, ITEMS, INT32_MAX};
  char buf[4] = "abc";
  size_t bytes = 5;
  for (size_t i = 0; i < 4; i++) {
    assert_null(souk_item_name(b, none[i]));
    assert_int_equal(souk_item_count(b, none[i]), -1);
    assert_int_equal(souk_item_title(b, none[i], buf, sizeof buf), 0);
    assert_string_equal(buf, "");
    assert_null(souk_item_record(b, none[i], &bytes));
    assert_int_equal(bytes, 0);
    assert_null(souk_event_name(b, none[i]));
  }
  assert_null(souk_item_record(b, 0, NULL));
  assert_null(souk_item_record(b, 0, MISALIGNED(size_t *, &bytes)));
  assert_int_equal(souk_item_title(b, 0, NULL, 100), 0);
  assert_int_equal(souk_item_title(b, 0, buf, SIZE_MAX), 0); // it believes what the caller says of buf
  assert_string_equal(buf, "");
  assert_int_equal(souk_find_item(b, NULL), -1);
  assert_int_equal(souk_find_event(b, NULL), -1);
}

static void user_vector_arguments(void **state) {
  (void)state;
  float u[2 * W];
  int32_t unknown[2];
  int32_t items[] = {1, 2, ITEMS}, negative[] = {1, -2}, events[] = {0, 3}, minus[] = {0, -1};
  const char *const names[] = {"item1", NULL}, *const event_names[] = {"view", "vieww"};
  souk_info info;
  souk_history h[2] = {{.n = 0}, {.n = 0}};
  refuses(souk_get_info(b, NULL, error), SOUK_ERR_ARGUMENT, "info must not be NULL");
  refuses(souk_get_info(b, MISALIGNED(souk_info *, &info), error), SOUK_ERR_ARGUMENT, "info is not aligned");
  assert_int_equal(souk_get_info(b, &info, MISALIGNED(souk_error *, &info)), SOUK_ERR_ARGUMENT);
#define USERS(histories, n, threads, to, missing) \
  souk_user_vectors(b, histories, n, threads, to, missing, error)
  refuses(USERS(NULL, 1, 1, u, unknown), SOUK_ERR_ARGUMENT, "histories must not be NULL");
  refuses(USERS(MISALIGNED(souk_history *, h), 1, 1, u, unknown), SOUK_ERR_ARGUMENT,
          "histories is not aligned");
  refuses(USERS(h, 1, 1, NULL, unknown), SOUK_ERR_ARGUMENT, "u must not be NULL");
  refuses(USERS(h, 1, 1, MISALIGNED(float *, u), unknown), SOUK_ERR_ARGUMENT, "u is not aligned");
  refuses(USERS(h, 1, 1, u, MISALIGNED(int32_t *, unknown)), SOUK_ERR_ARGUMENT, "unknown is not aligned");
  refuses(USERS(h, SIZE_MAX, 1, u, unknown), SOUK_ERR_ARGUMENT, "more than 2^31 - 1");
  refuses(USERS(h, (size_t)1 << 31, 1, u, unknown), SOUK_ERR_ARGUMENT, "more than 2^31 - 1");
  refuses(USERS(h, 1, -2, u, unknown), SOUK_ERR_ARGUMENT, "threads = -2");
  refuses(USERS(h, 1, INT32_MAX, u, unknown), SOUK_ERR_ARGUMENT, "threads = 2147483647");
  h[1] = (souk_history){.n = -1};
  refuses(USERS(h, 2, 1, u, unknown), SOUK_ERR_ARGUMENT, "histories[1].n = -1");
  h[1] = (souk_history){.n = INT32_MAX, .items = items};
  refuses(USERS(h, 2, 1, u, unknown), SOUK_ERR_ARGUMENT, "histories[1].n = 2147483647");
  h[1] = (souk_history){.n = 1};
  refuses(USERS(h, 2, 1, u, unknown), SOUK_ERR_ARGUMENT,
          "histories[1]: items and names must not both be NULL");
  h[1] = (souk_history){.n = 1, .items = items, .names = names};
  refuses(USERS(h, 2, 1, u, unknown), SOUK_ERR_ARGUMENT, "items and names must not both be set");
  h[1] = (souk_history){.n = 1, .items = items, .events = events, .event_names = event_names};
  refuses(USERS(h, 2, 1, u, unknown), SOUK_ERR_ARGUMENT, "events and event_names must not both be set");
  h[1] = (souk_history){.n = 3, .items = items};
  refuses(USERS(h, 2, 1, u, unknown), SOUK_ERR_ARGUMENT, "histories[1].items[2] = 700");
  h[1] = (souk_history){.n = 2, .items = negative};
  refuses(USERS(h, 2, 1, u, unknown), SOUK_ERR_ARGUMENT, "histories[1].items[1] = -2");
  h[1] = (souk_history){.n = 2, .items = items, .events = events};
  refuses(USERS(h, 2, 1, u, unknown), SOUK_ERR_ARGUMENT, "histories[1].events[1] = 3");
  h[1] = (souk_history){.n = 2, .items = items, .events = minus};
  refuses(USERS(h, 2, 1, u, unknown), SOUK_ERR_ARGUMENT, "histories[1].events[1] = -1");
  h[1] = (souk_history){.n = 2, .names = names};
  refuses(USERS(h, 2, 1, u, unknown), SOUK_ERR_ARGUMENT, "histories[1].names[1] must not be NULL");
  h[1] = (souk_history){.n = 2, .items = items, .event_names = event_names};
  refuses(USERS(h, 2, 1, u, unknown), SOUK_ERR_ARGUMENT, "no event type \"vieww\"; known: none, view, buy");
  const souk_history crooked[] = {
      {.n = 1, .items = MISALIGNED(int32_t *, items)},
      {.n = 1, .names = MISALIGNED(const char *const *, names)},
      {.n = 1, .items = items, .events = MISALIGNED(int32_t *, events)},
      {.n = 1, .items = items, .event_names = MISALIGNED(const char *const *, event_names)}};
  for (size_t i = 0; i < 4; i++) {
    h[1] = crooked[i];
    refuses(USERS(h, 2, 1, u, unknown), SOUK_ERR_ARGUMENT, "histories[1]: a pointer is not aligned");
  }
  assert_int_equal(souk_user_vectors(b, NULL, 0, 0, NULL, NULL, NULL), SOUK_OK);
  h[0] = h[1] = (souk_history){.n = 0};
  assert_int_equal(souk_user_vectors(b, h, 2, 1024, u, NULL, NULL), SOUK_OK);
  assert_memory_equal(u, u + W, sizeof(float) * W);
}

static void item_and_score_arguments(void **state) {
  (void)state;
  float v[2 * W] = {0}, u[2 * W] = {0}, scores[4];
  int32_t items[] = {0, 1, -1, ITEMS};
  refuses(souk_item_vectors(b, -1, 1, v, error), SOUK_ERR_ARGUMENT, "items -1 to -1");
  refuses(souk_adapted_item_vectors(b, -1, 0, 1, v, error), SOUK_ERR_ARGUMENT, "adapter = -1 is not");
  refuses(souk_adapted_item_vectors(b, 1, 0, 1, v, error), SOUK_ERR_ARGUMENT, "adapter = 1 is not");
  refuses(souk_adapted_item_vectors(b, INT32_MAX, 0, 1, v, error), SOUK_ERR_ARGUMENT, "from 0 to 0");
  refuses(souk_adapted_score(b, 1, u, 1, items, 2, scores, error), SOUK_ERR_ARGUMENT, "adapter = 1 is not");
  refuses(souk_adapted_score(b, 0, NULL, 1, items, 2, scores, error), SOUK_ERR_ARGUMENT,
          "u must not be NULL");
  refuses(souk_adapted_item_vectors(b, 0, 699, 2, v, error), SOUK_ERR_ARGUMENT, "items 699 to 700");
  refuses(souk_adapted_item_vectors(b, 0, 0, 1, NULL, error), SOUK_ERR_ARGUMENT, "v must not be NULL");
  refuses(souk_item_vectors(b, 0, -1, v, error), SOUK_ERR_ARGUMENT, "not among the bundle's 700");
  refuses(souk_item_vectors(b, 699, 2, v, error), SOUK_ERR_ARGUMENT, "items 699 to 700");
  refuses(souk_item_vectors(b, INT32_MAX, INT32_MAX, v, error), SOUK_ERR_ARGUMENT,
          "items 2147483647 to 4294967293");
  refuses(souk_item_vectors(b, INT32_MIN, INT32_MIN, v, error), SOUK_ERR_ARGUMENT, "not among");
  refuses(souk_item_vectors(b, 0, 1, NULL, error), SOUK_ERR_ARGUMENT, "v must not be NULL");
  refuses(souk_item_vectors(b, 0, 1, MISALIGNED(float *, v), error), SOUK_ERR_ARGUMENT, "v is not aligned");
  assert_int_equal(souk_item_vectors(b, ITEMS, 0, NULL, NULL), SOUK_OK);
#define SCORE(from, n, list, m, to) souk_score(b, from, n, list, m, to, error)
  refuses(SCORE(NULL, 1, items, 2, scores), SOUK_ERR_ARGUMENT, "u must not be NULL");
  refuses(SCORE(MISALIGNED(float *, u), 1, items, 2, scores), SOUK_ERR_ARGUMENT, "u is not aligned");
  refuses(SCORE(u, 1, NULL, 2, scores), SOUK_ERR_ARGUMENT, "items must not be NULL");
  refuses(SCORE(u, 1, MISALIGNED(int32_t *, items), 2, scores), SOUK_ERR_ARGUMENT, "items is not aligned");
  refuses(SCORE(u, 1, items, 2, NULL), SOUK_ERR_ARGUMENT, "scores must not be NULL");
  refuses(SCORE(u, 1, items, 2, MISALIGNED(float *, scores)), SOUK_ERR_ARGUMENT, "scores is not aligned");
  refuses(SCORE(u, 1, items, 3, scores), SOUK_ERR_ARGUMENT, "items[2] = -1");
  refuses(SCORE(u, 1, items + 3, 1, scores), SOUK_ERR_ARGUMENT, "items[0] = 700");
  refuses(SCORE(u, SIZE_MAX, items, 2, scores), SOUK_ERR_ARGUMENT, "more than 2^31 - 1");
  refuses(SCORE(u, 1, items, SIZE_MAX, scores), SOUK_ERR_ARGUMENT, "more than 2^31 - 1");
  u[W + 3] = NAN;
  refuses(SCORE(u, 2, items, 2, scores), SOUK_ERR_NONFINITE, "u[20]");
  u[W + 3] = -INFINITY;
  refuses(SCORE(u, 2, items, 2, scores), SOUK_ERR_NONFINITE, "u[20]");
  assert_int_equal(souk_score(b, NULL, 0, items, 2, NULL, NULL), SOUK_OK);
  assert_int_equal(souk_score(b, u, 1, NULL, 0, NULL, NULL), SOUK_OK);
}

static void rank_arguments(void **state) {
  (void)state;
  int32_t items[4] = {0}, counts[2], unknown[2], bad[] = {5, ITEMS}, worse[] = {-2};
  float scores[4], u[W] = {0};
  souk_query q[2] = {{.n_deny = 0}, {.n_deny = 0}};
#define RANK(queries, n, k, o) souk_rank(b, queries, n, k, o, items, scores, counts, unknown, error)
  refuses(RANK(NULL, 1, 1, NULL), SOUK_ERR_ARGUMENT, "queries must not be NULL");
  refuses(RANK(MISALIGNED(souk_query *, q), 1, 1, NULL), SOUK_ERR_ARGUMENT, "queries is not aligned");
  refuses(RANK(q, SIZE_MAX, 1, NULL), SOUK_ERR_ARGUMENT, "more than 2^31 - 1");
  refuses(RANK(q, 1, 0, NULL), SOUK_ERR_ARGUMENT, "k = 0");
  refuses(RANK(q, 1, INT32_MIN, NULL), SOUK_ERR_ARGUMENT, "k = -2147483648");
  souk_rank_options o = {.threads = -2};
  refuses(RANK(q, 1, 1, &o), SOUK_ERR_ARGUMENT, "threads = -2");
  refuses(RANK(q, 1, 1, MISALIGNED(souk_rank_options *, &o)), SOUK_ERR_ARGUMENT, "options is not aligned");
  o = (souk_rank_options){.keep_history = 2};
  refuses(RANK(q, 1, 1, &o), SOUK_ERR_ARGUMENT, "keep_history = 2");
  o = (souk_rank_options){.n_allow = 1};
  refuses(RANK(q, 1, 1, &o), SOUK_ERR_ARGUMENT, "options.allow must not be NULL");
  o = (souk_rank_options){.allow = bad, .n_allow = 2};
  refuses(RANK(q, 1, 1, &o), SOUK_ERR_ARGUMENT, "options.allow[1] = 700");
  o = (souk_rank_options){.allow = bad, .n_allow = SIZE_MAX};
  refuses(RANK(q, 1, 1, &o), SOUK_ERR_ARGUMENT, "options.allow has 18446744073709551615 elements");
  o = (souk_rank_options){.deny = worse, .n_deny = 1};
  refuses(RANK(q, 1, 1, &o), SOUK_ERR_ARGUMENT, "options.deny[0] = -2");
  o = (souk_rank_options){.deny = MISALIGNED(int32_t *, worse), .n_deny = 1};
  refuses(RANK(q, 1, 1, &o), SOUK_ERR_ARGUMENT, "options.deny is not aligned");
  refuses(souk_rank(b, q, 1, 1, NULL, NULL, scores, counts, unknown, error), SOUK_ERR_ARGUMENT,
          "items must not be NULL");
  refuses(souk_rank(b, q, 1, 1, NULL, items, scores, NULL, unknown, error), SOUK_ERR_ARGUMENT,
          "counts must not be NULL");
  refuses(souk_rank(b, q, 1, 1, NULL, MISALIGNED(int32_t *, items), scores, counts, unknown, error),
          SOUK_ERR_ARGUMENT, "items is not aligned");
  refuses(souk_rank(b, q, 1, 1, NULL, items, MISALIGNED(float *, scores), counts, unknown, error),
          SOUK_ERR_ARGUMENT, "scores is not aligned");
  refuses(souk_rank(b, q, 1, 1, NULL, items, scores, MISALIGNED(int32_t *, counts), unknown, error),
          SOUK_ERR_ARGUMENT, "counts is not aligned");
  refuses(souk_rank(b, q, 1, 1, NULL, items, scores, counts, MISALIGNED(int32_t *, unknown), error),
          SOUK_ERR_ARGUMENT, "unknown is not aligned");
  q[1].history.n = -5;
  refuses(RANK(q, 2, 1, NULL), SOUK_ERR_ARGUMENT, "queries[1].history.n = -5");
  q[1] = (souk_query){.candidates = bad, .n_candidates = 2};
  refuses(RANK(q, 2, 1, NULL), SOUK_ERR_ARGUMENT, "queries[1].candidates[1] = 700");
  q[1] = (souk_query){.n_candidates = 2};
  refuses(RANK(q, 2, 1, NULL), SOUK_ERR_ARGUMENT, "queries[1].candidates must not be NULL");
  q[1] = (souk_query){.deny = worse, .n_deny = 1};
  refuses(RANK(q, 2, 1, NULL), SOUK_ERR_ARGUMENT, "queries[1].deny[0] = -2");
  q[1] = (souk_query){.u = MISALIGNED(float *, u)};
  refuses(RANK(q, 2, 1, NULL), SOUK_ERR_ARGUMENT, "queries[1].u is not aligned");
  q[1] = (souk_query){.candidates = bad, .n_candidates = SIZE_MAX};
  refuses(RANK(q, 2, 1, NULL), SOUK_ERR_ARGUMENT, "queries[1].candidates has 18446744073709551615 elements");
  q[1] = (souk_query){.candidates = MISALIGNED(int32_t *, bad), .n_candidates = 1};
  refuses(RANK(q, 2, 1, NULL), SOUK_ERR_ARGUMENT, "queries[1].candidates is not aligned");
  q[1] = (souk_query){.deny = bad, .n_deny = SIZE_MAX};
  refuses(RANK(q, 2, 1, NULL), SOUK_ERR_ARGUMENT, "queries[1].deny has 18446744073709551615 elements");
  q[1] = (souk_query){.deny = MISALIGNED(int32_t *, bad), .n_deny = 1};
  refuses(RANK(q, 2, 1, NULL), SOUK_ERR_ARGUMENT, "queries[1].deny is not aligned");
  q[1] = (souk_query){.n_deny = 1};
  refuses(RANK(q, 2, 1, NULL), SOUK_ERR_ARGUMENT, "queries[1].deny must not be NULL");
  o = (souk_rank_options){.n_deny = 1};
  refuses(RANK(q, 1, 1, &o), SOUK_ERR_ARGUMENT, "options.deny must not be NULL");
  o = (souk_rank_options){.allow = MISALIGNED(int32_t *, bad), .n_allow = 1};
  refuses(RANK(q, 1, 1, &o), SOUK_ERR_ARGUMENT, "options.allow is not aligned");
  o = (souk_rank_options){.threads = INT32_MAX};
  refuses(RANK(q, 1, 1, &o), SOUK_ERR_ARGUMENT, "threads = 2147483647");
  u[2] = NAN;
  q[1] = (souk_query){.u = u};
  refuses(RANK(q, 2, 1, NULL), SOUK_ERR_NONFINITE, "queries[1].u[2]");
  assert_int_equal(souk_rank(b, NULL, 0, 1, NULL, NULL, NULL, NULL, NULL, NULL), SOUK_OK);
  // A huge k with one query only touches what it finds; here a single candidate.
  const int32_t one = 6;
  q[0] = (souk_query){.candidates = &one, .n_candidates = 1};
  assert_int_equal(souk_rank(b, q, 1, INT32_MAX, NULL, items, scores, counts, NULL, NULL), SOUK_OK);
  assert_int_equal(counts[0], 1);
  assert_int_equal(items[0], 6);
  q[0].n_candidates = 0; // among none
  assert_int_equal(souk_rank(b, q, 1, 3, NULL, items, NULL, counts, NULL, NULL), SOUK_OK);
  assert_int_equal(counts[0], 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(lists_are_what_loops_find),
                                     cmocka_unit_test(answers_do_not_depend_on_company),
                                     cmocka_unit_test(a_divided_catalogue),
                                     cmocka_unit_test(names_and_events),
                                     cmocka_unit_test(long_histories),
                                     cmocka_unit_test(opening),
                                     cmocka_unit_test(no_bundle),
                                     cmocka_unit_test(names_out_of_range),
                                     cmocka_unit_test(user_vector_arguments),
                                     cmocka_unit_test(item_and_score_arguments),
                                     cmocka_unit_test(rank_arguments)};
  return cmocka_run_group_tests(tests, open_all, close_all);
}
