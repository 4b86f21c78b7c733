// Rows of copy of a data set as requests to the inference library: what souk eval --copy has written, and compares with what stands in
// the row.
#ifndef SOUK_CMD_COPY_REQUESTS_H
#define SOUK_CMD_COPY_REQUESTS_H

#include "data/copy_examples.h"
#include "format/promo_terms.h"
#include "souk/infer.h"

typedef struct copy_requests {
  int64_t n;
  json_t **lines;                 // [n] of copy.jsonl, whose texts the others borrow
  souk_promo_request *requests;   // [n]
  char **texts;                   // [n] of the items: title and attributes; NULL: none
  promo_terms *terms;             // [n]
  const char **references;        // [n]
  const promo_market **markets;   // [n] NULL: none
  promo_language *languages;      // [n]
  struct copy_history *histories; // [n]
  int32_t *sources;               // [n] tokens of the source that training reads
  int64_t searches; // words of searches in histories, which a request cannot give as tokens and goes without
} copy_requests;

// The rows of a part, at most `most` of them from the first (0: all), with the histories that training reads. e is of the data set d and
// must outlive it. ERR_ARGUMENT: the part has none.
status copy_requests_read(copy_requests *out, dataset *d, const copy_examples *e, copy_part part,
                          int64_t most);
void copy_requests_free(copy_requests *r); // safe on a zeroed one

#endif
