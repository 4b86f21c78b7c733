// LoRA of the word table; see table_tuning.h.
//
// The factor s is put on B, which is small. Activations and gradients of parameters are of one type, float, on every backend that
// there is, so the gradient of A is made where it belongs, by the linear op whose input A is; table_check refuses another.
#include "model/table_tuning.h"

#include <stdlib.h>
#include "base/memory.h"

status table_new(model_core *m) {
  if (m->c.peft.kind != PEFT_LORA || !peft_targets_table(&m->c.peft)) return OK;
  TRY(mem_new(&m->table, 1, sizeof *m->table, "a tuned table"));
  m->table->stale = true;
  return OK;
}

void table_free(table_tuning *t) {
  free(t);
}

static int32_t add_factor(param_set *s, const char *name, int64_t rows_n, int64_t rank, float std) {
  const param_spec spec = {
      .rows = rows_n, .columns = rank, .init = std > 0 ? INIT_NORMAL : INIT_ZERO, .decay = true};
  const int32_t i = param_add(s, spec, peft_table_module, name);
  if (i < 0) return i;
  s->items[i].std = std;
  s->items[i].tuned = true;
  return i;
}

void table_describe_params(model_core *m) {
  table_tuning *t = m->table;
  const int64_t r = peft_rank(&m->c.peft);
  if (t == NULL) return;
  t->b = add_factor(&m->params, ".lora_embedding_B", m->c.hidden, r, 1);
  t->a = add_factor(&m->params, ".lora_embedding_A", m->c.vocab_size, r, 0);
}

static size_t elements_of(const model_core *m) {
  return (size_t)m->c.vocab_size * (size_t)m->c.hidden;
}

static size_t elements_of_up(const model_core *m) {
  return (size_t)m->c.hidden * (size_t)peft_rank(&m->c.peft);
}

void table_plan_buffers(model_core *m) {
  table_tuning *t = m->table;
  if (t == NULL) return;
  plan_kept(m, &t->up, elements_of_up(m), m->be->act_size);
  plan_kept(m, &t->table, elements_of(m), m->be->act_size);
  if (!words_train(m)) return;
  plan_gradient(m, &t->d_up, elements_of_up(m), sizeof(float));
  if (table_has_factors(m, m->run.caps.negatives)) {
    const size_t n = (size_t)m->run.caps.masked * (size_t)peft_rank(&m->c.peft);
    plan_gradient(m, &t->x_low, n, m->be->act_size);
    plan_gradient(m, &t->dx_low, n, m->be->act_size);
  }
  plan_gradient(m, &t->d_table, elements_of(m), sizeof(float));
}

double table_flops(const model_config *c) {
  if (c->peft.kind != PEFT_LORA || !peft_targets_table(&c->peft)) return 0;
  return 2.0 * (double)c->vocab_size * (double)c->hidden * (double)peft_rank(&c->peft);
}

// ---- what others read ----------------------------------------------------------------------------------------

const act *words_table(const model_core *m) {
  return m->table != NULL ? m->table->table : weight(m, encoder_word_table(m));
}

float *words_grad(const model_core *m) {
  return m->table != NULL ? m->table->d_table : grad(m, encoder_word_table(m));
}

bool words_train(const model_core *m) {
  const table_tuning *t = m->table;
  if (!m->run.training) return false;
  return t != NULL ? trains(m, t->a, t->b) : m->params.items[encoder_word_table(m)].trainable;
}

// ---- params of each op ---------------------------------------------------------------------------------------

// y = or += s x, of matrices like B.
static scale_params scale_op(const model_core *m, const act *x, act *y, bool add) {
  return (scale_params){.n = {ROWS_FIXED, (int32_t)m->c.hidden},
                        .width = (int32_t)peft_rank(&m->c.peft),
                        .x = x,
                        .scale = (float)peft_scale(&m->c.peft),
                        .y = y,
                        .y_add = add};
}

// E' += A (s B)^T.
static linear_params product_op(const model_core *m) {
  const table_tuning *t = m->table;
  return (linear_params){.n = {ROWS_FIXED, (int32_t)m->c.vocab_size},
                         .in = (int32_t)peft_rank(&m->c.peft),
                         .out = (int32_t)m->c.hidden,
                         .x = weight(m, t->a),
                         .w = t->up,
                         .y = t->table,
                         .dy = t->d_table,
                         .dx = grad(m, t->a),
                         .dx_add = true,
                         .dw = grad(m, t->b) != NULL ? t->d_up : NULL,
                         .y_add = true};
}

// ---- factors of a head's scores ------------------------------------------------------------------------------

bool table_has_factors(const model_core *m, int32_t n_negatives) {
  return m->table != NULL && m->items == NULL && words_train(m) && m->c.score == 0 && n_negatives == 0 &&
         m->run.caps.negatives == 0;
}

void table_set_factors(const model_core *m, xent_params *p) {
  const table_tuning *t = m->table;
  const size_t at = (size_t)p->class_base * (size_t)peft_rank(&m->c.peft);
  const char *a = weight(m, t->a);
  float *da = grad(m, t->a);
  p->dtable = NULL;
  p->low = (int32_t)peft_rank(&m->c.peft);
  p->x_low = t->x_low;
  p->table_low = a == NULL ? NULL : a + at * m->be->act_size;
  p->dx_low = m->params.items[t->b].trainable ? t->dx_low : NULL;
  p->dtable_low = da == NULL ? NULL : da + at;
}

// X s B is what a layer of weights s B would hand back of the gradient X.
static linear_params rows_op(const model_core *m, const xent_params *p) {
  return (linear_params){.n = p->n,
                         .in = (int32_t)peft_rank(&m->c.peft),
                         .out = (int32_t)m->c.hidden,
                         .w = m->table->up,
                         .dy = (act *)(uintptr_t)p->x,
                         .dx = m->table->x_low};
}

status table_before_head(const model_core *m, const xent_params *p) {
  if (p->low == 0) return OK;
  const linear_params op = rows_op(m, p);
  return m->be->linear_backward(m->ctx, &op);
}

// d (s B) += X' (G A), as that layer's weights would get it.
status table_behind_head(const model_core *m, const xent_params *p) {
  if (p->low == 0 || p->dx_low == NULL) return OK;
  linear_params op = rows_op(m, p);
  op.x = m->table->dx_low;
  op.dx = NULL;
  op.dw = m->table->d_up;
  return m->be->linear_backward(m->ctx, &op);
}

// ---- checking ------------------------------------------------------------------------------------------------

status table_check(const model_core *m, size_t *scratch) {
  if (m->table == NULL) return OK;
  if (m->be->act_size != sizeof(float))
    return fail(ERR_UNSUPPORTED,
                "the %s backend computes in %zu bytes a number here, and peft tunes the word table in 4 only",
                m->be->name, m->be->act_size);
  const scale_params scale = scale_op(m, NULL, NULL, true);
  const linear_params product = product_op(m);
  const linear_params of_rows = rows_op(m, &(xent_params){.n = rows_masked(m)});
  TRY(op_check(m, OP_SCALE, &scale, scratch));
  TRY(op_check(m, OP_LINEAR, &of_rows, scratch));
  return op_check(m, OP_LINEAR, &product, scratch);
}

// ---- passes --------------------------------------------------------------------------------------------------

status table_forward(model_core *m, bool training) {
  table_tuning *t = m->table;
  if (t == NULL || (!training && !t->stale && t->of == m->params.refreshes)) return OK;
  const scale_params scale = scale_op(m, weight(m, t->b), t->up, false);
  const linear_params product = product_op(m);
  TRY(m->be->scale_forward(m->ctx, &scale));
  TRY(m->be->copy(m->ctx, t->table, weight(m, encoder_word_table(m)), elements_of(m) * m->be->act_size));
  TRY(m->be->linear_forward(m->ctx, &product));
  t->stale = training;
  t->of = m->params.refreshes;
  return OK;
}

void table_forget(model_core *m) {
  if (m->table != NULL) m->table->stale = true;
}

status table_zero_gradient(model_core *m) {
  const table_tuning *t = m->table;
  if (t == NULL || t->d_table == NULL) return OK;
  TRY(m->be->zero(m->ctx, t->d_up, elements_of_up(m) * sizeof(float)));
  return m->be->zero(m->ctx, t->d_table, elements_of(m) * sizeof(float));
}

status table_backward(model_core *m) {
  const table_tuning *t = m->table;
  if (t == NULL || t->d_table == NULL) return OK;
  const scale_params scale = scale_op(m, t->d_up, grad(m, t->b), true);
  const linear_params product = product_op(m);
  TRY(m->be->linear_backward(m->ctx, &product));
  return scale.y == NULL ? OK : m->be->scale_forward(m->ctx, &scale);
}
