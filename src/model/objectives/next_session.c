// Next session (BERT's next sentence): the first token of each sequence goes through a pooler, and two scores tell whether the
// second segment is what came next (0) or something else (1).
//
//   parameters  cls.seq_relationship.weight [2,H] and .bias [2], bert.pooler.dense.weight [H,H] and .bias [H]
//   batch       cu_seqlens, nsp_labels
//   weight      of the batch: its labelled sequences
#include "model/objectives/next_session.h"

#include "model/core.h"
#include "model/objectives/pooler.h"

enum { CLASSES = 2 };

typedef struct next_session {
  int32_t nsp_w, nsp_b; // by index into the parameters
  pooler pooler;
  act *scores; // [B,2]; with gradients they take its place
} next_session;

static void describe_params(void *state, param_set *s, const model_config *c) {
  next_session *self = state;
  self->nsp_w = param_add_matrix(s, "cls.", "seq_relationship.weight", CLASSES, c->hidden);
  self->nsp_b = param_add_vector(s, "cls.", "seq_relationship.bias", CLASSES, INIT_ZERO);
  pooler_describe(&self->pooler, s, c);
}

static void plan_buffers(void *state, model_core *m) {
  next_session *self = state;
  pooler_plan(&self->pooler, m);
  plan_kept(m, &self->scores, (size_t)m->run.caps.seqs * CLASSES, m->be->act_size);
}

// ---- params of each op ---------------------------------------------------------------------------------------

static linear_params nsp_op(const next_session *self, const model_core *m) {
  return (linear_params){.n = rows_seqs(m),
                         .in = (int32_t)m->c.hidden,
                         .out = CLASSES,
                         .x = self->pooler.pooled,
                         .w = weight(m, self->nsp_w),
                         .b = weight(m, self->nsp_b),
                         .kind = ACT_NONE,
                         .y = self->scores,
                         .dy = self->scores,
                         .dx = self->pooler.d_pooled,
                         .dw = grad(m, self->nsp_w),
                         .db = grad(m, self->nsp_b)};
}

static classify_params classify_op(const next_session *self, const model_core *m, int32_t slot, bool grads) {
  return (classify_params){.n = rows_seqs(m),
                           .slot = slot,
                           .classes = CLASSES,
                           .labels = m->batch.nsp_labels,
                           .logits = self->scores,
                           .dlogits = grads ? self->scores : NULL};
}

// ---- passes --------------------------------------------------------------------------------------------------

static status check(const void *state, model_core *m, int32_t slot, size_t *scratch) {
  const next_session *self = state;
  const linear_params nsp = nsp_op(self, m);
  const classify_params classify = classify_op(self, m, slot, m->run.training);
  TRY(pooler_check(&self->pooler, m, scratch));
  TRY(op_check(m, OP_LINEAR, &nsp, scratch));
  return op_check(m, OP_CLASSIFY, &classify, scratch);
}

// First tokens through pooler and head, into the pooler's buffers and self->scores.
static status run_head(const next_session *self, const model_core *m) {
  const linear_params nsp = nsp_op(self, m);
  TRY(pooler_forward(&self->pooler, m));
  return m->be->linear_forward(m->ctx, &nsp);
}

static status forward(void *self, model_core *m, int32_t slot, bool grads) {
  const classify_params classify = classify_op(self, m, slot, grads);
  TRY(run_head(self, m));
  return m->be->classify(m->ctx, &classify);
}

// Ends at the earliest op that trains, or goes on into the encoder if that does.
static status backward(void *state, model_core *m) {
  const next_session *self = state;
  const bool pools = pooler_wants_gradient(&self->pooler, m);
  if (!pools && !trains(m, self->nsp_w, self->nsp_b)) return OK;
  linear_params nsp = nsp_op(self, m);
  if (!pools) nsp.dx = NULL;
  TRY(m->be->linear_backward(m->ctx, &nsp));
  return pools ? pooler_backward(&self->pooler, m) : OK;
}

static double weight_of(const batch *b) {
  int32_t labelled = 0;
  for (int32_t s = 0; s < b->seqs; s++) labelled += b->nsp_labels[s] >= 0;
  return labelled;
}

static double flops(const model_config *c, const batch *b) {
  return b->seqs * (pooler_flops(c) + 2.0 * CLASSES * (double)c->hidden);
}

static void spared(const void *state, const model_core *m, flops_spared *s) {
  const next_session *self = state;
  s->seq += pooler_spared(&self->pooler, m);
  s->seq += linear_spared(m, pooler_wants_gradient(&self->pooler, m), self->nsp_w);
}

status model_next_sentence(model *whole, float *pooled, float *scores) {
  model_core *m;
  const next_session *self = model_objective(whole, &objective_next_session, &m);
  if (self == NULL) return fail(ERR_ARGUMENT, "this model has no pooler (model.pooler)");
  const size_t n = (size_t)m->live.seqs;
  TRY(run_head(self, m));
  TRY(read_rows(m, self->pooler.pooled, n * (size_t)m->c.hidden, pooled));
  return read_rows(m, self->scores, n * CLASSES, scores);
}

// ---- the objective -------------------------------------------------------------------------------------------

static status check_config(const model_config *c) {
  return c->cls_sep && c->segments >= 2
             ? OK
             : fail(ERR_ARGUMENT, "model.pooler needs model.cls_sep = true and model.segments = 2 or more");
}

// No pairs are made of held-out sessions (data/batcher.h), so there is nothing to validate with.
static const objective_metric metrics[] = {{NULL, false, false}};
static const char *const variants[] = {NULL};

const objective objective_next_session = {.name = "next_session",
                                          .head = "next session",
                                          .place = "cls.seq_relationship",
                                          .loss_key = "cls_loss",
                                          .accuracy_key = "cls_accuracy",
                                          .label = "next",
                                          .metrics = metrics,
                                          .variants = variants,
                                          .check_config = check_config,
                                          .state_bytes = sizeof(next_session),
                                          .describe_params = describe_params,
                                          .plan_buffers = plan_buffers,
                                          .check = check,
                                          .forward = forward,
                                          .backward = backward,
                                          .weight = weight_of,
                                          .flops = flops,
                                          .spared = spared};
