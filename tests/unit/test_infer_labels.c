// Labels and vectors of products in the inference library, against loops over the hidden states of sequences made by hand.
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/philox.h"
#include "infer/content.h"
#include "infer/encode.h"
#include "infer/workspace.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"
#include "lib/tiny_texts.h"
#include "souk/infer.h"

enum { H = 16, W = 17, ITEMS = 40, POSITIONS = 12, LABELS = 3, ROWS = 90, FEATURES = 4 };

static char dir[256];
static souk_bundle *b;
// The head, in rows: P [H,H], p [H], C [LABELS,H], c [LABELS].
static float pooler[H * H], pooler_b[H], classifier[LABELS * H], classifier_b[LABELS];
static char *names[LABELS] = {"click", "cart", "buy"};
static double temperatures[LABELS] = {1.5, 0.7, 2};

static float *packed(const float *matrix, size_t n) {
  float *p;
  assert_int_equal(infer_alloc(&p, gemm_packed_size(n, H), sizeof *p, "a test", NULL), SOUK_OK);
  gemm_pack(matrix, H, n, H, p);
  return p;
}

// The bundle's users get an attribute, whose token is one of items.
static void have_ages(void) {
  assert_null(b->attribute_names);
  assert_int_equal(infer_alloc(&b->attribute_names, 1, sizeof *b->attribute_names, "a test", NULL), SOUK_OK);
  assert_int_equal(infer_alloc(&b->attribute_ranges, 1, sizeof *b->attribute_ranges, "a test", NULL),
                   SOUK_OK);
  b->attribute_names[0] = (attribute_name){.name = strdup("age"), .end = 1};
  b->attribute_ranges[0] = (attribute_range){-INFINITY, INFINITY, vocab_begin(b->vocab, RANGE_ATTRIBUTES)};
  b->attributes = 1;
}

static int open_all(void **state) {
  (void)state;
  char path[PATH_MAX];
  model_config c = tiny_config();
  c.max_positions = POSITIONS;
  c.cls_sep = true;
  c.items = ITEMS_CONTENT;
  c.item_features = FEATURES;
  tiny_directory(dir, sizeof dir);
  check_ok(path_join(path, sizeof path, dir, "data"));
  tiny_texts(path, 20, ITEMS);
  tiny_bundle_of(dir, &c);
  b = tiny_open(dir);
  have_ages();
  rng r = rng_at(4, 4, 0, 0);
  for (int i = 0; i < H * H; i++) pooler[i] = (float)(rng_unit(&r) - 0.5);
  for (int i = 0; i < H; i++) pooler_b[i] = (float)(rng_unit(&r) - 0.5);
  for (int i = 0; i < LABELS * H; i++) classifier[i] = (float)(2 * rng_unit(&r) - 1);
  for (int i = 0; i < LABELS; i++) classifier_b[i] = (float)(rng_unit(&r) - 0.5);
  return 0;
}

static void have_labels(bool pairs, bool single) {
  b->labels = (label_head){.pairs = pairs,
                           .single = single,
                           .n = LABELS,
                           .names = names,
                           .temperatures = temperatures,
                           .pooler = packed(pooler, H),
                           .pooler_b = pooler_b,
                           .classifier = packed(classifier, LABELS),
                           .classifier_b = classifier_b};
}

static void have_none(void) {
  free(b->labels.pooler);
  free(b->labels.classifier);
  b->labels = (label_head){.n = 0};
}

static int close_all(void **state) {
  (void)state;
  souk_close(b);
  tiny_remove(dir);
  return 0;
}

// ---- by hand -------------------------------------------------------------------------------------------------

typedef struct hand {
  int32_t ids[POSITIONS], types[POSITIONS], n;
  float x[POSITIONS * H];
} hand;

static int32_t longest(const void *arg, size_t i) {
  (void)i;
  return ((const hand *)arg)->n;
}
static souk_status add(void *arg, chunk *c, size_t i, souk_error *e) {
  const hand *h = arg;
  (void)i;
  return chunk_add(c, h->ids, h->types, h->n, 0, e);
}
static void done(void *arg, const chunk *c, size_t first) {
  hand *h = arg;
  (void)first;
  memcpy(h->x, c->x, (size_t)h->n * H * sizeof *h->x);
}

static void logits_by_hand(hand *h, double *z) {
  const chunk_job job = {.b = b, .all = true, .longest = longest, .add = add, .done = done, .arg = h};
  workspace *space = workspace_get(b->pool);
  double pooled[H];
  assert_int_equal(chunks_run(&job, &space->encode, 1, NULL), SOUK_OK);
  workspace_put(b->pool, space);
  for (int i = 0; i < H; i++) {
    pooled[i] = (double)pooler_b[i];
    for (int j = 0; j < H; j++) pooled[i] += (double)pooler[i * H + j] * (double)h->x[j];
    pooled[i] = tanh(pooled[i]);
  }
  for (int k = 0; k < LABELS; k++) {
    z[k] = (double)classifier_b[k];
    for (int i = 0; i < H; i++) z[k] += (double)classifier[k * H + i] * pooled[i];
  }
}

static void put(hand *h, int32_t id, int32_t type) {
  h->ids[h->n] = id;
  h->types[h->n++] = type;
}

// [CLS] a [SEP] (b [SEP]); segment 1 begins at the layout's number of event types.
static hand sequence_of(const int32_t *a, const uint8_t *events, int32_t n, const int32_t *second,
                        int32_t m) {
  hand h = {.n = 0};
  put(&h, TOKEN_CLS, 0);
  for (int32_t i = 0; i < n; i++) put(&h, a[i], events != NULL ? events[i] : 0);
  put(&h, TOKEN_SEP, 0);
  for (int32_t i = 0; i < m; i++) put(&h, second[i], b->layout.n_event_types);
  if (second != NULL) put(&h, TOKEN_SEP, b->layout.n_event_types);
  return h;
}

static void check_probabilities(const float *got, const double *z) {
  double sum = 0, wanted;
  for (int k = 0; k < LABELS; k++) sum += exp(z[k] / temperatures[0]);
  for (int k = 0; k < LABELS; k++) {
    wanted = b->labels.single ? exp(z[k] / temperatures[0]) / sum : 1 / (1 + exp(-z[k] / temperatures[k]));
    check_near((double)got[k], wanted, 2e-6);
  }
}

// ---- texts ---------------------------------------------------------------------------------------------------

static void text_of(uint32_t number, char *text, size_t bytes) {
  static const char *const words[] = {"w0", "w3a", "w7ab", "stranger", "w9"};
  rng r = rng_at(4, 5, number, 0);
  text[0] = '\0';
  for (uint64_t n = rng_below(&r, 12); n > 0; n--)
    snprintf(text + strlen(text), bytes - strlen(text), "%s ", words[rng_below(&r, 5)]);
}

static void texts_have_labels(void **state) {
  (void)state;
  static char texts[2 * ROWS][160];
  static const char *first[ROWS], *second[ROWS];
  static float out[ROWS * LABELS], again[ROWS * LABELS], raw[ROWS * LABELS];
  for (int i = 0; i < 2 * ROWS; i++) text_of((uint32_t)i, texts[i], sizeof texts[i]);
  for (int i = 0; i < ROWS; i++) {
    first[i] = texts[i];
    second[i] = texts[ROWS + i];
  }
  for (int round = 0; round < 4; round++) {
    const bool two = round / 2 == 1;
    const souk_label_options many = {.threads = 4}, logits = {.logits = 1};
    souk_error e;
    have_labels(false, round % 2 == 0);
    if (souk_classify(b, first, two ? second : NULL, ROWS, NULL, out, &e) != SOUK_OK)
      fail_msg("%s", e.message);
    assert_int_equal(souk_classify(b, first, two ? second : NULL, ROWS, &many, again, NULL), SOUK_OK);
    assert_int_equal(souk_classify(b, first, two ? second : NULL, ROWS, &logits, raw, NULL), SOUK_OK);
    assert_memory_equal(out, again, sizeof out);
    for (int i = 0; i < ROWS; i++) {
      int32_t a[64], s[64], room = POSITIONS - 2 - two;
      double z[LABELS];
      int32_t n = (int32_t)word_tokenizer_encode(b->tokenizer, first[i], strlen(first[i]), a, 64);
      int32_t m = (int32_t)word_tokenizer_encode(b->tokenizer, second[i], strlen(second[i]), s, 64);
      if (n > room) n = room; // a text loses its end
      if (m > room) m = room;
      if (two) sequence_share(room, &n, &m);
      hand h = sequence_of(a, NULL, n, two ? s : NULL, two ? m : 0);
      assert_true(h.n <= POSITIONS);
      logits_by_hand(&h, z);
      check_probabilities(out + i * LABELS, z);
      for (int k = 0; k < LABELS; k++) check_near((double)raw[i * LABELS + k], z[k], 1e-5);
      assert_int_equal(souk_classify(b, first + i, two ? second + i : NULL, 1, NULL, again, NULL), SOUK_OK);
      assert_memory_equal(again, out + i * LABELS, LABELS * sizeof *out); // the same bits alone
    }
    have_none();
  }
}

// ---- pairs ---------------------------------------------------------------------------------------------------

typedef struct shown {
  int32_t items[14], events[14];
  char text[160];
  const char *attributes[2];
  souk_pair pair;
} shown;

static int32_t word_of(int32_t k) {
  return vocab_begin(b->vocab, RANGE_WORDS) + k;
}

// Item i has i % 5 words in the bundle.
static void have_texts(void) {
  int64_t n = 0;
  assert_int_equal(infer_alloc(&b->texts.offsets, ITEMS + 1, sizeof *b->texts.offsets, "a test", NULL),
                   SOUK_OK);
  assert_int_equal(infer_alloc(&b->texts.tokens, 5 * ITEMS, sizeof *b->texts.tokens, "a test", NULL),
                   SOUK_OK);
  for (int32_t i = 0; i < ITEMS; i++) {
    for (int32_t k = 0; k < i % 5; k++) b->texts.tokens[n++] = word_of(k);
    b->texts.offsets[i + 1] = n;
  }
}

static void show(shown *s, uint32_t number) {
  static const char *const name[] = {"age"}, *const value[] = {"30"};
  static const souk_user aged = {.n_attributes = 1, .names = name, .values = value};
  rng r = rng_at(4, 6, number, 0);
  const int32_t n = (int32_t)rng_below(&r, 15);
  for (int32_t i = 0; i < n; i++) {
    s->items[i] = (int32_t)rng_below(&r, ITEMS + 1) - 1;
    s->events[i] = (int32_t)rng_below(&r, 3);
  }
  text_of(number + 1000, s->text, sizeof s->text);
  s->attributes[0] = "brand=y";
  s->attributes[1] = "brand=nobody";
  s->pair = (souk_pair){.history = {.n = n, .items = s->items, .events = s->events},
                        .item = (int32_t)rng_below(&r, ITEMS + 1) - 1};
  if (number % 2 == 0) s->pair.product.text = s->text;
  if (number % 5 < 3) s->pair.history.user = &aged;
  if (number % 3 == 0) {
    s->pair.product.attributes = s->attributes;
    s->pair.product.n_attributes = 2;
  }
}

static hand pair_by_hand(const shown *s) {
  enum { ROOM = POSITIONS - 3 };
  int32_t a[14], second[96], n = 0, m = 0;
  uint8_t events[14];
  for (int32_t i = 0; i < s->pair.history.n; i++) {
    if (s->items[i] < 0) continue;
    a[n] = b->first_item + s->items[i];
    events[n++] = (uint8_t)s->events[i];
  }
  second[m++] = s->pair.item >= 0 ? b->first_item + s->pair.item : TOKEN_UNK;
  if (s->pair.product.text != NULL)
    m += (int32_t)word_tokenizer_encode(b->tokenizer, s->text, strlen(s->text), second + m, 64);
  if (m == 1 && s->pair.item >= 0 &&
      s->pair.product.n_attributes == 0) // the text that the item had in training
    for (int32_t k = 0; k < s->pair.item % 5; k++) second[m++] = word_of(k);
  if (m > ROOM) m = ROOM;
  if (s->pair.product.n_attributes > 0 && m < ROOM)
    second[m++] = vocab_find_bytes(b->vocab, RANGE_ATTRIBUTES, "brand=y", 7);
  const bool aged = s->pair.history.user != NULL;
  int32_t kept = n + aged < ROOM ? n + aged : ROOM, first[14];
  uint8_t marks[14] = {0};
  sequence_share(ROOM, &kept, &m);
  const int32_t front = aged && (kept > 1 || n == 0), back = kept - front; // the attribute stays
  first[0] = vocab_begin(b->vocab, RANGE_ATTRIBUTES);
  memcpy(first + front, a + n - back, (size_t)back * sizeof *a);
  memcpy(marks + front, events + n - back, (size_t)back);
  return sequence_of(first, marks, kept, second, m);
}

static void pairs_have_labels(void **state) {
  (void)state;
  static shown rows_of[ROWS];
  static souk_pair pairs[ROWS];
  static float out[ROWS * LABELS], again[ROWS * LABELS];
  const souk_label_options many = {.threads = 3};
  souk_error e;
  have_labels(true, false);
  have_texts();
  for (uint32_t i = 0; i < ROWS; i++) {
    show(&rows_of[i], i);
    pairs[i] = rows_of[i].pair;
  }
  if (souk_score_pairs(b, pairs, ROWS, NULL, out, &e) != SOUK_OK) fail_msg("%s", e.message);
  assert_int_equal(souk_score_pairs(b, pairs, ROWS, &many, again, NULL), SOUK_OK);
  assert_memory_equal(out, again, sizeof out);
  for (int i = 0; i < ROWS; i++) {
    double z[LABELS];
    hand h = pair_by_hand(&rows_of[i]);
    assert_true(h.n <= POSITIONS);
    logits_by_hand(&h, z);
    check_probabilities(out + i * LABELS, z);
  }
  have_none();
}

// ---- products ------------------------------------------------------------------------------------------------

static void products_have_vectors(void **state) {
  (void)state;
  const char *const brands[] = {"brand=x", "brand=unheard"};
  const float features[FEATURES] = {1, -2, 0.5f, 3};
  const souk_product products[] = {
      {.text = "w0 w3a"},
      {.text = "w0 w3a and", .bytes = 6, .attributes = brands, .n_attributes = 2},
      {.features = features},
      {.text = NULL}};
  float v[4 * W], wanted[W];
  int32_t unknown[4], ids[16];
  souk_info info;
  souk_error e;
  souk_get_info(b, &info, NULL);
  assert_true(info.makes_items == 1 && info.features == FEATURES && info.has_words == 1);
  if (souk_item_vectors_of_products(b, products, 4, v, unknown, &e) != SOUK_OK) fail_msg("%s", e.message);
  size_t n = word_tokenizer_encode(b->tokenizer, "w0 w3a", 6, ids, 16);
  assert_int_equal(content_vector(b, ids, n, NULL, wanted, NULL), SOUK_OK);
  assert_memory_equal(v, wanted, sizeof wanted);
  ids[n++] = vocab_find_bytes(b->vocab, RANGE_ATTRIBUTES, "brand=x", 7);
  assert_int_equal(content_vector(b, ids, n, NULL, wanted, NULL), SOUK_OK);
  assert_memory_equal(v + W, wanted, sizeof wanted);
  assert_int_equal(content_vector(b, ids, 0, features, wanted, NULL), SOUK_OK);
  assert_memory_equal(v + 2 * W, wanted, sizeof wanted);
  assert_true(memcmp(v, v + W, sizeof wanted) != 0 && memcmp(v, v + 3 * W, sizeof wanted) != 0);
  assert_true(unknown[0] == 0 && unknown[1] == 1 && unknown[2] == 0);
}

// ---- what is refused -----------------------------------------------------------------------------------------

static void refused(void **state) {
  (void)state;
  const char *const texts[] = {"w0", NULL}, *const none[] = {NULL};
  const float bad[FEATURES] = {0, NAN};
  souk_pair pairs[2] = {{.item = 1}, {.item = ITEMS}};
  souk_product product = {.text = "w0"};
  const souk_label_options logits = {.logits = 2}, threads = {.threads = 2000};
  float out[2 * W];
  refuses(souk_classify(b, texts, NULL, 1, NULL, out, error), SOUK_ERR_ARGUMENT,
          "has no labels: souk finetune --task classify");
  refuses(souk_score_pairs(b, pairs, 1, NULL, out, error), SOUK_ERR_ARGUMENT,
          "has no labels: souk finetune --task pair");
  assert_null(souk_label_name(b, 0));
  have_labels(false, true);
  assert_string_equal(souk_label_name(b, 2), "buy");
  assert_null(souk_label_name(b, LABELS));
  assert_null(souk_label_name(b, -1));
  assert_null(souk_label_name(NULL, 0));
  refuses(souk_score_pairs(b, pairs, 1, NULL, out, error), SOUK_ERR_ARGUMENT,
          "has labels of texts, not of pairs");
  refuses(souk_classify(b, texts, NULL, 2, NULL, out, error), SOUK_ERR_ARGUMENT, "texts[1] must not be NULL");
  refuses(souk_classify(b, texts, none, 1, NULL, out, error), SOUK_ERR_ARGUMENT,
          "seconds[0] must not be NULL");
  refuses(souk_classify(b, NULL, NULL, 1, NULL, out, error), SOUK_ERR_ARGUMENT, "texts must not be NULL");
  refuses(souk_classify(b, texts, NULL, 1, NULL, NULL, error), SOUK_ERR_ARGUMENT, "out must not be NULL");
  refuses(souk_classify(b, texts, NULL, (size_t)-1, NULL, out, error), SOUK_ERR_ARGUMENT, "2^31 - 1");
  refuses(souk_classify(b, texts, NULL, 1, &logits, out, error), SOUK_ERR_ARGUMENT, "options.logits = 2");
  refuses(souk_classify(b, texts, NULL, 1, &threads, out, error), SOUK_ERR_ARGUMENT, "threads = 2000");
  assert_int_equal(souk_classify(b, NULL, NULL, 0, NULL, NULL, NULL), SOUK_OK);
  have_none();
  have_labels(true, false);
  refuses(souk_classify(b, texts, NULL, 1, NULL, out, error), SOUK_ERR_ARGUMENT,
          "has labels of pairs, not of texts");
  refuses(souk_score_pairs(b, NULL, 1, NULL, out, error), SOUK_ERR_ARGUMENT, "pairs must not be NULL");
  refuses(souk_score_pairs(b, pairs, 2, NULL, out, error), SOUK_ERR_ARGUMENT, "pairs[1].item = 40 is not");
  pairs[0].reserved = 1;
  refuses(souk_score_pairs(b, pairs, 1, NULL, out, error), SOUK_ERR_ARGUMENT, "pairs[0].reserved = 1");
  pairs[0] = (souk_pair){.history = {.n = -1}};
  refuses(souk_score_pairs(b, pairs, 1, NULL, out, error), SOUK_ERR_ARGUMENT, "pairs[0].history.n = -1");
  pairs[0] = (souk_pair){.product = {.features = bad}};
  refuses(souk_score_pairs(b, pairs, 1, NULL, out, error), SOUK_ERR_ARGUMENT, "features play no part");
  pairs[0] = (souk_pair){.product = {.attributes = none, .n_attributes = 1}};
  refuses(souk_score_pairs(b, pairs, 1, NULL, out, error), SOUK_ERR_ARGUMENT,
          "pairs[0].attributes[0] must not be NULL");
  refuses(souk_score_pairs_sized(b, pairs, 8, 1, NULL, 0, out, error), SOUK_ERR_ARGUMENT,
          "not structures of 8 bytes");
  have_none();
#define PRODUCTS(p_, n_, v_) souk_item_vectors_of_products(b, p_, n_, v_, NULL, error)
  refuses(PRODUCTS(NULL, 1, out), SOUK_ERR_ARGUMENT, "products must not be NULL");
  refuses(PRODUCTS(&product, 1, NULL), SOUK_ERR_ARGUMENT, "v must not be NULL");
  refuses(PRODUCTS(&product, (size_t)1 << 40, out), SOUK_ERR_ARGUMENT, "2^31 - 1");
  product.features = bad;
  refuses(PRODUCTS(&product, 1, out), SOUK_ERR_NONFINITE, "products[0].features[1] is a NaN");
  product = (souk_product){.bytes = 4};
  refuses(PRODUCTS(&product, 1, out), SOUK_ERR_ARGUMENT, "products[0].text must not be NULL");
  product = (souk_product){.n_attributes = (size_t)-1, .attributes = texts};
  refuses(PRODUCTS(&product, 1, out), SOUK_ERR_ARGUMENT, "more than 1024");
}

// A model of labels alone has vectors and no ranking.
static void what_ranks_nothing(void **state) {
  (void)state;
  const souk_query q = {.adapter = 0};
  const int32_t one = 1;
  const int64_t offsets[2] = {0, 0};
  int32_t items[1], counts[1];
  float scores[1], u[W], v[W];
  souk_explanation out;
  souk_info info;
  static const char pairs[] = "ranks no items: it was trained on labels of pairs, for souk_score_pairs",
                    texts[] = "ranks no items: it was trained on labels of texts, for souk_classify";
  assert_int_equal(souk_get_info(b, &info, NULL), SOUK_OK);
  assert_int_equal(info.unranked, 0);
  b->unranked = true;
  assert_int_equal(souk_get_info(b, &info, NULL), SOUK_OK);
  assert_int_equal(info.unranked, 1);
  refuses(souk_rank(b, &q, 1, 1, NULL, items, scores, counts, NULL, error), SOUK_ERR_ARGUMENT,
          "ranks no items: it was never trained to; souk finetune --task rank");
  have_labels(true, false);
  assert_int_equal(souk_user_vectors(b, &q.history, 1, 1, u, NULL, NULL), SOUK_OK);
  assert_int_equal(souk_item_vectors(b, 0, 1, v, NULL), SOUK_OK);
  refuses(souk_rank(b, &q, 1, 1, NULL, items, scores, counts, NULL, error), SOUK_ERR_ARGUMENT, pairs);
  refuses(souk_rank_flat(b, offsets, NULL, NULL, 1, 1, NULL, items, scores, counts, NULL, error),
          SOUK_ERR_ARGUMENT, pairs);
  refuses(souk_score(b, u, 1, &one, 1, scores, error), SOUK_ERR_ARGUMENT, pairs);
  refuses(souk_explain(b, &q.history, &one, 1, NULL, &out, NULL, error), SOUK_ERR_ARGUMENT, pairs);
  have_none();
  have_labels(false, true);
  refuses(souk_rank(b, &q, 1, 1, NULL, items, scores, counts, NULL, error), SOUK_ERR_ARGUMENT, texts);
  have_none();
  b->unranked = false;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(texts_have_labels), cmocka_unit_test(pairs_have_labels),
                                     cmocka_unit_test(products_have_vectors),
                                     cmocka_unit_test(what_ranks_nothing), cmocka_unit_test(refused)};
  return cmocka_run_group_tests(tests, open_all, close_all);
}
