// The tokeniser beside Hugging Face's: tests/golden/words_*, which tools/golden_words.py has made with BertTokenizerFast and
// BertTokenizer. Hostile texts, and every character of Unicode.
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "data/vocab.h"
#include "format/utf8.h"
#include "format/word_tokenizer.h"
#include "lib/check.h"
#include "lib/golden.h"

enum { MOST_WORDS = 4096 };

typedef struct setting {
  const char *name;
  bool lower_case;
  int strip_accents;
  bool together, unclean;
  int32_t longest_word; // 0: 100
  bool added;
} setting;

static const setting settings[] = {{"uncased", true, -1, false, false, 0, false},
                                   {"cased", false, -1, false, false, 0, false},
                                   {"accents", true, 0, false, false, 0, false},
                                   {"stripped", false, 1, false, false, 0, false},
                                   {"together", true, -1, true, false, 0, false},
                                   {"unclean", true, -1, false, true, 0, false},
                                   {"unclean-cased", false, -1, false, true, 0, false},
                                   {"short", true, -1, false, false, 5, false},
                                   {"added", true, -1, false, false, 0, true},
                                   {"added-cased", false, -1, false, false, 0, true},
                                   {"python-uncased", true, -1, false, false, 0, false},
                                   {"python-cased", false, -1, false, false, 0, false},
                                   {"python-accents", true, 0, false, false, 0, false},
                                   {"python-stripped", false, 1, false, false, 0, false},
                                   {"python-together", true, -1, true, false, 0, false},
                                   {"python-short", true, -1, false, false, 5, false},
                                   {"python-added", true, -1, false, false, 0, true}};
enum { SETTINGS = sizeof settings / sizeof *settings };

// In the order in which golden_words.py adds them; those that the vocabulary does not have are numbered behind its words.
static const word_added added[] = {
    {"[SKU]", 0, false, false, false, false},   {"quickly", 0, true, false, true, false},
    {"ab", 0, true, true, true, false},         {"Neo", 0, false, true, false, false},
    {"\u00c9-1", 0, true, false, false, false}, {"foo bar", 0, true, false, false, false},
    {"_u", 0, false, true, false, false}};
enum { ADDED = sizeof added / sizeof *added };

static golden *g;
static char *texts, *words;
static size_t texts_bytes;

static int open_all(void **state) {
  (void)state;
  size_t bytes;
  g = golden_open("tests/golden/words_ids.bin.gz");
  check_ok(file_read("tests/golden/words_texts.bin", 16 << 20, &texts, &texts_bytes));
  check_ok(file_read("tests/golden/words_vocab.txt", 1 << 20, &words, &bytes));
  return 0;
}

static int close_all(void **state) {
  (void)state;
  golden_close(g);
  free(texts);
  free(words);
  return 0;
}

static bool is_python(const setting *s) {
  return strncmp(s->name, "python", 6) == 0;
}

// The words of `list`, lines or spaces apart, but for the special tokens.
static vocab *vocab_of(const char *list, bool with_added) {
  vocab *v;
  check_ok(vocab_new(&v));
  char *copy = strdup(list), *rest = NULL;
  for (char *word = strtok_r(copy, "\n", &rest); word != NULL; word = strtok_r(NULL, "\n", &rest))
    if (vocab_find(v, RANGE_SPECIAL, word) < 0) check_ok(vocab_add(v, RANGE_WORDS, word, 0, NULL));
  for (int i = 0; with_added && i < ADDED; i++)
    if (vocab_find(v, RANGE_WORDS, added[i].text) < 0)
      check_ok(vocab_add(v, RANGE_WORDS, added[i].text, 0, NULL));
  free(copy);
  return v;
}

static word_tokenizer *tokenizer_of(const setting *s, const vocab *v) {
  word_options o = word_options_default();
  word_added own[ADDED];
  word_tokenizer *t;
  format_error e;
  o.rules = is_python(s) ? WORDS_PYTHON : WORDS_FAST;
  o.lower_case = s->lower_case;
  o.strip_accents = s->strip_accents;
  o.typed_specials = true; // as the two are usually called
  o.split_chinese = !s->together;
  o.clean_text = !s->unclean;
  if (s->longest_word > 0) o.longest_word = s->longest_word;
  for (int i = 0; i < ADDED; i++) {
    own[i] = added[i];
    own[i].id = vocab_find(v, RANGE_WORDS, added[i].text);
  }
  o.added = own;
  o.n_added = !s->added ? 0 : is_python(s) ? 1 : ADDED; // in Python only [SKU], as a special token
  if (!word_tokenizer_new(&t, v, &o, &e)) fail_msg("%s", e.message);
  return t;
}

// A copy, which the caller frees.
static int32_t *array(const setting *s, const char *part, size_t *n) {
  char name[64];
  snprintf(name, sizeof name, "%s/%s", s->name, part);
  return (int32_t *)(uintptr_t)golden_ints(g, name, n);
}

static void check_ids(const setting *s, size_t number, const char *text, size_t bytes, const int32_t *got,
                      size_t n, const int32_t *wanted, size_t n_wanted) {
  if (n == n_wanted && memcmp(got, wanted, n * sizeof *got) == 0) return;
  size_t i = 0;
  while (i < n && i < n_wanted && got[i] == wanted[i]) i++;
  fail_msg("%s: text %zu (%.*s) has %zu ids, of which number %zu is %d; wanted %zu, %d", s->name, number,
           (int)(bytes < 200 ? bytes : 200), text, n, i, i < n ? got[i] : -1, n_wanted,
           i < n_wanted ? wanted[i] : -1);
}

static void check_texts(const setting *s) {
  vocab *v = vocab_of(words, s->added);
  word_tokenizer *t = tokenizer_of(s, v);
  size_t n_texts, n_ids, at = 0, ids_at = 0;
  int32_t *counts = array(s, "counts", &n_texts), *wanted = array(s, "ids", &n_ids);
  int32_t *ids = malloc((texts_bytes + 1) * sizeof *ids);
  assert_non_null(ids);
  for (size_t i = 0; i < n_texts; i++) {
    uint32_t bytes;
    memcpy(&bytes, texts + at, 4);
    const size_t n = word_tokenizer_encode(t, texts + at + 4, bytes, ids, texts_bytes);
    check_ids(s, i, texts + at + 4, bytes, ids, n, wanted + ids_at, (size_t)counts[i]);
    ids_at += (size_t)counts[i];
    at += 4 + bytes;
  }
  assert_int_equal(at, texts_bytes);
  assert_int_equal(ids_at, n_ids);
  free(ids);
  free(counts);
  free(wanted);
  word_tokenizer_free(t);
  vocab_free(v);
}

static void test_texts(void **unused) {
  (void)unused;
  for (int i = 0; i < SETTINGS; i++) check_texts(&settings[i]);
}

// What becomes of the character c between "a" and "b": as golden_words.py numbers it.
static int outcome(const word_tokenizer *t, uint32_t c) {
  enum { A = TOKEN_SPECIALS, B, AB };
  char text[8] = "a", *end = utf8_put(text + 1, c);
  int32_t ids[4];
  *end++ = 'b';
  const size_t n = word_tokenizer_encode(t, text, (size_t)(end - text), ids, 4);
  if (n == 1 && ids[0] == AB) return 0;
  if (n == 2 && ids[0] == A && ids[1] == B) return 1;
  if (n == 3 && ids[0] == A && ids[1] == TOKEN_UNK && ids[2] == B) return 2;
  return n == 1 && ids[0] == TOKEN_UNK ? 3 : -1;
}

// The runs are of all characters but surrogates; 4: Python's version decides.
static void test_every_character(void **unused) {
  (void)unused;
  static const char *const with_runs[] = {"uncased", "cased", "unclean-cased", "python-uncased",
                                          "python-cased"};
  vocab *v = vocab_of("a\nb\nab", false);
  for (size_t k = 0; k < sizeof with_runs / sizeof *with_runs; k++) {
    const setting *s = settings;
    while (strcmp(s->name, with_runs[k]) != 0) s++;
    word_tokenizer *t = tokenizer_of(s, v);
    size_t n;
    int32_t *runs = array(s, "runs", &n);
    uint32_t c = 0;
    for (size_t i = 0; i < n; i += 2)
      for (int32_t j = 0; j < runs[i]; j++, c++) {
        if (c == 0xD800) c = 0xE000;
        if (runs[i + 1] != 4 && outcome(t, c) != runs[i + 1])
          fail_msg("%s: U+%04X: %d and not %d", s->name, c, outcome(t, c), runs[i + 1]);
      }
    assert_int_equal(c, 0x110000);
    free(runs);
    word_tokenizer_free(t);
  }
  vocab_free(v);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts), cmocka_unit_test(test_every_character)};
  return cmocka_run_group_tests(tests, open_all, close_all);
}
