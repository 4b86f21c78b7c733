// Terms and quantities in copy: the forms of each term, what is no term, what is rendered is found, and a data set of real copy.
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "format/promo_terms.h"
#include "lib/check.h"

enum { ROOM = 4000, MOST = 64 };

static promo_terms some_terms(void) {
  promo_terms t = promo_terms_none();
  t.item = "Trail Runner 3";
  t.code = "SAVE20";
  t.price = 199;
  t.percent = 20;
  t.amount = 50;
  t.threshold = 300;
  t.year = 2026, t.month = 12, t.day = 31;
  return t;
}

// `wanted` is the text with <slot:...> around each term, [...] around each other quantity and {...} around articles.
static void check_found(const char *market, promo_language l, const promo_terms *t, const char *wanted) {
  char text[ROOM], got[ROOM];
  size_t bytes = 0, used = 0, at = 0;
  for (const char *c = wanted; *c != '\0'; c++) {
    if (*c == '<')
      c = strchr(c, ':');
    else if (strchr("[]{}>", *c) == NULL)
      text[bytes++] = *c;
  }
  promo_span spans[MOST];
  const size_t n = promo_find(text, bytes, t, promo_market_named(market), l, spans, MOST);
  for (size_t i = 0; i <= n; i++) {
    const size_t to = i < n ? spans[i].begin : bytes;
    memcpy(got + used, text + at, to - at);
    used += to - at;
    if (i == n) break;
    const int32_t s = spans[i].slot;
    used += (size_t)sprintf(got + used,
                            s >= 0                ? "<%s:"
                            : s == PROMO_QUANTITY ? "["
                                                  : "{",
                            s >= 0 ? promo_slot_names[s] : "");
    memcpy(got + used, text + spans[i].begin, spans[i].end - spans[i].begin);
    used += spans[i].end - spans[i].begin;
    got[used++] = s >= 0 ? '>' : s == PROMO_QUANTITY ? ']' : '}';
    at = spans[i].end;
  }
  got[used] = '\0';
  if (strcmp(got, wanted) != 0)
    fail_msg("%s %s: \"%s\" is not \"%s\"", market, promo_language_names[l], got, wanted);
}

static void zh(const char *wanted) {
  const promo_terms t = some_terms();
  check_found("cn", LANGUAGE_ZH, &t, wanted);
}

static void en(const char *wanted) {
  const promo_terms t = some_terms();
  check_found("us", LANGUAGE_EN, &t, wanted);
}

static void test_money(void **unused) {
  (void)unused;
  zh("只要<price:199元>，<price:￥199>，<price:¥ "
     "199.00>，<price:１９９元>，<price:一百九十九元>，<price:199块钱>，<price:RMB 199>，<price:199>");
  zh("[199.50]，[$199]，[199件]，[199]d，原价[199元]，原价[399]，<price:￥199元>，<price:壹佰玖拾玖元>，["
     "1990元]");
  zh("满<threshold:300>减<amount:50>，满<threshold:300>元减<amount:50>元，每满<threshold:￥300>立减<amount:"
     "￥50>，满<threshold:三百>减<amount:五十>");
  zh("满<threshold:300>包邮，<price:199>秒杀，<price:199>只限今天，[300包]纸，满<threshold:300>本店送礼");
  zh("省<amount:50>，<amount:50>元优惠券，优惠[300]，满[199]，<threshold:300>元以上，减<amount:50>块");
  en("only <price:$199>, <price:$199.00>, <price:199 dollars>, <price:one hundred ninety-nine dollars>, "
     "<price:USD 199>");
  en("was [$199], [199 yuan], [￥199], [€199], [199 pieces], SKU[199], [199]x, <price:１９９>");
  en("spend <threshold:$300>, save <amount:$50>: <amount:$50> off orders over <threshold:$300>; "
     "<threshold:$300> or more");
  en("<amount:fifty dollars> off, <amount:50> off, save [300], over [199], <amount:$50> coupon");
  promo_terms t = some_terms();
  check_found("gb", LANGUAGE_EN, &t, "<price:£199>, <price:199 pounds>, [$199], [199 €], <price:199 quid>");
  check_found("eu", LANGUAGE_EN, &t,
              "<price:199 €>, <price:199,00 €>, <price:€199>, ab <price:199 EUR>, [1.990 €]");
  check_found("us", LANGUAGE_ZH, &t, "满<threshold:300美元>减<amount:50美元>，<price:$199>，[199元]");
  check_found("jp", LANGUAGE_ZH, &t, "<price:199日元>，<price:￥199>，[199元]，<price:199円>");
  t.price = 1299.5;
  check_found("eu", LANGUAGE_EN, &t, "<price:1.299,50 €> <price:€1299,50> <price:1,299.50 €>, [1.299 €]");
  check_found("us", LANGUAGE_EN, &t, "<price:$1,299.50> <price:1299.5> [$1,299]");
  t.price = t.amount = t.threshold = 100; // worth the same
  check_found("us", LANGUAGE_EN, &t, "<price:$100>: <amount:$100> off over <threshold:$100>");
  check_found("cn", LANGUAGE_ZH, &t, "<price:￥100>，满<threshold:100>减<amount:100>");
}

static void test_percents(void **unused) {
  (void)unused;
  zh("打<percent:8折>，<percent:八折>，<percent:8.0折>，<percent:80折>，[85折]，[八五折]，<percent:８折>，<"
     "percent:捌折>");
  zh("<percent:20%优惠>，<percent:立减20%>，<percent:优惠 20%>，[20%]棉，第[二件][8折]，<percent:20% "
     "off>，减[20]");
  en("<percent:20% off>, <percent:20 percent off>, <percent:twenty percent off>, <percent:save 20%>, "
     "<percent:SAVE 20% OFF>");
  en("<percent:a 20% discount>, <percent:20% less>, <percent:-20%>, [20%] cotton, [20%], <percent:8折>, "
     "[30%] off, x-[20%]");
  promo_terms t = some_terms();
  t.percent = 50;
  check_found("cn", LANGUAGE_ZH, &t,
              "<percent:半价> <percent:五折> <percent:打对折> 第[二件][半价] <percent:直降50%>");
  check_found("us", LANGUAGE_EN, &t,
              "<percent:half price> <percent:Half off> <percent:50% off> [half an hour]");
  t.percent = 15;
  check_found("cn", LANGUAGE_ZH, &t,
              "<percent:八五折> <percent:85折> <percent:8.5折> <percent:八点五折> [8折] [五折]");
  t.percent = 12.5;
  check_found("cn", LANGUAGE_ZH, &t, "<percent:8.75折> <percent:87.5折> <percent:八七五折>");
  t.percent = 33.33;
  check_found("eu", LANGUAGE_EN, &t, "<percent:33,33% off> <percent:33.33% off> [33%] off");
}

static void test_dates(void **unused) {
  (void)unused;
  zh("<date:12月31日>，<date:十二月三十一日>，<date:12月31号>，<date:2026年12月31日>，[2025年][12月][31日]，["
     "12月][30日]");
  zh("<date:12-31>，<date:12/31>，<date:2026-12-31>，<date:2026.12.31>，截至<date:12.31>，[31]/"
     "[12]，<date:１２月３１日>");
  en("<date:Dec 31>, <date:Dec. 31>, <date:December 31st>, <date:31 Dec>, <date:the 31st of December>, "
     "<date:dec 31, 2026>, Dec [31] [2025]");
  en("<date:12/31>, <date:12/31/26>, <date:12/31/2026>, [31]/[12], <date:2026-12-31>, <date:31 Dec. 2026>, "
     "December [3], <date:Dec 31>.");
  promo_terms t = some_terms();
  check_found("gb", LANGUAGE_EN, &t, "<date:31 Dec 2026>, <date:31/12/2026>, <date:31/12>, [12]/[31]");
  check_found("eu", LANGUAGE_EN, &t,
              "<date:31.12.>, <date:31.12.2026>, <date:31.12.26>, [31.12.25], [12]/[31], <date:31/12>");
  t.year = 0; // what copy says beyond the term is a quantity
  check_found("us", LANGUAGE_EN, &t, "<date:Dec 31>, [2026]; [12]/[31]/[26]");
  check_found("cn", LANGUAGE_ZH, &t, "[2026年]<date:12月31日>");
  t.month = 9, t.day = 5;
  check_found("us", LANGUAGE_EN, &t,
              "<date:Sept. 5>, <date:5th September>, <date:9/5>, <date:09/05>, [9]/[15], Sept [55]");
  check_found("eu", LANGUAGE_EN, &t, "<date:5.9.> <date:05.09.> [9.5]");
  check_found("cn", LANGUAGE_ZH, &t, "<date:9月5日> <date:09月05日> <date:九月五日> [9月][15日]");
}

static void test_names(void **unused) {
  (void)unused;
  zh("<item:trail runner 3>{一款}，<item:TRAIL RUNNER 3>，code <code:save20>，SAVE[200]，<item:Ｔｒａｉｌ "
     "Runner ３>，{一件}");
  en("Trail Runner [30], xTrail Runner [3], <item:Trail Runner 3>: [3 pairs], [twenty days]");
  promo_terms t = promo_terms_none();
  t.item = "新款连衣裙";
  check_found("cn", LANGUAGE_ZH, &t, "这<item:新款连衣裙>真好，[199元]，[8折]，[12月][31日]");
  t.item = "三件套"; // longest first, and a name may have numbers
  check_found("cn", LANGUAGE_ZH, &t, "<item:三件套>，[三件]衣");
  t.item = "a";
  check_found("us", LANGUAGE_EN, &t, "a [3]");
}

// What is written is found: each market, language, and term, alone and between words.
static void check_round(const promo_market *m, promo_language l, promo_slot s, const promo_terms *t) {
  static const char *const around[][2] = {
      {"", ""}, {": ", "!"}, {"，", "。"}, {"限时", "起"}, {"until ", ", "}};
  char term[PROMO_TERM_BYTES], text[PROMO_TERM_BYTES + 32];
  const size_t n = promo_render(s, t, m, l, term, sizeof term);
  if ((promo_terms_given(t) >> s & 1) == 0) return;
  assert_true(n > 0);
  for (size_t i = 0; i < sizeof around / sizeof *around; i++) {
    promo_span spans[4];
    const size_t bytes = (size_t)snprintf(text, sizeof text, "%s%s%s", around[i][0], term, around[i][1]);
    const size_t found = promo_find(text, bytes, t, m, l, spans, 4), before = strlen(around[i][0]);
    if (found != 1 || spans[0].slot != (int32_t)s || spans[0].begin != before || spans[0].end != before + n)
      fail_msg("%s %s: \"%s\": %zu spans, %zu to %zu of slot %d", promo_market_name(m),
               promo_language_names[l], text, found, spans[0].begin, spans[0].end, spans[0].slot);
  }
}

static void test_round_trip(void **unused) {
  (void)unused;
  static const double values[] = {0.01, 0.5, 1,     5,   9.9,  12.5,   20,        33.33, 50, 66.67,
                                  80,   95,  99.99, 199, 1000, 1299.5, 123456.78, 1e6,   1e9};
  for (size_t i = 0; promo_market_at(i) != NULL; i++)
    for (int l = 0; l < LANGUAGE_COUNT; l++) {
      promo_terms t = promo_terms_none();
      for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
        double *const of[] = {&t.price, &t.amount, &t.threshold, &t.percent};
        static const promo_slot slots[] = {SLOT_PRICE, SLOT_AMOUNT, SLOT_THRESHOLD, SLOT_PERCENT};
        for (size_t s = 0; s < 4; s++) {
          *of[s] = values[k];
          check_round(promo_market_at(i), (promo_language)l, slots[s], &t);
          *of[s] = NAN;
        }
      }
      for (int year = 0; year < 2; year++)
        for (int day = 0; day < 366; day++) {
          t.year = year * 2028;
          t.month = day / 31 % 12 + 1;
          t.day = day % 31 + 1;
          check_round(promo_market_at(i), (promo_language)l, SLOT_DATE, &t);
        }
      t = some_terms();
      check_round(promo_market_at(i), (promo_language)l, SLOT_ITEM, &t);
      check_round(promo_market_at(i), (promo_language)l, SLOT_CODE, &t);
    }
}

static void test_room(void **unused) {
  (void)unused;
  const promo_terms t = some_terms();
  static const char text[] = "1 2 3 4 5";
  promo_span spans[3] = {{.slot = 77}, {.slot = 77}, {.slot = 77}};
  assert_int_equal(promo_find(text, strlen(text), &t, NULL, LANGUAGE_EN, spans, 2), 5);
  assert_true(spans[1].begin == 2 && spans[1].end == 3 && spans[2].slot == 77);
  assert_int_equal(promo_find(text, strlen(text), &t, NULL, LANGUAGE_EN, NULL, 0), 5);
  assert_int_equal(promo_find("", 0, &t, NULL, LANGUAGE_EN, NULL, 0), 0);
}

// Copy that people wrote for clothes: how much of it is taken for a quantity. All 138 quantities were looked at: 9 count nothing (零星,
// 四周, 万种风情, 半月, 半部分, 半圆) and 6 are figures of speech (加倍, 翻倍). Of 60 articles drawn by chance all are what "a" is in English.
static void test_real_copy(void **unused) {
  (void)unused;
  const char *shared = getenv("SOUK_SHARED");
  char path[ROOM];
  snprintf(path, sizeof path, "%s/data/advertisegen/dev.jsonl", shared != NULL ? shared : "../shared");
  FILE *const f = fopen(path, "r");
  if (f == NULL) {
    print_message("%s is not there\n", path);
    skip();
  }
  static char line[1 << 16];
  const promo_terms none = promo_terms_none();
  size_t texts = 0, quantities = 0, articles = 0;
  while (fgets(line, sizeof line, f) != NULL) {
    json_t *const j = json_loads(line, 0, NULL);
    const char *const copy = json_string_value(json_object_get(j, "summary"));
    assert_non_null(copy);
    promo_span spans[MOST];
    const size_t n =
        promo_find(copy, strlen(copy), &none, promo_market_named("cn"), LANGUAGE_ZH, spans, MOST);
    assert_true(n <= MOST);
    texts++;
    for (size_t i = 0; i < n; i++) {
      assert_true(spans[i].slot < 0);
      articles += spans[i].slot == PROMO_ARTICLE;
      quantities += spans[i].slot == PROMO_QUANTITY;
    }
    json_decref(j);
  }
  fclose(f);
  assert_int_equal(texts, 1070);
  assert_int_equal(quantities, 138);
  assert_int_equal(articles, 385);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_money),     cmocka_unit_test(test_percents),   cmocka_unit_test(test_dates),
      cmocka_unit_test(test_names),     cmocka_unit_test(test_round_trip), cmocka_unit_test(test_room),
      cmocka_unit_test(test_real_copy),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
