// What a model of copy says of copy that is there: how probable it is, token by token, each given the source and the tokens before it.
#ifndef SOUK_EVAL_COPY_SCORES_H
#define SOUK_EVAL_COPY_SCORES_H

#include "data/copy_examples.h"
#include "model/model.h"

typedef struct copy_score {
  int64_t rows;
  double weight, nll, hits; // tokens, the sum of -ln p over them, and how many were the most probable one
} copy_score;

double copy_loss(const copy_score *s);       // a token's
double copy_perplexity(const copy_score *s); // exp of it
double copy_accuracy(const copy_score *s);

// Of the rows of a part, in batches of the model's own capacities, without dropout; the model may be one that is being trained. Rows
// count by their weights (copy_examples.weights), and quantities that are no terms not at all.
status copy_score_part(copy_score *out, model *m, const copy_examples *e, copy_part part);
// ln p of copy [n] behind the source of a row, with its end, whatever weights there are: the sum over its tokens, as far as the layout has
// room for them. copy NULL: the row's own.
status copy_log_probability(model *m, const copy_examples *e, int64_t row, const int32_t *copy, int32_t n,
                            double *out);
// The same, had the row's request come from the user of another row, with the history that this one had then.
status copy_log_probability_of(model *m, const copy_examples *e, int64_t row, int64_t history_of,
                               const int32_t *copy, int32_t n, double *out);

#endif
