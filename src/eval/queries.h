// The questions of an evaluation: for each held-out item of each chosen user, "what comes after this history?"
//
// Everything that decides how an answer is scored is fixed here, before any model is evaluated: the users, the
// history that is the input, the items filtered out, the negatives of the sampled protocols and the draw that breaks
// ties. So all models and baselines get the same questions, and can be compared question by question.
#ifndef SOUK_EVAL_QUERIES_H
#define SOUK_EVAL_QUERIES_H

#include <stdbool.h>
#include <stdint.h>
#include "data/dataset.h"

typedef enum rank_protocol {
  RANK_FULL,       // the whole catalogue
  RANK_UNIFORM,    // the target among negatives drawn uniformly
  RANK_POPULARITY, // the target among negatives drawn in proportion to their counts
  RANK_PROTOCOLS
} rank_protocol;
extern const char *const rank_protocol_names[RANK_PROTOCOLS]; // "full", "uniform", "popularity"

// The substreams of STREAM_EVAL.
enum { DRAW_USERS, DRAW_TIES, DRAW_UNIFORM, DRAW_POPULARITY, DRAW_BOOTSTRAP };

typedef enum eval_part { EVAL_VALID, EVAL_TEST } eval_part;

typedef struct query_config {
  eval_part part;
  int64_t users; // a random subset of this many; 0: all
  int64_t seed;
  int64_t negatives; // of the sampled protocols
  bool protocols[RANK_PROTOCOLS];
  bool filter_history; // items of the history are not candidates (the target always is)
} query_config;

// Items are counted from 0 here: item i is token vocab_begin(items) + i.
typedef struct query {
  int64_t sequence, user;
  int64_t slot;            // of the user among those evaluated, from 0: the unit of the bootstrap
  int32_t target;          // item; -1: not in the vocabulary
  int32_t n;               // events of the history: everything before the target
  const int32_t *tokens;   // [n] token ids, oldest first
  const uint8_t *events;   // [n]
  int32_t n_excluded;      // candidates taken out: the target itself and the filtered history
  const int32_t *excluded; // [n_excluded] items, ascending
  int32_t n_negatives[RANK_PROTOCOLS];
  const int32_t *negatives[RANK_PROTOCOLS]; // items, ascending; none for RANK_FULL
  double tie[RANK_PROTOCOLS];               // draws from [0, 1)
} query;

typedef struct query_chunk {
  int64_t count;
  const query *queries;
} query_chunk;

typedef struct query_source query_source;

// d must outlive the source. Up to about 64k questions are kept in memory, more are made again on each pass.
status queries_open(query_source **out, dataset *d, const query_config *c);
void queries_close(query_source *s); // NULL is safe

// Bytes that a source takes for a data set of these sizes, for memory plans: `held` from queries_open to
// queries_close; besides, `opening` during queries_open and `pass` while its questions are read.
typedef struct query_memory {
  double held, pass, opening;
  double users, questions, chunk_questions;
} query_memory;
query_memory queries_memory(const dataset *d, const query_config *c, int32_t threads);

const query_config *queries_config(const query_source *s);
dataset *queries_dataset(query_source *s);
int64_t queries_chunks(const query_source *s);
// Chunk i, valid until the next call.
status queries_chunk(query_source *s, int64_t i, query_chunk *out);
// Upper bound of the users that may have questions (slots); exact for leave-one-out.
int64_t queries_users(const query_source *s);

// Occurrences of each item in the parts an evaluation may learn from: train, for EVAL_TEST also validation.
// counts [items] is overwritten.
status items_count(dataset *d, eval_part part, int64_t *counts);
// How many tokens of a sequence those parts have.
int32_t known_length(const sequence *s, eval_part part);

#endif
