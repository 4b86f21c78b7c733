// What an epoch is made of: "histories 1, texts 0.3, pairs 0.2".
#ifndef SOUK_DATA_DATA_MIX_H
#define SOUK_DATA_DATA_MIX_H

#include <stdbool.h>
#include "base/status.h"

// Weights are of numbers of examples. An epoch has the examples of histories once, and for each of them texts / histories texts of
// items, pairs / histories pairs of a history and a text, and item_pairs / histories pairs of a history and an item. Without
// histories it has a pair for each window, or, without pairs too, each text once.
typedef enum mix_part { MIX_HISTORIES, MIX_TEXTS, MIX_PAIRS, MIX_ITEM_PAIRS, MIX_PARTS } mix_part;
extern const char *const mix_part_names[MIX_PARTS]; // "histories", "texts", "pairs", "item_pairs"
#define DATA_MIX "histories 1"                      // the default, which is what souk 0.3 had

typedef struct data_mix {
  double weight[MIX_PARTS]; // at least one is above 0
} data_mix;

// A weight that is left out is 1, a part that is not named 0; an empty text is the default. ERR_ARGUMENT names `where`, the option.
status data_mix_parse(data_mix *m, const char *text, const char *where);
bool data_mix_is_plain(const data_mix *m); // histories alone
// Do both make the same epochs?
bool data_mix_same(const data_mix *a, const data_mix *b);

#endif
