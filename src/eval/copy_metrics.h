// How good generated copy is: beside references (BLEU, ROUGE-L), by itself (how varied it is, how much it repeats), and whether it
// says what is true of its offer (terms). docs/copy.md has what each is good for.
//
//   distinct-n   different n-grams of all copies together / n-grams of all copies (J. Li et al.: A diversity-promoting objective
//                function for neural conversation models, NAACL 2016)
//   rep-n        1 - different n-grams / n-grams of a copy, mean over the copies that have one (S. Welleck et al.: Neural text
//                generation with unlikelihood training, ICLR 2020)
//   repeated-n   share of all copies that have an n-gram twice
//
// Words of these three are those of BLEU. A reference repeats words, too: the same figures of the references are what to compare with.
// Intervals are of the bootstrap over copies (bootstrap.h).
#ifndef SOUK_EVAL_COPY_METRICS_H
#define SOUK_EVAL_COPY_METRICS_H

#include <jansson.h>
#include <stdio.h>
#include "base/file.h"
#include "eval/bootstrap.h"
#include "eval/copy_bleu.h"
#include "eval/copy_rouge.h"
#include "eval/copy_terms.h"

typedef struct copy_how {
  words_kind bleu_words, rouge_words;
  bleu_how bleu;
  int64_t replicates; // of the bootstrap; 0: no intervals
  uint64_t seed;
} copy_how;

// Copies, and references of each: copies [n], references [n_references][n] of NUL-terminated texts.
typedef struct copy_corpus {
  int64_t n;
  int32_t n_references;
  char *const *copies;
  char *const *const *references;
  const copy_terms *terms; // [n]; NULL: not known
  double perplexity;       // of the model at the references; NaN: there is none
} copy_corpus;

typedef struct copy_variety {
  int64_t empty;                                                      // copies without a word
  double words;                                                       // mean
  double distinct[MOST_ORDER], rep[MOST_ORDER], repeated[MOST_ORDER]; // NaN where no copy has such an n-gram
} copy_variety;

typedef struct copy_metrics {
  int64_t copies;
  int32_t references;
  copy_how how;
  bleu bleu;
  bleu_sums sums;                          // that BLEU is made of
  rouge rouge;                             // means over copies
  interval bleu_range, rouge_range;        // of the score and F1, with replicates
  copy_variety variety, reference_variety; // the latter of the first references
  bool has_terms;
  term_figures terms;
  double perplexity;
} copy_metrics;

// At least one copy and one reference of each; at most INT32_MAX copies.
status copy_metrics_run(copy_metrics *out, const copy_corpus *c, const copy_how *how);

// Where the copies are from, for reports: NULL where it is not known.
typedef struct copy_origin {
  const char *checkpoint, *copies, *references, *command, *decoding;
} copy_origin;
json_t *copy_metrics_json(const copy_metrics *m, const copy_origin *o); // new, NULL: no memory
status copy_metrics_print(const copy_metrics *m, FILE *to);
// A page with the figures and the first samples of copies beside their references; commits or aborts f.
status copy_metrics_html(const copy_metrics *m, const copy_origin *o, const copy_corpus *c, out_file *f);

#endif
