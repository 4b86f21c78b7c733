// Accuracy of terms; see copy_terms.h.
#include "eval/copy_terms.h"

#include <string.h>

enum { MOST_SPANS = 256 }; // more terms and numbers than any copy has; those behind are not counted

typedef struct what_is_said {
  uint32_t slots;
  int32_t quantities;
} what_is_said;

static what_is_said read_copy(const char *text, const promo_terms *t, const promo_market *m,
                              promo_language l) {
  promo_span spans[MOST_SPANS];
  what_is_said said = {0, 0};
  const size_t n = promo_find(text, strlen(text), t, m, l, spans, MOST_SPANS);
  for (size_t i = 0; i < n && i < MOST_SPANS; i++) {
    if (spans[i].slot >= 0)
      said.slots |= 1u << spans[i].slot;
    else
      said.quantities += spans[i].slot == PROMO_QUANTITY;
  }
  return said;
}

copy_terms copy_terms_of(const char *copy, const char *reference, const promo_terms *t, const promo_market *m,
                         promo_language l) {
  const what_is_said said = read_copy(copy, t, m, l), wanted = read_copy(reference, t, m, l);
  return (copy_terms){.given = promo_terms_given(t),
                      .wanted = wanted.slots,
                      .said = said.slots,
                      .quantities = said.quantities};
}

static double share(int64_t part, int64_t whole) {
  return (double)part / (double)whole; // 0 / 0 is not a number, as it says
}

void term_figures_of(term_figures *out, const copy_terms *t, int64_t n) {
  int64_t clean = 0;
  *out = (term_figures){.wanted = 0};
  for (int64_t i = 0; i < n; i++) {
    const int wanted = __builtin_popcount(t[i].wanted), right = __builtin_popcount(t[i].wanted & t[i].said);
    const int untrue = __builtin_popcount(t[i].said & ~t[i].given);
    out->wanted += wanted;
    out->right += right;
    out->untrue += untrue;
    out->quantities += t[i].quantities;
    clean += right == wanted && untrue == 0 && t[i].quantities == 0;
  }
  out->accuracy = share(out->right, out->wanted + out->untrue + out->quantities);
  out->recall = share(out->right, out->wanted);
  out->clean = share(clean, n);
}
