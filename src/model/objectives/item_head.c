// The head that predicts tokens at rows of the encoder's output; see item_head.h.
#include "model/objectives/item_head.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "model/core.h"
#include "model/item_vectors.h"
#include "model/table_tuning.h"

// A parameter of the head by name; -1: it is not there.
static int32_t find_param(const param_set *s, const char *prefix, const char *name) {
  char whole[PARAM_NAME];
  snprintf(whole, sizeof whole, "%s%s", prefix, name);
  return param_index(s, whole);
}

void item_head_add_params(item_head *self, param_set *s, const model_config *c, const char *prefix,
                          int64_t biases) {
  const int64_t H = c->hidden; // another objective's head may have added its parameters already
  self->w = self->b = self->norm_w = self->norm_b = -1;
  self->bias = find_param(s, prefix, "bias");
  if (self->bias < 0) self->bias = param_add_vector(s, prefix, "bias", biases, INIT_ZERO);
  if (c->head == HEAD_PLAIN) return;
  self->norm_w = find_param(s, prefix, "transform.LayerNorm.weight");
  self->norm_b = find_param(s, prefix, "transform.LayerNorm.bias");
  self->w = find_param(s, prefix, "transform.dense.weight");
  self->b = find_param(s, prefix, "transform.dense.bias");
  if (self->w >= 0) return;
  self->norm_w = param_add_vector(s, prefix, "transform.LayerNorm.weight", H, INIT_ONE);
  self->norm_b = param_add_vector(s, prefix, "transform.LayerNorm.bias", H, INIT_ZERO);
  self->w = param_add_matrix(s, prefix, "transform.dense.weight", H, H);
  self->b = param_add_vector(s, prefix, "transform.dense.bias", H, INIT_ZERO);
}

void item_head_describe(void *state, param_set *s, const model_config *c) {
  item_head *self = state;
  self->class_base = c->class_base;
  self->classes = c->classes;
  self->ranks = true;
  item_head_add_params(self, s, c, "cls.predictions.", c->vocab_size);
}

// ---- params of each op ---------------------------------------------------------------------------------------

static bool transforms(const model_core *m) {
  return m->c.head == HEAD_TRANSFORM;
}

static gather_params rows_op(const item_head *self, const model_core *m) {
  return (gather_params){.n = rows_masked(m),
                         .hidden = (int32_t)m->c.hidden,
                         .source = rows_tokens(m),
                         .index = m->batch.masked,
                         .distinct = true,
                         .x = encoder_output(m),
                         .y = transforms(m) ? self->rows : self->y,
                         .dy = transforms(m) ? self->d_rows : self->dy,
                         .dx = encoder_gradient(m)};
}

static linear_params transform_op(const item_head *self, const model_core *m) {
  return (linear_params){.n = rows_masked(m),
                         .in = (int32_t)m->c.hidden,
                         .out = (int32_t)m->c.hidden,
                         .x = self->rows,
                         .w = weight(m, self->w),
                         .b = weight(m, self->b),
                         .kind = m->c.activation == 0 ? ACT_GELU_TANH : ACT_GELU_ERF,
                         .pre = m->training ? self->pre : NULL,
                         .y = self->transform,
                         .dy = self->d_transform,
                         .dx = self->d_rows,
                         .dw = grad(m, self->w),
                         .db = grad(m, self->b)};
}

static norm_params norm_op(const item_head *self, const model_core *m) {
  return (norm_params){.n = rows_masked(m),
                       .hidden = (int32_t)m->c.hidden,
                       .x = self->transform,
                       .gamma = weight(m, self->norm_w),
                       .beta = weight(m, self->norm_b),
                       .eps = (float)m->c.layer_norm_eps,
                       .sum = self->norm.sum,
                       .mean = self->norm.mean,
                       .rstd = self->norm.rstd,
                       .y = self->y,
                       .dy = self->dy,
                       .dx = self->d_transform,
                       .dgamma = grad(m, self->norm_w),
                       .dbeta = grad(m, self->norm_b)};
}

static xent_params xent_op(const item_head *self, const model_core *m, int32_t slot, const float *weights,
                           int32_t n_negatives, bool grads) {
  const batch_view *b = &m->batch;
  const int32_t base = self->class_base;
  const size_t table_at = (size_t)base * (size_t)m->c.hidden;
  const char *table = encoder_table(m), *items = self->ranks ? items_biases(m) : NULL,
             *bias = items != NULL ? items : weight(m, self->bias);
  float *dtable = encoder_table_grad(m), *dbias = grad(m, self->bias);
  uint8_t *touched = encoder_table_touched(m);
  xent_params p = {.n = rows_masked(m),
                   .slot = slot,
                   .hidden = (int32_t)m->c.hidden,
                   .classes = self->classes,
                   .class_base = base,
                   .n_negatives = n_negatives,
                   .labels = b->labels,
                   .weights = weights,
                   .negatives = b->negatives,
                   .negative_logq = b->negative_logq,
                   .label_logq = b->label_logq,
                   .score = m->c.score == 0 || !self->ranks ? SCORE_DOT : SCORE_COSINE,
                   .inv_temperature = (float)(1.0 / m->c.temperature),
                   .x = self->y,
                   .table = table == NULL ? NULL : table + table_at * m->be->act_size,
                   .bias = bias == NULL ? NULL : bias + (size_t)base * m->be->act_size,
                   .forward_only = !grads,
                   .dx = grads ? self->dy : NULL,
                   .dtable = grads && dtable != NULL ? dtable + table_at : NULL,
                   .dbias = grads && dbias != NULL ? dbias + base : NULL,
                   .touched = grads && touched != NULL ? touched + base : NULL};
  item_loss_set(&m->run.loss, &p, grads);
  if (grads && table_has_factors(m, n_negatives)) table_set_factors(m, &p);
  table_set_list(m, &p);
  return p;
}

// ---- plan ----------------------------------------------------------------------------------------------------

void item_head_plan(void *state, model_core *m) {
  item_head *self = state;
  const xent_params loss = xent_op(self, m, 0, NULL, m->run.caps.negatives, true);
  m->params.items[self->bias].start = (float)item_loss_start(&loss);
  const size_t M = (size_t)m->run.caps.masked, n = M * (size_t)m->c.hidden, a = m->be->act_size;
  plan_kept(m, &self->y, n, a);
  plan_gradient(m, &self->dy, n, a);
  if (m->c.head == HEAD_PLAIN) return;
  plan_kept(m, &self->rows, n, a);
  if (m->run.training) plan_kept(m, &self->pre, n, a);
  plan_kept(m, &self->transform, n, a);
  plan_norm(m, &self->norm, M);
  plan_gradient(m, &self->d_transform, n, a);
  plan_gradient(m, &self->d_rows, n, a);
}

// ---- passes --------------------------------------------------------------------------------------------------

status item_head_check(const void *state, model_core *m, int32_t slot, size_t *scratch) {
  const item_head *self = state;
  const gather_params gather = rows_op(self, m);
  const int32_t negatives = m->run.caps.negatives;
  const xent_params training = xent_op(self, m, slot, NULL, negatives, true),
                    sampled = xent_op(self, m, slot, NULL, negatives, false),
                    full = xent_op(self, m, slot, NULL, 0, false);
  TRY(op_check(m, OP_GATHER, &gather, scratch));
  if (transforms(m)) {
    const linear_params transform = transform_op(self, m);
    const norm_params norm = norm_op(self, m);
    TRY(op_check(m, OP_LINEAR, &transform, scratch));
    TRY(op_check(m, OP_NORM, &norm, scratch));
  }
  if (m->run.training) TRY(op_check(m, OP_XENT, &training, scratch));
  TRY(op_check(m, OP_XENT, &sampled, scratch));
  return op_check(m, OP_XENT, &full, scratch); // of batches without negatives, which evaluation has
}

status item_head_rows(const item_head *self, const model_core *m) {
  const gather_params gather = rows_op(self, m);
  TRY(m->be->gather_forward(m->ctx, &gather));
  if (!transforms(m)) return OK;
  const linear_params transform = transform_op(self, m);
  const norm_params norm = norm_op(self, m);
  TRY(m->be->linear_forward(m->ctx, &transform));
  return m->be->norm_forward(m->ctx, &norm);
}

status item_head_forward(void *self, model_core *m, int32_t slot, const float *weights, bool grads) {
  const int32_t bias = ((const item_head *)self)->bias;
  if (grads && m->live.negatives == 0 && m->run.caps.negatives > 0)
    return fail(ERR_ARGUMENT, "a batch to train on has no negatives, where the loss is over %d of them",
                m->run.caps.negatives);
  TRY(item_head_rows(self, m));
  // Evaluation batches carry no negatives, and then the loss is over all classes.
  const xent_params xent = xent_op(self, m, slot, weights, m->live.negatives, grads);
  TRY(table_before_head(m, bias, &xent));
  TRY(m->be->xent(m->ctx, &xent));
  return table_behind_head(m, bias, &xent);
}

// Ends at the earliest op that trains, or goes on into the encoder if that does.
status item_head_backward(void *state, model_core *m) {
  const item_head *self = state;
  const bool below = encoder_trains(m);
  const gather_params gather = rows_op(self, m);
  if (transforms(m)) {
    const bool dense = below || trains(m, self->w, self->b);
    if (!dense && !trains(m, self->norm_w, self->norm_b)) return OK;
    const norm_params norm = norm_op(self, m);
    linear_params transform = transform_op(self, m);
    TRY(m->be->norm_backward(m->ctx, &norm));
    if (!below) transform.dx = NULL;
    if (dense) TRY(m->be->linear_backward(m->ctx, &transform));
  }
  return below ? m->be->gather_backward(m->ctx, &gather) : OK;
}

static double classes_of(const model_config *c, const batch *b) {
  return b->n_negatives > 0 ? b->n_negatives + 1 : c->classes;
}

double item_head_row_flops(const model_config *c, double classes) {
  const double H = (double)c->hidden, transform = c->head == HEAD_TRANSFORM ? 2 * H * H : 0;
  return transform + 2 * H * classes;
}

double item_head_flops(const model_config *c, const batch *b) {
  return b->n_masked * item_head_row_flops(c, classes_of(c, b));
}

// Of a row's transform, and of each of its scores.
static void find_spared(const item_head *self, const model_core *m, double *row, double *score) {
  *row = transforms(m) ? linear_spared(m, encoder_trains(m), self->w) : 0;
  *score = encoder_table_trains(m) ? 0 : 2.0 * (double)m->c.hidden;
  if (table_has_factors(m, 0)) *score += 2.0 * (double)m->c.hidden - 4.0 * (double)peft_rank(&m->c.peft);
}

void item_head_spared(const void *self, const model_core *m, flops_spared *s) {
  double row, score;
  find_spared(self, m, &row, &score);
  s->masked += row;
  s->score += score;
}

void item_head_spared_rows(const void *self, const model_core *m, flops_spared *s) {
  double row, score;
  find_spared(self, m, &row, &score);
  s->masked += row + score * ((const item_head *)self)->classes;
}

// ---- vectors -------------------------------------------------------------------------------------------------

// rows of width H at `from` become rows of width H + 1, in place from the last one; cosine rows get length `scale`.
static void widen(float *rows_out, size_t n, size_t H, bool cosine, float scale, const float *last) {
  for (size_t i = n; i-- > 0;) {
    float *to = rows_out + i * (H + 1);
    memmove(to, rows_out + i * H, H * sizeof *to);
    double sum = 0;
    for (size_t j = 0; cosine && j < H; j++) sum += (double)to[j] * to[j];
    const double norm = sqrt(sum);
    const float factor = cosine ? (float)(scale / (norm > 1e-6 ? norm : 1e-6)) : scale;
    if (factor < 1.0f || factor > 1.0f)
      for (size_t j = 0; j < H; j++) to[j] *= factor;
    to[H] = last != NULL ? last[i] : 1.0f;
  }
}

static status find(model *m, const item_head **self, model_core **core) {
  const objective *of = objectives_ranking(model_objectives(m));
  *self = of != NULL ? model_objective(m, of, core) : NULL;
  return *self != NULL ? OK
                       : fail(ERR_ARGUMENT,
                              "this model has no head that users and items are ranked with: it was trained "
                              "neither for masked_lm nor for next_item");
}

status model_user_vectors(model *whole, float *u) {
  const item_head *self;
  model_core *m;
  TRY(find(whole, &self, &m));
  const size_t n = (size_t)m->live.masked, H = (size_t)m->c.hidden;
  TRY(item_head_rows(self, m));
  TRY(read_rows(m, self->y, n * H, u));
  widen(u, n, H, m->c.score == 1, (float)(1.0 / m->c.temperature), NULL);
  return OK;
}

// Rows [first, first + n) of the table that is scored: of the masters, where it is the word table as it is.
static status read_table(model_core *m, size_t first, size_t n, float *to) {
  const param_set *s = &m->params;
  const size_t H = (size_t)m->c.hidden;
  if (m->items == NULL && m->table == NULL)
    return m->be->download(m->ctx, to, param_master(s, &s->items[encoder_word_table(m)]) + first * H,
                           n * H * sizeof *to);
  TRY(table_forward(m, false));
  TRY(items_forward(m, false));
  return read_rows(m, (const char *)encoder_table(m) + first * H * m->be->act_size, n * H, to);
}

status model_item_vectors(model *whole, int32_t first, int32_t count, float *v) {
  const item_head *self;
  model_core *m;
  TRY(find(whole, &self, &m));
  if (first < 0 || count < 0 || first + count > m->c.classes)
    return fail(ERR_ARGUMENT, "item vectors %d to %d are not among the %d classes", first, first + count,
                m->c.classes);
  const size_t n = (size_t)count, H = (size_t)m->c.hidden, base = (size_t)m->c.class_base + (size_t)first;
  const param_set *s = &m->params;
  float *bias;
  TRY(mem_new(&bias, n, sizeof *bias, "item biases"));
  status rc;
  TRY_GOTO(read_table(m, base, n, v), done);
  TRY_GOTO(m->be->download(m->ctx, bias, param_master(s, &s->items[self->bias]) + base, n * sizeof *v), done);
  TRY_GOTO(items_mend_biases(m, self->bias, (int32_t)base, count, bias), done);
  widen(v, n, H, m->c.score == 1, 1.0f, bias);
done:
  free(bias);
  return rc;
}

// ---- validation ----------------------------------------------------------------------------------------------

status item_head_check_config(const model_config *c) {
  return c->classes > 0
             ? OK
             : fail(ERR_ARGUMENT, "the vocabulary has no items to predict; set model.item_classes = false");
}

const objective_metric item_head_metrics[] = {
    {"ndcg@10", false, true}, {"ndcg@1", false, true}, {"ndcg@5", false, true},    {"ndcg@20", false, true},
    {"hr@1", false, true},    {"hr@5", false, true},   {"hr@10", false, true},     {"hr@20", false, true},
    {"mrr@1", false, true},   {"mrr@5", false, true},  {"mrr@10", false, true},    {"mrr@20", false, true},
    {"mrr", false, true},     {"loss", true, false},   {"accuracy", false, false}, {NULL, false, false}};
const char *const item_head_variants[] = {"uniform", "popularity", NULL};
