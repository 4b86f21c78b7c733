// Terms of offers: the text of every slot in each market and language, odd values, short rooms, contradictions.
#include <math.h>
#include <string.h>
#include "format/promo_terms.h"
#include "format/utf8.h"
#include "lib/check.h"

static promo_terms some_terms(void) {
  promo_terms t = promo_terms_none();
  t.item = "Trail Runner 3";
  t.code = "SAVE20";
  t.price = 1299.5;
  t.percent = 20;
  t.amount = 50;
  t.threshold = 300;
  t.month = 12;
  t.day = 31;
  return t;
}

static void check_render(const char *market, promo_language l, promo_slot s, const promo_terms *t,
                         const char *wanted) {
  char text[PROMO_TERM_BYTES];
  const promo_market *m = promo_market_named(market);
  assert_non_null(m);
  assert_string_equal(promo_market_name(m), market);
  const size_t n = promo_render(s, t, m, l, text, sizeof text);
  if (strcmp(text, wanted) != 0 || n != strlen(wanted))
    fail_msg("%s %s %s: \"%s\" (%zu bytes) is not \"%s\"", market, promo_language_names[l],
             promo_slot_names[s], text, n, wanted);
}

// What each market writes, for the slots that markets and languages write differently.
typedef struct forms {
  const char *market;
  promo_language language;
  const char *price, *whole, *percent, *odd, *amount, *threshold, *date, *dated;
} forms;

static const forms all_forms[] = {
    {"cn", LANGUAGE_ZH, "￥1299.50", "￥199", "八折", "6.667折", "50", "300", "12月31日", "2027年2月8日"},
    {"cn", LANGUAGE_EN, "¥1,299.50", "¥199", "20% off", "33.33% off", "¥50", "¥300", "Dec 31", "Feb 8, 2027"},
    {"us", LANGUAGE_ZH, "1299.50美元", "199美元", "八折", "6.667折", "50美元", "300美元", "12月31日",
     "2027年2月8日"},
    {"us", LANGUAGE_EN, "$1,299.50", "$199", "20% off", "33.33% off", "$50", "$300", "Dec 31", "Feb 8, 2027"},
    {"gb", LANGUAGE_ZH, "1299.50英镑", "199英镑", "八折", "6.667折", "50英镑", "300英镑", "12月31日",
     "2027年2月8日"},
    {"gb", LANGUAGE_EN, "£1,299.50", "£199", "20% off", "33.33% off", "£50", "£300", "31 Dec", "8 Feb 2027"},
    {"eu", LANGUAGE_ZH, "1299.50欧元", "199欧元", "八折", "6.667折", "50欧元", "300欧元", "12月31日",
     "2027年2月8日"},
    {"eu", LANGUAGE_EN, "1.299,50 €", "199 €", "20% off", "33,33% off", "50 €", "300 €", "31.12.",
     "08.02.2027"},
    {"jp", LANGUAGE_ZH, "1299.50日元", "199日元", "八折", "6.667折", "50日元", "300日元", "12月31日",
     "2027年2月8日"},
    {"jp", LANGUAGE_EN, "¥1,299.50", "¥199", "20% off", "33.33% off", "¥50", "¥300", "Dec 31", "Feb 8, 2027"},
};

static void test_markets(void **unused) {
  (void)unused;
  for (size_t i = 0; i < sizeof all_forms / sizeof *all_forms; i++) {
    const forms *f = &all_forms[i];
    promo_terms t = some_terms();
    check_render(f->market, f->language, SLOT_ITEM, &t, "Trail Runner 3");
    check_render(f->market, f->language, SLOT_CODE, &t, "SAVE20");
    check_render(f->market, f->language, SLOT_PRICE, &t, f->price);
    check_render(f->market, f->language, SLOT_PERCENT, &t, f->percent);
    check_render(f->market, f->language, SLOT_AMOUNT, &t, f->amount);
    check_render(f->market, f->language, SLOT_THRESHOLD, &t, f->threshold);
    check_render(f->market, f->language, SLOT_DATE, &t, f->date);
    t.price = 199;
    t.percent = 33.33;
    t.year = 2027, t.month = 2, t.day = 8;
    check_render(f->market, f->language, SLOT_PRICE, &t, f->whole);
    check_render(f->market, f->language, SLOT_PERCENT, &t, f->odd);
    check_render(f->market, f->language, SLOT_DATE, &t, f->dated);
  }
  size_t n = 0;
  while (promo_market_at(n) != NULL) n++;
  assert_int_equal(2 * n, sizeof all_forms / sizeof *all_forms); // every market is in the list
  assert_null(promo_market_named("xx"));
  promo_language l = LANGUAGE_EN;
  assert_true(promo_language_named("zh", &l) && l == LANGUAGE_ZH);
  assert_false(promo_language_named("de", &l));
}

static void test_percents(void **unused) {
  (void)unused;
  static const struct {
    double percent;
    const char *zh, *en, *eu;
  } of[] = {
      {0.5, "9.95折", "0.5% off", "0,5% off"},
      {5, "九五折", "5% off", "5% off"},
      {1, "九九折", "1% off", "1% off"},
      {10, "九折", "10% off", "10% off"},
      {15, "八五折", "15% off", "15% off"},
      {12.5, "8.75折", "12.5% off", "12,5% off"},
      {50, "五折", "50% off", "50% off"},
      {66.67, "3.333折", "66.67% off", "66,67% off"},
      {90, "一折", "90% off", "90% off"},
      {95, "0.5折", "95% off", "95% off"},
      {99.99, "0.001折", "99.99% off", "99,99% off"},
      {0.01, "9.999折", "0.01% off", "0,01% off"},
      {89, "一一折", "89% off", "89% off"},
      {33.335, "6.666折", "33.34% off", "33,34% off"},
      {0.004, "", "", ""},
      {99.996, "", "", ""},
      {100, "", "", ""},
      {0, "", "", ""},
      {-20, "", "", ""},
      {1e300, "", "", ""},
      {NAN, "", "", ""},
      {INFINITY, "", "", ""},
  };
  for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
    promo_terms t = promo_terms_none();
    t.percent = of[i].percent;
    check_render("cn", LANGUAGE_ZH, SLOT_PERCENT, &t, of[i].zh);
    check_render("us", LANGUAGE_EN, SLOT_PERCENT, &t, of[i].en);
    check_render("eu", LANGUAGE_EN, SLOT_PERCENT, &t, of[i].eu);
    assert_int_equal(promo_terms_given(&t), of[i].zh[0] != '\0' ? 1u << SLOT_PERCENT : 0);
  }
}

static void test_money(void **unused) {
  (void)unused;
  static const struct {
    double x;
    const char *zh, *us, *eu;
  } of[] = {
      {0.01, "￥0.01", "$0.01", "0,01 €"},
      {0.5, "￥0.50", "$0.50", "0,50 €"},
      {9.9, "￥9.90", "$9.90", "9,90 €"},
      {199.999, "￥200", "$200", "200 €"},
      {199.994, "￥199.99", "$199.99", "199,99 €"},
      {999, "￥999", "$999", "999 €"},
      {1000, "￥1000", "$1,000", "1.000 €"},
      {123456.78, "￥123456.78", "$123,456.78", "123.456,78 €"},
      {1e9, "￥1000000000", "$1,000,000,000", "1.000.000.000 €"},
      {1.1e9, "", "", ""},
      {0.004, "", "", ""},
      {0, "", "", ""},
      {-1, "", "", ""},
      {NAN, "", "", ""},
      {-INFINITY, "", "", ""},
  };
  for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
    promo_terms t = promo_terms_none();
    t.price = of[i].x;
    check_render("cn", LANGUAGE_ZH, SLOT_PRICE, &t, of[i].zh);
    check_render("us", LANGUAGE_EN, SLOT_PRICE, &t, of[i].us);
    check_render("eu", LANGUAGE_EN, SLOT_PRICE, &t, of[i].eu);
    t.price = NAN;
    t.amount = of[i].x;
    check_render("us", LANGUAGE_EN, SLOT_AMOUNT, &t, of[i].us);
    check_render("cn", LANGUAGE_ZH, SLOT_THRESHOLD, &t, ""); // one term is not another
  }
}

// The last day of each month, and the first that there is not.
static void test_dates(void **unused) {
  (void)unused;
  static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  format_error e;
  for (int month = 1; month <= 12; month++) {
    promo_terms t = promo_terms_none();
    t.month = month;
    t.day = days[month - 1];
    assert_int_equal(promo_terms_given(&t), 1u << SLOT_DATE);
    assert_true(promo_terms_check(&t, &e));
    t.day++;
    assert_int_equal(promo_terms_given(&t), 0);
    assert_false(promo_terms_check(&t, &e));
    check_render("us", LANGUAGE_EN, SLOT_DATE, &t, "");
  }
  static const struct {
    int year, month, day;
    bool good;
  } of[] = {{2028, 2, 29, true}, {2027, 2, 29, false}, {2100, 2, 29, false}, {2000, 2, 29, true},
            {0, 2, 30, false},   {2027, 0, 0, false},  {0, 0, 5, false},     {0, 13, 1, false},
            {0, -1, 1, false},   {0, 1, 0, false},     {1899, 1, 1, false},  {10000, 1, 1, false},
            {-5, 1, 1, false},   {9999, 12, 31, true}};
  for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
    promo_terms t = promo_terms_none();
    t.year = of[i].year, t.month = of[i].month, t.day = of[i].day;
    assert_int_equal(promo_terms_given(&t) != 0, of[i].good);
    assert_int_equal(promo_terms_check(&t, &e), of[i].good);
    if (!of[i].good) assert_non_null(strstr(e.message, "the calendar has no date"));
  }
}

static void test_rooms(void **unused) {
  (void)unused;
  promo_terms t = some_terms();
  t.item = "连衣裙 α";
  for (size_t i = 0; promo_market_at(i) != NULL; i++)
    for (int l = 0; l < LANGUAGE_COUNT; l++)
      for (int s = 0; s < SLOT_COUNT; s++) {
        const promo_market *m = promo_market_at(i);
        char whole[PROMO_TERM_BYTES], cut[PROMO_TERM_BYTES];
        const size_t n = promo_render((promo_slot)s, &t, m, (promo_language)l, whole, sizeof whole);
        assert_true(n > 0 && n == strlen(whole) && utf8_valid(whole));
        assert_int_equal(promo_render((promo_slot)s, &t, m, (promo_language)l, NULL, 0), n);
        for (size_t room = 1; room <= n; room++) {
          memset(cut, 'x', sizeof cut);
          assert_int_equal(promo_render((promo_slot)s, &t, m, (promo_language)l, cut, room), n);
          assert_true(strlen(cut) < room && strncmp(cut, whole, strlen(cut)) == 0 && utf8_valid(cut));
          assert_int_equal(cut[room], 'x');
        }
      }
}

// The terms are refused, with `says` in the sentence.
static void check_refused(const promo_terms *t, const char *says) {
  format_error e = {.message = ""};
  assert_false(promo_terms_check(t, &e));
  if (strstr(e.message, says) == NULL) fail_msg("\"%s\" does not say \"%s\"", e.message, says);
}

static void test_names(void **unused) {
  (void)unused;
  static char longest[MAX_NAME_BYTES + 1], longer[MAX_NAME_BYTES + 2];
  memset(longest, 'a', MAX_NAME_BYTES);
  memset(longer, 'a', MAX_NAME_BYTES + 1);
  static const struct {
    const char *text, *wrong;
  } of[] = {{"", "is empty"},
            {"  ", "has only spaces"},
            {"\u200B\u200D", "has only spaces"},
            {" \u3000\u00AD", "has only spaces"},
            {"a\nb", "control"},
            {"a\x7f", "control"},
            {"a\xe2\x80\xae", "control"},
            {"\xff", "is not UTF-8"},
            {longer, "is too long"},
            {"slot:price [SEP] {price}", NULL},
            {"第一 3件", NULL},
            {longest, NULL}};
  char text[PROMO_TERM_BYTES];
  for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
    promo_terms t = promo_terms_none();
    format_error e;
    t.item = of[i].text;
    if (of[i].wrong != NULL)
      check_refused(&t, of[i].wrong);
    else
      assert_true(promo_terms_check(&t, &e));
    t = promo_terms_none();
    t.code = of[i].text;
    assert_int_equal(promo_terms_given(&t), of[i].wrong == NULL ? 1u << SLOT_CODE : 0);
    promo_render(SLOT_CODE, &t, promo_market_named("us"), LANGUAGE_EN, text, sizeof text);
    assert_string_equal(text, of[i].wrong == NULL ? of[i].text : "");
  }
}

static void test_contradictions(void **unused) {
  (void)unused;
  format_error e;
  promo_terms t = promo_terms_none();
  assert_true(promo_terms_check(&t, &e) && promo_terms_given(&t) == 0);
  t = some_terms();
  assert_true(promo_terms_check(&t, &e));
  assert_int_equal(promo_terms_given(&t), (1u << SLOT_COUNT) - 1);

#define WITH(...) \
  (promo_terms){.price = NAN, .was = NAN, .percent = NAN, .amount = NAN, .threshold = NAN, __VA_ARGS__}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
#ifdef __clang__
#pragma clang diagnostic ignored "-Winitializer-overrides"
#endif
  check_refused(&WITH(.price = 300, .was = 300), "the price 300 is not below the 300 before");
  check_refused(&WITH(.price = 301, .was = 300), "is not below");
  check_refused(&WITH(.price = 240, .was = 300, .percent = 21), "from 300 to 240 is 20 percent off, not 21");
  check_refused(&WITH(.percent = 100), "100 percent off is not between 0.01 and 99.99");
  check_refused(&WITH(.percent = -5), "-5 percent off");
  check_refused(&WITH(.percent = INFINITY), "inf percent off");
  check_refused(&WITH(.amount = 300, .threshold = 300), "300 off is not less than the threshold 300");
  check_refused(&WITH(.amount = 20, .price = 19), "20 off is more than the price 19");
  check_refused(&WITH(.amount = 20, .was = 20), "20 off is more than the price 20");
  check_refused(&WITH(.price = 0), "the price is 0, which is not between 0.01 and 1000000000");
  check_refused(&WITH(.was = -1), "the price before is -1");
  check_refused(&WITH(.amount = 2e9), "the amount off is 2e+09");
  check_refused(&WITH(.threshold = INFINITY), "the threshold is inf");
  assert_true(promo_terms_check(&WITH(.price = 199.99, .was = 250, .percent = 20), &e)); // 20.004, rounded
  assert_true(promo_terms_check(&WITH(.price = 199, .was = 250, .percent = 20), &e));    // 20.4, rounded
  assert_true(promo_terms_check(&WITH(.price = 0.67, .was = 1, .percent = 33.33), &e));
  assert_true(promo_terms_check(&WITH(.price = 39, .amount = 50, .threshold = 300), &e)); // off the basket
#pragma GCC diagnostic pop
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_markets),        cmocka_unit_test(test_percents), cmocka_unit_test(test_money),
      cmocka_unit_test(test_dates),          cmocka_unit_test(test_rooms),    cmocka_unit_test(test_names),
      cmocka_unit_test(test_contradictions),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
