// Loss by source; see mix_validation.h.
#include "train/mix_validation.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/memory.h"
#include "model/objective.h"

static const int64_t OTHER_SEED = 0x5EED;

status mix_validation_open(mix_validation *v, dataset *d, const run_config *c) {
  *v = (mix_validation){.d = d, .c = c};
  if (dataset_premasked(d) != NULL) return OK;
  TRY(data_mix_parse(&v->mix, c->data.mix, "data.mix"));
  v->mix.weight[MIX_HISTORIES] = 0; // ranked
  return OK;
}

void mix_validation_close(mix_validation *v) {
  for (int part = 0; part < MIX_PARTS; part++) {
    for (int64_t i = 0; i < v->n[part]; i++) batch_free(v->batches[part][i]);
    free(v->batches[part]);
    v->batches[part] = NULL;
    v->n[part] = 0;
  }
}

// ---- batches -------------------------------------------------------------------------------------------------

static bool fit(batch_caps some, batch_caps all) {
  return some.tokens <= all.tokens && some.seqs <= all.seqs && some.masked <= all.masked &&
         some.work <= all.work;
}

// A batcher of one source whose batches a model with room for `caps` takes: texts are shorter than histories, say, so that of
// as many tokens there are more sequences.
static status open_part(mix_validation *v, mix_part part, const model *m, batcher **b) {
  const batch_caps caps = model_get_run(m)->caps;
  const seq_layout layout = model_layout(model_get_config(m));
  data_config c = v->c->data;
  snprintf(c.mix, sizeof c.mix, "%s", mix_part_names[part]);
  c.seed += OTHER_SEED;
  c.hard_negatives = 0; // which are others once they are ranked anew, and the batches of a run are made once
  for (;; c.batch_tokens /= 2) {
    TRY(batcher_open(b, v->d, &c, &layout, PART_TRAIN, 0, 1));
    batch_caps its = batcher_caps(*b);
    its.work = its.work > 0 ? its.work : batch_max_work(its);
    if (fit(its, caps) || c.batch_tokens / 2 < layout.max_positions) return OK;
    batcher_close(*b);
    *b = NULL;
  }
}

static status copy_batches(mix_validation *v, mix_part part, batcher *b, int64_t batches) {
  int64_t tokens = 0;
  TRY(mem_new(&v->batches[part], (size_t)batches, sizeof *v->batches[part], "batches to validate on"));
  for (int64_t i = 0; i < batches && tokens < MIX_VALIDATION_TOKENS; i++) {
    const batch *from;
    TRY(batcher_next(b, &from));
    TRY(batch_new(&v->batches[part][i], from->caps));
    v->n[part] = i + 1;
    batch_copy(v->batches[part][i], from);
    tokens += from->tokens;
  }
  return OK;
}

static status make_batches(mix_validation *v, mix_part part, const model *m) {
  batcher *b = NULL;
  int64_t batches;
  if (v->batches[part] != NULL) return OK;
  status rc;
  TRY_GOTO(open_part(v, part, m, &b), done);
  TRY_GOTO(batcher_epoch_batches(b, 0, &batches), done);
  rc = copy_batches(v, part, b, batches);
done:
  batcher_close(b);
  return rc;
}

// ---- the loss ------------------------------------------------------------------------------------------------

static status run_batches(const mix_validation *v, mix_part part, model *m, step_result *sum) {
  const backend *be = model_backend(m);
  const step_state state = {.seed = 0};
  TRY(be->result_clear(model_ctx(m)));
  for (int64_t i = 0; i < v->n[part]; i++) {
    TRY(model_set_batch(m, v->batches[part][i], &state));
    TRY(model_forward(m, false));
    TRY(model_loss(m, false));
  }
  TRY(be->result_read(model_ctx(m), sum));
  return be->result_clear(model_ctx(m));
}

static status put_loss(json_t *values, mix_part part, const char *of, const slot_result *sum) {
  char name[32];
  if (!(sum->weight > 0)) return OK;
  if (!isfinite(sum->loss))
    return fail(ERR_NONFINITE, "the loss of the %s is not finite", mix_part_names[part]);
  snprintf(name, sizeof name, "%s%s_loss", mix_part_names[part], of);
  return json_object_set_new(values, name, json_real(sum->loss / sum->weight)) == 0
             ? OK
             : fail(ERR_MEMORY, "out of memory: the figures of a validation");
}

// texts_loss is that of masked LM, pairs_next_loss what next_session says of pairs.
static status run_part(mix_validation *v, mix_part part, model *m, json_t *values) {
  const int masked = objectives_slot(model_objectives(m), &objective_masked_lm),
            next = objectives_slot(model_objectives(m), &objective_next_session);
  step_result sum;
  TRY(make_batches(v, part, m));
  TRY(run_batches(v, part, m, &sum));
  TRY(put_loss(values, part, "", &sum.slot[masked]));
  return next < 0 ? OK : put_loss(values, part, "_next", &sum.slot[next]);
}

status mix_validation_run(mix_validation *v, model *m, json_t *values) {
  if (objectives_slot(model_objectives(m), &objective_masked_lm) < 0) return OK;
  for (int part = MIX_TEXTS; part < MIX_PARTS; part++)
    if (v->mix.weight[part] > 0) TRY(run_part(v, (mix_part)part, m, values));
  return OK;
}
