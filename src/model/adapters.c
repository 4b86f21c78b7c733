// Low-rank adapters and bottlenecks; see adapters.h.
//
// y += s B (e o A dropout(x)) is made of ops that are there: the products are linear ops, which add to y; s and e scale the inner
// columns, of which there are few. An adapter of a part of a fused layer makes its output apart, and adds it to its columns.
// In front of an activation the order is turned round: the adapter writes what is before it, and the layer adds.
#include "model/adapters.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/philox.h"
#include "format/text_end.h"
#include "model/objective.h"

static const double ADALORA_STD = 0.02; // of A and B, as in peft

// ---- describing ----------------------------------------------------------------------------------------------

// B begins with zeros, so that the model begins as its base. A's values have the variance of peft's uniform ones, 1 / (3 in).
static int32_t add_factor(param_set *s, const char *module, const char *name, int64_t rows_n, int64_t columns,
                          double std) {
  const param_spec spec = {
      .rows = rows_n, .columns = columns, .init = std > 0 ? INIT_NORMAL : INIT_ZERO, .decay = true};
  const int32_t i = param_add(s, spec, module, name);
  if (i < 0) return i;
  s->items[i].std = (float)std;
  s->items[i].tuned = true;
  return i;
}

static low_rank describe_part(param_set *s, const peft_config *c, const char *module, int64_t in,
                              int64_t out) {
  const int64_t r = peft_rank(c);
  low_rank p = {.e = -1, .width = (int32_t)out};
  if (c->kind == PEFT_ADALORA) {
    p.b = add_factor(s, module, ".lora_B", out, r, ADALORA_STD);
    p.e = add_factor(s, module, ".lora_E", r, 1, 0);
    p.a = add_factor(s, module, ".lora_A", r, in, ADALORA_STD);
  } else {
    p.b = add_factor(s, module, ".lora_B.weight", out, r, 0);
    p.a = add_factor(s, module, ".lora_A.weight", r, in, 1 / sqrt(3.0 * (double)in));
  }
  return p;
}

void tuned_describe(model_core *m, tuned_linear *t, const tuned_place *at) {
  const peft_config *c = &m->c.peft;
  t->n = 0;
  if (c->kind != PEFT_LORA && c->kind != PEFT_ADALORA) return;
  for (int32_t k = 0; k < MOST_PARTS && at->module[k] != NULL; k++) {
    char module[PARAM_NAME];
    snprintf(module, sizeof module, "%s%s", at->prefix, at->module[k]);
    if (!peft_targets(c, module)) continue;
    low_rank *p = &t->part[t->n++];
    *p = describe_part(&m->params, c, module, at->in, at->out);
    p->column = k * (int32_t)at->out;
    p->site = at->site + (uint32_t)k;
  }
}

void bottleneck_describe(model_core *m, bottleneck *k, const char *prefix, const char *name) {
  const int64_t H = m->c.hidden, W = m->c.peft.adapter_width;
  param_set *const s = &m->params;
  char at[PARAM_NAME];
  k->there = m->c.peft.kind == PEFT_ADAPTER;
  if (!k->there) return;
  snprintf(at, sizeof at, "%s%s.adapter.", prefix, name);
  const int32_t first = s->count;
  k->up_w =
      param_add(s, (param_spec){.rows = H, .columns = W, .init = INIT_ZERO, .decay = true}, at, "up.weight");
  k->up_b = param_add_vector(s, at, "up.bias", H, INIT_ZERO);
  k->down_w = param_add_matrix(s, at, "down.weight", W, H);
  k->down_b = param_add_vector(s, at, "down.bias", W, INIT_ZERO);
  for (int32_t i = first; i < s->count; i++) s->items[i].tuned = true;
}

// ---- planning ------------------------------------------------------------------------------------------------

static size_t rank_of(const model_core *m) {
  return (size_t)peft_rank(&m->c.peft);
}

void tuned_plan(model_core *m, tuned_buffers *b) {
  const size_t n = (size_t)m->run.caps.tokens * rank_of(m);
  for (int32_t k = 0; k < MOST_PARTS; k++) {
    plan_kept(m, &b->part[k].h, n, m->be->act_size);
    plan_kept(m, &b->part[k].scaled, n, m->be->act_size);
  }
}

void bottleneck_plan(model_core *m, bottleneck_buffers *b) {
  const size_t T = (size_t)m->run.caps.tokens, W = (size_t)m->c.peft.adapter_width, a = m->be->act_size;
  plan_kept(m, &b->in, T * (size_t)m->c.hidden, a);
  plan_kept(m, &b->pre, T * W, a);
  plan_kept(m, &b->mid, T * W, a);
}

void tuning_plan(model_core *m, tuning_shared *s) {
  const peft_config *c = &m->c.peft;
  const size_t T = (size_t)m->run.caps.tokens, H = (size_t)m->c.hidden, F = (size_t)m->c.intermediate,
               wide = F > H ? F : H, a = m->be->act_size;
  if (c->kind == PEFT_ADAPTER) plan_gradient(m, &s->d_low, T * (size_t)c->adapter_width, a);
  if (c->kind != PEFT_LORA && c->kind != PEFT_ADALORA) return;
  plan_kept(m, &s->delta, T * H, a);
  plan_gradient(m, &s->d_low, T * rank_of(m), a);
  if (!(c->lora_dropout > 0) || !m->run.training) return;
  plan_kept(m, &s->dropped, T * wide, a);
  plan_gradient(m, &s->d_dropped, T * wide, a);
}

// ---- ops -----------------------------------------------------------------------------------------------------

// One adapter of a layer, and what it works on.
typedef struct adapter {
  const model_core *m;
  const tuning_shared *shared;
  const low_rank *p;
  const low_rank_buffers *buffers;
  const linear_params *op; // the layer
  const int32_t *index;
} adapter;

static dropout drop_of(const adapter *a) {
  const double p = a->m->training ? a->m->c.peft.lora_dropout : 0;
  return (dropout){.site = a->p->site, .threshold = dropout_threshold(p)};
}

static drop_params drop_op(const adapter *a, const act *x, act *y, bool add) {
  return (drop_params){.batch = &a->m->batch,
                       .n = a->op->n,
                       .index = a->index,
                       .hidden = a->op->in,
                       .drop = drop_of(a),
                       .x = x,
                       .y = y,
                       .y_add = add};
}

// h = A x.
static linear_params down_op(const adapter *a, const act *x, act *dx, bool dx_add) {
  return (linear_params){.n = a->op->n,
                         .in = a->op->in,
                         .out = (int32_t)rank_of(a->m),
                         .x = x,
                         .w = weight(a->m, a->p->a),
                         .y = a->buffers->h,
                         .dy = a->shared->d_low,
                         .dx = dx,
                         .dw = grad(a->m, a->p->a),
                         .dx_add = dx_add};
}

// scaled = s e o h.
static scale_params middle_op(const adapter *a) {
  const int32_t e = a->p->e;
  return (scale_params){.n = a->op->n,
                        .width = (int32_t)rank_of(a->m),
                        .x = a->buffers->h,
                        .factor = e >= 0 ? weight(a->m, e) : NULL,
                        .scale = (float)peft_scale(&a->m->c.peft),
                        .y = a->buffers->scaled,
                        .dy = a->shared->d_low,
                        .dx = a->shared->d_low,
                        .dfactor = e >= 0 ? grad(a->m, e) : NULL};
}

// y = or += B scaled.
static linear_params up_op(const adapter *a, act *y, bool add, act *dy) {
  return (linear_params){.n = a->op->n,
                         .in = (int32_t)rank_of(a->m),
                         .out = a->p->width,
                         .x = a->buffers->scaled,
                         .w = weight(a->m, a->p->b),
                         .y = y,
                         .dy = dy,
                         .dx = a->shared->d_low,
                         .dw = grad(a->m, a->p->b),
                         .y_add = add};
}

// Between a part of the layer's outputs, and its buffer.
static scale_params slice_op(const adapter *a, act *y, const act *dy) {
  return (scale_params){.n = a->op->n,
                        .width = a->p->width,
                        .y_width = a->op->out,
                        .at = a->p->column,
                        .x = a->shared->delta,
                        .scale = 1,
                        .y = y,
                        .y_add = true,
                        .dy = dy,
                        .dx = a->shared->delta};
}

static bool is_part(const adapter *a) {
  return a->p->width < a->op->out;
}

static linear_params bottleneck_down(const model_core *m, const bottleneck *k, const bottleneck_buffers *b,
                                     rows n, act *dy, act *dx) {
  return (linear_params){.n = n,
                         .in = (int32_t)m->c.hidden,
                         .out = (int32_t)m->c.peft.adapter_width,
                         .x = b->in,
                         .w = weight(m, k->down_w),
                         .b = weight(m, k->down_b),
                         .kind = m->c.activation == 0 ? ACT_GELU_TANH : ACT_GELU_ERF,
                         .pre = m->training ? b->pre : NULL,
                         .y = b->mid,
                         .dy = dy,
                         .dx = dx,
                         .dw = grad(m, k->down_w),
                         .db = grad(m, k->down_b),
                         .dx_add = true};
}

static linear_params bottleneck_up(const model_core *m, const bottleneck *k, const bottleneck_buffers *b,
                                   rows n, act *y, act *dy, act *dx) {
  return (linear_params){.n = n,
                         .in = (int32_t)m->c.peft.adapter_width,
                         .out = (int32_t)m->c.hidden,
                         .x = b->mid,
                         .w = weight(m, k->up_w),
                         .b = weight(m, k->up_b),
                         .y = y,
                         .dy = dy,
                         .dx = dx,
                         .dw = grad(m, k->up_w),
                         .db = grad(m, k->up_b),
                         .y_add = true};
}

// ---- checking ------------------------------------------------------------------------------------------------

// What AdaLoRA does between the passes and after the optimiser (train/rank_budget.c).
static status budget_check(const model_core *m, int32_t in, int32_t out, size_t *scratch) {
  const int32_t r = (int32_t)rank_of(m);
  const orthogonal_params a = {.ranks = r, .width = in}, b = {.ranks = r, .width = out, .columns = true};
  const importance_params of_a = {.ranks = r, .width = in}, of_e = {.ranks = r, .width = 1},
                          of_b = {.ranks = r, .width = out, .columns = true};
  if (m->c.peft.kind != PEFT_ADALORA || !m->run.training) return OK;
  TRY(op_check(m, OP_ORTHOGONAL, &a, scratch));
  TRY(op_check(m, OP_ORTHOGONAL, &b, scratch));
  TRY(op_check(m, OP_IMPORTANCE, &of_a, scratch));
  TRY(op_check(m, OP_IMPORTANCE, &of_e, scratch));
  return op_check(m, OP_IMPORTANCE, &of_b, scratch);
}

status tuned_check(const model_core *m, const tuning_shared *s, const tuned_linear *t,
                   const linear_params *op, size_t *scratch) {
  static const low_rank_buffers none;
  for (int32_t k = 0; k < t->n; k++) {
    const adapter a = {.m = m, .shared = s, .p = &t->part[k], .buffers = &none, .op = op};
    const drop_params drop = drop_op(&a, NULL, NULL, true);
    const linear_params down = down_op(&a, NULL, NULL, true), up = up_op(&a, NULL, true, NULL);
    const scale_params middle = middle_op(&a), slice = slice_op(&a, NULL, NULL);
    TRY(op_check(m, OP_DROP, &drop, scratch));
    TRY(op_check(m, OP_LINEAR, &down, scratch));
    TRY(op_check(m, OP_SCALE, &middle, scratch));
    TRY(op_check(m, OP_LINEAR, &up, scratch));
    if (is_part(&a)) TRY(op_check(m, OP_SCALE, &slice, scratch));
    TRY(budget_check(m, op->in, t->part[k].width, scratch));
  }
  return OK;
}

status bottleneck_check(const model_core *m, const bottleneck *k, rows n, size_t *scratch) {
  static const bottleneck_buffers none;
  if (!k->there) return OK;
  const linear_params down = bottleneck_down(m, k, &none, n, NULL, NULL),
                      up = bottleneck_up(m, k, &none, n, NULL, NULL, NULL);
  TRY(op_check(m, OP_LINEAR, &down, scratch));
  return op_check(m, OP_LINEAR, &up, scratch);
}

// ---- low rank: passes ----------------------------------------------------------------------------------------

// A's input: x, or what dropout leaves of it.
static status take_input(const adapter *a, const act **x) {
  *x = a->op->x;
  if (drop_of(a).threshold == 0) return OK;
  const drop_params drop = drop_op(a, a->op->x, a->shared->dropped, false);
  *x = a->shared->dropped;
  return a->m->be->drop(a->m->ctx, &drop);
}

// Adds to y, or begins it.
static status part_forward(const adapter *a, act *y, bool add) {
  const model_core *m = a->m;
  const act *x;
  TRY(take_input(a, &x));
  const linear_params down = down_op(a, x, NULL, false);
  const scale_params middle = middle_op(a);
  TRY(m->be->linear_forward(m->ctx, &down));
  TRY(m->be->scale_forward(m->ctx, &middle));
  const linear_params up = is_part(a) ? up_op(a, a->shared->delta, false, NULL) : up_op(a, y, add, NULL);
  TRY(m->be->linear_forward(m->ctx, &up));
  if (!is_part(a)) return OK;
  const scale_params slice = slice_op(a, y, NULL);
  return m->be->scale_forward(m->ctx, &slice);
}

// op->dy is the gradient before the activation; op->dx, unless NULL, has what the layer itself hands on.
static status part_backward(const adapter *a) {
  const model_core *m = a->m;
  act *dy = a->op->dy;
  if (is_part(a)) {
    const scale_params slice = slice_op(a, NULL, dy);
    TRY(m->be->scale_backward(m->ctx, &slice));
    dy = a->shared->delta;
  }
  const linear_params up = up_op(a, NULL, false, dy);
  const scale_params middle = middle_op(a);
  const act *x;
  TRY(m->be->linear_backward(m->ctx, &up));
  TRY(m->be->scale_backward(m->ctx, &middle));
  TRY(take_input(a, &x)); // again: it is not kept
  const bool drops = x != a->op->x && a->op->dx != NULL;
  const linear_params down = down_op(a, x, drops ? a->shared->d_dropped : a->op->dx, !drops);
  if (down.dx == NULL && down.dw == NULL) return OK; // A is frozen, and nothing below is trained
  TRY(m->be->linear_backward(m->ctx, &down));
  if (!drops) return OK;
  const drop_params drop = drop_op(a, a->shared->d_dropped, a->op->dx, true);
  return m->be->drop(m->ctx, &drop);
}

status tuned_forward(const model_core *m, const tuning_shared *s, const tuned_linear *t,
                     const tuned_buffers *b, const linear_params *op, const int32_t *index) {
  linear_params q = *op;
  const bool bent = op->kind != ACT_NONE && t->n > 0;
  if (!bent) TRY(m->be->linear_forward(m->ctx, op));
  for (int32_t k = 0; k < t->n; k++) {
    const adapter a = {m, s, &t->part[k], &b->part[k], op, index};
    TRY(part_forward(&a, bent ? op->pre : op->y, !bent));
  }
  q.y_add = true;
  return bent ? m->be->linear_forward(m->ctx, &q) : OK;
}

status tuned_backward(const model_core *m, const tuning_shared *s, const tuned_linear *t,
                      const tuned_buffers *b, const linear_params *op, const int32_t *index) {
  const bool idle = op->dx == NULL && op->dw == NULL && op->db == NULL && op->kind == ACT_NONE;
  if (!idle) TRY(m->be->linear_backward(m->ctx, op));
  for (int32_t k = 0; k < t->n; k++) {
    const adapter a = {m, s, &t->part[k], &b->part[k], op, index};
    TRY(part_backward(&a));
  }
  return OK;
}

bool tuned_trains(const model_core *m, const tuned_linear *t) {
  for (int32_t k = 0; k < t->n; k++) {
    const low_rank *p = &t->part[k];
    if (trains(m, p->a, p->b) || (p->e >= 0 && trains(m, p->e, p->e))) return true;
  }
  return false;
}

// ---- bottlenecks: passes -------------------------------------------------------------------------------------

status bottleneck_forward(const model_core *m, const bottleneck *k, const bottleneck_buffers *b, rows n,
                          act *y) {
  if (!k->there) return OK;
  const size_t bytes = (size_t)n.cap * (size_t)m->c.hidden * m->be->act_size;
  const linear_params down = bottleneck_down(m, k, b, n, NULL, NULL),
                      up = bottleneck_up(m, k, b, n, y, NULL, NULL);
  TRY(m->be->copy(m->ctx, b->in, y, bytes));
  TRY(m->be->linear_forward(m->ctx, &down));
  return m->be->linear_forward(m->ctx, &up);
}

status bottleneck_backward(const model_core *m, const tuning_shared *s, const bottleneck *k,
                           const bottleneck_buffers *b, rows n, act *dy) {
  if (!k->there) return OK;
  const linear_params up = bottleneck_up(m, k, b, n, NULL, dy, s->d_low),
                      down = bottleneck_down(m, k, b, n, s->d_low, dy);
  TRY(m->be->linear_backward(m->ctx, &up));
  return m->be->linear_backward(m->ctx, &down);
}

// ---- the whole -----------------------------------------------------------------------------------------------

// Was the base trained for the objective that this parameter belongs to? Then it has a value there.
static bool is_in_base(const model_core *m, const param *p) {
  objective_list l;
  model_config base = m->c;
  if (p->objective == NULL || m->run.base_objectives == NULL) return true;
  if (strcmp(m->run.base_objectives, BASE_WITHOUT_HEADS) == 0) return false;
  snprintf(base.objectives, sizeof base.objectives, "%s", m->run.base_objectives);
  if (objectives_parse(&l, base.objectives, "train.init") != OK) return true;
  return objectives_head_slot(&l, objective_named(p->objective)) >= 0;
}

static status is_tuned(const model_core *m, const param *p, bool *tuned) {
  const peft_config *c = &m->c.peft;
  *tuned = p->tuned || !is_in_base(m, p) || (c->kind == PEFT_BIAS && text_ends_with(p->name, ".bias"));
  return *tuned || c->train_also[0] == '\0' ? OK : params_freezes(tuned, c->train_also, p->name);
}

// A pattern that names nothing would leave a layer untuned that someone believes tuned.
static status check_targets(const model_core *m) {
  char copy[OPTION_STRING], *next = copy, *piece;
  peft_config one = m->c.peft;
  snprintf(copy, sizeof copy, "%s", m->c.peft.targets);
  while ((piece = strsep(&next, ",")) != NULL) {
    bool any = false;
    snprintf(one.targets, sizeof one.targets, "%s", piece);
    for (int32_t i = 0; i < m->params.count; i++) {
      char module[PARAM_NAME];
      snprintf(module, sizeof module, "%s", m->params.items[i].name);
      char *end = strstr(module, ".lora_");
      if (end != NULL) *end = '\0';
      any = any || (end != NULL && peft_targets(&one, module));
    }
    if (!any)
      return fail(
          ERR_ARGUMENT,
          "peft.targets: \"%s\" names no linear layer of the encoder; there are query, key, value, "
          "attention.output.dense, intermediate.dense and output.dense in each layer, as in "
          "bert.encoder.layer.0.attention.self.query, and word_embeddings, the table of words and items",
          piece);
  }
  return OK;
}

// Likewise, of parameters.
static status check_also(const model_core *m) {
  char copy[OPTION_STRING], *next = copy, *piece;
  snprintf(copy, sizeof copy, "%s", m->c.peft.train_also);
  while (copy[0] != '\0' && (piece = strsep(&next, ",")) != NULL) {
    bool any = false;
    for (int32_t i = 0; !any && i < m->params.count; i++)
      TRY(params_freezes(&any, piece, m->params.items[i].name));
    if (!any)
      return fail(
          ERR_ARGUMENT,
          "peft.train_also: no parameter's name matches \"%s\" (souk inspect of a checkpoint lists them)",
          piece);
  }
  return OK;
}

// Both at once would be a table with two gradients.
static status check_table(const model_core *m) {
  const param *p = &m->params.items[encoder_word_table(m)];
  if (m->table == NULL || !m->run.training || !p->trainable) return OK;
  return fail(ERR_ARGUMENT, "peft.train_also: %s is trained whole, and peft.targets tunes it: one of them",
              p->name);
}

status tuning_freeze(model_core *m) {
  const peft_config *c = &m->c.peft;
  TRY(m->params.added);
  if (c->kind == PEFT_NONE) return OK;
  TRY(peft_check(c));
  if (c->kind == PEFT_LORA || c->kind == PEFT_ADALORA) TRY(check_targets(m));
  TRY(check_also(m));
  for (int32_t i = 0; m->run.training && i < m->params.count; i++) {
    bool tuned;
    TRY(is_tuned(m, &m->params.items[i], &tuned));
    if (!tuned) param_freeze(&m->params.items[i]);
  }
  return check_table(m);
}

double tuning_flops(const model_config *c) {
  static const char *const modules[] = {"attention.self.query", "attention.self.key",
                                        "attention.self.value", "attention.output.dense",
                                        "intermediate.dense",   "output.dense"};
  const double H = (double)c->hidden, F = (double)c->intermediate, r = (double)peft_rank(&c->peft);
  double sum = 0;
  if (c->peft.kind == PEFT_ADAPTER) return (double)c->layers * 2 * 2 * 2 * H * (double)c->peft.adapter_width;
  if (c->peft.kind != PEFT_LORA && c->peft.kind != PEFT_ADALORA) return 0;
  for (int64_t i = 0; i < c->layers; i++)
    for (size_t k = 0; k < sizeof modules / sizeof *modules; k++) {
      char name[PARAM_NAME];
      snprintf(name, sizeof name, "bert.encoder.layer.%lld.%s", (long long)i, modules[k]);
      if (peft_targets(&c->peft, name)) sum += 2 * r * (k < 4 ? H + H : H + F);
    }
  return sum;
}
