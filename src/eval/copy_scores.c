// Probabilities of copy; see copy_scores.h.
#include "eval/copy_scores.h"

#include <math.h>
#include "model/objective.h"

double copy_loss(const copy_score *s) {
  return s->weight > 0 ? s->nll / s->weight : 0;
}

double copy_perplexity(const copy_score *s) {
  return exp(copy_loss(s));
}

double copy_accuracy(const copy_score *s) {
  return s->weight > 0 ? s->hits / s->weight : 0;
}

// The sums of the objective over the batch.
static status score_batch(model *m, const batch *b, slot_result *out) {
  const int32_t slot = objectives_slot(model_objectives(m), &objective_copy);
  step_result r;
  if (slot < 0) return fail(ERR_ARGUMENT, "this model was not trained for copy");
  TRY(model_backend(m)->result_clear(model_ctx(m)));
  TRY(model_set_batch(m, b, &(step_state){.seed = 1}));
  TRY(model_forward(m, false));
  TRY(model_loss(m, false));
  TRY(model_backend(m)->result_read(model_ctx(m), &r));
  TRY(model_backend(m)->result_clear(model_ctx(m)));
  *out = r.slot[slot];
  return isfinite(out->loss) ? OK : fail(ERR_NONFINITE, "what the model says of copy is not finite");
}

// Rows of the part from *next on: as many as fit.
static status fill(batch *b, const copy_examples *e, copy_part part, int64_t *next, int64_t *added) {
  batch_clear(b);
  for (; *next < e->rows->n; ++*next) {
    if (e->rows->part[*next] != part) continue;
    if (!copy_examples_put(e, *next, *next, b)) break;
    ++*added;
  }
  batch_finish(b);
  return b->seqs > 0 || *next == e->rows->n
             ? OK
             : fail(ERR_INTERNAL, "a row of copy does not fit into a batch of %d tokens", b->caps.tokens);
}

status copy_score_part(copy_score *out, model *m, const copy_examples *e, copy_part part) {
  batch *b;
  *out = (copy_score){.rows = 0};
  TRY(batch_new(&b, model_get_run(m)->caps));
  status rc = OK;
  for (int64_t next = 0; rc == OK && next < e->rows->n;) {
    slot_result r;
    rc = fill(b, e, part, &next, &out->rows);
    if (rc != OK || b->seqs == 0) break;
    rc = score_batch(m, b, &r);
    if (rc != OK) break;
    out->weight += r.weight;
    out->nll += r.loss;
    out->hits += r.hits;
  }
  batch_free(b);
  return rc;
}

status copy_log_probability(model *m, const copy_examples *e, int64_t row, const int32_t *copy, int32_t n,
                            double *out) {
  return copy_log_probability_of(m, e, row, row, copy, n, out);
}

status copy_log_probability_of(model *m, const copy_examples *e, int64_t row, int64_t history_of,
                               const int32_t *copy, int32_t n, double *out) {
  const copy_source other = copy_examples_source(e, history_of);
  copy_source s = copy_examples_source(e, row);
  s.history = other.history;
  s.fixed = other.fixed;
  batch *b;
  slot_result r;
  if (copy == NULL) copy = copy_list(&e->rows->copy, row, &n);
  TRY(batch_new(&b, model_get_run(m)->caps));
  batch_clear(b);
  status rc =
      batch_add_copy(b, &e->layout, &s, copy, n, NULL, row)
          ? OK
          : fail(ERR_INTERNAL, "a row of copy does not fit into a batch of %d tokens", b->caps.tokens);
  batch_finish(b);
  if (rc == OK) rc = score_batch(m, b, &r);
  batch_free(b);
  if (rc == OK) *out = -r.loss;
  return rc;
}
