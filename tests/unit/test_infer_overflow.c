// Bundles of finite weights whose answers are not: a score, a user vector or a share that overflows is an error that names it, and
// every other answer is what it was.
#include <math.h>
#include <string.h>
#include "lib/check.h"
#include "lib/hostile.h"
#include "lib/mixed_bundle.h"
#include "souk/infer.h"

enum { ITEMS = MIXED_ITEMS, W = MIXED_W, LONG = 3 }; // LONG: the item whose vector or embedding is spoiled

static mixed_bundle made;

static int make_bundle(void **state) {
  (void)state;
  mixed_bundle_make(&made);
  return 0;
}

static int remove_all(void **state) {
  (void)state;
  mixed_bundle_remove(&made);
  return 0;
}

#define HUGE_FLOAT "0x7f7fffff" // the largest
#define WORD       "bert.embeddings.word_embeddings.weight"
#define LAST_NORM  "cls.predictions.transform.LayerNorm.weight"

// The good bundle with n floats of a tensor changed, opened; more changes come from souk.json.
static souk_bundle *open_with(const char *file, const char *name, int at, int n, const char *bits,
                              const char *inv_temperature) {
  souk_bundle *b;
  souk_error e;
  hostile_copy();
  for (int i = 0; i < n; i++) {
    char where[16];
    snprintf(where, sizeof where, "%d", hostile_first(file, name) + at + i);
    hostile_apply(&(hostile){.file = file, .change = FLOAT, .where = where, .with = bits});
  }
  if (inv_temperature != NULL)
    hostile_json(hostile_path(made.evil, "souk.json"), "head/inv_temperature", inv_temperature);
  if (souk_open(&b, made.evil, SOUK_SKIP_CHECKSUMS, &e) != SOUK_OK) fail_msg("%s", e.message);
  return b;
}

static void says_not_finite(souk_status rc, const souk_error *e, const char *text) {
  assert_int_equal(rc, SOUK_ERR_NONFINITE);
  assert_int_equal(e->code, SOUK_ERR_NONFINITE);
  if (strstr(e->message, text) == NULL) fail_msg("\"%s\" does not say \"%s\"", e->message, text);
}

// An item's vector is so long that its score overflows, upwards, downwards or to NaN: the query fails that
// could have listed it, and every other gets what it would get without that item.
static void a_score_overflows(void **state) {
  (void)state;
  static const float given[][W] = {
      {4, 4, 4, 4, 4, 4, 4, 4, 1}, {-4, -4, -4, -4, -4, -4, -4, -4, 1}, {4, -4, 4, -4, 4, -4, 4, -4, 1}};
  static const int32_t others[] = {0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11}, one[] = {LONG};
  const souk_rank_options ways[] = {{.deny = one, .n_deny = 1}, {.allow = others, .n_allow = ITEMS - 1}};
  const float harmless[W] = {0, 0, 0.5f};
  souk_bundle *plain, *b = open_with("items.safetensors", "vectors", LONG * W, W, HUGE_FLOAT, NULL);
  souk_error e;
  int32_t items[2][2 * ITEMS], counts[2][2];
  float scores[2][2 * ITEMS];
  assert_int_equal(souk_open(&plain, made.good, 0, &e), SOUK_OK);
  for (size_t i = 0; i < 3; i++) {
    souk_query q[2] = {{.u = harmless}, {.u = given[i]}};
    for (int32_t k = 1; k <= ITEMS; k++)
      says_not_finite(souk_rank(b, q, 2, k, NULL, items[0], scores[0], counts[0], NULL, &e), &e,
                      "queries[1]: the score of item 3 (\"item3\")");
    q[1].candidates = one;
    q[1].n_candidates = 1;
    says_not_finite(souk_rank(b, q, 2, 1, NULL, items[0], NULL, counts[0], NULL, &e), &e, "queries[1]");
    says_not_finite(souk_score(b, given[i], 1, others + 2, 1, scores[0], NULL) == SOUK_OK
                        ? souk_score(b, given[i], 1, one, 1, scores[0], &e)
                        : SOUK_ERR_FORMAT,
                    &e, "user vector 0 and items[0] = 3");
    souk_query without[4] = {{.u = given[i], .deny = one, .n_deny = 1},
                             {.u = given[i], .candidates = others, .n_candidates = ITEMS - 1},
                             {.u = given[i], .history = {.n = 1, .items = one}},
                             {.u = given[i]}};
    for (size_t way = 0; way < 5; way++) { // no other is lost, also not those computed beside it
      const souk_query *asked = &without[way < 3 ? way : 3];
      const souk_rank_options *o = way < 3 ? NULL : &ways[way - 3];
      for (int32_t k = 1; k <= ITEMS; k += 4) {
        souk_bundle *const from[] = {plain, b};
        for (size_t f = 0; f < 2; f++)
          if (souk_rank(from[f], asked, 1, k, o, items[f], scores[f], counts[f], NULL, &e) != SOUK_OK)
            fail_msg("way %zu: %s", way, e.message);
        assert_int_equal(counts[0][0], k < ITEMS ? k : ITEMS - 1);
        assert_int_equal(counts[1][0], counts[0][0]);
        assert_memory_equal(items[1], items[0], (size_t)counts[0][0] * sizeof(int32_t));
        assert_memory_equal(scores[1], scores[0], (size_t)counts[0][0] * sizeof(float));
      }
    }
  }
  const souk_query fits = {.u = harmless}; // half of the largest number is a score like any other
  assert_int_equal(souk_rank(b, &fits, 1, ITEMS, NULL, items[0], scores[0], counts[0], NULL, &e), SOUK_OK);
  assert_int_equal(counts[0][0], ITEMS);
  assert_int_equal(items[0][0], LONG);
  assert_true(scores[0][0] > 1.7e38f && scores[0][0] < 1.8e38f);
  souk_close(plain);
  souk_close(b);
}

// Embeddings that overflow inside the encoder, and a vector that overflows only when it is multiplied by the
// inverse temperature: the history is named.
static void a_user_vector_overflows(void **state) {
  (void)state;
  const int32_t fine[] = {1, 2}, spoiled[] = {1, LONG};
  const souk_history h[2] = {{.n = 2, .items = fine}, {.n = 2, .items = spoiled}};
  const souk_query q[2] = {{.history = h[0]}, {.history = h[1]}};
  souk_bundle *const bundles[] = {open_with("model.safetensors", WORD, (5 + LONG) * 8, 8, HUGE_FLOAT, NULL),
                                  open_with("model.safetensors", LAST_NORM, 0, 8, "0x7e000000", "1e5")};
  float u[2 * W], scores[2];
  int32_t items[2], counts[2];
  souk_error e;
  for (size_t i = 0; i < 2; i++) {
    const size_t first = i == 0 ? 1 : 0; // everybody's vector overflows in the second
    char text[64];
    for (int32_t threads = 1; threads <= 2; threads++) {
      const souk_rank_options o = {.threads = threads};
      snprintf(text, sizeof text, "histories[%zu]: the user vector is not finite", first);
      says_not_finite(souk_user_vectors(bundles[i], h, 2, threads, u, NULL, &e), &e, text);
      snprintf(text, sizeof text, "queries[%zu]: the user vector is not finite", first);
      says_not_finite(souk_rank(bundles[i], q, 2, 1, &o, items, scores, counts, NULL, &e), &e,
                      threads == 1 || i == 0 ? text : "the user vector is not finite");
    }
    if (i == 0) assert_int_equal(souk_user_vectors(bundles[i], h, 1, 1, u, NULL, &e), SOUK_OK);
    souk_close(bundles[i]);
  }
}

// A score that is finite may have a gradient that is not: then it has no shares, and that is told.
static void a_share_overflows(void **state) {
  (void)state;
  const int32_t one = LONG;
  const souk_explain_options o = {.method = SOUK_WHY_INTEGRATED_GRADIENTS};
  souk_bundle *b = open_with("items.safetensors", "vectors", LONG * W, W - 1, "0x7e967699", NULL); // 1e38
  int told = 0;
  for (int32_t i = 0; i < ITEMS * ITEMS; i++) {
    const int32_t events[] = {i % ITEMS, i / ITEMS};
    const souk_history h = {.n = 2, .items = events};
    souk_explanation out;
    float shares[2], u[W], score;
    souk_error e;
    assert_int_equal(souk_user_vectors(b, &h, 1, 1, u, NULL, NULL), SOUK_OK);
    if (souk_score(b, u, 1, &one, 1, &score, NULL) != SOUK_OK) continue;
    if (souk_explain(b, &h, &one, 1, &o, &out, shares, &e) == SOUK_OK)
      assert_true(isfinite(shares[0]) && isfinite(shares[1]) && isfinite(out.rest));
    else
      told += strstr(e.message, "items[0] = 3: a share of its score is not finite") != NULL;
  }
  assert_true(told > 0);
  souk_close(b);
}
int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_score_overflows),
                                     cmocka_unit_test(a_user_vector_overflows),
                                     cmocka_unit_test(a_share_overflows)};
  return cmocka_run_group_tests(tests, make_bundle, remove_all);
}
