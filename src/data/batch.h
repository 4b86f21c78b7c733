// A packed batch on the host: T tokens of B sequences laid end to end. The device twin is batch_view (ops.h).
#ifndef SOUK_DATA_BATCH_H
#define SOUK_DATA_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "format/sequence.h"

typedef struct batch_caps {
  int32_t tokens, seqs, masked, negatives;
  int32_t work; // items of attention work; 0: as many as these tokens and sequences can have
} batch_caps;

// The fields: type, name, and what has one (an item of attention work: two). Meanings are those of batch_view (ops.h).
// Struct, memory, copies, uploads and files are made from this table.
#define BATCH_FIELDS(FIELD)               \
  FIELD(int32_t, ids, PER_TOKEN)          \
  FIELD(int32_t, types, PER_TOKEN)        \
  FIELD(int32_t, positions, PER_TOKEN)    \
  FIELD(int32_t, seq_of, PER_TOKEN)       \
  FIELD(int32_t, cu_seqlens, PER_BORDER)  \
  FIELD(int64_t, seq_ids, PER_SEQ)        \
  FIELD(int32_t, prefix_len, PER_SEQ)     \
  FIELD(int32_t, cls_labels, PER_SEQ)     \
  FIELD(int32_t, work, PER_ITEM)          \
  FIELD(int32_t, masked, PER_MASKED)      \
  FIELD(int32_t, labels, PER_MASKED)      \
  FIELD(float, weights, PER_MASKED)       \
  FIELD(float, label_logq, PER_MASKED)    \
  FIELD(int32_t, negatives, PER_NEGATIVE) \
  FIELD(float, negative_logq, PER_NEGATIVE)

typedef enum batch_per { // what there is one of for each
  PER_TOKEN,
  PER_BORDER, // a sequence, and the end
  PER_SEQ,
  PER_ITEM,
  PER_MASKED,
  PER_NEGATIVE
} batch_per;

// Arrays have the capacities' lengths and lie one behind the other in `memory`, each on 256 bytes, so that a batch goes to
// a device in one piece.
typedef struct batch {
  batch_caps caps;                                     // work is not 0
  int32_t tokens, seqs, n_masked, n_negatives, n_work; // live
  int64_t epoch, index;                                // place in the run
  float mask_weight;                                   // sum of weights
  int32_t cls_count;                                   // labelled sequences
  char *memory;                                        // [batch_bytes]
#define FIELD(type, name, per) type *name;
  BATCH_FIELDS(FIELD)
#undef FIELD
} batch;

typedef struct batch_field {
  const char *name;
  size_t at, in_view; // of the pointer in batch and in batch_view
  size_t size;        // of an element
  bool real;          // float; else an integer
  batch_per per;
} batch_field;
#define FIELD(type, name, per) +1
enum { N_BATCH_FIELDS = 0 BATCH_FIELDS(FIELD) };
#undef FIELD
extern const batch_field batch_fields[N_BATCH_FIELDS];

batch_caps batch_live(const batch *b);                     // its counts
size_t batch_elements(const batch_field *f, batch_caps n); // of a field, at these counts
void *batch_array(const batch *b, const batch_field *f);   // the field itself
size_t batch_bytes(batch_caps caps);                       // of `memory`
size_t batch_live_bytes(const batch *b); // of what `memory` holds up to its last live element
struct batch_view;
void batch_view_at(struct batch_view *v, batch_caps caps, void *memory); // the same layout, elsewhere
void batch_copy(batch *to, const batch *from);                           // of the same capacities

int32_t batch_work(int32_t n);           // items of attention work of a sequence of n rows
int32_t batch_max_work(batch_caps caps); // capacity of the work list
status batch_new(batch **out, batch_caps caps);
void batch_free(batch *b); // NULL is safe
void batch_clear(batch *b);

typedef seq_input batch_input;

// Appends a sequence made of segment a and, when b is not NULL, segment b, in the given layout (specials,
// types, positions, truncation at the old end). *first gets the batch row of a's first kept token, *kept how many
// of a's tokens were kept (either may be NULL). Returns false, changing nothing, when it does not fit: its tokens,
// the sequence or its attention work.
bool batch_add(batch *b, const seq_layout *layout, const batch_input *a, const batch_input *second,
               int64_t seq_id, int32_t *first, int32_t *kept);
// Appends a history followed by [MASK] (event none) and makes that the one masked row, with label and weight 1 (-1: none
// known, weight 0). The row's MLM output is the user vector.
bool batch_add_query(batch *b, const seq_layout *layout, const batch_input *history, int64_t seq_id,
                     int32_t label);
// For sequences that are made otherwise: is there room for one of n rows; and, when its ids, types and positions
// have been put behind the others, make it one (seq_of, cu_seqlens, counts; the whole is source, no label).
bool batch_has_room(const batch *b, int32_t n);
void batch_end_sequence(batch *b, int32_t n, int64_t seq_id);
// Registers a masked row (the caller has changed ids[row] as it wishes), each one once. Returns false when full.
bool batch_add_masked(batch *b, int32_t row, int32_t label, float weight);
// Makes the attention work list; call once after the last sequence.
void batch_finish(batch *b);

#endif
