// What a model says of labelled rows.
#ifndef SOUK_EVAL_LABEL_SCORES_H
#define SOUK_EVAL_LABEL_SCORES_H

#include "data/labelled_rows.h"
#include "eval/classification.h"
#include "model/checkpoint.h"

// Logits [rows, labels] and, where pooled is not NULL, vectors after the pooler [rows, H], without dropout. The model may be one
// that is being trained: its batches have its own capacities.
status label_logits(model *m, const labelled_rows *rows, float *logits, float *pooled);

// A checkpoint's labels: names and temperatures. ERR_ARGUMENT where it has none.
status checkpoint_label_set(label_set *out, const checkpoint *c);

// Logits of rows as scores.
label_scores label_scores_of(const labelled_rows *rows, const label_set *l, const float *logits);

#endif
