// Ranked lists over the catalogue, or over candidates.
#ifndef SOUK_INFER_RANK_H
#define SOUK_INFER_RANK_H

#include "infer/bundle.h"
#include "infer/encode.h"

typedef struct rank_job {
  const souk_bundle *b;
  // [n] of query_bytes each, which an older or newer program may have made; NULL: the histories alone, flat
  const souk_query *queries;
  size_t query_bytes;
  history_source flat;
  size_t n;
  int32_t k;
  const souk_rank_options *options;  // never NULL here
  int32_t *items, *counts, *unknown; // [n][k], [n], [n] or NULL
  float *scores;                     // [n][k] or NULL
} rank_job;

// Query i; fields that the caller's version does not have are zero.
souk_query job_query(const rank_job *j, size_t i);

// Arguments have been checked.
souk_status rank_run(const rank_job *j, souk_error *e);

// Scores of m items (numbers of items that exist) for n user vectors, scores [n][m], by the vectors that the items have under an adapter
// (-1: none).
souk_status score_items(const souk_bundle *b, int32_t adapter, area *scratch, const float *u, size_t n,
                        const int32_t *items, size_t m, float *scores, souk_error *e);

#endif
