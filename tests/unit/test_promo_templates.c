// Templates: what is said for each type and language with which terms, that all of it is true, and templates of somebody else's.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "format/lexicon.h"
#include "format/promo_templates.h"
#include "format/utf8.h"
#include "lib/check.h"
#include "lib/promo_scan.h"

enum { ROOM = 6000, MANY = 200 };

static promo_terms all_terms(void) {
  promo_terms t = promo_terms_none();
  t.item = "Trail Runner 3";
  t.code = "SAVE20";
  t.price = 199;
  t.percent = 20;
  t.amount = 50;
  t.threshold = 300;
  t.month = 12, t.day = 31;
  return t;
}

// The terms without the slots that are not in `bits`.
static promo_terms some_terms(uint32_t bits) {
  promo_terms t = all_terms();
  if ((bits >> SLOT_ITEM & 1) == 0) t.item = NULL;
  if ((bits >> SLOT_CODE & 1) == 0) t.code = NULL;
  if ((bits >> SLOT_PRICE & 1) == 0) t.price = NAN;
  if ((bits >> SLOT_PERCENT & 1) == 0) t.percent = NAN;
  if ((bits >> SLOT_AMOUNT & 1) == 0) t.amount = NAN;
  if ((bits >> SLOT_THRESHOLD & 1) == 0) t.threshold = NAN;
  if ((bits >> SLOT_DATE & 1) == 0) t.month = t.day = 0;
  assert_int_equal(promo_terms_given(&t), bits);
  return t;
}

static void check_text(const char *type, promo_language l, uint32_t bits, size_t nth, const char *wanted) {
  const promo_terms t = some_terms(bits);
  const char *text = promo_template(type, l, bits, nth);
  char got[ROOM] = "(none)";
  if (text != NULL)
    promo_fill(text, &t, promo_market_named(l == LANGUAGE_ZH ? "cn" : "us"), l, got, sizeof got);
  if (strcmp(got, wanted) != 0)
    fail_msg("%s %x %zu: \"%s\" is not \"%s\"", type != NULL ? type : "NULL", bits, nth, got, wanted);
}

#define BIT(slot) (1u << SLOT_##slot)

static void test_texts(void **unused) {
  (void)unused;
  const uint32_t all = (1u << SLOT_COUNT) - 1, item = BIT(ITEM);
  check_text("discount", LANGUAGE_EN, all, 0,
             "Trail Runner 3: 20% off, now $199 until Dec 31 with code SAVE20.");
  check_text("discount", LANGUAGE_EN, item | BIT(PERCENT), 0, "Trail Runner 3: 20% off.");
  check_text("discount", LANGUAGE_EN, item | BIT(PRICE) | BIT(DATE), 0,
             "Trail Runner 3 is now $199 until Dec 31.");
  check_text("discount", LANGUAGE_EN, item, 0, "Trail Runner 3 is reduced.");
  check_text("discount", LANGUAGE_EN, item, 1, "Trail Runner 3: an offer for you.");
  check_text("discount", LANGUAGE_EN, item, 2, "Now reduced.");
  check_text("discount", LANGUAGE_EN, item, 5, "(none)");
  check_text("coupon", LANGUAGE_EN, all, 0,
             "A coupon for Trail Runner 3: $50 off orders over $300 until Dec 31 with code SAVE20.");
  check_text("sweepstake", LANGUAGE_EN, item | BIT(DATE), 0, "Trail Runner 3: on offer until Dec 31.");
  check_text(NULL, LANGUAGE_EN, 0, 0, "On offer.");
  check_text("", LANGUAGE_ZH, 0, 1, "有优惠等你来。");
  check_text("discount", LANGUAGE_ZH, all, 0,
             "Trail Runner 3，八折，现价￥199，12月31日截止，优惠码SAVE20。");
  check_text("discount", LANGUAGE_ZH, item | BIT(AMOUNT) | BIT(THRESHOLD), 0, "Trail Runner 3满300减50。");
  check_text("discount", LANGUAGE_ZH, item | BIT(AMOUNT), 0, "Trail Runner 3立减50。");
  check_text("free_shipping", LANGUAGE_ZH, BIT(THRESHOLD), 0, "满300即包邮。");
  check_text("flash_sale", LANGUAGE_ZH, item | BIT(PRICE), 0, "限时抢购，Trail Runner 3现价￥199。");
}

// A filled template: UTF-8, no mark left, nothing stated but terms, the threshold with its amount, and each room is respected.
static void check_filled(const char *template, const promo_terms *t, const promo_market *m,
                         promo_language l) {
  char text[ROOM], cut[ROOM];
  format_error e;
  const size_t n = promo_fill(template, t, m, l, text, sizeof text);
  assert_true(promo_template_check(template, &e));
  assert_true(n > 0 && n == strlen(text) && utf8_valid(text) && strpbrk(text, "[]{}") == NULL);
  promo_span spans[MANY];
  const size_t found = promo_find(text, n, t, m, l, spans, MANY);
  uint32_t said = 0;
  for (size_t i = 0; i < found; i++) {
    if (spans[i].slot < 0)
      fail_msg("%s: \"%s\" states %.*s", template, text, (int)(spans[i].end - spans[i].begin),
               text + spans[i].begin);
    said |= 1u << spans[i].slot;
  }
  promo_piece pieces[PROMO_MOST_PIECES];
  const size_t n_pieces = promo_template_pieces(template, promo_terms_given(t), pieces);
  uint32_t meant = 0;
  for (size_t i = 0; i < n_pieces; i++)
    if (pieces[i].slot >= 0) meant |= 1u << pieces[i].slot;
  assert_int_equal(said, meant);
  if ((said & BIT(AMOUNT)) != 0)
    assert_int_equal(said & BIT(THRESHOLD), promo_terms_given(t) & BIT(THRESHOLD));
  const uint32_t conditions = promo_terms_given(t) & (BIT(DATE) | BIT(CODE));
  if ((said & (BIT(PRICE) | BIT(PERCENT) | BIT(AMOUNT))) != 0)
    assert_int_equal(said & conditions, conditions);
  for (size_t room = 0; room <= n && m == promo_market_at(0); room += 7) {
    cut[room] = 'x';
    assert_int_equal(promo_fill(template, t, m, l, cut, room), n);
    assert_int_equal(cut[room], 'x');
    if (room > 0) assert_true(strlen(cut) < room && utf8_valid(cut) && strncmp(cut, text, strlen(cut)) == 0);
  }
}

// The default lexicon, which keeps quantities out too, lets the template through, and so does the scanner that shares nothing with either.
static void check_judges(const char *template, const promo_terms *t, const promo_market *m, promo_language l,
                         const lexicon *words) {
  char text[ROOM];
  promo_piece pieces[PROMO_MOST_PIECES];
  const size_t bytes = promo_fill(template, t, m, l, text, sizeof text);
  const size_t n = promo_template_pieces(template, promo_terms_given(t), pieces);
  lexicon_state s;
  lexicon_begin(&s);
  for (size_t i = 0; i < n; i++) {
    char term[PROMO_TERM_BYTES], why[400];
    const promo_slot slot = (promo_slot)pieces[i].slot;
    const size_t length = pieces[i].slot >= 0 ? promo_render(slot, t, m, l, term, sizeof term) : 0;
    const bool good = pieces[i].slot < 0 ? lexicon_step(words, &s, pieces[i].text, pieces[i].bytes)
                                         : lexicon_step_slot(words, &s, slot, term, length);
    if (good) continue;
    lexicon_reason(words, &s, why, sizeof why);
    fail_msg("%s: \"%s\" is refused at piece %zu, because %s", template, text, i, why);
  }
  assert_true(lexicon_may_end(words, &s));
  const promo_scan_request r = {.item = t->item,
                                .code = t->code,
                                .price = t->price,
                                .percent = t->percent,
                                .amount = t->amount,
                                .threshold = t->threshold,
                                .year = t->year,
                                .month = t->month,
                                .day = t->day,
                                .market = promo_market_name(m)};
  promo_scan_found f;
  if (promo_scan(text, bytes, &r, &f, 1) > 0)
    fail_msg("\"%s\": %s \"%.*s\"", text, promo_scan_name(f.kind), (int)(f.end - f.begin), text + f.begin);
}

// Names that numbers or units at either end could run into.
static void check_names(const char *template, const promo_terms *t, const promo_market *m, promo_language l,
                        const lexicon *words) {
  static const char *const names[] = {"Trail Runner 3", "小米十三", "一叶子面膜",
                                      "件套",           "days off", "Twenty One"};
  promo_terms named = *t;
  const bool all = t->item != NULL && (t->code == NULL) == (t->month == 0) && m == promo_market_at(0);
  for (size_t i = 0; i < (all ? sizeof names / sizeof *names : 1); i++) {
    if (t->item != NULL) named.item = names[i];
    check_judges(template, &named, m, l, words);
  }
}

// Every type, language and set of terms has templates with the item's name (if it is given) and without, each once.
static void check_type(const char *type, promo_language l, const lexicon *words) {
  for (uint32_t bits = 0; bits < 1u << SLOT_COUNT; bits++) {
    const promo_terms t = some_terms(bits);
    size_t named = 0, n = 0;
    const char *text, *seen[MANY];
    for (; (text = promo_template(type, l, bits, n)) != NULL; n++) {
      assert_true(n < MANY);
      seen[n] = text;
      for (size_t i = 0; i < n; i++) assert_string_not_equal(seen[i], text);
      const bool item = strstr(text, "[item]") != NULL;
      assert_true(!item || named == n); // those with the name come first
      named += item;
      for (size_t i = 0; promo_market_at(i) != NULL; i += bits % 8 == 7 ? 1 : 9) {
        check_filled(text, &t, promo_market_at(i), l);
        check_names(text, &t, promo_market_at(i), l, words);
      }
    }
    assert_int_equal(named > 0, bits & BIT(ITEM));
    assert_true(n > named);
  }
}

static void test_all(void **unused) {
  (void)unused;
  lexicon *words;
  format_error e;
  // What keeps quantities out, with the phrases that are banned by default in both languages.
  lexicon_text files[] = {{.name = "configs/lexicon-zh.txt"}, {.name = "configs/lexicon-en.txt"}};
  char *texts[2];
  for (size_t i = 0; i < 2; i++) {
    check_ok(file_read(files[i].name, 1 << 20, &texts[i], &files[i].bytes));
    files[i].text = texts[i];
  }
  if (!lexicon_compile(&words, files, 2, &e)) fail_msg("%s", e.message);
  for (size_t i = 0; i < 2; i++) free(texts[i]);
  for (int l = 0; l < LANGUAGE_COUNT; l++) {
    size_t i = 0;
    for (; promo_template_type(i) != NULL; i++) {
      check_type(promo_template_type(i), (promo_language)l, words);
      const char *own = promo_template(promo_template_type(i), (promo_language)l, BIT(ITEM), 0);
      assert_string_not_equal(own, promo_template("none such", (promo_language)l, BIT(ITEM), 0));
    }
    assert_int_equal(i, 6);
    check_type("none such", (promo_language)l, words);
  }
  lexicon_free(words);
}

static void test_own(void **unused) {
  (void)unused;
  static const char *const bad[] = {"",     "[itm] now",  "[item",         "item]", "{[item]",
                                    "a}",   "{{[item]}}", "[item{]}",      "[]",    "[[item]]",
                                    "a\nb", "\xff",       "[item]\xe4\xb8"};
  static const char *const good[] = {
      "plain", "[item]", "{[item]}!", "x{ y}z", "[price][price]", "{ [date]}{ [code]}.", "只要[price]"};
  format_error e;
  promo_piece pieces[PROMO_MOST_PIECES];
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (promo_template_check(bad[i], &e)) fail_msg("\"%s\" is taken", bad[i]);
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    if (!promo_template_check(good[i], &e)) fail_msg("\"%s\": %s", good[i], e.message);
  const uint32_t item = BIT(ITEM);
  assert_int_equal(promo_template_pieces("[item]{ until [date]}!{ x}", item, pieces),
                   3); // { x} needs nothing
  assert_true(pieces[0].slot == SLOT_ITEM && pieces[1].slot == -1 && pieces[1].bytes == 1);
  assert_int_equal(promo_template_pieces("[item] [date]", item, pieces), 0);
  assert_int_equal(promo_template_pieces("[amount] off", BIT(AMOUNT), pieces), 2);
  assert_int_equal(promo_template_pieces("[amount] off", BIT(AMOUNT) | BIT(THRESHOLD), pieces), 0);
  assert_int_equal(
      promo_template_pieces("[amount] off{ over [threshold]}", BIT(AMOUNT) | BIT(THRESHOLD), pieces), 4);
  char many[7 * PROMO_MOST_PIECES] = ""; // as many pieces as there may be, and one more
  for (int i = 0; i < PROMO_MOST_PIECES / 2; i++) strcat(many, "x[code]");
  assert_true(promo_template_check(many, &e));
  assert_int_equal(promo_template_pieces(many, BIT(CODE), pieces), PROMO_MOST_PIECES);
  strcat(many, "x");
  assert_false(promo_template_check(many, &e));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts), cmocka_unit_test(test_all),
                                     cmocka_unit_test(test_own)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
