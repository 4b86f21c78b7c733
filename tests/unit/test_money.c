// Prices in the spellings of catalogues, and the account of those that cannot be read.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "prepare/price_notes.h"
#include "lib/check.h"

static void expect(const char *text, double value, unsigned guesses) {
  money m;
  const char *why = "";
  if (!money_parse(text, strlen(text), &m, &why)) fail_msg("\"%s\" is not read: %s", text, why);
  if (!(fabs(m.value - value) == 0) || m.guesses != guesses)
    fail_msg("\"%s\" is read as %.17g with guesses %u, not %.17g with %u", text, m.value, m.guesses, value,
             guesses);
}

static void expect_none(const char *text, const char *reason) {
  money m;
  const char *why = NULL;
  if (money_parse(text, strlen(text), &m, &why)) fail_msg("\"%s\" is read as %g", text, m.value);
  if (why == NULL || strstr(why, reason) == NULL)
    fail_msg("\"%s\" is refused for \"%s\", not \"%s\"", text, why != NULL ? why : "(none)", reason);
}

static void test_amounts(void **unused) {
  (void)unused;
  static const char *const four_fifty[] = {
      "4.50",    "$4.50",  " $4.50 ", "$ 4.5",  "US$4.50",       "4.50 USD", "USD 4.50",
      "usd4.50", "4.50$",  "£4.50",   "￥4.50", "4.50元",        "Rs. 4.50", "4.50 kr",
      "+4.50",   "450e-2", "0.45E1",  "4.5e+0", "\xC2\xA0$4.50", "04.50",    "4.50 euros"};
  for (size_t i = 0; i < sizeof four_fifty / sizeof *four_fifty; i++) expect(four_fifty[i], 4.5, 0);
  expect("99元", 99, 0);
  expect("kr 199,-", 199, 0);
  expect("199:-", 199, 0);
  expect("CHF 1'290.–", 1290, 0);
  expect("199,- kr", 199, 0);
  expect("US $4.50", 4.5, 0);
  expect("￥99", 99, 0);
  expect("12 EUR", 12, 0);
  expect("0", 0, 0);
  expect(".5", 0.5, 0);
  expect("5.", 5, 0);
  expect("-$3.25", -3.25, 0);
  expect("$-3.25", -3.25, 0);
  expect("19.99", 19.99, 0);
  expect("19.989999999999998", 19.989999999999998, 0);
  expect("1e300", 1e300, 0);
  expect("12345678.125", 12345678.125, 0);
  expect("0.125", 0.125, 0);
}

static void test_points_and_commas(void **unused) {
  (void)unused;
  expect("1,234.56", 1234.56, 0);
  expect("1.234,56", 1234.56, 0);
  expect("1 234,56", 1234.56, 0);
  expect("1\xC2\xA0"
         "234,56 €",
         1234.56, 0);
  expect("1'234.50", 1234.5, 0);
  expect("1,23,456.78", 123456.78, 0); // India
  expect("1,234,567", 1234567, 0);
  expect("1.234.567", 1234567, 0);
  expect("12 345", 12345, 0);
  expect("€4,50", 4.5, MONEY_DECIMAL_COMMA);
  expect("4,5", 4.5, MONEY_DECIMAL_COMMA);
  expect("1234,567", 1234.567, MONEY_DECIMAL_COMMA);
  expect("0,125", 0.125, MONEY_DECIMAL_COMMA);
  expect("$1,234", 1234, MONEY_GROUP_COMMA);
  expect("1.234", 1.234, MONEY_POINT);
  static const char *const bad[] = {"1,23,45",   "1.2.3",      "1,2,3",    "1,234.567,8",
                                    "12,34.5,6", "1234,567.8", "1.234.56", "1'23"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) expect_none(bad[i], "do not fit together");
}

static void test_ranges(void **unused) {
  (void)unused;
  static const char *const three[] = {
      "$3.00 - $9.99", "3-9",     "3.00 – 9.99",         "$3 to $9", "3 ~ 9 元", "from $3", "From 3 EUR",
      "3元起",         "$9 - $3", "3.00 \xE2\x80\x94 9", "3+"};
  for (size_t i = 0; i < sizeof three / sizeof *three; i++) expect(three[i], 3, MONEY_LOWER_END);
  expect("€4,50 - €9,00", 4.5, MONEY_LOWER_END | MONEY_DECIMAL_COMMA);
}

static void test_what_is_no_price(void **unused) {
  (void)unused;
  static const char *const none[] = {"",  " ",  "N/A", "n/a",  "NULL", "null",     "None", "NaN",   "nan",
                                     "-", "--", "\\N", "#N/A", "<NA>", "Infinity", "-inf", " null "};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
    expect_none(none[i], "another word for none");
    assert_true(value_missing(none[i], strlen(none[i])));
  }
  static const char *const text[] = {"cheap", "Free",  "$",      "5 items", "5 x",
                                     "USD",   "1.5x",  "$4.50!", "4 50",    "0x10",
                                     ".",     "1_000", "nano",   "12%",     ".cls_1 {fill: red}",
                                     "$3 - ", "- -",   "1e",     "\xFF"};
  for (size_t i = 0; i < sizeof text / sizeof *text; i++) expect_none(text[i], "price: ");
  expect_none("1e999", "out of range");
  expect_none("12345678901234567890123456789012345678901", "too many digits");
  assert_false(value_missing("0", 1) || value_missing("nano", 4));
}

// Amounts of cents in four national forms come back exactly.
static void test_random_amounts(void **unused) {
  (void)unused;
  rng r = rng_at(7, STREAM_SYNTH, 1, 0);
  for (int i = 0; i < 20000; i++) {
    const int64_t cents = (int64_t)rng_below(&r, i % 2 == 0 ? 100000 : 10000000000);
    const char point = i % 4 < 2 ? '.' : ',';
    const char group = i % 4 == 0 ? ',' : i % 4 == 1 ? '\'' : i % 4 == 2 ? '.' : ' ';
    char whole[32], text[64];
    snprintf(whole, sizeof whole, "%lld", (long long)(cents / 100));
    size_t n = 0;
    for (size_t k = 0, all = strlen(whole); k < all; k++) {
      if (k > 0 && (all - k) % 3 == 0) text[n++] = group;
      text[n++] = whole[k];
    }
    snprintf(text + n, sizeof text - n, "%c%02d", point, (int)(cents % 100));
    char plain[40];
    snprintf(plain, sizeof plain, "%s.%02d", whole, (int)(cents % 100));
    expect(text, strtod(plain, NULL), point == ',' && cents < 100000 ? MONEY_DECIMAL_COMMA : 0);
  }
}

static void take(price_notes *notes, const char *text, int64_t line) {
  double price;
  price_take(notes, text, strlen(text), line, &price);
}

static void test_the_account(void **unused) {
  (void)unused;
  static price_notes all, a, b;
  const char *const texts[] = {"$4.50", "cheap",   "€4,50", "N/A", "3-9",  "€5,25",
                               "2.125", "cheaper", "$1",    "7",   "dear", "no"};
  for (int i = 0; i < 12; i++) {
    take(&all, texts[i], i + 1);
    take(i < 5 ? &a : &b, texts[i], i + 1);
  }
  price_notes_merge(&a, &b);
  assert_memory_equal(&a.unknown, &all.unknown, sizeof all.unknown);
  assert_memory_equal(&a.guessed, &all.guessed, sizeof all.guessed);
  assert_int_equal(a.known, 7);
  assert_int_equal(a.unknown.rejected, 5);
  assert_int_equal(a.unknown.n, 2);
  assert_int_equal(a.unknown.reasons[0].count, 4); // three of them with text
  assert_string_equal(a.unknown.reasons[0].excerpts[2], "dear");
  assert_int_equal(a.unknown.reasons[0].lines[2], 11);
  assert_int_equal(a.n_currencies, 2);
  assert_int_equal(a.currencies[0].count, 2);
  assert_string_equal(a.currencies[1].text, "€");
  assert_int_equal(a.currencies[1].line, 3);
  price_notes_finish(&a); // "2.125" is doubtful beside "4,50"
  assert_int_equal(a.guessed.n, 3);
  static price_notes c;
  take(&c, "2.125", 1);
  take(&c, "3-9", 2);
  price_notes_finish(&c); // and is not without
  assert_int_equal(c.guessed.n, 1);
  assert_int_equal(c.guessed.rejected, 1);
}

// More reasons than fit are counted together, under a name that says so.
static void test_many_reasons(void **unused) {
  (void)unused;
  static reject_list list;
  static char names[MAX_REASONS + 9][8];
  for (int i = 0; i < MAX_REASONS + 9; i++) {
    snprintf(names[i], sizeof names[i], "r%d", i);
    reject_add(&list, names[i], i, "x", 1);
  }
  assert_int_equal(list.n, MAX_REASONS);
  assert_string_equal(list.reasons[MAX_REASONS - 1].text, "other reasons");
  assert_int_equal(list.reasons[MAX_REASONS - 1].count, 10);
  char text[300];
  memset(text, 'a', sizeof text);
  memcpy(text + SAMPLE_TEXT - 2, "€", 3);
  reject_list one = {.n = 0};
  reject_add(&one, "r", 1, text, sizeof text); // cut in front of the character that does not fit
  assert_int_equal(strlen(one.reasons[0].excerpts[0]), SAMPLE_TEXT - 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_amounts),        cmocka_unit_test(test_points_and_commas),
      cmocka_unit_test(test_ranges),         cmocka_unit_test(test_what_is_no_price),
      cmocka_unit_test(test_random_amounts), cmocka_unit_test(test_the_account),
      cmocka_unit_test(test_many_reasons),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
