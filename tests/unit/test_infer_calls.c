// The table of hostile arguments: NULL, misaligned, negative and huge ones, for every call that the inference library has. A call of
// the header that is not in the table is a failure, and so is one that is tried with fewer arguments than it has.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "lib/bad_arguments.h"
#include "lib/check.h"
#include "lib/copy_bundle.h"
#include "lib/rich_bundle.h"
#include "lib/tiny_dataset.h"
#include "souk/infer.h"

enum { H = RICH_H };

// ---- what is no bundle ---------------------------------------------------------------------------------------

static const souk_bundle *no_bundle(int i) {
  return i == 0 ? NULL : i == 1 ? (const souk_bundle *)(void *)other : ODD(const souk_bundle *, rich_ranks);
}

// A call whose first argument is a bundle, by three that are none.
#define NO_BUNDLE(call)                                 \
  for (int i_ = 0; i_ < 3; i_++) {                      \
    const souk_bundle *const none = no_bundle(i_);      \
    REFUSED(call, BAD, "bundle is not an open bundle"); \
  }
// And one whose answer says so.
#define NO_BUNDLE_IS(expr)                         \
  for (int i_ = 0; i_ < 3; i_++) {                 \
    const souk_bundle *const none = no_bundle(i_); \
    IS(expr);                                      \
  }

// ---- opening and names ---------------------------------------------------------------------------------------

static void of_version(void) {
  IS(strlen(souk_infer_version()) >= 5);
}

static void of_status_text(void) {
  IS(strcmp(souk_status_text((souk_status)-1), "unknown status") == 0);
  IS(strcmp(souk_status_text((souk_status)INT_MAX), "unknown status") == 0);
  for (int i = 0; i < SOUK_STATUS_COUNT; i++) IS(strlen(souk_status_text((souk_status)i)) > 1);
}

static void of_open(void) {
  char path[PATH_MAX];
  souk_bundle *out = NULL;
  char *endless = malloc(1 << 20);
  assert_non_null(endless);
  check_ok(path_join(path, sizeof path, rich_dirs[RICH_RANKS], "bundle"));
  memset(endless, 'x', 1 << 20);
  endless[(1 << 20) - 1] = '\0';
  REFUSED(souk_open(NULL, path, 0, error), BAD, "out must not be NULL");
  REFUSED(souk_open(ODD(souk_bundle **, &out), path, 0, error), BAD, "out is not aligned");
  REFUSED(souk_open(&out, NULL, 0, error), BAD, "dir must not be NULL");
  REFUSED(souk_open(&out, "", 0, error), BAD, "dir is empty");
  REFUSED(souk_open(&out, endless, 0, error), BAD, "too long");
  REFUSED(souk_open(&out, path, UINT32_MAX, error), BAD, "flags");
  IS(souk_open(&out, path, 0, ODD(souk_error *, other)) == BAD);
  assert_null(out);
  free(endless);
}

static void of_close(void) {
  for (int i = 0; i < 3; i++) {
    souk_close((souk_bundle *)(uintptr_t)no_bundle(i)); // left alone
    IS(souk_find_item(rich_ranks, "item1") == 1);
  }
}

static void of_get_info(void) {
  souk_info info;
  NO_BUNDLE(souk_get_info(none, &info, error))
  REFUSED(souk_get_info(rich_ranks, NULL, error), BAD, "info must not be NULL");
  REFUSED(souk_get_info(rich_ranks, ODD(souk_info *, &info), error), BAD, "info is not aligned");
  REFUSED(souk_get_info_sized(rich_ranks, &info, 0, error), BAD, "info_bytes is 0");
  IS(souk_get_info(rich_ranks, &info, ODD(souk_error *, other)) == BAD);
}

static const int32_t no_item[] = {-1, INT32_MIN, ITEMS, INT32_MAX};

static void of_find_item(void) {
  NO_BUNDLE_IS(souk_find_item(none, "item1") == -1)
  IS(souk_find_item(rich_ranks, NULL) == -1);
}

static void of_item_name(void) {
  NO_BUNDLE_IS(souk_item_name(none, 0) == NULL)
  for (int i = 0; i < 4; i++) IS(souk_item_name(rich_ranks, no_item[i]) == NULL);
}

static void of_item_count(void) {
  NO_BUNDLE_IS(souk_item_count(none, 0) == -1)
  for (int i = 0; i < 4; i++) IS(souk_item_count(rich_ranks, no_item[i]) == -1);
}

static void of_item_title(void) {
  char buf[4] = "abc";
  NO_BUNDLE_IS(souk_item_title(none, 0, buf, sizeof buf) == 0)
  for (int i = 0; i < 4; i++)
    IS(souk_item_title(rich_ranks, no_item[i], buf, sizeof buf) == 0 && buf[0] == '\0');
  IS(souk_item_title(rich_ranks, 0, NULL, SIZE_MAX) == 0);
}

static void of_item_record(void) {
  size_t bytes = 7;
  NO_BUNDLE_IS(souk_item_record(none, 0, &bytes) == NULL && bytes == 0)
  for (int i = 0; i < 4; i++) IS(souk_item_record(rich_ranks, no_item[i], &bytes) == NULL);
  IS(souk_item_record(rich_ranks, 0, NULL) == NULL);
  IS(souk_item_record(rich_ranks, 0, ODD(size_t *, other)) == NULL);
}

static void of_find_event(void) {
  NO_BUNDLE_IS(souk_find_event(none, "none") == -1)
  IS(souk_find_event(rich_ranks, NULL) == -1);
}

static void of_event_name(void) {
  NO_BUNDLE_IS(souk_event_name(none, 0) == NULL)
  for (int i = 0; i < 4; i++) IS(souk_event_name(rich_ranks, no_item[i]) == NULL);
}

static void of_user_attribute(void) {
  NO_BUNDLE_IS(souk_user_attribute(none, 0) == NULL)
  for (int i = 0; i < 4; i++) IS(souk_user_attribute(rich_ranks, no_item[i]) == NULL);
}

static void of_adapter_name(void) {
  NO_BUNDLE_IS(souk_adapter_name(none, 1) == NULL)
  for (int i = 0; i < 4; i++) IS(souk_adapter_name(rich_ranks, no_item[i]) == NULL);
  IS(souk_adapter_name(rich_ranks, 0) == NULL);
}

static void of_find_adapter(void) {
  NO_BUNDLE_IS(souk_find_adapter(none, "de") == -1)
  IS(souk_find_adapter(rich_ranks, NULL) == -1);
  IS(souk_find_adapter(rich_ranks, "") == -1);
}

static void of_label_name(void) {
  NO_BUNDLE_IS(souk_label_name(none, 0) == NULL)
  for (int i = 0; i < 4; i++) IS(souk_label_name(rich_pairs, no_item[i]) == NULL);
}

static const souk_history nobody = {.n = 0};

// ---- vectors and scores --------------------------------------------------------------------------------------

static void of_user_vectors(void) {
  float u[W];
  int32_t unknown[1];
#define CALL(h_, n_, threads_, u_, unknown_) \
  souk_user_vectors(rich_ranks, h_, n_, threads_, u_, unknown_, error)
  NO_BUNDLE(souk_user_vectors(none, &nobody, 1, 1, u, unknown, error))
  BAD_HISTORY(CALL(&history, 1, 1, u, unknown))
  REFUSED(CALL(NULL, 1, 1, u, unknown), BAD, "histories must not be NULL");
  REFUSED(CALL(ODD(souk_history *, other), 1, 1, u, unknown), BAD, "histories is not aligned");
  REFUSED(CALL(&nobody, HUGE_COUNT, 1, u, unknown), BAD, "more than 2^31 - 1");
  REFUSED(CALL(&nobody, SIZE_MAX, 1, u, unknown), BAD, "more than 2^31 - 1");
  REFUSED(CALL(&nobody, 1, -2, u, unknown), BAD, "threads = -2");
  REFUSED(CALL(&nobody, 1, INT32_MAX, u, unknown), BAD, "threads = 2147483647");
  REFUSED(CALL(&nobody, 1, 1, NULL, unknown), BAD, "u must not be NULL");
  REFUSED(CALL(&nobody, 1, 1, ODD(float *, u), unknown), BAD, "u is not aligned");
  REFUSED(CALL(&nobody, 1, 1, u, ODD(int32_t *, unknown)), BAD, "unknown is not aligned");
#undef CALL
}

static void of_user_vectors_flat(void) {
  float u[W];
  int32_t unknown[1];
#define FLAT(offsets_, items_, events_, n_) \
  souk_user_vectors_flat(rich_ranks, offsets_, items_, events_, n_, 1, u, unknown, error)
  NO_BUNDLE(souk_user_vectors_flat(none, none_at, NULL, NULL, 1, 1, u, unknown, error))
  BAD_FLAT(FLAT);
#undef FLAT
#define CALL(threads_, u_, unknown_) \
  souk_user_vectors_flat(rich_ranks, none_at, items, events, 1, threads_, u_, unknown_, error)
  REFUSED(CALL(-2, u, unknown), BAD, "threads = -2");
  REFUSED(CALL(1, NULL, unknown), BAD, "u must not be NULL");
  REFUSED(CALL(1, ODD(float *, u), unknown), BAD, "u is not aligned");
  REFUSED(CALL(1, u, ODD(int32_t *, unknown)), BAD, "unknown is not aligned");
#undef CALL
}

static void of_item_vectors(void) {
  float v[W];
  NO_BUNDLE(souk_item_vectors(none, 0, 1, v, error))
  REFUSED(souk_item_vectors(rich_ranks, -1, 1, v, error), BAD, "items -1 to -1");
  REFUSED(souk_item_vectors(rich_ranks, 0, -1, v, error), BAD, "not among the bundle's 40");
  REFUSED(souk_item_vectors(rich_ranks, INT32_MAX, INT32_MAX, v, error), BAD, "not among");
  REFUSED(souk_item_vectors(rich_ranks, INT32_MIN, INT32_MIN, v, error), BAD, "not among");
  REFUSED(souk_item_vectors(rich_ranks, 0, 1, NULL, error), BAD, "v must not be NULL");
  REFUSED(souk_item_vectors(rich_ranks, 0, 1, ODD(float *, v), error), BAD, "v is not aligned");
}

static void of_adapted_item_vectors(void) {
  float v[W];
  NO_BUNDLE(souk_adapted_item_vectors(none, 0, 0, 1, v, error))
  REFUSED(souk_adapted_item_vectors(rich_ranks, -1, 0, 1, v, error), BAD, "adapter = -1");
  REFUSED(souk_adapted_item_vectors(rich_ranks, INT32_MAX, 0, 1, v, error), BAD, "adapter = 2147483647");
  REFUSED(souk_adapted_item_vectors(rich_ranks, 1, -1, 1, v, error), BAD, "items -1 to -1");
  REFUSED(souk_adapted_item_vectors(rich_ranks, 1, INT32_MAX, INT32_MAX, v, error), BAD, "not among");
  REFUSED(souk_adapted_item_vectors(rich_ranks, 1, 0, 1, NULL, error), BAD, "v must not be NULL");
  REFUSED(souk_adapted_item_vectors(rich_ranks, 1, 0, 1, ODD(float *, v), error), BAD, "v is not aligned");
}

static void of_adapted_score(void) {
  float u[W] = {0}, spoiled[W] = {[3] = NAN}, scores[4];
#define CALL(adapter_, u_, n_, items_, m_, scores_) \
  souk_adapted_score(rich_ranks, adapter_, u_, n_, items_, m_, scores_, error)
  NO_BUNDLE(souk_adapted_score(none, 0, u, 1, items, 1, scores, error))
  REFUSED(CALL(-1, u, 1, items, 1, scores), BAD, "adapter = -1");
  REFUSED(CALL(3, u, 1, items, 1, scores), BAD, "adapter = 3");
  REFUSED(CALL(1, NULL, 1, items, 1, scores), BAD, "u must not be NULL");
  REFUSED(CALL(1, spoiled, 1, items, 1, scores), SOUK_ERR_NONFINITE, "u[3]");
  REFUSED(CALL(1, u, SIZE_MAX, items, 1, scores), BAD, "more than 2^31 - 1");
  REFUSED(CALL(1, u, 1, NULL, 1, scores), BAD, "items must not be NULL");
  REFUSED(CALL(1, u, 1, items + 2, 1, scores), BAD, "items[0] = 40");
  REFUSED(CALL(1, u, 1, items, 1, NULL), BAD, "scores must not be NULL");
#undef CALL
}

static void of_score(void) {
  float u[W] = {0}, spoiled[W] = {[3] = NAN}, scores[4];
#define CALL(u_, n_, items_, m_, scores_) souk_score(rich_ranks, u_, n_, items_, m_, scores_, error)
  NO_BUNDLE(souk_score(none, u, 1, items, 1, scores, error))
  REFUSED(souk_score(rich_pairs, u, 1, items, 1, scores, error), BAD, "ranks no items");
  REFUSED(CALL(NULL, 1, items, 1, scores), BAD, "u must not be NULL");
  REFUSED(CALL(ODD(float *, u), 1, items, 1, scores), BAD, "u is not aligned");
  REFUSED(CALL(spoiled, 1, items, 1, scores), SOUK_ERR_NONFINITE, "u[3]");
  REFUSED(CALL(u, SIZE_MAX, items, 1, scores), BAD, "more than 2^31 - 1");
  REFUSED(CALL(u, 1, NULL, 1, scores), BAD, "items must not be NULL");
  REFUSED(CALL(u, 1, ODD(int32_t *, items), 1, scores), BAD, "items is not aligned");
  REFUSED(CALL(u, 1, items + 2, 1, scores), BAD, "items[0] = 40");
  REFUSED(CALL(u, 1, items + 3, 1, scores), BAD, "items[0] = -2");
  REFUSED(CALL(u, 1, items, HUGE_COUNT, scores), BAD, "more than 2^31 - 1");
  REFUSED(CALL(u, 1, items, 1, NULL), BAD, "scores must not be NULL");
  REFUSED(CALL(u, 1, items, 1, ODD(float *, scores)), BAD, "scores is not aligned");
#undef CALL
}

// ---- queries and lists ---------------------------------------------------------------------------------------

static void of_query_vectors(void) {
  static const souk_query q;
  float u[W];
  int32_t unknown[1];
#define QUERIES(q_, bytes_, n_) souk_query_vectors_sized(rich_ranks, q_, bytes_, n_, 1, u, unknown, error)
  NO_BUNDLE(souk_query_vectors(none, &q, 1, 1, u, unknown, error))
  BAD_QUERY(QUERIES);
#undef QUERIES
  REFUSED(souk_query_vectors(rich_ranks, &q, 1, -2, u, unknown, error), BAD, "threads = -2");
  REFUSED(souk_query_vectors(rich_ranks, &q, 1, INT32_MAX, u, unknown, error), BAD, "threads = 2147483647");
  REFUSED(souk_query_vectors(rich_ranks, &q, 1, 1, NULL, unknown, error), BAD, "u must not be NULL");
  REFUSED(souk_query_vectors(rich_ranks, &q, 1, 1, ODD(float *, u), unknown, error), BAD, "u is not aligned");
  REFUSED(souk_query_vectors(rich_ranks, &q, 1, 1, u, ODD(int32_t *, unknown), error), BAD,
          "unknown is not aligned");
}

static void of_rank(void) {
  static const souk_query q;
  int32_t to[1], count[1];
  float score[1];
#define QUERIES(q_, bytes_, n_) \
  souk_rank_sized(rich_ranks, q_, bytes_, n_, 1, NULL, 0, to, score, count, count, error)
#define CALL(k_, o_, bytes_, items_, scores__, counts_, unknown_) \
  souk_rank_sized(rich_ranks, &q, sizeof q, 1, k_, o_, bytes_, items_, scores__, counts_, unknown_, error)
  NO_BUNDLE(souk_rank(none, &q, 1, 1, NULL, to, score, count, count, error))
  REFUSED(souk_rank(rich_pairs, &q, 1, 1, NULL, to, score, count, count, error), BAD, "ranks no items");
  BAD_QUERY(QUERIES);
  BAD_RANK(CALL);
#undef CALL
#undef QUERIES
}

static void of_rank_flat(void) {
  int32_t to[1], count[1];
  float score[1];
#define FLAT(offsets_, items_, events_, n_) \
  souk_rank_flat(rich_ranks, offsets_, items_, events_, n_, 1, NULL, to, score, count, count, error)
#define CALL(k_, o_, bytes_, items_, scores__, counts_, unknown_)                                        \
  souk_rank_flat_sized(rich_ranks, none_at, items, events, 1, k_, o_, bytes_, items_, scores__, counts_, \
                       unknown_, error)
  NO_BUNDLE(souk_rank_flat(none, none_at, NULL, NULL, 1, 1, NULL, to, score, count, count, error))
  REFUSED(souk_rank_flat(rich_classifies, none_at, NULL, NULL, 1, 1, NULL, to, score, count, count, error),
          BAD, "ranks no items");
  BAD_FLAT(FLAT);
  BAD_RANK(CALL);
#undef CALL
#undef FLAT
}

// ---- texts, products, labels ---------------------------------------------------------------------------------

static const char *const texts[] = {"w0 w3", NULL};

static void of_embed_texts(void) {
  static const struct {
    souk_embed_options o;
    const char *says;
  } bad[] = {{{.threads = -2}, "threads = -2"},
             {{.threads = INT32_MAX}, "threads = 2147483647"},
             {{.pooling = -1}, "options.pooling = -1"},
             {{.pooling = INT32_MAX}, "options.pooling = 2147483647"},
             {{.normalise = -1}, "options.normalise = -1"},
             {{.most_tokens = -1}, "options.most_tokens = -1"},
             {{.most_tokens = 2}, "options.most_tokens = 2"},
             {{.adapter = -1}, "options.adapter = -1"},
             {{.adapter = INT32_MAX}, "options.adapter = 2147483647"},
             {{.reserved = 1}, "options.reserved = 1"}};
  const size_t bytes[] = {5};
  float v[H];
  int32_t tokens[1];
#define CALL(t_, bytes_, n_, o_, v_, tokens_) \
  souk_embed_texts(rich_ranks, t_, bytes_, n_, o_, v_, tokens_, error)
  NO_BUNDLE(souk_embed_texts(none, texts, bytes, 1, NULL, v, tokens, error))
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    REFUSED(CALL(texts, bytes, 1, &bad[i].o, v, tokens), BAD, bad[i].says);
  REFUSED(CALL(NULL, bytes, 1, NULL, v, tokens), BAD, "texts must not be NULL");
  REFUSED(CALL(ODD(const char *const *, texts), bytes, 1, NULL, v, tokens), BAD, "texts is not aligned");
  REFUSED(CALL(texts + 1, bytes, 1, NULL, v, tokens), BAD, "texts[0] must not be NULL");
  REFUSED(CALL(texts, ODD(size_t *, other), 1, NULL, v, tokens), BAD, "bytes is not aligned");
  REFUSED(CALL(texts, bytes, HUGE_COUNT, NULL, v, tokens), BAD, "more than 2^31 - 1");
  REFUSED(CALL(texts, bytes, SIZE_MAX, NULL, v, tokens), BAD, "more than 2^31 - 1");
  REFUSED(CALL(texts, bytes, 1, ODD(souk_embed_options *, other), v, tokens), BAD, "options is not aligned");
  REFUSED(souk_embed_texts_sized(rich_ranks, texts, bytes, 1, &bad[0].o, 0, v, tokens, error), BAD,
          "options_bytes is 0");
  REFUSED(CALL(texts, bytes, 1, NULL, NULL, tokens), BAD, "vectors must not be NULL");
  REFUSED(CALL(texts, bytes, 1, NULL, ODD(float *, v), tokens), BAD, "vectors is not aligned");
  REFUSED(CALL(texts, bytes, 1, NULL, v, ODD(int32_t *, tokens)), BAD, "tokens is not aligned");
#undef CALL
}

static const float spoiled_features[RICH_FEATURES] = {0, -INFINITY};

static void of_products(void) {
  static const struct {
    souk_product p;
    souk_status code;
    const char *says;
  } bad[] = {{{.bytes = 4}, BAD, "products[0].text must not be NULL"},
             {{.n_attributes = 1}, BAD, "products[0].attributes must not be NULL"},
             {{.attributes = texts, .n_attributes = SIZE_MAX}, BAD, "more than 1024"},
             {{.attributes = texts, .n_attributes = 2}, BAD, "products[0].attributes[1] must not be NULL"},
             {{.attributes = ODD(const char *const *, texts), .n_attributes = 1}, BAD, "not aligned"},
             {{.features = ODD(const float *, spoiled_features)}, BAD, "products[0].features is not aligned"},
             {{.features = spoiled_features}, SOUK_ERR_NONFINITE, "products[0].features[1] is a NaN"}};
  static const souk_product p;
  float v[W];
  int32_t unknown[1];
#define CALL(p_, bytes_, n_, v_, unknown_) \
  souk_item_vectors_of_products_sized(rich_ranks, p_, bytes_, n_, v_, unknown_, error)
  NO_BUNDLE(souk_item_vectors_of_products(none, &p, 1, v, unknown, error))
  REFUSED(souk_item_vectors_of_products(rich_pairs, &p, 1, v, unknown, error), BAD,
          "has no content.safetensors");
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    REFUSED(CALL(&bad[i].p, sizeof p, 1, v, unknown), bad[i].code, bad[i].says);
  REFUSED(CALL(NULL, sizeof p, 1, v, unknown), BAD, "products must not be NULL");
  REFUSED(CALL(ODD(souk_product *, other), sizeof p, 1, v, unknown), BAD, "products is not aligned");
  REFUSED(CALL(&p, 0, 1, v, unknown), BAD, "not structures of 0 bytes");
  REFUSED(CALL(&p, sizeof p + 1, 1, v, unknown), BAD, "not structures of");
  REFUSED(CALL(&p, sizeof p, HUGE_COUNT, v, unknown), BAD, "more than 2^31 - 1");
  REFUSED(CALL(&p, sizeof p, 1, NULL, unknown), BAD, "v must not be NULL");
  REFUSED(CALL(&p, sizeof p, 1, ODD(float *, v), unknown), BAD, "v is not aligned");
  REFUSED(CALL(&p, sizeof p, 1, v, ODD(int32_t *, unknown)), BAD, "unknown is not aligned");
#undef CALL
}

static void of_classify(void) {
  float out[RICH_LABELS];
#define CALL(t_, s_, n_, o_, out_) souk_classify(rich_classifies, t_, s_, n_, o_, out_, error)
  NO_BUNDLE(souk_classify(none, texts, NULL, 1, NULL, out, error))
  REFUSED(souk_classify(rich_ranks, texts, NULL, 1, NULL, out, error), BAD, "has no labels");
  REFUSED(souk_classify(rich_pairs, texts, NULL, 1, NULL, out, error), BAD,
          "has labels of pairs, not of texts");
  for (int i = 0; i < BAD_LABEL_OPTIONS; i++)
    REFUSED(CALL(texts, NULL, 1, &bad_label_options[i].o, out), BAD, bad_label_options[i].says);
  REFUSED(CALL(NULL, NULL, 1, NULL, out), BAD, "texts must not be NULL");
  REFUSED(CALL(ODD(const char *const *, texts), NULL, 1, NULL, out), BAD, "texts is not aligned");
  REFUSED(CALL(texts, NULL, 2, NULL, out), BAD, "texts[1] must not be NULL");
  REFUSED(CALL(texts, ODD(const char *const *, texts), 1, NULL, out), BAD, "seconds is not aligned");
  REFUSED(CALL(texts, texts + 1, 1, NULL, out), BAD, "seconds[0] must not be NULL");
  REFUSED(CALL(texts, NULL, HUGE_COUNT, NULL, out), BAD, "more than 2^31 - 1");
  REFUSED(CALL(texts, NULL, 1, ODD(souk_label_options *, other), out), BAD, "options is not aligned");
  REFUSED(souk_classify_sized(rich_classifies, texts, NULL, 1, &bad_label_options[0].o, 0, out, error), BAD,
          "options_bytes is 0");
  REFUSED(CALL(texts, NULL, 1, NULL, NULL), BAD, "out must not be NULL");
  REFUSED(CALL(texts, NULL, 1, NULL, ODD(float *, out)), BAD, "out is not aligned");
#undef CALL
}

static void of_score_pairs(void) {
  static const struct {
    souk_pair p;
    const char *says;
  } bad[] = {
      {{.item = -2}, "pairs[0].item = -2"},
      {{.item = ITEMS}, "pairs[0].item = 40"},
      {{.item = INT32_MAX}, "pairs[0].item = 2147483647"},
      {{.reserved = 1}, "pairs[0].reserved = 1"},
      {{.product = {.bytes = SIZE_MAX}}, "pairs[0].text must not be NULL"},
      {{.product = {.n_attributes = 1}}, "pairs[0].attributes must not be NULL"},
      {{.product = {.attributes = texts, .n_attributes = SIZE_MAX}}, "more than 1024"},
      {{.product = {.attributes = texts, .n_attributes = 2}}, "pairs[0].attributes[1] must not be NULL"},
      {{.product = {.features = spoiled_features}}, "features play no part"}};
  static const souk_pair p;
  float out[RICH_LABELS];
#define CALL(p_, bytes_, n_, o_, out_) \
  souk_score_pairs_sized(rich_pairs, p_, bytes_, n_, o_, sizeof(souk_label_options), out_, error)
  NO_BUNDLE(souk_score_pairs(none, &p, 1, NULL, out, error))
  REFUSED(souk_score_pairs(rich_ranks, &p, 1, NULL, out, error), BAD, "has no labels");
  REFUSED(souk_score_pairs(rich_classifies, &p, 1, NULL, out, error), BAD,
          "has labels of texts, not of pairs");
  for (int i = 0; i < BAD_HISTORIES; i++) {
    const souk_pair asked = {.history = bad_histories[i].h};
    REFUSED(CALL(&asked, sizeof asked, 1, NULL, out), BAD, bad_histories[i].says);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    REFUSED(CALL(&bad[i].p, sizeof p, 1, NULL, out), BAD, bad[i].says);
  for (int i = 0; i < BAD_LABEL_OPTIONS; i++)
    REFUSED(CALL(&p, sizeof p, 1, &bad_label_options[i].o, out), BAD, bad_label_options[i].says);
  REFUSED(CALL(NULL, sizeof p, 1, NULL, out), BAD, "pairs must not be NULL");
  REFUSED(CALL(ODD(souk_pair *, other), sizeof p, 1, NULL, out), BAD, "pairs is not aligned");
  REFUSED(CALL(&p, 0, 1, NULL, out), BAD, "not structures of 0 bytes");
  REFUSED(CALL(&p, sizeof p, HUGE_COUNT, NULL, out), BAD, "more than 2^31 - 1");
  REFUSED(CALL(&p, sizeof p, 1, ODD(souk_label_options *, other), out), BAD, "options is not aligned");
  REFUSED(souk_score_pairs_sized(rich_pairs, &p, sizeof p, 1, &bad_label_options[0].o, 0, out, error), BAD,
          "options_bytes is 0");
  REFUSED(CALL(&p, sizeof p, 1, NULL, NULL), BAD, "out must not be NULL");
  REFUSED(CALL(&p, sizeof p, 1, NULL, ODD(float *, out)), BAD, "out is not aligned");
#undef CALL
}

// ---- explanations --------------------------------------------------------------------------------------------

static void of_explain(void) {
  static const struct {
    souk_explain_options o;
    const char *says;
  } bad[] = {{{.threads = -2}, "threads = -2"},
             {{.threads = INT32_MAX}, "threads = 2147483647"},
             {{.method = -1}, "options.method = -1"},
             {{.method = INT32_MAX}, "options.method = 2147483647"},
             {{.no_mix = -1}, "options.no_mix = -1"},
             {{.adapter = -1}, "options.adapter = -1"},
             {{.adapter = INT32_MAX}, "options.adapter = 2147483647"},
             {{.tolerance = -1}, "options.tolerance = -1"},
             {{.tolerance = INFINITY}, "options.tolerance = inf"},
             {{.tolerance = NAN}, "options.tolerance = "}};
  const souk_history one = {.n = 1, .items = items};
  souk_explanation out[1];
  float shares[1];
#define CALL(h_, i_, m_, o_, out_, shares_) souk_explain(rich_ranks, h_, i_, m_, o_, out_, shares_, error)
  NO_BUNDLE(souk_explain(none, &one, items, 1, NULL, out, shares, error))
  REFUSED(souk_explain(rich_pairs, &one, items, 1, NULL, out, shares, error), BAD, "ranks no items");
  BAD_HISTORY(CALL(&history, items, 1, NULL, out, shares))
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    REFUSED(CALL(&one, items, 1, &bad[i].o, out, shares), BAD, bad[i].says);
  REFUSED(CALL(NULL, items, 1, NULL, out, shares), BAD, "history must not be NULL");
  REFUSED(CALL(ODD(souk_history *, other), items, 1, NULL, out, shares), BAD, "history is not aligned");
  REFUSED(CALL(&one, NULL, 1, NULL, out, shares), BAD, "items must not be NULL");
  REFUSED(CALL(&one, ODD(int32_t *, items), 1, NULL, out, shares), BAD, "items is not aligned");
  REFUSED(CALL(&one, items + 2, 1, NULL, out, shares), BAD, "items[0] = 40");
  REFUSED(CALL(&one, items, SIZE_MAX, NULL, out, shares), BAD, "more than 2^31 - 1");
  REFUSED(CALL(&one, items, 1, ODD(souk_explain_options *, other), out, shares), BAD,
          "options is not aligned");
  REFUSED(souk_explain_sized(rich_ranks, &one, items, 1, &bad[0].o, 0, out, sizeof *out, shares, error), BAD,
          "options_bytes is 0");
  REFUSED(souk_explain_sized(rich_ranks, &one, items, 1, NULL, 0, out, 0, shares, error), BAD,
          "out_bytes = 0");
  REFUSED(CALL(&one, items, 1, NULL, NULL, shares), BAD, "out must not be NULL");
  REFUSED(CALL(&one, items, 1, NULL, ODD(souk_explanation *, other), shares), BAD, "out is not aligned");
  REFUSED(CALL(&one, items, 1, NULL, out, NULL), BAD, "shares must not be NULL");
  REFUSED(CALL(&one, items, 1, NULL, out, ODD(float *, shares)), BAD, "shares is not aligned");
#undef CALL
}

// ---- lexicons ------------------------------------------------------------------------------------------------

static void of_lexicon_new(void) {
  static const souk_lexicon_text good = {.text = "best"}, none_there = {0}, wrong = {.text = "a\n!."},
                                 named = {.text = "[x]", .name = "x.txt"};
  souk_lexicon *out = NULL;
#define CALL(out_, texts_, n_) souk_lexicon_new(out_, rich_ranks, texts_, n_, error)
  NO_BUNDLE(souk_lexicon_new(&out, none, &good, 1, error))
  REFUSED(CALL(NULL, &good, 1), BAD, "out must not be NULL");
  REFUSED(CALL(ODD(souk_lexicon **, &out), &good, 1), BAD, "out is not aligned");
  REFUSED(CALL(&out, NULL, 1), BAD, "texts must not be NULL");
  REFUSED(CALL(&out, ODD(const souk_lexicon_text *, other), 1), BAD, "texts is not aligned");
  REFUSED(CALL(&out, &good, SIZE_MAX), BAD, "a lexicon has at most");
  REFUSED(CALL(&out, &none_there, 1), BAD, "texts[0].text must not be NULL");
  REFUSED(CALL(&out, &wrong, 1), SOUK_ERR_FORMAT, "texts[0], line 2: a phrase without a letter");
  REFUSED(CALL(&out, &named, 1), SOUK_ERR_FORMAT, "x.txt, line 1: a section");
  IS(souk_lexicon_new(&out, rich_ranks, &good, 1, NULL) == SOUK_OK && out != NULL);
  souk_lexicon_free(out);
  IS(souk_lexicon_new(&out, rich_ranks, NULL, 0, ODD(souk_error *, other)) == BAD);
#undef CALL
}

static void of_lexicon_free(void) {
  souk_lexicon_free(NULL);
  souk_lexicon_free((souk_lexicon *)(void *)other); // left alone
  souk_lexicon_free(ODD(souk_lexicon *, other));
  IS(true);
}

static void of_carried_lexicon(void) {
  size_t bytes = 7;
  const char *name = "x";
  NO_BUNDLE_IS(souk_carried_lexicon(none, 0, &bytes, &name) == NULL && bytes == 0 && name == NULL)
  for (int i = 0; i < 4; i++) IS(souk_carried_lexicon(rich_ranks, no_item[i], &bytes, &name) == NULL);
  IS(souk_carried_lexicon(rich_ranks, 0, NULL, &name) == NULL);
  IS(souk_carried_lexicon(rich_ranks, 0, ODD(size_t *, other), &name) == NULL);
  IS(souk_carried_lexicon(rich_ranks, 0, &bytes, ODD(const char **, other)) == NULL);
}

// ---- copy ----------------------------------------------------------------------------------------------------

static const struct {
  souk_promo_options o;
  const char *says;
} bad_promo_options[] = {
    {{.threads = -2}, "threads = -2"},
    {{.decode = 3}, "options.decode = 3"},
    {{.decode = INT32_MIN}, "options.decode"},
    {{.n_best = -1}, "options.n_best = -1"},
    {{.n_best = 2}, "greedy decoding has one copy"},
    {{.decode = SOUK_DECODE_BEAM, .n_best = 5, .beam = 4}, "is more than options.beam"},
    {{.decode = SOUK_DECODE_BEAM, .beam = 65}, "options.beam = 65"},
    {{.decode = SOUK_DECODE_BEAM, .beam = 4, .beam_groups = 3}, "does not divide"},
    {{.decode = SOUK_DECODE_BEAM, .coverage_penalty = 1, .no_cache = 1}, "with the cache only"},
    {{.decode = SOUK_DECODE_SAMPLE, .n_best = INT32_MAX}, "options.n_best"},
    {{.beam_groups = -1}, "options.beam_groups"},
    {{.top_k = -1}, "options.top_k = -1"},
    {{.no_repeat = -1}, "options.no_repeat = -1"},
    {{.min_tokens = -1}, "options.min_tokens = -1"},
    {{.max_tokens = INT32_MIN}, "options.max_tokens"},
    {{.no_cache = 2}, "options.no_cache = 2"},
    {{.length_penalty = NAN}, "options.length_penalty"},
    {{.coverage_penalty = -1}, "options.coverage_penalty"},
    {{.diversity = INFINITY}, "options.diversity"},
    {{.temperature = -1}, "options.temperature"},
    {{.top_p = 1.5}, "options.top_p"}};

#define EN_US .language = "en", .market = "us"
static const char *const phrases[] = {"best", NULL};
static char endless_name[2000];
static const struct {
  souk_promo_request r;
  const char *says;
} bad_requests[] = {
    {{EN_US, .item = -2}, "requests[0].item = -2"},
    {{EN_US, .item = COPY_ITEMS}, "requests[0].item = 6"},
    {{EN_US, .adapter = 1}, "requests[0].adapter = 1"},
    {{.language = NULL, .market = "us"}, "requests[0].language"},
    {{.language = "de", .market = "us"}, "requests[0].language = \"de\""},
    {{.market = "atlantis", .language = "en"}, "requests[0].market = \"atlantis\""},
    {{EN_US, .goal = endless_name}, "requests[0].goal has more than 1024 bytes"},
    {{EN_US, .terms = {.code = endless_name}}, "requests[0].terms.code has more than 1024 bytes"},
    {{EN_US, .n_required = 1}, "requests[0].required must not be NULL"},
    {{EN_US, .n_required = -1, .required = phrases}, "requests[0].required: there are -1 phrases"},
    {{EN_US, .n_required = 2, .required = phrases}, "requests[0].required[1] must not be NULL"},
    {{EN_US, .n_banned = INT32_MAX, .banned = phrases}, "requests[0].banned: there are 2147483647 phrases"},
    {{EN_US, .required = ODD(const char *const *, phrases), .n_required = 1}, "is not aligned"},
    {{EN_US, .required_slots = 1u << 31}, "required_slots"},
    {{EN_US, .min_tokens = -1}, "requests[0].min_tokens = -1"},
    {{EN_US, .max_tokens = -1}, "requests[0].max_tokens = -1"},
    {{EN_US, .reserved = 1}, "requests[0].reserved = 1"},
    {{EN_US, .terms = {.reserved = 1}}, "requests[0].terms.reserved = 1"}};

static void of_promo(void) {
  static const souk_promo_request good = {EN_US, .item = 0};
  char dir[256];
  souk_promo *out = NULL;
  const model_config c = copy_bundle_config();
  memset(endless_name, 'x', sizeof endless_name - 1);
  tiny_directory(dir, sizeof dir);
  copy_bundle(dir, copy_vocab(30), &c, 6, 1);
  souk_bundle *b = tiny_open(dir);
#define CALL(requests_, bytes_, n_, options_, options_bytes_, out_) \
  souk_promo_sized(b, requests_, bytes_, n_, options_, options_bytes_, out_, error)
  NO_BUNDLE(souk_promo_sized(none, &good, sizeof good, 1, NULL, 0, &out, error))
  REFUSED(souk_promo_sized(rich_ranks, &good, sizeof good, 1, NULL, 0, &out, error), BAD, "writes no copy");
  REFUSED(CALL(&good, sizeof good, 1, NULL, 0, NULL), BAD, "out must not be NULL");
  REFUSED(CALL(&good, sizeof good, 1, NULL, 0, ODD(souk_promo **, other)), BAD, "out is not aligned");
  REFUSED(CALL(NULL, sizeof good, 1, NULL, 0, &out), BAD, "requests must not be NULL");
  REFUSED(CALL(ODD(souk_promo_request *, other), sizeof good, 1, NULL, 0, &out), BAD,
          "requests is not aligned");
  REFUSED(CALL(&good, sizeof good, HUGE_COUNT, NULL, 0, &out), BAD, "2^31 - 1");
  REFUSED(CALL(&good, 3, 1, NULL, 0, &out), BAD, "requests are not structures of 3 bytes");
  REFUSED(CALL(&good, sizeof good, 1, &bad_promo_options[0].o, 0, &out), BAD, "options_bytes is 0");
  REFUSED(CALL(&good, sizeof good, 1, ODD(souk_promo_options *, other), 8, &out), BAD,
          "options is not aligned");
  for (size_t i = 0; i < sizeof bad_promo_options / sizeof *bad_promo_options; i++)
    REFUSED(CALL(&good, sizeof good, 1, &bad_promo_options[i].o, sizeof bad_promo_options[i].o, &out), BAD,
            bad_promo_options[i].says);
  for (size_t i = 0; i < sizeof bad_requests / sizeof *bad_requests; i++)
    REFUSED(CALL(&bad_requests[i].r, sizeof good, 1, NULL, 0, &out), BAD, bad_requests[i].says);
  for (int h_ = 0; h_ < BAD_HISTORIES; h_++) { // items and events are other than those of the rich bundles
    const souk_promo_request asked = {
        .history = bad_histories[h_].h, .item = -1, .language = "en", .market = "us"};
    if (strstr(bad_histories[h_].says, "knows no attribute") == NULL) // this one knows it
      IS(souk_promo_write(b, &asked, 1, NULL, &out, NULL) == BAD);
  }
  IS(souk_promo_write(b, &good, 1, NULL, &out, NULL) == SOUK_OK);
  souk_promo_free(out);
  IS(souk_promo_sized(b, &good, sizeof good, 1, NULL, 0, &out, ODD(souk_error *, other)) == BAD);
#undef CALL
  souk_close(b);
  tiny_remove(dir);
}

static void of_promo_free(void) {
  souk_promo_free(NULL);
  souk_promo_free((souk_promo *)(void *)other); // left alone
  souk_promo_free(ODD(souk_promo *, other));
  IS(true);
}

static void of_promo_notes(void) {
  souk_promo_notes notes;
  REFUSED(souk_promo_notes_sized(NULL, 0, &notes, sizeof notes, error), BAD, "promo is not the answers");
  REFUSED(souk_promo_notes_sized((souk_promo *)(void *)other, 0, &notes, sizeof notes, error), BAD,
          "promo is not the answers");
  REFUSED(souk_promo_notes_sized(ODD(souk_promo *, other), 0, &notes, sizeof notes, error), BAD,
          "promo is not the answers");
  REFUSED(souk_promo_notes_sized(NULL, 0, NULL, sizeof notes, error), BAD, "notes must not be NULL");
  IS(souk_promo_notes_sized(NULL, 0, &notes, sizeof notes, ODD(souk_error *, other)) == BAD);
}

static void of_promo_copy(void) {
  souk_copy copy;
  REFUSED(souk_promo_copy_sized(NULL, 0, 0, &copy, sizeof copy, error), BAD, "promo is not the answers");
  REFUSED(souk_promo_copy_sized((souk_promo *)(void *)other, 0, 0, &copy, sizeof copy, error), BAD,
          "promo is not the answers");
  REFUSED(souk_promo_copy_sized(ODD(souk_promo *, other), SIZE_MAX, -1, &copy, sizeof copy, error), BAD,
          "promo is not the answers");
  REFUSED(souk_promo_copy_sized(NULL, 0, 0, NULL, sizeof copy, error), BAD, "to must not be NULL");
  REFUSED(souk_promo_copy_sized(NULL, 0, 0, ODD(souk_copy *, other), sizeof copy, error), BAD,
          "to is not aligned");
  IS(souk_promo_copy_sized(NULL, 0, 0, &copy, sizeof copy, ODD(souk_error *, other)) == BAD);
}

// ---- promotions ----------------------------------------------------------------------------------------------

static void of_promote(void) {
  static const struct {
    souk_promote_options o;
    const char *says;
  } bad[] = {{{.most = -1}, "options.most = -1"},     {{.most = INT32_MAX}, "options.most = 2147483647"},
             {{.first = -1}, "options.first = -1"},   {{.first = INT32_MAX}, "options.first = 2147483647"},
             {{.weight = -1}, "options.weight = -1"}, {{.weight = INFINITY}, "options.weight = inf"},
             {{.weight = NAN}, "options.weight = "}};
  static const struct {
    souk_promotion p;
    souk_status code;
    const char *says;
  } bad_promotions[] = {{{.item = -1}, BAD, "promotions[0].item = -1"},
                        {{.relevance = NAN}, SOUK_ERR_NONFINITE, "promotions[0].relevance"},
                        {{.value = -1}, BAD, "promotions[0].value = -1"},
                        {{.value = NAN}, BAD, "promotions[0].value = "}};
  static const int32_t twice[] = {3, 3}, below[] = {-1, 3};
  static const int32_t list[] = {3, 4};
  static const float scores[] = {2, 1}, rising[] = {1, 2}, spoiled[] = {NAN, 1};
  const souk_promote_options o = {.most = 1, .first = 1, .weight = 1};
  const souk_promotion p = {.item = 1};
  int32_t to[2], placed[2];
  float relevance[2];
  souk_placement cost;
#define CALL(i_, s_, n_, p_, bytes_, m_, o_, to_, r_, placed_, cost_, cost_bytes_) \
  souk_promote_sized(i_, s_, n_, p_, bytes_, m_, o_, sizeof o, to_, r_, placed_, cost_, cost_bytes_, error)
#define LIST(i_, s_, n_) CALL(i_, s_, n_, &p, sizeof p, 1, &o, to, relevance, placed, &cost, sizeof cost)
#define ONES(p_, bytes_, m_) \
  CALL(list, scores, 2, p_, bytes_, m_, &o, to, relevance, placed, &cost, sizeof cost)
  REFUSED(LIST(NULL, scores, 2), BAD, "items must not be NULL");
  REFUSED(LIST(ODD(const int32_t *, list), scores, 2), BAD, "items is not aligned");
  REFUSED(LIST(list, NULL, 2), BAD, "scores must not be NULL");
  REFUSED(LIST(list, ODD(const float *, scores), 2), BAD, "scores is not aligned");
  REFUSED(LIST(list, scores, -1), BAD, "n = -1");
  REFUSED(LIST(list, scores, INT32_MAX), BAD, "n = 2147483647");
  REFUSED(LIST(twice, scores, 2), BAD, "items[1] = 3 is in the list twice");
  REFUSED(LIST(below, scores, 2), BAD, "items[0] = -1");
  REFUSED(LIST(list, rising, 2), BAD, "scores[1] is larger");
  REFUSED(LIST(list, spoiled, 2), SOUK_ERR_NONFINITE, "scores[0]");
  REFUSED(ONES(NULL, sizeof p, 1), BAD, "promotions must not be NULL");
  REFUSED(ONES(ODD(const souk_promotion *, other), sizeof p, 1), BAD, "promotions is not aligned");
  REFUSED(ONES(&p, 0, 1), BAD, "not structures of 0 bytes");
  REFUSED(ONES(&p, sizeof p + 1, 1), BAD, "not structures of");
  REFUSED(ONES(&p, sizeof p, HUGE_COUNT), BAD, "more than 2^31 - 1");
  for (size_t i = 0; i < sizeof bad_promotions / sizeof *bad_promotions; i++)
    REFUSED(ONES(&bad_promotions[i].p, sizeof p, 1), bad_promotions[i].code, bad_promotions[i].says);
#undef LIST
#undef ONES
#define OF(o_) CALL(list, scores, 2, &p, sizeof p, 1, o_, to, relevance, placed, &cost, sizeof cost)
  REFUSED(OF(NULL), BAD, "options must not be NULL");
  REFUSED(OF(ODD(const souk_promote_options *, other)), BAD, "options is not aligned");
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) REFUSED(OF(&bad[i].o), BAD, bad[i].says);
#undef OF
#define TO(to_, r_, placed_, cost_, bytes_) \
  CALL(list, scores, 2, &p, sizeof p, 1, &o, to_, r_, placed_, cost_, bytes_)
  REFUSED(TO(NULL, relevance, placed, &cost, sizeof cost), BAD, "placed_items must not be NULL");
  REFUSED(TO(ODD(int32_t *, to), relevance, placed, &cost, sizeof cost), BAD, "placed_items is not aligned");
  REFUSED(TO(to, ODD(float *, relevance), placed, &cost, sizeof cost), BAD, "relevance is not aligned");
  REFUSED(TO(to, relevance, NULL, &cost, sizeof cost), BAD, "placed must not be NULL");
  REFUSED(TO(to, relevance, ODD(int32_t *, placed), &cost, sizeof cost), BAD, "placed is not aligned");
  REFUSED(TO(to, relevance, placed, ODD(souk_placement *, other), sizeof cost), BAD, "cost is not aligned");
  REFUSED(TO(to, relevance, placed, &cost, 0), BAD, "cost_bytes = 0");
#undef TO
#undef CALL
  REFUSED(souk_promote_sized(list, scores, 2, &p, sizeof p, 1, &o, 0, to, relevance, placed, &cost,
                             sizeof cost, error),
          BAD, "options_bytes is 0");
  IS(souk_promote(list, scores, 2, &p, 1, &o, to, relevance, placed, &cost, ODD(souk_error *, other)) == BAD);
}

// ---- the table -----------------------------------------------------------------------------------------------

static const struct {
  const char *name;
  void (*refuse)(void);
} table[] = {{"souk_infer_version", of_version},
             {"souk_status_text", of_status_text},
             {"souk_open", of_open},
             {"souk_close", of_close},
             {"souk_get_info_sized", of_get_info},
             {"souk_find_item", of_find_item},
             {"souk_item_name", of_item_name},
             {"souk_item_count", of_item_count},
             {"souk_item_title", of_item_title},
             {"souk_item_record", of_item_record},
             {"souk_find_event", of_find_event},
             {"souk_event_name", of_event_name},
             {"souk_user_attribute", of_user_attribute},
             {"souk_adapter_name", of_adapter_name},
             {"souk_find_adapter", of_find_adapter},
             {"souk_label_name", of_label_name},
             {"souk_user_vectors", of_user_vectors},
             {"souk_user_vectors_flat", of_user_vectors_flat},
             {"souk_item_vectors", of_item_vectors},
             {"souk_adapted_item_vectors", of_adapted_item_vectors},
             {"souk_score", of_score},
             {"souk_adapted_score", of_adapted_score},
             {"souk_query_vectors_sized", of_query_vectors},
             {"souk_rank_sized", of_rank},
             {"souk_rank_flat_sized", of_rank_flat},
             {"souk_embed_texts_sized", of_embed_texts},
             {"souk_item_vectors_of_products_sized", of_products},
             {"souk_classify_sized", of_classify},
             {"souk_score_pairs_sized", of_score_pairs},
             {"souk_explain_sized", of_explain},
             {"souk_lexicon_new", of_lexicon_new},
             {"souk_lexicon_free", of_lexicon_free},
             {"souk_carried_lexicon", of_carried_lexicon},
             {"souk_promo_sized", of_promo},
             {"souk_promo_free", of_promo_free},
             {"souk_promo_notes_sized", of_promo_notes},
             {"souk_promo_copy_sized", of_promo_copy},
             {"souk_promote_sized", of_promote}};
enum { CALLS = sizeof table / sizeof *table };

static int row_of(const char *name) {
  for (int i = 0; i < CALLS; i++)
    if (strcmp(table[i].name, name) == 0) return i;
  return -1;
}

// The next function that the header exports: its name and how many parameters it has; where the text goes on, NULL behind the last.
static const char *next_call(const char *at, char name[64], int *parameters) {
  static const char mark[] = "\nSOUK_API ";
  at = strstr(at, mark);
  if (at == NULL) return NULL;
  const char *open = strchr(at, '('), *begin = open;
  assert_non_null(open);
  while (isalnum((unsigned char)begin[-1]) || begin[-1] == '_') begin--;
  assert_true(open - begin < 64);
  snprintf(name, 64, "%.*s", (int)(open - begin), begin);
  *parameters = strncmp(open, "(void)", 6) != 0;
  for (at = open; *at != ')'; at++) *parameters += *at == ',';
  return at;
}

static void every_call_refuses_what_it_should(void **state) {
  (void)state;
  for (int i = 0; i < CALLS; i++) {
    tried = 0;
    table[i].refuse();
    assert_true(tried > 0);
  }
}

static void every_call_of_the_header_is_in_the_table(void **state) {
  (void)state;
  char *header, name[64];
  size_t bytes;
  int parameters, found = 0;
  check_ok(file_read("include/souk/infer.h", 1 << 24, &header, &bytes));
  for (const char *at = header; (at = next_call(at, name, &parameters)) != NULL; found++) {
    const int row = row_of(name);
    if (row < 0) fail_msg("%s is in infer.h, and not in the table of hostile arguments", name);
    tried = 0;
    table[row].refuse();
    if (tried < parameters)
      fail_msg("%s has %d parameters, and is tried with %d hostile arguments", name, parameters, tried);
  }
  free(header);
  assert_int_equal(found, CALLS);
}

// After all of that the handles answer as before.
static void the_handles_still_answer(void **state) {
  (void)state;
  static const souk_query q;
  static const souk_pair p;
  static const souk_product new_one = {.text = "w1 w2"};
  const souk_history one = {.n = 1, .items = items};
  int32_t listed[ITEMS], count;
  float scores[ITEMS], v[W], out[RICH_LABELS], shares[1];
  souk_explanation why;
  assert_int_equal(souk_rank(rich_ranks, &q, 1, ITEMS, NULL, listed, scores, &count, NULL, NULL), SOUK_OK);
  assert_int_equal(count, ITEMS);
  assert_int_equal(souk_embed_texts(rich_ranks, texts, NULL, 1, NULL, v, NULL, NULL), SOUK_OK);
  assert_int_equal(souk_item_vectors_of_products(rich_ranks, &new_one, 1, v, NULL, NULL), SOUK_OK);
  assert_int_equal(souk_explain(rich_ranks, &one, items, 1, NULL, &why, shares, NULL), SOUK_OK);
  assert_int_equal(souk_classify(rich_classifies, texts, NULL, 1, NULL, out, NULL), SOUK_OK);
  check_near((double)out[0] + (double)out[1] + (double)out[2], 1, 1e-6);
  assert_int_equal(souk_score_pairs(rich_pairs, &p, 1, NULL, out, NULL), SOUK_OK);
  for (int k = 0; k < RICH_LABELS; k++) assert_true(out[k] > 0 && out[k] < 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_call_refuses_what_it_should),
                                     cmocka_unit_test(every_call_of_the_header_is_in_the_table),
                                     cmocka_unit_test(the_handles_still_answer)};
  return cmocka_run_group_tests(tests, rich_open, rich_close);
}
