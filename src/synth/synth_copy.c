// Promotion copy of the generated marketplace: an offer, a style by a known policy, a text by a grammar, and a click.
//
// Whether copy is clicked depends on its style and on whom it is shown to:
//   plain facts      those who like minimalist things
//   price first      those who mind prices (they look at cheap items)
//   urgency          those who like sporty or playful things, and the impulsive
//   story, quality   those who like classic, refined or guochao things, and do not mind prices
// So which style pays for a user can be read off the items of the history, all but impulse. The logging policy knows only whether a user
// minds prices and likes to press, so imitating it is not the best that one can do.
#include "synth/synth_copy.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const double UNIFORM_SHARE = 0.3, BASE = -1.5, FIT = 0.25;
static const double of_type[COPY_TYPES] = {0.2, 0.1, 0.3, 0, -0.1, 0.1};
enum { LOOKS_MINIMAL, LOOKS_RETRO, LOOKS_SPORTY, LOOKS_SWEET, LOOKS_LUXE, LOOKS_GUOCHAO };

static double logistic(double x) {
  return 1.0 / (1.0 + exp(-x));
}

// ---- who sees it -------------------------------------------------------------------------------------------------

void copy_reader(const synth_world *w, int64_t user, int32_t *market, bool *zh) {
  rng r = synth_rng(w->c.seed, DRAW_COPY_READER, user);
  *zh = rng_unit(&r) < 0.5;
  *market = *zh ? 0 : 1 + (int32_t)rng_below(&r, COPY_MARKETS - 1);
}

void copy_policy(const synth_person *p, double to[COPY_STYLES]) {
  const bool careful = p->sensitivity > 0.5;
  const double scores[COPY_STYLES] = {0.2, careful ? 1.0 : -0.4, 0.7, careful ? -0.6 : 0.3};
  double sum = 0;
  for (int32_t k = 0; k < COPY_STYLES; k++) sum += to[k] = exp(scores[k]);
  for (int32_t k = 0; k < COPY_STYLES; k++)
    to[k] = UNIFORM_SHARE / COPY_STYLES + (1.0 - UNIFORM_SHARE) * to[k] / sum;
}

void copy_clicks(const synth_state *s, int32_t item, copy_type type, double to[COPY_STYLES]) {
  const double *looks = s->taste->style;
  double sum = 0;
  for (int32_t k = 0; k < SYNTH_STYLES; k++) sum += looks[k];
  const double minimal = looks[LOOKS_MINIMAL] / sum,
               lively = (looks[LOOKS_SPORTY] + looks[LOOKS_SWEET]) / sum,
               refined = (looks[LOOKS_RETRO] + looks[LOOKS_LUXE] + looks[LOOKS_GUOCHAO]) / sum;
  const double careful = s->p.sensitivity - 0.5;
  const double fit = fmax(fmin(item_fit(s->w, s->taste, item), 4.0), -4.0);
  const double z = BASE + FIT * fit + of_type[type];
  to[COPY_PLAIN] = logistic(z + 2.4 * (minimal - 1.0 / 6.0));
  to[COPY_PRICE] = logistic(z + 3.2 * careful);
  to[COPY_URGENCY] = logistic(z + 1.4 * (s->p.impulse - 0.5) + 2.4 * (lively - 1.0 / 3.0));
  to[COPY_STORY] = logistic(z + 2.0 * (refined - 0.5) - 1.6 * careful);
}

// ---- what is offered ---------------------------------------------------------------------------------------------

// Prices of other markets in their own money, with cents where they are small.
static double local_price(double yuan, int32_t market) {
  static const double of_yuan[COPY_MARKETS] = {1, 0.14, 0.11, 0.13};
  const double price = yuan * of_yuan[market];
  if (market == 0) return price;
  return price < 20 ? floor(price) + 0.99 : floor(price + 0.5);
}

static double cents(double x) {
  return floor(x * 100 + 0.5) / 100;
}

// The last day: one to four weeks later.
static void draw_date(int64_t now, rng *r, copy_shown *out) {
  const time_t last = (time_t)(now + (7 + (int64_t)rng_below(r, 22)) * 86400);
  struct tm day;
  gmtime_r(&last, &day);
  out->month = day.tm_mon + 1;
  out->day = day.tm_mday;
}

static void draw_threshold(rng *r, copy_shown *out) {
  static const double steps[] = {20, 30, 50, 100, 200, 300, 500};
  out->threshold = steps[rng_below(r, sizeof steps / sizeof *steps)];
}

static void draw_code(rng *r, copy_shown *out) {
  static const char letters[] = "ABCDEFGHKLMNPRSTUVWXYZ";
  for (int32_t k = 0; k < 4; k++) out->code[k] = letters[rng_below(r, sizeof letters - 1)];
  snprintf(out->code + 4, sizeof out->code - 4, "%d", 10 + (int)rng_below(r, 90));
}

static void draw_terms(const synth_world *w, int64_t now, rng *r, copy_shown *out) {
  static const double percents[] = {10, 15, 20, 25, 30, 40, 50};
  const double percent = percents[rng_below(r, sizeof percents / sizeof *percents)];
  const double usual = local_price(w->items[out->item].price, out->market);
  out->price = out->was = out->percent = out->amount = out->threshold = (double)NAN;
  switch ((copy_type)out->type) {
  case COPY_DISCOUNT:
    out->percent = percent;
    out->was = usual;
    out->price = cents(usual * (1 - percent / 100));
    break;
  case COPY_COUPON:
    draw_threshold(r, out);
    out->amount = out->threshold * (rng_below(r, 2) == 0 ? 0.1 : 0.2);
    if (rng_below(r, 2) == 0) draw_code(r, out);
    break;
  case COPY_FLASH_SALE:
    out->was = usual;
    out->price = cents(usual * (1 - percent / 100));
    draw_date(now, r, out);
    break;
  case COPY_GIFT:
    if (rng_below(r, 2) == 0) draw_date(now, r, out);
    break;
  case COPY_BUNDLE:
    out->percent = percent;
    break;
  default:
    draw_threshold(r, out);
  }
}

// Mostly of a line of interest, else of any category.
static int32_t draw_item(const synth_state *s, rng *r) {
  const uint64_t kind = rng_below(r, 4);
  return item_of(s->w, kind < 2 ? s->current : kind == 2 ? s->other : -1, r);
}

// ---- how it is written -------------------------------------------------------------------------------------------

// What the letters and names of a pattern stand for.
typedef struct writer {
  const synth_world *w;
  const copy_shown *x;
  promo_terms terms;
  char offer[256], marker[96], goal[96], looks[96], with[96];
} writer;

// Appends n bytes, as far as there is room for them whole.
static void append(char *to, size_t room, const char *from, size_t n) {
  const size_t used = strlen(to);
  if (used + n + 1 > room) return;
  memcpy(to + used, from, n);
  to[used + n] = '\0';
}

static const char *letter_text(const writer *t, char letter) {
  switch (letter) {
  case 'I':
    return t->x->name;
  case 'O':
    return t->offer;
  case 'M':
    return t->marker;
  case 'G':
    return t->goal;
  case 'N':
    return t->looks;
  default:
    return t->with;
  }
}

static size_t slot_text(const writer *t, const char *name, size_t n, char *to, size_t room) {
  const promo_market *m = promo_market_named(copy_market_names[t->x->market]);
  for (int32_t s = 0; s < SLOT_COUNT; s++)
    if (strlen(promo_slot_names[s]) == n && memcmp(promo_slot_names[s], name, n) == 0)
      return promo_render((promo_slot)s, &t->terms, m, t->x->zh ? LANGUAGE_ZH : LANGUAGE_EN, to, room);
  return 0;
}

// Appends a pattern, its letters and terms filled in.
static void fill_in(const writer *t, const char *pattern, char *to, size_t room) {
  for (const char *p = pattern; *p != '\0';) {
    if (*p == '%') {
      const char *text = letter_text(t, p[1]);
      append(to, room, text, strlen(text));
      p += 2;
    } else if (*p == '<') {
      char text[PROMO_TERM_BYTES];
      const size_t n = strcspn(p + 1, ">"), bytes = slot_text(t, p + 1, n, text, sizeof text);
      append(to, room, text, bytes);
      p += n + 2;
    } else
      append(to, room, p++, 1);
  }
}

// Sentences begin with capitals.
static void capitals(char *text) {
  bool begins = true;
  for (char *p = text; *p != '\0'; p++) {
    if (begins) *p = (char)toupper((unsigned char)*p);
    begins = *p == ' ' && p > text && strchr(".!", p[-1]) != NULL;
  }
}

static const char *offer_pairs(const copy_shown *x) {
  if (x->type == COPY_COUPON && x->code[0] != '\0') return copy_offer_with_code;
  return x->type == COPY_GIFT && x->month > 0 ? copy_gift_with_date : copy_offers[x->type];
}

promo_terms copy_terms(const copy_shown *x) {
  promo_terms t = promo_terms_none();
  t.item = x->name;
  t.code = x->code[0] != '\0' ? x->code : NULL;
  t.price = x->price;
  t.was = x->was;
  t.percent = x->percent;
  t.amount = x->amount;
  t.threshold = x->threshold;
  t.month = x->month;
  t.day = x->day;
  return t;
}

static void write_copy(const synth_world *w, rng *r, copy_shown *x) {
  const synth_item *item = &w->items[x->item];
  const int32_t department = item->category / DEPARTMENT_CATEGORIES;
  const category_words *with =
      category_at(department * DEPARTMENT_CATEGORIES + category_at(item->category)->complement);
  writer t = {.w = w, .x = x, .terms = copy_terms(x)};
  char pattern[256], offered[256];
  pair_at(t.marker, sizeof t.marker, copy_markers[x->style], rng_u32(r), x->zh);
  pair_at(t.goal, sizeof t.goal, copy_goals[x->goal], rng_u32(r), x->zh);
  pair_at(t.looks, sizeof t.looks, copy_looks[item->style], 0, x->zh);
  snprintf(t.with, sizeof t.with, "%s", x->zh ? with->zh : with->noun);
  pair_at(offered, sizeof offered, offer_pairs(x), rng_u32(r), x->zh);
  fill_in(&t, offered, t.offer, sizeof t.offer);
  pair_at(pattern, sizeof pattern, copy_patterns[x->style], rng_u32(r), x->zh);
  x->text[0] = '\0';
  fill_in(&t, pattern, x->text, sizeof x->text);
  if (!x->zh) capitals(x->text);
}

void copy_in_style(const synth_world *w, int64_t user, int64_t time, copy_style style, int32_t wording,
                   copy_shown *x) {
  rng r = synth_rng(w->c.seed, DRAW_COPY_OTHER + (uint32_t)style, user);
  r.block = (uint32_t)time;
  x->style = style;
  for (int32_t k = 0; k <= wording; k++) write_copy(w, &r, x);
}

static void item_short_name(const synth_world *w, copy_shown *x) {
  const synth_item *item = &w->items[x->item];
  const department_words *d = &synth_departments[item->category / DEPARTMENT_CATEGORIES];
  char brand[96];
  pair_at(brand, sizeof brand, d->brands, (uint64_t)item->brand, x->zh);
  if (x->zh)
    snprintf(x->name, sizeof x->name, "%s%s", brand, category_at(item->category)->zh);
  else
    snprintf(x->name, sizeof x->name, "%s %s", brand, category_at(item->category)->noun);
}

void copy_draw(const synth_state *s, int64_t time, rng *r, copy_shown *out) {
  const synth_world *w = s->w;
  double policy[COPY_STYLES];
  *out = (copy_shown){.item = draw_item(s, r)};
  copy_reader(w, s->p.number, &out->market, &out->zh);
  item_short_name(w, out);
  out->goal = (int32_t)rng_below(r, COPY_GOALS);
  out->type = (int32_t)rng_below(r, COPY_TYPES);
  draw_terms(w, time, r, out);
  copy_policy(&s->p, policy);
  double unit = rng_unit(r);
  while (out->style + 1 < COPY_STYLES && unit >= policy[out->style]) unit -= policy[out->style++];
  out->propensity = policy[out->style];
  copy_clicks(s, out->item, (copy_type)out->type, out->p_click);
  out->click = rng_unit(r) < out->p_click[out->style];
  write_copy(w, r, out);
}
