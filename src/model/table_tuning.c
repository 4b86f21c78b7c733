// LoRA of the word table; see table_tuning.h.
//
// The factor s is put on B, which is small. Activations and gradients of parameters are of one type, float, on every backend that
// there is, so the gradient of A is made where it belongs, by the linear op whose input A is; table_check refuses another.
#include "model/table_tuning.h"

#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "format/order.h"
#include "model/item_vectors.h"

static const float ADALORA_STD = 0.02f; // of A and B, as in linear layers (adapters.c)

// Elements of table_tuning.rows.
static size_t rows_and_places(const model_core *m) {
  const batch_caps caps = m->run.caps;
  return (size_t)m->table->lists->cap + (size_t)caps.tokens + (size_t)caps.masked + (size_t)caps.negatives;
}

status table_new(model_core *m) {
  if (!peft_targets_table(&m->c.peft)) return OK;
  TRY(mem_new(&m->table, 1, sizeof *m->table, "a tuned table"));
  m->table->stale = m->table->clean = true;
  if (!m->run.training || m->run.caps.negatives == 0) return OK;
  m->table->in_place = m->items != NULL;
  if (m->table->in_place) return OK;
  TRY(item_lists_new(&m->table->lists, NULL, (int32_t)m->c.vocab_size, 0, false, m->run.caps));
  return mem_new(&m->table->host_rows, rows_and_places(m), sizeof *m->table->host_rows, "a tuned table");
}

void table_free(table_tuning *t) {
  if (t == NULL) return;
  item_lists_free(t->lists);
  free(t->host_rows);
  free(t);
}

// Does a pass go by the rows of a list? training: as it is or will be.
static bool by_list(const model_core *m, bool training) {
  return training && m->table != NULL && (m->table->in_place || m->table->lists != NULL) &&
         m->listed.rows > 0;
}
// And is the table at hand one of these rows alone?
static bool is_short(const model_core *m) {
  return by_list(m, m->training) && m->table->lists != NULL;
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
  const bool svd = m->c.peft.kind == PEFT_ADALORA;
  t->b = add_factor(&m->params, ".lora_embedding_B", m->c.hidden, r, svd ? ADALORA_STD : 1);
  t->e = svd ? add_factor(&m->params, ".lora_embedding_E", r, 1, 0) : -1;
  t->a = add_factor(&m->params, ".lora_embedding_A", m->c.vocab_size, r, svd ? ADALORA_STD : 0);
}

static size_t elements_of(const model_core *m) {
  return (size_t)m->c.vocab_size * (size_t)m->c.hidden;
}

static size_t elements_of_up(const model_core *m) {
  return (size_t)m->c.hidden * (size_t)peft_rank(&m->c.peft);
}

static const int32_t *list_of(const model_core *m, int32_t *cap) {
  if (m->table->in_place) return items_listed(m, cap);
  *cap = m->table->lists->cap;
  return m->table->rows;
}

static rows rows_listed(const model_core *m) {
  rows n = {ROWS_LISTED, 0};
  list_of(m, &n.cap);
  return n;
}

static void plan_lists(model_core *m) {
  table_tuning *t = m->table;
  const size_t R = (size_t)rows_listed(m).cap, H = (size_t)m->c.hidden, a = m->be->act_size,
               n = R * (size_t)peft_rank(&m->c.peft);
  plan_kept(m, &t->a_rows, n, a);
  plan_gradient(m, &t->d_a_rows, n, a);
  if (t->in_place) {
    plan_kept(m, &t->made, R * H, a);
    plan_gradient(m, &t->d_made, R * H, a);
    return;
  }
  plan_kept(m, &t->rows, rows_and_places(m), sizeof *t->rows);
  plan_kept(m, &t->biases, R, a);
  plan_gradient(m, &t->d_biases, R, a);
}

static size_t elements_of_gradient(const model_core *m) {
  const item_lists *l = m->table->lists;
  return l != NULL ? (size_t)l->cap * (size_t)m->c.hidden : elements_of(m);
}

void table_plan_buffers(model_core *m) {
  table_tuning *t = m->table;
  if (t == NULL) return;
  plan_kept(m, &t->up, elements_of_up(m), m->be->act_size);
  plan_kept(m, &t->table, elements_of(m), m->be->act_size);
  if (t->lists != NULL || t->in_place) plan_lists(m);
  if (!words_train(m)) return;
  plan_gradient(m, &t->d_up, elements_of_up(m), sizeof(float));
  if (table_has_factors(m, m->run.caps.negatives)) {
    const size_t n = (size_t)m->run.caps.masked * (size_t)peft_rank(&m->c.peft);
    plan_gradient(m, &t->x_low, n, m->be->act_size);
    plan_gradient(m, &t->dx_low, n, m->be->act_size);
  }
  plan_gradient(m, &t->d_table, elements_of_gradient(m), sizeof(float));
}

double table_flops(const model_config *c, const batch *b) {
  if (!peft_targets_table(&c->peft)) return 0;
  const double listed = (double)b->tokens + b->n_masked + b->n_negatives, all = (double)c->vocab_size,
               made = b->n_negatives > 0 && listed < all ? listed : all;
  return 2.0 * made * (double)c->hidden * (double)peft_rank(&c->peft);
}

// Does B train, or what scales its columns?
static bool up_trains(const model_core *m) {
  const table_tuning *t = m->table;
  return trains(m, t->b, t->e >= 0 ? t->e : t->b);
}

// ---- what others read ----------------------------------------------------------------------------------------

const act *words_table(const model_core *m) {
  return m->table != NULL ? m->table->table : weight(m, encoder_word_table(m));
}

// There is no gradient of a whole table where those of lists are wanted.
static bool has_gradient(const model_core *m) {
  return m->table->lists == NULL || by_list(m, true);
}

float *words_grad(const model_core *m) {
  if (m->table == NULL) return grad(m, encoder_word_table(m));
  return has_gradient(m) ? m->table->d_table : NULL;
}

const batch_view *table_batch(const model_core *m) {
  return is_short(m) ? &m->table->batch : &m->batch;
}

int32_t table_rows(const model_core *m) {
  return is_short(m) ? m->table->lists->cap : (int32_t)m->c.vocab_size;
}

bool words_train(const model_core *m) {
  const table_tuning *t = m->table;
  if (!m->run.training) return false;
  return t != NULL ? trains(m, t->a, t->b) || up_trains(m) : m->params.items[encoder_word_table(m)].trainable;
}

// ---- params of each op ---------------------------------------------------------------------------------------

// y = or += s x diag(l), of matrices like B. Backward: dx = s dy diag(l), and the gradient of l.
static scale_params scale_op(const model_core *m, const act *x, act *y, bool add) {
  const int32_t e = m->table->e;
  return (scale_params){.n = {ROWS_FIXED, (int32_t)m->c.hidden},
                        .width = (int32_t)peft_rank(&m->c.peft),
                        .x = x,
                        .factor = e >= 0 ? weight(m, e) : NULL,
                        .dfactor = e >= 0 ? grad(m, e) : NULL,
                        .scale = (float)peft_scale(&m->c.peft),
                        .y = y,
                        .y_add = add};
}

static rows rows_all(const model_core *m) {
  return (rows){ROWS_FIXED, (int32_t)m->c.vocab_size};
}

static act *made_rows(const table_tuning *t) {
  return t->in_place ? t->made : t->table;
}

// E' += A (s B)^T, of all rows or of those of a list, where the gradient of A is of these too.
static linear_params product_op(const model_core *m, bool list) {
  const table_tuning *t = m->table;
  float *const da = grad(m, t->a);
  return (linear_params){.n = list ? rows_listed(m) : rows_all(m),
                         .in = (int32_t)peft_rank(&m->c.peft),
                         .out = (int32_t)m->c.hidden,
                         .x = list ? t->a_rows : weight(m, t->a),
                         .w = t->up,
                         .y = list ? made_rows(t) : t->table,
                         .dy = list && t->in_place ? t->d_made : t->d_table,
                         .dx = list && da != NULL ? t->d_a_rows : da,
                         .dx_add = !list,
                         .dw = up_trains(m) ? t->d_up : NULL,
                         .y_add = true};
}

// Rows of a table [V,width] that are listed, to y, and their gradients dy back to dx.
static gather_params pick_op(const model_core *m, int32_t width, const act *x, act *y, const act *dy,
                             float *dx) {
  rows n = rows_listed(m);
  return (gather_params){.n = n,
                         .hidden = width,
                         .source = rows_all(m),
                         .index = list_of(m, &n.cap),
                         .distinct = true,
                         .x = x,
                         .y = y,
                         .dy = dy,
                         .dx = dx};
}

static gather_params pick_words(const model_core *m) {
  return pick_op(m, (int32_t)m->c.hidden, weight(m, encoder_word_table(m)), made_rows(m->table), NULL, NULL);
}
static gather_params pick_factors(const model_core *m) {
  const table_tuning *t = m->table;
  return pick_op(m, (int32_t)peft_rank(&m->c.peft), weight(m, t->a), t->a_rows, t->d_a_rows, grad(m, t->a));
}
// In place: the rows that were made go to where they are in the table, and their gradients, which are zero there afterwards, come from it.
static fuse_params put_op(const model_core *m) {
  const table_tuning *t = m->table;
  rows n = rows_listed(m);
  return (fuse_params){.vocab = (int32_t)m->c.vocab_size,
                       .items = (int32_t)m->c.vocab_size,
                       .hidden = (int32_t)m->c.hidden,
                       .list = list_of(m, &n.cap),
                       .listed = n,
                       .id = weight(m, encoder_word_table(m)),
                       .content = t->made,
                       .e = t->table,
                       .de = t->d_table,
                       .dcontent = t->d_made};
}

static gather_params pick_biases(const model_core *m, int32_t bias) {
  const table_tuning *t = m->table;
  return pick_op(m, 1, weight(m, bias), t->biases, t->d_biases, grad(m, bias));
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
  p->dx_low = up_trains(m) ? t->dx_low : NULL;
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

void table_set_list(const model_core *m, xent_params *p) {
  const table_tuning *t = m->table;
  if (!is_short(m)) return;
  p->classes = t->lists->cap;
  p->class_base = 0;
  p->labels = t->batch.labels;
  p->negatives = t->batch.negatives;
  p->table = t->table;
  p->bias = t->biases;
  if (p->dtable != NULL) p->dtable = t->d_table;
  if (p->dbias != NULL) p->dbias = t->d_biases;
}

static status take_biases(const model_core *m, int32_t bias, const xent_params *p) {
  const gather_params pick = pick_biases(m, bias);
  if (p->dbias != NULL)
    TRY(m->be->zero(m->ctx, m->table->d_biases, (size_t)m->table->lists->cap * sizeof(float)));
  return m->be->gather_forward(m->ctx, &pick);
}

status table_before_head(const model_core *m, int32_t bias, const xent_params *p) {
  if (is_short(m)) return take_biases(m, bias, p);
  if (p->low == 0) return OK;
  const linear_params op = rows_op(m, p);
  return m->be->linear_backward(m->ctx, &op);
}

// d (s B) += X' (G A), as that layer's weights would get it.
status table_behind_head(const model_core *m, int32_t bias, const xent_params *p) {
  if (is_short(m) && p->dbias != NULL) {
    const gather_params pick = pick_biases(m, bias);
    return m->be->gather_backward(m->ctx, &pick);
  }
  if (p->low == 0 || p->dx_low == NULL) return OK;
  linear_params op = rows_op(m, p);
  op.x = m->table->dx_low;
  op.dx = NULL;
  op.dw = m->table->d_up;
  return m->be->linear_backward(m->ctx, &op);
}

// ---- checking ------------------------------------------------------------------------------------------------

static status check_lists(const model_core *m, size_t *scratch) {
  const gather_params words = pick_words(m), factors = pick_factors(m),
                      biases = pick_op(m, 1, NULL, NULL, NULL, NULL);
  const fuse_params put = put_op(m);
  const linear_params product = product_op(m, true);
  TRY(op_check(m, OP_GATHER, &words, scratch));
  TRY(op_check(m, OP_GATHER, &factors, scratch));
  TRY(op_check(m, OP_GATHER, &biases, scratch));
  if (m->table->in_place) TRY(op_check(m, OP_FUSE, &put, scratch));
  return op_check(m, OP_LINEAR, &product, scratch);
}

status table_check(const model_core *m, size_t *scratch) {
  if (m->table == NULL) return OK;
  if (m->be->act_size != sizeof(float))
    return fail(ERR_UNSUPPORTED,
                "the %s backend computes in %zu bytes a number here, and peft tunes the word table in 4 only",
                m->be->name, m->be->act_size);
  const scale_params scale = scale_op(m, NULL, NULL, true);
  const linear_params product = product_op(m, false);
  const linear_params of_rows = rows_op(m, &(xent_params){.n = rows_masked(m)});
  TRY(op_check(m, OP_SCALE, &scale, scratch));
  TRY(op_check(m, OP_LINEAR, &of_rows, scratch));
  if (m->table->lists != NULL || m->table->in_place) TRY(check_lists(m, scratch));
  return op_check(m, OP_LINEAR, &product, scratch);
}

// ---- passes --------------------------------------------------------------------------------------------------

static void find_places(const item_lists *l, const int32_t *tokens, int32_t n, int32_t *places) {
  for (int32_t i = 0; i < n; i++) // a label may be none
    places[i] = tokens[i] < 0 ? tokens[i] : (int32_t)order_place(l->rows, 0, l->n, tokens[i]);
}

status table_list(model_core *m, const batch *b) {
  table_tuning *t = m->table;
  if (t == NULL || t->lists == NULL || b->n_negatives == 0) return OK;
  item_lists *l = t->lists;
  const int32_t ids = l->cap, labels = ids + m->run.caps.tokens, negatives = labels + m->run.caps.masked;
  item_lists_make(l, b);
  memcpy(t->host_rows, l->rows, (size_t)l->n * sizeof *l->rows);
  find_places(l, b->ids, b->tokens, t->host_rows + ids);
  find_places(l, b->labels, b->n_masked, t->host_rows + labels);
  find_places(l, b->negatives, b->n_negatives, t->host_rows + negatives);
  TRY(m->be->upload(m->ctx, t->rows, t->host_rows, rows_and_places(m) * sizeof *t->rows));
  t->batch = m->batch;
  t->batch.ids = t->rows + ids;
  t->batch.labels = t->rows + labels;
  t->batch.negatives = t->rows + negatives;
  m->listed.rows = l->n;
  return OK;
}

// The rows of the table before they are tuned.
static status take_words(const model_core *m, bool list) {
  if (!list)
    return m->be->copy(m->ctx, m->table->table, weight(m, encoder_word_table(m)),
                       elements_of(m) * m->be->act_size);
  const gather_params words = pick_words(m), factors = pick_factors(m);
  TRY(m->be->gather_forward(m->ctx, &words));
  return m->be->gather_forward(m->ctx, &factors);
}

status table_forward(model_core *m, bool training) {
  table_tuning *t = m->table;
  if (t == NULL || (!training && !t->stale && t->of == m->params.refreshes)) return OK;
  const bool list = by_list(m, training);
  const scale_params scale = scale_op(m, weight(m, t->b), t->up, false);
  const linear_params product = product_op(m, list);
  TRY(m->be->scale_forward(m->ctx, &scale));
  TRY(take_words(m, list));
  TRY(m->be->linear_forward(m->ctx, &product));
  if (list && t->in_place) {
    const fuse_params put = put_op(m);
    TRY(m->be->fuse_forward(m->ctx, &put));
  }
  t->stale = training;
  t->of = m->params.refreshes;
  return OK;
}

void table_forget(model_core *m) {
  if (m->table != NULL) m->table->stale = m->table->clean = true;
}

status table_zero_gradient(model_core *m) {
  table_tuning *t = m->table;
  if (t == NULL || t->d_table == NULL) return OK;
  TRY(m->be->zero(m->ctx, t->d_up, elements_of_up(m) * sizeof(float)));
  const bool was_clean = t->clean;
  t->clean = t->in_place && by_list(m, true); // whose backward pass leaves zeros
  if (was_clean && t->in_place) return OK;
  return m->be->zero(m->ctx, t->d_table, elements_of_gradient(m) * sizeof(float));
}

status table_backward(model_core *m) {
  const table_tuning *t = m->table;
  if (t == NULL || t->d_table == NULL) return OK;
  if (!has_gradient(m))
    return fail(ERR_INTERNAL,
                "a batch to train a tuned table on has no negatives, where the loss is sampled");
  const bool list = by_list(m, true);
  const scale_params of_b = scale_op(m, t->d_up, grad(m, t->b), true);
  scale_params of_e = scale_op(m, weight(m, t->b), NULL, false);
  const linear_params product = product_op(m, list);
  if (list && t->in_place) {
    const fuse_params put = put_op(m);
    TRY(m->be->fuse_backward(m->ctx, &put));
  }
  TRY(m->be->linear_backward(m->ctx, &product));
  if (list && product.dx != NULL) {
    const gather_params factors = pick_factors(m);
    TRY(m->be->gather_backward(m->ctx, &factors));
  }
  if (of_b.y != NULL) TRY(m->be->scale_forward(m->ctx, &of_b));
  if (of_e.dfactor == NULL) return OK;
  of_e.dy = of_e.dx = t->d_up; // which nobody reads any more
  return m->be->scale_backward(m->ctx, &of_e);
}
