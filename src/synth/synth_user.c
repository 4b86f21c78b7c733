// What a user of the generated marketplace does, step by step, and the exact probability of every next item.
//
// What a sequence model can learn here and counting cannot:
//   - an item tells little about its user (style, price level and brands show through noise), a history a lot;
//   - a session follows two lines of interest in turn, a new one and that of the session before, so what comes
//     next depends on the item before the last rather than on the last;
//   - each line moves on along the categories of its department, in one direction;
//   - a purchase calls for its complement, of the same brand, a few steps later, and makes its category dull;
//   - nothing is looked at twice as if it were new, and tastes change.
// Which item comes is then taste x popularity within the category: attributes, not item-to-item habits.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "synth/synth_internal.h"

static const double NEW_SESSION = 0.10; // at each step
static const double SWITCH = 0.85;      // to the other line of interest, within a session
// Along a line: to look on in the category, to go to the next, to leave that one out; after one look, after more.
static const double STAY[2] = {0.2, 0.05}, NEXT[2] = {0.72, 0.85}, SKIP[2] = {0.08, 0.10};
static const double NEED_FELT = 0.65, AVOIDED = 0.08;
static const double STYLE_FIRST = 2.6, STYLE_SECOND = 1.2, STYLE_DISLIKED = -1.0; // logs of factors
static const double BRAND_FIRST = 0.9, BRAND_SECOND = 0.5, NEED_BRAND = 3.5, PRICE_WIDTH = 1.2;
static const double ORIGIN = 1.6; // of domestic (even) or foreign (odd) brands, whichever is preferred
enum { AVOID_STEPS = 8, TRIES = 64 };

const char *const synth_event_names[] = {"view", "cart", "buy", "search"};

// ---- tastes --------------------------------------------------------------------------------------------------

// What a taste is made of, so that drift can redraw parts of it.
typedef struct taste_traits {
  int32_t departments[3], styles[3]; // by falling liking; the third style is disliked
  int32_t brands[SYNTH_DEPARTMENTS][2];
  int32_t origin; // 0: domestic brands, 1: foreign ones
  double price_level;
} taste_traits;

static void draw_distinct(rng *r, int32_t *out, int32_t n, uint64_t range) {
  for (int32_t i = 0; i < n; i++) {
    bool fresh;
    do {
      out[i] = (int32_t)rng_below(r, range);
      fresh = true;
      for (int32_t k = 0; k < i; k++) fresh = fresh && out[k] != out[i];
    } while (!fresh);
  }
}

static void draw_traits(const synth_world *w, rng *r, taste_traits *t) {
  draw_distinct(r, t->departments, 3, SYNTH_DEPARTMENTS);
  draw_distinct(r, t->styles, 3, SYNTH_STYLES);
  for (int32_t d = 0; d < SYNTH_DEPARTMENTS; d++) draw_distinct(r, t->brands[d], 2, SYNTH_BRANDS);
  t->origin = (int32_t)rng_below(r, 2);
  t->price_level = fmin(fmax(w->price_level + 1.2 * rng_normal(r), 0.0), 4.0);
}

static void make_taste(const synth_world *w, const taste_traits *t, synth_taste *out) {
  static const double interest[3] = {5, 3, 2};
  double sum = 0;
  for (int32_t d = 0; d < SYNTH_DEPARTMENTS; d++) {
    out->department[d] = 0.12;
    for (int32_t k = 0; k < 3; k++)
      if (t->departments[k] == d) out->department[d] = interest[k];
    double items = 0;
    for (int32_t k = 0; k < DEPARTMENT_CATEGORIES; k++) items += w->start[d * DEPARTMENT_CATEGORIES + k];
    if (items <= 0) out->department[d] = 0;
    sum += out->department[d];
    for (int32_t b = 0; b < SYNTH_BRANDS; b++) {
      const double favourite = b == t->brands[d][0] ? BRAND_FIRST : b == t->brands[d][1] ? BRAND_SECOND : 0;
      out->brand[d][b] = exp(favourite + (b % 2 == t->origin ? ORIGIN : 0));
    }
  }
  for (int32_t d = 0; d < SYNTH_DEPARTMENTS; d++) out->department[d] /= sum;
  for (int32_t s = 0; s < SYNTH_STYLES; s++)
    out->style[s] = s == t->styles[0]   ? exp(STYLE_FIRST)
                    : s == t->styles[1] ? exp(STYLE_SECOND)
                    : s == t->styles[2] ? exp(STYLE_DISLIKED)
                                        : 1;
  for (int32_t k = 0; k < SYNTH_TIERS; k++) {
    const double off = k - t->price_level;
    out->tier[k] = exp(-PRICE_WIDTH * off * off);
  }
}

static void make_person(const synth_world *w, int64_t user, synth_person *p) {
  rng r = synth_rng(w->c.seed, DRAW_TASTE, user);
  *p = (synth_person){.number = user};
  taste_traits early, late;
  draw_traits(w, &r, &early);
  draw_traits(w, &r, &late);
  // Drift redraws each trait with this probability; what is not redrawn stays. (A redrawn second department
  // or style may meet a first one: it is then simply that one.)
  const double drift = w->c.drift;
  for (int32_t k = 1; k < 3; k++) // the main interest is for life
    if (rng_unit(&r) >= drift) late.departments[k] = early.departments[k];
  late.departments[0] = early.departments[0];
  for (int32_t k = 0; k < 3; k++)
    if (rng_unit(&r) >= drift) late.styles[k] = early.styles[k];
  for (int32_t d = 0; d < SYNTH_DEPARTMENTS; d++)
    for (int32_t k = 0; k < 2; k++)
      if (rng_unit(&r) >= drift) late.brands[d][k] = early.brands[d][k];
  if (rng_unit(&r) >= drift) late.price_level = early.price_level;
  if (rng_unit(&r) >= drift) late.origin = early.origin;
  make_taste(w, &early, &p->early);
  make_taste(w, &late, &p->late);
  p->price_level = early.price_level;
  p->change = 0.25 + 0.5 * rng_unit(&r);
  p->sensitivity = 1.0 / (1.0 + exp(1.6 * (early.price_level - 1.8) + 0.7 * rng_normal(&r)));
  p->impulse = 1.0 / (1.0 + exp(-1.2 * rng_normal(&r)));
  const double spread = 0.6, mean = w->c.length;
  const double wanted = mean * exp(spread * rng_normal(&r) - 0.5 * spread * spread);
  const double most = fmin(20 * mean, 0.5 * w->n);
  p->length = (int32_t)fmin(fmax(floor(wanted + 0.5), 5), fmax(most, 5));
  const double days = (double)w->c.days;
  p->first = w->epoch + 86400 * days * 0.6 * rng_unit(&r);
  p->last = w->epoch + 86400 * days;
}

// ---- the mixture ---------------------------------------------------------------------------------------------

static bool seen(const synth_state *s, int32_t item) {
  return (s->seen_bits[item / 64] >> (item % 64) & 1) != 0;
}

static void scale(double *p, int32_t n) {
  double sum = 0;
  for (int32_t i = 0; i < n; i++) sum += p[i];
  for (int32_t i = 0; sum > 0 && i < n; i++) p[i] /= sum;
}

// Where a session starts, and where it goes from the current category.
static void start_categories(const synth_state *s, double *p) {
  for (int32_t c = 0; c < SYNTH_CATEGORIES; c++)
    p[c] = s->taste->department[c / DEPARTMENT_CATEGORIES] * s->w->start[c];
  if (s->bought_left > 0) p[s->bought] *= AVOIDED;
  scale(p, SYNTH_CATEGORIES);
}

// Along one line of interest, from the category where it stands.
static void line_categories(const synth_state *s, int32_t at, int32_t looks, double *p) {
  const int32_t first = at / DEPARTMENT_CATEGORIES * DEPARTMENT_CATEGORIES, k = at % DEPARTMENT_CATEGORIES;
  memset(p, 0, SYNTH_CATEGORIES * sizeof *p);
  const int32_t often = looks > 1;
  p[at] = STAY[often];
  p[first + (k + 1) % DEPARTMENT_CATEGORIES] = NEXT[often];
  p[first + (k + 2) % DEPARTMENT_CATEGORIES] = SKIP[often];
  for (int32_t c = first; c < first + DEPARTMENT_CATEGORIES; c++)
    if (s->w->start[c] <= 0) p[c] = 0;
  if (s->bought_left > 0) p[s->bought] *= AVOIDED;
  scale(p, SYNTH_CATEGORIES);
}

static const synth_need *felt_need(const synth_state *s) {
  for (int32_t i = 0; i < s->n_needs; i++)
    if (s->needs[i].wait <= 0) return &s->needs[i];
  return NULL;
}

// A brand that counts above all others, for a need; -1: the taste's own brands.
static double taste_factor(const synth_state *s, int32_t category, int32_t brand, int32_t style, int32_t tier,
                           int32_t wanted) {
  const double b = wanted < 0 ? s->taste->brand[category / DEPARTMENT_CATEGORIES][brand]
                              : (brand == wanted ? exp(NEED_BRAND) : 1);
  return b * s->taste->style[style] * s->taste->tier[tier];
}

// Adds `share` times the distribution over the unseen items of a category; false when none is left.
static bool add_category(const synth_state *s, int32_t category, int32_t wanted, double share, double *p) {
  const synth_world *w = s->w;
  const int32_t from = w->cell_begin[category * CELLS], to = w->cell_begin[(category + 1) * CELLS];
  double sum = 0;
  for (int pass = 0; pass < 2; pass++) {
    for (int32_t k = from; k < to; k++) {
      const int32_t item = w->order[k];
      const synth_item *x = &w->items[item];
      if (seen(s, item)) continue;
      const double v = (double)x->popularity * taste_factor(s, category, x->brand, x->style, x->tier, wanted);
      if (pass == 0)
        sum += v;
      else
        p[item] += share * v / sum;
    }
    if (sum <= 0) return false;
  }
  return true;
}

void step_probabilities(const synth_state *s, double *p) {
  const synth_world *w = s->w;
  memset(p, 0, (size_t)w->n * sizeof *p);
  double by_popularity = w->c.explore; // also what a category without unseen items leaves
  double left = 1.0 - w->c.explore;
  const synth_need *need = felt_need(s);
  if (need != NULL) {
    if (!add_category(s, need->category, need->brand, left * NEED_FELT, p)) by_popularity += left * NEED_FELT;
    left *= 1.0 - NEED_FELT;
  }
  double start[SYNTH_CATEGORIES], same[SYNTH_CATEGORIES] = {0}, other[SYNTH_CATEGORIES] = {0};
  const double opens = s->current < 0 ? 1.0 : NEW_SESSION;
  start_categories(s, start);
  if (s->current >= 0) {
    line_categories(s, s->current, s->looks, same);
    line_categories(s, s->other, s->other_looks, other);
  }
  for (int32_t c = 0; c < SYNTH_CATEGORIES; c++) {
    const double share =
        left * (opens * start[c] + (1.0 - opens) * ((1.0 - SWITCH) * same[c] + SWITCH * other[c]));
    if (share > 0 && !add_category(s, c, -1, share, p)) by_popularity += share;
  }
  double sum = 0;
  for (int32_t i = 0; i < w->n; i++) sum += seen(s, i) ? 0 : (double)w->items[i].popularity;
  for (int32_t i = 0; i < w->n; i++)
    if (!seen(s, i)) p[i] += by_popularity * (double)w->items[i].popularity / sum;
}

// ---- drawing -------------------------------------------------------------------------------------------------

static int32_t draw_from(rng *r, const double *p, int32_t n) {
  double unit = rng_unit(r);
  int32_t last = -1;
  for (int32_t i = 0; i < n; i++) {
    if (p[i] <= 0) continue;
    last = i;
    if (unit < p[i]) return i;
    unit -= p[i];
  }
  return last;
}

int32_t find_place(const synth_world *w, int32_t from, int32_t to, double x) {
  while (to - from > 1) {
    const int32_t middle = from + (to - from) / 2;
    if (w->running[middle] <= x)
      from = middle;
    else
      to = middle;
  }
  return from;
}

static int32_t draw_popular(synth_state *s) {
  const synth_world *w = s->w;
  for (;;) { // at most half of the items are ever seen, and not the popular ones alone
    const int32_t item = w->order[find_place(w, 0, w->n, rng_unit(&s->r) * w->running[w->n])];
    if (!seen(s, item)) return item;
  }
}

// An unseen item of a category by popularity and taste. Drawing again when it was seen gives just the
// distribution over the unseen; when that takes long, they are gone through one by one.
static int32_t draw_item(synth_state *s, int32_t category, int32_t wanted) {
  const synth_world *w = s->w;
  const int32_t *begin = &w->cell_begin[category * CELLS];
  double mass[CELLS], sum = 0;
  for (int32_t cell = 0; cell < CELLS; cell++) {
    mass[cell] = 0;
    if (begin[cell + 1] == begin[cell]) continue;
    mass[cell] = (w->running[begin[cell + 1]] - w->running[begin[cell]]) *
                 taste_factor(s, category, cell / (SYNTH_STYLES * SYNTH_TIERS),
                              cell / SYNTH_TIERS % SYNTH_STYLES, cell % SYNTH_TIERS, wanted);
    sum += mass[cell];
  }
  for (int32_t i = 0; i < CELLS; i++) mass[i] /= sum;
  for (int32_t tries = 0; tries < TRIES; tries++) {
    const int32_t cell = draw_from(&s->r, mass, CELLS);
    const double low = w->running[begin[cell]], high = w->running[begin[cell + 1]];
    const int32_t k = find_place(w, begin[cell], begin[cell + 1], low + rng_unit(&s->r) * (high - low));
    if (!seen(s, w->order[k])) return w->order[k];
  }
  double total = 0;
  for (int pass = 0; pass < 2; pass++) {
    double at = pass == 0 ? 0 : rng_unit(&s->r) * total;
    int32_t last = -1;
    for (int32_t k = begin[0]; k < begin[CELLS]; k++) {
      const synth_item *x = &w->items[w->order[k]];
      if (seen(s, w->order[k])) continue;
      const double v = (double)x->popularity * taste_factor(s, category, x->brand, x->style, x->tier, wanted);
      if (pass == 0) total += v;
      last = w->order[k];
      if (pass == 1 && at < v) return last;
      at -= v;
    }
    if (pass == 1 || last < 0) return last;
  }
  return -1;
}

double item_fit(const synth_world *w, const synth_taste *t, int32_t item) {
  const synth_item *x = &w->items[item];
  return log(t->brand[x->category / DEPARTMENT_CATEGORIES][x->brand]) + log(t->style[x->style]) +
         log(t->tier[x->tier]);
}

// A session opens a new line of interest; the one before goes on beside it.
static void open_session(synth_state *s, int32_t category) {
  double p[SYNTH_CATEGORIES];
  s->other = s->current;
  s->other_looks = s->looks;
  s->current = category;
  s->looks = 1;
  if (s->other >= 0) return;
  start_categories(s, p); // the first session has a second line too
  s->other = draw_from(&s->r, p, SYNTH_CATEGORIES);
  s->other_looks = 0;
}

static void move_on(synth_state *s, int32_t category, bool switched) {
  const int32_t from = switched ? s->other : s->current, looks = switched ? s->other_looks : s->looks;
  if (switched) {
    s->other = s->current;
    s->other_looks = s->looks;
  }
  s->current = category;
  s->looks = category == from ? looks + 1 : 1;
}

static void take_choice(synth_state *s, synth_step *step) {
  double p[SYNTH_CATEGORIES];
  const bool opens = s->current < 0 || rng_unit(&s->r) < NEW_SESSION;
  step->new_session = opens;
  const synth_need *need = felt_need(s);
  int32_t category = -1;
  bool switched = false;
  step->item = -1;
  step->searched = false;
  if (rng_unit(&s->r) < s->w->c.explore) {
    step->item = draw_popular(s);
  } else if (need != NULL && rng_unit(&s->r) < NEED_FELT) {
    step->item = draw_item(s, need->category, need->brand);
    step->searched = rng_unit(&s->r) < 0.5;
    const int32_t k = (int32_t)(need - s->needs);
    memmove(&s->needs[k], &s->needs[k + 1], (size_t)(s->n_needs - k - 1) * sizeof *s->needs);
    s->n_needs--;
  } else {
    switched = !opens && rng_unit(&s->r) < SWITCH;
    if (opens)
      start_categories(s, p);
    else
      line_categories(s, switched ? s->other : s->current, switched ? s->other_looks : s->looks, p);
    category = draw_from(&s->r, p, SYNTH_CATEGORIES);
    step->item = draw_item(s, category, -1);
    step->searched = rng_unit(&s->r) < (opens ? 0.6 : 0.15);
  }
  if (step->item < 0) step->item = draw_popular(s); // all of the category is known
  if (opens)
    open_session(s, category >= 0 ? category : s->w->items[step->item].category);
  else if (category >= 0)
    move_on(s, category, switched);
}

void state_step(synth_state *s, synth_step *step) {
  *step = (synth_step){.revisit = -1};
  take_choice(s, step);
  for (int32_t i = 0; i < s->n_needs; i++) s->needs[i].wait--;
  s->bought_left -= s->bought_left > 0;
  const synth_item *x = &s->w->items[step->item];
  const double fit = item_fit(s->w, s->taste, step->item);
  const double liked = s->w->c.quality * item_quality(s->w, step->item);
  step->cart = rng_unit(&s->r) < 1.0 / (1.0 + exp(1.9 - 0.35 * fit - liked));
  step->buy = step->cart && rng_unit(&s->r) < 0.55;
  if (step->buy) {
    s->bought = x->category;
    s->bought_left = AVOID_STEPS;
    const int32_t complement =
        x->category / DEPARTMENT_CATEGORIES * DEPARTMENT_CATEGORIES + category_at(x->category)->complement;
    if (s->n_needs < MAX_NEEDS && s->w->start[complement] > 0)
      s->needs[s->n_needs++] = (synth_need){complement, x->brand, 1 + (int32_t)rng_below(&s->r, 3)};
  }
  if (step->new_session && s->step > 0 && rng_unit(&s->r) < 0.2) { // back to something seen before
    step->revisit = s->seen[rng_below(&s->r, (uint64_t)s->step)];
    step->revisit_buy = rng_unit(&s->r) < 0.15;
  }
  s->seen[s->step++] = step->item;
  s->seen_bits[step->item / 64] |= (uint64_t)1 << (step->item % 64);
  s->taste = s->step < s->p.change * s->p.length ? &s->p.early : &s->p.late; // of the next step
}

// ---- life ----------------------------------------------------------------------------------------------------

status state_new(synth_state **out, const synth_world *w) {
  TRY(mem_new(out, 1, sizeof **out, "a user"));
  (*out)->w = w;
  return mem_new(&(*out)->seen_bits, (size_t)w->n / 64 + 1, sizeof *(*out)->seen_bits, "a user");
}

void state_free(synth_state *s) {
  if (s == NULL) return;
  free(s->seen);
  free(s->seen_bits);
  free(s);
}

status state_begin(synth_state *s, int64_t user) {
  make_person(s->w, user, &s->p);
  TRY(mem_grow(&s->seen, &s->seen_cap, (size_t)s->p.length, sizeof *s->seen, "a user"));
  s->r = synth_rng(s->w->c.seed, DRAW_STEPS, user);
  s->taste = &s->p.early;
  s->step = s->n_needs = s->bought_left = 0;
  s->current = s->other = s->bought = -1;
  return OK;
}

void state_end(synth_state *s) {
  for (int32_t i = 0; i < s->step; i++) s->seen_bits[s->seen[i] / 64] = 0;
}
