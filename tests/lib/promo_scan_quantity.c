// Quantities: a numeral and what stands around it that makes it say how much.
#include <stdlib.h>
#include <string.h>
#include "promo_scan_parts.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

bool scan_is_numeral(uint32_t p) {
  static const uint32_t numerals[] = {
      U'零', U'〇', U'一', U'二', U'两', U'兩', U'三', U'四', U'五', U'六', U'七', U'八', U'九', U'十',
      U'百', U'千', U'万', U'萬', U'亿', U'億', U'壹', U'贰', U'貳', U'叁', U'參', U'叄', U'肆', U'伍',
      U'陆', U'陸', U'柒', U'捌', U'玖', U'拾', U'佰', U'仟', U'半', U'廿', U'卅', U'弌', U'弍', U'弎'};
  for (size_t i = 0; i < COUNT(numerals); i++)
    if (numerals[i] == p) return true;
  return false;
}

// Measures, units and currencies of Chinese, simplified and traditional.
static const char *const measures[] = {
    "折",   "倍", "成",     "元", "圆",   "圓",   "块",   "塊",   "美元", "欧元", "歐元", "英镑", "英鎊",
    "日元", "円", "人民币", "个", "個",   "箇",   "件",   "条",   "條",   "只",   "隻",   "双",   "雙",
    "套",   "盒", "瓶",     "包", "袋",   "箱",   "罐",   "桶",   "支",   "枝",   "张",   "張",   "片",
    "斤",   "克", "升",     "米", "公斤", "千克", "公里", "毫升", "毫米", "厘米", "英寸", "寸",   "台",
    "臺",   "部", "本",     "把", "份",   "位",   "名",   "人",   "次",   "天",   "日",   "周",   "週",
    "年",   "月", "号",     "號", "秒",   "小时", "小時", "分钟", "分鐘", "期",   "种",   "種",   "款",
    "层",   "層", "颗",     "顆", "粒",   "对",   "對",   "副",   "辆",   "輛",   "间",   "間",   "家",
    "杯",   "碗", "束",     "朵", "卷",   "捆",   "枚",   "根",   "匹",   "头",   "頭",   "分之"};

// Words that begin like a measure and count nothing: 满300包邮 is free delivery, not 300 packs.
static const char *const no_measures[] = {
    "个人", "个性", "人气", "份额", "位于", "倍感", "包换", "包退", "包邮", "包郵", "双11", "双12", "双倍",
    "双十", "只要", "只限", "只需", "名牌", "周年", "周末", "天天", "天然", "天猫", "天貓", "套装", "家居",
    "家用", "家电", "对折", "层次", "年终", "年货", "成为", "日常", "月底", "期间", "本周", "本品", "本店",
    "本日", "本月", "本次", "条件", "次日", "种草", "秒发", "秒抢", "秒杀", "秒殺", "节日", "雙倍"};

static const char *const units[] = {
    "percent",   "percentage", "pct",       "off",   "dollar", "dollars", "buck",    "bucks",   "pound",
    "pounds",    "euro",       "euros",     "cent",  "cents",  "penny",   "pence",   "yuan",    "rmb",
    "yen",       "usd",        "eur",       "gbp",   "cny",    "jpy",     "day",     "days",    "night",
    "nights",    "hour",       "hours",     "week",  "weeks",  "weekend", "month",   "months",  "year",
    "years",     "minute",     "minutes",   "min",   "mins",   "second",  "seconds", "sec",     "piece",
    "pieces",    "pcs",        "pack",      "packs", "packet", "packets", "bottle",  "bottles", "box",
    "boxes",     "bag",        "bags",      "pair",  "pairs",  "set",     "sets",    "item",    "items",
    "unit",      "units",      "time",      "times", "fold",   "star",    "stars",   "point",   "points",
    "people",    "customer",   "customers", "gram",  "grams",  "kg",      "kilo",    "kilos",   "kilogram",
    "kilograms", "lb",         "lbs",       "ounce", "ounces", "oz",      "inch",    "inches",  "foot",
    "feet",      "meter",      "meters",    "metre", "metres", "cm",      "mm",      "liter",   "liters",
    "litre",     "litres",     "ml"};

static const char *const numbers[] = {
    "zero",    "one",       "two",      "three",    "four",      "five",     "six",      "seven",
    "eight",   "nine",      "ten",      "eleven",   "twelve",    "thirteen", "fourteen", "fifteen",
    "sixteen", "seventeen", "eighteen", "nineteen", "twenty",    "thirty",   "forty",    "fourty",
    "fifty",   "sixty",     "seventy",  "eighty",   "ninety",    "hundred",  "thousand", "million",
    "billion", "trillion",  "dozen",    "hundreds", "thousands", "millions", "billions", "dozens",
    "tens",    "half",      "quarter",  "twice",    "thrice",    "double",   "triple",   "quadruple"};

// Parts of a whole, if they are off: a third off.
static const char *const parts[] = {"third",  "fourth", "fifth",     "sixth",     "seventh", "eighth",
                                    "ninth",  "tenth",  "twentieth", "hundredth", "thirds",  "fourths",
                                    "fifths", "tenths", "quarters",  "halves"};

static uint32_t at(const scan_text *t, size_t i) {
  return i < t->n ? t->c[i].p : 0;
}

static size_t skip_spaces(const scan_text *t, size_t i) {
  while (at(t, i) == ' ') i++;
  return i;
}

static size_t word_end(const scan_text *t, size_t i) {
  while (scan_is_latin(at(t, i))) i++;
  return i;
}

// The ASCII word at i, if it is all of the letters from i to end.
static bool is_word(const scan_text *t, size_t i, size_t end, const char *word) {
  if (strlen(word) != end - i) return false;
  for (size_t k = 0; i + k < end; k++)
    if (t->c[i + k].p != (unsigned char)word[k]) return false;
  return true;
}

static bool is_one_of(const scan_text *t, size_t i, size_t end, const char *const *words, size_t n) {
  for (size_t k = 0; k < n; k++)
    if (is_word(t, i, end, words[k])) return true;
  return false;
}

// End of the longest of these words at i, or i.
static size_t longest_end(const scan_text *t, size_t i, const char *const *words, size_t count) {
  size_t longest = i;
  for (size_t k = 0; k < count; k++) {
    size_t j = i;
    const char *s = words[k];
    uint32_t p;
    for (size_t n; *s != '\0' && (n = scan_decode(s, strlen(s), &p)) > 0 && at(t, j) == p; j++) s += n;
    if (*s == '\0' && j > longest) longest = j;
  }
  return longest;
}

// End of the measure at i, or i.
static size_t measure_end(const scan_text *t, size_t i) {
  const size_t end = longest_end(t, i, measures, COUNT(measures));
  return longest_end(t, i, no_measures, COUNT(no_measures)) > end ? i : end;
}

// End of the unit that begins at i: a sign, a measure, or a whole English word. i: there is none.
static size_t unit_end(const scan_text *t, size_t i) {
  const uint32_t p = at(t, i);
  if (p == '%' || p == 0x2030 || scan_is_currency(p)) return i + 1;
  if (scan_is_latin(p)) {
    const size_t end = word_end(t, i);
    return is_one_of(t, i, end, units, COUNT(units)) ? end : i;
  }
  return measure_end(t, i);
}

// Behind digits a large number says what they count, as a unit does: $199 million, 15 万.
static size_t magnitude_end(const scan_text *t, size_t i) {
  static const char *const large[] = {"hundred", "thousand", "million", "billion", "trillion", "dozen"};
  static const uint32_t chinese[] = {U'百', U'千', U'万', U'萬', U'亿', U'億', U'佰', U'仟'};
  for (size_t k = 0; k < COUNT(chinese); k++)
    if (at(t, i) == chinese[k]) return i + 1;
  const size_t end = word_end(t, i);
  return is_one_of(t, i, end, large, COUNT(large)) ? end : i;
}

typedef struct context {
  const scan_text *t;
  const scan_spans *accepted;
  scan_spans *to;
} context;

static size_t byte_begin(const scan_text *t, size_t i) {
  return t->c[i].begin;
}
static size_t byte_end(const scan_text *t, size_t end) {
  return t->c[end - 1].end;
}

static bool accepted(const context *x, size_t i, size_t end) {
  return scan_within(x->accepted, byte_begin(x->t, i), byte_end(x->t, end));
}

// The numeral i..end with the unit at k behind it and the currency before it. A numeral alone is a quantity if `always`. Where it stands
// within a form, a neighbour that belongs to another one says nothing of it: the sign of "$199" in "Phone 15 $199".
static void judge(const context *x, size_t i, size_t end, size_t k, bool always) {
  const scan_text *const t = x->t;
  const size_t large = always ? magnitude_end(t, k) : k, unit = large > k ? large : unit_end(t, k);
  size_t sign = i;
  while (sign > 0 && at(t, sign - 1) == ' ') sign--;
  const bool has_unit = unit > k,
             has_sign = sign > 0 && !(always && scan_is_latin(at(t, i))) && scan_is_currency(at(t, sign - 1));
  if (!always && !has_unit && !has_sign) return;
  const bool inside = accepted(x, i, end);
  const size_t last = has_unit && !(inside && accepted(x, k, unit)) ? unit : end;
  const size_t begin = has_sign && !(inside && accepted(x, sign - 1, sign)) ? sign - 1 : i;
  if (!accepted(x, begin, last)) scan_spans_add(x->to, byte_begin(t, begin), byte_end(t, last));
}

static bool numeric(uint32_t p) {
  return scan_is_digit(p) || scan_is_numeral(p);
}

// 七点五, 1.5 and 1,500; 199，8 is two numbers, for a full-width comma never stands within one.
static bool joins(const scan_text *t, size_t i) {
  const uint32_t given = t->c[i].given, next = at(t, i + 1);
  if (given == U'点' || given == U'點') return numeric(next) && numeric(at(t, i - 1)); // 40W点八 is no number
  return (given == '.' || given == ',') && scan_is_digit(next) && scan_is_digit(at(t, i - 1));
}

// A run of digits and Chinese numerals from i on, with the letters that are glued to digits. Returns its end.
static size_t numeral_run(const context *x, size_t i) {
  const scan_text *const t = x->t;
  size_t end = i, begin = i;
  bool digits = false;
  for (; end < t->n; end++) {
    const bool letter = scan_is_latin(at(t, end)) && end > i && scan_glued(t, end - 1);
    if (end > i && scan_is_latin(at(t, end - 1)) && scan_is_numeral(at(t, end))) break;
    if (!numeric(at(t, end)) && !letter && !(end > i && joins(t, end))) break;
    digits |= scan_is_digit(at(t, end));
  }
  while (begin > 0 && scan_is_latin(at(t, begin - 1)) && scan_glued(t, begin - 1) &&
         t->c[begin - 1].end == t->c[begin].begin)
    begin--;
  // What is behind a letter counts nothing: "40W pack".
  judge(x, begin, end, scan_is_latin(at(t, end - 1)) ? t->n : skip_spaces(t, end), digits);
  return end;
}

// The letters i..end are numbers written together: twentyfive, onehundred; with a unit at their end they say so (tenfold).
static bool numbers_only(const scan_text *t, size_t i, size_t end, bool *unit) {
  if (i == end) return true;
  for (size_t k = 0; k < COUNT(numbers); k++) {
    const size_t n = strlen(numbers[k]);
    if (i + n > end || !is_word(t, i, i + n, numbers[k])) continue;
    if (numbers_only(t, i + n, end, unit)) return true;
    if (is_one_of(t, i + n, end, units, COUNT(units))) return *unit = true;
  }
  return false;
}

static size_t skip_between(const scan_text *t, size_t i) {
  while (at(t, i) == ' ' || at(t, i) == '-' || (at(t, i) >= 0x2010 && at(t, i) <= 0x2015)) i++;
  return i;
}

// English numbers from the word at i on, which may be "and" or "a" after the first: a quantity if a unit follows. Returns where to go on.
static size_t number_words(const context *x, size_t i) {
  const scan_text *const t = x->t;
  const size_t first_end = word_end(t, i);
  bool unit = false;
  const size_t behind = skip_between(t, first_end);
  if (is_one_of(t, i, first_end, parts, COUNT(parts)) && is_word(t, behind, word_end(t, behind), "off"))
    judge(x, i, first_end, behind, false);
  if (is_word(t, i, first_end, "half") && is_word(t, behind, word_end(t, behind), "price"))
    judge(x, i, word_end(t, behind), t->n, true);
  if (!numbers_only(t, i, first_end, &unit)) return first_end;
  size_t end = first_end, next = skip_between(t, end);
  while (!unit && scan_is_latin(at(t, next))) {
    const size_t e = word_end(t, next);
    if (is_word(t, next, e, "and") || is_word(t, next, e, "a"))
      next = skip_between(t, e);
    else if (numbers_only(t, next, e, &unit) && unit_end(t, next) == next)
      end = e, next = skip_between(t, e);
    else
      break;
  }
  judge(x, i, end, skip_between(t, end), unit);
  return first_end;
}

// What says a quantity without a numeral.
static void fixed_phrases(const context *x) {
  static const char *const phrases[] = {"双倍", "雙倍", "半价", "半價", "百分百"};
  scan_spans found = {0};
  for (size_t i = 0; i < COUNT(phrases); i++) scan_find(x->t, phrases[i], &found);
  for (size_t i = 0; i < found.n; i++)
    if (!scan_within(x->accepted, found.at[i].begin, found.at[i].end))
      scan_spans_add(x->to, found.at[i].begin, found.at[i].end);
  free(found.at);
}

void scan_quantities(const scan_text *t, const scan_spans *accepted_, scan_spans *to) {
  const context x = {t, accepted_, to};
  for (size_t i = 0; i < t->n;) {
    if (numeric(at(t, i)))
      i = numeral_run(&x, i);
    else if (scan_is_latin(at(t, i)))
      i = i > 0 && scan_is_latin(at(t, i - 1)) ? word_end(t, i) : number_words(&x, i);
    else
      i++;
  }
  fixed_phrases(&x);
}
