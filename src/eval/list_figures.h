// What is recommended, whether it is right or not: how much of the catalogue appears in ranked lists, how evenly, and how
// popular it is.
#ifndef SOUK_EVAL_LIST_FIGURES_H
#define SOUK_EVAL_LIST_FIGURES_H

#include "eval/item_popularity.h"
#include "eval/ranking.h"

enum { LIST_CUTOFFS = 3, LIST_DEEPEST = 20 };
extern const int32_t list_cutoffs[LIST_CUTOFFS]; // 5, 10, 20

// Of the lists of all questions, cut at one of these.
typedef struct list_figures {
  int64_t items; // of the catalogue that are in at least one list
  double
      coverage; // their share of the catalogue (J. Herlocker and others, Evaluating collaborative filtering, 2004)
  // Gini index of how often the items of the catalogue are in lists (P. Castells, N. Hurley, S. Vargas, Novelty and diversity
  // in recommender systems, 2015, without the factor n / (n - 1)): 0 if all are equally often, (n - 1) / n if always the same one is.
  double gini;
  // Over what stands in the lists. `information` is novelty, mean self-information (S. Vargas, P. Castells, 2011), and
  // `events` average recommendation popularity, ARP (H. Yin and others, Challenging the long tail recommendation, 2012).
  popularity_means popularity;
} list_figures;

// Counts lists; times[c][i]: how many lists, cut at list_cutoffs[c], have item i.
typedef struct exposure {
  int32_t items;
  int64_t *times[LIST_CUTOFFS]; // [items]
} exposure;
status exposure_new(exposure *x, int32_t items); // freed with exposure_free, also after an error
void exposure_free(exposure *x);                 // NULL is safe
void exposure_add(exposure *x, const ranked_list *list);
// p is of the same items. Sorts the counts.
void exposure_figures(exposure *x, const item_popularity *p, list_figures out[LIST_CUTOFFS]);

#endif
