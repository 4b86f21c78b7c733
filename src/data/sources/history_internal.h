// What the files of the source of histories share: history_source.c, and history_bounds.c, which says how large its batches
// can become.
#ifndef SOUK_DATA_SOURCES_HISTORY_INTERNAL_H
#define SOUK_DATA_SOURCES_HISTORY_INTERNAL_H

#include "data/masking.h"
#include "data/sources/batch_source.h"
#include "data/sources/negatives.h"
#include "data/training_part.h"

// Sequences lie in blocks of HISTORY_BLOCK, of which HISTORY_GROUP are in memory at a time.
enum { HISTORY_BLOCK = 4096, HISTORY_GROUP = 16 };

typedef struct history_source {
  batch_source base;
  dataset *d;
  data_config c;
  seq_layout layout;
  data_part part;
  data_window w;
  training_part trains;
  int64_t masked_copies, copies, windows; // copies of a window: masked ones, all
  int64_t *first_window;                  // [sequences]
  negative_sampler *negatives;            // NULL: none
  double *rates;                          // [max_positions]: of an example's masks, where popularity counts
  sequence_block *blocks[HISTORY_GROUP];
  int64_t block_ids[HISTORY_GROUP];
  bool masks_left_out; // the warning has been printed
} history_source;

static inline int64_t min64(int64_t a, int64_t b) {
  return a < b ? a : b;
}

static inline int64_t history_sequences(const history_source *b) {
  return dataset_get_info(b->d)->sequences;
}

static inline masking history_masking(const history_source *b) {
  return (masking){b->c.mask_probability, b->c.mask_spans, b->c.mask_popularity};
}

// Rows of n items and, to validate, of a [MASK].
int32_t history_rows(const history_source *b, int32_t n);
// Rows of a window of n items, the last of which is only predicted; 0: nothing is.
int32_t history_rows_of_next(const history_source *b, int32_t n);

// Capacities of training batches, into base.caps; for validation the batcher determines the exact ones.
status history_find_caps(history_source *b);

#endif
