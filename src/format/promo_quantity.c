// Reading quantities; see promo_quantity.h.
#include "format/promo_quantity.h"

#include <math.h>
#include <string.h>
#include "format/text_end.h"
#include "format/unicode.h"
#include "format/utf8.h"

enum {
  LONGEST_RUN = 32,
  LONGEST_NUMBER = 40
}; // words of a number; characters of one in digits. Longer ones are several

typedef struct input {
  const char *text;
  size_t bytes;
  char decimal;
} input;

// ---- characters ------------------------------------------------------------------------------------------------

uint32_t quantity_fold(const char *text, size_t left, size_t *bytes) {
  uint32_t c = utf8_next(text, left, bytes);
  if (c >= 0xFF01 && c <= 0xFF5E) c -= 0xFF01 - '!';
  if (c == 0x3000 || c == 0xA0 || c == 0x202F || c == '\t' || c == '\n' || c == '\r') return ' ';
  if (c == 0xFFE5) return 0xA5; // ￥
  if (c == 0xFFE1) return 0xA3; // ￡
  return c < 0x80 ? (c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c) : c + (uint32_t)unicode_of(c)->lower;
}

bool quantity_in_word(uint32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return c < 0x2E80 && (unicode_of(c)->flags & UNI_WORD) != 0;
}

// The folded character at `at`, 0 at the end.
static uint32_t character(const input *in, size_t at, size_t *bytes) {
  *bytes = 0;
  return at < in->bytes ? quantity_fold(in->text + at, in->bytes - at, bytes) : 0;
}

// The one before `at`, 0 at the beginning.
static uint32_t character_before(const input *in, size_t at) {
  size_t from = at, n;
  if (at == 0) return 0;
  do from--;
  while (from > 0 && at - from < 4 && (in->text[from] & 0xC0) == 0x80);
  return quantity_fold(in->text + from, at - from, &n);
}

// Does a word of a script with spaces begin or end at `at`, or is there none?
static bool at_edge(const input *in, size_t at) {
  size_t n;
  return !quantity_in_word(character_before(in, at)) || !quantity_in_word(character(in, at, &n));
}

static size_t skip_spaces(const input *in, size_t at) {
  for (size_t n; character(in, at, &n) == ' ' && n > 0;) at += n;
  return at;
}

static bool is_hyphen(uint32_t c) {
  return c == '-' || (c >= 0x2010 && c <= 0x2013);
}

// Behind what is between two words, spaces or a hyphen; 0: nothing is.
static size_t skip_between(const input *in, size_t at) {
  size_t n;
  if (is_hyphen(character(in, at, &n))) return at + n;
  const size_t to = skip_spaces(in, at);
  return to > at ? to : 0;
}

// ---- words -----------------------------------------------------------------------------------------------------

static bool is_spaced(quantity_class c) {
  return c >= EN_NUMBER;
}

// The end of `word` at `at`; 0: it is not there.
static size_t word_end(const input *in, size_t at, const char *word) {
  const size_t length = strlen(word);
  for (size_t i = 0, n, m; i < length; i += n) {
    if (word[i] == ' ') {
      n = 1;
      at = skip_between(in, at);
      if (at == 0) return 0;
      continue;
    }
    if (character(in, at, &m) != utf8_next(word + i, length - i, &n)) return 0;
    at += m;
  }
  return at;
}

// The longest word of a class at `at`: its end; 0: there is none.
static size_t longest(const input *in, size_t at, quantity_class class, const quantity_word **found) {
  size_t n, bytes, end = 0;
  char first[4];
  const uint32_t c = character(in, at, &bytes);
  if (bytes == 0 || c == 0xFFFD) return 0;
  const size_t length = (size_t)(utf8_put(first, c) - first);
  const quantity_word *words = quantity_words(class, &n);
  size_t low = 0, high = n;
  while (low < high) { // the first that is not before `first`
    const size_t mid = (low + high) / 2;
    if (strncmp(words[mid].text, first, length) < 0)
      low = mid + 1;
    else
      high = mid;
  }
  for (; low < n && strncmp(words[low].text, first, length) == 0; low++) {
    const size_t to = word_end(in, at, words[low].text);
    if (to <= end || (is_spaced(class) && !at_edge(in, to))) continue;
    end = to;
    if (found != NULL) *found = &words[low];
  }
  return end;
}

// A measure at `at`, but not the beginning of another word: 满300包邮 counts no packs. Its end; 0: there is none.
static size_t measure_at(const input *in, size_t at, const quantity_word **found) {
  const size_t end = longest(in, at, ZH_MEASURE, found);
  return end > 0 && longest(in, at, ZH_NO_MEASURE, NULL) > end ? 0 : end;
}

// Does a word that leads numbers end at `at`?
static bool is_led(const input *in, size_t at) {
  size_t n;
  const quantity_word *leads = quantity_words(ZH_LEAD, &n);
  while (at > 0 && character_before(in, at) == ' ') {
    do at--;
    while (at > 0 && (in->text[at] & 0xC0) == 0x80);
  }
  for (size_t i = 0; i < n; i++) {
    const size_t length = strlen(leads[i].text);
    if (length <= at && memcmp(in->text + at - length, leads[i].text, length) == 0) return true;
  }
  return false;
}

// Is there a sign of money behind the number that is not that of the next one?
static size_t sign_behind(const input *in, size_t at, const quantity_word **w) {
  const size_t from = skip_spaces(in, at);
  size_t n;
  const uint32_t c = character(in, from, &n);
  if (c != '$' && c != 0xA5 && c != 0xA3 && c != 0x20AC) return 0;
  const size_t next = skip_spaces(in, from + n);
  if (quantity_is_digit(character(in, next, &n)) || longest(in, next, ZH_NUMERAL, NULL) > 0 ||
      longest(in, next, EN_NUMBER, NULL) > 0)
    return 0;
  return longest(in, from, SIGN, w);
}

// A unit that does not go by the language of the number, twenty件, 三%, 五 euros: its end; 0: there is none.
static size_t other_unit(const input *in, size_t at, bool english, quantity_unit *unit) {
  const quantity_word *w = NULL;
  const size_t from = skip_spaces(in, at), between = skip_between(in, at);
  size_t n, end;
  if (character(in, from, &n) == '%') {
    *unit = UNIT_PERCENT;
    return from + n;
  }
  end = english ? measure_at(in, from, &w) : longest(in, between > 0 ? between : at, EN_UNIT, &w);
  if (end == 0) end = sign_behind(in, at, &w);
  if (end > 0) *unit = w->unit;
  return end;
}

// ---- Chinese numbers -------------------------------------------------------------------------------------------

// The value of numerals: 三百六十 by places, 三百五 as 350, 八五 and 一九九 as digits; NAN: they make no number.
static double zh_value(const double *v, size_t n) {
  bool places = false;
  for (size_t i = 0; i < n; i++) places = places || v[i] >= 10;
  double total = 0, part = 0, digit = NAN, last = 0, large = 0; // the place before, and the last 万 or 亿
  if (n == 1 || !places) {
    for (size_t i = 0; i < n; i++) {
      if (n > 1 && (v[i] != floor(v[i]) || v[i] > 9)) return NAN;
      total = n > 1 ? 10 * total + v[i] : v[i];
    }
    return total;
  }
  for (size_t i = 0; i < n; i++) {
    if (v[i] < 10) { // a digit; 零 only fills a place, 半 makes none
      if (v[i] != floor(v[i]) || (!isnan(digit) && digit > 0)) return NAN;
      digit = v[i];
      if (v[i] == 0) last = 0;
    } else if (v[i] >= 10000) {
      part += isnan(digit) ? 0 : digit;
      if (v[i] > large) // 一万亿
        total = (total + part > 0 ? total + part : 1) * v[i];
      else
        total += (part > 0 ? part : 1) * v[i];
      part = 0, digit = NAN, last = large = v[i];
    } else if (v[i] == 20 || v[i] == 30) {
      part += v[i], digit = NAN, last = 10;
    } else {
      part += (isnan(digit) || digit == 0 ? 1 : digit) * v[i];
      digit = NAN, last = v[i];
    }
  }
  if (!isnan(digit)) part += last >= 100 ? digit * last / 10 : digit;
  return total + part;
}

// 八点五: a point between digits; NAN as above.
static double zh_decimal(const double *v, size_t n, size_t point) {
  if (point >= n) return zh_value(v, n);
  double scale = 1, value = zh_value(v, point);
  for (size_t i = point + 1; i < n; i++) {
    if (!(v[i] <= 9)) return NAN;
    scale /= 10;
    value += v[i] * scale;
  }
  return point > 0 && point + 1 < n ? value : NAN;
}

// Numerals from `at`, and a measure behind them, or none.
typedef struct zh_run {
  double values[LONGEST_RUN];
  size_t n, point;        // numerals, and which is 点
  size_t all;             // where they end
  size_t number_end, end; // with a measure; end 0: there is none
  size_t n_measured;      // the numerals before it
  const quantity_word *measure;
} zh_run;

static bool is_point(const quantity_word *w) {
  return strcmp(w->text, "点") == 0 || strcmp(w->text, "點") == 0;
}

static void read_zh(const input *in, size_t at, zh_run *r, bool begun) {
  *r = (zh_run){.point = LONGEST_RUN, .all = at};
  while (r->n < LONGEST_RUN) {
    const quantity_word *w = NULL, *measure = NULL;
    size_t to = longest(in, r->all, ZH_NUMERAL, &w);
    const bool numeral = to > 0;
    if (!numeral && (begun || r->n > 0)) to = longest(in, r->all, ZH_INNER, &w);
    if (to == 0) return;
    if (!numeral && is_point(w)) r->point = r->n < r->point ? r->n : LONGEST_RUN;
    r->values[r->n++] = numeral ? w->value : is_point(w) ? 0 : NAN;
    r->all = to;
    const size_t end = measure_at(in, skip_spaces(in, to), &measure);
    if (end == 0) continue;
    r->number_end = to, r->end = end;
    r->n_measured = r->n, r->measure = measure;
  }
}

static size_t read_digits(const input *in, size_t at, double *value);

// 百分之二十: what is behind 分之 belongs to it, and is a percentage of 百.
static void take_fraction(const input *in, bool hundred, quantity *q) {
  zh_run r;
  size_t n;
  q->value = NAN;
  if (quantity_is_digit(character(in, q->end, &n))) {
    q->end = read_digits(in, q->end, &q->value);
  } else {
    read_zh(in, q->end, &r, false);
    q->end = r.all;
    if (r.n > 0) q->value = zh_decimal(r.values, r.n, r.point);
  }
  q->number_end = q->end;
  q->unit = hundred ? UNIT_PERCENT : UNIT_OTHER;
}

// 一块面料 is a piece of cloth; 一倍, 一成 and 一元 are what they say.
static bool may_be_article(const quantity_word *measure) {
  if (strcmp(measure->text, "块") == 0 || strcmp(measure->text, "塊") == 0) return true;
  return measure->unit == UNIT_OTHER && strcmp(measure->text, "倍") != 0 &&
         strcmp(measure->text, "成") != 0 && strcmp(measure->text, "分之") != 0;
}

static bool zh_at(const input *in, size_t at, bool signed_before, quantity *q) {
  zh_run r;
  if (longest(in, at, ZH_NUMERAL, NULL) == 0) return false;
  read_zh(in, at, &r, false);
  if (r.end > 0) {
    q->number_end = r.number_end, q->end = r.end;
    q->unit = r.measure->unit;
    q->value = zh_decimal(r.values, r.n_measured, r.point);
    q->article = !signed_before && r.n_measured == 1 && r.values[0] == 1 && may_be_article(r.measure);
    if (strcmp(r.measure->text, "分之") == 0) take_fraction(in, r.n_measured == 1 && r.values[0] == 100, q);
    return true;
  }
  q->value = zh_decimal(r.values, r.n, r.point);
  q->number_end = r.all;
  if ((q->end = other_unit(in, r.all, false, &q->unit)) > 0) return true;
  const bool one = r.n == 1 && r.values[0] == 1;
  if (!signed_before && (one || !is_led(in, at))) return false;
  q->end = r.all;
  q->unit = UNIT_NONE;
  return true;
}

// ---- English numbers -------------------------------------------------------------------------------------------

typedef struct en_number {
  double total, part; // "two thousand" and what comes behind; NAN: not one number
} en_number;

static void en_add(en_number *e, double v) {
  if (v == 0.5 || v == 0.25)
    e->part += v;
  else if (v == 12 && e->part > 0 && e->part < 12) // half a dozen, two dozen
    e->part *= v;
  else if (v == 100)
    e->part = (e->part > 0 ? e->part : 1) * v;
  else if (v >= 1000)
    e->total += (e->part > 0 ? e->part : 1) * v, e->part = 0;
  else
    e->part += v;
}

// Words of a number from `at`, and a unit behind them: true if there is one. Digits may be before (`begun`): then joins and fillers
// may come first. The longest counts.
static bool en_tail(const input *in, size_t at, bool begun, quantity *q) {
  en_number e = {0};
  bool found = false, filled = false;
  for (int words = 0; words < LONGEST_RUN; words++) {
    const quantity_word *w = NULL, *unit = NULL;
    const bool first = words == 0 && !begun;
    const size_t next = first ? at : skip_between(in, at);
    if (!first && next == 0) break;
    size_t to = longest(in, next, EN_NUMBER, &w);
    if (to > 0) {
      en_add(&e, begun ? NAN : w->value);
    } else if (!first) {
      if ((to = longest(in, next, EN_FILLER, &w)) > 0)
        filled = true;
      else if ((to = longest(in, next, EN_JOIN, &w)) > 0 && (w->text[0] == 'o' || w->text[0] == 't'))
        e.total = NAN; // or, to
    }
    if (to == 0) break;
    at = to;
    const size_t between = skip_between(in, at);
    quantity_unit kind = UNIT_OTHER;
    size_t end = between > 0 ? longest(in, between, EN_UNIT, &unit) : 0;
    if (end > 0) kind = unit->unit;
    if (end == 0) end = other_unit(in, at, true, &kind);
    if (end == 0) continue;
    *q = (quantity){q->begin, at, end, e.total + e.part, kind, false};
    if (filled || begun) q->unit = UNIT_OTHER;
    found = true;
  }
  return found;
}

// ---- digits ----------------------------------------------------------------------------------------------------

// The value of ASCII digits with marks between them: which is the decimal one, see promo_quantity.h; NAN: they make no number.
static double digits_value(const char *text, size_t n, char decimal) {
  char last = '\0';
  size_t marks = 0, kinds = 0, behind = 0; // digits behind the last mark
  bool threes = true;                      // are there three digits behind every mark but the last?
  for (size_t i = 0; i < n; i++, behind++) {
    if (text[i] >= '0' && text[i] <= '9') continue;
    threes = threes && (marks == 0 || behind == 4);
    kinds += text[i] != last;
    last = text[i];
    marks++;
    behind = 0;
  }
  behind -= marks > 0; // it counted from the mark
  const bool point = marks == 1 ? last == decimal || behind != 3 : kinds == 2;
  if (!threes || kinds > 2 || (marks > 1 && !point && behind != 3) ||
      (marks == 1 && point && last != decimal && behind > 2))
    return NAN;
  double value = 0, scale = 1;
  size_t left = marks;
  for (size_t i = 0; i < n; i++) {
    if (text[i] < '0' || text[i] > '9') {
      left--;
      continue;
    }
    value = 10 * value + (text[i] - '0');
    if (point && left == 0) scale *= 10;
  }
  return value / scale;
}

// Digits from `at`; their end, and their value.
static size_t read_digits(const input *in, size_t at, double *value) {
  char plain[LONGEST_NUMBER];
  size_t n, m, used = 0;
  bool ascii = true;
  for (uint32_t c; used < LONGEST_NUMBER; at += n) {
    c = character(in, at, &n);
    if (quantity_is_digit(c)) {
      ascii = ascii && c < 0x80;
      plain[used++] = (char)(c < 0x80 ? c : '0');
      continue;
    }
    // A mark is one only between digits; the full-width comma ends a phrase.
    const bool mark = c == '.' || (c == ',' && n == 1);
    if (!mark || used == 0 || used + 1 >= LONGEST_NUMBER || !quantity_is_digit(character(in, at + n, &m)))
      break;
    plain[used++] = (char)c;
  }
  *value = ascii && used < LONGEST_NUMBER ? digits_value(plain, used, in->decimal) : NAN;
  return at;
}

// 3万, 3百, and 100多种: what Chinese puts between digits and a measure.
static bool zh_tail(const input *in, quantity *q) {
  zh_run r;
  const quantity_word *w = NULL;
  const size_t at = skip_spaces(in, q->end);
  const size_t end = measure_at(in, at, &w);
  read_zh(in, q->end, &r, true);
  if (r.end == 0 && end == 0) {
    if (longest(in, q->end, ZH_NUMERAL, NULL) == 0 || !(r.values[0] >= 1000))
      return false; // 3万, but 199百搭
    q->number_end = q->end = r.all;
    q->value = r.n == 1 ? q->value * r.values[0] : NAN;
    return true;
  }
  if (r.end > end) {
    q->number_end = r.number_end, q->end = r.end, q->unit = r.measure->unit;
    q->value = r.n_measured == 1 && r.values[0] >= 100 ? q->value * r.values[0] : NAN;
  } else {
    q->end = end, q->unit = w->unit;
  }
  return true;
}

static void digits_unit(const input *in, quantity *q) {
  size_t n, end;
  const quantity_word *w = NULL;
  const size_t at = skip_spaces(in, q->end), between = skip_between(in, q->end);
  const uint32_t c = character(in, at, &n);
  q->unit = UNIT_NONE;
  if (c == '%' || c == 0x2030) {
    q->end = at + n;
    q->unit = c == '%' ? UNIT_PERCENT : UNIT_OTHER;
  } else if ((end = longest(in, between > 0 ? between : at, EN_UNIT, &w)) > 0 ||
             (end = sign_behind(in, q->end, &w)) > 0) {
    q->end = end;
    q->unit = w->unit;
  } else if (zh_tail(in, q) || en_tail(in, q->end, true, q)) {
    return;
  } else if (between > 0 && (end = longest(in, between, EN_NUMBER, &w)) > 0 && w->value >= 100) {
    q->end = q->number_end = end; // 5 million
    q->value = NAN;
  } else if (quantity_in_word(character(in, q->end, &n))) {
    q->unit = UNIT_OTHER; // 3d
  }
}

static bool digits_at(const input *in, size_t at, quantity *q) {
  size_t n;
  if (!quantity_is_digit(character(in, at, &n))) return false;
  q->end = q->number_end = read_digits(in, at, &q->value);
  digits_unit(in, q);
  return true;
}

// ---- all of them -----------------------------------------------------------------------------------------------

static bool signed_at(const input *in, size_t at, quantity *q) {
  const quantity_word *sign = NULL;
  size_t n, end = longest(in, at, SIGN, &sign);
  if (end == 0 || (quantity_in_word(character(in, at, &n)) && quantity_in_word(character_before(in, at))))
    return false;
  end = skip_spaces(in, end);
  if (!digits_at(in, end, q) && !zh_at(in, end, true, q)) {
    if (quantity_in_word(character_before(in, end))) return false; // rmbtwelve is one word
    if (!en_tail(in, end, false, q)) {
      if ((q->end = q->number_end = longest(in, end, EN_NUMBER, NULL)) == 0) return false;
      q->unit = UNIT_NONE; // $five
    }
  }
  if (q->unit == UNIT_OFF || (q->unit == UNIT_OTHER && q->end > q->number_end)) { // $20 off, a $50 coupon
    q->end = q->number_end;
    q->unit = UNIT_NONE;
    q->article = false;
  }
  if (q->unit == UNIT_NONE || q->unit == UNIT_OFF ||
      (sign->unit == UNIT_YEN_SIGN && q->unit == UNIT_YEN_SIGN))
    q->unit = sign->unit;
  else if (q->unit != sign->unit &&
           !(sign->unit == UNIT_YEN_SIGN && (q->unit == UNIT_CNY || q->unit == UNIT_JPY)))
    q->unit = UNIT_OTHER; // $5 million, ￥5美元
  return true;
}

// What is a quantity by itself; 送一件 with its measure. Its end; 0: there is none.
static size_t whole_at(const input *in, size_t at, const quantity_word **w) {
  const size_t end = longest(in, at, ZH_WHOLE, w);
  if (end == 0) return quantity_in_word(character_before(in, at)) ? 0 : longest(in, at, EN_WHOLE, w);
  if (!text_ends_with((*w)->text, "一")) return end;
  const size_t measured = measure_at(in, skip_spaces(in, end), NULL);
  return measured > 0 ? measured : end;
}

bool quantity_at(const char *text, size_t bytes, size_t at, char decimal, quantity *q) {
  const input in = {text, bytes, decimal};
  const quantity_word *w = NULL;
  size_t n;
  *q = (quantity){.begin = at, .value = NAN};
  const uint32_t c = character(&in, at, &n), before = character_before(&in, at);
  if (signed_at(&in, at, q)) return true;
  if (quantity_is_digit(c)) {
    digits_at(&in, at, q);
    if (quantity_in_word(before)) q->unit = UNIT_OTHER, q->value = NAN; // red2
    return true;
  }
  const size_t end = whole_at(&in, at, &w);
  if (zh_at(&in, at, false, q) && q->end >= end) return true;
  if (!quantity_in_word(before) && en_tail(&in, at, false, q) && q->end >= end) return true;
  if (end == 0) return false;
  *q = (quantity){at, end, end, w->value > 0 ? w->value : NAN, w->unit, false};
  return true;
}
