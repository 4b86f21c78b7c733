// Vocabularies of BERT models from elsewhere: vocab.txt, or tokenizer.json when the input begins with '{'.
// The renumbering is a permutation that moves the specials to the front and keeps the order of the rest.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "data/vocab.h"
#include "data/wordpiece.h"
#include "fuzz/fuzz.h"

static void check(const wordpiece *w) {
  require(w->n == vocab_size(w->v) && w->n >= TOKEN_SPECIALS);
  bool *seen = calloc((size_t)w->n, 1);
  require(seen != NULL);
  int32_t last = TOKEN_SPECIALS - 1;
  for (int32_t id = 0; id < w->n; id++) {
    const int32_t ours = w->ours[id];
    require(ours >= 0 && ours < w->n && !seen[ours]);
    seen[ours] = true;
    if (ours >= TOKEN_SPECIALS) {
      require(ours == last + 1);
      last = ours;
    }
  }
  require(strcmp(vocab_token(w->v, TOKEN_MASK), "[MASK]") == 0);
  free(seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static char other[4096];
  const bool json = bytes > 0 && data[0] == '{';
  const char *dir = fuzz_directory();
  require_ok(path_join(other, sizeof other, dir, json ? "vocab.txt" : "tokenizer.json"));
  unlink(other);
  fuzz_write(dir, json ? "tokenizer.json" : "vocab.txt", data, bytes);
  wordpiece *w;
  if (wordpiece_read(&w, dir) == OK) {
    fuzz_accepted();
    check(w);
  } else {
    require(w == NULL);
    require_sentence(dir);
  }
  wordpiece_close(w);
  return 0;
}
