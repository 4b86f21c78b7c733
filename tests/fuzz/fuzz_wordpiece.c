// Vocabularies and tokenizers of BERT models from elsewhere. The input is the files, one after another with a byte 0x1e
// between them: vocab.txt, tokenizer.json, added_tokens.json, tokenizer_config.json, special_tokens_map.json; an empty one is
// not there, and input that begins with '{' has no vocab.txt. The renumbering is a permutation that moves the specials to
// the front, keeps the order of the rest and puts ids of no token behind; what is accepted is exported as a tokenizer
// whose files are json, with every token once.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "convert/export_tokenizer.h"
#include "data/tokenizer.h"
#include "data/vocab.h"
#include "data/wordpiece.h"
#include "fuzz/fuzz.h"

static void check_order(const wordpiece *w) {
  require(w->n >= vocab_size(w->v) && vocab_size(w->v) >= TOKEN_SPECIALS);
  bool *seen = calloc((size_t)w->n, 1);
  require(seen != NULL);
  int32_t last = TOKEN_SPECIALS - 1, gap = vocab_size(w->v) - 1;
  for (int32_t id = 0; id < w->n; id++) {
    const int32_t ours = w->ours[id];
    require(ours >= 0 && ours < w->n && !seen[ours]);
    seen[ours] = true;
    if (ours < TOKEN_SPECIALS) continue;
    int32_t *before = ours < vocab_size(w->v) ? &last : &gap;
    require(ours == *before + 1);
    *before = ours;
  }
  require(strcmp(vocab_token(w->v, TOKEN_MASK), "[MASK]") == 0);
  free(seen);
}

static json_t *load(const char *dir, const char *name) {
  char path[4096];
  require_ok(path_join(path, sizeof path, dir, name));
  json_t *j = json_load_file(path, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
  require(j != NULL);
  return j;
}

static void check_export(const wordpiece *w, const char *dir) {
  const model_config c = {.max_positions = 16};
  bool lines;
  if (w->tokenizer != NULL) require_ok(tokenizer_check(w->tokenizer, "manifest.json"));
  require_ok(export_word_tokenizer(dir, w->v, &c, w->tokenizer, &lines));
  json_t *j = load(dir, "tokenizer.json");
  const size_t words = json_object_size(json_object_get(json_object_get(j, "model"), "vocab"));
  require(words >= TOKEN_SPECIALS && words <= (size_t)vocab_size(w->v));
  json_decref(j);
  json_decref(load(dir, "tokenizer_config.json"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static const char *const names[] = {"vocab.txt", "tokenizer.json", "added_tokens.json",
                                      "tokenizer_config.json", "special_tokens_map.json"};
  static char in[4096], to[4096], path[4200];
  const char *dir = fuzz_directory();
  require_ok(path_join(in, sizeof in, dir, "in"));
  require_ok(path_join(to, sizeof to, dir, "out"));
  require(dir_make(in) == OK && dir_make(to) == OK);
  const uint8_t *at = data, *const end = data + bytes;
  for (int i = bytes > 0 && data[0] == '{'; i < 5; i++) {
    const uint8_t *stop = at < end && i < 4 ? memchr(at, 0x1e, (size_t)(end - at)) : end;
    if (stop == NULL) stop = end;
    require_ok(path_join(path, sizeof path, in, names[i]));
    unlink(path);
    if (stop > at) fuzz_write(in, names[i], at, (size_t)(stop - at));
    at = stop < end ? stop + 1 : end;
  }
  if (bytes > 0 && data[0] == '{') {
    require_ok(path_join(path, sizeof path, in, "vocab.txt"));
    unlink(path);
  }
  wordpiece *w;
  if (wordpiece_read(&w, in) == OK) {
    fuzz_accepted();
    check_order(w);
    check_export(w, to);
  } else {
    require(w == NULL);
    require_sentence(in);
  }
  wordpiece_close(w);
  return 0;
}
