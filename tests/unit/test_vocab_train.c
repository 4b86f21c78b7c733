// Training of vocabularies: merged pairs beside a search through all of them, counts of words in little memory.
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "lib/check.h"
#include "vocab/pair_merges.h"
#include "vocab/word_counts.h"

enum { WORDS = 60, LENGTH = 9, LETTERS = 4 };

typedef struct text {
  int32_t pieces[LENGTH], n;
  int64_t count;
} text;

static void make_words(text *words, uint32_t seed, intern *pieces, int32_t letters[2][LETTERS]) {
  rng r = rng_at(seed, 1, 0, 0);
  for (int inside = 0; inside < 2; inside++)
    for (int i = 0; i < LETTERS; i++) {
      const char name[] = {'#', '#', (char)('a' + i), '\0'};
      check_ok(intern_add(pieces, inside ? name : name + 2, &letters[inside][i]));
    }
  for (int i = 0; i < WORDS; i++) {
    words[i].n = 1 + (int32_t)rng_below(&r, LENGTH);
    words[i].count = 1 + (int64_t)rng_below(&r, 5);
    for (int j = 0; j < words[i].n; j++) words[i].pieces[j] = letters[j > 0][rng_below(&r, LETTERS)];
  }
}

// The pair to be merged next: of those with the highest count the first by its parts. 0: none occurs often enough.
static int64_t best_pair(const text *words, int32_t n_pieces, int64_t min_count, int32_t *a, int32_t *b) {
  int64_t *counts = calloc((size_t)n_pieces * (size_t)n_pieces, sizeof *counts), best = 0;
  assert_non_null(counts);
  for (int i = 0; i < WORDS; i++)
    for (int j = 0; j + 1 < words[i].n; j++)
      counts[words[i].pieces[j] * n_pieces + words[i].pieces[j + 1]] += words[i].count;
  for (int32_t i = 0; i < n_pieces * n_pieces; i++)
    if (counts[i] >= min_count && counts[i] > best) {
      best = counts[i];
      *a = i / n_pieces;
      *b = i % n_pieces;
    }
  free(counts);
  return best;
}

static void merge_all(text *words, int32_t a, int32_t b, int32_t both) {
  for (int i = 0; i < WORDS; i++) {
    text *w = &words[i];
    int32_t n = 0;
    for (int32_t j = 0; j < w->n; j++) {
      const bool pair = j + 1 < w->n && w->pieces[j] == a && w->pieces[j + 1] == b;
      w->pieces[n++] = pair ? both : w->pieces[j];
      j += pair;
    }
    w->n = n;
  }
}

// The same by a search through all pairs for each merge.
static void merge_slowly(text *words, intern *pieces, int32_t size, int64_t min_count) {
  int32_t a, b, both;
  while (intern_count(pieces) < size && best_pair(words, intern_count(pieces), min_count, &a, &b) > 0) {
    char name[64];
    snprintf(name, sizeof name, "%s%s", intern_text(pieces, a), intern_text(pieces, b) + 2);
    check_ok(intern_add(pieces, name, &both));
    merge_all(words, a, b, both);
  }
}

static void test_merges(void **unused) {
  (void)unused;
  for (uint32_t seed = 0; seed < 40; seed++) {
    text words[WORDS];
    int32_t letters[2][LETTERS];
    int64_t merges, pieces_left = 0;
    intern *fast, *slow;
    pair_merges *m;
    check_ok(intern_new(&fast));
    check_ok(intern_new(&slow));
    check_ok(pair_merges_new(&m));
    make_words(words, seed, fast, letters);
    make_words(words, seed, slow, letters);
    for (int i = 0; i < WORDS; i++)
      check_ok(pair_merges_add(m, words[i].pieces, (size_t)words[i].n, words[i].count));
    const int32_t size = seed % 2 ? 1000 : 60;
    const int64_t min_count = 1 + seed % 3;
    check_ok(pair_merges_run(m, fast, size, min_count, &merges));
    merge_slowly(words, slow, size, min_count);
    assert_int_equal(intern_count(fast), intern_count(slow));
    for (int32_t i = 0; i < intern_count(fast); i++)
      if (strcmp(intern_text(fast, i), intern_text(slow, i)) != 0)
        fail_msg("seed %u: piece %d is %s, not %s", seed, i, intern_text(fast, i), intern_text(slow, i));
    for (int i = 0; i < WORDS; i++) pieces_left += words[i].n * words[i].count;
    assert_int_equal(pair_merges_pieces(m), pieces_left);
    assert_int_equal(merges, intern_count(fast) - 2 * LETTERS);
    pair_merges_free(m);
    intern_free(fast);
    intern_free(slow);
  }
}

// Frequent words keep their counts while many rare ones come and go; what was let go is told.
static void test_little_memory(void **unused) {
  (void)unused;
  enum { RARE = 300000, FREQUENT = 50 };
  word_counts *w;
  char name[32];
  check_ok(word_counts_new(&w, 2 << 20));
  for (int i = 0; i < RARE; i++) {
    snprintf(name, sizeof name, "rare%d", i);
    check_ok(word_counts_add(w, name, strlen(name)));
    snprintf(name, sizeof name, "often%d", i % FREQUENT);
    check_ok(word_counts_add(w, name, strlen(name)));
  }
  int64_t occurrences, sum = 0;
  const int64_t gone = word_counts_let_go(w, &occurrences);
  assert_true(gone > 0 && gone < RARE && word_counts_n(w) < RARE / 2);
  for (int32_t i = 0; i < word_counts_n(w); i++) {
    sum += word_counts_of(w, i);
    if (word_counts_text(w, i)[0] == 'o') assert_int_equal(word_counts_of(w, i), RARE / FREQUENT);
  }
  assert_int_equal(sum + occurrences, 2 * RARE); // each occurrence is counted or let go
  word_counts_free(w);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_merges), cmocka_unit_test(test_little_memory)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
