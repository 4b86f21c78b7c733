// The grammar of the generated marketplace's promotion copy: four styles, each told by phrases of its own, in English and Chinese.
//
// A copy is a pattern of its style, in which %I is the item's name, %O what is offered, %M a phrase that only this style has, %G what the
// promotion is for and %N a remark on the item's looks. Offers name their terms as <price>, <percent> and so on; %C is what goes with the item.
// No text holds a number or a numeral of its own: whatever quantity a copy has is a term of the promotion.
#ifndef SOUK_SYNTH_SYNTH_COPY_WORDS_H
#define SOUK_SYNTH_SYNTH_COPY_WORDS_H

typedef enum copy_style { COPY_PLAIN, COPY_PRICE, COPY_URGENCY, COPY_STORY, COPY_STYLES } copy_style;
typedef enum copy_type {
  COPY_DISCOUNT,
  COPY_COUPON,
  COPY_FLASH_SALE,
  COPY_GIFT,
  COPY_BUNDLE,
  COPY_FREE_SHIPPING,
  COPY_TYPES
} copy_type;
enum { COPY_GOALS = 6, COPY_MARKETS = 4 };

extern const char *const copy_style_names[COPY_STYLES];   // "plain", "price", "urgency", "story"
extern const char *const copy_type_names[COPY_TYPES];     // "discount", ...
extern const char *const copy_goal_names[COPY_GOALS];     // "sales", ...
extern const char *const copy_market_names[COPY_MARKETS]; // "cn", "us", "gb", "eu"

// Pairs, as synth_words.h has them.
extern const char *const copy_markers[COPY_STYLES]; // by which a style is told: no other has them
extern const char *const copy_patterns[COPY_STYLES];
extern const char *const copy_goals[COPY_GOALS];
extern const char *const copy_offers[COPY_TYPES];
extern const char *const copy_offer_with_code; // a coupon's
extern const char *const copy_gift_with_date;
extern const char *const copy_looks[]; // by the item's style, one pair each

#endif
