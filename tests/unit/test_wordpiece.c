// Vocabularies and tokenizers of BERT models from elsewhere: every file that Hugging Face's tokenizer would read counts, what
// they say of one token must agree, and odd lines are read as its BertTokenizer reads them.
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "data/tokenizer.h"
#include "data/vocab.h"
#include "data/wordpiece.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

static char dir[256];

static void put_bytes(const char *name, const char *text, size_t bytes) {
  char path[400];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  check_ok(file_write_atomic(path, text, bytes));
}

static void put(const char *name, const char *text) {
  put_bytes(name, text, strlen(text));
}

static void clear(void) {
  static const char *const names[] = {"vocab.txt", "tokenizer.json", "added_tokens.json",
                                      "tokenizer_config.json", "special_tokens_map.json"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char path[400];
    snprintf(path, sizeof path, "%s/%s", dir, names[i]);
    remove(path);
  }
}

static wordpiece *read_all(void) {
  wordpiece *w;
  check_ok(wordpiece_read(&w, dir));
  return w;
}

static void refuses(const char *text) {
  wordpiece *w;
  check_fails(wordpiece_read(&w, dir), ERR_FORMAT, text);
  assert_null(w);
}

static const char words[] = "[PAD]\na\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n##b\n"; // 0 to 6

static const json_t *added_of(const wordpiece *w, const char *content) {
  size_t i;
  json_t *t;
  json_array_foreach(json_object_get(w->tokenizer, "added_tokens"), i,
                     t) if (strcmp(json_string_value(json_object_get(t, "content")), content) == 0) return t;
  return NULL;
}

static bool flag(const json_t *token, const char *name) {
  assert_true(json_is_boolean(json_object_get(token, name)));
  return json_is_true(json_object_get(token, name));
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

// ---- which files count ---------------------------------------------------------------------------------------

static void added_tokens_are_in_the_vocabulary(void **unused) {
  (void)unused;
  clear();
  put("vocab.txt", words);
  wordpiece *w = read_all();
  assert_null(w->tokenizer); // nothing but the defaults
  wordpiece_close(w);
  put("added_tokens.json", "{\"[SKU]\": 7, \"a\": 1}");
  put("tokenizer_config.json", "{\"added_tokens_decoder\": {\"8\": {\"content\": \"two words\", \"lstrip\": "
                               "true, \"special\": false}}}");
  w = read_all();
  assert_int_equal(w->n, 9);
  assert_int_equal(vocab_size(w->v), 9);
  assert_int_equal(w->ours[7], 7);
  assert_string_equal(vocab_token(w->v, 7), "[SKU]");
  assert_string_equal(vocab_token(w->v, 8), "two words");
  assert_string_equal(vocab_token(w->v, 5), "a");
  assert_false(flag(added_of(w, "[SKU]"), "in_model"));
  assert_true(flag(added_of(w, "[SKU]"), "normalized"));
  assert_true(flag(added_of(w, "a"), "in_model"));
  assert_true(flag(added_of(w, "two words"), "lstrip"));
  assert_true(flag(added_of(w, "[MASK]"), "special"));
  assert_null(added_of(w, "##b"));
  wordpiece_close(w);
}

static void files_that_contradict_each_other(void **unused) {
  (void)unused;
  clear();
  put("vocab.txt", words);
  put("added_tokens.json", "{\"b\": 1}");
  refuses("the token of id 1 is \"a\" in ");
  put("added_tokens.json", "{\"a\": 7}");
  refuses("token \"a\" has id 1 in ");
  put("added_tokens.json", "{\"[SKU]\": 7}");
  put("tokenizer.json", "{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"[PAD]\": 0, \"other\": 1}}}");
  refuses("but \"other\" in ");
  put("tokenizer.json", "{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"[PAD]\": 0, \"a\": 1}},"
                        " \"added_tokens\": [{\"id\": 7, \"content\": \"[SKU]\", \"rstrip\": true}]}");
  wordpiece *w = read_all();
  assert_int_equal(vocab_size(w->v), 8);
  assert_true(flag(added_of(w, "[SKU]"), "rstrip"));
  wordpiece_close(w);
}

static void special_tokens_by_the_files(void **unused) {
  (void)unused;
  clear();
  put("vocab.txt", "<s>\n<pad>\n</s>\n<unk>\n[MASK]\nx\n<mask>\n");
  static const char roles[] = "\"pad_token\": \"<pad>\", \"unk_token\": \"<unk>\", \"cls_token\": \"<s>\","
                              " \"sep_token\": \"</s>\", \"bos_token\": \"<s>\"";
  char text[500];
  snprintf(text, sizeof text, "{%s, \"mask_token\": {\"content\": \"<mask>\"}}", roles);
  put("tokenizer_config.json", text);
  wordpiece *w = read_all();
  static const int32_t wanted[] = {2, 0, 3, 1, 5, 6, 4};
  assert_memory_equal(w->ours, wanted, sizeof wanted);
  assert_string_equal(vocab_token(w->v, 5), "[MASK]"); // a word, and no special token
  assert_string_equal(tokenizer_special(w->tokenizer, TOKEN_MASK), "<mask>");
  assert_string_equal(tokenizer_special(w->tokenizer, TOKEN_CLS), "<s>");
  wordpiece_close(w);
  // special_tokens_map.json is read last, but not where added_tokens_decoder is there.
  put("special_tokens_map.json", "{\"mask_token\": \"[MASK]\"}");
  w = read_all();
  assert_string_equal(tokenizer_special(w->tokenizer, TOKEN_MASK), "[MASK]");
  wordpiece_close(w);
  snprintf(text, sizeof text, "{%s, \"mask_token\": \"<mask>\", \"added_tokens_decoder\": {}}", roles);
  put("tokenizer_config.json", text);
  w = read_all();
  assert_string_equal(tokenizer_special(w->tokenizer, TOKEN_MASK), "<mask>");
  wordpiece_close(w);
  snprintf(text, sizeof text, "{%s, \"mask_token\": \"<unk>\", \"added_tokens_decoder\": {}}", roles);
  put("tokenizer_config.json", text);
  refuses("unk_token and mask_token are both \"<unk>\"; Souk needs five different special tokens");
  snprintf(text, sizeof text, "{%s, \"mask_token\": \"gone\", \"added_tokens_decoder\": {}}", roles);
  put("tokenizer_config.json", text);
  refuses("has no token \"gone\"; \"mask_token\" of tokenizer_config.json or special_tokens_map.json");
}

// ---- lines of vocab.txt --------------------------------------------------------------------------------------

static void odd_lines(void **unused) {
  (void)unused;
  clear();
  put("vocab.txt", "\xef\xbb\xbf[PAD]\r\n[UNK]\r\n[CLS]\r[SEP]\n[MASK]\n\n x \nx\nx\ny");
  wordpiece *w = read_all(); // 5: empty, 6: " x ", 7 and 8: x, 9: y
  assert_int_equal(w->n, 10);
  assert_int_equal(vocab_size(w->v), 9);
  static const int32_t wanted[] = {0, 1, 2, 3, 4, 5, 6, 9, 7, 8};
  assert_memory_equal(w->ours, wanted,
                      sizeof wanted); // the earlier x is no token: its row is behind all others
  assert_string_equal(vocab_token(w->v, 5), "");
  assert_string_equal(vocab_token(w->v, 6), " x ");
  assert_string_equal(vocab_token(w->v, 7), "x");
  wordpiece_close(w);
  put("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
  put("added_tokens.json", "{\"far\": 8}");
  w = read_all();
  static const int32_t gaps[] = {0, 1, 2, 3, 4, 6, 7, 8, 5};
  assert_memory_equal(w->ours, gaps, sizeof gaps);
  wordpiece_close(w);
  put("added_tokens.json", "{\"far\": 16777215}");
  refuses("the id of token \"far\" is out of range");
  clear();
  put("vocab.txt", "[PAD]\nx\xff\n");
  refuses("vocab.txt line 2 is not UTF-8");
  put_bytes("vocab.txt", "[PAD]\na\0b\n", 10);
  refuses("vocab.txt line 2 holds a NUL byte");
  char *longest = malloc(5001);
  assert_non_null(longest);
  memset(longest, 'x', 5000);
  longest[5000] = '\0';
  put("vocab.txt", longest);
  refuses("vocab.txt line 1 is longer than 4096 bytes");
  free(longest);
  put("vocab.txt", "");
  refuses("vocab.txt has no token \"[PAD]\"");
}

// ---- settings ------------------------------------------------------------------------------------------------

static void settings_are_kept(void **unused) {
  (void)unused;
  clear();
  put("vocab.txt", words);
  put("tokenizer_config.json",
      "{\"do_lower_case\": false, \"strip_accents\": null, \"never_split\": [\"[SKU]\"], "
      "\"model_max_length\": 512,"
      " \"future\": {\"x\": [1.5, \"y\"]}, \"name_or_path\": \"/home/x\", \"tokenizer_file\": \"/home/x/y\","
      " \"auto_map\": {\"AutoTokenizer\": \"evil.py\"}, \"unk_token\": {\"content\": \"[UNK]\"}, "
      "\"pad_token\": null}");
  put("tokenizer.json",
      "{\"model\": {\"type\": \"WordPiece\", \"max_input_chars_per_word\": 7, \"vocab\": {\"a\": 1}},"
      " \"normalizer\": {\"type\": \"NFKC\"}, \"decoder\": null, \"padding\": {\"pad_id\": 0, \"length\": 5},"
      " \"post_processor\": {\"type\": \"Sequence\", \"processors\": [{\"cls\": [\"[CLS]\", 3], \"sep\": "
      "[\"[SEP]\", 4]},"
      " {\"special_tokens\": {\"[CLS]\": {\"ids\": [3, 1], \"tokens\": [\"[CLS]\", \"a\"]}}}]}}");
  wordpiece *w = read_all();
  check_ok(tokenizer_check(w->tokenizer, "m.json"));
  char *text = json_dumps(json_object_get(w->tokenizer, "config"), JSON_COMPACT | JSON_SORT_KEYS);
  assert_string_equal(text,
                      "{\"do_lower_case\":false,\"future\":{\"x\":[1.5,\"y\"]},\"model_max_length\":512,"
                      "\"never_split\":[\"[SKU]\"],\"pad_token\":\"[PAD]\",\"strip_accents\":null,"
                      "\"unk_token\":\"[UNK]\"}");
  free(text);
  text = json_dumps(json_object_get(w->tokenizer, "backend"), JSON_COMPACT | JSON_SORT_KEYS);
  assert_string_equal(text,
                      "{\"decoder\":null,\"model\":{\"max_input_chars_per_word\":7,\"type\":\"WordPiece\"},"
                      "\"normalizer\":{\"type\":\"NFKC\"},\"padding\":{\"length\":5,\"pad_id\":0},"
                      "\"post_processor\":{\"processors\":[{\"cls\":[\"[CLS]\",2],\"sep\":[\"[SEP]\",3]},"
                      "{\"special_tokens\":{\"[CLS]\":{\"ids\":[2,5],\"tokens\":[\"[CLS]\",\"a\"]}}}],"
                      "\"type\":\"Sequence\"}}");
  free(text);
  wordpiece_close(w);
  put("tokenizer_config.json", "{\"model_max_length\": 1000000000000000019884624838656}");
  w = read_all();
  assert_null(json_object_get(json_object_get(w->tokenizer, "config"), "model_max_length"));
  wordpiece_close(w);
}

static void malformed_files(void **unused) {
  (void)unused;
  static const struct {
    const char *file, *text, *says;
  } cases[] = {
      {"tokenizer_config.json", "{\"do_lower_case\": 1}", "field \"do_lower_case\" is not true or false"},
      {"tokenizer_config.json", "{\"strip_accents\": \"no\"}",
       "\"strip_accents\" is not true, false or null"},
      {"tokenizer_config.json", "{\"never_split\": [1]}", "field \"never_split\" is not a list of texts"},
      {"tokenizer_config.json", "{\"tokenizer_class\": []}", "field \"tokenizer_class\" is not a text"},
      {"tokenizer_config.json", "{\"model_max_length\": -1}", "\"model_max_length\" is not a number above 0"},
      {"tokenizer_config.json", "{\"mask_token\": 3}", "field \"mask_token\" is not a token"},
      {"tokenizer_config.json", "{\"mask_token\": \"\"}", "field \"mask_token\" is not a token"},
      {"tokenizer_config.json", "{\"added_tokens_decoder\": {\"x\": {\"content\": \"y\"}}}",
       "lacks its text or its id"},
      {"tokenizer_config.json", "{\"added_tokens_decoder\": {\"7\": {}}}", "lacks its text or its id"},
      {"tokenizer_config.json", "{\"added_tokens_decoder\": {\"99999999999999999999\": \"y\"}}",
       "out of range"},
      {"tokenizer_config.json", "[]", "an object is expected"},
      {"tokenizer_config.json", "{\"a\": 1, \"a\": 2}", "tokenizer_config.json line 1: duplicate object key"},
      {"tokenizer_config.json", "{\"mask_token\": \"a\\u0000b\"}", "tokenizer_config.json line 1"},
      {"special_tokens_map.json", "{\"cls_token\": []}",
       "special_tokens_map.json: field \"cls_token\" is not a token"},
      {"added_tokens.json", "{\"x\": \"7\"}",
       "added_tokens.json: a token of the vocabulary lacks its text or its id"},
      {"added_tokens.json", "{\"x\": -1}", "the id of token \"x\" is out of range"},
      {"tokenizer.json", "{}", "field \"model.type\" is \"\"; a BERT vocabulary is WordPiece"},
      {"tokenizer.json", "{\"model\": {\"type\": \"WordPiece\", \"vocab\": []}}",
       "\"model.vocab\" is missing or not"},
      {"tokenizer.json", "{\"model\": {\"type\": \"WordPiece\", \"vocab\": {}}, \"normalizer\": 3}",
       "field \"normalizer\" is neither an object nor null"},
      {"tokenizer.json",
       "{\"model\": {\"type\": \"WordPiece\", \"vocab\": {}}, \"post_processor\": {\"cls\": [\"x\", 99]}}",
       "\"post_processor\" or \"padding\" has the id of no token"},
      {"tokenizer.json",
       "{\"model\": {\"type\": \"WordPiece\", \"vocab\": {}, \"max_input_chars_per_word\": \"9\"}}",
       "\"model.max_input_chars_per_word\" is not a whole number"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    clear();
    put("vocab.txt", words);
    put(cases[i].file, cases[i].text);
    refuses(cases[i].says);
    assert_non_null(strstr(fail_message(), cases[i].file));
  }
}

// A post-processor nested to the end of what the parser takes.
static void deep_files(void **unused) {
  (void)unused;
  char text[4000] = "{\"model\": {\"type\": \"WordPiece\", \"vocab\": {}}, \"post_processor\": {\"a\":";
  for (int i = 0; i < 500; i++) strcat(text, "[");
  for (int i = 0; i < 500; i++) strcat(text, "]");
  strcat(text, "}}");
  clear();
  put("vocab.txt", words);
  put("tokenizer.json", text);
  refuses("\"post_processor\" is nested too deeply");
}

// What a checkpoint's manifest may say.
static void settings_from_manifests(void **unused) {
  (void)unused;
  static const struct {
    const char *text, *says; // NULL: it is good
    status code;
  } cases[] = {
      {"{\"config\": {}}", NULL, OK},
      {"{\"config\": {\"do_lower_case\": true}, \"added_tokens\": [], \"backend\": {\"model\": {}}}", NULL,
       OK},
      {"{}", "field \"tokenizer\" is not the settings", ERR_FORMAT},
      {"{\"config\": {}, \"more\": 1}", "field \"tokenizer.more\" is unknown", ERR_UNSUPPORTED},
      {"{\"config\": {\"do_lower_case\": 0}}", "m.json: field \"do_lower_case\" is not", ERR_FORMAT},
      {"{\"config\": {\"cls_token\": 0}}", "field \"cls_token\" is not a token", ERR_FORMAT},
      {"{\"config\": {}, \"added_tokens\": [{\"content\": \"x\"}]}",
       "\"tokenizer.added_tokens\" is malformed", ERR_FORMAT},
      {"{\"config\": {}, \"backend\": {}}", "is not the settings", ERR_FORMAT},
      {"{\"config\": {}, \"backend\": {\"model\": {}, \"decoder\": 1}}", "is not the settings", ERR_FORMAT},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    json_t *j = json_loads(cases[i].text, 0, NULL);
    assert_non_null(j);
    if (cases[i].says == NULL)
      check_ok(tokenizer_check(j, "m.json"));
    else
      check_fails(tokenizer_check(j, "m.json"), cases[i].code, cases[i].says);
    json_decref(j);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(added_tokens_are_in_the_vocabulary),
      cmocka_unit_test(files_that_contradict_each_other),
      cmocka_unit_test(special_tokens_by_the_files),
      cmocka_unit_test(odd_lines),
      cmocka_unit_test(settings_are_kept),
      cmocka_unit_test(malformed_files),
      cmocka_unit_test(deep_files),
      cmocka_unit_test(settings_from_manifests),
  };
  return cmocka_run_group_tests_name("wordpiece", tests, set_up, tear_down);
}
