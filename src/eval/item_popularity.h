// How popular each item is, by the parts that an evaluation may learn from.
#ifndef SOUK_EVAL_ITEM_POPULARITY_H
#define SOUK_EVAL_ITEM_POPULARITY_H

#include "data/dataset.h"
#include "eval/queries.h"

typedef struct item_popularity {
  int32_t items;
  int64_t users_in_all; // with an event in those parts
  int64_t *events;      // [items]
  int64_t *users;       // [items] who have at least one of these events
  double *
      percentile; // [items] 100 x the share of the catalogue that has fewer events, those with as many counted half
} item_popularity;

// By the parts before `part` (items_count). Freed with item_popularity_free, also after an error.
status item_popularity_make(item_popularity *out, dataset *d, eval_part part);
void item_popularity_free(item_popularity *p); // NULL is safe

// Means over items, each taken `weight` times.
typedef struct popularity_means {
  double weight;
  double information; // bits
  double events;
  double percentile;
  double nobodys; // share of items that nobody has
} popularity_means;
void popularity_add(popularity_means *sum, const item_popularity *p, int32_t item, double weight);
void popularity_divide(popularity_means *sum); // from sums to means; zeros stay

#endif
