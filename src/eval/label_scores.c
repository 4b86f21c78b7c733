// What a model says of labelled rows; see label_scores.h.
#include "eval/label_scores.h"

#include <limits.h>
#include <math.h>
#include "base/file.h"
#include "base/memory.h"
#include "model/objectives/label_head.h"

// Rows [first, *stop) into the batch: as many as fit.
static status fill(batch *b, const labelled_rows *of, const seq_layout *layout, int64_t first,
                   int64_t *stop) {
  batch_clear(b);
  for (*stop = first; *stop < of->n && labelled_put(of, *stop, layout, *stop, false, b);) (*stop)++;
  batch_finish(b);
  return *stop > first
             ? OK
             : fail(ERR_INTERNAL, "a labelled row does not fit into a batch of %d tokens", b->caps.tokens);
}

static status score_batch(model *m, const batch *b, float *logits, float *pooled) {
  TRY(model_set_batch(m, b, &(step_state){.seed = 1}));
  TRY(model_forward(m, false));
  return model_label_logits(m, logits, pooled);
}

// Nothing can be said of a row whose logits are not numbers, and nothing be counted.
static status check_logits(const labelled_rows *of, const float *logits, int32_t labels, int64_t first,
                           int64_t stop) {
  for (int64_t i = first * labels; i < stop * labels; i++)
    if (!isfinite(logits[i]))
      return fail(ERR_NONFINITE, "what the model says of the row in line %lld is not finite",
                  (long long)of->lines[i / labels]);
  return OK;
}

status label_logits(model *m, const labelled_rows *of, float *logits, float *pooled) {
  const model_config *c = model_get_config(m);
  const seq_layout layout = model_layout(c);
  batch *b;
  TRY(batch_new(&b, model_get_run(m)->caps));
  status rc = OK;
  for (int64_t i = 0, stop; rc == OK && i < of->n; i = stop) {
    rc = fill(b, of, &layout, i, &stop);
    if (rc == OK)
      rc = score_batch(m, b, logits + i * c->labels, pooled != NULL ? pooled + i * c->hidden : NULL);
    if (rc == OK) rc = check_logits(of, logits, (int32_t)c->labels, i, stop);
  }
  batch_free(b);
  return rc;
}

status checkpoint_label_set(label_set *out, const checkpoint *c) {
  char path[PATH_MAX];
  *out = (label_set){.n = 0};
  if (c->labels == NULL)
    return fail(ERR_ARGUMENT, "%s has no labels: souk finetune --task classify or pair trains some", c->dir);
  TRY(path_join(path, sizeof path, c->dir, "manifest.json"));
  return label_set_from_json(out, c->labels, path);
}

label_scores label_scores_of(const labelled_rows *of, const label_set *l, const float *logits) {
  return (label_scores){
      .n = of->n, .labels = l->n, .single = l->single, .logits = logits, .targets = of->labels};
}
