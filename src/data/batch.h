// A packed batch on the host: T tokens of B sequences laid end to end. Its fields and their twin on a device
// are in ops/batch_fields.h.
#ifndef SOUK_DATA_BATCH_H
#define SOUK_DATA_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "format/copy_sequence.h"
#include "format/sequence.h"
#include "ops/batch_fields.h"

typedef batch_counts batch_caps; // the most that a batch can have

// Calls come in one order:
//   batch_clear;
//   batch_add, batch_add_query, batch_end_sequence, batch_add_masked, batch_add_copy, batch_add_negative, batch_add_targets in any order (a row is masked after
//   its sequence was added), and changes of the ids, types and labels of what was added;
//   batch_finish.
// From there on a batch is only read (model_set_batch, batch_copy), by any number of threads, until the next batch_clear. One
// thread at a time writes: the batcher's until it hands the batch out, else whoever made it with batch_new.
//
// A call out of order changes nothing, and returns false if it returns anything; the batch keeps the name of the first one
// for good, batch_ready tells it, and the model takes no such batch. That costs a comparison a call, so it is always checked.
typedef enum batch_stage { BATCH_NEW, BATCH_OPEN, BATCH_FINISHED } batch_stage;

// Capacities bound every batch: a call that adds returns false, changing nothing, where a live count would pass `caps`. So
// the model's memory, planned for these capacities, holds every batch, and a captured step launches grids that cover it. How
// large they are and who ends a batch before it is full: batch_bounds.h.
//
// Arrays have the capacities' lengths and lie in `memory` as batch_fields.h says.
typedef struct batch {
  batch_caps caps; // work is not 0
  union {
    batch_counts live;
    struct {
#define COUNT(name, live, text) int32_t live;
      BATCH_COUNTS(COUNT)
#undef COUNT
    };
  };
  union {
    batch_arrays arrays;
    struct {
#define FIELD(type, name, ...) type *name;
      BATCH_FIELDS(FIELD)
#undef FIELD
    };
  };
  int64_t epoch, index; // place in the run
  int64_t examples;     // of the epoch, of all ranks, up to the end of this batch
  batch_stage stage;
  const char *misused;      // the first call that came out of order; NULL: none
  batch_stage misused_when; // the stage that it came in
  char *memory;             // [batch_bytes]
} batch;

size_t batch_live_bytes(const batch *b);       // of what `memory` holds up to its last live element
void batch_copy(batch *to, const batch *from); // of the same capacities

status batch_new(batch **out, batch_caps caps);
void batch_free(batch *b); // NULL is safe
void batch_clear(batch *b);
// OK for a batch that batch_finish has ended and whose calls came in order, else ERR_INTERNAL.
status batch_ready(const batch *b);

typedef seq_input batch_input;

// Appends a sequence made of segment a and, when b is not NULL, segment b, in the given layout (specials,
// types, positions, truncation at the old end). *first gets the batch row of a's first kept token, *kept how many
// of a's tokens were kept (either may be NULL). Returns false, changing nothing, when it does not fit: its tokens,
// the sequence or its attention work.
bool batch_add(batch *b, const seq_layout *layout, const batch_input *a, const batch_input *second,
               int64_t seq_id, int32_t *first, int32_t *kept);
// Appends a history as a query (format/sequence.h) and makes the row that is asked the one row of its sequence that something
// is predicted at, with label and weight 1 (-1: none known, weight 0). The head's output there is the user vector.
bool batch_add_query(batch *b, const seq_layout *layout, const batch_input *history, int64_t seq_id,
                     int32_t label);
// For sequences that are made otherwise: is there room for one of n rows; and, when its ids, types and positions
// have been put behind the others, make it one (seq_of, cu_seqlens, counts; the whole is source, no label). The second
// returns false, changing nothing, when there is none.
bool batch_has_room(const batch *b, int32_t n);
bool batch_end_sequence(batch *b, int32_t n, int64_t seq_id);
// Registers a masked row of a sequence that was added (the caller changes ids[row] as it wishes), each one once. Returns
// false when full.
bool batch_add_masked(batch *b, int32_t row, int32_t label, float weight);
// The same for a row that predicts what comes behind it. No row of its sequence may see a later one then: batch_set_causal,
// of the last sequence that was added.
bool batch_add_next(batch *b, int32_t row, int32_t label, float weight);
void batch_set_causal(batch *b);
// Appends a source and its copy of n tokens, as format/copy_sequence.h lays them out, and registers the rows that write it. weights [n + 1]:
// of the tokens and of the [SEP] behind them; NULL: 1 each. Returns false, changing nothing, when it does not fit.
bool batch_add_copy(batch *b, const copy_layout *layout, const copy_source *source, const int32_t *copy,
                    int32_t n, const float *weights, int64_t seq_id);
// A negative of the sampled loss, which all masked rows share. Returns false when full.
bool batch_add_negative(batch *b, int32_t token, float logq);
// Labels of the last sequence that was added: n of them, -1 where one is not known, and their weights. All sequences of a batch have
// as many. Returns false when full.
bool batch_add_targets(batch *b, int32_t n, const int32_t *labels, const float *weights);
// Makes the attention work list.
void batch_finish(batch *b);

#endif
