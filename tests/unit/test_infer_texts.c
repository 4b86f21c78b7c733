// Texts in the inference library: vectors of texts against pooling by plain loops, texts in histories against sequences made by
// hand, and what is refused.
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/philox.h"
#include "infer/encode.h"
#include "infer/workspace.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"
#include "lib/tiny_texts.h"
#include "souk/infer.h"

enum { H = 16, W = 17, ITEMS = 40, TEXTS = 150, POSITIONS = 12, BERT, PLAIN, WORLDS };

typedef struct world {
  char dir[256];
  souk_bundle *b;
} world;
static world worlds[WORLDS];
static char *texts[TEXTS];

static void make(world *w, bool cls_sep) {
  char path[PATH_MAX];
  model_config c = tiny_config();
  c.max_positions = POSITIONS;
  c.cls_sep = cls_sep;
  c.item_classes = false;
  tiny_directory(w->dir, sizeof w->dir);
  check_ok(path_join(path, sizeof path, w->dir, "data"));
  tiny_texts(path, 20, ITEMS);
  tiny_bundle_of(w->dir, &c);
  w->b = tiny_open(w->dir);
}

static int open_all(void **state) {
  (void)state;
  static const char *const words[] = {"w0", "w3a", "w7ab", "stranger", "w9", ",", "[MASK]"};
  make(&worlds[BERT], true);
  make(&worlds[PLAIN], false);
  for (uint32_t i = 0; i < TEXTS; i++) {
    rng r = rng_at(6, 6, i, 0);
    char text[256] = "";
    for (uint64_t n = rng_below(&r, 14); n > 0; n--) {
      strcat(text, words[rng_below(&r, sizeof words / sizeof *words)]);
      strcat(text, rng_below(&r, 4) == 0 ? "\t" : " ");
    }
    texts[i] = strdup(text);
    assert_non_null(texts[i]);
  }
  return 0;
}

static int close_all(void **state) {
  (void)state;
  for (int i = BERT; i < WORLDS; i++) {
    souk_close(worlds[i].b);
    tiny_remove(worlds[i].dir);
  }
  for (int i = 0; i < TEXTS; i++) free(texts[i]);
  return 0;
}

// ---- sequences by hand ---------------------------------------------------------------------------------------

// One sequence through the encoder, all of its rows or one.
typedef struct hand {
  int32_t ids[POSITIONS], types[POSITIONS], n, asked;
  bool all;
  float x[POSITIONS * H], u[W];
} hand;

static int32_t longest(const void *arg, size_t i) {
  (void)i;
  return ((const hand *)arg)->n;
}
static souk_status add(void *arg, chunk *c, size_t i, souk_error *e) {
  const hand *h = arg;
  (void)i;
  return chunk_add(c, h->ids, h->types, h->n, h->asked, e);
}
static void done(void *arg, const chunk *c, size_t first) {
  hand *h = arg;
  (void)first;
  memcpy(h->x, c->x, (size_t)(h->all ? h->n : 1) * H * sizeof *h->x);
  if (!h->all) chunk_user_vectors(c, h->u);
}

static void run(const souk_bundle *b, hand *h, bool all) {
  const chunk_job job = {.b = b, .all = all, .longest = longest, .add = add, .done = done, .arg = h};
  workspace *space = workspace_get(b->pool);
  h->all = all;
  assert_int_equal(chunks_run(&job, &space->encode, 1, NULL), SOUK_OK);
  workspace_put(b->pool, space);
}

static hand text_rows(const souk_bundle *b, const char *text, int32_t most, int32_t *tokens) {
  hand h = {.n = 0};
  int32_t words[256];
  const bool cls = b->layout.cls_sep;
  *tokens = (int32_t)word_tokenizer_encode(b->tokenizer, text, strlen(text), words, 256);
  if (cls) h.ids[h.n++] = TOKEN_CLS;
  for (int32_t i = 0; i < *tokens && h.n < most - cls; i++) h.ids[h.n++] = words[i];
  if (cls) h.ids[h.n++] = TOKEN_SEP;
  if (h.n == 0) h.ids[h.n++] = TOKEN_MASK;
  return h;
}

// ---- vectors of texts ----------------------------------------------------------------------------------------

static void pooled_by_loops(const souk_bundle *b, const souk_embed_options *o, const char *text, double *v,
                            int32_t *tokens) {
  hand h = text_rows(b, text, o->most_tokens > 0 ? o->most_tokens : POSITIONS, tokens);
  double length = 0;
  run(b, &h, o->pooling != SOUK_POOL_CLS);
  for (int j = 0; j < H; j++) {
    double sum = 0, most = -INFINITY;
    for (int32_t i = 0; i < h.n; i++) {
      sum += (double)h.x[i * H + j];
      most = fmax(most, (double)h.x[i * H + j]);
    }
    v[j] = o->pooling == SOUK_POOL_MEAN ? sum / h.n : o->pooling == SOUK_POOL_MAX ? most : (double)h.x[j];
    length += v[j] * v[j];
  }
  for (int j = 0; j < H && o->normalise == 1; j++) v[j] /= sqrt(length);
}

static void vectors_are_pooled(void **state) {
  (void)state;
  static float v[TEXTS * H], again[TEXTS * H];
  static int32_t tokens[TEXTS];
  for (int w = BERT; w < WORLDS; w++)
    for (int32_t pooling = SOUK_POOL_MEAN; pooling <= SOUK_POOL_MAX; pooling++) {
      const souk_bundle *b = worlds[w].b;
      const souk_embed_options o = {
          .pooling = pooling, .normalise = pooling != SOUK_POOL_MAX, .most_tokens = 4 * (pooling % 2)};
      souk_embed_options many = o;
      souk_error e;
      many.threads = 5;
      if (w == PLAIN && pooling == SOUK_POOL_CLS) continue;
      const char *const *const list = (const char *const *)texts;
      if (souk_embed_texts(b, list, NULL, TEXTS, &o, v, tokens, &e) != SOUK_OK) fail_msg("%s", e.message);
      assert_int_equal(souk_embed_texts(b, list, NULL, TEXTS, &many, again, NULL, NULL), SOUK_OK);
      assert_memory_equal(v, again, sizeof v);
      for (int i = 0; i < TEXTS; i++) {
        double wanted[H];
        int32_t n;
        pooled_by_loops(b, &o, texts[i], wanted, &n);
        assert_int_equal(n, tokens[i]);
        for (int j = 0; j < H; j++) check_near((double)v[i * H + j], wanted[j], 2e-6);
        const size_t bytes = strlen(texts[i]);
        assert_int_equal(souk_embed_texts(b, list + i, &bytes, 1, &o, again, NULL, NULL), SOUK_OK);
        assert_memory_equal(v + i * H, again, H * sizeof *v); // the same bits alone
      }
    }
}

static void lengths_may_be_given(void **state) {
  (void)state;
  const char *const two[] = {"w0 w3 w7", "w0 w3\0w7"};
  const size_t bytes[] = {5, 8};
  const char *const wanted[] = {"w0 w3", "w0 w3w7"}; // a NUL is removed by clean-up
  float v[2 * H], w[2 * H];
  int32_t tokens[2];
  assert_int_equal(souk_embed_texts(worlds[BERT].b, two, bytes, 2, NULL, v, tokens, NULL), SOUK_OK);
  assert_int_equal(souk_embed_texts(worlds[BERT].b, wanted, NULL, 2, NULL, w, NULL, NULL), SOUK_OK);
  assert_memory_equal(v, w, sizeof v);
  assert_int_equal(tokens[0], 2);
}

// ---- texts in histories --------------------------------------------------------------------------------------

// The tokens of a history, all of them.
static int32_t tokens_of(const souk_bundle *b, const souk_history *h, int32_t *ids, uint8_t *events) {
  int32_t n = 0;
  for (int32_t i = 0; i < h->n; i++) {
    const int32_t before = n, event = h->events != NULL ? h->events[i] : 0;
    if (h->texts != NULL && h->texts[i] != NULL)
      n += (int32_t)word_tokenizer_encode(b->tokenizer, h->texts[i], strlen(h->texts[i]), ids + n, 64);
    if (h->items != NULL && h->items[i] >= 0) ids[n++] = b->first_item + h->items[i];
    for (int32_t t = before; t < n; t++) events[t] = (uint8_t)event;
  }
  return n;
}

static void vector_by_hand(const souk_bundle *b, const souk_history *h, float *u) {
  int32_t ids[1024], positions[POSITIONS];
  uint8_t events[1024];
  const seq_input all = {ids, events, tokens_of(b, h, ids, events)};
  hand x = {.n = 0};
  seq_plan plan;
  assert_true(sequence_plan(&plan, &b->layout, all.n, NO_SECOND, true));
  sequence_write(&plan, &b->layout, &all, NULL, x.ids, x.types, positions);
  x.n = plan.rows;
  x.asked = plan.asked;
  run(b, &x, false);
  memcpy(u, x.u, sizeof x.u);
}

typedef struct told {
  int32_t items[8], events[8];
  const char *texts[8];
  souk_history h;
} told;

static void tell(told *t, uint32_t number) {
  rng r = rng_at(6, 7, number, 0);
  *t = (told){
      .h = {.n = (int32_t)rng_below(&r, 9), .items = t->items, .events = t->events, .texts = t->texts}};
  for (int32_t i = 0; i < t->h.n; i++) {
    const uint64_t kind = rng_below(&r, 4); // an item, a text, both, or an unknown item
    t->items[i] = kind % 2 == 0 ? (int32_t)rng_below(&r, ITEMS) : -1;
    t->texts[i] = kind == 1 || kind == 2 ? texts[rng_below(&r, TEXTS)] : NULL;
    t->events[i] = (int32_t)rng_below(&r, 3);
  }
}

static void histories_hold_texts(void **state) {
  (void)state;
  for (int w = BERT; w < WORLDS; w++)
    for (uint32_t round = 0; round < 100; round++) {
      static told t;
      float u[W], wanted[W];
      int32_t unknown, strangers = 0;
      souk_error e;
      tell(&t, round);
      for (int32_t i = 0; i < t.h.n; i++) strangers += t.items[i] < 0 && t.texts[i] == NULL;
      if (souk_user_vectors(worlds[w].b, &t.h, 1, 1, u, &unknown, &e) != SOUK_OK) fail_msg("%s", e.message);
      vector_by_hand(worlds[w].b, &t.h, wanted);
      assert_memory_equal(u, wanted, sizeof u);
      assert_int_equal(unknown, strangers);
    }
}

// A text in the place of a history, by names, in a ranked list.
static void lists_from_texts(void **state) {
  (void)state;
  const souk_bundle *b = worlds[BERT].b;
  const char *const said[] = {NULL, "w3 w4ab"}, *const names[] = {"item7", NULL};
  const souk_history alone = {.n = 1, .texts = said + 1}, both = {.n = 2, .names = names, .texts = said};
  const souk_query q[] = {{.history = alone}, {.history = both}};
  int32_t items[2 * ITEMS], counts[2], unknown[2] = {-1, -1};
  float scores[2 * ITEMS], u[2 * W], one;
  assert_int_equal(souk_rank(b, q, 2, ITEMS, NULL, items, scores, counts, unknown, NULL), SOUK_OK);
  assert_true(unknown[0] == 0 && unknown[1] == 0); // a text is no unknown item
  assert_int_equal(counts[0], ITEMS);
  assert_int_equal(counts[1], ITEMS - 1); // without item7
  vector_by_hand(b, &alone, u);
  for (int i = 0; i < ITEMS; i++) {
    assert_int_equal(souk_score(b, u, 1, items + i, 1, &one, NULL), SOUK_OK);
    assert_true(one == scores[i]);
  }
}

static void texts_carry_shares(void **state) {
  (void)state;
  static told t;
  const int32_t items[2] = {1, 30};
  for (uint32_t round = 0; round < 30; round++)
    for (int32_t method = SOUK_WHY_LEAVE_ONE_OUT; method <= SOUK_WHY_INTEGRATED_GRADIENTS; method++) {
      const souk_explain_options o = {.method = method};
      souk_explanation out[2];
      float shares[16];
      souk_error e;
      tell(&t, round);
      if (souk_explain(worlds[BERT].b, &t.h, items, 2, &o, out, shares, &e) != SOUK_OK)
        fail_msg("%s", e.message);
      for (int k = 0; k < 2; k++) {
        double sum = out[k].base + out[k].counts + out[k].rest;
        for (int32_t i = 0; i < t.h.n; i++) sum += (double)shares[k * t.h.n + i];
        check_near(sum, out[k].score, 1e-5);
        if (method == SOUK_WHY_INTEGRATED_GRADIENTS)
          assert_true(fabs(out[k].rest) < 0.0011 * (1 + fabs(out[k].score - out[k].base)));
      }
    }
}

// ---- sixteen threads on one handle ---------------------------------------------------------------------------

enum { THREADS = 16, ROUNDS = 4 };
typedef struct asker {
  pthread_t id;
  int32_t number;
  int differences;
} asker;
static float wanted_vectors[TEXTS * H];

static void *ask(void *arg) {
  asker *a = arg;
  float *v = malloc(sizeof wanted_vectors);
  if (v == NULL) abort();
  for (int round = 0; round < ROUNDS; round++) {
    const souk_embed_options o = {.threads = a->number % 4 == 0 ? 3 : 1};
    const char *const none[] = {NULL};
    souk_error e;
    a->differences +=
        souk_embed_texts(worlds[BERT].b, (const char *const *)texts, NULL, TEXTS, &o, v, NULL, &e) != SOUK_OK;
    a->differences += memcmp(v, wanted_vectors, sizeof wanted_vectors) != 0;
    a->differences += souk_embed_texts(worlds[BERT].b, none, NULL, 1, &o, v, NULL, &e) != SOUK_ERR_ARGUMENT;
  }
  free(v);
  return NULL;
}

static void sixteen_threads(void **state) {
  (void)state;
  static asker askers[THREADS];
  assert_int_equal(souk_embed_texts(worlds[BERT].b, (const char *const *)texts, NULL, TEXTS, NULL,
                                    wanted_vectors, NULL, NULL),
                   SOUK_OK);
  for (int32_t i = 0; i < THREADS; i++) {
    askers[i].number = i;
    assert_int_equal(pthread_create(&askers[i].id, NULL, ask, &askers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_join(askers[i].id, NULL), 0);
    assert_int_equal(askers[i].differences, 0);
  }
}

static void refused(void **state) {
  (void)state;
  char dir[256];
  souk_bundle *no_words;
  const souk_bundle *b = worlds[BERT].b;
  const char *const list[] = {"w0", NULL}, *const *const off = (const char *const *)((const char *)list + 1);
  const souk_embed_options pooling = {.pooling = 3}, normalise = {.normalise = 2}, few = {.most_tokens = 2},
                           less = {.most_tokens = -1}, cls = {.pooling = SOUK_POOL_CLS};
  const souk_history h = {.n = 1, .texts = list}, none = {.n = 1, .texts = list + 1},
                     misplaced = {.n = 1, .texts = off};
  float v[2 * W];
#define EMBED(b_, t_, n_, o_, v_) souk_embed_texts(b_, t_, NULL, n_, o_, v_, NULL, error)
  refuses(EMBED(NULL, list, 1, NULL, v), SOUK_ERR_ARGUMENT, "not an open bundle");
  refuses(EMBED(b, NULL, 1, NULL, v), SOUK_ERR_ARGUMENT, "texts must not be NULL");
  refuses(EMBED(b, off, 1, NULL, v), SOUK_ERR_ARGUMENT, "texts is not aligned");
  refuses(EMBED(b, list, 2, NULL, v), SOUK_ERR_ARGUMENT, "texts[1] must not be NULL");
  refuses(EMBED(b, list, (size_t)-1, NULL, v), SOUK_ERR_ARGUMENT, "2^31 - 1");
  refuses(EMBED(b, list, 1, NULL, NULL), SOUK_ERR_ARGUMENT, "vectors must not be NULL");
  refuses(EMBED(b, list, 1, &pooling, v), SOUK_ERR_ARGUMENT, "options.pooling = 3");
  refuses(EMBED(b, list, 1, &normalise, v), SOUK_ERR_ARGUMENT, "options.normalise = 2 is not 0 or 1");
  refuses(EMBED(b, list, 1, &few, v), SOUK_ERR_ARGUMENT, "options.most_tokens = 2");
  refuses(EMBED(b, list, 1, &less, v), SOUK_ERR_ARGUMENT, "options.most_tokens = -1");
  refuses(EMBED(worlds[PLAIN].b, list, 1, &cls, v), SOUK_ERR_ARGUMENT, "no [CLS] sees the text");
  refuses(souk_embed_texts_sized(b, list, NULL, 1, &few, 0, v, NULL, error), SOUK_ERR_ARGUMENT,
          "options_bytes is 0");
  assert_int_equal(souk_embed_texts(b, NULL, NULL, 0, NULL, NULL, NULL, NULL), SOUK_OK);
  refuses(souk_user_vectors(b, &none, 1, 1, v, NULL, error), SOUK_OK, "");
  refuses(souk_user_vectors(b, &misplaced, 1, 1, v, NULL, error), SOUK_ERR_ARGUMENT, "not aligned");
  tiny_directory(dir, sizeof dir);
  tiny_bundle(dir, 20, 30, NULL);
  no_words = tiny_open(dir);
  refuses(EMBED(no_words, list, 1, NULL, v), SOUK_ERR_ARGUMENT, "has no words, so it reads no texts");
  refuses(souk_user_vectors(no_words, &h, 1, 1, v, NULL, error), SOUK_ERR_ARGUMENT,
          "histories[0].texts[0]: the bundle has no words");
  souk_close(no_words);
  tiny_remove(dir);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(vectors_are_pooled),
                                     cmocka_unit_test(lengths_may_be_given),
                                     cmocka_unit_test(histories_hold_texts),
                                     cmocka_unit_test(lists_from_texts),
                                     cmocka_unit_test(texts_carry_shares),
                                     cmocka_unit_test(sixteen_threads),
                                     cmocka_unit_test(refused)};
  return cmocka_run_group_tests(tests, open_all, close_all);
}
