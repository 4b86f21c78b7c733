// The JSON reader. Numbers are read while the C library's strtod goes by a locale with a decimal comma.
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "format/jtree.h"
#include "lib/check.h"

// Parses a copy without a NUL behind it, so that a read past the end is one past an allocation.
static bool parse(jtree *t, const char *text, size_t bytes) {
  static char *copy;
  free(copy);
  copy = malloc(bytes > 0 ? bytes : 1);
  assert_non_null(copy);
  memcpy(copy, text, bytes);
  return jtree_parse(t, copy, bytes);
}

static void values(void **state) {
  (void)state;
  static const char text[] =
      " {\"a\": [1, -2.5e1, \"x\\u00e9\\ud83d\\ude00\\n\", true, false, null, {}, []],\n"
      "  \"\": {\"b\": \"\\\"\\\\\\/\\b\\f\\r\\t\"}, \"c\": 9223372036854775807 } ";
  jtree t = {0};
  assert_true(parse(&t, text, sizeof text - 1));
  const jnode *root = t.nodes, *a = jtree_get(&t, root, "a");
  assert_int_equal(root->kind, J_OBJECT);
  assert_int_equal(root->count, 3);
  assert_int_equal(a->count, 8);
  const jnode *n = jtree_first(&t, a);
  assert_true(n->is_integer && n->integer == 1);
  n = jtree_next(&t, n);
  assert_true(!n->is_integer && fabs(n->number + 25.0) < 1e-12);
  assert_memory_equal(n->text, "-2.5e1", n->bytes);
  n = jtree_next(&t, n);
  assert_string_equal(n->text, "x\xc3\xa9\xf0\x9f\x98\x80\n");
  static const jkind kinds[] = {J_TRUE, J_FALSE, J_NULL, J_OBJECT, J_ARRAY};
  for (size_t i = 0; i < 5; i++) {
    n = jtree_next(&t, n);
    assert_int_equal(n->kind, kinds[i]);
  }
  assert_null(jtree_next(&t, n));
  assert_string_equal(jtree_get(&t, jtree_get(&t, root, ""), "b")->text, "\"\\/\b\f\r\t");
  assert_true(jtree_get(&t, root, "c")->integer == INT64_MAX);
  assert_null(jtree_get(&t, root, "d"));
  assert_null(jtree_get(&t, a, "d"));
  assert_null(jtree_get(&t, NULL, "d"));
  jtree_free(&t);
}

// The program's own strtod, of which the reader is a user like any other: as in a German or French locale, whether or not
// this machine has one.
double strtod(const char *restrict text, char **restrict end) {
  static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "es_ES.UTF-8"};
  static char copy[4096];
  char *stop;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const locale_t comma = newlocale(LC_ALL_MASK, names[i], (locale_t)0);
    if (comma == (locale_t)0) continue;
    const double x = strtod_l(text, end, comma);
    freelocale(comma);
    return x;
  }
  snprintf(copy, sizeof copy, "%.*s", (int)strcspn(text, "."), text);
  char *point = strchr(copy, ',');
  if (point != NULL) *point = '.';
  const double x = strtod_l(copy, &stop, newlocale(LC_ALL_MASK, "C", (locale_t)0));
  if (end != NULL) *end = (char *)(uintptr_t)text + (stop - copy);
  return x;
}

static void locale_has_a_comma(void **state) {
  (void)state;
  char *end;
  assert_true(strtod("1,5", &end) == 1.5 && *end == '\0');
  assert_true(strtod("1.5", &end) == 1.0 && *end == '.');
}

// The double that the C library finds in the C locale, for a number without a sign.
static double wanted(const char *text) {
  return strtod_l(text, NULL, newlocale(LC_ALL_MASK, "C", (locale_t)0));
}

static void check_number(jtree *t, const char *text) {
  const double want = wanted(text);
  if (!parse(t, text, strlen(text))) {
    if (!isinf(want)) fail_msg("%.80s: %s", text, t->why);
  } else if (memcmp(&t->nodes->number, &want, sizeof want) != 0) {
    fail_msg("%.80s became %.17g, not %.17g", text, t->nodes->number, want);
  }
}

static void integers(void **state) {
  (void)state;
  static const struct {
    const char *text;
    bool is_integer;
    int64_t value;
  } cases[] = {{"0", true, 0},
               {"-0", true, 0},
               {"9223372036854775807", true, INT64_MAX},
               {"-9223372036854775807", true, -INT64_MAX},
               {"-9223372036854775808", true, INT64_MIN},
               {"9007199254740993", true, 9007199254740993},
               {"9223372036854775808", false, 0},
               {"-9223372036854775809", false, 0},
               {"18446744073709551616", false, 0},
               {"1e0", false, 0},
               {"1.0", false, 0}};
  jtree t = {0};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *text = cases[i].text;
    assert_true(parse(&t, text, strlen(text)));
    if (t.nodes->is_integer != cases[i].is_integer || t.nodes->integer != cases[i].value)
      fail_msg("%s became %lld", text, (long long)t.nodes->integer);
    check_number(&t, text);
  }
  jtree_free(&t);
}

static void numbers(void **state) {
  (void)state;
  static const char *const good[] = {"9007199254740993",
                                     "9007199254740993.0",
                                     "9007199254740992.99999999999999999999",
                                     "9007199254740993.000000000000000000000000000000000000001",
                                     "123456789012345678901234567890",
                                     "1e22",
                                     "1e23",
                                     "8.5e22",
                                     "8.41e21",
                                     "1e-12",
                                     "14.285714285714286",
                                     "9.9999999999999998e-13",
                                     "0.1",
                                     "0.30000000000000004",
                                     "179769313486231570000000000000e279",
                                     "1.7976931348623157e308",
                                     "1.7976931348623158e308",
                                     "2.2250738585072014e-308",
                                     "2.2250738585072011e-308",
                                     "2.2250738585072012e-308",
                                     "4.9406564584124654e-324",
                                     "2.4703282292062328e-324",
                                     "2.4703282292062327e-324",
                                     "1e-323",
                                     "1e-400",
                                     "0e999999999999999999999",
                                     "1e-999999999999999999999",
                                     "0.00000000000000000000000000000000000000000000000001",
                                     "100000000000000000000000000000000000000000e-40",
                                     "0.000000000000000000001e21",
                                     "6.02214076e23",
                                     "-0"};
  jtree t = {0};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) check_number(&t, good[i]);
  static const char *const bad[] = {"01",  "-",    "+1",    "1.",           ".5",  "1e",
                                    "1e+", "0x10", "1e309", "-1e999999999", "NaN", "Infinity",
                                    "- 1", "1..2", "1e5.5", "--1",          "1,5", "1.7976931348623159e308"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (parse(&t, bad[i], strlen(bad[i]))) fail_msg("%s was taken", bad[i]);
  jtree_free(&t);
}

// Every kind of double, written with few and with many digits.
static void nearest_doubles(void **state) {
  (void)state;
  jtree t = {0};
  char text[64];
  for (uint32_t i = 0; i < 20000; i++) {
    rng r = rng_at(13, 2, i, 0);
    uint64_t bits = rng_below(&r, UINT64_C(1) << 63);
    if (i % 4 == 0) bits >>= 11; // below the normal numbers
    double x;
    memcpy(&x, &bits, sizeof x);
    if (!isfinite(x)) continue;
    snprintf(text, sizeof text, "%.*e", (int)rng_below(&r, 30), x);
    check_number(&t, text);
    snprintf(text, sizeof text, "%llu.%llu", (unsigned long long)(bits >> rng_below(&r, 60)),
             (unsigned long long)rng_below(&r, 1 << 30));
    check_number(&t, text);
  }
  jtree_free(&t);
}

// The number halfway between two doubles, of up to 767 digits, goes to the even one, and a digit more, far behind, to the
// upper one.
static void halfway(void **state) {
  (void)state;
  jtree t = {0};
  static char text[2600];
  for (uint32_t i = 0; i < 600; i++) {
    rng r = rng_at(17, 2, i, 0);
    uint64_t bits = rng_below(&r, UINT64_C(0x7fe) << 52);
    if (i % 3 == 0) bits >>= 11;
    double low, high;
    memcpy(&low, &bits, sizeof low);
    bits++;
    memcpy(&high, &bits, sizeof high);
    snprintf(text, sizeof text, "%.800Le",
             ((long double)low + high) / 2); // exact: a long double has the bits
    char *e = strchr(text, 'e'), exponent[16];
    snprintf(exponent, sizeof exponent, "%s", e);
    check_number(&t, text);
    snprintf(e, 1100, "%01000d%s", 1, exponent);
    check_number(&t, text);
    assert_true(t.nodes->number == high);
    snprintf(e, 1100, "%01000d%s", 0, exponent);
    check_number(&t, text);
  }
  jtree_free(&t);
}

static void refusals(void **state) {
  (void)state;
  static const struct {
    const char *text, *why;
  } cases[] = {{"", "too early"},
               {"  ", "too early"},
               {"{", "key"},
               {"[", "too early"},
               {"[1", "',' or ']'"},
               {"[1,]", "value is expected"},
               {"[,1]", "value is expected"},
               {"{\"a\":1,}", "key in quotes"},
               {"{\"a\" 1}", "':'"},
               {"{a:1}", "key in quotes"},
               {"{\"a\":1 \"b\":2}", "',' or '}'"},
               {"[1}", "',' or ']'"},
               {"1 2", "follows"},
               {"{} x", "follows"},
               {"tru", "value"},
               {"nulL", "value"},
               {"'a'", "value"},
               {"\"a", "does not end"},
               {"\"a\\", "does not end"},
               {"\"\\x\"", "escape"},
               {"\"\\u12g4\"", "hexadecimal"},
               {"\"\\u12", "cut short"},
               {"\"\\ud800\"", "surrogate"},
               {"\"\\ud800\\n\"", "surrogate"},
               {"\"\\ud800\\u0041\"", "surrogate"},
               {"\"\\udc00\"", "surrogate"},
               {"\"\\u0000\"", "NUL"},
               {"\"a\nb\"", "control"},
               {"\"\x80\"", "UTF-8"},
               {"\"\xc0\xaf\"", "UTF-8"},
               {"\"\xe0\x80\xaf\"", "UTF-8"},
               {"\"\xed\xa0\x80\"", "UTF-8"},
               {"\"\xf4\x90\x80\x80\"", "UTF-8"},
               {"\"\xe2\x82", "UTF-8"},
               {"\xef\xbb\xbf{}", "value"},
               {"{\"a\":1,\"b\":2,\"a\":3}", "\"a\" appears twice"},
               {"{\"\\u0061\":1,\"a\":3}", "\"a\" appears twice"},
               {"[1] // c", "follows"}};
  jtree t = {0};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    if (parse(&t, cases[i].text, strlen(cases[i].text))) fail_msg("%s was taken", cases[i].text);
    if (strstr(t.why, cases[i].why) == NULL)
      fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].text, t.why, cases[i].why);
  }
  assert_false(parse(&t, "{\n\"a\":\n x}", 10));
  assert_int_equal(t.line, 3);
  const char nul[] = "\"a\0b\"";
  assert_false(parse(&t, nul, sizeof nul - 1));
  jtree_free(&t);
}

static void depth(void **state) {
  (void)state;
  jtree t = {0};
  char text[4096];
  memset(text, '[', JTREE_DEPTH);
  memset(text + JTREE_DEPTH, ']', JTREE_DEPTH);
  assert_true(parse(&t, text, 2 * JTREE_DEPTH));
  memset(text, '[', JTREE_DEPTH + 1);
  memset(text + JTREE_DEPTH + 1, ']', JTREE_DEPTH + 1);
  assert_false(parse(&t, text, 2 * JTREE_DEPTH + 2));
  assert_non_null(strstr(t.why, "nested too deeply"));
  const size_t deep = 1 << 22; // no stack is large enough for a level a byte
  char *huge = malloc(deep);
  assert_non_null(huge);
  memset(huge, '[', deep);
  assert_false(jtree_parse(&t, huge, deep));
  free(huge);
  jtree_free(&t);
}

// What the elements of {"a": [...], "b": ..., "c": [...]} were, and how many nodes the tree had at most.
typedef struct given {
  char texts[256];
  int64_t n, stop_at;
  int32_t most;
} given;

static bool take_element(void *arg, const jtree *t, const char *key, const jnode *element) {
  given *g = arg;
  const jnode *inner = jtree_get(t, element, "x");
  if (t->n > g->most) g->most = t->n;
  if (g->n < 8)
    snprintf(g->texts + strlen(g->texts), sizeof g->texts - strlen(g->texts), "%s:%.*s%s;", key,
             element->kind == J_OBJECT ? 0 : (int)element->bytes, element->text,
             inner != NULL ? inner->text : "");
  return ++g->n != g->stop_at;
}

static void elements(void **state) {
  (void)state;
  jtree t = {0};
  given g = {.n = 0};
  const char text[] = "{\"u\":\"who\",\"a\":[\"\\u0061\",18446744073709551616,{\"x\":\"in\",\"y\":[1]}],"
                      "\"b\":{\"c\":[1,2]},\"d\":[]}";
  assert_true(jtree_parse_elements(&t, text, strlen(text), take_element, &g));
  assert_string_equal(g.texts, "a:a;a:18446744073709551616;a:in;");
  const jnode *a = jtree_get(&t, t.nodes, "a"), *b = jtree_get(&t, t.nodes, "b");
  assert_int_equal(a->count, 3);
  assert_null(jtree_first(&t, a));
  assert_int_equal(jtree_get(&t, b, "c")->count, 2); // inside of an object nothing is given away
  assert_non_null(jtree_first(&t, jtree_get(&t, b, "c")));
  assert_string_equal(jtree_get(&t, t.nodes, "u")->text, "who");
  assert_int_equal(jtree_get(&t, t.nodes, "d")->count, 0);
  g = (given){.stop_at = 2};
  assert_false(jtree_parse_elements(&t, text, strlen(text), take_element, &g));
  assert_int_equal(g.n, 2);
  assert_string_equal(t.why, "");
  g = (given){.n = 0}; // the root is no object: its elements stay
  assert_true(jtree_parse_elements(&t, "[[1],[2]]", 9, take_element, &g));
  assert_int_equal(g.n, 0);
  jtree_free(&t);
}

// A million elements take the room of one, and what is no such element is bounded.
static void elements_in_little_room(void **state) {
  (void)state;
  jtree t = {0};
  given g = {.n = 0};
  const int n = JTREE_KEPT + 1;
  char *text = malloc((size_t)n * 2 + 64);
  assert_non_null(text);
  char *at = text + sprintf(text, "{\"a\":[0");
  for (int i = 1; i < n; i++) at += sprintf(at, ",1");
  strcpy(at, "]}");
  assert_true(jtree_parse_elements(&t, text, strlen(text), take_element, &g));
  assert_int_equal(g.n, n);
  assert_in_range(g.most, 1, 8);
  assert_in_range(t.cap, 1, 64);
  memcpy(text, "{\"a\":[[1", 8); // the same as an element, of one more bracket
  strcpy(at, "]]}");
  assert_false(jtree_parse_elements(&t, text, strlen(text), take_element, &g));
  assert_non_null(strstr(t.why, "too many values"));
  free(text);
  jtree_free(&t);
}

// Many keys take n log n: a hundred thousand different ones, and one twice.
static void many_keys(void **state) {
  (void)state;
  jtree t = {0};
  const int n = 100000;
  char *text = malloc((size_t)n * 16 + 32), *at = text;
  assert_non_null(text);
  *at++ = '{';
  for (int i = 0; i < n; i++) at += sprintf(at, "%s\"k%d\":%d", i > 0 ? "," : "", i, i);
  *at = '}';
  assert_true(jtree_parse(&t, text, (size_t)(at - text) + 1));
  assert_int_equal(jtree_get(&t, t.nodes, "k99999")->integer, 99999);
  at += sprintf(at, ",\"k77\":0}");
  assert_false(jtree_parse(&t, text, (size_t)(at - text)));
  assert_non_null(strstr(t.why, "\"k77\" appears twice"));
  free(text);
  jtree_free(&t);
}

// Numbers of tables, which are not as strict as JSON's: what is none, and the nearest double although the locale has a comma.
static void decimals(void **state) {
  (void)state;
  static const struct {
    const char *text;
    double x; // NaN: it is none
  } cases[] = {{"1.5", 1.5},
               {"-0.1", -0.1},
               {"+7", 7},
               {"007", 7},
               {".5", 0.5},
               {"5.", 5},
               {"-.5e1", -5},
               {"1E+2", 100},
               {"1e-400", 0},
               {"0", 0},
               {"1e400", NAN},
               {"", NAN},
               {".", NAN},
               {"+", NAN},
               {"1,5", NAN},
               {" 1", NAN},
               {"1 ", NAN},
               {"0x1f", NAN},
               {"nan", NAN},
               {"inf", NAN},
               {"1e", NAN},
               {"1e+", NAN},
               {"--1", NAN},
               {"1.2.3", NAN},
               {"e5", NAN},
               {"0.30000000000000004", 0.1 + 0.2},
               {"9007199254740993e-1", 900719925474099.3}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    double x = 0;
    if (jtree_decimal(cases[i].text, strlen(cases[i].text), &x) == isnan(cases[i].x))
      fail_msg("\"%s\"", cases[i].text);
    if (!isnan(cases[i].x)) assert_memory_equal(&x, &cases[i].x, sizeof x);
  }
  double x;
  assert_true(jtree_decimal("12345", 2, &x) && x > 11.5 && x < 12.5); // no NUL behind it
}

// Valid text with bytes changed, cut and doubled: whatever comes, no crash, and the tree is either whole or
// refused.
static void mutations(void **state) {
  (void)state;
  static const char seed[] =
      "{\"a\":[1,2.5e-3,\"\\u00e9\\ud83d\\ude00\",true,null,{\"b\":{\"c\":[]}}],\"d\":\"\xc3\xa9\"}";
  jtree t = {0};
  int taken = 0;
  for (uint32_t i = 0; i < 20000; i++) {
    char text[2 * sizeof seed];
    size_t bytes = sizeof seed - 1;
    rng r = rng_at(11, 2, i, 0);
    memcpy(text, seed, bytes);
    for (uint64_t changes = 1 + rng_below(&r, 3); changes > 0; changes--) {
      const size_t at = (size_t)rng_below(&r, bytes);
      if (rng_below(&r, 4) == 0)
        bytes = at + 1;
      else
        text[at] = rng_below(&r, 2) == 0 ? (char)rng_below(&r, 256) : "{}[]\",:\\u0e1-"[rng_below(&r, 13)];
    }
    taken += parse(&t, text, bytes);
  }
  assert_in_range(taken, 1, 19999);
  jtree_free(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values),          cmocka_unit_test(locale_has_a_comma),
      cmocka_unit_test(integers),        cmocka_unit_test(numbers),
      cmocka_unit_test(nearest_doubles), cmocka_unit_test(halfway),
      cmocka_unit_test(refusals),        cmocka_unit_test(depth),
      cmocka_unit_test(elements),        cmocka_unit_test(elements_in_little_room),
      cmocka_unit_test(many_keys),       cmocka_unit_test(decimals),
      cmocka_unit_test(mutations)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
