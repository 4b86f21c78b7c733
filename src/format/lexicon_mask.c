// Masks of a lexicon over a vocabulary; see lexicon_mask.h.
#include "format/lexicon_mask.h"

#include <stdlib.h>
#include <string.h>

struct lexicon_words {
  const lexicon *l;
  int32_t n;
  uint32_t *begins; // [n + 1] of each piece in texts
  uint8_t *kinds;   // [n] a copy_kind; COPY_KINDS: never admissible
  char *texts;
};

bool lexicon_bind(lexicon_words **out, const lexicon *l, const lexicon_piece *pieces, int32_t n,
                  format_error *e) {
  size_t bytes = 0, at = 0;
  *out = NULL;
  for (int32_t i = 0; i < n; i++) bytes += pieces[i].text != NULL ? strlen(pieces[i].text) : 0;
  if (bytes > UINT32_MAX)
    return format_fail(e, FORMAT_MALFORMED, "the words of a vocabulary have more than 4 GiB");
  lexicon_words *w;
  if (!format_alloc(&w, 1, sizeof *w, "lexicon", e)) return false;
  *w = (lexicon_words){.l = l, .n = n};
  if (!format_alloc(&w->begins, (size_t)n + 1, sizeof *w->begins, "lexicon", e) ||
      !format_alloc(&w->kinds, (size_t)n, 1, "lexicon", e) ||
      !format_alloc(&w->texts, bytes, 1, "lexicon", e)) {
    lexicon_words_free(w);
    return false;
  }
  for (int32_t i = 0; i < n; i++) {
    const size_t length = pieces[i].text != NULL ? strlen(pieces[i].text) : 0;
    if (length > 0) memcpy(w->texts + at, pieces[i].text, length);
    w->kinds[i] = pieces[i].text == NULL ? COPY_KINDS
                                         : (uint8_t)copy_kind_of(w->texts + at, length, pieces[i].continues);
    at += length;
    w->begins[i + 1] = (uint32_t)at;
  }
  *out = w;
  return true;
}

void lexicon_words_free(lexicon_words *w) {
  if (w == NULL) return;
  free(w->begins);
  free(w->kinds);
  free(w->texts);
  free(w);
}

size_t lexicon_words_bytes(const lexicon_words *w) {
  return sizeof *w + (size_t)w->n * (sizeof *w->begins + 1) + w->begins[w->n];
}

static bool is_admissible(const lexicon_words *w, lexicon_state s, const copy_join *j, int32_t token) {
  const copy_kind kind = (copy_kind)w->kinds[token];
  if (kind == COPY_KINDS) return false;
  if (copy_join_space(j, kind) && !lexicon_step(w->l, &s, " ", 1)) return false;
  const uint32_t begin = w->begins[token];
  return lexicon_step(w->l, &s, w->texts + begin, w->begins[token + 1] - begin) &&
         !lexicon_cornered(w->l, &s);
}

void lexicon_mask(const lexicon_words *w, const lexicon_state *s, const copy_join *j, uint64_t *bits) {
  memset(bits, 0, ((size_t)w->n + 63) / 64 * sizeof *bits);
  for (int32_t i = 0; i < w->n; i++) bits[i / 64] |= (uint64_t)is_admissible(w, *s, j, i) << (i % 64);
}
