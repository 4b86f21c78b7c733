// The catalogue of a bundle: every line that an item has is one of the file's, and titles are whole
// characters that fit.
#include <stdlib.h>
#include <string.h>
#include "format/utf8.h"
#include "fuzz/fuzz.h"
#include "infer/catalogue.h"

static const char vocabulary[] =
    "[PAD]\t0\n[UNK]\t0\n[CLS]\t0\n[SEP]\t0\n[MASK]\t0\nA\t3\nB\t2\nitem \\t1\t1\n";
enum { ITEMS = 3 };

static void check_title(const catalogue *c, int32_t item) {
  char buf[40];
  const size_t length = catalogue_title(c, item, NULL, 0);
  for (size_t room = 1; room <= sizeof buf; room++) {
    char *small = malloc(room);
    require(small != NULL);
    require(catalogue_title(c, item, small, room) == length);
    require(strlen(small) <= length && (length < room ? strlen(small) == length : strlen(small) + 4 >= room));
    require(utf8_valid(small));
    free(small);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static const int32_t end[RANGE_COUNT] = {TOKEN_SPECIALS, TOKEN_SPECIALS, TOKEN_SPECIALS,
                                           TOKEN_SPECIALS + ITEMS};
  static vocab *items;
  souk_error e;
  format_error found;
  if (items == NULL)
    require(vocabulary_parse(&items, vocabulary, sizeof vocabulary - 1, end, "vocab.tsv", &found));
  char *text = malloc(bytes > 0 ? bytes : 1);
  require(text != NULL);
  memcpy(text, data, bytes);
  catalogue c;
  const souk_status rc = catalogue_read(&c, text, bytes, items, "catalogue.jsonl", &e);
  if (rc == SOUK_OK) {
    for (int32_t i = 0; i < ITEMS; i++) {
      if (c.lines[i].text == NULL) continue;
      fuzz_accepted();
      require(c.lines[i].text >= text && c.lines[i].text + c.lines[i].bytes < text + bytes);
      check_title(&c, i);
    }
  } else {
    require(rc == SOUK_ERR_FORMAT && strstr(e.message, "catalogue.jsonl") != NULL);
  }
  catalogue_free(&c);
  free(text);
  return 0;
}
