// The tokeniser of words: the tables beside utf8proc, the trie beside a search, every rule once, cut windows, added tokens.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>
#include "base/philox.h"
#include "data/tokenizer.h"
#include "data/vocab.h"
#include "format/byte_trie.h"
#include "format/unicode.h"
#include "format/utf8.h"
#include "lib/check.h"

// ---- tables --------------------------------------------------------------------------------------------------

static void check_category(uint32_t c) {
  const unicode_record *r = unicode_of(c);
  const utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
  const bool other = k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_CS ||
                     k == UTF8PROC_CATEGORY_CO;
  const bool punct = k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
  const bool symbol = c < 0x80 && k >= UTF8PROC_CATEGORY_SM && k <= UTF8PROC_CATEGORY_SO;
  const bool good = other == ((r->flags & UNI_OTHER) != 0) &&
                    (punct || symbol) == ((r->flags & UNI_PUNCT) != 0) &&
                    (k == UTF8PROC_CATEGORY_MN) == ((r->flags & UNI_MARK) != 0) &&
                    (k == UTF8PROC_CATEGORY_CN) == ((r->flags & UNI_UNASSIGNED) != 0);
  if (!good) fail_msg("U+%04X: flags %x, category %d", c, r->flags, k);
}

static void check_mappings(uint32_t c) {
  const unicode_record *r = unicode_of(c);
  utf8proc_int32_t wanted[16] = {(utf8proc_int32_t)c};
  uint32_t got[MOST_DECOMPOSED];
  int last = 0;
  const utf8proc_ssize_t n =
      utf8proc_decompose_char((utf8proc_int32_t)c, wanted, 16, UTF8PROC_DECOMPOSE | UTF8PROC_STABLE, &last);
  bool same = unicode_decompose(c, got) == n;
  for (int i = 0; same && i < n; i++) same = got[i] == (uint32_t)wanted[i];
  if (!same) fail_msg("U+%04X is decomposed in another way", c);
  if (c + (uint32_t)r->lower != (uint32_t)utf8proc_tolower((utf8proc_int32_t)c))
    fail_msg("U+%04X: lower case", c);
  if (r->ccc != utf8proc_get_property((utf8proc_int32_t)c)->combining_class) fail_msg("U+%04X: class", c);
}

// Composition in place, of a base and a mark.
static void check_composition(uint32_t a, uint32_t b) {
  utf8proc_int32_t both[4] = {(utf8proc_int32_t)a, (utf8proc_int32_t)b};
  const utf8proc_ssize_t n = utf8proc_normalize_utf32(both, 2, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  const uint32_t wanted = n == 1 ? (uint32_t)both[0] : 0;
  if (unicode_compose(a, b) != wanted) fail_msg("U+%04X U+%04X", a, b);
}

static void test_tables(void **unused) {
  (void)unused;
  if (strcmp(utf8proc_unicode_version(), unicode_table_version) != 0) {
    print_message("utf8proc has Unicode %s, the table %s\n", utf8proc_unicode_version(),
                  unicode_table_version);
    skip();
  }
  for (uint32_t c = 0; c < UNICODE_CHARACTERS; c++) {
    check_category(c);
    if (c < 0xD800 || c >= 0xE000) check_mappings(c);
  }
  size_t pairs = 0;
  for (uint32_t c = 0xA0; c < 0x30000;
       c++) { // each that is composed, and what its parts make in the other order
    uint32_t parts[MOST_DECOMPOSED];
    if (unicode_decompose(c, parts) != 2 || (c >= 0xAC00 && c < 0xD7A4)) continue;
    check_composition(parts[0], parts[1]);
    check_composition(parts[1], parts[0]);
    pairs++;
  }
  assert_true(pairs > 500);
  for (uint32_t a = 0x1100; a < 0x1113; a++)
    for (uint32_t b = 0x1161; b < 0x1176; b++) check_composition(a, b);
  for (uint32_t b = 0x11A8; b < 0x11D0; b++)
    check_composition(0xAC00, b); // utf8proc takes U+11A7, the lack of a consonant, for one
}

// ---- the trie ------------------------------------------------------------------------------------------------

// Of the keys that text [bytes] begins with the longest, by looking at each.
static int32_t longest_key(const trie_key *keys, size_t n, const char *text, size_t bytes, size_t *length) {
  int32_t found = -1;
  *length = 0;
  for (size_t i = 0; i < n; i++) {
    const bool begins = keys[i].bytes <= bytes && memcmp(keys[i].text, text, keys[i].bytes) == 0;
    if (!begins || keys[i].bytes < *length || keys[i].bytes == 0) continue;
    if (keys[i].bytes > *length || keys[i].value > found) found = keys[i].value;
    *length = keys[i].bytes;
  }
  return found;
}

// Keys of few different bytes, 0 and 255 among them, so that many begin alike; some twice, some empty.
static void test_trie(void **unused) {
  (void)unused;
  enum { KEYS = 600, MOST = 8, TEXTS = 2000 };
  static char text[KEYS][MOST];
  static const char bytes[] = {0, 1, 'a', 'b', (char)0x80, (char)0xFE, (char)0xFF};
  trie_key keys[KEYS];
  for (uint32_t seed = 0; seed < 5; seed++) {
    rng r = rng_at(seed, 3, 0, 0);
    const size_t n = seed == 0 ? 0 : KEYS;
    for (size_t i = 0; i < n; i++) {
      keys[i] = (trie_key){text[i], (size_t)rng_below(&r, MOST), (int32_t)i};
      for (size_t j = 0; j < keys[i].bytes; j++) text[i][j] = bytes[rng_below(&r, sizeof bytes)];
    }
    byte_trie t;
    format_error e;
    if (!byte_trie_make(&t, keys, n, &e)) fail_msg("%s", e.message);
    for (int i = 0; i < TEXTS; i++) {
      char asked[MOST + 2];
      size_t wanted_length, length = 0, most = (size_t)rng_below(&r, sizeof asked + 1);
      for (size_t j = 0; j < most; j++) asked[j] = bytes[rng_below(&r, sizeof bytes)];
      const int32_t wanted = longest_key(keys, n, asked, most, &wanted_length);
      assert_int_equal(byte_trie_longest(&t, TRIE_ROOT, asked, most, &length), wanted);
      if (wanted >= 0) assert_int_equal(length, wanted_length);
    }
    byte_trie_free(&t);
  }
}

// ---- ids -----------------------------------------------------------------------------------------------------

// A vocabulary of these words; their ids begin at TOKEN_SPECIALS.
static vocab *words_of(const char *const *words, size_t n) {
  vocab *v;
  check_ok(vocab_new(&v));
  for (size_t i = 0; i < n; i++) check_ok(vocab_add(v, RANGE_WORDS, words[i], 0, NULL));
  return v;
}

static const char *const pieces[] = {"the", "fox",    "##es",  "caf\u00e9", "cafe", "!",
                                     "The", "\u6bdb", "[sku]", "a",         "##b",  "##a"};
enum { N_PIECES = sizeof pieces / sizeof *pieces };

// The ids of a text as words: "the fox ##es".
static void check_text(const word_tokenizer *t, const vocab *v, const char *text, size_t bytes,
                       const char *wanted) {
  int32_t ids[256];
  char got[4096] = "";
  const size_t n = word_tokenizer_encode(t, text, bytes, ids, 256);
  assert_true(n <= 256);
  for (size_t i = 0; i < n; i++) {
    if (i > 0) strcat(got, " ");
    strcat(got, vocab_token(v, ids[i]));
  }
  if (strcmp(got, wanted) != 0) fail_msg("\"%s\" is \"%s\" and not \"%s\"", text, got, wanted);
}

static word_tokenizer *tokenizer_of(const vocab *v, const word_options *o) {
  format_error e;
  word_tokenizer *t;
  if (!word_tokenizer_new(&t, v, o, &e)) fail_msg("%s", e.message);
  return t;
}

// Pieces of characters would make more words of a text than it has characters.
static void words_are_utf8(void **unused) {
  (void)unused;
  static const char *const wrong[] = {"\xe1", "##\x84\x92", "a\xff", "\xed\xa0\x80"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    format_error e;
    word_tokenizer *t;
    vocab *v;
    check_ok(vocab_new(&v));
    check_ok(vocab_add(v, RANGE_WORDS, "fox", 0, NULL));
    check_ok(vocab_add(v, RANGE_WORDS, wrong[i], 0, NULL));
    const word_options o = word_options_default();
    assert_false(word_tokenizer_new(&t, v, &o, &e));
    assert_non_null(strstr(e.message, "word 2 of the vocabulary is not UTF-8"));
    vocab_free(v);
  }
}

static void check_with(const vocab *v, const word_options *o, const char *text, const char *wanted) {
  word_tokenizer *t = tokenizer_of(v, o);
  check_text(t, v, text, strlen(text), wanted);
  word_tokenizer_free(t);
}

static void test_rules(void **unused) {
  (void)unused;
  vocab *v = words_of(pieces, N_PIECES);
  word_options o = word_options_default();
  check_with(v, &o, "", "");
  check_with(v, &o, " \t\r\n\u3000\u2028", "");
  check_with(v, &o, "The FOXES, the!", "the fox ##es [UNK] the !");
  check_with(v, &o, "Caf\u00e9 cafe\u0301", "cafe cafe");
  check_with(v, &o, "the\u6bdbfox", "the \u6bdb fox");
  check_with(v, &o,
             "th\x07"
             "e \ufeff"
             "fo\xffx",
             "the fox");
  o.typed_specials = true;
  check_with(v, &o, "fox[MASK]fox [mask]", "fox [MASK] fox [UNK] [UNK] [UNK]");
  o.typed_specials = false;
  o.strip_accents = 0;
  check_with(v, &o, "Caf\u00e9 cafe\u0301", "caf\u00e9 [UNK]");
  o.rules = WORDS_PYTHON;
  check_with(v, &o, "Caf\u00e9 cafe\u0301", "caf\u00e9 caf\u00e9");
  o = word_options_default();
  o.lower_case = false;
  check_with(v, &o, "The FOXES", "The [UNK]");
  check_with(v, &o, "caf\u00e9", "caf\u00e9");
  o.split_chinese = false;
  check_with(v, &o, "the\u6bdbfox \u6bdb", "[UNK] \u6bdb");
  o.clean_text = false;
  check_with(v, &o,
             "th\x07"
             "e the",
             "[UNK] the");
  o = word_options_default();
  o.longest_word = 3;
  check_with(v, &o, "aba abab", "a ##b ##a [UNK]");
  vocab_free(v);
}

// No text gives a special token, whatever it is called, unless that is asked for.
static void special_tokens_that_are_typed_are_text(void **unused) {
  (void)unused;
  static const char *const words[] = {"fox", "[", "]", "mask", "sep", "##s", "[sku]", "brand"};
  vocab *v = words_of(words, 8);
  word_added added[] = {{"[sku]", TOKEN_SPECIALS + 6, false, false, true, true},
                        {"brand", TOKEN_SPECIALS + 7, false, false, true, true},
                        {"<m>", TOKEN_MASK, false, false, true, false}};
  word_options o = word_options_default();
  check_with(v, &o, "[MASK]", "[ mask ]");
  check_with(v, &o, "fox[SEP]foxs [PAD] [CLS]", "fox [ sep ] fox ##s [ [UNK] ] [ [UNK] ]");
  o.rules = WORDS_PYTHON;
  check_with(v, &o, "fox[MASK]", "fox [ mask ]");
  o = word_options_default();
  o.lower_case = false;
  o.specials[TOKEN_MASK] = "mask"; // which WordPiece would find
  check_with(v, &o, "mask fox [MASK]", "mask fox [ [UNK] ]");
  assert_int_equal(vocab_find(v, RANGE_WORDS, "mask"), TOKEN_SPECIALS + 3); // the word, and not the special
  o.specials[TOKEN_MASK] = "hidden";
  check_with(v, &o, "hidden fox", "[UNK] fox");
  o = word_options_default();
  o.added = added;
  o.n_added = 3;
  check_with(v, &o, "[sku] brand <m>", "[ [UNK] ] [UNK] [UNK] [UNK] [UNK]");
  o.typed_specials = true;
  check_with(v, &o, "[sku] brand <m> [MASK]", "[sku] brand [MASK] [MASK]");
  vocab_free(v);
}

// A text is cut into windows; wherever the cut falls, the ids are those of its words one by one.
static void test_windows(void **unused) {
  (void)unused;
  static const char *const parts[] = {"foxes ", "caf\u00e9 ", "\u6bdb", "the!", "ab ", "  ", "[MASK]"};
  vocab *v = words_of(pieces, N_PIECES);
  word_options o = word_options_default();
  o.typed_specials = true;
  word_tokenizer *t = tokenizer_of(v, &o);
  enum { PARTS = 9000, MOST = 4 * PARTS };
  char *text = malloc(8 * PARTS + 1);
  int32_t *wanted = malloc(MOST * sizeof *wanted), *got = malloc(MOST * sizeof *got);
  for (unsigned seed = 0; seed < 20; seed++) {
    size_t bytes = 0, n = 0;
    unsigned x = seed;
    for (int i = 0; i < PARTS; i++) {
      x = x * 1664525u + 1013904223u;
      const char *part = parts[(x >> 16) % 7];
      memcpy(text + bytes, part, strlen(part));
      bytes += strlen(part);
      n += word_tokenizer_encode(t, part, strlen(part), wanted + n, MOST - n);
    }
    assert_int_equal(word_tokenizer_encode(t, text, bytes, got, MOST), n);
    assert_memory_equal(got, wanted, n * sizeof *got);
    got[7] = -1;
    assert_int_equal(word_tokenizer_encode(t, text, bytes, got, 7),
                     n); // no more is written than there is room for
    assert_true(got[7] == -1 && memcmp(got, wanted, 7 * sizeof *got) == 0);
    assert_int_equal(word_tokenizer_encode(t, text, bytes, NULL, 0), n);
  }
  free(text);
  free(wanted);
  free(got);
  word_tokenizer_free(t);
  vocab_free(v);
}

// A word of 100 kB is one [UNK], whatever stands around it.
static void test_long_word(void **unused) {
  (void)unused;
  enum { LONG = 100000 };
  vocab *v = words_of(pieces, N_PIECES);
  word_options o = word_options_default();
  o.typed_specials = true;
  word_tokenizer *t = tokenizer_of(v, &o);
  char *text = malloc(LONG + 16);
  for (int kind = 0; kind < 4; kind++) {
    memset(text, 'a', LONG);
    static const char *const ends[] = {"", " fox", "!", "[SEP]"}, *const wanted[] = {"[UNK]", "[UNK] fox",
                                                                                     "[UNK] !",
                                                                                     "[UNK] [SEP]"};
    strcpy(text + LONG, ends[kind]);
    check_text(t, v, text, strlen(text), wanted[kind]);
  }
  free(text);
  word_tokenizer_free(t);
  vocab_free(v);
}

static void test_settings(void **unused) {
  (void)unused;
  vocab *v = words_of(pieces, N_PIECES);
  json_t *settings =
      json_loads("{\"config\": {\"do_lower_case\": false, \"mask_token\": \"<mask>\"}, \"added_tokens\": "
                 "[{\"content\": \"[sku]\", \"in_model\": true, \"lstrip\": false, \"normalized\": false, "
                 "\"rstrip\": false, \"single_word\": false, \"special\": false}]}",
                 0, NULL);
  word_tokenizer *t;
  check_ok(tokenizer_open(&t, v, settings));
  check_text(t, v, "The[sku]fox<mask>", 17, "The [sku] fox [UNK] [UNK] [UNK]");
  word_tokenizer_free(t);
  check_ok(tokenizer_allow_specials(&settings));
  check_ok(tokenizer_check(settings, "m"));
  check_ok(tokenizer_open(&t, v, settings));
  check_text(t, v, "The[sku]fox<mask>", 17, "The [sku] fox [MASK]");
  word_tokenizer_free(t);
  json_object_set_new(settings, "typed_specials", json_integer(1));
  check_fails(tokenizer_check(settings, "m"), ERR_FORMAT, "is not the settings of a tokenizer");
  json_t *other = json_loads(
      "{\"config\": {}, \"backend\": {\"normalizer\": {\"type\": \"NFKC\"}, \"model\": {}}}", 0, NULL);
  check_fails(tokenizer_open(&t, v, other), ERR_UNSUPPORTED, "normalizer is a NFKC and not BertNormalizer");
  assert_null(t);
  check_ok(tokenizer_open(&t, v, NULL));
  check_text(t, v, "The fox", 7, "the fox");
  word_tokenizer_free(t);
  json_decref(settings);
  json_decref(other);
  vocab_free(v);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_tables),    cmocka_unit_test(test_trie),
      cmocka_unit_test(test_rules),     cmocka_unit_test(test_windows),
      cmocka_unit_test(test_long_word), cmocka_unit_test(test_settings),
      cmocka_unit_test(words_are_utf8), cmocka_unit_test(special_tokens_that_are_typed_are_text)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
