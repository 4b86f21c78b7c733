// Lists of hard negatives; see hard_negatives.h.
#include "data/hard_negatives.h"

#include <stdlib.h>
#include "base/memory.h"
#include "data/dataset_internal.h"

status hard_negatives_new(hard_negatives **out, int64_t sequences, int32_t each) {
  const size_t n = (size_t)sequences * (size_t)each;
  *out = NULL;
  hard_negatives *h;
  TRY(mem_new(&h, 1, sizeof *h, "hard negatives"));
  h->sequences = sequences;
  h->each = each;
  const status rc = mem_new(&h->items, n, sizeof *h->items, "hard negatives");
  if (rc != OK) {
    free(h);
    return rc;
  }
  for (size_t i = 0; i < n; i++) h->items[i] = -1;
  *out = h;
  return OK;
}

void hard_negatives_free(hard_negatives *h) {
  if (h == NULL) return;
  free(h->items);
  free(h);
}

int32_t hard_negatives_count(const hard_negatives *h, int64_t history) {
  int32_t n = 0;
  while (n < h->each && h->items[history * h->each + n] >= 0) n++;
  return n;
}

void dataset_set_hard_negatives(dataset *d, hard_negatives *h) {
  item_data *have = dataset_item_data(d);
  hard_negatives_free(have->hard);
  have->hard = h;
}

const hard_negatives *dataset_hard_negatives(dataset *d) {
  return dataset_item_data(d)->hard;
}
