// The tokeniser of words. The input is a byte of options, then the words of a vocabulary a line, then added tokens a line, then a
// text, with a byte 0x1e between them. The ids are those of tokens that exist, their number does not depend on the room for them,
// no special one unless that is asked for, and where no added token is near, a space in the text is a place to cut it: the ids of the parts are the ids of the whole.
#include <stdlib.h>
#include <string.h>
#include "data/vocab.h"
#include "format/word_tokenizer.h"
#include "fuzz/fuzz.h"

enum { MOST_ADDED = 16, MOST_CUTS = 32 };

typedef struct input {
  vocab *v;
  word_added added[MOST_ADDED];
  size_t n_added;
  word_options o;
  const char *text;
  size_t bytes;
} input;

// The next part of the input, as text.
static char *take_part(const uint8_t **at, const uint8_t *end) {
  const uint8_t *stop = *at < end ? memchr(*at, 0x1e, (size_t)(end - *at)) : NULL;
  const size_t n = (size_t)((stop != NULL ? stop : end) - *at);
  char *part = malloc(n + 1);
  require(part != NULL);
  memcpy(part, *at, n);
  part[n] = '\0';
  *at = stop != NULL ? stop + 1 : end;
  return part;
}

static void add_words(vocab *v, char *list) {
  char *rest = NULL;
  for (char *word = strtok_r(list, "\n", &rest); word != NULL; word = strtok_r(NULL, "\n", &rest))
    if (vocab_find(v, RANGE_WORDS, word) < 0) require_ok(vocab_add(v, RANGE_WORDS, word, 0, NULL));
}

static void add_tokens(input *in, char *list, unsigned flags) {
  char *rest = NULL;
  for (char *text = strtok_r(list, "\n", &rest); text != NULL && in->n_added < MOST_ADDED;
       text = strtok_r(NULL, "\n", &rest)) {
    const unsigned own = flags >> in->n_added % 3;
    const int32_t id = vocab_find(in->v, RANGE_WORDS, text);
    in->added[in->n_added++] =
        (word_added){text, id >= 0 ? id : TOKEN_UNK, own & 1, own & 2, own & 4, own & 8};
  }
}

static void set_options(input *in, unsigned flags) {
  in->o = word_options_default();
  in->o.rules = flags & 1 ? WORDS_PYTHON : WORDS_FAST;
  in->o.lower_case = flags & 2;
  in->o.strip_accents = (int)(flags >> 2 & 3) % 3 - 1;
  in->o.split_chinese = flags & 16;
  in->o.clean_text = flags & 32;
  in->o.longest_word = flags & 64 ? 3 : 100;
  in->o.typed_specials = flags & 128;
  in->o.added = in->added;
  in->o.n_added = in->n_added;
}

// Cuts the text at its spaces: what lies between two cuts is encoded alone.
static void check_cuts(const word_tokenizer *t, const input *in, const int32_t *ids, size_t n) {
  int32_t *part = malloc((n + 1) * sizeof *part);
  require(part != NULL);
  size_t at = 0, done = 0;
  for (int cuts = 0; at < in->bytes; cuts++) {
    const char *stop = cuts < MOST_CUTS ? memchr(in->text + at, ' ', in->bytes - at) : NULL;
    const size_t length = stop != NULL ? (size_t)(stop - in->text) - at : in->bytes - at;
    const size_t k = word_tokenizer_encode(t, in->text + at, length, part, n);
    require(k <= n - done && memcmp(part, ids + done, k * sizeof *part) == 0);
    done += k;
    at += length + (stop != NULL);
  }
  require(done == n);
  free(part);
}

static void check(const word_tokenizer *t, const input *in) {
  const size_t n = word_tokenizer_encode(t, in->text, in->bytes, NULL, 0), half = n / 2;
  int32_t *ids = malloc((n + 1) * sizeof *ids), *some = malloc((half + 1) * sizeof *some);
  require(ids != NULL && some != NULL && n <= in->bytes);
  require(word_tokenizer_encode(t, in->text, in->bytes, ids, n) == n);
  for (size_t i = 0; i < n; i++) require(ids[i] >= 0 && ids[i] < vocab_size(in->v));
  for (size_t i = 0; i < n; i++)
    require(in->o.typed_specials || ids[i] == TOKEN_UNK || ids[i] >= TOKEN_SPECIALS);
  some[half] = -7;
  require(word_tokenizer_encode(t, in->text, in->bytes, some, half) == n && some[half] == -7);
  require(memcmp(some, ids, half * sizeof *ids) == 0);
  bool spaced = false; // has a special token a space in it, a cut may go through it
  for (size_t i = 0; i < in->n_added; i++)
    spaced = spaced || in->added[i].single_word || strpbrk(in->added[i].text, " \t\r\v\f") != NULL ||
             (in->added[i].text[0] & 0x80) != 0;
  if (!spaced) check_cuts(t, in, ids, n);
  free(ids);
  free(some);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  const uint8_t *at = data + 2, *const end = data + bytes;
  if (bytes < 2) return 0;
  input in = {.n_added = 0};
  require_ok(vocab_new(&in.v));
  char *words = take_part(&at, end), *tokens = take_part(&at, end);
  add_words(in.v, words);
  add_tokens(&in, tokens, data[1]);
  set_options(&in, data[0]);
  in.text = (const char *)at;
  in.bytes = (size_t)(end - at);
  word_tokenizer *t;
  format_error e;
  if (word_tokenizer_new(&t, in.v, &in.o, &e)) {
    fuzz_accepted();
    check(t, &in);
  }
  word_tokenizer_free(t);
  vocab_free(in.v);
  free(words);
  free(tokens);
  return 0;
}
