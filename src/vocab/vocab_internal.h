// What the parts of souk vocab share.
#ifndef SOUK_VOCAB_VOCAB_INTERNAL_H
#define SOUK_VOCAB_VOCAB_INTERNAL_H

#include "format/word_tokenizer.h"
#include "prepare/intern.h"
#include "prepare/log_reader.h"
#include "vocab/vocab_train.h"
#include "vocab/word_counts.h"

// What was read, for the report.
typedef struct vocab_counts {
  int64_t files, rows, rejected, first_rejected, texts, empty, bytes;
  const char *reject;      // why the first row was; a constant
  int64_t words, too_long; // occurrences
  int64_t bad_bytes;       // lines of plain text that are not UTF-8
} vocab_counts;

typedef struct vocab_job {
  const vocab_config *c;
  word_tokenizer *tokenizer; // its rules, with no words
  word_counts *words;
  vocab_counts counts;
  status rc; // of what a visitor of words did
  intern *pieces;
} vocab_job;

// Counts the words of all files.
status vocab_read_files(vocab_job *job);
// Makes job->pieces: the special tokens, the alphabet, and merged pairs.
typedef struct vocab_pieces {
  int32_t alphabet, inside; // characters as words, and inside words
  int64_t left_out,
      left_out_uses; // characters beyond the alphabet's limit; occurrences of words with one of them
  int32_t different; // characters there are
  int64_t merges, pieces, known; // of the words: pieces of all occurrences, and occurrences that are cut
} vocab_pieces;
status vocab_make_pieces(vocab_job *job, vocab_pieces *p);

#endif
