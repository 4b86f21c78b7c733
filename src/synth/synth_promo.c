// Promotions of the generated marketplace: a page with three positions at the start of some sessions.
//
// A known logging policy fills the positions from above, each from the campaigns that are left: a mixture of
// a uniform draw and a softmax over a rule of thumb (the campaign's department against the session's
// interest, flash sales in the evening). The propensity that is logged is the probability of that choice,
// given those above it.
//
// A position is seen with a probability of its own; a seen promotion is clicked by how well the item fits and
// by how the user answers to this kind; a clicked one is bought by fit and by the saving, more by those who
// mind prices. Savings put off those who buy dear things: some uplifts are negative.
#include <math.h>
#include "synth/synth_internal.h"

const char *const promotion_names[] = {"none", "discount", "coupon", "flash_sale"};

static const double examined[POSITIONS] = {1.0, 0.62, 0.4};
static const double UNIFORM_SHARE = 0.3;

void campaigns_make(const synth_world *w, campaign campaigns[CAMPAIGNS]) {
  for (int32_t k = 0; k < CAMPAIGNS; k++) {
    rng r = synth_rng(w->c.seed, DRAW_CAMPAIGN, k);
    campaign *c = &campaigns[k];
    c->kind = (promotion_kind)(k % 4);
    c->value = c->kind == PROMO_NONE ? 0 : 0.05 * (double)(2 + rng_below(&r, 5)); // 10 % .. 30 %
    // An item of department k (they differ as long as there are departments), by popularity among a few
    // draws.
    c->item = 0;
    float best = -1;
    for (int32_t tries = 0; tries < 200; tries++) {
      const int32_t item = (int32_t)rng_below(&r, (uint64_t)w->n);
      const bool here = w->items[item].category / DEPARTMENT_CATEGORIES == k % SYNTH_DEPARTMENTS;
      const float value = w->items[item].popularity + (here ? 1 : 0);
      if (value > best) {
        best = value;
        c->item = item;
      }
    }
  }
}

static double logistic(double x) {
  return 1.0 / (1.0 + exp(-x));
}

static double click_given_seen(const synth_world *w, const campaign *c, promotion_kind kind,
                               const synth_person *p, const synth_taste *t, int32_t interest, double hour) {
  const int32_t d = w->items[c->item].category / DEPARTMENT_CATEGORIES;
  const double fit = fmax(fmin(item_fit(w, t, c->item), 4.0), -4.0);
  double z = -2.6 + 0.3 * fit + 3.0 * t->department[d] + (d == interest / DEPARTMENT_CATEGORIES ? 0.9 : 0);
  if (kind == PROMO_DISCOUNT) z += 0.9 * p->sensitivity;
  if (kind == PROMO_COUPON) z += 0.6 * p->sensitivity;
  if (kind == PROMO_FLASH) z += (hour >= 19 ? 1.5 : 0.7) * p->impulse;
  return logistic(z);
}

static double bought_given_click(const synth_world *w, const campaign *c, promotion_kind kind,
                                 const synth_person *p, const synth_taste *t) {
  const double fit = fmax(fmin(item_fit(w, t, c->item), 4.0), -4.0);
  double z = -1.8 + 0.3 * fit;
  if (kind == PROMO_DISCOUNT) z += 10.0 * c->value * (p->sensitivity - 0.3);
  if (kind == PROMO_COUPON) z += 12.0 * c->value * (p->sensitivity - 0.25);
  if (kind == PROMO_FLASH) z += 1.8 * (p->impulse - 0.35);
  return logistic(z);
}

// The rule of thumb of the logging policy; it knows nothing of the user's taste.
static double policy_score(const synth_world *w, const campaign *c, int32_t interest, double hour) {
  const bool same = w->items[c->item].category / DEPARTMENT_CATEGORIES == interest / DEPARTMENT_CATEGORIES;
  double z = same ? 1.4 : 0;
  if (c->kind == PROMO_DISCOUNT) z += 0.4;
  if (c->kind == PROMO_FLASH) z += hour >= 19 ? 0.8 : -0.2;
  return exp(z);
}

void page_draw(const synth_world *w, const campaign campaigns[CAMPAIGNS], const synth_person *p,
               const synth_taste *taste, int32_t interest, double hour, rng *r, impression out[POSITIONS]) {
  double weight[CAMPAIGNS], attract[CAMPAIGNS], buy[CAMPAIGNS];
  for (int32_t k = 0; k < CAMPAIGNS; k++) {
    const campaign *c = &campaigns[k];
    weight[k] = policy_score(w, c, interest, hour);
    attract[k] = click_given_seen(w, c, c->kind, p, taste, interest, hour);
    buy[k] = bought_given_click(w, c, c->kind, p, taste);
  }
  for (int32_t at = 0; at < POSITIONS; at++) {
    double sum = 0;
    for (int32_t k = 0; k < CAMPAIGNS; k++) sum += weight[k];
    double unit = rng_unit(r), chosen_p = 0;
    int32_t chosen = -1;
    for (int32_t k = 0; k < CAMPAIGNS; k++) {
      if (weight[k] <= 0) continue; // above on this page
      const double share = UNIFORM_SHARE / (CAMPAIGNS - at) + (1.0 - UNIFORM_SHARE) * weight[k] / sum;
      chosen = k;
      chosen_p = share;
      unit -= share;
      if (unit < 0) break;
    }
    weight[chosen] = 0;
    const campaign *c = &campaigns[chosen];
    impression *x = &out[at];
    *x = (impression){.position = at + 1, .campaign = chosen, .propensity = chosen_p};
    for (int32_t k = 0; k < CAMPAIGNS; k++) {
      x->p_click[k] = examined[at] * attract[k];
      x->p_purchase[k] = examined[at] * attract[k] * buy[k];
    }
    x->plain = examined[at] * click_given_seen(w, c, PROMO_NONE, p, taste, interest, hour) *
               bought_given_click(w, c, PROMO_NONE, p, taste);
    x->click = rng_unit(r) < x->p_click[chosen];
    x->purchase = x->click && rng_unit(r) < buy[chosen];
  }
}
