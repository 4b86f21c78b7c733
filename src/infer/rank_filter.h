// Which items a call's ranked lists may have: the lists of allowed and denied items that hold for all its queries.
//
// A list of allowed items that is short beside the catalogue becomes a small table of its own; a longer one is a bit an item,
// asked about only for the few scores that pass a threshold.
#ifndef SOUK_INFER_RANK_FILTER_H
#define SOUK_INFER_RANK_FILTER_H

#include <stdbool.h>
#include "infer/bundle.h"

// Items to score: all of the catalogue, or a few by number.
typedef struct item_table {
  const float *packed; // [n,W]
  const int32_t *ids;  // [n] ascending; NULL: 0 .. n - 1
  int32_t n;
} item_table;

typedef struct call_filter {
  uint8_t *denied; // one bit an item; NULL: none is
  int32_t *ids;    // of a small table, as is packed
  float *packed;
  item_table table; // to be scored for every query over the catalogue
} call_filter;

// Freed with filter_free, also after an error.
souk_status filter_make(call_filter *f, const souk_bundle *b, const souk_rank_options *o, souk_error *e);
void filter_free(call_filter *f);

static inline bool filter_denies(const call_filter *f, int32_t item) {
  return f->denied != NULL && (f->denied[item / 8] >> item % 8 & 1) != 0;
}

// Rows of the items numbered ids [n], packed; rows: room for [16][W].
void gather_packed(const souk_bundle *b, const int32_t *ids, int32_t n, float *rows, float *packed);

#endif
