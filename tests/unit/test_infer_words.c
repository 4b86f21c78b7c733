// A bundle of words without items: what opening reads of its tokeniser, and what is refused with which sentence.
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "data/vocab.h"
#include "infer/bundle.h"
#include "lib/check.h"
#include "lib/tiny_bundle.h"
#include "lib/tiny_dataset.h"
#include "souk/infer.h"

static char dir[PATH_MAX], path[PATH_MAX + 64], settings[PATH_MAX + 128], *original;
static const char *const words[] = {"the", "fox", "##es", "[sku]"};
enum { WORDS = sizeof words / sizeof *words };

static int make(void **state) {
  (void)state;
  vocab *v;
  size_t bytes;
  tiny_directory(dir, sizeof dir);
  check_ok(vocab_new(&v));
  for (int i = 0; i < WORDS; i++) check_ok(vocab_add(v, RANGE_WORDS, words[i], 0, NULL));
  tiny_words_bundle(dir, v);
  check_ok(path_join(path, sizeof path, dir, "bundle"));
  check_ok(path_join(settings, sizeof settings, path, "souk.json"));
  check_ok(file_read(settings, 1 << 20, &original, &bytes));
  return 0;
}

static int clean(void **state) {
  (void)state;
  free(original);
  tiny_remove(dir);
  return 0;
}

// Writes souk.json with the first `from` replaced by `to`.
static void change(const char *from, const char *to) {
  char *place = strstr(original, from);
  if (place == NULL) fail_msg("souk.json has no %s", from);
  const size_t bytes = strlen(original) + strlen(to) + 1;
  char *text = malloc(bytes);
  assert_non_null(text);
  snprintf(text, bytes, "%.*s%s%s", (int)(place - original), original, to, place + strlen(from));
  check_ok(file_write_atomic(settings, text, strlen(text)));
  free(text);
}

static void check_ids(const souk_bundle *b, const char *text, const int32_t *wanted, size_t n) {
  int32_t ids[16];
  assert_non_null(b->tokenizer);
  assert_int_equal(word_tokenizer_encode(b->tokenizer, text, strlen(text), ids, 16), n);
  assert_memory_equal(ids, wanted, n * sizeof *ids);
}

static souk_bundle *open_bundle(void) {
  souk_bundle *b;
  souk_error e;
  if (souk_open(&b, path, 0, &e) != SOUK_OK) fail_msg("%s", e.message);
  return b;
}

static void test_opens(void **unused) {
  (void)unused;
  change("souk.bundle", "souk.bundle"); // as it was
  souk_bundle *b = open_bundle();
  souk_info info;
  assert_int_equal(souk_get_info(b, &info, NULL), SOUK_OK);
  assert_int_equal(info.items, 0);
  check_ids(b, "The foxes", (const int32_t[]){5, 6, 7}, 3);
  assert_int_equal(souk_find_item(b, "fox"), -1); // a word is no item
  assert_null(souk_item_name(b, 0));
  souk_close(b);
  change("\"added\": []", "\"added\": [{\"text\": \"[sku]\", \"id\": 8, \"normalized\": false, "
                          "\"single_word\": false, \"in_model\": "
                          "true}]");
  b = open_bundle();
  check_ids(b, "fox[sku]fox", (const int32_t[]){6, 8, 6}, 3);
  check_ids(b, "fox[MASK]", (const int32_t[]){6, TOKEN_UNK, TOKEN_UNK, TOKEN_UNK}, 4);
  souk_close(b);
  change("\"added\": []", "\"added\": [{\"text\": \"[sku]\", \"id\": 8, \"normalized\": false, "
                          "\"single_word\": false, \"in_model\": true, \"special\": true}]");
  b = open_bundle();
  check_ids(b, "[sku]", (const int32_t[]){TOKEN_UNK, TOKEN_UNK, TOKEN_UNK}, 3);
  souk_close(b);
  change("\"added\": []", "\"added\": [], \"typed_specials\": true");
  b = open_bundle();
  check_ids(b, "fox[MASK]", (const int32_t[]){6, TOKEN_MASK}, 2);
  souk_close(b);
  change("\"lower_case\": true", "\"lower_case\": false");
  b = open_bundle();
  check_ids(b, "The fox", (const int32_t[]){TOKEN_UNK, 6}, 2);
  souk_close(b);
}

// Vectors need no items; lists do.
static void test_no_items(void **unused) {
  (void)unused;
  change("souk.bundle", "souk.bundle");
  souk_bundle *b = open_bundle();
  souk_info info;
  int32_t items[4], counts[1];
  souk_get_info(b, &info, NULL);
  float *u = malloc((size_t)info.dimension * sizeof *u);
  const souk_history nobody = {.n = 0};
  const souk_query query = {.history = nobody};
  assert_int_equal(souk_user_vectors(b, &nobody, 1, 1, u, NULL, NULL), SOUK_OK);
  refuses(souk_rank(b, &query, 1, 4, NULL, items, NULL, counts, NULL, error), SOUK_ERR_ARGUMENT,
          "has words and no items, so that there is nothing to rank");
  free(u);
  souk_close(b);
}

static void test_refuses(void **unused) {
  (void)unused;
  static const struct {
    const char *from, *to, *says;
  } cases[] = {
      {"\"rules\": \"fast\"", "\"rules\": \"slow\"", "\"words.rules\" must be \"fast\" or \"python\""},
      {"\"lower_case\": true", "\"lower_case\": 1", "\"words.lower_case\" must be true or false"},
      {"\"strip_accents\": null", "\"strip_accents\": -1",
       "\"words.strip_accents\" must be true, false or null"},
      {"\"longest_word\": 100", "\"longest_word\": 0",
       "\"words.longest_word\" must be an integer from 1 to 1000"},
      {"\"longest_word\": 100", "\"longest_word\": 1001",
       "\"words.longest_word\" must be an integer from 1 to 1000"},
      {"\"prefix\": \"##\"", "\"prefix\": 7", "\"words.prefix\" must be a text"},
      {"\"specials\"", "\"special\"", "\"words.specials\" must be an array of five texts"},
      {"\"[PAD]\"", "\"\"", "\"words.specials\" must be an array of five texts"},
      {"\"added\": []", "\"added\": {}", "\"words.added\" must be an array"},
      {"\"added\": []", "\"added\": [1]", "\"words.added\" must be an array of objects"},
      {"\"added\": []", "\"added\": [{\"text\": \"x\", \"id\": 9}]", "\"words.added.id\" must be the id of"},
      {"\"added\": []", "\"added\": [{\"text\": \"x\", \"id\": 5}]",
       "\"words.added.normalized\" must be true or false"},
      {"\"added\": []", "\"added\": [], \"typed_specials\": 1",
       "\"words.typed_specials\" must be true or false"},
      {"\"added\": []", "\"added\": [], \"stemmer\": 1", "\"words.stemmer\" is unknown"},
      {"\"words\": {", "\"word\": {", "field \"word\" is unknown"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    souk_bundle *b;
    change(cases[i].from, cases[i].to);
    refuses(souk_open(&b, path, 0, error), SOUK_ERR_FORMAT, cases[i].says);
  }
}

// Labels are read before the weights, so a head that is described and not there is a tensor that is missing.
static void test_labels(void **unused) {
  (void)unused;
#define HEAD(task, kind, names, temperature)                                       \
  "\"labels\": {\"task\": \"" task "\", \"kind\": \"" kind "\", \"names\": " names \
  ", \"temperature\": " temperature "}, \"words\": {"
  static const struct {
    const char *to, *says;
  } cases[] = {
      {HEAD("rank", "single", "[\"a\", \"b\"]", "[1]"), "\"labels.task\" must be \"classify\" or \"pair\""},
      {HEAD("pair", "some", "[\"a\", \"b\"]", "[1]"), "\"labels.kind\" must be \"single\" or \"several\""},
      {HEAD("classify", "single", "[\"a\"]", "[1]"), "\"labels.names\" must be an array of 1 to 4096"},
      {HEAD("classify", "several", "[]", "[]"), "\"labels.names\" must be an array of 1 to 4096"},
      {HEAD("classify", "several", "[\"a\", \"a\"]", "[1, 1]"),
       "\"labels.names\" must be an array of 1 to 4096"},
      {HEAD("classify", "several", "[\"a\", 1]", "[1, 1]"), "\"labels.names\" must be an array of 1 to 4096"},
      {HEAD("classify", "several", "[\"a\", \"b\"]", "[1]"),
       "\"labels.temperature\" must be an array of a number for each"},
      {HEAD("classify", "single", "[\"a\", \"b\"]", "[1, 1]"),
       "\"labels.temperature\" must be an array of one number"},
      {HEAD("classify", "single", "[\"a\", \"b\"]", "[0]"),
       "\"labels.temperature\" must be an array of numbers from"},
      {HEAD("classify", "single", "[\"a\", \"b\"]", "[1], \"more\": 1"), "\"labels.more\" is unknown"},
      {HEAD("classify", "single", "[\"a\", \"b\"]", "[1.5]"), "classifier.weight"},
      {HEAD("pair", "several", "[\"a\", \"b\"]", "[1.5, 2]"), "classifier.weight"}};
#undef HEAD
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    souk_bundle *b;
    change("\"words\": {", cases[i].to);
    refuses(souk_open(&b, path, 0, error), SOUK_ERR_FORMAT, cases[i].says);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_opens), cmocka_unit_test(test_no_items),
                                     cmocka_unit_test(test_refuses), cmocka_unit_test(test_labels)};
  return cmocka_run_group_tests(tests, make, clean);
}
