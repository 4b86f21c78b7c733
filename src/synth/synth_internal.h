// What the parts of the marketplace generator share.
//
// synth_world.c makes the items, synth_user.c a user's tastes and steps (with their exact probabilities),
// synth_promo.c the promotions, synth_offer.c what is shown beside and what comes of it, synth_review.c what buyers write, synth_copy.c promotions with their copy,
// synth_text.c titles and descriptions, synth_oracle.c the best that a model can be, synth.c the files.
#ifndef SOUK_SYNTH_SYNTH_INTERNAL_H
#define SOUK_SYNTH_SYNTH_INTERNAL_H

#include "base/philox.h"
#include "synth/synth.h"
#include "synth/synth_words.h"

// Substreams of STREAM_SYNTH; the counter is the number of the item or user.
enum {
  DRAW_ITEM = 1,
  DRAW_RANKS,
  DRAW_TEXT,
  DRAW_TASTE,
  DRAW_STEPS,
  DRAW_TIMES,
  DRAW_PROMOTION,
  DRAW_CAMPAIGN,
  DRAW_OFFER,
  DRAW_REVIEW,
  DRAW_QUALITY,
  DRAW_MARKET,
  DRAW_COPY_READER,
  DRAW_COPY,
  DRAW_COPY_OTHER // and three more, one for each style
};

static inline rng synth_rng(int64_t seed, uint32_t draw, int64_t number) {
  return rng_at((uint64_t)seed, STREAM_SYNTH + draw, (uint32_t)number, (uint32_t)((uint64_t)number >> 32));
}

// ---- items ---------------------------------------------------------------------------------------------------

enum {
  CELLS = SYNTH_BRANDS * SYNTH_STYLES * SYNTH_TIERS
}; // of a category: items of one brand, style and tier

typedef struct synth_item {
  int16_t category;
  int8_t brand, style, tier; // brand: of the category's department
  float popularity;          // Zipf weight, times what its quality is worth
  double price;              // yuan
} synth_item;

typedef struct synth_world {
  synth_config c;
  int32_t n;           // items
  synth_item *items;   // [n]
  int32_t *order;      // [n] items sorted by (category, cell)
  double *running;     // [n + 1] running sum of popularity in this order
  int32_t *cell_begin; // [categories * CELLS + 1] place in `order`
  double start
      [SYNTH_CATEGORIES]; // share of a department's sessions that open with this category; 0: it has no items
  double epoch;           // unix seconds of the first day
  double price_level;     // mean over users, 0 .. 4
} synth_world;

status world_new(synth_world **out, const synth_config *c);
void world_free(synth_world *w); // NULL is safe
static inline int32_t cell_of(const synth_item *i) {
  return (i->brand * SYNTH_STYLES + i->style) * SYNTH_TIERS + i->tier;
}

// ---- users ---------------------------------------------------------------------------------------------------

// Users of market m have the numbers from m x this on.
#define MARKET_USERS ((int64_t)1000000000)

enum { MAX_NEEDS = 4, SYNTH_EVENT_VIEW = 0, SYNTH_EVENT_CART, SYNTH_EVENT_BUY, SYNTH_EVENT_SEARCH };
extern const char *const synth_event_names[]; // "view", "cart", "buy", "search"

// A taste: multiplies the popularity of an item. All factors are positive.
typedef struct synth_taste {
  double department[SYNTH_DEPARTMENTS]; // sums to 1
  double style[SYNTH_STYLES], tier[SYNTH_TIERS];
  double brand[SYNTH_DEPARTMENTS][SYNTH_BRANDS];
} synth_taste;

typedef struct synth_person {
  int64_t number;
  int32_t length;             // distinct items to come
  double first, last, change; // change: share of the stay after which taste `late` begins
  double price_level;         // preferred tier, 0 .. 4, early
  double sensitivity;         // to prices, 0 .. 1
  double impulse;             // answer to flash sales, 0 .. 1
  synth_taste early, late;
} synth_person;

// The next step of a user is drawn from a mixture that is written down whole before anything is drawn:
//   with probability `explore`: any item by popularity;
//   else with probability `need`: the complement of something bought (need_category, need_brand);
//   else a category by `category[]`, and in it an item by the user's taste;
// each without the items seen before. So the probability of every item is known exactly:
// step_probabilities().
typedef struct synth_need {
  int32_t category, brand, wait; // wait: steps until it is felt
} synth_need;

typedef struct synth_state {
  const synth_world *w;
  synth_person p;
  rng r;
  const synth_taste *taste;
  int32_t step;           // distinct items so far
  int32_t current, other; // categories of the session's two lines of interest; -1 before the first session
  int32_t looks, other_looks; // items looked at in them
  int32_t bought;             // category of the last purchase, avoided for a while; -1 none
  int32_t bought_left;        // steps for which it is avoided
  synth_need needs[MAX_NEEDS];
  int32_t n_needs;
  int32_t *seen; // [length] in order
  size_t seen_cap;
  uint64_t *seen_bits; // [n / 64 + 1] all zero between users
} synth_state;

typedef struct synth_step {
  int32_t item;
  bool new_session, searched, cart, buy;
  int32_t revisit; // an item that was left in a cart, seen again before this step; -1 none
  bool revisit_buy;
} synth_step;

status state_new(synth_state **out, const synth_world *w);
void state_free(synth_state *s); // NULL is safe
status state_begin(synth_state *s, int64_t user);
void state_step(synth_state *s, synth_step *step);
void state_end(synth_state *s);
// The exact distribution of the next step's item over all items; p [n] is overwritten.
void step_probabilities(const synth_state *s, double *p);
// The place k of popularity in [from, to) with running[k] <= x < running[k + 1].
int32_t find_place(const synth_world *w, int32_t from, int32_t to, double x);
// How well an item fits the taste of the moment: log of its taste factors, about -4 .. 4.
double item_fit(const synth_world *w, const synth_taste *t, int32_t item);

// ---- texts ---------------------------------------------------------------------------------------------------

typedef struct synth_text {
  char title_en[640], title_zh[640], description_en[1024], description_zh[1024];
  char brand_en[64], brand_zh[64], category_en[96], category_zh[96];
  char style_en[64], style_zh[64], material_en[64], material_zh[64], colour_en[64], colour_zh[64];
} synth_text;
void item_text(const synth_world *w, int32_t item, synth_text *t);
// What a user types to find a category (and brand): English or Chinese.
void search_text(const synth_world *w, int32_t item, uint64_t draw, char *buf, size_t bytes);

// ---- promotions ----------------------------------------------------------------------------------------------

enum { CAMPAIGNS = 12, POSITIONS = 3 };
typedef enum promotion_kind { PROMO_NONE, PROMO_DISCOUNT, PROMO_COUPON, PROMO_FLASH } promotion_kind;
extern const char *const promotion_names[]; // "none", "discount", "coupon", "flash_sale"

typedef struct campaign {
  promotion_kind kind;
  double value; // share of the price that the customer saves; 0 for none
  int32_t item;
} campaign;

typedef struct impression {
  int32_t position; // from 1
  int32_t campaign;
  double propensity; // of this campaign at this position, given those above it on the page
  bool click, purchase;
  double p_click[CAMPAIGNS], p_purchase[CAMPAIGNS]; // truth, had this campaign stood here
  double plain; // purchase probability of the shown item, had it stood here without a promotion
} impression;

void campaigns_make(const synth_world *w, campaign campaigns[CAMPAIGNS]);
// One page for a user at an hour of the day; `interest` is the session's category, known to the logging
// policy.
void page_draw(const synth_world *w, const campaign campaigns[CAMPAIGNS], const synth_person *p,
               const synth_taste *taste, int32_t interest, double hour, rng *r, impression out[POSITIONS]);

// ---- items that are shown, and reviews --------------------------------------------------------------------------

// What a buyer finds out about an item: standard normal. Nothing in the catalogue tells it. Where synth_config.quality is not 0 word of it
// gets round: an item's weight in every choice is exp(quality x this) times what it would be.
double item_quality(const synth_world *w, int32_t item);

enum { OFFERS = 6 };
// An item that was shown to a user amid a session. Whether it is clicked follows from what the log shows of the user: taste and the
// lines of interest; a purchase from taste and the item's quality.
typedef struct offer {
  int32_t item;
  bool click, cart, buy;         // cart only after a click, buy only after cart
  double p_click, p_cart, p_buy; // truth; of cart and buy, given what must come before
} offer;
// An item of a category by popularity; of all items where the category has none or is -1.
int32_t item_of(const synth_world *w, int32_t category, rng *r);
// Six different items for a user before the next step: of the two lines of interest, and by popularity.
void offers_draw(const synth_state *s, rng *r, offer out[OFFERS]);

typedef enum sentiment { NEGATIVE, NEUTRAL, POSITIVE, SENTIMENTS } sentiment;
extern const char *const sentiment_names[SENTIMENTS]; // "negative", "neutral", "positive"
enum { MOST_CLAUSES = 4 };
typedef struct review {
  int32_t rating; // 1 to 5
  sentiment feels;
  int32_t clauses[SENTIMENTS]; // of its text, by what each of them says
  char text[1024];             // English or Chinese, without quotes and backslashes
} review;
void review_draw(const synth_world *w, const synth_taste *t, int32_t item, rng *r, review *out);

#endif
