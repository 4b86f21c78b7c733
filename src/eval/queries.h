// The questions of an evaluation: for each held-out item of each chosen user, "what comes after this history?", or for all
// of a user's held-out items at once.
//
// Everything that decides how an answer is scored is fixed here, before any model is evaluated: the users, the
// history that is the input, the items filtered out, the negatives of the sampled protocols and the draw that breaks
// ties. So all models and baselines get the same questions, and can be compared question by question.
#ifndef SOUK_EVAL_QUERIES_H
#define SOUK_EVAL_QUERIES_H

#include <stdbool.h>
#include <stdint.h>
#include "data/dataset.h"
#include "data/training_part.h"

typedef enum rank_protocol {
  RANK_FULL,       // the whole catalogue
  RANK_UNIFORM,    // the target among negatives drawn uniformly
  RANK_POPULARITY, // the target among negatives drawn in proportion to their counts
  RANK_PROTOCOLS
} rank_protocol;
extern const char *const rank_protocol_names[RANK_PROTOCOLS]; // "full", "uniform", "popularity"

// The substreams of STREAM_EVAL; the last takes one more for each protocol.
enum { DRAW_USERS, DRAW_TIES, DRAW_UNIFORM, DRAW_POPULARITY, DRAW_BOOTSTRAP, DRAW_MORE_TIES };

typedef enum eval_part {
  EVAL_VALID,
  EVAL_TEST,
  EVAL_NOTHING // only for "the parts before": all
} eval_part;

// How several targets of a user are asked about. With one target both are the same.
typedef enum target_reading {
  TARGETS_NEXT, // one after the other, each with everything before it as history
  TARGETS_ALL   // in one question: the history ends before the first, and each is a right answer
} target_reading;
#define TARGET_READINGS "next|all"

typedef struct query_config {
  eval_part part;
  int reading;   // target_reading
  int64_t users; // a random subset of this many; 0: all
  int64_t seed;
  int64_t negatives; // of the sampled protocols
  bool protocols[RANK_PROTOCOLS];
  bool filter_history; // items of the history are not candidates (the target always is)
  training_choice
      trained; // of the model; in the validation part only users that it holds out are asked about
} query_config;

// Items are counted from 0 here: item i is token vocab_begin(items) + i.
typedef struct query {
  int64_t sequence, user;
  int64_t slot;      // of the user among those evaluated, from 0: the unit of the bootstrap
  int32_t target;    // item that comes next, the first of the targets; -1: not in the vocabulary
  int32_t n_targets; // at least 1
  int64_t target_at; // how many targets the questions before it in the chunk have
  const int32_t
      *targets; // [n_targets] distinct items in the order of the history; -1 (any number of them): unknown
  int32_t n;    // events of the history: everything before the (first) target
  const int32_t *tokens; // [n] token ids, oldest first
  const uint8_t *events; // [n]
  // The filtered history: those of these items that are in it, query_filters; n_seen is 0 without the filter.
  int32_t n_seen;
  const int32_t *seen;    // [n_seen] items of the history, and of the targets, ascending
  const int32_t *seen_at; // [n_seen] the first place of each
  int32_t n_negatives[RANK_PROTOCOLS];
  const int32_t *negatives[RANK_PROTOCOLS]; // items, ascending; none for RANK_FULL
  double tie[RANK_PROTOCOLS];               // draws from [0, 1)
} query;

// Is seen[i] in the history?
static inline bool query_filters(const query *q, int32_t i) {
  return q->seen_at[i] < q->n;
}

typedef struct query_chunk {
  int64_t count, targets; // of all questions
  const query *queries;
} query_chunk;

typedef struct query_source query_source;

// d must outlive the source. The questions of up to about 64k users are kept in memory, more are made again on each pass.
status queries_open(query_source **out, dataset *d, const query_config *c);
void queries_close(query_source *s); // NULL is safe

// Bytes that a source takes for a data set of these sizes, for memory plans: `held` from queries_open to
// queries_close; besides, `opening` during queries_open and `pass` while its questions are read.
typedef struct query_memory {
  double held, pass, opening;
  double users, questions, targets, chunk_questions, chunk_targets;
} query_memory;
query_memory queries_memory(const dataset *d, const query_config *c, int32_t threads);

dataset *queries_dataset(query_source *s);
int64_t queries_chunks(const query_source *s);
// Chunk i, valid until the next call.
status queries_chunk(query_source *s, int64_t i, query_chunk *out);

// Occurrences of each item in the parts an evaluation may learn from, those before `part`: train, for EVAL_TEST also
// validation, for EVAL_NOTHING all. counts [items] is overwritten.
status items_count(dataset *d, eval_part part, int64_t *counts);
// How many tokens of a sequence those parts have.
int32_t known_length(const sequence *s, eval_part part);

#endif
