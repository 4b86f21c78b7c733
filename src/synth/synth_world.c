// The items of the generated marketplace, and the index that a step draws from; see synth_internal.h.
//
// A step wants an item of a category with probability proportional to popularity times the user's taste, and
// taste knows only brand, style and tier. So items lie sorted by (category, cell of equal brand, style and
// tier) under a running sum of popularity: a draw picks a cell, then an item by binary search, whatever the
// size of the catalogue.
#include <math.h>
#include <stdlib.h>
#include "base/memory.h"
#include "synth/synth_internal.h"

// People enter a department at its first categories.
static const double entry[DEPARTMENT_CATEGORIES] = {6, 4, 3, 3, 2, 2};
static const double tier_share[SYNTH_TIERS] = {0.2, 0.25, 0.25, 0.18, 0.12};
static const double tier_price[SYNTH_TIERS] = {0.45, 0.7, 1.0, 1.6, 2.8};

static int32_t draw_share(const double *share, int32_t n, double unit) {
  int32_t i = 0;
  while (i + 1 < n && unit >= share[i]) unit -= share[i++];
  return i;
}

// Prices as shops write them: 39.9, 129, 2699.
static double shop_price(double p) {
  if (p < 10) return floor(p) + 0.9;
  if (p < 100) return floor(p / 10) * 10 + floor(fmod(p, 10)) + 0.9;
  if (p < 1000) return floor(p / 10) * 10 + 9;
  return floor(p / 100) * 100 + 99;
}

static void make_item(const synth_world *w, int32_t i, synth_item *item) {
  rng r = synth_rng(w->c.seed, DRAW_ITEM, i);
  // The first items go round the categories, so that small catalogues have something in each.
  const int32_t category =
      i < 4 * SYNTH_CATEGORIES ? i % SYNTH_CATEGORIES : (int32_t)rng_below(&r, SYNTH_CATEGORIES);
  item->category = (int16_t)category;
  item->brand = (int8_t)rng_below(&r, SYNTH_BRANDS);
  // A brand has a style of its own that most of its items follow.
  const int32_t house = (category / DEPARTMENT_CATEGORIES + item->brand * 5) % SYNTH_STYLES;
  item->style = (int8_t)(rng_unit(&r) < 0.3 ? house : (int32_t)rng_below(&r, SYNTH_STYLES));
  item->tier = (int8_t)draw_share(tier_share, SYNTH_TIERS, rng_unit(&r));
  item->price =
      shop_price(category_at(category)->price * tier_price[item->tier] * exp(0.12 * rng_normal(&r)));
}

// A market's popularity ranks are a random permutation of the items.
static void draw_ranks(const synth_world *w, int64_t market, int32_t *rank) {
  rng r = synth_rng(w->c.seed, DRAW_RANKS, market);
  for (int32_t i = 0; i < w->n; i++) {
    const int32_t k = (int32_t)rng_below(&r, (uint64_t)i + 1);
    rank[i] = rank[k];
    rank[k] = i;
  }
}

// Zipf's law by rank, times what quality is worth. In another market than 0 the place is the geometric mean of those in market 0 and
// of its own, so what is liked everywhere and what is liked there weigh the same.
static status draw_popularity(synth_world *w) {
  int32_t *rank;
  TRY(mem_new(&rank, 2 * (size_t)w->n, sizeof *rank, "popularity ranks"));
  int32_t *own = rank + w->n;
  draw_ranks(w, 0, rank);
  draw_ranks(w, w->c.market, own);
  for (int32_t i = 0; i < w->n; i++) {
    const double place = w->c.market == 0 ? rank[i] + 2.0 : sqrt((rank[i] + 2.0) * (own[i] + 2.0));
    w->items[i].popularity = (float)(pow(place, -w->c.zipf) * exp(w->c.quality * item_quality(w, i)));
  }
  free(rank);
  return OK;
}

// Counting sort by (category, cell).
static status index_items(synth_world *w) {
  const size_t cells = (size_t)SYNTH_CATEGORIES * CELLS;
  TRY(mem_new(&w->order, (size_t)w->n, sizeof *w->order, "the order of items"));
  TRY(mem_new(&w->running, (size_t)w->n + 1, sizeof *w->running, "popularity sums"));
  TRY(mem_new(&w->cell_begin, cells + 2, sizeof *w->cell_begin, "the index of items"));
  int32_t *begin = w->cell_begin;
  for (int32_t i = 0; i < w->n; i++) begin[w->items[i].category * CELLS + cell_of(&w->items[i]) + 2]++;
  for (size_t c = 0; c < cells; c++) begin[c + 2] += begin[c + 1];
  for (int32_t i = 0; i < w->n; i++)
    w->order[begin[w->items[i].category * CELLS + cell_of(&w->items[i]) + 1]++] = i;
  for (int32_t k = 0; k < w->n; k++)
    w->running[k + 1] = w->running[k] + (double)w->items[w->order[k]].popularity;
  for (int32_t d = 0; d < SYNTH_DEPARTMENTS; d++) {
    double sum = 0;
    for (int32_t k = 0; k < DEPARTMENT_CATEGORIES; k++) {
      const int32_t c = d * DEPARTMENT_CATEGORIES + k;
      w->start[c] = begin[(c + 1) * CELLS] > begin[c * CELLS] ? entry[k] : 0;
      sum += w->start[c];
    }
    for (int32_t k = 0; sum > 0 && k < DEPARTMENT_CATEGORIES; k++)
      w->start[d * DEPARTMENT_CATEGORIES + k] /= sum;
  }
  return OK;
}

status world_new(synth_world **out, const synth_config *c) {
  *out = NULL;
  synth_world *w;
  TRY(mem_new(&w, 1, sizeof *w, "the marketplace"));
  w->c = *c;
  w->n = (int32_t)c->items;
  w->epoch = 1709251200; // 2024-03-01 00:00:00 UTC
  rng r = synth_rng(c->seed, DRAW_MARKET, c->market);
  w->price_level = 1.8 + (c->market == 0 ? 0 : 0.8 * rng_normal(&r));
  status rc;
  TRY_GOTO(mem_new(&w->items, (size_t)w->n, sizeof *w->items, "items"), bad);
  for (int32_t i = 0; i < w->n; i++) make_item(w, i, &w->items[i]);
  TRY_GOTO(draw_popularity(w), bad);
  TRY_GOTO(index_items(w), bad);
  *out = w;
  return OK;
bad:
  world_free(w);
  return rc;
}

void world_free(synth_world *w) {
  if (w == NULL) return;
  free(w->items);
  free(w->order);
  free(w->running);
  free(w->cell_begin);
  free(w);
}
