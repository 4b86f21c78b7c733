// Items shown to a user of the generated marketplace amid a session, and what comes of it: click, cart, purchase.
//
// Unlike promotions they are chosen without a policy worth learning: half of them by lines of interest, half by popularity.
// What makes a click likely can be told from the user's history: how well the item fits the taste, and whether the session is
// about its category. What makes a purchase likely is partly told by nothing but other users' purchases and reviews: quality. Clicks and carts
// follow from quality only where synth_config.quality says so.
#include <math.h>
#include "synth/synth_internal.h"

static const double CLICK = -2.2, CLICK_FIT = 0.45, CLICK_LINE = 1.6, CLICK_OTHER = 0.9, CLICK_SEEN = -0.9;
static const double CART = -0.9, CART_FIT = 0.3, BUY = 0.1, BUY_QUALITY = 1.3;

static double logistic(double x) {
  return 1.0 / (1.0 + exp(-x));
}

double item_quality(const synth_world *w, int32_t item) {
  rng r = synth_rng(w->c.seed, DRAW_QUALITY, item);
  return rng_normal(&r);
}

static bool was_seen(const synth_state *s, int32_t item) {
  return s->seen_bits[item / 64] >> (item % 64) & 1;
}

static int32_t by_popularity(const synth_world *w, int32_t from, int32_t to, rng *r) {
  const double x = w->running[from] + rng_unit(r) * (w->running[to] - w->running[from]);
  return w->order[find_place(w, from, to, x)];
}

int32_t item_of(const synth_world *w, int32_t category, rng *r) {
  const int32_t from = category < 0 ? 0 : w->cell_begin[category * CELLS];
  const int32_t to = category < 0 ? w->n : w->cell_begin[(category + 1) * CELLS];
  return from < to ? by_popularity(w, from, to, r) : by_popularity(w, 0, w->n, r);
}

static void answer(const synth_state *s, rng *r, offer *o) {
  const synth_world *w = s->w;
  const int32_t category = w->items[o->item].category;
  const double fit = fmax(fmin(item_fit(w, s->taste, o->item), 4.0), -4.0);
  const double quality = item_quality(w, o->item), liked = w->c.quality * quality;
  double z = CLICK + CLICK_FIT * fit + liked;
  if (category == s->current)
    z += CLICK_LINE;
  else if (category == s->other)
    z += CLICK_OTHER;
  if (was_seen(s, o->item)) z += CLICK_SEEN;
  o->p_click = logistic(z);
  o->p_cart = logistic(CART + CART_FIT * fit + liked);
  o->p_buy = logistic(BUY + BUY_QUALITY * quality);
  const double draws[3] = {rng_unit(r), rng_unit(r), rng_unit(r)};
  o->click = draws[0] < o->p_click;
  o->cart = o->click && draws[1] < o->p_cart;
  o->buy = o->cart && draws[2] < o->p_buy;
}

void offers_draw(const synth_state *s, rng *r, offer out[OFFERS]) {
  for (int32_t k = 0; k < OFFERS; k++) {
    const int32_t category = k < 2 ? s->current : k == 2 ? s->other : -1;
    bool fresh = false;
    while (!fresh) { // after a few draws from the category, from all
      fresh = true;
      out[k].item = item_of(s->w, rng_unit(r) < 0.1 ? -1 : category, r);
      for (int32_t i = 0; i < k; i++) fresh = fresh && out[i].item != out[k].item;
    }
    answer(s, r, &out[k]);
  }
}
