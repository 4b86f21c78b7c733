// The optimiser's table cut into items of work: what a block of a device, or a thread in its turn, takes at a time. Part of
// the program and of each backend that is loaded.
//
// An item is a run of elements of one tensor, or of rows of a row-sparse one. Items follow from the table and the grain
// alone, and sums are made item by item in their order, so results depend on neither threads nor devices.
#ifndef SOUK_OPS_OPTIM_ITEMS_H
#define SOUK_OPS_OPTIM_ITEMS_H

#include "ops/ops.h"

typedef struct optim_item {
  int32_t tensor; // of the table
  int32_t part;   // the part-th run of it
} optim_item;

typedef struct optim_grain {
  int64_t elements; // of an item
  int64_t rows;     // of an item of a row-sparse tensor; 0: as many as make up `elements`, one at the least
} optim_grain;

int64_t optim_item_count(const optim_params *p, optim_grain grain);
// items [optim_item_count()]; first [wholes + 1]: where the items of each tensor begin, and the count; NULL: not wanted.
void optim_items_list(const optim_params *p, optim_grain grain, optim_item *items, int32_t *first);
// Rows of an item of a row-sparse tensor.
int64_t optim_item_rows(const optim_tensor *t, optim_grain grain);

#endif
