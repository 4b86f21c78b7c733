// Files of others as bytes: compressed, in several encodings, of foreign formats. The first byte of the input picks an encoding.
//
// What is read does not depend on the size of the pieces (but for how much of damaged data a library gives before it says so),
// and text that was converted is UTF-8 but for the bytes that stand for what could not be.
#include <string.h>
#include "base/byte_stream.h"
#include "base/encoding_guess.h"
#include "format/utf8.h"
#include "fuzz/fuzz.h"

enum { MOST = 1 << 18 }; // a few bytes may stand for gigabytes

typedef struct reading {
  status rc;
  bool opened, converted;
  size_t n;
  char text[MOST];
} reading;

static void read_all(reading *r, const char *path, const char *encoding, size_t piece) {
  const byte_stream_how how = {encoding, "input.encoding"};
  byte_stream *s;
  r->n = 0;
  r->rc = byte_stream_open(&s, path, &how);
  r->opened = r->rc == OK;
  for (size_t n = 1; r->rc == OK && n > 0 && r->n < MOST; r->n += n) {
    const size_t room = MOST - r->n;
    r->rc = byte_stream_read(s, r->text + r->n, piece < room ? piece : room, &n);
    require(r->rc == OK || n == 0);
    const double progress = byte_stream_progress(s);
    require(progress >= 0 && progress <= 1);
  }
  r->converted = r->opened && byte_stream_encoding(s) != NULL;
  if (r->opened) byte_stream_close(s);
  if (r->rc != OK) require_sentence(path);
}

static void check_utf8(const reading *r) {
  for (size_t i = 0, length; i < r->n; i += length) {
    length = utf8_length(r->text + i, r->n - i);
    if (length == 0 && r->n == MOST && i + 4 > r->n) return; // cut here
    require(length > 0 || (unsigned char)r->text[i] == BYTE_STREAM_BAD);
    if (length == 0) length = 1;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static const char *const encodings[] = {"",       "latin-1",   "GBK",      "GB18030",     "Shift_JIS",
                                          "UTF-16", "UTF-16BE",  "UTF-32LE", "ISO-2022-JP", "windows-1252",
                                          "UTF-7",  "Big5-HKSCS"};
  static reading large, small;
  if (bytes == 0) return 0;
  fuzz_silence();
  const char *encoding = encodings[data[0] % (sizeof encodings / sizeof *encodings)];
  const char *path = fuzz_file(0, data + 1, bytes - 1);
  read_all(&large, path, encoding, MOST);
  read_all(&small, path, encoding, 1 + data[0] / 8);
  const size_t common = large.n < small.n ? large.n : small.n;
  require(large.rc == small.rc && memcmp(large.text, small.text, common) == 0);
  require(large.n == small.n || large.rc != OK);
  if (large.converted) check_utf8(&large);
  encoding_guess((const unsigned char *)large.text, large.n < 4096 ? large.n : 4096);
  if (large.rc == OK && large.n > 0) fuzz_accepted();
  return 0;
}
