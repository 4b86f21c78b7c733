// ROUGE-L (C.-Y. Lin: ROUGE, a package for automatic evaluation of summaries, 2004), equal to rouge-score's rougeL without a stemmer:
// with L the length of the longest common subsequence of words,
//
//   precision = L / words of the copy,  recall = L / words of the reference,  F1 = 2 precision recall / (precision + recall)
//
// and all three 0 where one of both has no word. Of several references the one with the highest F1 counts, the first of equals.
#ifndef SOUK_EVAL_COPY_ROUGE_H
#define SOUK_EVAL_COPY_ROUGE_H

#include "eval/copy_words.h"

typedef struct rouge {
  double precision, recall, f1;
} rouge;

typedef struct lcs_room { // memory that several calls share; begins with zeros, free lengths
  int32_t *lengths;
  size_t cap;
} lcs_room;
status rouge_l(rouge *out, const word_list *copy, const word_list *references, int32_t n_references,
               lcs_room *room);

#endif
