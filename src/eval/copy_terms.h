// Does copy say what is true of its offer? Of the slots (format/promo_terms.h) some are given with the request, and some of these
// should be said: those that the reference says.
//
//   accuracy   right / (wanted + untrue + quantities), over all copies: right are the wanted slots that are said; untrue are slots
//              that are said and not given; quantities are numbers in the copy that are no term at all. A slot that is given and said,
//              though the reference does not say it, is neither right nor wrong.
//   recall     right / wanted
//   clean      share of copies that say every wanted slot and nothing untrue
#ifndef SOUK_EVAL_COPY_TERMS_H
#define SOUK_EVAL_COPY_TERMS_H

#include "format/promo_terms.h"

// Of one copy; bit s of a mask is slot s.
typedef struct copy_terms {
  uint32_t given, wanted, said;
  int32_t quantities;
} copy_terms;

// What is found in a copy of an offer with these terms, and wanted by its reference, both NUL-terminated texts, by promo_find. What is
// written of a term that is not given can only be a quantity then, and so `said` is among `given`.
copy_terms copy_terms_of(const char *copy, const char *reference, const promo_terms *t, const promo_market *m,
                         promo_language l);

typedef struct term_figures {
  int64_t wanted, right, untrue, quantities;
  double accuracy, recall, clean; // NaN where there is nothing to count
} term_figures;

// n at least 1.
void term_figures_of(term_figures *out, const copy_terms *t, int64_t n);

#endif
