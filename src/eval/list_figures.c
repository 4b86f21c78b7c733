// Figures of ranked lists; see list_figures.h.
#include "eval/list_figures.h"

#include <stdlib.h>
#include "base/memory.h"
#include "format/order.h"

const int32_t list_cutoffs[LIST_CUTOFFS] = {5, 10, LIST_DEEPEST};

status exposure_new(exposure *x, int32_t items) {
  *x = (exposure){.items = items};
  for (int32_t c = 0; c < LIST_CUTOFFS; c++)
    TRY(mem_new(&x->times[c], (size_t)items, sizeof *x->times[c], "counts of recommended items"));
  return OK;
}

void exposure_free(exposure *x) {
  for (int32_t c = 0; x != NULL && c < LIST_CUTOFFS; c++) {
    free(x->times[c]);
    x->times[c] = NULL;
  }
}

void exposure_add(exposure *x, const ranked_list *list) {
  for (int32_t c = 0; c < LIST_CUTOFFS; c++)
    for (int32_t i = 0; i < list->n && i < list_cutoffs[c]; i++) x->times[c][list->items[i]]++;
}

// times [n] ascending.
static double gini_of(const int64_t *times, int32_t n) {
  double sum = 0, weighted = 0;
  for (int32_t i = 0; i < n; i++) {
    sum += (double)times[i];
    weighted += (2.0 * (i + 1) - n - 1) * (double)times[i];
  }
  return sum > 0 ? weighted / (n * sum) : 0;
}

void exposure_figures(exposure *x, const item_popularity *p, list_figures out[LIST_CUTOFFS]) {
  for (int32_t c = 0; c < LIST_CUTOFFS; c++) {
    list_figures *f = &out[c];
    *f = (list_figures){0};
    for (int32_t i = 0; i < x->items; i++) {
      if (x->times[c][i] == 0) continue;
      f->items++;
      popularity_add(&f->popularity, p, i, (double)x->times[c][i]);
    }
    popularity_divide(&f->popularity);
    f->coverage = (double)f->items / x->items;
    qsort(x->times[c], (size_t)x->items, sizeof *x->times[c], order_int64);
    f->gini = gini_of(x->times[c], x->items);
  }
}
