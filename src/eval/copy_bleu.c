// BLEU; see copy_bleu.h.
#include "eval/copy_bleu.h"

#include <math.h>
#include <stdlib.h>

// Of the lengths of references the one that is nearest to the copy's, the shorter one of two.
static size_t nearest_length(size_t n, const word_list *references, int32_t n_references) {
  size_t best = references[0].n, best_apart = best > n ? best - n : n - best;
  for (int32_t r = 1; r < n_references; r++) {
    const size_t length = references[r].n, apart = length > n ? length - n : n - length;
    if (apart > best_apart || (apart == best_apart && length >= best)) continue;
    best = length;
    best_apart = apart;
  }
  return best;
}

// Matches of one order: of each n-gram as many as copy (from 0) and reference (from 1 on) both have.
static double clipped(const ngram_list *l) {
  size_t matches = 0;
  for (size_t i = 0; i < l->n;) {
    const size_t first = i;
    size_t of_copy = 0, most = 0;
    for (; i < l->n && ngrams_same(&l->at[first], &l->at[i]);) {
      const size_t n = ngrams_equal(l, i);
      if (l->at[i].from == 0)
        of_copy = n;
      else if (n > most)
        most = n;
      i += n;
    }
    matches += of_copy < most ? of_copy : most;
  }
  return (double)matches;
}

status bleu_count(bleu_sums *out, const word_list *copy, const word_list *references, int32_t n_references,
                  ngram_list *room) {
  *out = (bleu_sums){.words = (double)copy->n,
                     .reference_words = (double)nearest_length(copy->n, references, n_references)};
  for (int order = 1; order <= MOST_ORDER; order++) {
    room->n = 0;
    TRY(ngrams_add(room, copy, order, 0));
    out->ngrams[order - 1] = (double)room->n;
    for (int32_t r = 0; r < n_references; r++) TRY(ngrams_add(room, &references[r], order, r + 1));
    ngrams_sort(room);
    out->matches[order - 1] = clipped(room);
  }
  return OK;
}

void bleu_add(bleu_sums *to, const bleu_sums *s, double times) {
  to->words += times * s->words;
  to->reference_words += times * s->reference_words;
  for (int k = 0; k < MOST_ORDER; k++) {
    to->matches[k] += times * s->matches[k];
    to->ngrams[k] += times * s->ngrams[k];
  }
}

static double brevity(const bleu_sums *s) {
  if (s->words >= s->reference_words) return 1;
  return s->words > 0 ? exp(1 - s->reference_words / s->words) : 0;
}

// p_n of an order that has n-grams, in %; *empty: how many orders without a match there were, of which this may be one more.
static double precision(double matches, double ngrams, const bleu_how *how, double value, int *empty) {
  if (matches > 0) return 100 * matches / ngrams;
  if (how->smoothing == SMOOTH_EXP) return 100 / (ldexp(1, ++*empty) * ngrams);
  return how->smoothing == SMOOTH_FLOOR ? 100 * value / ngrams : 0;
}

bleu bleu_of(const bleu_sums *s, const bleu_how *how) {
  bleu b = {.brevity = brevity(s)};
  const double value = isfinite(how->value) ? how->value : how->smoothing == SMOOTH_FLOOR ? 0.1 : 1;
  int orders = MOST_ORDER, empty = 0;
  double logs = 0, any = 0;
  for (int k = 0; k < MOST_ORDER; k++) any += s->matches[k];
  if (any <= 0) return b;
  for (int k = 0; k < MOST_ORDER; k++) {
    const double more = how->smoothing == SMOOTH_ADD_K && k > 0 ? value : 0;
    const double ngrams = s->ngrams[k] + more;
    if (ngrams <= 0) break;
    if (how->effective_order) orders = k + 1;
    b.precisions[k] = precision(s->matches[k] + more, ngrams, how, value, &empty);
  }
  for (int k = 0; k < orders; k++) logs += log(b.precisions[k]); // of 0 it is -infinity, and BLEU is 0
  b.score = b.brevity * exp(logs / orders);
  return b;
}
