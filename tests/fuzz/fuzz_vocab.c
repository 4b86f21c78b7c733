// Vocabularies. What is accepted, written and read again, is the same, and every token is found under its name.
//
// The input's first byte says where the ranges of words, attributes and items end; the rest is vocab.tsv.
#include <stdlib.h>
#include <string.h>
#include "data/vocab.h"
#include "fuzz/fuzz.h"

static int32_t count_lines(const uint8_t *data, size_t bytes) {
  int32_t n = 0;
  for (size_t i = 0; i < bytes; i++) n += data[i] == '\n' || i + 1 == bytes;
  return n;
}

static void check_same(const vocab *a, const vocab *b) {
  require(vocab_size(a) == vocab_size(b));
  for (int r = 0; r < RANGE_COUNT; r++) require(vocab_end(a, (vocab_range)r) == vocab_end(b, (vocab_range)r));
  for (int32_t id = 0; id < vocab_size(a); id++) {
    require(strcmp(vocab_token(a, id), vocab_token(b, id)) == 0);
    require(vocab_token_count(a, id) == vocab_token_count(b, id));
  }
}

static void check_vocab(const vocab *v, const int32_t end[RANGE_COUNT], const char *path) {
  for (int r = 0; r < RANGE_COUNT; r++) {
    require(vocab_end(v, (vocab_range)r) == end[r]);
    for (int32_t id = vocab_begin(v, (vocab_range)r); id < end[r]; id++)
      require(vocab_find(v, (vocab_range)r, vocab_token(v, id)) == id && vocab_token_count(v, id) >= 0);
  }
  vocab *again;
  require_ok(vocab_write(v, path));
  require_ok(vocab_read(&again, path, end));
  check_same(v, again);
  vocab_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  if (bytes == 0) return 0;
  const int32_t n = count_lines(data + 1, bytes - 1), rest = n > TOKEN_SPECIALS ? n - TOKEN_SPECIALS : 0;
  const int32_t words = rest * (data[0] & 15) / 15, attributes = (rest - words) * (data[0] >> 4) / 15;
  const int32_t end[RANGE_COUNT] = {TOKEN_SPECIALS, TOKEN_SPECIALS + words,
                                    TOKEN_SPECIALS + words + attributes, TOKEN_SPECIALS + rest};
  char *text = malloc(bytes); // exactly as large as needed
  require(text != NULL);
  memcpy(text, data + 1, bytes - 1);
  vocab *v;
  format_error e;
  if (vocabulary_parse(&v, text, bytes - 1, end, "the file", &e)) {
    static char written[4096];
    fuzz_accepted();
    require_ok(path_join(written, sizeof written, fuzz_directory(), "vocab.tsv"));
    check_vocab(v, end, written);
    vocab_free(v);
  } else {
    require(v == NULL && e.kind == FORMAT_MALFORMED && strstr(e.message, "the file") != NULL);
  }
  free(text);
  return 0;
}
