// Texts in other encodings: names as iconv and Python write them, byte order marks, conversion at every border of a buffer,
// sequences that an encoding does not have, and guesses.
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include "base/byte_stream.h"
#include "base/encoding.h"
#include "base/encoding_guess.h"
#include "base/file.h"
#include "lib/check.h"
#include "lib/tiny_dataset.h"

static char dir[256], path[300];

static int setup(void **unused) {
  (void)unused;
  tiny_directory(dir, sizeof dir);
  check_ok(path_join(path, sizeof path, dir, "log"));
  return 0;
}
static int teardown(void **unused) {
  (void)unused;
  tiny_remove(dir);
  return 0;
}

static size_t encode(const char *text, const char *name, char *to, size_t cap) {
  const iconv_t cd = iconv_open(name, "UTF-8");
  assert_true(cd != (iconv_t)-1);
  char *in = (char *)(uintptr_t)text, *out = to;
  size_t in_bytes = strlen(text), left = cap;
  assert_int_equal(iconv(cd, &in, &in_bytes, &out, &left), 0);
  assert_int_equal(iconv(cd, NULL, NULL, &out, &left), 0);
  iconv_close(cd);
  return cap - left;
}

static size_t read_as(const char *encoding, char *buf, size_t cap, size_t piece) {
  const byte_stream_how how = {encoding, "input.encoding"};
  byte_stream *s;
  size_t all = 0, n = 1;
  check_ok(byte_stream_open(&s, path, &how));
  while (n > 0) {
    assert_true(all < cap);
    check_ok(byte_stream_read(s, buf + all, piece < cap - all ? piece : cap - all, &n));
    all += n;
  }
  byte_stream_close(s);
  return all;
}

static void expect_bytes(const char *encoding, const char *file, size_t file_bytes, const char *wanted,
                         size_t n) {
  char buf[1 << 12];
  check_ok(file_write_atomic(path, file, file_bytes));
  for (size_t piece = 1; piece < 5; piece++) {
    const size_t got = read_as(encoding, buf, sizeof buf, piece);
    assert_int_equal(got, n);
    assert_memory_equal(buf, wanted, n);
  }
}
#define EXPECT(encoding, file, wanted) \
  expect_bytes(encoding, file, sizeof(file) - 1, wanted, sizeof(wanted) - 1)

static void test_names(void **unused) {
  (void)unused;
  static const char *const latin[] = {"latin-1", "latin1", "Latin_1", "ISO-8859-1", "iso8859_1", "L1"};
  for (size_t i = 0; i < sizeof latin / sizeof *latin; i++) EXPECT(latin[i], "caf\xE9\n", "caf\xC3\xA9\n");
  static const char *const utf8[] = {"", "utf-8", "UTF8", "utf_8", "utf-8-sig"};
  for (size_t i = 0; i < sizeof utf8 / sizeof *utf8; i++)
    EXPECT(utf8[i], "caf\xC3\xA9 \xE9\n", "caf\xC3\xA9 \xE9\n");
  static const char *const windows[] = {"windows-1252", "cp1252", "Windows1252", "win1252"};
  for (size_t i = 0; i < sizeof windows / sizeof *windows; i++)
    EXPECT(windows[i],
           "\x80"
           "5\n",
           "\xE2\x82\xAC"
           "5\n");
  static const char *const unknown[] = {"latin-99", "latin-1//IGNORE", "utf-8//TRANSLIT", "no such thing",
                                        "/",        "a\x1b[1mb"};
  for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
    const byte_stream_how how = {unknown[i], "input.encoding"};
    byte_stream *s;
    check_ok(file_write_atomic(path, "u,i\n", 4));
    check_fails(byte_stream_open(&s, path, &how), ERR_ARGUMENT, "input.encoding: \"");
    assert_null(s);
  }
}

// Texts long enough to cross every buffer, at every offset.
static void test_long_texts(void **unused) {
  (void)unused;
  static const char *const names[] = {"GBK",    "GB18030",  "Shift_JIS", "EUC-KR",   "Big5",  "windows-1252",
                                      "UTF-16", "UTF-16LE", "UTF-16BE",  "UTF-32BE", "UTF-7", "ISO-2022-JP"};
  static const char *const lines[] = {"u1,毛衣,红色\n",   "u1,毛衣,红色😀\n", "u1,ひらがなカタカナ漢字\n",
                                      "u1,한국어 상품\n", "u1,毛衣,紅色\n",  "u1,crème brûlée €\n"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    enum { TIMES = 12000 };
    const char *line = lines[i < 6 ? i : i == 11 ? 2 : 1];
    const size_t n = strlen(line) * TIMES;
    char *text = malloc(n + 8), *packed = malloc(6 * n), *got = malloc(n + 8);
    assert_non_null(text);
    assert_non_null(packed);
    assert_non_null(got);
    for (size_t at = 0; at < n; at += strlen(line)) strcpy(text + at, line);
    for (size_t skip = 0; skip < 3; skip++) { // letters in front move the borders
      memcpy(text, "abc", skip);
      if (skip > 0) memset(text + 1, 'a', skip - 1);
      const size_t bytes = encode(text, names[i], packed, 6 * n);
      check_ok(file_write_atomic(path, packed, bytes));
      assert_int_equal(read_as(names[i], got, n + 8, 10007), n);
      assert_memory_equal(got, text, n);
    }
    free(text);
    free(packed);
    free(got);
  }
}

static void test_marks(void **unused) {
  (void)unused;
  static const char *const asked[] = {"", "utf-16", "utf-8"};
  for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
    EXPECT(asked[i], "\xFF\xFEu\0,\0i\0\n\0", "u,i\n");
    EXPECT(asked[i], "\xFE\xFF\0u\0,\0i\0\n", "u,i\n");
    EXPECT(asked[i], "\xFF\xFE\0\0u\0\0\0\n\0\0\0", "u\n");
    EXPECT(asked[i], "\0\0\xFE\xFF\0\0\0u\0\0\0\n", "u\n");
  }
  EXPECT("utf-8", "\xEF\xBB\xBFu\n", "\xEF\xBB\xBFu\n"); // a csv's reader passes it over
  EXPECT("GBK", "\xEF\xBB\xBFu\n", "\xEF\xBB\xBFu\n"); // the mark is surer than the option; a warning says so
  EXPECT("GBK", "\xFF\xFEu\0\n\0", "u\n");
  EXPECT("utf-16", "u\0,\0i\0\n\0", "u,i\n"); // without a mark: by where the NULs are
  EXPECT("utf-16", "\0u\0,\0i\0\n", "u,i\n");
  byte_stream *s;
  const byte_stream_how how = {"", "input.encoding"};
  check_ok(file_write_atomic(path, "u\0,\0i\0\n\0", 8));
  check_fails(byte_stream_open(&s, path, &how), ERR_FORMAT,
              "as a text in UTF-16LE has; if it is one, set input.encoding");
}

// What is told of a file that holds these bytes and is read as `encoding`; NULL: nothing.
static void expect_note(const char *encoding, const char *file, size_t bytes, const char *note) {
  const byte_stream_how how = {encoding, "input.encoding"};
  byte_stream *s;
  check_ok(file_write_atomic(path, file, bytes));
  check_ok(byte_stream_open(&s, path, &how));
  const char *told = byte_stream_note(s, 0);
  if (note == NULL ? told != NULL : told == NULL || strstr(told, note) == NULL)
    fail_msg("%s: \"%s\" is told", encoding, told != NULL ? told : "nothing");
  byte_stream_close(s);
}
#define NOTE(encoding, file, note) expect_note(encoding, file, sizeof(file) - 1, note)

static void test_notes(void **unused) {
  (void)unused;
  NOTE("", "u1,\xE6\xAF\x9B\xE8\xA1\xA3\xE6\xAF\x9B\n", NULL);
  NOTE("latin-1", "u1,\xE9\n", NULL);
  NOTE("GBK", "u1,\xC3\xAB\xD2\xC2\xC3\xAB\xD2\xC2\xC3\xAB\n", NULL);
  NOTE("", "\xFF\xFEu\0\n\0", "its byte order mark says that it is UTF-16LE");
  NOTE("UTF-16", "\xFF\xFEu\0\n\0", NULL);
  NOTE("utf-16", "\xEF\xBB\xBFu1\n", "says that it is UTF-8, so it is not read as utf-16");
  NOTE("GBK", "\xEF\xBB\xBFu1\n", "says that it is UTF-8, so it is not read as GBK");
  NOTE("GBK", "u1,\xE6\xAF\x9B\xE8\xA1\xA3\xE6\xAF\x9B\n",
       "valid UTF-8 but is read as GBK, as input.encoding says");
  NOTE("latin-1", "u1,\xE6\xAF\x9B\xE8\xA1\xA3\xE6\xAF\x9B\n", "valid UTF-8 but is read as latin-1");
  byte_stream *s;
  const byte_stream_how how = {"UTF-16", "input.encoding"};
  check_ok(file_write_atomic(path, "user,item\n", 10));
  check_fails(byte_stream_open(&s, path, &how), ERR_FORMAT,
              "has no NUL at its beginning, so it is not in UTF-16, as input.encoding says");
}

static void test_bad_sequences(void **unused) {
  (void)unused;
  EXPECT("windows-1252",
         "a\x81"
         "b\n",
         "a\xFF"
         "b\n");                               // a place without a character
  EXPECT("GBK", "a\xB0\n,b\n", "a\xFF\n,b\n"); // the newline behind half a character stays one
  EXPECT("GBK", "\xFF\xC3\xAB\n\xFF", "\xFF\xE6\xAF\x9B\n\xFF"); // and what follows is read
  EXPECT("GBK", "a\xC3", "a\xFF");                               // cut at the end of the file
  EXPECT("UTF-16LE", "a\0\0\xDC\n\0", "a\xFF\n");                // half of a surrogate pair
  EXPECT("UTF-16LE", "a\0\n\0b", "a\n\xFF");                     // half of a unit
  EXPECT("UTF-32LE", "a\0\0\0\0\0\x11\0\n\0\0\0", "a\xFF\n");    // beyond the last character
  EXPECT("ascii", "a\xE9\n", "a\xFF\n");
  EXPECT("UTF-16LE", "a\0\0\0\n\0", "a\0\n"); // a NUL stays, for who reads the row
}

static void test_compressed_and_broken(void **unused) {
  (void)unused;
  // gzip of "\xE9\n" in latin-1 (made with Python's gzip, mtime 0), whole and cut in its checksum
  static const char packed[] = "\x1f\x8b\x08\0\0\0\0\0\x02\x03{\xc9\x05\0D\xb3\xb0.\x02\0\0\0";
  const byte_stream_how how = {"latin-1", "input.encoding"};
  byte_stream *s;
  char buf[64];
  size_t n;
  for (size_t bytes = sizeof packed - 1; bytes >= sizeof packed - 3; bytes -= 2) {
    check_ok(file_write_atomic(path, packed, bytes));
    check_ok(byte_stream_open(&s, path, &how));
    assert_string_equal(byte_stream_encoding(s), "latin-1");
    check_ok(byte_stream_read(s, buf, 2, &n));
    assert_int_equal(n, 2);
    check_ok(byte_stream_read(s, buf + 2, sizeof buf - 2, &n));
    assert_int_equal(n, 1);
    assert_memory_equal(buf, "\xC3\xA9\n", 3);
    if (bytes == sizeof packed - 1)
      check_ok(byte_stream_read(s, buf, sizeof buf, &n));
    else
      check_fails(byte_stream_read(s, buf, sizeof buf, &n), ERR_FORMAT, "cut short");
    assert_int_equal(n, 0);
    byte_stream_close(s);
  }
}

static void test_guesses(void **unused) {
  (void)unused;
  static const struct {
    const char *encoding, *text, *guess;
  } cases[] = {
      {"GBK", "u1,国潮粉底液 象牙白 轻薄,用户\nu2,一次性的水瓶，大号\n", "GB18030"},
      {"GB18030", "u1,女士羊毛大衣\n", "GB18030"},
      {"Big5", "u1,女士羊毛大衣 國潮粉底液 象牙白,用戶\nu2,一次性的水瓶，大號不銹鋼\n", "Big5"},
      {"Shift_JIS", "u1,ステンレスの水筒\nu2,子どもの靴\n", "Shift_JIS"},
      {"EUC-JP", "u1,ステンレスの水筒\nu2,子どもの靴\n", "EUC-JP"},
      {"EUC-KR", "u1,스테인리스 물병\nu2,어린이 신발\n", "EUC-KR"},
      {"windows-1251", "u1,Бутылка для воды\nu2,Детская обувь\n", "windows-1251"},
      {"latin1", "u1,Crème brûlée\nu2,Größe für Füße\nu3,niño\n", "latin-1"},
      {"windows-1252", "u1,Crème brûlée\nu2,Größe – 5 €\n", "windows-1252"},
      {"UTF-8", "u1,毛衣毛衣毛衣\n", NULL},
      {"latin1", "u1,\xC3\xA9\n", NULL}, // one byte says nothing
  };
  char buf[512];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const size_t n = encode(cases[i].text, cases[i].encoding, buf, sizeof buf);
    const char *guess = encoding_guess((const unsigned char *)buf, n);
    if (cases[i].guess == NULL ? guess != NULL : guess == NULL || strcmp(guess, cases[i].guess) != 0)
      fail_msg("%s is taken for %s", cases[i].encoding, guess != NULL ? guess : "nothing");
  }
  const char *cut = "u1,\xE6\xAF\x9B\xE8\xA1\xA3\xE6\xAF\nu2,\xE6\xAF\x9B\xE8\xA1\xA3\n";
  assert_null(encoding_guess((const unsigned char *)cut, strlen(cut)));
}

static void test_guess_of_a_file(void **unused) {
  (void)unused;
  enum { LINES = 20000 };
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  for (int i = 0; i < LINES; i++)
    fputs(i == LINES - 2 ? "u2,\xC5\xAE\xCA\xBF\xD1\xF2\xC3\xAB\n" : "u1,\xE6\xAF\x9B\n", f);
  fclose(f);
  const char *guess = encoding_guess_file(path);
  assert_non_null(guess);
  assert_string_equal(guess, "GB18030");
  check_ok(file_write_atomic(path, "u\n\xE9", 3));
  assert_null(encoding_guess_file(path));
  assert_null(encoding_guess_file("-"));
  assert_null(encoding_guess_file("/no/such"));
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      CASE(test_names),   CASE(test_long_texts),      CASE(test_marks),
      CASE(test_notes),   CASE(test_bad_sequences),   CASE(test_compressed_and_broken),
      CASE(test_guesses), CASE(test_guess_of_a_file),
  };
  return cmocka_run_group_tests_name("encodings", tests, NULL, NULL);
}
