// From counts of words to the pieces of a vocabulary: the special tokens, the alphabet, and merged pairs.
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "format/unicode.h"
#include "format/utf8.h"
#include "vocab/pair_merges.h"
#include "vocab/vocab_internal.h"

typedef struct character {
  uint32_t c;
  int64_t count;
  bool inside; // occurs inside words
} character;

typedef struct alphabet {
  character *all; // [n] that occur, by code point
  int32_t n;
  int32_t *plain, *inside; // [UNICODE_CHARACTERS] the pieces of a character; 0: none
} alphabet;

static int by_count(const void *x, const void *y) {
  const character *a = x, *b = y;
  if (a->count != b->count) return a->count > b->count ? -1 : 1;
  return (a->c > b->c) - (a->c < b->c);
}

static int by_code(const void *x, const void *y) {
  const character *a = x, *b = y;
  return (a->c > b->c) - (a->c < b->c);
}

// ---- characters ----------------------------------------------------------------------------------------------

static status count_characters(const word_counts *w, alphabet *a) {
  character *of;
  TRY(mem_new(&of, UNICODE_CHARACTERS, sizeof *of, "counts of characters"));
  for (int32_t i = 0; i < word_counts_n(w); i++) {
    const char *text = word_counts_text(w, i), *const end = text + strlen(text);
    size_t n;
    for (const char *at = text; at < end; at += n) {
      character *c = &of[utf8_next(at, (size_t)(end - at), &n)];
      c->count += word_counts_of(w, i);
      c->inside = c->inside || at > text;
    }
  }
  for (uint32_t c = 0; c < UNICODE_CHARACTERS; c++)
    if (of[c].count > 0) of[a->n++] = (character){c, of[c].count, of[c].inside};
  a->all = of;
  return OK;
}

static status add_piece(intern *pieces, const char *prefix, uint32_t c, int32_t *id) {
  char text[8];
  strcpy(text, prefix);
  *utf8_put(text + strlen(text), c) = '\0';
  return intern_add(pieces, text, id);
}

// The most frequent characters, as many as the limits allow; a piece of each, and one inside words where it occurs there.
static status choose_alphabet(vocab_job *job, alphabet *a, vocab_pieces *p) {
  const vocab_config *c = job->c;
  int64_t room = c->size - intern_count(job->pieces);
  int32_t n = 0;
  p->different = a->n;
  qsort(a->all, (size_t)a->n, sizeof *a->all, by_count);
  while (n < a->n && n < c->alphabet && room >= 1 + a->all[n].inside) room -= 1 + a->all[n++].inside;
  p->left_out = a->n - n;
  qsort(a->all, (size_t)n, sizeof *a->all, by_code);
  for (int32_t i = 0; i < n; i++) TRY(add_piece(job->pieces, "", a->all[i].c, &a->plain[a->all[i].c]));
  p->alphabet = n;
  for (int32_t i = 0; i < n; i++) {
    if (!a->all[i].inside) continue;
    TRY(add_piece(job->pieces, "##", a->all[i].c, &a->inside[a->all[i].c]));
    p->inside++;
  }
  return OK;
}

// ---- words ---------------------------------------------------------------------------------------------------

// A word as the pieces of its characters; *n 0: one of them is not in the alphabet.
static void cut(const alphabet *a, const char *word, int32_t *pieces, size_t *n) {
  const char *const end = word + strlen(word);
  size_t bytes;
  *n = 0;
  for (const char *at = word; at < end; at += bytes) {
    const uint32_t c = utf8_next(at, (size_t)(end - at), &bytes);
    const int32_t piece = at == word ? a->plain[c] : a->inside[c];
    if (piece == 0) {
      *n = 0;
      return;
    }
    pieces[(*n)++] = piece;
  }
}

static status add_words(vocab_job *job, const alphabet *a, pair_merges *m, vocab_pieces *p) {
  int32_t pieces[LONGEST_WORD + 1];
  for (int32_t i = 0; i < word_counts_n(job->words); i++) {
    size_t n;
    cut(a, word_counts_text(job->words, i), pieces, &n);
    if (n == 0)
      p->left_out_uses += word_counts_of(job->words, i);
    else
      p->known += word_counts_of(job->words, i);
    TRY(pair_merges_add(m, pieces, n, word_counts_of(job->words, i)));
  }
  return OK;
}

static status make_pieces(vocab_job *job, alphabet *a, pair_merges *m, vocab_pieces *p) {
  TRY(mem_new(&a->plain, UNICODE_CHARACTERS, sizeof *a->plain, "an alphabet"));
  TRY(mem_new(&a->inside, UNICODE_CHARACTERS, sizeof *a->inside, "an alphabet"));
  TRY(count_characters(job->words, a));
  TRY(choose_alphabet(job, a, p));
  TRY(add_words(job, a, m, p));
  TRY(pair_merges_run(m, job->pieces, (int32_t)job->c->size, job->c->min_count, &p->merges));
  p->pieces = pair_merges_pieces(m);
  return OK;
}

status vocab_make_pieces(vocab_job *job, vocab_pieces *p) {
  alphabet a = {0};
  pair_merges *m = NULL;
  *p = (vocab_pieces){0};
  status rc = intern_new(&job->pieces);
  for (int i = 0; rc == OK && i < TOKEN_SPECIALS; i++) {
    int32_t id;
    rc = intern_add(job->pieces, special_tokens[i], &id);
  }
  if (rc == OK) rc = pair_merges_new(&m);
  if (rc == OK) rc = make_pieces(job, &a, m, p);
  pair_merges_free(m);
  free(a.all);
  free(a.plain);
  free(a.inside);
  return rc;
}
