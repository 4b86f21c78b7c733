// Guesses from how often bytes of certain ranges follow one another; see encoding_guess.h.
//
// In each of the two-byte encodings of East Asia everyday characters lie in a small part of the code: two levels of hanzi in
// GB18030 (B0-F7, second bytes A1-FE), the first level of Big5 (A4-C6, second bytes also 40-7E), kana in Shift_JIS (82, 83),
// hangul in EUC-KR (B0-C8), kana in EUC-JP (A4, A5). Texts in Latin letters have bytes above 7F one by one, seldom two together; Cyrillic
// ones have whole words of them.
#include "base/encoding_guess.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/byte_stream.h"
#include "base/memory.h"
#include "format/utf8.h"

typedef struct counts {
  size_t high, utf8;             // bytes above 7F; of them in characters of UTF-8
  size_t pairs;                  // two bytes each, the first of which is one, read from left to right
  size_t gb, hangul, big5, kana; // pairs of the kinds above
  size_t japanese;               // pairs that Shift_JIS can have
  size_t plane, euc_kana;        // pairs of two bytes from A1 on; of kana as EUC-JP has them
  size_t runs;                   // of high bytes without a low one between them
  size_t controls;               // 80-9F, for which Latin-1 has no characters
  size_t cyrillic;               // high bytes that are letters in windows-1251
} counts;

static bool within(unsigned c, unsigned from, unsigned to) {
  return c >= from && c <= to;
}

static void count_pair(counts *c, unsigned a, unsigned b) {
  const bool plane = within(b, 0xA1, 0xFE), low = within(b, 0x40, 0x7E);
  c->pairs++;
  c->plane += plane && a >= 0xA1;
  c->euc_kana += plane && within(a, 0xA4, 0xA5);
  c->gb += plane && (within(a, 0xB0, 0xF7) || within(a, 0xA1, 0xA3));
  c->hangul += plane && within(a, 0xB0, 0xC8);
  c->big5 += (plane || low) && within(a, 0xA4, 0xC6);
  c->kana += (a == 0x82 && within(b, 0x9F, 0xF1)) || (a == 0x83 && within(b, 0x40, 0x96));
  c->japanese += (within(a, 0x81, 0x9F) || within(a, 0xE0, 0xEF)) && within(b, 0x40, 0xFC) && b != 0x7F;
}

static counts count(const unsigned char *text, size_t n) {
  counts c = {.high = 0};
  for (size_t i = 0; i < n; i++) {
    if (text[i] < 0x80) continue;
    c.high++;
    c.runs += i == 0 || text[i - 1] < 0x80;
    c.controls += text[i] < 0xA0;
    c.cyrillic += text[i] >= 0xC0 || text[i] == 0xA8 || text[i] == 0xB8;
  }
  for (size_t i = 0, two; i + 1 < n; i += two) {
    two = text[i] >= 0x80 ? 2 : 1;
    if (two == 2) count_pair(&c, text[i], text[i + 1]);
  }
  for (size_t i = 0, length; i < n; i += length) {
    length = utf8_length((const char *)text + i, n - i);
    if (length > 1) c.utf8 += length;
    if (length == 0) length = 1;
  }
  return c;
}

const char *encoding_guess(const unsigned char *text, size_t n) {
  const counts c = count(text, n);
  if (c.high < 4) return NULL;              // too little to say anything
  if (c.utf8 * 5 > c.high * 4) return NULL; // UTF-8 with a few characters that are cut in two
  if (c.kana * 5 >= c.pairs && c.japanese * 10 >= c.pairs * 8) return "Shift_JIS";
  if (c.high * 10 < c.runs * 16) return c.controls > 0 ? "windows-1252" : "latin-1";
  if (c.hangul * 20 >= c.pairs * 19 && c.pairs >= 8) return "EUC-KR";
  if (c.euc_kana * 5 >= c.pairs && c.plane * 50 >= c.pairs * 49) return "EUC-JP";
  if (c.gb * 20 >= c.pairs * 19) return "GB18030";
  if (c.big5 * 10 >= c.pairs * 9) return "Big5";
  if (c.cyrillic * 20 >= c.high * 19) return "windows-1251";
  return NULL;
}

// ---- files ---------------------------------------------------------------------------------------------------

enum { SAMPLE = 1 << 14, PIECE = 1 << 16, PIECES = 512 };

static bool is_utf8(const unsigned char *text, size_t n) {
  for (size_t i = 0, length; i < n; i += length) {
    length = utf8_length((const char *)text + i, n - i);
    if (length == 0) return false;
  }
  return true;
}

// Adds the lines of a piece that are not UTF-8 to the sample, but for those that it has only a part of.
static void take_lines(const unsigned char *piece, size_t n, bool begins, bool ends, unsigned char *sample,
                       size_t *used) {
  for (const unsigned char *line = piece, *stop = piece + n, *next; line < stop; line = next) {
    const unsigned char *newline = memchr(line, '\n', (size_t)(stop - line));
    next = newline != NULL ? newline + 1 : stop;
    const size_t bytes = (size_t)(next - line);
    const bool whole = (line > piece || begins) && (newline != NULL || ends);
    if (!whole || bytes > SAMPLE - *used || is_utf8(line, bytes)) continue;
    memcpy(sample + *used, line, bytes);
    *used += bytes;
  }
}

static size_t take_sample(byte_stream *s, unsigned char *piece, unsigned char *sample) {
  size_t used = 0, n = PIECE;
  for (int i = 0; i < PIECES && n == PIECE && used < SAMPLE / 2; i++) {
    if (byte_stream_read(s, piece, PIECE, &n) != OK) break;
    take_lines(piece, n, i == 0, n < PIECE, sample, &used);
  }
  return used;
}

const char *encoding_guess_file(const char *path) {
  struct stat st;
  byte_stream *s;
  unsigned char *piece = NULL;
  const char *guess = NULL;
  if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || byte_stream_open(&s, path, NULL) != OK) return NULL;
  if (mem_new(&piece, PIECE + SAMPLE, 1, "a sample of text") == OK)
    guess = encoding_guess(piece + PIECE, take_sample(s, piece, piece + PIECE));
  free(piece);
  byte_stream_close(s);
  return guess;
}
