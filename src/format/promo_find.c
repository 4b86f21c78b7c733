// Terms and other quantities in copy; see promo_terms.h.
#include <math.h>
#include <string.h>
#include "format/promo_internal.h"
#include "format/utf8.h"

typedef struct finder {
  const char *text;
  size_t bytes;
  const promo_terms *t;
  const promo_market *m;
  promo_language l;
  uint32_t given;
} finder;

// ---- words beside numbers ----------------------------------------------------------------------------------------

static uint32_t folded(const finder *f, size_t at, size_t *n) {
  *n = 0;
  return at < f->bytes ? quantity_fold(f->text + at, f->bytes - at, n) : 0;
}

// Where the character before `at` begins, at > 0.
static size_t before(const char *text, size_t at) {
  size_t from = at - 1;
  while (from > 0 && at - from < 4 && (text[from] & 0xC0) == 0x80) from--;
  return from;
}

static bool in_word_before(const char *text, size_t at) {
  size_t n;
  if (at == 0) return false;
  const size_t from = before(text, at);
  return quantity_in_word(quantity_fold(text + from, at - from, &n));
}

size_t promo_word_at(const char *text, size_t bytes, size_t at, const char *word) {
  const size_t length = strlen(word), begin = at;
  size_t n, m;
  for (size_t i = 0; i < length; i += n) {
    const uint32_t wanted = utf8_next(word + i, length - i, &n);
    if (at >= bytes || quantity_fold(text + at, bytes - at, &m) != wanted) return 0;
    at += m;
    while (wanted == ' ' && at < bytes && quantity_fold(text + at, bytes - at, &m) == ' ') at += m;
  }
  const bool whole = (word[0] & 0x80) == 0 && quantity_in_word((uint32_t)word[0]);
  if (!whole) return at;
  const bool touched = in_word_before(text, begin) ||
                       (at < bytes && quantity_in_word(quantity_fold(text + at, bytes - at, &m)));
  return touched ? 0 : at;
}

static size_t spaces(const finder *f, size_t at) {
  for (size_t n; folded(f, at, &n) == ' ' && n > 0;) at += n;
  return at;
}

// Does one of these words, up to a NULL, end at `at`, spaces aside? Its beginning; SIZE_MAX: none does.
static size_t word_before(const finder *f, size_t at, const char *const *words) {
  size_t n;
  while (at > 0 && folded(f, before(f->text, at), &n) == ' ') at = before(f->text, at);
  for (; *words != NULL; words++) {
    size_t from = at;
    for (const char *c = *words; *c != '\0' && from > 0; c++)
      if ((*c & 0xC0) != 0x80) from = before(f->text, from); // as many characters back
    if (promo_word_at(f->text, at, from, *words) == at && from < at) return from;
  }
  return SIZE_MAX;
}

static size_t word_behind(const finder *f, size_t at, const char *const *words) {
  for (at = spaces(f, at); *words != NULL; words++) {
    const size_t end = promo_word_at(f->text, f->bytes, at, *words);
    if (end > 0) return end;
  }
  return 0;
}

static const char *const threshold_before[] = {"满",       "滿",        "满额",  "足",    "over",
                                               "spend",    "spending",  "spent", "above", "minimum of",
                                               "at least", "more than", NULL};
static const char *const threshold_behind[] = {"or more", "and over", "and above", "and up",
                                               "+",       "以上",     "minimum",   NULL};
static const char *const amount_before[] = {"减",   "減",   "省",   "降",   "返",    "抵",     "优惠", "優惠",
                                            "便宜", "减免", "减去", "save", "saves", "saving", NULL};
static const char *const amount_behind[] = {"off",    "discount", "coupon", "voucher", "less", "优惠券",
                                            "優惠券", "券",       "代金券", "红包",    NULL};
static const char *const old_before[] = {"原价", "原價", "was", "instead of", "rrp", NULL};
static const char *const percent_before[] = {"立减", "直降", "减",    "省",     "降",
                                             "降价", "优惠", "便宜",  "立減",   "減",
                                             "優惠", "save", "saves", "saving", NULL};
static const char *const percent_behind[] = {"off",  "discount", "less", "reduction",
                                             "优惠", "優惠",     "折扣", NULL};

// ---- terms -----------------------------------------------------------------------------------------------------------

static bool is_given(const finder *f, promo_slot s) {
  return (f->given >> s & 1) != 0;
}

static bool same_money(const finder *f, promo_slot s, double value) {
  const double term = s == SLOT_PRICE ? f->t->price : s == SLOT_AMOUNT ? f->t->amount : f->t->threshold;
  return is_given(f, s) && promo_hundredths(value) == promo_hundredths(term);
}

// Which term an amount of money is, by its value and what stands beside it; PROMO_QUANTITY: none.
static int32_t money_slot(const finder *f, const quantity *q) {
  const bool off = q->unit == UNIT_OFF;
  if (word_before(f, q->begin, threshold_before) != SIZE_MAX || word_behind(f, q->end, threshold_behind) > 0)
    return same_money(f, SLOT_THRESHOLD, q->value) ? SLOT_THRESHOLD : PROMO_QUANTITY;
  if (off || word_before(f, q->begin, amount_before) != SIZE_MAX || word_behind(f, q->end, amount_behind) > 0)
    return same_money(f, SLOT_AMOUNT, q->value) ? SLOT_AMOUNT : PROMO_QUANTITY;
  if (word_before(f, q->begin, old_before) != SIZE_MAX) return PROMO_QUANTITY;
  static const promo_slot order[] = {SLOT_PRICE, SLOT_THRESHOLD, SLOT_AMOUNT};
  for (size_t i = 0; i < 3; i++)
    if (same_money(f, order[i], q->value)) return (int32_t)order[i];
  return PROMO_QUANTITY;
}

static bool is_currency(const finder *f, quantity_unit u) {
  if (u == UNIT_NONE || u == UNIT_OFF) return true;
  if (u < UNIT_CNY) return false;
  if (f->m == NULL) return true;
  const bool yen = f->m->currency == UNIT_CNY || f->m->currency == UNIT_JPY;
  return u == f->m->currency || (u == UNIT_YEN_SIGN && yen);
}

// A share that is left, of the figures before 折: 8 and 八, 85 and 八五, 8.5.
static double fold_left(double value) {
  return value < 10 ? 10 * value : value < 100 ? value : value / 10;
}

static bool same_percent(const finder *f, double off) {
  return is_given(f, SLOT_PERCENT) &&
         promo_percent_hundredths(off) == promo_percent_hundredths(f->t->percent);
}

// "20%" says what is off if a word beside it says so: that word is part of the span, since "save" and "off" are both in the slot's text.
static bool percent_span(const finder *f, const quantity *q, size_t from, promo_span *s) {
  if (!same_percent(f, q->value)) return false;
  const size_t end = word_behind(f, q->end, percent_behind);
  if (from == q->begin && end == 0) return false;
  *s = (promo_span){from, end > 0 ? end : q->end, SLOT_PERCENT};
  return true;
}

// A word such as "save" or 立减 at `at` with the percentage behind it; "a 20% discount" and "-20%" too.
static bool led_percent(const finder *f, size_t at, promo_span *s) {
  static const char *const articles[] = {"a", "an", "-", NULL};
  quantity q;
  if (!is_given(f, SLOT_PERCENT)) return false;
  for (int pass = 0; pass < 2; pass++)
    for (const char *const *w = pass == 0 ? percent_before : articles; *w != NULL; w++) {
      const size_t end = promo_word_at(f->text, f->bytes, at, *w);
      if (end == 0 || ((*w)[0] == '-' && in_word_before(f->text, at))) continue;
      const size_t from = spaces(f, end);
      if (from >= f->bytes || !quantity_at(f->text, f->bytes, from, '.', &q) || q.unit != UNIT_PERCENT)
        continue;
      if (pass == 1 && (*w)[0] == 'a' && word_behind(f, q.end, percent_behind) == 0) continue;
      if (percent_span(f, &q, at, s)) return true;
    }
  return false;
}

// What a quantity is: its slot, and how much of it a slot stands for.
static void quantity_span(const finder *f, const quantity *q, promo_span *s) {
  static const char *const second[] = {"件", NULL};
  *s = (promo_span){q->begin, q->end, q->article ? PROMO_ARTICLE : PROMO_QUANTITY};
  if (isnan(q->value)) return;
  if (q->unit == UNIT_FOLD) {
    // 第二件半价 is not what the term says
    if (same_percent(f, 100 - fold_left(q->value)) && word_before(f, q->begin, second) == SIZE_MAX)
      s->slot = SLOT_PERCENT;
  } else if (q->unit == UNIT_OFF && q->value == 0.5) {
    if (same_percent(f, 50)) s->slot = SLOT_PERCENT; // half off
  } else if (q->unit == UNIT_PERCENT) {
    percent_span(f, q, q->begin, s);
  } else if (is_currency(f, q->unit)) {
    const int32_t slot = money_slot(f, q);
    if (slot >= 0) s->slot = slot;
    const bool bare = f->m != NULL && f->l == LANGUAGE_ZH && f->m->zh_amount.after[0] == '\0';
    if (s->slot >= 0 && (q->unit == UNIT_OFF || (bare && s->slot != SLOT_PRICE))) s->end = q->number_end;
  }
}

// The end of a name or code at `at`; 0: it is not there.
static size_t name_at(const finder *f, size_t at, const char *name) {
  const size_t length = strlen(name), begin = at;
  size_t n, m, last = 0;
  for (size_t i = 0; i < length; i += n) {
    if (folded(f, at, &m) != quantity_fold(name + i, length - i, &n) || m == 0) return 0;
    last = i;
    at += m;
  }
  if (last == 0) return 0; // of a single character
  const bool begins = quantity_in_word(quantity_fold(name, length, &n));
  const bool ends = quantity_in_word(quantity_fold(name + last, length - last, &n));
  if (begins && in_word_before(f->text, begin)) return 0;
  return ends && quantity_in_word(folded(f, at, &m)) ? 0 : at;
}

static void take_longer(promo_span *s, size_t at, size_t end, promo_slot slot) {
  if (end > s->end) *s = (promo_span){at, end, (int32_t)slot};
}

// The longest of what begins at `at`; false: nothing does.
static bool span_at(const finder *f, size_t at, promo_span *s) {
  *s = (promo_span){at, 0, PROMO_QUANTITY};
  if (is_given(f, SLOT_ITEM)) take_longer(s, at, name_at(f, at, f->t->item), SLOT_ITEM);
  if (is_given(f, SLOT_CODE)) take_longer(s, at, name_at(f, at, f->t->code), SLOT_CODE);
  if (is_given(f, SLOT_DATE))
    take_longer(s, at, promo_date_at(f->text, f->bytes, at, f->t, f->m, f->l), SLOT_DATE);
  const char decimal = f->m != NULL && f->l == LANGUAGE_EN ? f->m->decimal : '.';
  promo_span other = {at, 0, PROMO_QUANTITY};
  quantity q;
  if (!led_percent(f, at, &other) && quantity_at(f->text, f->bytes, at, decimal, &q))
    quantity_span(f, &q, &other);
  if (other.end > s->end) *s = other;
  return s->end > at;
}

size_t promo_find(const char *text, size_t bytes, const promo_terms *t, const promo_market *m,
                  promo_language l, promo_span *to, size_t most) {
  const finder f = {text, bytes, t, m, l, promo_terms_given(t)};
  size_t found = 0;
  for (size_t at = 0, n; at < bytes; at += n) {
    promo_span s;
    utf8_next(text + at, bytes - at, &n);
    if (!span_at(&f, at, &s)) continue;
    if (found < most) to[found] = s;
    found++;
    n = s.end - at;
  }
  return found;
}
