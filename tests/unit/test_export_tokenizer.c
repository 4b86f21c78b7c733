// tokenizer.json and tokenizer_config.json of bundles: each token of the vocabulary once, with the bundle's id, whatever its name
// is; and the settings of an imported tokenizer as they came. That Hugging Face's library reads them so is seen in `make interop`.
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "convert/export_tokenizer.h"
#include "data/tokenizer.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

static char dir[256];

static json_t *load(const char *name) {
  char path[PATH_MAX];
  json_error_t error;
  check_ok(path_join(path, sizeof path, dir, name));
  json_t *j = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
  if (j == NULL) fail_msg("%s line %d: %s", path, error.line, error.text);
  return j;
}

static void holds(const json_t *j, const char *wanted) {
  char *text = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);
  assert_string_equal(text != NULL ? text : "", wanted);
  free(text);
}

static json_t *at(const json_t *j, const char *a, const char *b) {
  return json_object_get(json_object_get(j, a), b);
}

// ---- items ---------------------------------------------------------------------------------------------------

static const struct {
  vocab_range range;
  const char *name, *written; // NULL: as it is
} tokens[] = {
    {RANGE_WORDS, "word", NULL},
    {RANGE_WORDS, "both", "\\words:both"},
    {RANGE_ATTRIBUTES, "event=view", "\\attributes:event=view"},
    {RANGE_ATTRIBUTES, "category=[MASK]", "category=[\\MASK]"},
    {RANGE_ATTRIBUTES, "both", NULL},
    {RANGE_ITEMS, "two words", NULL},
    {RANGE_ITEMS, " ends with spaces ", NULL},
    {RANGE_ITEMS, "event=view", NULL},
    {RANGE_ITEMS, "\\attributes:event=view", "\\\\attributes:event=view"},
    {RANGE_ITEMS, "[MASK]", "[\\MASK]"},
    {RANGE_ITEMS, "[\\MASK]", "[\\\\MASK]"},
    {RANGE_ITEMS, "x[[PAD]y[SEP]", "x[[\\PAD]y[\\SEP]"},
    {RANGE_ITEMS, "[mask] [MASK", NULL},
    {RANGE_ITEMS, "a\tb\nc\rd\\n", "a\\tb\\nc\\rd\\\\n"},
    {RANGE_ITEMS, "quo\"te", NULL},
    {RANGE_ITEMS, "bell\x07\x1b[2J\x7f", NULL},
    {RANGE_ITEMS, "\xe6\xaf\x9b\xe8\xa1\xa3 \xf0\x9f\x91\x97", NULL},
    {RANGE_ITEMS, "</s>", NULL},
};
enum { TOKENS = sizeof tokens / sizeof *tokens };

static vocab *make_vocab(void) {
  vocab *v;
  check_ok(vocab_new(&v));
  for (int i = 0; i < TOKENS; i++) check_ok(vocab_add(v, tokens[i].range, tokens[i].name, 1, NULL));
  return v;
}

static void every_name_is_one_token(void **unused) {
  (void)unused;
  vocab *v = make_vocab();
  const model_config c = {.max_positions = 12, .cls_sep = true, .segments = 2, .event_types = 3};
  check_ok(export_item_tokenizer(dir, v, &c));
  json_t *j = load("tokenizer.json"), *words = at(j, "model", "vocab");
  assert_int_equal(json_object_size(words), TOKEN_SPECIALS + TOKENS);
  for (int i = 0; i < TOKEN_SPECIALS; i++)
    assert_int_equal(json_integer_value(json_object_get(words, special_tokens[i])), i);
  for (int i = 0; i < TOKENS; i++) {
    const char *written = tokens[i].written != NULL ? tokens[i].written : tokens[i].name;
    const json_t *id = json_object_get(words, written);
    if (json_integer_value(id) != TOKEN_SPECIALS + i) fail_msg("token %d is not called \"%s\"", i, written);
  }
  holds(at(j, "model", "type"), "\"WordLevel\"");
  holds(json_object_get(j, "normalizer"), "null");
  holds(at(j, "pre_tokenizer", "pattern"), "{\"String\":\"\\n\"}");
  holds(at(j, "post_processor", "single"),
        "[{\"SpecialToken\":{\"id\":\"[CLS]\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
        "{\"SpecialToken\":{\"id\":\"[MASK]\",\"type_id\":0}},{\"SpecialToken\":{\"id\":\"[SEP]\",\"type_"
        "id\":0}}]");
  holds(at(j, "post_processor", "special_tokens"),
        "{\"[CLS]\":{\"id\":\"[CLS]\",\"ids\":[2],\"tokens\":[\"[CLS]\"]},"
        "\"[SEP]\":{\"id\":\"[SEP]\",\"ids\":[3],\"tokens\":[\"[SEP]\"]},"
        "\"[MASK]\":{\"id\":\"[MASK]\",\"ids\":[4],\"tokens\":[\"[MASK]\"]}}");
  assert_int_equal(json_array_size(json_object_get(j, "added_tokens")), TOKEN_SPECIALS);
  json_decref(j);
  j = load("tokenizer_config.json");
  holds(json_object_get(j, "tokenizer_class"), "\"PreTrainedTokenizerFast\"");
  holds(json_object_get(j, "model_max_length"), "12");
  holds(json_object_get(j, "truncation_side"), "\"left\"");
  holds(json_object_get(j, "mask_token"), "\"[MASK]\"");
  json_decref(j);
  vocab_free(v);
}

static void histories_without_cls(void **unused) {
  (void)unused;
  vocab *v = make_vocab();
  const model_config c = {.max_positions = 12, .segments = 1, .event_types = 3};
  check_ok(export_item_tokenizer(dir, v, &c));
  json_t *j = load("tokenizer.json");
  holds(at(j, "post_processor", "single"), "[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
                                           "{\"SpecialToken\":{\"id\":\"[MASK]\",\"type_id\":0}}]");
  json_decref(j);
  check_ok(vocab_add(v, RANGE_ITEMS, "not \xff text", 1, NULL));
  check_fails(export_item_tokenizer(dir, v, &c), ERR_FORMAT, "token 23 of the vocabulary is not UTF-8");
  vocab_free(v);
}

// ---- words ---------------------------------------------------------------------------------------------------

static vocab *make_words(void) {
  static const char *const names[] = {"a", "##b", "", "[MASK]", "[SKU]", "two words"};
  vocab *v;
  check_ok(vocab_new(&v));
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    check_ok(vocab_add(v, RANGE_WORDS, names[i], 0, NULL));
  return v;
}

static void check_lines(const char *wanted) {
  char path[PATH_MAX], *text;
  size_t n;
  check_ok(path_join(path, sizeof path, dir, "vocab.txt"));
  check_ok(file_read(path, 1 << 16, &text, &n));
  assert_string_equal(text, wanted);
  free(text);
}

static void words_by_default(void **unused) {
  (void)unused;
  vocab *v = make_words();
  const model_config c = {.max_positions = 12};
  bool lines = false;
  // A word that is called as a special token is: of a checkpoint that does not say what the special tokens were called.
  check_ok(export_word_tokenizer(dir, v, &c, NULL, &lines));
  assert_true(lines);
  check_lines("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\n\n\\words:[MASK]\n[SKU]\ntwo words\n");
  json_t *j = load("tokenizer.json");
  assert_int_equal(json_integer_value(json_object_get(at(j, "model", "vocab"), "[MASK]")), 4);
  json_decref(j);
  j = load("tokenizer_config.json");
  holds(json_object_get(j, "do_lower_case"), "true");
  holds(json_object_get(j, "tokenizer_class"), "\"BertTokenizer\"");
  json_decref(j);
  vocab_free(v);
}

static void settings_come_back(void **unused) {
  (void)unused;
  vocab *v = make_words();
  const model_config c = {.max_positions = 12};
  bool lines = false;
  json_t *settings = json_loads("{\"config\": {\"do_lower_case\": false, \"strip_accents\": true, "
                                "\"mask_token\": \"<mask>\", \"never_split\": [\"x\"]},"
                                " \"added_tokens\": [{\"content\": \"two words\", \"in_model\": false, "
                                "\"lstrip\": true, \"normalized\": false,"
                                " \"rstrip\": false, \"single_word\": true, \"special\": false}, "
                                "{\"content\": \"a\", \"in_model\": false,"
                                " \"lstrip\": false, \"normalized\": true, \"rstrip\": false, "
                                "\"single_word\": false, \"special\": true}]}",
                                0, NULL);
  assert_non_null(settings);
  check_ok(tokenizer_check(settings, "m.json"));
  check_ok(export_word_tokenizer(dir, v, &c, settings, &lines));
  check_lines("[PAD]\n[UNK]\n[CLS]\n[SEP]\n<mask>\na\n##b\n\n[MASK]\n[SKU]\n"); // without what is only added
  json_t *j = load("tokenizer.json");
  assert_int_equal(json_object_size(at(j, "model", "vocab")), 10);
  assert_int_equal(json_integer_value(json_object_get(at(j, "model", "vocab"), "[MASK]")), 8);
  holds(json_object_get(j, "normalizer"),
        "{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,"
        "\"strip_accents\":true,\"lowercase\":false}");
  holds(
      json_array_get(json_object_get(j, "added_tokens"), 6),
      "{\"content\":\"two words\",\"lstrip\":true,\"normalized\":false,\"rstrip\":false,\"single_word\":true,"
      "\"special\":false,\"id\":10}");
  json_decref(j);
  j = load("tokenizer_config.json");
  holds(json_object_get(j, "never_split"), "[\"x\"]");
  holds(json_object_get(j, "do_lower_case"), "false");
  holds(json_object_get(at(j, "added_tokens_decoder", "4"), "content"), "\"<mask>\"");
  json_decref(j);
  json_object_set_new(json_array_get(json_object_get(settings, "added_tokens"), 0), "content",
                      json_string("gone"));
  check_fails(export_word_tokenizer(dir, v, &c, settings, &lines), ERR_FORMAT,
              "the tokenizer has a token \"gone\" that the vocabulary does not");
  json_decref(settings);
  check_ok(vocab_add(v, RANGE_WORDS, "two\nlines", 0, NULL));
  check_ok(export_word_tokenizer(dir, v, &c, NULL, &lines));
  assert_false(lines);
  vocab_free(v);
}

// A second text has the types behind those of the first, whoever made the template; and no limit is above the model's positions.
static void check_pair(const json_t *settings, const model_config *c, int32_t type) {
  vocab *v = make_words();
  bool lines;
  check_ok(export_word_tokenizer(dir, v, c, settings, &lines));
  json_t *j = load("tokenizer.json"), *pair = at(j, "post_processor", "pair");
  assert_int_equal(json_array_size(pair), 5);
  for (size_t i = 0; i < 5; i++) {
    const json_t *step = json_array_get(pair, i), *content = json_object_get(step, "SpecialToken");
    if (content == NULL) content = json_object_get(step, "Sequence");
    assert_int_equal(json_integer_value(json_object_get(content, "type_id")), i > 2 ? type : 0);
  }
  if (json_object_get(settings, "backend") != NULL) holds(at(j, "truncation", "max_length"), "12");
  json_decref(j);
  j = load("tokenizer_config.json");
  holds(json_object_get(j, "model_max_length"), "12");
  json_decref(j);
  vocab_free(v);
}

static void limits_of_the_model(void **unused) {
  (void)unused;
  static const char *const processors[] = {
      "{\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 3], \"cls\": [\"[CLS]\", 2]}",
      "{\"type\": \"TemplateProcessing\", \"pair\": [{\"SpecialToken\": {\"id\": \"[CLS]\", \"type_id\": 0}},"
      "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}, {\"SpecialToken\": {\"id\": \"[SEP]\", \"type_id\": "
      "0}},"
      "{\"Sequence\": {\"id\": \"B\", \"type_id\": 1}}, {\"SpecialToken\": {\"id\": \"[SEP]\", \"type_id\": "
      "1}}]}"};
  const model_config events = {.max_positions = 12, .segments = 2, .event_types = 4},
                     single = {.max_positions = 12, .segments = 1, .event_types = 1};
  check_pair(NULL, &events, 4);
  check_pair(NULL, &single, 0);
  for (int i = 0; i < 2; i++) {
    char text[1024];
    snprintf(text, sizeof text,
             "{\"config\": {\"model_max_length\": 512}, \"backend\": {\"model\": {\"type\": \"WordPiece\"}, "
             "\"truncation\": {\"max_length\": 512}, \"post_processor\": %s}}",
             processors[i]);
    json_t *settings = json_loads(text, 0, NULL), *before = json_deep_copy(settings);
    assert_non_null(settings);
    check_pair(settings, &events, 4);
    assert_true(json_equal(settings, before));
    json_decref(settings);
    json_decref(before);
  }
}

static int set_up(void **unused) {
  (void)unused;
  log_set_level(LOG_ERROR);
  tiny_directory(dir, sizeof dir);
  return 0;
}

static int tear_down(void **unused) {
  (void)unused;
  tiny_remove(dir);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_name_is_one_token), cmocka_unit_test(histories_without_cls),
      cmocka_unit_test(words_by_default),        cmocka_unit_test(settings_come_back),
      cmocka_unit_test(limits_of_the_model),
  };
  return cmocka_run_group_tests_name("export_tokenizer", tests, set_up, tear_down);
}
