// What buyers of the generated marketplace write: a rating, and a text in English or Chinese whose sentiment is known.
//
// The rating follows from the item's quality, how well it fits the buyer, and chance. The text is made of two to four clauses about
// different aspects, each of which speaks for, against or neither: mostly as the whole feels, sometimes not. Many clauses say it with
// a negation or a comparison, so that single words mislead: "not as heavy as I feared" is praise.
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "synth/synth_internal.h"

const char *const sentiment_names[SENTIMENTS] = {"negative", "neutral", "positive"};

enum { ASPECTS = 5, CLAUSE = 192 };

// Pairs, by aspect (the thing itself, material, price, delivery, looks) and by what they say.
static const char *const clauses[ASPECTS][SENTIMENTS] = {
    {"it broke after a week/用了一周就坏了|it does not do what the page promises/和页面说的不一样|not half "
     "as good as I had hoped/远没有想象中好"
     "|I would not buy it again/不会再买第二次|I regret it/买了就后悔",
     "it does what it should, no more/能用，谈不上惊喜|neither good nor bad/不好也不坏|about what I "
     "expected/和预期差不多"
     "|I have had it for a few days only/刚用几天，还看不出来",
     "it works better than I dared to hope/比想象中好用得多|I would buy it again at "
     "once/会毫不犹豫地回购|not one thing to complain about/挑不出毛病"
     "|far from the disappointment that I feared/完全没有担心的那种失望|my whole family wants "
     "one/全家都想要一个"},
    {"the %m feels cheap/%m摸着很廉价|the %m smells/%m味道很重|the %m is not what was promised/%m和宣传的不符"
     "|the %m came scratched/%m到手就有划痕",
     "the %m is ordinary/%m比较普通|the %m is as described/%m和描述一致|I cannot tell the %m from "
     "others/%m看不出差别",
     "the %m is not as heavy as I feared/%m没有担心的那么重|the %m feels solid/%m很扎实|the %m is a joy to "
     "touch/%m手感特别好"
     "|no fault in the %m anywhere/%m一点瑕疵都没有"},
    {"not worth the money/不值这个价|it was cheaper elsewhere the day after/第二天别家就更便宜|too dear for "
     "what it is/太贵了",
     "the price is the usual one/价格中规中矩|I paid what others ask/和别家价格一样",
     "worth every yuan/每一分钱都值|you will not find it cheaper/找不到更便宜的了|cheap, and not at all "
     "shoddy/便宜，却一点不差"},
    {"delivery took two weeks/物流等了两周|the box arrived crushed/盒子都压扁了|nobody answered my "
     "messages/客服一直不回复",
     "it came within the usual time/物流正常|the box was plain/包装一般",
     "it arrived a day early/比预计早一天到|it was packed with care/包装很用心|the shop answered within "
     "minutes/客服几分钟就回复了"},
    {"the %c is not that of the photo/%c和图片不是一个颜色|it looks worse than in the pictures/比图片难看",
     "it looks like in the pictures/和图片一样|the %c is a matter of taste/%c看个人喜好",
     "the %c is even nicer than in the photo/%c比图片还好看|everybody asks where I got "
     "it/好多人问我哪里买的|I cannot stop looking at it/怎么看都看不腻"}};

static const double cuts[4] = {-1.5, -0.9, -0.3, 0.5}; // between ratings
// How often a clause of a text that feels so (row) speaks so (column).
static const double speaks[SENTIMENTS][SENTIMENTS] = {
    {0.74, 0.16, 0.10}, {0.25, 0.48, 0.27}, {0.08, 0.14, 0.78}};

static void replace(char *text, size_t bytes, const char *from, const char *to) {
  char rest[CLAUSE];
  char *at = strstr(text, from);
  if (at == NULL) return;
  snprintf(rest, sizeof rest, "%s", at + strlen(from));
  snprintf(at, bytes - (size_t)(at - text), "%s%s", to, rest);
}

static sentiment draw_polarity(sentiment feels, rng *r) {
  const double unit = rng_unit(r);
  if (unit < speaks[feels][NEGATIVE]) return NEGATIVE;
  return unit < speaks[feels][NEGATIVE] + speaks[feels][NEUTRAL] ? NEUTRAL : POSITIVE;
}

static void add_clause(review *out, const synth_text *t, int32_t aspect, sentiment polarity, bool zh,
                       rng *r) {
  char clause[CLAUSE];
  const size_t used = strlen(out->text);
  pair_at(clause, sizeof clause, clauses[aspect][polarity], rng_u32(r), zh);
  replace(clause, sizeof clause, "%m", zh ? t->material_zh : t->material_en);
  replace(clause, sizeof clause, "%c", zh ? t->colour_zh : t->colour_en);
  snprintf(out->text + used, sizeof out->text - used, "%s%s", zh ? "，" : ", ", clause);
  out->clauses[polarity]++;
}

void review_draw(const synth_world *w, const synth_taste *t, int32_t item, rng *r, review *out) {
  const double fit = fmax(fmin(item_fit(w, t, item), 4.0), -4.0);
  const double z = 0.9 * item_quality(w, item) + 0.1 * fit + 0.4 * rng_normal(r);
  memset(out, 0, sizeof *out);
  out->rating = 1;
  for (int32_t k = 0; k < 4; k++) out->rating += z >= cuts[k];
  out->feels = out->rating < 3 ? NEGATIVE : out->rating == 3 ? NEUTRAL : POSITIVE;
  synth_text text;
  item_text(w, item, &text);
  const category_words *c = category_at(w->items[item].category);
  const bool zh = rng_unit(r) < 0.5;
  if (zh)
    snprintf(out->text, sizeof out->text, "%s的%s", text.brand_zh, c->zh);
  else
    snprintf(out->text, sizeof out->text, "The %s by %s", c->noun, text.brand_en);
  const int32_t n = 2 + (int32_t)rng_below(r, MOST_CLAUSES - 1);
  int32_t aspect[ASPECTS] = {0, 1, 2, 3, 4};
  for (int32_t k = 0; k < n; k++) { // n different aspects
    const int32_t other = k + (int32_t)rng_below(r, (uint64_t)(ASPECTS - k)), chosen = aspect[other];
    aspect[other] = aspect[k];
    aspect[k] = chosen;
    add_clause(out, &text, chosen, draw_polarity(out->feels, r), zh, r);
  }
  const size_t used = strlen(out->text);
  snprintf(out->text + used, sizeof out->text - used, "%s", zh ? "。" : ".");
}
