// The leash: KL(base || model) at the rows that write copy (ops.h: leash_params), as a summand of the loss. Fine-tuning on feedback
// moves a language model as far as the feedback's noise pulls it; what a frozen base would have written holds it back (Jaques et al.: Sequence
// tutor, 2017; in this direction, base first, it is the loss of knowledge distillation, Hinton et al., 2015).
//
//   parameters  none: those of copy
//   batch       masked: every one of these rows has the weight 1, whatever copy_weights says
//   weight      of the batch: its masked rows
//
// The base is a model of its own, created for evaluation, that reads the batch in this model's memory. It runs within this objective's
// forward pass, without dropout; on a device the two models' queues wait for each other there. What copy's head has left of its rows is
// scored again, and gradients are added to those of copy's own loss, so leash comes behind copy in the list, and copy's backward pass takes both
// down.
#include "model/objectives/leash.h"

#include "model/item_vectors.h"
#include "model/objectives/item_head.h"
#include "model/table_tuning.h"

typedef struct leash {
  const item_head *copy; // NULL: not tied yet
  model *base;
  model_core *base_core;
  item_head *base_copy;
} leash;

static status check_config(const model_config *c) {
  return c->copy_classes > 0 ? OK : fail(ERR_ARGUMENT, "leash needs the objective copy");
}

static void describe_params(void *self, param_set *s, const model_config *c) {
  (void)self;
  (void)s;
  (void)c;
}

static void plan_buffers(void *self, model_core *m) {
  (void)self;
  (void)m;
}

// head: copy's; NULL while the model is planned.
static leash_params leash_op(const leash *self, const model_core *m, int32_t slot, bool grads) {
  leash_params p = {.n = rows_masked(m),
                    .slot = slot,
                    .hidden = (int32_t)m->c.hidden,
                    .classes = (int32_t)m->c.copy_classes,
                    .inv_temperature = (float)(1.0 / m->c.temperature),
                    .base_inv_temperature =
                        self->base_core != NULL ? (float)(1.0 / self->base_core->c.temperature) : 1.0f,
                    .forward_only = !grads};
  if (self->copy == NULL) return p;
  const model_core *base = self->base_core;
  p.x = self->copy->y;
  p.table = encoder_table(m);
  p.bias = weight(m, self->copy->bias);
  p.base_x = self->base_copy->y;
  p.base_table = encoder_table(base);
  p.base_bias = weight(base, self->base_copy->bias);
  if (!grads) return p;
  p.dx = self->copy->dy;
  p.dtable = encoder_table_grad(m);
  p.dbias = grad(m, self->copy->bias);
  p.touched = encoder_table_touched(m);
  return p;
}

static status check(const void *self, model_core *m, int32_t slot, size_t *scratch) {
  const leash_params training = leash_op(self, m, slot, m->run.training);
  return op_check(m, OP_LEASH, &training, scratch);
}

// The base over m's batch, up to what its head scores.
static status run_base(const leash *self, const model_core *m) {
  model_core *base = self->base_core;
  const step_state counts = {
      .tokens = m->live.tokens, .seqs = m->live.seqs, .masked = m->live.masked, .work = m->live.work};
  TRY(m->be->sync(m->ctx)); // the batch is there
  base->batch = m->batch;
  base->live = m->live;
  TRY(base->be->state_write(base->ctx, &counts));
  TRY(model_forward(self->base, false));
  TRY(item_head_rows(self->base_copy, base));
  return base->be->sync(base->ctx);
}

static status forward(void *state, model_core *m, int32_t slot, bool grads) {
  const leash *self = state;
  if (self->copy == NULL) return OK;
  TRY(run_base(self, m));
  const leash_params p = leash_op(self, m, slot, grads);
  return m->be->leash(m->ctx, &p);
}

static status backward(void *self, model_core *m) {
  (void)self;
  (void)m;
  return OK; // copy's takes what was added to its rows
}

static double weight_of(const batch *b) {
  return b->n_masked;
}

// The base's pass costs as much as the model's own.
static double flops(const model_config *c, const batch *b) {
  return b->n_masked * 4.0 * (double)c->hidden * (double)c->copy_classes;
}

static void spared(const void *self, const model_core *m, flops_spared *s) {
  (void)self;
  (void)m;
  (void)s;
}

static const objective_metric metrics[] = {{NULL, false, false}};
static const char *const variants[] = {NULL};

const objective objective_leash = {.name = "leash",
                                   .head = "copy",
                                   .place = "copy",
                                   .loss_key = "leash",
                                   .label = "leash",
                                   .validation = "copy",
                                   .metrics = metrics,
                                   .variants = variants,
                                   .reads_listed = true,
                                   .check_config = check_config,
                                   .state_bytes = sizeof(leash),
                                   .describe_params = describe_params,
                                   .plan_buffers = plan_buffers,
                                   .check = check,
                                   .forward = forward,
                                   .backward = backward,
                                   .weight = weight_of,
                                   .flops = flops,
                                   .spared = spared};

status leash_tie(model *m, model *base) {
  model_core *core, *base_core;
  leash *self = model_objective(m, &objective_leash, &core);
  const item_head *copy = model_objective(m, &objective_copy, &core);
  item_head *base_copy = model_objective(base, &objective_copy, &base_core);
  if (self == NULL || copy == NULL) return fail(ERR_INTERNAL, "this model has no leash");
  if (base_copy == NULL) return fail(ERR_ARGUMENT, "copy.leash: its base was not trained for copy");
  if (base_core->c.copy_classes != core->c.copy_classes || base_core->c.hidden != core->c.hidden)
    return fail(ERR_ARGUMENT, "copy.leash: its base has %lld words of width %lld, the model %lld of %lld",
                (long long)base_core->c.copy_classes, (long long)base_core->c.hidden,
                (long long)core->c.copy_classes, (long long)core->c.hidden);
  if (table_has_factors(core, 0))
    return fail(ERR_ARGUMENT,
                "copy.leash: a word table that is tuned by factors (peft.table) cannot be held");
  *self = (leash){.copy = copy, .base = base, .base_core = base_core, .base_copy = base_copy};
  return OK;
}
