// N-grams of lists of words, sorted so that equal ones are neighbours.
#ifndef SOUK_EVAL_COPY_NGRAMS_H
#define SOUK_EVAL_COPY_NGRAMS_H

#include <stdbool.h>
#include "eval/copy_words.h"

enum { MOST_ORDER = 4 };

typedef struct ngram {
  int32_t words[MOST_ORDER]; // those behind the order are -1
  int32_t from;              // whose it is
} ngram;

typedef struct ngram_list { // begins with zeros; free at
  ngram *at;
  size_t n, cap;
} ngram_list;

// Appends the n-grams of this order, 1 to MOST_ORDER, of a list of words.
status ngrams_add(ngram_list *l, const word_list *words, int order, int32_t from);
void ngrams_sort(ngram_list *l); // by words, then by whose they are
// How many from place i on are the same words as that there, and of the same `from`.
size_t ngrams_equal(const ngram_list *l, size_t i);
// Are those at two places the same words?
bool ngrams_same(const ngram *a, const ngram *b);
// How many different ones a sorted list has, whosever they are.
size_t ngrams_distinct(const ngram_list *l);

#endif
