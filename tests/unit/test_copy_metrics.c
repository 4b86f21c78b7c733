// Figures of copy with right values by hand: words, BLEU with each smoothing and several references, ROUGE-L, variety, terms. (make
// interop compares with sacrebleu and rouge-score.)
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "eval/copy_metrics.h"
#include "lib/check.h"

// ---- words -----------------------------------------------------------------------------------------------------

// The words of a text with single spaces between them are `wanted`.
static void check_words(words_kind kind, const char *text, const char *wanted) {
  copy_words *w;
  word_list l = {.n = 0};
  char got[1024] = "";
  check_ok(copy_words_new(&w, kind));
  check_ok(copy_words_of(w, text, strlen(text), &l));
  for (size_t i = 0; i < l.n; i++) {
    if (i > 0) strcat(got, " ");
    strcat(got, copy_word(w, l.words[i]));
  }
  assert_string_equal(got, wanted);
  free(l.words);
  copy_words_free(w);
}

static void test_words_13a(void **unused) {
  (void)unused;
  check_words(WORDS_13A, "Hello, world!  It's 20% off-season;", "Hello , world ! It's 20 % off-season ;");
  check_words(WORDS_13A, "$1,000.50 3-4 -5 1.a a.b .5 5.", "$ 1,000.50 3 - 4 -5 1 . a a . b . 5 5 .");
  check_words(WORDS_13A, "a<skipped>b &quot;c&quot; &amp;lt; x-\ny", "ab \" c \" < xy");
  check_words(WORDS_13A, "a... b,,", "a . . . b , ,");
  check_words(WORDS_13A, "\xE3\x80\x80\x1C ", "");
  check_words(WORDS_13A, "a\xFF\xE4\xB8z", "a\xEF\xBF\xBD\xEF\xBF\xBDz");
}

static void test_words_chinese(void **unused) {
  (void)unused;
  check_words(WORDS_ZH, "白色T恤，8折！买a.b", "白 色 T 恤 ， 8 折 ！ 买 a . b");
  check_words(WORDS_ZH, "don\u2019t \u20AC5 (…)", "don \u2019 t \u20AC 5 ( … )"); // far more than Chinese
  check_words(WORDS_ZH, "\u2A6D\u2A6Ex\U00020000y", "\u2A6D \u2A6Ex\U00020000y");
  check_words(WORDS_CHAR, " a，b c", "a ， b c");
  check_words(WORDS_NONE, "a，b\tc.", "a，b c.");
}

static void test_words_rouge(void **unused) {
  (void)unused;
  check_words(WORDS_ROUGE, "It's 20% OFF\u2014caf\u00E9 白色", "it s 20 off caf");
  check_words(WORDS_ROUGE, "\u0130x \u212A9", "i x k9"); // a dotted I, and the sign of kelvin
  check_words(WORDS_ROUGE_ZH, "白色T恤，8折！ＡＢかな\U00020000z", "白 色 t 恤 8 折 \U00020000 z");
}

// ---- BLEU ------------------------------------------------------------------------------------------------------

static bleu_sums count(const char *copy, const char *const *references, int32_t n) {
  copy_words *w;
  word_list of = {.n = 0}, list[4] = {{.n = 0}};
  ngram_list room = {.n = 0};
  bleu_sums s;
  check_ok(copy_words_new(&w, WORDS_13A));
  check_ok(copy_words_of(w, copy, strlen(copy), &of));
  for (int32_t r = 0; r < n; r++) check_ok(copy_words_of(w, references[r], strlen(references[r]), &list[r]));
  check_ok(bleu_count(&s, &of, list, n, &room));
  for (int32_t r = 0; r < n; r++) free(list[r].words);
  free(of.words);
  free(room.at);
  copy_words_free(w);
  return s;
}

static double score(const bleu_sums *s, bleu_smoothing smoothing, double value, bool effective) {
  const bleu_how how = {.smoothing = smoothing, .value = value, .effective_order = effective};
  return bleu_of(s, &how).score;
}

// Of 6, 5, 4 and 3 n-grams 5, 3, 1 and 0 match.
static void test_bleu_smoothing(void **unused) {
  (void)unused;
  const char *const reference[] = {"the cat is on the mat"};
  const bleu_sums s = count("the cat sat on the mat", reference, 1);
  const double matches[] = {5, 3, 1, 0}, ngrams[] = {6, 5, 4, 3};
  assert_memory_equal(s.matches, matches, sizeof matches);
  assert_memory_equal(s.ngrams, ngrams, sizeof ngrams);
  const double three = 5.0 / 6 * 3 / 5 * 1 / 4;
  check_near(score(&s, SMOOTH_EXP, NAN, false), 100 * pow(three / 6, 0.25), 1e-9);
  check_near(score(&s, SMOOTH_FLOOR, NAN, false), 100 * pow(three * 0.1 / 3, 0.25), 1e-9);
  check_near(score(&s, SMOOTH_FLOOR, 0.5, false), 100 * pow(three * 0.5 / 3, 0.25), 1e-9);
  check_near(score(&s, SMOOTH_ADD_K, NAN, false), 100 * pow(5.0 / 6 * 4 / 6 * 2 / 5 * 1 / 4, 0.25), 1e-9);
  check_near(score(&s, SMOOTH_NONE, NAN, false), 0, 0);
}

// Two orders without a match: the second of them is halved twice.
static void test_bleu_orders(void **unused) {
  (void)unused;
  const char *const reference[] = {"a b x c y"}, *const two[] = {"a b"};
  const bleu_sums s = count("a b c d e", reference, 1), whole = count("a b", two, 1);
  check_near(score(&s, SMOOTH_EXP, NAN, false), 100 * pow(3.0 / 5 * 1 / 4 * 1 / (2 * 3) * 1 / (4 * 2), 0.25),
             1e-9);
  check_near(score(&whole, SMOOTH_EXP, NAN, false), 0, 0); // there are no n-grams of three words
  check_near(score(&whole, SMOOTH_EXP, NAN, true), 100, 1e-9);
}

// A word counts as often as the reference that has it most often; the nearest length is the brevity penalty's.
static void test_bleu_references(void **unused) {
  (void)unused;
  const char *const references[] = {"a b c", "a a c d e f g", "x x x x x"};
  const bleu_sums s = count("a a a b", references, 3);
  assert_true(s.matches[0] == 3);      // a, a, b
  assert_true(s.matches[1] == 2);      // a a, a b
  assert_true(s.reference_words == 3); // of 3 and 5, as near, the shorter
  const char *const longer[] = {"a b c d e f g h"};
  const bleu_how how = {.value = NAN};
  const bleu_sums shorter = count("a b c d e", longer, 1);
  check_near(bleu_of(&shorter, &how).brevity, exp(1 - 8.0 / 5), 1e-12);
  check_near(bleu_of(&shorter, &how).score, 100 * exp(1 - 8.0 / 5), 1e-9);
  const bleu_sums none = count("", longer, 1);
  check_near(bleu_of(&none, &how).score, 0, 0);
}

// ---- ROUGE-L ---------------------------------------------------------------------------------------------------

static rouge rouge_of(const char *copy, const char *const *references, int32_t n) {
  copy_words *w;
  word_list of = {.n = 0}, list[4] = {{.n = 0}};
  lcs_room room = {.lengths = NULL};
  rouge r;
  check_ok(copy_words_new(&w, WORDS_ROUGE));
  check_ok(copy_words_of(w, copy, strlen(copy), &of));
  for (int32_t i = 0; i < n; i++) check_ok(copy_words_of(w, references[i], strlen(references[i]), &list[i]));
  check_ok(rouge_l(&r, &of, list, n, &room));
  for (int32_t i = 0; i < n; i++) free(list[i].words);
  free(of.words);
  free(room.lengths);
  copy_words_free(w);
  return r;
}

static void test_rouge(void **unused) {
  (void)unused;
  const char *const one[] = {"police killed the gunman and fled"};
  rouge r = rouge_of("the gunman, police killed.", one, 1); // "police killed" or "the gunman"
  check_near(r.precision, 2.0 / 4, 1e-12);
  check_near(r.recall, 2.0 / 6, 1e-12);
  check_near(r.f1, 2 * (0.5 / 3) / (0.5 + 1.0 / 3), 1e-12);
  const char *const two[] = {"nothing alike", "Police killed the gunman"};
  r = rouge_of("police kill the gunman", two, 2);
  check_near(r.f1, 0.75, 1e-12);
  const char *const empty[] = {"！！"};
  check_near(rouge_of("a", empty, 1).f1, 0, 0);
  check_near(rouge_of("", one, 1).f1, 0, 0);
}

// ---- together --------------------------------------------------------------------------------------------------

static char *const copies[] = {(char[]){"a b a b"}, (char[]){"a b c"}, (char[]){""}};
static char *const references[] = {(char[]){"a b a c"}, (char[]){"a b c"}, (char[]){"d"}};
static char *const *const reference_lists[] = {references};

static copy_metrics judged(const copy_terms *terms, int64_t replicates, uint64_t seed) {
  const copy_corpus c = {.n = 3,
                         .n_references = 1,
                         .copies = copies,
                         .references = reference_lists,
                         .terms = terms,
                         .perplexity = 12.5};
  const copy_how how = {.bleu_words = WORDS_13A,
                        .rouge_words = WORDS_ROUGE,
                        .bleu = {.value = NAN},
                        .replicates = replicates,
                        .seed = seed};
  copy_metrics m;
  check_ok(copy_metrics_run(&m, &c, &how));
  return m;
}

static void test_together(void **unused) {
  (void)unused;
  const copy_metrics m = judged(NULL, 0, 1);
  const copy_variety *const v = &m.variety;
  check_near(v->distinct[0], 3.0 / 7, 1e-12);
  check_near(v->distinct[1], 3.0 / 5, 1e-12); // a b, b a, b c
  check_near(v->rep[1], (1.0 / 3 + 0) / 2, 1e-12);
  check_near(v->repeated[1], 1.0 / 3, 1e-12);
  check_near(v->rep[3], 0, 0); // of the only copy that is long enough
  check_near(v->words, 7.0 / 3, 1e-12);
  assert_int_equal(v->empty, 1);
  check_near(m.reference_variety.distinct[0], 4.0 / 8, 1e-12);
  // Matches: 3 + 3 of 7 words, 2 + 2 of 5 pairs, 1 + 1 of 3 triples, 0 of 1; 7 words for 8.
  check_near(m.bleu.score, 100 * exp(1 - 8.0 / 7) * pow(6.0 / 7 * 4 / 5 * 2 / 3 * 1 / 2, 0.25), 1e-9);
  check_near(m.rouge.f1, (0.75 + 1 + 0) / 3, 1e-12);
  assert_false(m.has_terms);
  check_near(m.perplexity, 12.5, 0);
}

static void test_intervals(void **unused) {
  (void)unused;
  const copy_metrics a = judged(NULL, 500, 7), again = judged(NULL, 500, 7), other = judged(NULL, 500, 8);
  assert_true(a.rouge_range.low == again.rouge_range.low && a.bleu_range.high == again.bleu_range.high);
  assert_true(a.rouge_range.low < a.rouge.f1 && a.rouge.f1 < a.rouge_range.high);
  assert_true(a.bleu_range.low < a.bleu.score && a.bleu.score < a.bleu_range.high);
  // Three copies of F1 .75, 1 and 0: at the ends all are the worst, or all the best.
  check_near(a.rouge_range.low, 0, 1e-12);
  check_near(other.rouge_range.high, 1, 1e-12);
}

static void test_terms(void **unused) {
  (void)unused;
  const copy_terms terms[] = {
      {.given = 7, .wanted = 3, .said = 7},                   // both, and one more that is true
      {.given = 3, .wanted = 3, .said = 1 | 8},               // one of two, and one that is not given
      {.given = 1, .wanted = 0, .said = 0, .quantities = 2}}; // numbers of its own
  const copy_metrics m = judged(terms, 0, 1);
  assert_true(m.has_terms);
  assert_int_equal(m.terms.wanted, 4);
  assert_int_equal(m.terms.right, 3);
  assert_int_equal(m.terms.untrue, 1);
  assert_int_equal(m.terms.quantities, 2);
  check_near(m.terms.accuracy, 3.0 / (4 + 1 + 2), 1e-12);
  check_near(m.terms.recall, 3.0 / 4, 1e-12);
  check_near(m.terms.clean, 1.0 / 3, 1e-12);
  const copy_terms nothing = {.given = 1};
  term_figures f;
  term_figures_of(&f, &nothing, 1);
  assert_true(isnan(f.accuracy) && isnan(f.recall));
}

static void test_terms_in_text(void **unused) {
  (void)unused;
  const promo_market *const cn = promo_market_named("cn");
  promo_terms t = promo_terms_none();
  t.threshold = 300;
  t.amount = 50;
  t.percent = 20;
  const copy_terms c = copy_terms_of("满300减50，还送3件", "全场满300减50，八折", &t, cn, LANGUAGE_ZH);
  const uint32_t basket = 1u << SLOT_THRESHOLD | 1u << SLOT_AMOUNT, percent = 1u << SLOT_PERCENT;
  assert_int_equal(c.given, basket | percent);
  assert_int_equal(c.wanted, basket | percent);
  assert_int_equal(c.said, basket);
  assert_int_equal(c.quantities, 1); // 3件
  const copy_terms plain = copy_terms_of("Save 20% on all of it, 7 days only", "All of it", &t,
                                         promo_market_named("us"), LANGUAGE_EN);
  assert_int_equal(plain.said, percent);
  assert_int_equal(plain.wanted, 0);
  assert_int_equal(plain.quantities, 1); // 7 days
}

static void test_refused(void **unused) {
  (void)unused;
  const copy_corpus none = {.n = 0, .n_references = 1}, alone = {.n = 1};
  const copy_how how = {.bleu_words = WORDS_13A};
  copy_metrics m;
  check_fails(copy_metrics_run(&m, &none, &how), ERR_ARGUMENT, "at least one copy");
  check_fails(copy_metrics_run(&m, &alone, &how), ERR_ARGUMENT, "one reference");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_words_13a),     cmocka_unit_test(test_words_chinese),
      cmocka_unit_test(test_words_rouge),   cmocka_unit_test(test_bleu_smoothing),
      cmocka_unit_test(test_bleu_orders),   cmocka_unit_test(test_bleu_references),
      cmocka_unit_test(test_rouge),         cmocka_unit_test(test_together),
      cmocka_unit_test(test_intervals),     cmocka_unit_test(test_terms),
      cmocka_unit_test(test_terms_in_text), cmocka_unit_test(test_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
