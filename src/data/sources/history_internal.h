// What the files of the source of histories share: history_source.c, and history_bounds.c, which says how large its batches
// can become.
#ifndef SOUK_DATA_SOURCES_HISTORY_INTERNAL_H
#define SOUK_DATA_SOURCES_HISTORY_INTERNAL_H

#include "data/batch_bounds.h"
#include "data/masking.h"
#include "data/sources/batch_source.h"
#include "data/sources/negatives.h"
#include "data/sources/token_masks.h"
#include "data/training_part.h"
#include "data/user_context.h"

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
  const user_context *context; // NULL: events alone
  int32_t *row_tokens;         // [max_positions + 1], like row_events: a history at hand, with its context
  uint8_t *row_events;
  int32_t *second_tokens; // [max_positions + 1], like second_events: the second session of a pair
  uint8_t *second_events;
  int64_t masked_copies, copies, windows; // copies of a window: masked ones, all
  int64_t *first_window;                  // [sequences]
  negative_sampler *negatives;            // NULL: none
  int64_t *in_batch;                      // [caps.seqs] histories of the batch at hand; NULL: nobody asks
  size_t in_batch_cap;
  int32_t n_in_batch;
  token_masks masks;
  sequence_block *blocks[HISTORY_GROUP];
  int64_t block_ids[HISTORY_GROUP];
} history_source;

static inline int64_t min64(int64_t a, int64_t b) {
  return a < b ? a : b;
}

static inline int64_t history_sequences(const history_source *b) {
  return dataset_get_info(b->d)->sequences;
}

// Rows of n items and, to validate, of a [MASK].
int32_t history_rows(const history_source *b, int32_t n);
// Rows of a window of n items, the last of which is only predicted; 0: nothing is.
int32_t history_rows_of_next(const history_source *b, int32_t n);
// How many items and words and attributes events [begin, end) of a sequence are for the model; and these, at most `room` of them
// (max_positions + 1 at most), valid until the next call. asked: what comes behind them is asked about, so that what was searched for
// right before it belongs to them.
int32_t history_length(const history_source *b, int64_t index, int32_t begin, int32_t end, bool asked);
batch_input history_take(const history_source *b, const sequence *s, int32_t begin, int32_t end, bool asked,
                         int32_t room);

// Windows [*begin, *end), of all, of the sequences of a block.
void history_windows(const history_source *b, int64_t block, int64_t *begin, int64_t *end);
// A sequence of a block that has been read.
void history_find_sequence(const history_source *b, int64_t index, sequence *s);

// Other examples that come in the same batches.
typedef struct history_extra {
  const void *self;
  // Their kinds, at most `most`, beside windows[n] windows of n events, `all` together; returns how many.
  size_t (*kinds)(const void *self, const double *windows, double all, example_kind *to);
  size_t most;
  bool alone; // there are no examples of histories
} history_extra;
// Capacities of training batches, into base.caps; for validation the batcher determines the exact ones. extra: NULL: none.
status history_find_caps(history_source *b, const history_extra *extra);
// Room for what batches of base.caps need, which may have been found anew.
status history_make_room(history_source *b);

#endif
