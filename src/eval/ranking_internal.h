// What the parts of a ranking share: ranking.c scores candidates and counts where targets stand among them, and
// ranking_result.c makes ranks and metrics of that.
#ifndef SOUK_EVAL_RANKING_INTERNAL_H
#define SOUK_EVAL_RANKING_INTERNAL_H

#include "eval/ranking.h"

struct ranking {
  ranking_config c;
  dataset *d;
  query_source *source;
  int32_t first_item, items;
  int64_t *known; // [items] occurrences in the parts the model may know
  const mix *mix; // NULL: models alone
};

// The scores of a chunk's targets and what they were found to be among; all [targets of the chunk].
typedef struct chunk_scores {
  float *scores, *tolerances; // candidates within the tolerance tie
  rank_standing *standings;   // [targets][RANK_PROTOCOLS] against candidates that are no targets
} chunk_scores;

status chunk_scores_new(chunk_scores *s, const query_chunk *c); // zeros
void chunk_scores_free(chunk_scores *s);

// How much room a result's arrays have; start with zeros.
typedef struct result_room {
  size_t slots, relevant, ranks[RANK_PROTOCOLS];
} result_room;

void result_begin(const ranking *r, ranking_result *out);
// Makes room for a chunk's ranks after the existing ones, and records what does not depend on scores.
status result_begin_chunk(const ranking *r, const query_chunk *c, ranking_result *out, result_room *room);
// Turns the standings of the chunk's targets into ranks.
status result_end_chunk(const ranking *r, const query_chunk *c, const chunk_scores *s, ranking_result *out);
// Metrics of all chunks. started: now_seconds() of then.
status result_end(const ranking *r, ranking_result *out, double started);

#endif
