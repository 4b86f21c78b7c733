// How often each word occurs, in bounded memory.
//
// When more different words are known than there is room for, the rarest are let go: first those that occurred once, then
// those that occurred twice, and so on, until half of the room is free (lossy counting; Manku and Motwani, 2002). A word that
// comes again after that is counted from nothing, so that a count may be too low by at most the sum of the thresholds so far.
// What happens depends on the words and their order alone.
#ifndef SOUK_VOCAB_WORD_COUNTS_H
#define SOUK_VOCAB_WORD_COUNTS_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

typedef struct word_counts word_counts;

status word_counts_new(word_counts **out, size_t most_bytes); // of memory
void word_counts_free(word_counts *w);                        // NULL is safe
status word_counts_add(word_counts *w, const char *word, size_t bytes);

int32_t word_counts_n(const word_counts *w);                   // different words, numbered from 0
const char *word_counts_text(const word_counts *w, int32_t i); // NUL-terminated
int64_t word_counts_of(const word_counts *w, int32_t i);
int64_t
word_counts_let_go(const word_counts *w,
                   int64_t *occurrences); // different words that were, and how often they had occurred

#endif
