// Text for terminals: what is escaped, what stays, and where a text is cut.
#include <stdio.h>
#include <string.h>
#include "format/printable.h"
#include "format/utf8.h"
#include "lib/check.h"

static void what_is_escaped(void **state) {
  (void)state;
  static const struct {
    const char *text, *keep, *shown;
  } cases[] = {
      {"", "", ""},
      {"plain, 数据 \U0001F600 é", "", "plain, 数据 \U0001F600 é"},
      {"\x1b[31mred\x07", "", "\\x1b[31mred\\x07"},
      {"a\tb\nc", "\t\n", "a\tb\nc"},
      {"a\tb\nc", "\t", "a\tb\\x0ac"},
      {"\x7f", "", "\\x7f"},
      {"\xc2\x80\xc2\x85\xc2\x9b"
       "2J\xc2\x9f\u00a0",
       "", "\\u0080\\u0085\\u009b2J\\u009f\u00a0"},
      {"\u2027\u2028\u202a\u202e\u202f", "", "\u2027\\u2028\\u202a\\u202e\u202f"},
      {"\u2065\u2066\u2069\u206a", "", "\u2065\\u2066\\u2069\u206a"},
      {"\u05d0\u200d\u200f", "",
       "\u05d0\u200d\u200f"}, // letters written from right to left, and what joins them
      {"\x9b", "", "\\x9b"},  // C1 as a byte alone, which some terminals obey
      {"a\xff\xe4\xb8", "", "a\\xff\\xe4\\xb8"},
      {"\xed\xa0\x80\xc0\x9b", "", "\\xed\\xa0\\x80\\xc0\\x9b"},
      {"back\\slash \"quote\"", "", "back\\slash \"quote\""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char to[256];
    assert_string_equal(printable(to, sizeof to, cases[i].text, cases[i].keep), cases[i].shown);
  }
}

// Whatever three bytes are given, what is shown is UTF-8 without control characters, and shown again it is the same.
static void any_three_bytes(void **state) {
  (void)state;
  for (uint32_t i = 0; i < 1 << 24; i += 7) {
    const char text[4] = {(char)(i >> 16), (char)(i >> 8), (char)i, '\0'};
    char to[32], again[64];
    uint32_t code;
    printable(to, sizeof to, text, "");
    assert_true(utf8_valid(to));
    for (const char *p = to; *p != '\0'; p++) assert_false(is_control(p, strlen(p), &code));
    assert_string_equal(printable(again, sizeof again, to, ""), to);
  }
}

static void a_full_buffer_ends_with_a_whole_character(void **state) {
  (void)state;
  static const char text[] = "ab\x1b\xc2\x9b数";
  static const char *const wanted[] = {"",
                                       "a",
                                       "ab",
                                       "ab",
                                       "ab",
                                       "ab",
                                       "ab\\x1b",
                                       "ab\\x1b",
                                       "ab\\x1b",
                                       "ab\\x1b",
                                       "ab\\x1b",
                                       "ab\\x1b",
                                       "ab\\x1b\\u009b",
                                       "ab\\x1b\\u009b",
                                       "ab\\x1b\\u009b",
                                       "ab\\x1b\\u009b数"};
  for (size_t room = 1; room <= sizeof wanted / sizeof *wanted; room++) {
    char to[32];
    memset(to, 'z', sizeof to);
    assert_string_equal(printable(to, room, text, ""), wanted[room - 1]);
    assert_int_equal(to[room], 'z');
  }
  char none = 'z';
  printable(&none, 0, text, "");
  assert_int_equal(none, 'z');
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_escaped), cmocka_unit_test(any_three_bytes),
                                     cmocka_unit_test(a_full_buffer_ends_with_a_whole_character)};
  return cmocka_run_group_tests_name("printable", tests, NULL, NULL);
}
