// What tempts a writer of promotion copy to lie: a vocabulary full of numbers, measures, banned words and pieces of all of them, requests
// whose names, codes, titles and terms are chosen to deceive, and the judge of what comes out.
#ifndef SOUK_TESTS_PROMO_LIES_H
#define SOUK_TESTS_PROMO_LIES_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/promo_scan.h"

// [*n] pieces of a vocabulary: words, "##" pieces, and bytes that are no whole characters.
const char *const *lie_words(size_t *n);

// Phrases that copy may not have; "!" before an exception, "~" behind a word with its forms.
typedef struct lie_lexicon {
  const char *const *banned, *const *exceptions;
  size_t n_banned, n_exceptions;
} lie_lexicon;
enum { LIE_LEXICONS = 4 };
const lie_lexicon *lie_lexicon_at(size_t i);  // number 0 is empty
char *lie_lexicon_text(const lie_lexicon *l); // as a file; free()

enum { LIE_PHRASES = 4 };

typedef struct lie_request {
  const char *item, *code, *title; // NULL: not given
  const char *goal, *type, *market, *language;
  double price, was, percent, amount, threshold; // 0: not given
  int32_t year, month, day;                      // month 0: not given
  size_t lexicon;
  const char *required[LIE_PHRASES], *banned[LIE_PHRASES];
  int32_t n_required, n_banned;
  uint32_t required_slots; // 1 << slot, in the order item, price, percent, amount, threshold, date, code
  int32_t min_tokens, max_tokens;
  const char
      *contradiction; // what may not be said of the terms, judged by rules of our own; NULL: they may be
} lie_request;

// Request `number` of a seed. Its texts live as long as the program.
lie_request lie_request_at(uint64_t seed, uint32_t number);

// The scanner's view of a request, whose phrases are written to phrases [n of the lexicon + LIE_PHRASES]. Terms that contradict each other count
// as not given.
enum { LIE_MOST_PHRASES = 128 };
promo_scan_request lie_scan_request(const lie_request *r, const char *phrases[LIE_MOST_PHRASES]);

// Number of violations in the copy; the first `*shown` of them are printed, with the request, and counted down.
size_t lie_judge(const lie_request *r, const char *copy, size_t bytes, int *shown);

#endif
