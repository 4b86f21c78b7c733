// Labels of texts and of pairs: a classifier on BERT's pooler, logits = C tanh(P x + p) + c with x the hidden state of [CLS].
#ifndef SOUK_INFER_LABELS_H
#define SOUK_INFER_LABELS_H

#include "format/jtree.h"
#include "infer/bundle.h"

// Texts, or where `pairs` is set pairs.
typedef struct label_job {
  const souk_bundle *b; // with labels
  const char *const *texts, *const *seconds;
  const souk_pair *pairs; // [n] of pair_bytes each, which an older or newer program may have made
  size_t pair_bytes;
  size_t n;
  souk_label_options options;
  float *out; // [n][labels]
} label_job;

// How many temperatures its probabilities have.
static inline size_t label_head_temperatures(const label_head *l) {
  return l->single ? 1 : (size_t)l->n;
}
// Fills to [label_head_temperatures] from the node of an array. Returns what it has to be instead; NULL: it is that.
const char *temperatures_take(const label_head *l, const jtree *tree, const jnode *list, double *to);

// Pair i; fields that the caller's version does not have are zero.
souk_pair job_pair(const label_job *j, size_t i);

// Arguments have been checked.
souk_status labels_run(const label_job *j, souk_error *e);

#endif
