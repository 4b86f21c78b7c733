// souk vocab: a WordPiece vocabulary out of texts, which BERT's tokenizers of Hugging Face read.
//
// The files are read once, one after the other; memory holds counts of different words (word_counts.h) and then their pieces
// (pair_merges.h), whatever the size of the files. The same files and options give the same vocabulary.
#ifndef SOUK_VOCAB_VOCAB_TRAIN_H
#define SOUK_VOCAB_VOCAB_TRAIN_H

#include "base/options.h"
#include "base/status.h"

typedef struct vocab_config {
  char input[OPTION_STRING], columns[OPTION_STRING], encoding[OPTION_STRING], separator[OPTION_STRING];
  int format; // vocab_format
  char out[OPTION_STRING];
  bool force;
  int64_t size, min_count, alphabet, memory, longest_word;
  bool lower_case, split_chinese;
  int strip_accents; // 0 as lower_case, 1 yes, 2 no
} vocab_config;

typedef enum vocab_format { TEXTS_AUTO, TEXTS_CSV, TEXTS_TSV, TEXTS_JSONL, TEXTS_PLAIN } vocab_format;

extern const option vocab_options[];
extern const size_t n_vocab_options;

status vocab_train(const vocab_config *c);

#endif
