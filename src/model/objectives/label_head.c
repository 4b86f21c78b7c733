// A classifier on the pooler; see label_head.h.
#include "model/objectives/label_head.h"

#include "base/philox.h"

void label_head_describe(void *state, param_set *s, const model_config *c) {
  label_head *self = state;
  self->w = param_add_matrix(s, "", "classifier.weight", c->labels, c->hidden);
  self->b = param_add_vector(s, "", "classifier.bias", c->labels, INIT_ZERO);
  pooler_describe(&self->pooler, s, c);
}

void label_head_plan(void *state, model_core *m) {
  label_head *self = state;
  const size_t B = (size_t)m->run.caps.seqs, a = m->be->act_size;
  pooler_plan(&self->pooler, m);
  plan_kept(m, &self->dropped, B * (size_t)m->c.hidden, a);
  plan_kept(m, &self->logits, B * (size_t)m->c.labels, a);
}

// ---- params of each op ---------------------------------------------------------------------------------------

// The encoder's sites end at 3 x layers.
static drop_params drop_op(const label_head *self, const model_core *m) {
  return (drop_params){.batch = &m->batch,
                       .n = rows_seqs(m),
                       .hidden = (int32_t)m->c.hidden,
                       .drop = {.site = (uint32_t)(3 * m->c.layers + 1),
                                .threshold = m->training ? dropout_threshold(m->c.dropout) : 0},
                       .x = self->pooler.pooled,
                       .y = self->dropped};
}

// Of the gradients, in place.
static drop_params drop_back_op(const label_head *self, const model_core *m) {
  drop_params p = drop_op(self, m);
  p.x = p.y = self->pooler.d_pooled;
  return p;
}

static linear_params classifier_op(const label_head *self, const model_core *m) {
  return (linear_params){.n = rows_seqs(m),
                         .in = (int32_t)m->c.hidden,
                         .out = (int32_t)m->c.labels,
                         .x = self->dropped,
                         .w = weight(m, self->w),
                         .b = weight(m, self->b),
                         .kind = ACT_NONE,
                         .y = self->logits,
                         .dy = self->logits,
                         .dx = self->pooler.d_pooled,
                         .dw = grad(m, self->w),
                         .db = grad(m, self->b)};
}

static classify_params loss_op(const label_head *self, const model_core *m, int32_t slot, bool grads) {
  return (classify_params){.n = rows_seqs(m),
                           .slot = slot,
                           .classes = (int32_t)m->c.labels,
                           .kind = m->c.label_kind == LABELS_SINGLE ? CLASSIFY_ONE : CLASSIFY_SEVERAL,
                           .labels = m->batch.targets,
                           .weights = m->batch.target_weights,
                           .logits = self->logits,
                           .dlogits = grads ? self->logits : NULL};
}

// ---- passes --------------------------------------------------------------------------------------------------

status label_head_check(const void *state, model_core *m, int32_t slot, size_t *scratch) {
  const label_head *self = state;
  const drop_params drop = drop_op(self, m);
  const linear_params classifier = classifier_op(self, m);
  const classify_params loss = loss_op(self, m, slot, m->run.training);
  TRY(pooler_check(&self->pooler, m, scratch));
  TRY(op_check(m, OP_DROP, &drop, scratch));
  TRY(op_check(m, OP_LINEAR, &classifier, scratch));
  return op_check(m, OP_CLASSIFY, &loss, scratch);
}

static status run_head(const label_head *self, const model_core *m) {
  const drop_params drop = drop_op(self, m);
  const linear_params classifier = classifier_op(self, m);
  TRY(pooler_forward(&self->pooler, m));
  TRY(m->be->drop(m->ctx, &drop));
  return m->be->linear_forward(m->ctx, &classifier);
}

status label_head_forward(void *state, model_core *m, int32_t slot, bool grads) {
  const label_head *self = state;
  const classify_params loss = loss_op(self, m, slot, grads);
  if (m->live.targets != m->live.seqs * model_targets(&m->c))
    return fail(ERR_INTERNAL, "a batch has %d labels of %d sequences, and each needs %d", m->live.targets,
                m->live.seqs, model_targets(&m->c));
  TRY(run_head(self, m));
  return m->be->classify(m->ctx, &loss);
}

// Ends at the earliest op that trains, or goes on into the encoder if that does.
status label_head_backward(void *state, model_core *m) {
  const label_head *self = state;
  const bool pools = pooler_wants_gradient(&self->pooler, m);
  if (!pools && !trains(m, self->w, self->b)) return OK;
  linear_params classifier = classifier_op(self, m);
  const drop_params drop = drop_back_op(self, m);
  if (!pools) classifier.dx = NULL;
  TRY(m->be->linear_backward(m->ctx, &classifier));
  if (!pools) return OK;
  TRY(m->be->drop(m->ctx, &drop));
  return pooler_backward(&self->pooler, m);
}

double label_head_weight(const batch *b) {
  double sum = 0;
  for (int32_t i = 0; i < b->n_targets; i++)
    if (b->targets[i] >= 0) sum += (double)b->target_weights[i];
  return sum;
}

double label_head_flops(const model_config *c, const batch *b) {
  return b->seqs * (pooler_flops(c) + 2.0 * (double)c->labels * (double)c->hidden);
}

void label_head_spared(const void *state, const model_core *m, flops_spared *s) {
  const label_head *self = state;
  s->seq += pooler_spared(&self->pooler, m);
  s->seq += linear_spared(m, pooler_wants_gradient(&self->pooler, m), self->w);
}

// ---- for whoever wants more than a loss ----------------------------------------------------------------------

const objective *objectives_labels(const objective_list *l) {
  if (objectives_slot(l, &objective_classify) >= 0) return &objective_classify;
  return objectives_slot(l, &objective_pair) >= 0 ? &objective_pair : NULL;
}

status model_label_logits(model *whole, float *logits, float *pooled) {
  model_core *m;
  const objective *of = objectives_labels(model_objectives(whole));
  const label_head *self = of != NULL ? model_objective(whole, of, &m) : NULL;
  if (self == NULL)
    return fail(ERR_ARGUMENT, "this model has no labels: it was trained neither for classify nor for pair");
  const size_t n = (size_t)m->live.seqs;
  TRY(run_head(self, m));
  if (pooled != NULL) TRY(read_rows(m, self->pooler.pooled, n * (size_t)m->c.hidden, pooled));
  return read_rows(m, self->logits, n * (size_t)m->c.labels, logits);
}

status label_head_check_config(const model_config *c) {
  if (!c->cls_sep) return fail(ERR_ARGUMENT, "labels are read at [CLS]: they need model.cls_sep = true");
  if (c->labels < (c->label_kind == LABELS_SINGLE ? 2 : 1))
    return fail(ERR_ARGUMENT, "model.labels = %lld: %s", (long long)c->labels,
                c->label_kind == LABELS_SINGLE ? "one of two labels at least is wanted"
                                               : "one label at least is wanted");
  return OK;
}

// eval/classification.h; "calibrated": by the temperatures that the validation rows gave.
const objective_metric label_head_metrics[] = {{"auc", false, false},
                                               {"log_loss", true, false},
                                               {"accuracy", false, false},
                                               {"f1_macro", false, false},
                                               {"f1_micro", false, false},
                                               {"ece", true, false},
                                               {"log_loss_calibrated", true, false},
                                               {"ece_calibrated", true, false},
                                               {NULL, false, false}};
const char *const label_head_variants[] = {NULL};
