// The k best; see top_k.h.
#include "infer/top_k.h"

#include <math.h>
#include <stdbool.h>

top_k top_k_in(ranked *room, int32_t k) {
  return (top_k){.at = room, .k = k, .threshold = -INFINITY, .overflowed = -1};
}

static bool worse(ranked a, ranked b) {
  return a.score < b.score || (!(a.score > b.score) && a.item > b.item);
}

static void sift_down(top_k *t, int32_t i, ranked x) {
  for (;;) {
    int32_t child = 2 * i + 1;
    if (child >= t->n) break;
    if (child + 1 < t->n && worse(t->at[child + 1], t->at[child])) child++;
    if (!worse(t->at[child], x)) break;
    t->at[i] = t->at[child];
    i = child;
  }
  t->at[i] = x;
}

void top_k_keep(top_k *t, ranked x) {
  if (t->n == t->k) {
    if (worse(t->at[0], x)) sift_down(t, 0, x);
  } else {
    int32_t i = t->n++;
    for (int32_t parent; i > 0 && worse(x, t->at[parent = (i - 1) / 2]); i = parent) t->at[i] = t->at[parent];
    t->at[i] = x;
  }
  if (t->n == t->k) t->threshold = t->at[0].score;
}

// Repeatedly moves the root, the worst of the rest, to the end.
void top_k_sort(top_k *t) {
  const int32_t n = t->n;
  while (t->n > 1) {
    const ranked worst = t->at[0], moved = t->at[--t->n];
    sift_down(t, 0, moved);
    t->at[t->n] = worst;
  }
  t->n = n;
}
