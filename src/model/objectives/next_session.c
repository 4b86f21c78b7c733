// Next session (BERT's next sentence): the first token of each sequence goes through a pooler, and two scores tell whether the
// second segment is what came next (0) or something else (1).
//
//   parameters  cls.seq_relationship.weight [2,H] and .bias [2], bert.pooler.dense.weight [H,H] and .bias [H]
//   batch       cu_seqlens, nsp_labels
//   weight      of the batch: its labelled sequences
#include "model/objectives/next_session.h"

#include "model/core.h"

enum { CLASSES = 2 };

typedef struct next_session {
  int32_t nsp_w, nsp_b, pooler_w, pooler_b; // by index into the parameters
  act *first, *pooled;                      // [B,H] first tokens, after the pooler
  act *scores;                              // [B,2]; with gradients they take its place
  act *d_pooled, *d_first;                  // [B,H]
} next_session;

static void describe_params(void *state, param_set *s, const model_config *c) {
  next_session *self = state;
  const int64_t H = c->hidden;
  self->nsp_w = param_add_matrix(s, "cls.", "seq_relationship.weight", CLASSES, H);
  self->nsp_b = param_add_vector(s, "cls.", "seq_relationship.bias", CLASSES, INIT_ZERO);
  self->pooler_w = param_add_matrix(s, "bert.", "pooler.dense.weight", H, H);
  self->pooler_b = param_add_vector(s, "bert.", "pooler.dense.bias", H, INIT_ZERO);
}

static void plan_buffers(void *state, model_core *m) {
  next_session *self = state;
  const size_t B = (size_t)m->run.caps.seqs, n = B * (size_t)m->c.hidden, a = m->be->act_size;
  plan_kept(m, &self->first, n, a);
  plan_kept(m, &self->pooled, n, a);
  plan_kept(m, &self->scores, B * CLASSES, a);
  plan_gradient(m, &self->d_pooled, n, a);
  plan_gradient(m, &self->d_first, n, a);
}

// ---- params of each op ---------------------------------------------------------------------------------------

static gather_params first_op(const next_session *self, const model_core *m) {
  return (gather_params){.n = rows_seqs(m),
                         .hidden = (int32_t)m->c.hidden,
                         .source = rows_tokens(m),
                         .index = m->batch.cu_seqlens,
                         .distinct = true, // no sequence is empty
                         .x = encoder_output(m),
                         .y = self->first,
                         .dy = self->d_first,
                         .dx = encoder_gradient(m)};
}

static linear_params pooler_op(const next_session *self, const model_core *m) {
  return (linear_params){.n = rows_seqs(m),
                         .in = (int32_t)m->c.hidden,
                         .out = (int32_t)m->c.hidden,
                         .x = self->first,
                         .w = weight(m, self->pooler_w),
                         .b = weight(m, self->pooler_b),
                         .kind = ACT_TANH,
                         .y = self->pooled,
                         .dy = self->d_pooled,
                         .dx = self->d_first,
                         .dw = grad(m, self->pooler_w),
                         .db = grad(m, self->pooler_b)};
}

static linear_params nsp_op(const next_session *self, const model_core *m) {
  return (linear_params){.n = rows_seqs(m),
                         .in = (int32_t)m->c.hidden,
                         .out = CLASSES,
                         .x = self->pooled,
                         .w = weight(m, self->nsp_w),
                         .b = weight(m, self->nsp_b),
                         .kind = ACT_NONE,
                         .y = self->scores,
                         .dy = self->scores,
                         .dx = self->d_pooled,
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
  const gather_params first = first_op(self, m);
  const linear_params pooler = pooler_op(self, m), nsp = nsp_op(self, m);
  const classify_params classify = classify_op(self, m, slot, m->run.training);
  TRY(op_check(m, OP_GATHER, &first, scratch));
  TRY(op_check(m, OP_LINEAR, &pooler, scratch));
  TRY(op_check(m, OP_LINEAR, &nsp, scratch));
  return op_check(m, OP_CLASSIFY, &classify, scratch);
}

// First tokens through pooler and head, into self->pooled and self->scores.
static status run_head(const next_session *self, const model_core *m) {
  const gather_params first = first_op(self, m);
  const linear_params pooler = pooler_op(self, m), nsp = nsp_op(self, m);
  TRY(m->be->gather_forward(m->ctx, &first));
  TRY(m->be->linear_forward(m->ctx, &pooler));
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
  const bool below = encoder_trains(m), pools = below || trains(m, self->pooler_w, self->pooler_b);
  if (!pools && !trains(m, self->nsp_w, self->nsp_b)) return OK;
  linear_params nsp = nsp_op(self, m), pooler = pooler_op(self, m);
  const gather_params first = first_op(self, m);
  if (!pools) nsp.dx = NULL;
  TRY(m->be->linear_backward(m->ctx, &nsp));
  if (!below) pooler.dx = NULL;
  if (pools) TRY(m->be->linear_backward(m->ctx, &pooler));
  return below ? m->be->gather_backward(m->ctx, &first) : OK;
}

static double weight_of(const batch *b) {
  int32_t labelled = 0;
  for (int32_t s = 0; s < b->seqs; s++) labelled += b->nsp_labels[s] >= 0;
  return labelled;
}

static double flops(const model_config *c, const batch *b) {
  const double H = (double)c->hidden;
  return b->seqs * (2 * H * H + 2 * CLASSES * H);
}

static void spared(const void *state, const model_core *m, flops_spared *s) {
  const next_session *self = state;
  const bool below = encoder_trains(m);
  s->seq += linear_spared(m, below, self->pooler_w);
  s->seq += linear_spared(m, below || trains(m, self->pooler_w, self->pooler_b), self->nsp_w);
}

status model_next_sentence(model *whole, float *pooled, float *scores) {
  model_core *m;
  const next_session *self = model_objective(whole, &objective_next_session, &m);
  if (self == NULL) return fail(ERR_ARGUMENT, "this model has no pooler (model.pooler)");
  const size_t n = (size_t)m->live.seqs;
  TRY(run_head(self, m));
  TRY(read_rows(m, self->pooled, n * (size_t)m->c.hidden, pooled));
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
