// Characters; see unicode.h.
#include "format/unicode.h"

// Hangul syllables (The Unicode Standard, 3.12): leading consonant, vowel, trailing consonant by arithmetic.
enum { S0 = 0xAC00, L0 = 0x1100, V0 = 0x1161, T0 = 0x11A7, LS = 19, VS = 21, TS = 28, SS = LS * VS * TS };

int unicode_decompose(uint32_t c, uint32_t out[MOST_DECOMPOSED]) {
  if (c >= S0 && c < S0 + SS) {
    const uint32_t s = c - S0;
    out[0] = L0 + s / (VS * TS);
    out[1] = V0 + s / TS % VS;
    out[2] = T0 + s % TS;
    return s % TS > 0 ? 3 : 2;
  }
  const unicode_record *r = unicode_of(c);
  for (int i = 0; i < r->decomposed; i++) out[i] = unicode_sequences[r->at + i];
  if (r->decomposed > 0) return r->decomposed;
  out[0] = c;
  return 1;
}

uint32_t unicode_compose(uint32_t a, uint32_t b) {
  if (a >= L0 && a < L0 + LS && b >= V0 && b < V0 + VS) return S0 + ((a - L0) * VS + b - V0) * TS;
  if (a >= S0 && a < S0 + SS && (a - S0) % TS == 0 && b > T0 && b < T0 + TS) return a + b - T0;
  size_t low = 0, high = unicode_n_pairs;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    const unicode_pair *p = &unicode_pairs[middle];
    if (p->a == a && p->b == b) return p->c;
    if (p->a < a || (p->a == a && p->b < b))
      low = middle + 1;
    else
      high = middle;
  }
  return 0;
}
