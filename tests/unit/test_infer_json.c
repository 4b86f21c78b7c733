// The inference module's JSON reader.
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "infer/jtree.h"
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

static void numbers(void **state) {
  (void)state;
  static const struct {
    const char *text;
    double value;
    bool is_integer;
  } good[] = {{"0", 0, true},
              {"-0", 0, true},
              {"-9223372036854775807", -9223372036854775807.0, true},
              {"9223372036854775808", 9223372036854775808.0, false},
              {"18446744073709551616", 18446744073709551616.0, false},
              {"123456789012345678901234567890", 123456789012345678901234567890.0, false},
              {"1e-12", 1e-12, false},
              {"14.285714285714286", 14.285714285714286, false},
              {"9.9999999999999998e-13", 9.9999999999999998e-13, false},
              {"0.1", 0.1, false},
              {"1.7976931348623157e308", 1.7976931348623157e308, false},
              {"1e-400", 0, false},
              {"0.00000000000000000000000000000000000000000000000001", 1e-50, false},
              {"100000000000000000000000000000000000000000e-40", 10.0, false},
              {"1e0", 1, false}};
  jtree t = {0};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    if (!parse(&t, good[i].text, strlen(good[i].text))) fail_msg("%s: %s", good[i].text, t.why);
    const jnode *n = t.nodes;
    if (fabs(n->number - good[i].value) > 4e-16 * fabs(good[i].value) || n->is_integer != good[i].is_integer)
      fail_msg("%s became %.17g", good[i].text, n->number);
  }
  static const char *const bad[] = {"01",  "-",    "+1",    "1.",           ".5",  "1e",
                                    "1e+", "0x10", "1e309", "-1e999999999", "NaN", "Infinity",
                                    "- 1", "1..2", "1e5.5", "--1"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (parse(&t, bad[i], strlen(bad[i]))) fail_msg("%s was taken", bad[i]);
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
               {"{\"a\":1,\"b\":2,\"a\":3}", "\"a\" is there twice"},
               {"{\"\\u0061\":1,\"a\":3}", "\"a\" is there twice"},
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
  assert_non_null(strstr(t.why, "\"k77\" is there twice"));
  free(text);
  jtree_free(&t);
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
  const struct CMUnitTest tests[] = {cmocka_unit_test(values),    cmocka_unit_test(numbers),
                                     cmocka_unit_test(refusals),  cmocka_unit_test(depth),
                                     cmocka_unit_test(many_keys), cmocka_unit_test(mutations)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
