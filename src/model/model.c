// A model: its parameters, its static memory plan, and the passes over a batch.
#include "model/model.h"

#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "model/adapters.h"
#include "model/core.h"
#include "model/item_vectors.h"
#include "model/objective.h"
#include "model/optim_table.h"
#include "model/table_tuning.h"

struct model {
  model_core core; // first: what its parts see
  objective_list objectives;
  void *state[MAX_SLOTS]; // of the objectives
  flops_spared spared;
  void *batch_memory; // laid out as a batch with the run's capacities
  void *arena;        // the plan's buffers, batch included
  size_t optimizer_bytes, arena_bytes, total_bytes;
};

void *model_objective(model *m, const objective *kind, model_core **core) {
  *core = &m->core;
  const int32_t slot = objectives_slot(&m->objectives, kind);
  return slot < 0 ? NULL : m->state[slot];
}

model_core *model_get_core(model *m) {
  return &m->core;
}

const model_core *model_const_core(const model *m) {
  return &m->core;
}

const objective_list *model_objectives(const model *m) {
  return &m->objectives;
}

// ---- parameters and plan -------------------------------------------------------------------------------------

// In the order in which the backward pass finishes the gradients: the objectives' from the last (a bucket), the encoder's.
static status describe_params(model *m) {
  param_set *const s = &m->core.params;
  params_next_bucket(s);
  s->depth = (int32_t)m->core.c.layers + 1;
  for (int32_t k = m->objectives.n - 1; k >= 0; k--) {
    s->objective = m->objectives.of[k]->name;
    m->objectives.of[k]->describe_params(m->state[k], s, &m->core.c);
  }
  s->objective = NULL;
  encoder_describe_params(&m->core);
  TRY(tuning_freeze(&m->core));
  TRY(params_freeze(s, m->core.run.freeze));
  return params_lay_out(s);
}

static void plan_buffers(model *m) {
  plan_batch(&m->core, &m->batch_memory, batch_bytes(m->core.run.caps));
  table_plan_buffers(&m->core);
  items_plan_buffers(&m->core);
  encoder_plan_buffers(&m->core);
  for (int32_t k = 0; k < m->objectives.n; k++) m->objectives.of[k]->plan_buffers(m->state[k], &m->core);
}

static void sum_spared(model *m) {
  encoder_spared(&m->core, &m->spared);
  for (int32_t k = 0; k < m->objectives.n; k++)
    m->objectives.of[k]->spared(m->state[k], &m->core, &m->spared);
}

// Adds up the plan.
static model_memory memory_of(const model *m) {
  model_memory p = {.elements = m->core.params.elements,
                    .params = params_bytes(&m->core.params, m->core.run.training),
                    .optimizer = m->optimizer_bytes,
                    .scratch = m->core.scratch_bytes,
                    .layers_reached = encoder_layers_reached(&m->core),
                    .spared = m->spared};
  for (int32_t i = 0; i < m->core.params.count; i++) {
    const param *q = &m->core.params.items[i];
    p.parameters += q->size;
    if (!q->trainable) p.frozen_parameters += q->size;
  }
  size_t *const sums[PLAN_KINDS] = {&p.batch, &p.activations, &p.activation_gradients};
  for (int32_t i = 0; i < m->core.plan.n; i++)
    *sums[m->core.plan.buffer[i].kind] += m->core.plan.buffer[i].bytes;
  return p;
}

// Without the moments.
static size_t param_arena_bytes(const param_bytes *b) {
  return b->weights + b->frozen + b->gradients + b->copies + b->row_flags;
}

// Allocates everything but the moments, which only training needs.
static status allocate(model *m) {
  const model_memory p = memory_of(m);
  TRY(params_allocate(&m->core.params, m->core.run.training));
  m->arena_bytes = p.batch + p.activations + p.activation_gradients;
  TRY(m->core.be->mem_alloc(m->core.ctx, m->arena_bytes, "activations", &m->arena));
  char *at = m->arena;
  for (int32_t i = 0; i < m->core.plan.n; i++) {
    memcpy(m->core.plan.buffer[i].where, &at, sizeof at);
    at += m->core.plan.buffer[i].bytes;
  }
  batch_place(&m->core.batch, m->core.run.caps, m->batch_memory);
  m->total_bytes = param_arena_bytes(&p.params) + m->arena_bytes + p.scratch;
  return OK;
}

// ---- life ----------------------------------------------------------------------------------------------------

// Gathering rows pays if enough are left out.
static bool reads_few_rows(const model *m) {
  const batch_caps caps = m->core.run.caps;
  for (int32_t k = 0; k < m->objectives.n; k++)
    if (!m->objectives.of[k]->reads_listed) return false;
  return m->core.run.listed_rows && 4 * (int64_t)caps.masked <= 3 * (int64_t)caps.tokens;
}

static status make_objectives(model *m) {
  static const attention_kind kinds[] = {ATTENTION_FULL, ATTENTION_CAUSAL, ATTENTION_PREFIX};
  TRY(objectives_of(&m->objectives, &m->core.c));
  m->core.attention = kinds[objectives_asks(&m->objectives)];
  if (objectives_slot(&m->objectives, &objective_copy) >= 0) m->core.attention = ATTENTION_PREFIX;
  for (int32_t k = 0; k < m->objectives.n; k++) {
    const objective *of = m->objectives.of[k];
    TRY(of->check_config(&m->core.c));
    TRY(mem_new(&m->state[k], of->state_bytes, 1, "an objective"));
  }
  m->core.listed_rows = reads_few_rows(m);
  return OK;
}

// Bytes of the table that the optimiser will make of the parameters.
static status plan_optimizer(model *m) {
  const model_core *core = &m->core;
  if (!core->run.training) return OK;
  optim_params table;
  optim_tensor *tensors;
  TRY(optim_table_describe(&tensors, &table, &core->params, 0, false));
  const status rc = core->be->supports(OP_OPTIM, &table);
  m->optimizer_bytes = optim_table_bytes(core->be, &table);
  free(tensors);
  return rc;
}

// Asks the backend about every op that there will be.
static status check_ops(model *m) {
  model_core *const core = &m->core;
  TRY(table_check(core, &core->scratch_bytes));
  TRY(items_check(core, &core->scratch_bytes));
  TRY(encoder_check(core, &core->scratch_bytes));
  for (int32_t k = 0; k < m->objectives.n; k++)
    TRY(m->objectives.of[k]->check(m->state[k], core, k, &core->scratch_bytes));
  return plan_optimizer(m);
}

// Everything that is known before memory is taken: parameters, buffers, scratch.
static status outline(model **out, const char *backend_name, const model_config *c, const model_run *run) {
  *out = NULL;
  model *m;
  TRY(mem_new(&m, 1, sizeof *m, "a model"));
  status rc;
  m->core.c = *c;
  m->core.run = *run;
  m->core.run.caps.work = batch_max_work(run->caps);
  // Row-sparse updates need a sampled loss: the full one touches every row.
  // So do item vectors of content, which every row goes into, and a tuned table, which is frozen itself.
  const bool tuned_table = peft_targets_table(&c->peft);
  if (run->caps.negatives == 0 || c->items != ITEMS_ID || tuned_table) m->core.run.row_sparse = false;
  m->core.training = run->training;
  if (40 * c->layers + 16 * MAX_SLOTS + 64 > MAX_BUFFERS) {
    rc =
        fail(ERR_ARGUMENT, "model.layers = %lld is more than this build's tables hold", (long long)c->layers);
    goto bad;
  }
  TRY_GOTO(backend_find(&m->core.be, backend_name), bad);
  m->core.params.be = m->core.be;
  m->core.params.averages = run->averages;
  m->core.params.importance = run->training && c->peft.kind == PEFT_ADALORA;
  TRY_GOTO(encoder_new(&m->core), bad);
  TRY_GOTO(items_new(&m->core), bad);
  TRY_GOTO(table_new(&m->core), bad);
  TRY_GOTO(make_objectives(m), bad);
  TRY_GOTO(describe_params(m), bad);
  encoder_outline(&m->core);
  sum_spared(m);
  plan_buffers(m);
  TRY_GOTO(check_ops(m), bad);
  *out = m;
  return OK;
bad:
  model_free(m);
  return rc;
}

status model_plan(model_memory *out, const char *backend_name, const model_config *c, const model_run *run) {
  model *m;
  TRY(outline(&m, backend_name, c, run));
  *out = memory_of(m);
  model_free(m);
  return OK;
}

status model_create(model **out, const char *backend_name, const model_config *c, const model_run *run) {
  *out = NULL;
  model *m;
  TRY(outline(&m, backend_name, c, run));
  status rc;
  const model_memory need = memory_of(m);
  const size_t planned = param_arena_bytes(&need.params) + need.params.moments + need.params.averages +
                         need.params.importance + need.batch + need.activations + need.activation_gradients +
                         need.scratch + need.optimizer;
  const backend_config config = {.device = run->device,
                                 .threads = run->threads,
                                 .scratch_bytes = m->core.scratch_bytes,
                                 .matmul = run->matmul,
                                 .planned_bytes = planned};
  TRY_GOTO(m->core.be->open(&m->core.ctx, &config), bad);
  m->core.params.ctx = m->core.ctx;
  TRY_GOTO(allocate(m), bad);
  TRY_GOTO(params_initialise(&m->core.params, run->seed, c->init_std), bad);
  *out = m;
  return OK;
bad:
  model_free(m);
  return rc;
}

void model_free(model *m) {
  if (m == NULL) return;
  params_free(&m->core.params);
  if (m->core.ctx != NULL) {
    m->core.be->mem_free(m->core.ctx, m->arena);
    m->core.be->close(m->core.ctx);
  }
  for (int32_t k = 0; k < MAX_SLOTS; k++) free(m->state[k]);
  encoder_free(m->core.encoder);
  items_free(m->core.items);
  table_free(m->core.table);
  free(m);
}

const model_config *model_get_config(const model *m) {
  return &m->core.c;
}
const model_run *model_get_run(const model *m) {
  return &m->core.run;
}
param_set *model_params(model *m) {
  return &m->core.params;
}
const backend *model_backend(const model *m) {
  return m->core.be;
}
op_ctx *model_ctx(model *m) {
  return m->core.ctx;
}

size_t model_bytes(const model *m) {
  const param_bytes b = params_bytes(&m->core.params, true);
  return m->total_bytes + (m->core.params.m != NULL ? b.moments + b.averages + b.importance : 0);
}

// ---- passes --------------------------------------------------------------------------------------------------

// A batch with the model's capacities has the layout of the model's memory for it, and is sent as one piece, dead
// rows included, because many small copies take longer. Of other batches each field is sent.
static status send_batch(model *m, const batch *b) {
  const batch_caps caps = m->core.run.caps;
  if (memcmp(&caps, &b->caps, sizeof caps) == 0)
    return m->core.be->upload(m->core.ctx, m->batch_memory, b->memory, batch_live_bytes(b));
  for (int32_t i = 0; i < N_BATCH_FIELDS; i++) {
    const batch_field *f = &batch_fields[i];
    const size_t bytes = batch_elements(f, b->live) * f->size;
    if (bytes > 0)
      TRY(m->core.be->upload(m->core.ctx, batch_array(&m->core.batch, f), batch_array(&b->arrays, f), bytes));
  }
  return OK;
}

// Scratch and the table of positions are as long as the longest sequence.
static status check_lengths(const model_core *m, const batch *b) {
  for (int32_t i = 0; i < b->seqs; i++) {
    const int32_t n = b->cu_seqlens[i + 1] - b->cu_seqlens[i];
    if (n > model_max_length(m))
      return fail(ERR_INTERNAL, "a sequence of %d tokens is in a batch for a model of %lld positions", n,
                  (long long)m->c.max_positions);
  }
  return OK;
}

status model_set_batch(model *m, const batch *b, const step_state *state) {
  const batch_caps caps = m->core.run.caps;
  TRY(batch_ready(b));
  const char *what = batch_exceeds(b->live, caps);
  if (what != NULL)
    return fail(ERR_INTERNAL, "a batch exceeds the model's capacities: it has too many %s", what);
  TRY(check_lengths(&m->core, b));
  TRY(send_batch(m, b));
  step_state s = *state;
  s.tokens = b->tokens;
  s.seqs = b->seqs;
  s.masked = b->n_masked;
  s.work = b->n_work;
  TRY(items_list(&m->core, b));
  TRY(table_list(&m->core, b));
  s.listed = m->core.listed.rows;
  s.items = m->core.listed.items;
  s.texts = m->core.listed.texts;
  m->core.live = b->live;
  if (b->n_negatives > 0 && b->n_negatives != caps.negatives) // evaluation batches carry none
    return fail(ERR_INTERNAL, "a batch has %d negatives, the model was planned for %d", b->n_negatives,
                caps.negatives);
  return m->core.be->state_write(m->core.ctx, &s);
}

status model_forget(model *m) {
  const param_set *s = &m->core.params;
  if (s->grad != NULL) TRY(m->core.be->zero(m->core.ctx, s->grad, (size_t)s->elements * sizeof(float)));
  if (s->touched != NULL) TRY(m->core.be->zero(m->core.ctx, s->touched, params_bytes(s, true).row_flags));
  TRY(m->core.be->zero(m->core.ctx, m->arena, m->arena_bytes));
  table_forget(&m->core);
  items_forget(&m->core);
  TRY(items_upload(&m->core));
  return m->core.be->result_clear(m->core.ctx);
}

status model_forward(model *m, bool training) {
  if (training && !m->core.run.training)
    return fail(ERR_INTERNAL, "this model was created for evaluation only");
  m->core.training = training;
  TRY(table_forward(&m->core, training));
  TRY(items_forward(&m->core, training));
  return encoder_forward(&m->core);
}

// Backward from the last objective to the first, as the parameters are laid out.
static status objectives_backward(model *m) {
  model_core *const core = &m->core;
  act *stream = encoder_gradient(core);
  const size_t bytes = (size_t)core->run.caps.tokens * (size_t)core->c.hidden * core->be->act_size;
  if (stream != NULL) TRY(core->be->zero(core->ctx, stream, bytes));
  for (int32_t k = m->objectives.n - 1; k >= 0; k--) TRY(m->objectives.of[k]->backward(m->state[k], core));
  return OK;
}

status model_loss(model *m, bool grads) {
  if (grads && !m->core.training) return fail(ERR_INTERNAL, "gradients need a training forward pass");
  if (grads) TRY(table_zero_gradient(&m->core));
  if (grads) TRY(items_zero_gradient(&m->core));
  for (int32_t k = 0; k < m->objectives.n; k++)
    TRY(m->objectives.of[k]->forward(m->state[k], &m->core, k, grads));
  if (!grads) return OK;
  TRY(objectives_backward(m));
  if (encoder_trains(&m->core)) TRY(encoder_backward(&m->core));
  TRY(items_backward(&m->core));
  TRY(table_backward(&m->core));
  return buckets_done(&m->core, m->core.params.buckets);
}

double model_train_flops(const model *m, const batch *b) {
  return model_step_flops(&m->core.c, &m->spared, b);
}

status model_hidden(model *m, float *hidden) {
  if (m->core.listed_rows)
    return fail(ERR_INTERNAL,
                "hidden states of all rows are asked of a model that computes listed rows only");
  const size_t count = (size_t)m->core.live.tokens * (size_t)m->core.c.hidden;
  return read_rows(&m->core, encoder_output(&m->core), count, hidden);
}
