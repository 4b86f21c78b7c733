// Promotion copy of the generated marketplace: what was shown, how it was written, and what it did.
#ifndef SOUK_SYNTH_SYNTH_COPY_H
#define SOUK_SYNTH_SYNTH_COPY_H

#include "format/promo_terms.h"
#include "synth/synth_copy_words.h"
#include "synth/synth_internal.h"

enum { COPY_NAME = 160, COPY_TEXT = 640, COPY_CODE = 16 };

// One promotion, shown to a user with one copy.
typedef struct copy_shown {
  int32_t item, goal, type, market; // the last three: places in their lists of names
  bool zh;
  double price, was, percent, amount, threshold; // in the market's money; NAN: not given
  int32_t month, day;                            // month 0: not given
  char code[COPY_CODE];                          // "": not given
  char name[COPY_NAME];                          // of the item, in the copy's language
  char text[COPY_TEXT];
  copy_style style;
  double propensity; // of this style
  bool click;
  double p_click[COPY_STYLES]; // truth: had the copy been of this style
} copy_shown;

// What is true of it; borrows the texts of x.
promo_terms copy_terms(const copy_shown *x);
// The language and market of a user, by name.
void copy_reader(const synth_world *w, int64_t user, int32_t *market, bool *zh);
// What the logging policy does for a user: the probability of each style. It is never below 0.075.
void copy_policy(const synth_person *p, double to[COPY_STYLES]);
// The probability of a click on the copy of each style for an item and a type of promotion. Beside the item's fit and chance it depends on
// the user's sensitivity to prices and on the taste of the moment, which histories show, and on impulse, which they do not.
void copy_clicks(const synth_state *s, int32_t item, copy_type type, double to[COPY_STYLES]);
// The same promotion in a style, as it would have been written at that time: its draw number `wording`, from 0, with replacement.
// Not shown, so nothing came of it.
void copy_in_style(const synth_world *w, int64_t user, int64_t time, copy_style style, int32_t wording,
                   copy_shown *x);
// Draws a promotion for a user amid a session, a style by the policy, its copy, and whether it is clicked.
void copy_draw(const synth_state *s, int64_t time, rng *r, copy_shown *out);

#endif
