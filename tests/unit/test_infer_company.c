// The inference library's calls in company and at their edges: sixteen threads that ask everything of the same handles at once, events
// that come twice, histories of nothing but a text, and inputs that are much too long.
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "lib/check.h"
#include "lib/rich_bundle.h"
#include "souk/infer.h"

enum { W = RICH_W, H = RICH_H, K = 5, QUERIES = 6, EVENTS = 7, THREADS = 16, ROUNDS = 6, LONG = 200000 };

// ---- many threads --------------------------------------------------------------------------------------------

// Everything that is asked in one round, and what came of it.
typedef struct answers {
  float u[QUERIES * W], scores[QUERIES * K], embedded[3 * 3 * H], made[2 * W], labels[3 * RICH_LABELS],
      of_pairs[3 * RICH_LABELS], shares[3 * 2 * EVENTS];
  int32_t items[QUERIES * K], counts[QUERIES], unknown[QUERIES];
  souk_explanation why[3 * 2];
} answers;

static const char *const texts[] = {"w0 w3a w7ab", "", "stranger w9 [MASK] w9"};
static const char *const names[EVENTS] = {"item3", NULL, "item3", "nobody", "item17", NULL, "item3"};
static const char *const beside[EVENTS] = {NULL, "w1 w2", NULL, NULL, "w4", "", NULL};

// Histories of all lengths, by adapter in turns.
static void make_queries(souk_query *q) {
  for (int32_t i = 0; i < QUERIES; i++)
    q[i] = (souk_query){.history = {.n = 1 + i, .names = names, .texts = beside}, .adapter = i % 3};
}

static int ask(answers *a, int32_t threads) {
  static const char *const brand[] = {"brand=y"};
  static const souk_product products[] = {{.text = "w1 w2", .attributes = brand, .n_attributes = 1},
                                          {.text = NULL}};
  const souk_history h = {.n = EVENTS, .names = names, .texts = beside};
  const souk_pair shown[] = {
      {.history = h, .item = 5}, {.item = 0}, {.history = h, .item = -1, .product = {.text = "w1"}}};
  const souk_rank_options how = {.threads = threads};
  const souk_label_options label = {.threads = threads};
  const int32_t two[] = {3, 39};
  souk_query q[QUERIES];
  int bad = 0;
  make_queries(q);
  memset(a, 0, sizeof *a);
  bad += souk_query_vectors(rich_ranks, q, QUERIES, threads, a->u, a->unknown, NULL) != SOUK_OK;
  bad += souk_rank(rich_ranks, q, QUERIES, K, &how, a->items, a->scores, a->counts, NULL, NULL) != SOUK_OK;
  for (int32_t k = 0; k < 3; k++) {
    const souk_embed_options pooled = {.threads = threads, .pooling = k, .adapter = k};
    const souk_explain_options why = {.threads = threads, .method = k};
    bad +=
        souk_embed_texts(rich_ranks, texts, NULL, 3, &pooled, a->embedded + k * 3 * H, NULL, NULL) != SOUK_OK;
    bad += souk_explain(rich_ranks, &h, two, 2, &why, a->why + 2 * k, a->shares + k * 2 * EVENTS, NULL) !=
           SOUK_OK;
  }
  bad += souk_item_vectors_of_products(rich_ranks, products, 2, a->made, NULL, NULL) != SOUK_OK;
  bad += souk_classify(rich_classifies, texts, NULL, 3, &label, a->labels, NULL) != SOUK_OK;
  bad += souk_score_pairs(rich_pairs, shown, 3, &label, a->of_pairs, NULL) != SOUK_OK;
  return bad;
}

typedef struct asker {
  pthread_t id;
  int32_t number;
  int differences;
} asker;
static answers wanted;

static void *ask_often(void *arg) {
  asker *x = arg;
  answers *got = malloc(sizeof *got);
  if (got == NULL) abort();
  for (int round = 0; round < ROUNDS; round++) {
    x->differences += ask(got, x->number % 5 == 0 ? 3 : 1);
    x->differences += memcmp(got, &wanted, sizeof wanted) != 0;
  }
  free(got);
  return NULL;
}

static void sixteen_threads_ask_everything(void **state) {
  (void)state;
  static asker askers[THREADS];
  assert_int_equal(ask(&wanted, 1), 0);
  for (int i = 0; i < QUERIES; i++) assert_int_equal(wanted.unknown[i], i >= 3); // "nobody", and no text
  for (int32_t i = 0; i < THREADS; i++) {
    askers[i].number = i;
    assert_int_equal(pthread_create(&askers[i].id, NULL, ask_often, &askers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_join(askers[i].id, NULL), 0);
  for (int i = 0; i < THREADS; i++) assert_int_equal(askers[i].differences, 0);
}

// ---- events that come twice ----------------------------------------------------------------------------------

static void score_of(const souk_history *h, int32_t item, float *score) {
  float u[W];
  assert_int_equal(souk_user_vectors(rich_ranks, h, 1, 1, u, NULL, NULL), SOUK_OK);
  assert_int_equal(souk_score(rich_ranks, u, 1, &item, 1, score, NULL), SOUK_OK);
}

static void explain(const souk_history *h, int32_t item, int32_t method, souk_explanation *out,
                    float *shares) {
  const souk_explain_options o = {.method = method};
  souk_error e;
  if (souk_explain(rich_ranks, h, &item, 1, &o, out, shares, &e) != SOUK_OK) fail_msg("%s", e.message);
  double sum = out->base + out->counts + out->rest;
  for (int32_t i = 0; i < h->n; i++) sum += (double)shares[i];
  check_near(sum, out->score, 1e-5 * (1 + fabs(out->score)));
}

static void equal_events_have_their_own_shares(void **state) {
  (void)state;
  const int32_t thrice[] = {3, 3, 3};
  const souk_history three = {.n = 3, .items = thrice}, two = {.n = 2, .items = thrice};
  souk_explanation out;
  float shares[3], whole, without;
  score_of(&three, 9, &whole);
  score_of(&two, 9, &without);
  explain(&three, 9, SOUK_WHY_LEAVE_ONE_OUT, &out, shares);
  for (int i = 0; i < 3; i++) assert_true(shares[i] == whole - without); // whichever goes, two are left
  explain(&three, 9, SOUK_WHY_INTEGRATED_GRADIENTS, &out, shares);
  assert_true(shares[0] != 0 && shares[2] != 0);
}

// ---- nothing but a text --------------------------------------------------------------------------------------

static void a_text_without_words_is_a_new_user(void **state) {
  (void)state;
  const char *const empty[] = {"", " \t\n"};
  const souk_history nobody = {.n = 0}, silent = {.n = 2, .texts = empty};
  const souk_query q[] = {{.history = nobody}, {.history = silent}};
  int32_t items[2 * K], counts[2], unknown[2];
  float scores[2 * K], u[2 * W], shares[2] = {1, 1};
  souk_explanation out;
  assert_int_equal(souk_query_vectors(rich_ranks, q, 2, 1, u, unknown, NULL), SOUK_OK);
  assert_memory_equal(u, u + W, W * sizeof *u);
  assert_true(unknown[0] == 0 && unknown[1] == 0);
  assert_int_equal(souk_rank(rich_ranks, q, 2, K, NULL, items, scores, counts, unknown, NULL), SOUK_OK);
  assert_memory_equal(items, items + K, K * sizeof *items);
  assert_memory_equal(scores, scores + K, K * sizeof *scores);
  assert_true(unknown[0] == 0 && unknown[1] == 0);
  for (int32_t method = SOUK_WHY_LEAVE_ONE_OUT; method <= SOUK_WHY_INTEGRATED_GRADIENTS; method++) {
    explain(&silent, 7, method, &out, shares);
    assert_true(shares[0] == 0 && shares[1] == 0);
    check_near(out.base, out.score, 1e-6);
  }
}

// ---- much too long -------------------------------------------------------------------------------------------

// LONG words "w0 w1 ... w9 w0 ..."; the caller frees it.
static char *long_text(int32_t words) {
  char *text = malloc(3 * (size_t)words + 1);
  assert_non_null(text);
  for (int32_t i = 0; i < words; i++) {
    text[3 * i] = 'w';
    text[3 * i + 1] = (char)('0' + i % 10);
    text[3 * i + 2] = ' ';
  }
  text[3 * words] = '\0';
  return text;
}

static void long_texts_are_cut(void **state) {
  (void)state;
  enum {
    READ = RICH_POSITIONS - 2,
    KEPT = RICH_POSITIONS - 3
  }; // of a text; of a history, which [MASK] stands behind
  char *whole = long_text(LONG), *begun = long_text(READ), *first = long_text(40);
  const char *const two[] = {whole, begun}, *const ends = whole + 3 * (LONG - KEPT),
                    *const newest[] = {whole, ends};
  const int32_t known[] = {4, -1}, hidden[] = {-1};
  const souk_history histories[] = {{.n = 2, .items = known, .texts = (const char *const[]){NULL, whole}},
                                    {.n = 1, .items = hidden, .texts = newest + 1}};
  const souk_pair shown[] = {{.item = 3, .product = {.text = whole}},
                             {.item = 3, .product = {.text = first}}};
  float v[2 * H], u[2 * W], out[2 * RICH_LABELS], shares[2];
  int32_t tokens[2];
  souk_explanation why;
  assert_int_equal(souk_embed_texts(rich_ranks, two, NULL, 2, NULL, v, tokens, NULL), SOUK_OK);
  assert_memory_equal(v, v + H, H * sizeof *v);
  assert_true(tokens[0] == LONG && tokens[1] == READ);
  assert_int_equal(souk_user_vectors(rich_ranks, histories, 2, 1, u, NULL, NULL), SOUK_OK);
  assert_memory_equal(u, u + W, W * sizeof *u); // the newest words fill what is read
  explain(&histories[0], 5, SOUK_WHY_LEAVE_ONE_OUT, &why, shares);
  assert_true(shares[0] == 0 && shares[1] != 0);
  assert_int_equal(souk_score_pairs(rich_pairs, shown, 2, NULL, out, NULL), SOUK_OK);
  assert_memory_equal(out, out + RICH_LABELS, RICH_LABELS * sizeof *out);
  assert_int_equal(souk_classify(rich_classifies, two, NULL, 2, NULL, out, NULL), SOUK_OK);
  assert_memory_equal(out, out + RICH_LABELS, RICH_LABELS * sizeof *out);
  assert_int_equal(souk_classify(rich_classifies, two, two, 2, NULL, out, NULL), SOUK_OK);
  free(whole);
  free(begun);
  free(first);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sixteen_threads_ask_everything), cmocka_unit_test(equal_events_have_their_own_shares),
      cmocka_unit_test(a_text_without_words_is_a_new_user), cmocka_unit_test(long_texts_are_cut)};
  return cmocka_run_group_tests(tests, rich_open, rich_close);
}
