// Lexicons. The input is the text of one, then the pieces of a vocabulary a line ("#" in front: it goes on with a word), then a text that is
// written, with a byte 0x1e between them. What is refused is refused with file and line. The text is banned or not however it is cut into
// steps, and never fine again behind what is banned; where it was banned there is a reason; and at some places of it the mask is
// what stepping through every piece gives.
#include <stdlib.h>
#include <string.h>
#include "format/lexicon_mask.h"
#include "fuzz/fuzz.h"

enum { MOST_PIECES = 64, MOST_TEXT = 256, MASKS = 8 };

typedef struct input {
  lexicon *l;
  lexicon_words *w;
  lexicon_piece pieces[MOST_PIECES];
  int32_t n;
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

static void split_pieces(input *in, char *list) {
  char *rest = NULL;
  for (char *piece = strtok_r(list, "\n", &rest); piece != NULL && in->n < MOST_PIECES;
       piece = strtok_r(NULL, "\n", &rest)) {
    const bool inside = piece[0] == '#';
    in->pieces[in->n++] = (lexicon_piece){piece + inside, inside};
  }
}

static bool step_piece(const input *in, int32_t i, lexicon_state *s, const copy_join *j) {
  const char *text = in->pieces[i].text;
  const size_t bytes = strlen(text);
  if (bytes == 0 || bytes > LEXICON_LONGEST_PIECE) return false;
  if (copy_join_space(j, copy_kind_of(text, bytes, in->pieces[i].continues)) &&
      !lexicon_step(in->l, s, " ", 1))
    return false;
  return lexicon_step(in->l, s, text, bytes) && !lexicon_cornered(in->l, s);
}

static void check_mask(const input *in, const lexicon_state *s, const copy_join *j) {
  uint64_t bits[(MOST_PIECES + 63) / 64];
  lexicon_mask(in->w, s, j, bits);
  for (int32_t i = 0; i < in->n; i++) {
    lexicon_state next = *s;
    require(step_piece(in, i, &next, j) == ((bits[i / 64] >> (i % 64) & 1) != 0));
  }
}

// Byte by byte, with masks at some places.
static void check_text(const input *in) {
  lexicon_state s, whole;
  copy_join j = {0};
  size_t at = 0;
  lexicon_begin(&s);
  lexicon_begin(&whole);
  const bool fine = lexicon_step(in->l, &whole, in->text, in->bytes);
  for (bool good = true; at < in->bytes && good; at++) {
    if (at % (in->bytes / MASKS + 1) == 0) check_mask(in, &s, &j);
    good = lexicon_step(in->l, &s, in->text + at, 1);
    copy_join_after(&j, in->text + at, 1, copy_kind_of(in->text + at, 1, true));
    if (!good) require(!fine);
  }
  if (fine) {
    require(at == in->bytes && s.n == whole.n && memcmp(s.live, whole.live, s.n * sizeof *s.live) == 0);
    require(s.number == whole.number && s.met == whole.met && s.n_partial == whole.n_partial);
    require((lexicon_met(in->l, &s) & s.met) == s.met);
    return;
  }
  char why[8];
  require(lexicon_reason(in->l, &whole, why, sizeof why) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  const uint8_t *at = data, *const end = data + bytes;
  char *phrases = take_part(&at, end), *list = take_part(&at, end);
  const lexicon_text text = {phrases, strlen(phrases), "fuzz.txt", LEXICON_FILE};
  input in = {.n = 0};
  format_error e;
  split_pieces(&in, list);
  in.text = (const char *)at;
  in.bytes = (size_t)(end - at) < MOST_TEXT ? (size_t)(end - at) : MOST_TEXT;
  if (!lexicon_compile(&in.l, &text, 1, &e)) {
    require(strncmp(e.message, "fuzz.txt, line ", 15) == 0);
  } else {
    fuzz_accepted();
    require(lexicon_bind(&in.w, in.l, in.pieces, in.n, &e));
    check_text(&in);
  }
  lexicon_words_free(in.w);
  lexicon_free(in.l);
  free(phrases);
  free(list);
  return 0;
}
