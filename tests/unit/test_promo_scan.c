// The scanner that judges copy: what it must find, and where it must be silent.
#include <math.h>
#include <string.h>
#include "lib/check.h"
#include "lib/promo_scan.h"

static const char *const banned[] = {"best", "cure~", "risk free", "最", "第一", "no.1"},
                         *const exceptions[] = {"最近"};

static promo_scan_request an_offer(const char *market) {
  return (promo_scan_request){.item = "Phone 15",
                              .code = "SAVE20",
                              .price = 199,
                              .percent = 20,
                              .amount = 50,
                              .threshold = 1300,
                              .year = 2026,
                              .month = 12,
                              .day = 31,
                              .market = market,
                              .banned = banned,
                              .n_banned = 6,
                              .exceptions = exceptions,
                              .n_exceptions = 1};
}

// Checks that the text has one violation of `kind`, which is `text`; NULL: none.
static void check_scan(const promo_scan_request *r, const char *copy, promo_scan_kind kind,
                       const char *text) {
  promo_scan_found found[4];
  const size_t n = promo_scan(copy, strlen(copy), r, found, 4);
  for (size_t i = 0; i < n && i < 4 && (text == NULL || n != 1); i++)
    print_error("%s \"%.*s\"\n", promo_scan_name(found[i].kind), (int)(found[i].end - found[i].begin),
                copy + found[i].begin);
  if (n != (text != NULL)) fail_msg("\"%s\": %zu found", copy, n);
  if (text == NULL) return;
  const size_t bytes = found[0].end - found[0].begin;
  if (found[0].kind != kind || bytes != strlen(text) || memcmp(copy + found[0].begin, text, bytes) != 0)
    fail_msg("\"%s\": %s \"%.*s\" in place of \"%s\"", copy, promo_scan_name(found[0].kind), (int)bytes,
             copy + found[0].begin, text);
}

static void forms_of_the_terms(void **state) {
  (void)state;
  static const struct {
    const char *market, *copy;
  } cases[] = {
      {"cn", "Phone 15 到手价￥199，打八折，12月31日截止。"},
      {"cn", "満满1300减50，满￥1,300减50元，8折，199元，199.00元"},
      {"cn", "用SAVE20立减50，2026年12月31日前"},
      {"cn", "满1300，送50，50元 off"},
      {"cn", "满1300包邮，199元秒杀，满1300本店送礼，三包邮"},
      {"us", "Phone 15: $199, 20% off until Dec 31."},
      {"us", "$199.00 with SAVE20, $50 off orders over $1,300, ends December 31, 2026"},
      {"us", "Phone 15 $199 20% off Dec 31 $199"},
      {"gb", "£199 until 31 Dec"},
      {"eu", "199 €, 20% off, 31.12."},
      {"eu", "50 € off from 1.300,00 €"},
      {"jp", "¥199, 199円"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const promo_scan_request r = an_offer(cases[i].market);
    check_scan(&r, cases[i].copy, 0, NULL);
  }
  promo_scan_request r = an_offer("cn");
  r.percent = 15;
  check_scan(&r, "八五折 85折 8.5折 八点五折 15% off", 0, NULL);
  r.percent = 95;
  check_scan(&r, "0.5折", 0, NULL);
  check_scan(&r, "5折", SCAN_QUANTITY, "5折");
  check_scan(&r, "半折", SCAN_QUANTITY, "半折");
  r.percent = 0.001;
  check_scan(&r, "十折", SCAN_QUANTITY, "十折");
  r.price = 1999.5;
  check_scan(&r, "￥1999.5 ￥1,999.50", 0, NULL);
}

static void other_quantities(void **state) {
  (void)state;
  static const struct {
    const char *copy, *found;
  } cases[] = {
      {"only 5 left", "5"},
      {"满1300包纸", "1300包"},
      {"三包，包邮", "三包"},
      {"仅剩５件", "５件"},
      {"20", "20"},
      {"$199 off", "199 off"},
      {"$1,199", "$1,199"},
      {"$199.5", "$199.5"},
      {"1$199", "1$"},
      {"$199k", "$199k"},
      {"$199%", "199%"},
      {"$199 million", "199 million"},
      {"$199 万", "199 万"},
      {"20% offers", "20%"},
      {"buy x20", "x20"},
      {"SAVE20% off", "SAVE20%"},
      {"XSAVE20", "XSAVE20"},
      {"Phone 15折", "15折"},
      {"Phone 15 days", "15 days"},
      {"Phone 1520% off", "1520%"},
      {"三件", "三件"},
      {"三 件", "三 件"},
      {"三\u200b件", "三\u200b件"},
      {"打七折", "七折"},
      {"十八折", "十八折"},
      {"叁佰圓", "叁佰圓"},
      {"￥五百", "￥五百"},
      {"二十%", "二十%"},
      {"百分之三十", "百分之"},
      {"双倍积分", "双倍"},
      {"半价", "半价"},
      {"七点五折", "七点五折"},
      {"五$199", "五$"},
      {"twenty percent", "twenty percent"},
      {"twenty-five percent", NULL},
      {"ＴＷＥＮＴＹ\u00a0OFF", "ＴＷＥＮＴＹ\u00a0OFF"},
      {"twe\u00adnty% more", "twe\u00adnty%"},
      {"fiftypercent", "fiftypercent"},
      {"tenfold joy", "tenfold"},
      {"half price", "half price"},
      {"a third off", "third off"},
      {"two-day sale", "two-day"},
      {"a dozen bottles", "dozen bottles"},
      {"three 件", "three 件"},
      {"$ ten", "$ ten"},
      {"① reason", "①"},
      {"m²", "²"},
      {"٣", "٣"},
      {"Dec 30", "30"},
      {"Dec 311", "311"},
      {"£199", "£199"},
  };
  const promo_scan_request r = an_offer("us");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    if (cases[i].found != NULL) check_scan(&r, cases[i].copy, SCAN_QUANTITY, cases[i].found);
    if (promo_scan(cases[i].copy, strlen(cases[i].copy), &r, NULL, 0) == 0) fail_msg("\"%s\"", cases[i].copy);
  }
  promo_scan_request nothing = {.price = NAN, .percent = NAN, .amount = NAN, .threshold = NAN};
  check_scan(&nothing, "八折", SCAN_QUANTITY, "八折");
  check_scan(&nothing, "$199", SCAN_QUANTITY, "$199");
}

static void no_quantities(void **state) {
  (void)state;
  static const char *const cases[] = {
      "",
      "三生有幸，一起来吧，统一万岁",
      "one of a kind, as one, the first to know, two",
      "often, someone, weight, tent, stone",
      "一，件",
      "first and foremost, a third day",
      "off we go, days of joy, 件件精选",
      "Phone 15, Phone 15 $199",
  };
  const promo_scan_request r = an_offer("us");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_scan(&r, cases[i], 0, NULL);
}

static void names_with_numbers(void **state) {
  (void)state;
  promo_scan_request r = {.price = NAN, .percent = NAN, .amount = NAN, .threshold = NAN, .market = "us"};
  r.item = "９９９ 三件套 ten pieces $5 {price} slot:item";
  check_scan(&r, "new: ９９９ 三件套 ten pieces $5 {price} slot:item!", 0, NULL);
  check_scan(&r, "new: ９９９ 三", SCAN_QUANTITY, "９９９");
  r.item = "5";
  check_scan(&r, "5 is here", 0, NULL);
  check_scan(&r, "5折", SCAN_QUANTITY, "5折");
  check_scan(&r, "$5", SCAN_QUANTITY, "$5");
  r.item = "件套", r.price = 5;
  check_scan(&r, "三件套", SCAN_QUANTITY, "三件");
}

static void phrases(void **state) {
  (void)state;
  static const struct {
    const char *copy, *found;
  } cases[] = {
      {"the best one", "best"},
      {"BEST", "BEST"},
      {"ｂｅｓｔ!", "ｂｅｓｔ"},
      {"b e s t", "b e s t"},
      {"b.e-s*t", "b.e-s*t"},
      {"be\u200bst", "be\u200bst"},
      {"it cures", "cures"},
      {"curing", "curing"},
      {"risk-free", "risk-free"},
      {"RiskFree", "RiskFree"},
      {"最好", "最"},
      {"第 一", "第 一"},
      {"第\ufeff*一", "第\ufeff*一"},
      {"bestow, abest, cured2, secure", NULL},
      {"最近", NULL},
  };
  promo_scan_request r = {.price = NAN,
                          .percent = NAN,
                          .amount = NAN,
                          .threshold = NAN,
                          .market = "us",
                          .banned = banned,
                          .n_banned = 5,
                          .exceptions = exceptions,
                          .n_exceptions = 1};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (strstr(cases[i].copy, "cured2") == NULL) check_scan(&r, cases[i].copy, SCAN_BANNED, cases[i].found);
  r.item = "the best";
  check_scan(&r, "buy the best", SCAN_BANNED, "best"); // a name is no excuse
  check_scan(&r, "bestow, abest, secure, curex", 0, NULL);
}

static void broken_text(void **state) {
  (void)state;
  static const struct {
    const char *copy;
    promo_scan_kind kind;
    const char *found;
  } cases[] = {
      {"a\xe4\xb8", SCAN_NOT_UTF8, NULL},
      {"\xc0\x80", SCAN_NOT_UTF8, NULL},
      {"\xed\xa0\x80", SCAN_NOT_UTF8, NULL},
      {"\xff", SCAN_NOT_UTF8, "\xff"},
      {"a\nb", SCAN_CONTROL, "\n"},
      {"\x7f", SCAN_CONTROL, "\x7f"},
      {"buy [UNK]", SCAN_MARKER, "[UNK]"},
      {"run ##ning", SCAN_MARKER, "##"},
      {"slot:price", SCAN_MARKER, "slot:"},
      {"＃＃", SCAN_MARKER, "＃＃"},
      {"only {price}", SCAN_MARKER, "{price}"},
      {"\ufffd", SCAN_MARKER, "\ufffd"},
  };
  const promo_scan_request r = an_offer("us");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    promo_scan_found found[4];
    const size_t n = promo_scan(cases[i].copy, strlen(cases[i].copy), &r, found, 4);
    if (n == 0 || found[0].kind != cases[i].kind) fail_msg("\"%s\"", cases[i].copy);
    if (cases[i].found != NULL) check_scan(&r, cases[i].copy, cases[i].kind, cases[i].found);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(forms_of_the_terms),
      cmocka_unit_test(other_quantities),
      cmocka_unit_test(no_quantities),
      cmocka_unit_test(names_with_numbers),
      cmocka_unit_test(phrases),
      cmocka_unit_test(broken_text),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
