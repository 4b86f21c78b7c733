// Where a batcher's examples come from.
//
// The batcher (batcher.c) decides, from lengths alone, which examples go into which batch, and in which
// order; a source lists examples, reads them and puts them into batches. There are five: the histories of a
// prepared data set, windowed and masked when they are read (history_source.c), these mixed with texts of items and pairs of both
// (mix_source.c), examples that were masked elsewhere (nvidia_source.c), rows with labels (labelled_source.c), and rows of
// copy (copy_source.c).
#ifndef SOUK_DATA_SOURCES_BATCH_SOURCE_H
#define SOUK_DATA_SOURCES_BATCH_SOURCE_H

#include "data/batcher.h"
#include "data/data_mix.h"

typedef enum example_task {
  MASK_SOME,
  MASK_LAST,
  PREDICT_NEXT,
  PREDICT_FIRST,  // at a [MASK] that is alone
  MASK_TEXT,      // of an item: `sequence` is its number
  MASK_PAIR,      // history and text
  MASK_ITEM_PAIR, // history and item
  WRITE_COPY      // `sequence` is a row of copy, `end` how many of its rows write
} example_task;

typedef struct example {
  int64_t sequence, id; // row of the data set; global sequence id
  int32_t begin, end;   // tokens of the sequence
  int32_t length;       // rows it takes in a batch, at most
  example_task task;
} example;

typedef struct example_list {
  example *items;
  size_t n, cap;
} example_list;

status examples_add(example_list *l, const example *e);

typedef struct batch_source batch_source;

// Called by one thread at a time.
typedef struct source_calls {
  void (*close)(batch_source *s);
  // Appends the examples that a block has in an epoch, in an order that never changes. From the index:
  // reads no tokens.
  status (*list)(batch_source *s, int64_t epoch, int64_t block, example_list *to);
  // Reads the tokens of n blocks, 1 <= n <= group, in place of those read before.
  status (*read)(batch_source *s, const int64_t *blocks, int n);
  // Appends an example of the blocks read. all: every example of these blocks.
  status (*add)(batch_source *s, batch *out, const example *e, const example_list *all);
  // What it takes: everything of *m but batches and example_bytes.
  void (*memory)(const batch_source *s, batcher_memory *m);
  // What of its data comes in an epoch.
  status (*cover)(batch_source *s, batcher_coverage *out);
  // After the last example of batch `index` (over all ranks) of an epoch. May be NULL.
  void (*complete)(batch_source *s, batch *out, int64_t epoch, int64_t index);
  // The data set's hard negatives are others by now. NULL: it draws none.
  status (*renew)(batch_source *s);
} source_calls;

struct batch_source { // the first member of every source
  const source_calls *calls;
  int64_t blocks;  // the units of reading
  int group;       // blocks whose examples are shuffled together, hence in memory at the same time
  batch_caps caps; // of its batches; an example that does not fit goes into the next batch
  int32_t
      most_masked; // rows of an example that may already be masked; 0: the source itself masks, as long as there is room
};

status history_source_open(batch_source **out, dataset *d, const data_config *c, const seq_layout *layout,
                           data_part part);
// Histories, texts and pairs, to train on (mix_source.c).
status mix_source_open(batch_source **out, dataset *d, const data_config *c, const seq_layout *layout,
                       const data_mix *mix);
status labelled_source_open(batch_source **out, dataset *d, const data_config *c, const seq_layout *layout,
                            data_part part);
// Rows of copy of the training part, to train on.
status copy_source_open(batch_source **out, dataset *d, const data_config *c, const seq_layout *layout,
                        data_part part);
status nvidia_source_open(batch_source **out, dataset *d, const data_config *c, const seq_layout *layout,
                          data_part part);

#endif
