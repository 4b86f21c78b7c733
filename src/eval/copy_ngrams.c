// N-grams; see copy_ngrams.h.
#include "eval/copy_ngrams.h"

#include <stdlib.h>
#include <string.h>
#include "base/memory.h"

status ngrams_add(ngram_list *l, const word_list *words, int order, int32_t from) {
  const size_t n = (size_t)order;
  if (words->n < n) return OK;
  TRY(mem_grow(&l->at, &l->cap, l->n + words->n - n + 1, sizeof *l->at, "n-grams of copies"));
  for (size_t i = 0; i + n <= words->n; i++) {
    ngram *const g = &l->at[l->n++];
    *g = (ngram){.words = {-1, -1, -1, -1}, .from = from};
    memcpy(g->words, words->words + i, n * sizeof *g->words);
  }
  return OK;
}

static int compare_words(const ngram *a, const ngram *b) {
  for (int k = 0; k < MOST_ORDER; k++)
    if (a->words[k] != b->words[k]) return a->words[k] < b->words[k] ? -1 : 1;
  return 0;
}

static int compare(const void *a, const void *b) {
  const ngram *const x = a, *const y = b;
  const int by_words = compare_words(x, y);
  return by_words != 0 ? by_words : (x->from > y->from) - (x->from < y->from);
}

void ngrams_sort(ngram_list *l) {
  if (l->n > 0) qsort(l->at, l->n, sizeof *l->at, compare);
}

size_t ngrams_equal(const ngram_list *l, size_t i) {
  size_t n = 1;
  while (i + n < l->n && compare(&l->at[i], &l->at[i + n]) == 0) n++;
  return n;
}

bool ngrams_same(const ngram *a, const ngram *b) {
  return compare_words(a, b) == 0;
}

size_t ngrams_distinct(const ngram_list *l) {
  size_t n = 0;
  for (size_t i = 0; i < l->n; i++) n += i == 0 || !ngrams_same(&l->at[i - 1], &l->at[i]);
  return n;
}
