// A packed batch as one table: T tokens of B sequences laid end to end, the rows that something is predicted for, and what.
//
// Everything that has to know every field is made from the two lists below: the host's struct and its memory
// (data/batch.h), its twin in backend memory (batch_view), copies, the upload and the bytes in a plan, the file of a step
// with the checks of its values (train/nonfinite.c), and the batches that the op checks and the benchmark make up. A label
// of a new objective is one more line of BATCH_FIELDS; what there is one of for a new thing, one more line of BATCH_COUNTS.
#ifndef SOUK_OPS_BATCH_FIELDS_H
#define SOUK_OPS_BATCH_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

enum { ATTENTION_BLOCK = 64 }; // queries of one item of attention work

// ---- the table -----------------------------------------------------------------------------------------------

// What a batch has a number of: the name among capacities, that of the live count in a batch, and in words. `work` is the
// last, since it follows from the lengths of the sequences: files have the counts before it.
#define BATCH_COUNTS(COUNT)                        \
  COUNT(tokens, tokens, "tokens")                  \
  COUNT(seqs, seqs, "sequences")                   \
  COUNT(masked, n_masked, "masked rows")           \
  COUNT(negatives, n_negatives, "negatives")       \
  COUNT(targets, n_targets, "labels of sequences") \
  COUNT(work, n_work, "items of attention work")

// The fields:
//   type, name
//   count, each, more   it has each * count + more elements
//   kind                see batch_kind
//   from, below         of its values (integers; of floats they are 0), where `limit` is a batch_limits
//   what it is
// clang-format off
#define BATCH_FIELDS(FIELD)                                                                                                                         \
  FIELD(int32_t, ids,           tokens, 1, 0,    NUMBER, 0, limit->vocab,                      "token id")                                          \
  FIELD(int32_t, types,         tokens, 1, 0,    NUMBER, 0, limit->types,                      "token type id")                                     \
  FIELD(int32_t, positions,     tokens, 1, 0,    NUMBER, 0, limit->positions,                  "position id")                                       \
  FIELD(int32_t, seq_of,        tokens, 1, 0,    LAYOUT, 0, limit->seqs,                       "the token's sequence in this batch")                \
  FIELD(int32_t, cu_seqlens,    seqs, 1, 1,      LAYOUT, 0, limit->tokens + 1,                 "first token of a sequence; the end")                \
  FIELD(int64_t, seq_ids,       seqs, 1, 0,      LAYOUT, INT64_MIN, INT64_MAX,                 "global sequence id (dropout counters)")             \
  FIELD(int32_t, prefix_len,    seqs, 1, 0,      LAYOUT, 0, limit->positions + 1,              "tokens of the source part (attention kind prefix)") \
  FIELD(int32_t, nsp_labels,    seqs, 1, 0,      LABEL,  -1, limit->seq_classes,               "next session: 0 it is, 1 it is another, -1 none")   \
  FIELD(int32_t, work,          work, 2, 0,      LAYOUT, 0, limit->tokens,                     "sequence, first query in the sequence")             \
  FIELD(int32_t, masked,        masked, 1, 0,    ROW,    0, limit->tokens,                     "token row that something is predicted at")          \
  FIELD(int32_t, labels,        masked, 1, 0,    NUMBER, limit->class_begin, limit->class_end, "token id to predict")                               \
  FIELD(float,   weights,       masked, 1, 0,    WEIGHT, 0, 0,                                 "weight of the row's loss as a masked one")          \
  FIELD(float,   next_weights,  masked, 1, 0,    WEIGHT, 0, 0,                                 "the same, of a row that predicts its successor")    \
  FIELD(float,   copy_weights,  masked, 1, 0,    WEIGHT, 0, 0,                                 "the same, of a row that writes the next word of copy") \
  FIELD(float,   label_logq,    masked, 1, 0,    LOGQ,   0, 0,                                 "log of the label's expected count in the sample")   \
  FIELD(int32_t, negatives,     negatives, 1, 0, NUMBER, limit->class_begin, limit->class_end, "shared negative, a token id")                       \
  FIELD(float,   negative_logq, negatives, 1, 0, LOGQ,   0, 0,                                 "log of its expected count in the sample")             \
  FIELD(int32_t, targets,       targets, 1, 0,   LABEL,  -1, limit->target_classes,            "label of a sequence; each has as many; -1 none")    \
  FIELD(float,   target_weights, targets, 1, 0,  WEIGHT, 0, 0,                                 "weight of its loss")
// clang-format on

typedef enum batch_kind {
  BATCH_LAYOUT, // follows from the sequences and their lengths: batch_put_sequence and batch_list_work make it
  BATCH_NUMBER, // a number of its range
  BATCH_LABEL,  // the same; -1, which it is at first: there is none
  BATCH_ROW,    // a row of tokens; no two live ones are the same
  BATCH_WEIGHT, // of a loss
  BATCH_LOGQ    // log of an expected count
} batch_kind;

// ---- what is made from it ------------------------------------------------------------------------------------

typedef struct batch_counts { // live counts, or capacities
#define COUNT(name, live, text) int32_t name;
  BATCH_COUNTS(COUNT)
#undef COUNT
} batch_counts;

#define COUNT(name, live, text) BATCH_COUNT_##name,
enum { BATCH_COUNTS(COUNT) N_BATCH_COUNTS };
#undef COUNT
#define FIELD(...) +1
enum { N_BATCH_FIELDS = 0 BATCH_FIELDS(FIELD) };
#undef FIELD

// A batch in backend memory, for ops to read. Fields whose count is 0 may be NULL, and so may those that an op does not read.
typedef struct batch_view {
#define FIELD(type, name, ...) const type *name;
  BATCH_FIELDS(FIELD)
#undef FIELD
} batch_view;

// The same, for whoever makes it. The functions below take either, as a pointer to its first pointer.
typedef struct batch_arrays {
#define FIELD(type, name, ...) type *name;
  BATCH_FIELDS(FIELD)
#undef FIELD
} batch_arrays;

// What values have to be below. Counts are live ones.
typedef struct batch_limits {
  int64_t tokens, seqs;
  int64_t vocab, types, positions; // rows of the embedding tables
  int64_t class_begin, class_end;  // token ids that can be predicted
  int64_t seq_classes;             // of a sequence's nsp_labels
  int64_t target_classes;          // of its targets
} batch_limits;

typedef struct batch_range {
  int64_t from, below;
} batch_range;

typedef struct batch_field {
  const char *name, *text;
  size_t at;   // of its pointer in batch_view and batch_arrays
  size_t size; // of an element
  bool real;   // float; else an integer
  batch_kind kind;
  int32_t count, each, more; // count: BATCH_COUNT_..., its place in batch_counts
} batch_field;
extern const batch_field batch_fields[N_BATCH_FIELDS];

// Legal values of each field.
void batch_ranges(const batch_limits *limit, batch_range out[N_BATCH_FIELDS]);
int32_t *batch_count(batch_counts *n, int32_t count);          // BATCH_COUNT_...
size_t batch_elements(const batch_field *f, batch_counts n);   // of a field, at these counts
void *batch_array(const void *pointers, const batch_field *f); // the field itself
const char *batch_exceeds(batch_counts n,
                          batch_counts caps); // which count is too large, in words; NULL: none

// Fields lie one behind the other, each on 256 bytes and as long as the capacities say, so that a batch goes to a device in
// one piece. A capacity of work that is 0 stands for batch_max_work.
size_t batch_bytes(batch_counts caps);
size_t batch_offset(batch_counts caps, int32_t field);
void batch_place(void *pointers, batch_counts caps, void *memory);

int32_t batch_work(int32_t n); // items of attention work of a sequence of n rows
int32_t
batch_max_work(batch_counts caps); // capacity of the work list: what these tokens and sequences can have

// One more sequence of n rows, whose tokens lie behind the others: its layout, no labels, the whole of it is source. Counts
// it and its rows and work. The arrays have room.
void batch_put_sequence(batch_arrays *a, batch_counts *live, int32_t n, int64_t seq_id);
// The work list of all sequences, and its count.
void batch_list_work(batch_arrays *a, batch_counts *live);

// Would ops be safe with these values? ERR_FORMAT and a sentence that begins with the field's name if not. Needs memory for
// a flag of each token. Of limits, those of tokens and sequences are taken from `live`.
status batch_check(const batch_arrays *a, batch_counts live, const batch_limits *limits);

#endif
