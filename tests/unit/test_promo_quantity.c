// Quantities: the table's order and words, where quantities stand in text, what they are worth, and what is none.
#include <math.h>
#include <string.h>
#include "format/promo_quantity.h"
#include "format/utf8.h"
#include "lib/check.h"

enum { ROOM = 2000 };

// The text with [ ] around each quantity, { } around 一 before a measure.
static void mark(char *to, const char *text, char decimal) {
  const size_t bytes = strlen(text);
  size_t used = 0;
  for (size_t at = 0, n; at < bytes; at += n) {
    quantity q;
    const bool found = quantity_at(text, bytes, at, decimal, &q);
    quantity_fold(text + at, bytes - at, &n);
    if (found) {
      assert_true(q.begin == at && q.number_end > at && q.number_end <= q.end && q.end <= bytes);
      n = q.end - at;
    }
    assert_true(used + n + 3 < ROOM);
    if (found) to[used++] = q.article ? '{' : '[';
    memcpy(to + used, text + at, n);
    used += n;
    if (found) to[used++] = q.article ? '}' : ']';
  }
  to[used] = '\0';
}

// `wanted` is the text with the marks in it.
static void check_marks(const char *wanted) {
  char text[ROOM], got[ROOM];
  size_t n = 0;
  for (const char *c = wanted; *c != '\0'; c++)
    if (strchr("[]{}", *c) == NULL) text[n++] = *c;
  text[n] = '\0';
  mark(got, text, '.');
  if (strcmp(got, wanted) != 0) fail_msg("\"%s\" is not \"%s\"", got, wanted);
}

static void test_digits(void **unused) {
  (void)unused;
  check_marks("now [199], [199.00], [1,299.50] or [$199]. [8], [9]");
  check_marks("[￥199] [¥ 199] [￥199元] [RMB 199] [199元] [１９９元] [199 yuan] [199 €] [$5] [$10] [US$5]");
  check_marks("[20%] off, [20 %] off, [２０％] off, [20 percent], [20-percent], [20 off], [$20] off, [5‰]");
  check_marks("[100%]纯棉 [3]d立体 red[2]出品 [90年]代 [360度]旋转 [18世纪]的 [25岁]到[30] [3]x[1]");
  check_marks("[8折] [85折] [8.5折] [3件] [3 件] [3万件] [100多种] [3万]起 [199]百搭 [5]一起 [199]，[300]");
  check_marks("[½ off] [①号] [٣] [Ⅳ] [㈢] [５] [2,3,4] [1.2.3] [5 million dollars] [$5 million] [3-pack]");
  check_marks("[2 free gifts] [100]。[24]/[7] [10]:[30] [3]–[5 days] v[2]");
}

static void test_chinese(void **unused) {
  (void)unused;
  check_marks("[三件] [十几天] [三百六十度] [八五折] [百分之二十] [百分之20] [三分之一] [壹佰元] [貳萬件] "
              "[两件]套 [三 件]");
  check_marks(
      "满[三百]减[五十]，[￥三百] [半价] [买一][送一]、买[二][送一件] [百分百] [双倍]积分 [三合一] [半天]");
  check_marks("{一款}{一件}{一种}{一部}分 {一块}布 [一块钱] [一倍] [一成] [一折] [一元] [一百件] 第{一件} "
              "[三小时] 三小 [三分钟]");
  check_marks(
      "三生三世 一起 一样 一定 万物 百搭 半身裙 四射 十分 九分裤 七分袖 几种 多层 双排 一丝 一抹 一点 四季");
  check_marks("[三%] [十％] [百 off] [五 dollars] [三￥], [twenty件] [two 款] [half元] [five %] [￥five] "
              "[$twenty-five dollars] rmbtwelve [rmb twelve]");
  check_marks("千万别 万一 百褶 一字肩 两侧 一股 一眼 一身 进一步 一体 一亮 千篇一律 三角 五官 一切 肆意 "
              "伍的 满一些");
}

static void test_english(void **unused) {
  (void)unused;
  check_marks("[twenty percent] off, [twenty off], [two-day] delivery, [half an hour], [half a dozen items]");
  check_marks(
      "[two hundred and fifty dollars] [one and a half hours] [three to five days] [TWO  FREE GIFTS]");
  check_marks(
      "[buy one] [get one] free, [Half-price], [dozens] of styles, [twice the] fun, [two-in-one], [one day]");
  check_marks("[ｔｗｏ days] [five per cent] [one size] fits all, [five %]");
  check_marks("one of the best, think twice, someone, tone, often ten, one can, no one, a gift, "
              "half-hearted, fivedays");
}

// The value of the only quantity of a text, and its unit.
static void check_value(const char *text, char decimal, double value, quantity_unit unit) {
  quantity q;
  const size_t bytes = strlen(text);
  if (!quantity_at(text, bytes, 0, decimal, &q)) fail_msg("\"%s\" is no quantity", text);
  if (q.end != bytes || q.unit != unit || !(q.value == value || (isnan(q.value) && isnan(value))))
    fail_msg("\"%s\": %zu of %zu bytes, %.10g of unit %d", text, q.end, bytes, q.value, q.unit);
}

static void test_values(void **unused) {
  (void)unused;
  static const struct {
    const char *text;
    double value;
    quantity_unit unit;
  } of[] = {
      {"199", 199, UNIT_NONE},
      {"1,299.50", 1299.5, UNIT_NONE},
      {"1,299", 1299, UNIT_NONE},
      {"1,299,000", 1299000, UNIT_NONE},
      {"6.667折", 6.667, UNIT_FOLD},
      {"33,5%", 33.5, UNIT_PERCENT},
      {"1.299,50", 1299.5, UNIT_NONE},
      {"12.31.2026", NAN, UNIT_NONE},
      {"1,29,9", NAN, UNIT_NONE},
      {"1,2,3", NAN, UNIT_NONE},
      {"1,299.5,1", NAN, UNIT_NONE},
      {"三百六十元", 360, UNIT_CNY},
      {"三百五块", 350, UNIT_CNY},
      {"三百零五块", 305, UNIT_CNY},
      {"一千二百元", 1200, UNIT_CNY},
      {"一万两千元", 12000, UNIT_CNY},
      {"一亿三千万元", 1.3e8, UNIT_CNY},
      {"十五元", 15, UNIT_CNY},
      {"一九九元", 199, UNIT_CNY},
      {"八五折", 85, UNIT_FOLD},
      {"八点五折", 8.5, UNIT_FOLD},
      {"壹佰贰拾元", 120, UNIT_CNY},
      {"廿五元", 25, UNIT_CNY},
      {"半元", 0.5, UNIT_CNY},
      {"三半元", NAN, UNIT_CNY},
      {"十几元", NAN, UNIT_CNY},
      {"3万元", 30000, UNIT_CNY},
      {"百分之二十", 20, UNIT_PERCENT},
      {"百分之12.5", 12.5, UNIT_PERCENT},
      {"￥199元", 199, UNIT_CNY},
      {"￥199", 199, UNIT_YEN_SIGN},
      {"$199", 199, UNIT_USD},
      {"$199元", 199, UNIT_OTHER},
      {"199美元", 199, UNIT_USD},
      {"199 €", 199, UNIT_EUR},
      {"twenty-five percent", 25, UNIT_PERCENT},
      {"two hundred and fifty dollars", 250, UNIT_USD},
      {"half a dozen items", 6, UNIT_OTHER},
      {"two thousand three hundred euros", 2300, UNIT_EUR},
      {"three to five dollars", NAN, UNIT_USD},
      {"two free dollars", 2, UNIT_OTHER},
      {"20 off", 20, UNIT_OFF},
      {"5 million dollars", NAN, UNIT_OTHER},
      {"½", NAN, UNIT_NONE},
      {"买一", NAN, UNIT_OTHER},
  };
  for (size_t i = 0; i < sizeof of / sizeof *of; i++) check_value(of[i].text, '.', of[i].value, of[i].unit);
  check_value("1.299", ',', 1299, UNIT_NONE);
  check_value("1.299", '.', 1.299, UNIT_NONE);
  check_value("1,299", ',', 1.299, UNIT_NONE);
  check_value("1.299,50 €", ',', 1299.5, UNIT_EUR);
}

// The lists are searched by their first bytes, and whoever compiles them relies on how words look.
static void test_table(void **unused) {
  (void)unused;
  size_t n, total = 0;
  for (int c = 0; c < QUANTITY_CLASSES; c++) {
    const quantity_word *w = quantity_words((quantity_class)c, &n);
    assert_true(n > 0);
    total += n;
    for (size_t i = 0; i < n; i++) {
      assert_true(w[i].text[0] != '\0' && utf8_valid(w[i].text));
      if (i > 0 && strcmp(w[i - 1].text, w[i].text) >= 0) fail_msg("%s before %s", w[i - 1].text, w[i].text);
      size_t at = 0, characters = 0, length = strlen(w[i].text);
      for (size_t m; at < length; at += m, characters++) { // folded already
        const uint32_t folded = quantity_fold(w[i].text + at, length - at, &m);
        size_t same;
        assert_int_equal(folded, utf8_next(w[i].text + at, length - at, &same));
      }
      if (c == ZH_NUMERAL || c == ZH_INNER) assert_int_equal(characters, 1);
    }
  }
  assert_true(total > 400);
  const quantity_range *r = quantity_digits(&n);
  for (size_t i = 0; i < n; i++) {
    assert_true(r[i].first <= r[i].last && (i == 0 || r[i - 1].last < r[i].first));
    assert_true(quantity_is_digit(r[i].first) && quantity_is_digit(r[i].last));
    const bool next = i + 1 < n && r[i + 1].first == r[i].last + 1;
    assert_int_equal(quantity_is_digit(r[i].last + 1), next);
  }
  assert_false(quantity_is_digit('a') || quantity_is_digit(0x4E00) || quantity_is_digit(0x10FFFF));
}

// Long runs are read in pieces, and what is cut short or no UTF-8 is safe.
static void test_hostile(void **unused) {
  (void)unused;
  static char text[60000], numerals[] = "一百三两";
  for (size_t i = 0; i + 12 < sizeof text; i += 12) memcpy(text + i, numerals, 12);
  quantity q;
  for (size_t at = 0; at < sizeof text; at++) quantity_at(text, sizeof text, at, '.', &q);
  memset(text, '9', sizeof text);
  assert_true(quantity_at(text, sizeof text, 0, '.', &q) && isnan(q.value) && q.end <= sizeof text);
  static const char whole[] = "满三百减五十￥199.50元 twenty-five percent 百分之二十 half a dozen";
  for (size_t bytes = 1; bytes < sizeof whole; bytes++) // every beginning, from every byte
    for (size_t at = 0; at < bytes; at++)
      if (quantity_at(whole, bytes, at, '.', &q)) assert_true(q.end > at && q.end <= bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_digits), cmocka_unit_test(test_chinese), cmocka_unit_test(test_english),
      cmocka_unit_test(test_values), cmocka_unit_test(test_table),   cmocka_unit_test(test_hostile),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
