// Attributes of users in the inference library: which it knows, what they change, and what is refused.
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "data/writer.h"
#include "infer/known_user.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"
#include "souk/infer.h"

enum { H = 16, W = 17, ITEMS = 12 };
static const char *const attributes[] = {"category=x", "user:town=Ulm", "user:town=a=b", "user:age=..30",
                                         "user:age=30.."};
static char dir[256];
static souk_bundle *b;

static void write_data(const char *path, const char *const *tokens, size_t n) {
  dataset_writer *w;
  vocab *v;
  char name[16];
  check_ok(vocab_new(&v));
  for (size_t i = 0; i < n; i++) check_ok(vocab_add(v, RANGE_ATTRIBUTES, tokens[i], 0, NULL));
  for (int i = 0; i < ITEMS; i++) {
    snprintf(name, sizeof name, "%s/i%d", i < ITEMS / 2 ? "a" : "b", i);
    check_ok(vocab_add(v, RANGE_ITEMS, name, 0, NULL));
  }
  check_ok(writer_open(&w, path, 500, 4, true));
  const int32_t first = vocab_begin(v, RANGE_ITEMS);
  const sequence s = {.n = 3,
                      .valid_from = 1,
                      .test_from = 2,
                      .tokens = (int32_t[]){first, first + 1, first + 2},
                      .events = (uint8_t[]){0, 0, 0},
                      .times = (int64_t[]){0, 1, 2},
                      .sessions = (int32_t[]){0, 0, 0}};
  check_ok(writer_add(w, &s, "u"));
  dataset_info info = {.name = "t", .n_event_types = 1, .event_types = {"none"}, .window = 8, .stride = 4};
  check_ok(writer_finish(w, &info, v, NULL));
  vocab_free(v);
}

static void make_bundle(char *where, size_t bytes, const char *const *tokens, size_t n, souk_bundle **out) {
  char path[PATH_MAX];
  model_config c = tiny_config();
  tiny_directory(where, bytes);
  check_ok(path_join(path, sizeof path, where, "data"));
  write_data(path, tokens, n);
  tiny_bundle_of(where, &c);
  *out = tiny_open(where);
}

static int open_bundle(void **unused) {
  (void)unused;
  make_bundle(dir, sizeof dir, attributes, sizeof attributes / sizeof *attributes, &b);
  return 0;
}

static int close_bundle(void **unused) {
  (void)unused;
  souk_close(b);
  tiny_remove(dir);
  return 0;
}

static const int32_t items[] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8};

static void vector_of(float u[W], int32_t n, int32_t known, const char *const *names,
                      const char *const *values) {
  const souk_user user = {.n_attributes = known, .names = names, .values = values};
  const souk_history history = {.n = n, .items = items, .user = known > 0 ? &user : NULL};
  souk_error e;
  if (souk_user_vectors(b, &history, 1, 1, u, NULL, &e) != SOUK_OK) fail_msg("%s", e.message);
}

#define VECTOR(u, n, known, ...) \
  vector_of(u, n, known, (const char *const[]){__VA_ARGS__}, (const char *const[]){__VA_ARGS__} + (known))

static void a_bundle_says_which_it_knows(void **unused) {
  (void)unused;
  assert_string_equal(souk_user_attribute(b, 0), "town");
  assert_string_equal(souk_user_attribute(b, 1), "age");
  assert_null(souk_user_attribute(b, 2));
  assert_null(souk_user_attribute(b, -1));
  assert_null(souk_user_attribute(b, INT32_MAX));
  assert_null(souk_user_attribute(NULL, 0));
}

static void what_is_known_changes_the_vector(void **unused) {
  (void)unused;
  float none[W], young[W], old[W], both[W], other[W];
  for (int32_t n = 0; n <= 12; n += 4) { // 12: longer than the model reads
    vector_of(none, n, 0, NULL, NULL);
    VECTOR(young, n, 1, "age", "29.9");
    VECTOR(old, n, 1, "age", "30");
    assert_memory_not_equal(none, young, sizeof none);
    assert_memory_not_equal(old, young, sizeof none);
    VECTOR(both, n, 2, "town", "age", "Ulm", "17");
    VECTOR(other, n, 2, "age", "town", "17", "Ulm"); // in any order
    assert_memory_equal(both, other, sizeof both);
    VECTOR(other, n, 3, "age", "town", "age", "99", "Ulm", "17"); // the last of one name counts
    assert_memory_equal(both, other, sizeof both);
    VECTOR(other, n, 1, "town", "Bonn"); // no token in training
    assert_memory_equal(none, other, sizeof none);
    VECTOR(other, n, 1, "age", "0x1f"); // no decimal number
    assert_memory_equal(none, other, sizeof none);
    VECTOR(other, n, 1, "age", "young");
    assert_memory_equal(none, other, sizeof none);
  }
}

// In batches and on threads the same bits.
static void an_answer_depends_on_its_own_user_alone(void **unused) {
  (void)unused;
  enum { N = 40 };
  static const char *const names[] = {"age", "town"}, *const values[] = {"31", "a=b"};
  souk_user users[3] = {{.n_attributes = 0},
                        {.n_attributes = 1, .names = names, .values = values},
                        {.n_attributes = 2, .names = names, .values = values}};
  souk_history histories[N];
  static float all[N * W], one[W];
  for (int32_t i = 0; i < N; i++)
    histories[i] = (souk_history){.n = i % 13, .items = items, .user = i % 4 == 3 ? NULL : &users[i % 4]};
  assert_int_equal(souk_user_vectors(b, histories, N, 3, all, NULL, NULL), SOUK_OK);
  for (int32_t i = 0; i < N; i++) {
    assert_int_equal(souk_user_vectors(b, &histories[i], 1, 1, one, NULL, NULL), SOUK_OK);
    assert_memory_equal(one, all + i * W, sizeof one);
  }
}

static void wrong_users_are_refused(void **unused) {
  (void)unused;
  static const char *const names[] = {"age", "size"}, *const values[] = {"31", NULL};
  static const struct {
    souk_user user;
    const char *says;
  } cases[] = {
      {{.n_attributes = -1, .names = names, .values = values},
       "histories[0].user.n_attributes = -1 is not from 0 to 1024"},
      {{.n_attributes = 1025, .names = names, .values = values}, "n_attributes = 1025 is not from 0"},
      {{.n_attributes = INT32_MIN, .names = names, .values = values}, "is not from 0 to 1024"},
      {{.n_attributes = 1, .values = values}, "histories[0].user.names must not be NULL"},
      {{.n_attributes = 1, .names = names}, "histories[0].user.values must not be NULL"},
      {{.n_attributes = 2, .names = names, .values = values}, "histories[0].user.values[1] must not be NULL"},
      {{.n_attributes = 1, .names = names + 1, .values = names}, "knows no attribute \"size\" of users"},
      {{.reserved = 7}, "histories[0].user.reserved = 7 is not 0"},
  };
  float u[W];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const souk_history history = {.n = 1, .items = items, .user = &cases[i].user};
    refuses(souk_user_vectors(b, &history, 1, 1, u, NULL, error), SOUK_ERR_ARGUMENT, cases[i].says);
  }
  const souk_history history = {
      .n = 1, .items = items, .user = (const void *)((const char *)&cases[0].user + 1)};
  refuses(souk_user_vectors(b, &history, 1, 1, u, NULL, error), SOUK_ERR_ARGUMENT,
          "user is not aligned for its type");
}

// A vocabulary may have the tokens of names in any order. Each name counts once, however often it begins anew: an empty history has
// room for as many tokens as the user has attributes.
static void names_may_lie_anywhere(void **unused) {
  (void)unused;
  static const char *const mixed[] = {"user:a=..1", "user:b=0", "user:a=1..9", "user:bb=x", "user:a=x",
                                      "user:b=1..", "user:a=5", "user:b=y",    "user:a=9.."};
  static const char *const names[] = {"a"}, *const values[] = {"5", "0.5", "8.5", "1e1", "x"};
  static const int32_t tokens[] = {6, 0, 2, 8, 4};
  char where[256];
  souk_bundle *m;
  float u[5][W], both[W];
  make_bundle(where, sizeof where, mixed, sizeof mixed / sizeof *mixed, &m);
  assert_string_equal(souk_user_attribute(m, 0), "a");
  assert_string_equal(souk_user_attribute(m, 1), "b");
  assert_string_equal(souk_user_attribute(m, 2), "bb");
  assert_null(souk_user_attribute(m, 3));
  for (int i = 0; i < 5; i++) {
    const souk_user user = {.n_attributes = 1, .names = names, .values = &values[i]};
    const souk_history h = {.n = 0, .user = &user};
    int32_t found[4];
    assert_int_equal(known_attributes(m, &user, found, 4), 1);
    assert_int_equal(found[0], vocab_begin(m->vocab, RANGE_ATTRIBUTES) + tokens[i]);
    assert_int_equal(souk_user_vectors(m, &h, 1, 1, u[i], NULL, NULL), SOUK_OK);
    for (int k = 0; k < i; k++) assert_memory_not_equal(u[i], u[k], sizeof both);
  }
  souk_close(m);
  tiny_remove(where);
}

// Attributes are in no share: an event's is what the score loses without the event, the attributes as they are.
static void explanations_leave_attributes_as_they_are(void **unused) {
  (void)unused;
  static const char *const names[] = {"age"}, *const values[] = {"31"};
  const souk_user user = {.n_attributes = 1, .names = names, .values = values};
  const souk_history history = {.n = 3, .items = items, .user = &user};
  const int32_t asked[] = {7};
  for (int32_t method = SOUK_WHY_LEAVE_ONE_OUT; method <= SOUK_WHY_INTEGRATED_GRADIENTS; method++) {
    const souk_explain_options options = {.method = method};
    souk_explanation out;
    float shares[3];
    souk_error e;
    if (souk_explain(b, &history, asked, 1, &options, &out, shares, &e) != SOUK_OK) fail_msg("%s", e.message);
    const double sum = out.base + (double)shares[0] + (double)shares[1] + (double)shares[2] + out.rest;
    assert_true(fabs(sum - out.score) <= 1e-3 * (1 + fabs(out.score)));
    if (method == SOUK_WHY_INTEGRATED_GRADIENTS) {
      assert_true(fabs(out.rest) <= 2e-3 * (1 + fabs(out.score - out.base)));
      continue;
    }
    float whole[W], without[W], v[W], score[2] = {0};
    VECTOR(whole, 3, 1, "age", "31");
    const int32_t left[] = {items[0], items[2]};
    const souk_history short_one = {.n = 2, .items = left, .user = &user};
    assert_int_equal(souk_user_vectors(b, &short_one, 1, 1, without, NULL, NULL), SOUK_OK);
    assert_int_equal(souk_item_vectors(b, asked[0], 1, v, NULL), SOUK_OK);
    for (int k = 0; k < W; k++) {
      score[0] += whole[k] * v[k];
      score[1] += without[k] * v[k];
    }
    assert_float_equal(shares[1], score[0] - score[1], 1e-4f);
  }
}

// The domain of a run of events stands before its first one, and passes to the next where that one is left out; where the run
// was of one event, its neighbours may become one run.
static void without_an_event_runs_begin_elsewhere(void **unused) {
  (void)unused;
  enum { N = 5 };
  static const char *const domains[] = {"domain=a", "domain=b"};
  static const int32_t history[N] = {0, 1, 7, 8, 2}, one_of_b[N] = {0, 1, 7, 3, 2}, asked[] = {9};
  char where[256];
  souk_bundle *m;
  make_bundle(where, sizeof where, domains, 2, &m);
  for (int k = 0; k < 2; k++) {
    const int32_t *events = k == 0 ? history : one_of_b;
    const souk_history h = {.n = N, .items = events};
    const souk_explain_options options = {.method = SOUK_WHY_LEAVE_ONE_OUT};
    souk_explanation out;
    float shares[N], score, u[W];
    assert_int_equal(souk_explain(m, &h, asked, 1, &options, &out, shares, NULL), SOUK_OK);
    for (int32_t i = 0; i < N; i++) {
      int32_t left[N - 1];
      for (int32_t j = 0; j < N - 1; j++) left[j] = events[j + (j >= i)];
      const souk_history without = {.n = N - 1, .items = left};
      assert_int_equal(souk_user_vectors(m, &without, 1, 1, u, NULL, NULL), SOUK_OK);
      assert_int_equal(souk_score(m, u, 1, asked, 1, &score, NULL), SOUK_OK);
      check_near((double)shares[i], out.score - (double)score, 1e-5);
    }
  }
  souk_close(m);
  tiny_remove(where);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_bundle_says_which_it_knows),
      cmocka_unit_test(what_is_known_changes_the_vector),
      cmocka_unit_test(an_answer_depends_on_its_own_user_alone),
      cmocka_unit_test(wrong_users_are_refused),
      cmocka_unit_test(names_may_lie_anywhere),
      cmocka_unit_test(explanations_leave_attributes_as_they_are),
      cmocka_unit_test(without_an_event_runs_begin_elsewhere),
  };
  return cmocka_run_group_tests_name("infer_users", tests, open_bundle, close_bundle);
}
