// Which events of a history carry the score of an item; see souk_explain in infer.h.
#ifndef SOUK_INFER_EXPLAIN_H
#define SOUK_INFER_EXPLAIN_H

#include "infer/encode.h"

typedef struct explain_job {
  const souk_bundle *b;
  const souk_history *history;
  const int32_t *items; // [m] that exist
  size_t m;             // at least 1
  souk_explain_options options;
  souk_explanation *out; // [m]
  float *shares;         // [m][history->n]
} explain_job;

// Arguments have been checked.
souk_status explain_run(const explain_job *j, souk_error *e);

#endif
