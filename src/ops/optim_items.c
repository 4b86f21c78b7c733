// Items of work of the optimiser; see optim_items.h.
#include "ops/optim_items.h"

int64_t optim_item_rows(const optim_tensor *t, optim_grain grain) {
  if (grain.rows > 0) return grain.rows;
  return t->row < grain.elements ? grain.elements / t->row : 1;
}

static int64_t items_of(const optim_tensor *t, optim_grain grain) {
  const int64_t each = t->row > 0 ? optim_item_rows(t, grain) * t->row : grain.elements;
  return (t->n + each - 1) / each;
}

int64_t optim_item_count(const optim_params *p, optim_grain grain) {
  int64_t count = 0;
  for (int32_t i = 0; i < p->n; i++) count += items_of(&p->tensors[i], grain);
  return count;
}

void optim_items_list(const optim_params *p, optim_grain grain, optim_item *items, int32_t *first) {
  int32_t at = 0, whole = 0;
  for (int32_t i = 0; i < p->n; i++) {
    for (; first != NULL && whole <= p->tensors[i].whole; whole++) first[whole] = at;
    const int64_t n = items_of(&p->tensors[i], grain);
    for (int32_t k = 0; k < n; k++) items[at++] = (optim_item){i, k};
  }
  for (; first != NULL && whole <= p->wholes; whole++) first[whole] = at;
}
