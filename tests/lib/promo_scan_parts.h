// What the files of promo_scan.h share: text as folded characters, and spans of it.
#ifndef SOUK_TESTS_PROMO_SCAN_PARTS_H
#define SOUK_TESTS_PROMO_SCAN_PARTS_H

#include <stdbool.h>
#include <stdint.h>
#include "promo_scan.h"

// A character: full-width forms as ASCII, small letters for capital ones, any space as ' '.
typedef struct scan_char {
  uint32_t p;     // folded
  uint32_t given; // as it stands in the text
  size_t begin, end;
} scan_char;

// Characters of a text without those that are not seen (zero width, directions, soft hyphens).
typedef struct scan_text {
  scan_char *c;
  size_t n;
} scan_text;

typedef struct scan_span {
  size_t begin, end; // bytes
} scan_span;

typedef struct scan_spans {
  scan_span *at;
  size_t n, room;
} scan_spans;

// Bytes of the character that begins at s, by the table of RFC 3629, and its number; 0: not UTF-8.
size_t scan_decode(const char *s, size_t bytes, uint32_t *p);
// What is not UTF-8 is left out. scan_text_free().
scan_text scan_text_of(const char *text, size_t bytes);
void scan_text_free(scan_text *t);
void scan_spans_add(scan_spans *s, size_t begin, size_t end);
bool scan_within(const scan_spans *s, size_t begin, size_t end); // one span holds all of it

bool scan_is_latin(uint32_t p);   // a letter of the Latin alphabet
bool scan_is_digit(uint32_t p);   // of any script, raised, circled, Roman, fractions
bool scan_is_numeral(uint32_t p); // Chinese, simplified, traditional, financial
bool scan_is_letter(uint32_t p);  // letters, ideographs and digits: what phrases are made of
bool scan_is_currency(uint32_t p);

// Characters i and i + 1 are of one word or number: Latin letters or digits, none of them full-width, which stand by themselves as ideographs do.
bool scan_glued(const scan_text *t, size_t i);

// Where the accepted forms of the request's terms, its item's name and its code stand.
void scan_accepted(const scan_text *t, const char *text, size_t bytes, const promo_scan_request *r,
                   scan_spans *to);
void scan_find(const scan_text *t, const char *form, scan_spans *to);
// Every quantity of the text with its unit, but none that `accepted` holds.
void scan_quantities(const scan_text *t, const scan_spans *accepted, scan_spans *to);
// Every occurrence of a phrase in any of its spellings.
void scan_phrases(const scan_text *t, const char *const *phrases, size_t n, scan_spans *to);

#endif
