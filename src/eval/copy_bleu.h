// BLEU of a corpus (K. Papineni, S. Roukos, T. Ward, W. Zhu: BLEU, a method for automatic evaluation of machine translation, ACL
// 2002), equal to sacrebleu's:
//
//   BLEU = 100 BP exp(1/4 sum over n = 1..4 of ln p_n),  p_n = clipped matches / n-grams of the copies
//   BP = 1 if the copies have at least as many words as the references, else exp(1 - words of references / words of copies)
//
// A copy's n-gram matches at most as often as the one of its references that has it most often; of several references that count
// which is nearest in length to the copy, the shorter of two that are equally near. Where nothing matches at all, BLEU is 0. Orders
// without a match (B. Chen, C. Cherry: A systematic comparison of smoothing techniques for sentence-level BLEU, WMT 2014):
//
//   exp     the k-th of them has p_n = 1 / (2^k n-grams), as in NIST's mteval-v13a
//   floor   `value` matches, by default 0.1
//   add_k   `value`, by default 1, is added to matches and n-grams of every order above 1
//   none    p_n is 0, and so is BLEU
#ifndef SOUK_EVAL_COPY_BLEU_H
#define SOUK_EVAL_COPY_BLEU_H

#include <stdbool.h>
#include "eval/copy_ngrams.h"

#define SMOOTHING_CHOICES "exp|floor|add_k|none"
typedef enum bleu_smoothing { SMOOTH_EXP, SMOOTH_FLOOR, SMOOTH_ADD_K, SMOOTH_NONE } bleu_smoothing;

typedef struct bleu_how {
  bleu_smoothing smoothing;
  double value;         // of floor and add_k; NaN: the default
  bool effective_order; // orders that copies are too short for do not count: for single sentences
} bleu_how;

// What BLEU is made of: sums over copies, which may be added up.
typedef struct bleu_sums {
  double words, reference_words;
  double matches[MOST_ORDER], ngrams[MOST_ORDER];
} bleu_sums;

// What one copy adds. room: memory that several calls share, zeroed at first; free room->at.
status bleu_count(bleu_sums *out, const word_list *copy, const word_list *references, int32_t n_references,
                  ngram_list *room);
void bleu_add(bleu_sums *to, const bleu_sums *s, double times);

typedef struct bleu {
  double score, precisions[MOST_ORDER], brevity; // score and precisions in %
} bleu;
bleu bleu_of(const bleu_sums *s, const bleu_how *how);

#endif
