// UTF-8: every character there is, and every three bytes there are.
#include <string.h>
#include "format/utf8.h"
#include "lib/check.h"

static void every_character(void **state) {
  (void)state;
  for (uint32_t c = 0; c <= 0x10FFFF; c++) {
    char text[8] = "zzzzzzz";
    const size_t n = (size_t)(utf8_put(text, c) - text), wanted = c < 0x80      ? 1
                                                                  : c < 0x800   ? 2
                                                                  : c < 0x10000 ? 3
                                                                                : 4;
    const bool surrogate = c >= 0xD800 && c < 0xE000;
    assert_true(n == wanted && text[n] == 'z');
    if (utf8_length(text, sizeof text) != (surrogate ? 0 : n)) fail_msg("U+%04X", c);
    assert_int_equal(utf8_length(text, n - 1), 0);
    text[n] = '\0';
    assert_true(utf8_valid(text) == !surrogate);
  }
}

// What a valid sequence of three bytes stands for gives the same bytes when it is written.
static void every_three_bytes(void **state) {
  (void)state;
  int valid = 0;
  for (uint32_t i = 0; i < 1 << 24; i++) {
    const char text[3] = {(char)(i >> 16), (char)(i >> 8), (char)i};
    if (utf8_length(text, 3) != 3) continue;
    char back[4];
    assert_true(utf8_put(back, (i >> 16 & 0xF) << 12 | (i >> 8 & 0x3F) << 6 | (i & 0x3F)) == back + 3);
    assert_memory_equal(back, text, 3);
    valid++;
  }
  assert_int_equal(valid, 0x10000 - 0x800 - 0x800); // but those of one and two bytes, and the surrogates
}

static void bad_texts(void **state) {
  (void)state;
  static const char *const bad[] = {
      "\x80",         "\xc0\xaf",         "\xc1\xbf",         "\xe0\x9f\xbf",
      "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
      "\xff",         "a\xe2\x82"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(utf8_valid(bad[i]));
  assert_true(utf8_valid("") && utf8_valid("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
}

// What utf8_next makes of a text, characters with spaces between them.
static void check_next(const char *text, size_t bytes, const char *wanted) {
  char got[256] = "";
  for (size_t at = 0, n; at < bytes; at += n) {
    const uint32_t c = utf8_next(text + at, bytes - at, &n);
    assert_true(n >= 1 && n <= 4);
    snprintf(got + strlen(got), sizeof got - strlen(got), "%s%X", at > 0 ? " " : "", c);
  }
  assert_string_equal(got, wanted);
}

// As Python's bytes.decode(errors="replace") has it.
static void test_next(void **unused) {
  (void)unused;
  check_next("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 10, "61 E9 20AC 1F600");
  check_next("\xE2\x82", 2, "FFFD");               // cut short: one
  check_next("\xE2\x82\x61", 3, "FFFD 61");        // what could have begun a character is one
  check_next("\xC0\xAF", 2, "FFFD FFFD");          // no character begins so
  check_next("\xED\xA0\x80", 3, "FFFD FFFD FFFD"); // a surrogate
  check_next("\xF4\x90\x80\x80", 4, "FFFD FFFD FFFD FFFD");
  check_next("\xF0\x9F\x98\xF0\x9F", 5, "FFFD FFFD");
  for (uint32_t c = 0; c <= 0x10FFFF; c++) {
    char text[8];
    size_t n;
    const size_t bytes = (size_t)(utf8_put(text, c) - text);
    if (c >= 0xD800 && c < 0xE000) continue;
    if (utf8_next(text, bytes, &n) != c || n != bytes) fail_msg("U+%04X", c);
  }
}

static void test_cut(void **unused) {
  (void)unused;
  const char *text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"; // characters of 1, 2, 3 and 4 bytes
  static const size_t wanted[12] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
  for (size_t most = 0; most < 12; most++) assert_int_equal(utf8_cut(text, 10, most), wanted[most]);
  assert_int_equal(utf8_cut("", 0, 0), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_cut), cmocka_unit_test(test_next),
                                     cmocka_unit_test(every_character), cmocka_unit_test(every_three_bytes),
                                     cmocka_unit_test(bad_texts)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
