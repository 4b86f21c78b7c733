// Item vectors of content; see item_vectors.h.
#include "model/item_vectors.h"

#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/philox.h"
#include "model/item_lists.h"
#include "model/table_tuning.h"

struct item_vectors {
  item_content *content;                  // host; NULL until it is set
  int32_t text_w, features_w, bias, gate; // parameters by index; -1: there is none
  int32_t *offsets, *index;               // [I+1], [N]
  float *features;                        // [I,F]
  uint8_t *known;                         // [I]
  item_lists *lists;                      // host; NULL: every pass makes the whole table
  int32_t *rows, *numbers;            // [R] the list at hand, R of item_lists_rows; the second with features
  int32_t *list_offsets, *list_index; // [R+1], [N] the texts of its items
  float *list_features;               // [R,F]
  bool clean;                         // d_fused is all zero
  act *mean, *made, *fused;           // [I,H] of words, of content; [V,H]
  float *d_fused;                     // [V,H]
  act *d_made;                        // [I,H], or [R,H] where that is more: the other rows of a list are zero
  act *d_mean;                        // [I,H]
  bool stale;                         // `fused` has ids dropped out, or is of other parameters
  uint64_t of;                        // params.refreshes when it was made
  act *biases;                        // [V] of passes without training; NULL: no head ranks items
  bool has_mean_bias;
  float mean_bias;
};

// ---- life ----------------------------------------------------------------------------------------------------

status items_new(model_core *m) {
  if (m->c.items == ITEMS_ID) return OK;
  if (m->c.items_n < 1 || m->c.item_base + m->c.items_n > m->c.vocab_size)
    return fail(ERR_ARGUMENT, "model.items: this model's items have no texts and no features");
  TRY(mem_new(&m->items, 1, sizeof *m->items, "item vectors"));
  m->items->stale = m->items->clean = true;
  return OK;
}

void items_free(item_vectors *v) {
  if (v == NULL) return;
  item_lists_free(v->lists);
  item_content_free(v->content);
  free(v);
}

static bool has_texts(const model_core *m) {
  return m->c.item_words > 0;
}
static bool has_features(const model_core *m) {
  return m->c.item_features > 0;
}

// Are there passes that make the rows of a list?
static bool lists_rows(const model_core *m) {
  return m->run.training && m->run.caps.negatives > 0;
}
static int32_t most_rows(const model_core *m) { // words too where their table is made itself
  const int64_t words = m->table != NULL ? m->c.vocab_size - m->c.items_n : 0;
  return item_lists_rows((int32_t)m->c.vocab_size, m->run.caps, words);
}

void items_describe_params(model_core *m) {
  item_vectors *v = m->items;
  if (v == NULL) return;
  param_set *s = &m->params;
  const int64_t H = m->c.hidden;
  v->text_w = v->features_w = v->gate = -1;
  params_next_bucket(s);
  const param_spec text = {.rows = H, .columns = H, .init = INIT_IDENTITY, .decay = true};
  if (m->c.items == ITEMS_BOTH) v->gate = param_add_vector(s, "items.", "gate", H, INIT_ZERO);
  if (has_features(m))
    v->features_w = param_add_matrix(s, "items.content.", "features.weight", H, m->c.item_features);
  if (has_texts(m)) v->text_w = param_add(s, text, "items.content.", "text.weight");
  v->bias = param_add_vector(s, "items.content.", "bias", H, INIT_ZERO);
}

// -1: nothing was trained to rank items.
static int32_t find_bias(const model_core *m) {
  const param *p = param_find(&m->params, "cls.predictions.bias");
  return p != NULL ? (int32_t)(p - m->params.items) : -1;
}

static void plan_lists(model_core *m) {
  item_vectors *v = m->items;
  const size_t R = (size_t)most_rows(m);
  plan_kept(m, &v->rows, R, sizeof *v->rows);
  if (has_features(m)) {
    plan_kept(m, &v->numbers, R, sizeof *v->numbers);
    plan_kept(m, &v->list_features, R * (size_t)m->c.item_features, sizeof *v->list_features);
  }
  if (!has_texts(m)) return;
  plan_kept(m, &v->list_offsets, R + 1, sizeof *v->list_offsets);
  plan_kept(m, &v->list_index, (size_t)m->c.item_words, sizeof *v->list_index);
}

void items_plan_buffers(model_core *m) {
  item_vectors *v = m->items;
  if (v == NULL) return;
  const size_t I = (size_t)m->c.items_n, H = (size_t)m->c.hidden, V = (size_t)m->c.vocab_size,
               F = (size_t)m->c.item_features, a = m->be->act_size;
  plan_kept(m, &v->known, I, 1);
  plan_kept(m, &v->made, I * H, a);
  plan_kept(m, &v->fused, V * H, a);
  if (find_bias(m) >= 0) plan_kept(m, &v->biases, V, a);
  if (has_features(m)) plan_kept(m, &v->features, I * F, sizeof(float));
  if (has_texts(m)) {
    plan_kept(m, &v->offsets, I + 1, sizeof *v->offsets);
    plan_kept(m, &v->index, (size_t)m->c.item_words, sizeof *v->index);
    plan_kept(m, &v->mean, I * H, a);
  }
  if (lists_rows(m)) plan_lists(m);
  if (!encoder_table_trains(m)) return;
  const size_t listed = lists_rows(m) ? (size_t)most_rows(m) : 0;
  plan_gradient(m, &v->d_fused, V * H, sizeof(float));
  plan_gradient(m, &v->d_made, (listed > I ? listed : I) * H, a);
  if (has_texts(m)) plan_gradient(m, &v->d_mean, I * H, a);
}

// ---- what others read ----------------------------------------------------------------------------------------

const act *encoder_table(const model_core *m) {
  return m->items != NULL ? m->items->fused : words_table(m);
}

float *encoder_table_grad(const model_core *m) {
  return m->items != NULL ? m->items->d_fused : words_grad(m);
}

uint8_t *encoder_table_touched(const model_core *m) {
  if (m->items != NULL || m->table != NULL) return NULL;
  return param_touched(&m->params, &m->params.items[encoder_word_table(m)]);
}

static bool part_trains(const model_core *m, int32_t i) {
  return i >= 0 && m->params.items[i].trainable;
}

bool encoder_table_trains(const model_core *m) {
  const item_vectors *v = m->items;
  if (!m->run.training) return false;
  if (words_train(m)) return true;
  return v != NULL && (part_trains(m, v->text_w) || part_trains(m, v->features_w) ||
                       part_trains(m, v->bias) || part_trains(m, v->gate));
}

double items_flops(const model_config *c, const batch *b) {
  if (c->items == ITEMS_ID) return 0;
  const double width = (c->item_words > 0 ? (double)c->hidden : 0) + (double)c->item_features,
               listed = (double)b->tokens + b->n_masked + b->n_negatives, all = (double)c->items_n,
               made = b->n_negatives > 0 && listed < all ? listed : all;
  return 2 * made * (double)c->hidden * width;
}

// ---- params of each op ---------------------------------------------------------------------------------------

// list: of a pass that makes the rows of a list, else of one that makes all.
static rows rows_items(const model_core *m, bool list) {
  const int32_t I = (int32_t)m->c.items_n, R = most_rows(m);
  return list ? (rows){ROWS_ITEMS, R < I ? R : I} : (rows){ROWS_FIXED, I};
}

static bag_params bag_op(const model_core *m, bool list) {
  const item_vectors *v = m->items;
  return (bag_params){.n = rows_items(m, list),
                      .entries = {list ? ROWS_TEXTS : ROWS_FIXED, (int32_t)m->c.item_words},
                      .hidden = (int32_t)m->c.hidden,
                      .vocab = (int32_t)m->c.vocab_size,
                      .offsets = list ? v->list_offsets : v->offsets,
                      .index = list ? v->list_index : v->index,
                      .table = words_table(m),
                      .y = v->mean,
                      .dy = v->d_mean,
                      .dtable = words_grad(m)};
}

// The features of a list's items.
static gather_params pick_op(const model_core *m) {
  const item_vectors *v = m->items;
  return (gather_params){.n = rows_items(m, true),
                         .hidden = (int32_t)m->c.item_features,
                         .source = rows_items(m, false),
                         .index = v->numbers,
                         .distinct = true,
                         .x = v->features,
                         .y = v->list_features};
}

// The bias is the first op's.
static linear_params linear_op(const model_core *m, bool list, int32_t w, int32_t in, const act *x, act *dx,
                               bool first) {
  const item_vectors *v = m->items;
  return (linear_params){.n = rows_items(m, list),
                         .in = in,
                         .out = (int32_t)m->c.hidden,
                         .x = x,
                         .w = weight(m, w),
                         .b = first ? weight(m, v->bias) : NULL,
                         .kind = ACT_NONE,
                         .y = v->made,
                         .dy = v->d_made,
                         .dx = dx,
                         .dw = grad(m, w),
                         .db = first ? grad(m, v->bias) : NULL,
                         .y_add = !first};
}

static linear_params text_op(const model_core *m, bool list) {
  const item_vectors *v = m->items;
  act *dx = words_train(m) ? v->d_mean : NULL;
  return linear_op(m, list, v->text_w, (int32_t)m->c.hidden, v->mean, dx, true);
}

static linear_params features_op(const model_core *m, bool list) {
  const item_vectors *v = m->items;
  const act *x = list ? v->list_features : v->features;
  return linear_op(m, list, v->features_w, (int32_t)m->c.item_features, x, NULL, !has_texts(m));
}

static fuse_params fuse_op(const model_core *m, bool list, bool training) {
  const item_vectors *v = m->items;
  return (fuse_params){.vocab = (int32_t)m->c.vocab_size,
                       .base = (int32_t)m->c.item_base,
                       .items = (int32_t)m->c.items_n,
                       .hidden = (int32_t)m->c.hidden,
                       .list = list ? v->rows : NULL,
                       .listed = {ROWS_LISTED, list ? most_rows(m) : 0},
                       .known = v->known,
                       .id_threshold = training ? dropout_threshold(m->c.id_dropout) : 0,
                       .id = words_table(m),
                       .content = v->made,
                       .gate = v->gate >= 0 ? weight(m, v->gate) : NULL,
                       .e = v->fused,
                       .de = v->d_fused,
                       .dcontent = v->d_made,
                       .did = words_grad(m),
                       .dgate = v->gate >= 0 ? grad(m, v->gate) : NULL};
}

static status check_ops(model_core *m, bool list, size_t *scratch) {
  const bag_params bag = bag_op(m, list);
  const fuse_params fuse = fuse_op(m, list, true);
  if (has_texts(m)) {
    const linear_params text = text_op(m, list);
    TRY(op_check(m, OP_BAG, &bag, scratch));
    TRY(op_check(m, OP_LINEAR, &text, scratch));
  }
  if (has_features(m)) {
    const linear_params features = features_op(m, list);
    const gather_params pick = pick_op(m);
    if (list) TRY(op_check(m, OP_GATHER, &pick, scratch));
    TRY(op_check(m, OP_LINEAR, &features, scratch));
  }
  return op_check(m, OP_FUSE, &fuse, scratch);
}

status items_check(model_core *m, size_t *scratch) {
  if (m->items == NULL) return OK;
  TRY(check_ops(m, false, scratch));
  return lists_rows(m) ? check_ops(m, true, scratch) : OK;
}

// ---- biases --------------------------------------------------------------------------------------------------

static bool is_hidden(float bias) {
  return bias <= UNKNOWN_BIAS / 2;
}

// An item that became known on top of a base whose biases are frozen has the hidden one that the base left it.
static bool lacks_bias(const item_vectors *v, int64_t item, float bias) {
  return !v->content->known[item] || is_hidden(bias);
}

static status find_mean_bias(model_core *m, int32_t biases) {
  item_vectors *v = m->items;
  const size_t I = (size_t)m->c.items_n;
  float *bias;
  TRY(mem_new(&bias, I, sizeof *bias, "item biases"));
  const float *from = param_master(&m->params, &m->params.items[biases]) + m->c.item_base;
  const status rc = m->be->download(m->ctx, bias, from, I * sizeof *bias);
  double sum = 0, n = 0;
  for (size_t i = 0; i < I; i++) {
    if (lacks_bias(v, (int64_t)i, bias[i])) continue;
    sum += (double)bias[i];
    n++;
  }
  free(bias);
  v->mean_bias = n > 0 ? (float)(sum / n) : 0;
  v->has_mean_bias = rc == OK;
  return rc;
}

status items_mend_biases(model_core *m, int32_t biases, int32_t first, int32_t count, float *bias) {
  item_vectors *v = m->items;
  if (v == NULL) return OK;
  if (!v->has_mean_bias) TRY(find_mean_bias(m, biases));
  for (int32_t i = 0; i < count; i++) {
    const int64_t item = (int64_t)first + i - m->c.item_base;
    if (item >= 0 && item < m->c.items_n && lacks_bias(v, item, bias[i])) bias[i] = v->mean_bias;
  }
  return OK;
}

// The biases of a pass without training, by way of the host.
static status make_biases(model_core *m) {
  const item_vectors *v = m->items;
  const size_t V = (size_t)m->c.vocab_size;
  const int32_t index = find_bias(m);
  float *bias;
  if (index < 0) return OK;
  TRY(mem_new(&bias, V, sizeof *bias, "item biases"));
  status rc =
      m->be->download(m->ctx, bias, param_master(&m->params, &m->params.items[index]), V * sizeof *bias);
  if (rc == OK) rc = items_mend_biases(m, index, 0, (int32_t)V, bias);
  if (rc == OK) rc = m->be->upload(m->ctx, v->biases, bias, V * sizeof *bias);
  if (rc == OK) rc = m->be->sync(m->ctx);
  free(bias);
  return rc;
}

const act *items_biases(const model_core *m) {
  return m->items != NULL && !m->training ? m->items->biases : NULL;
}

status items_hide_unknown(model *whole) {
  model_core *m = model_get_core(whole);
  item_vectors *v = m->items;
  const int32_t index = v != NULL ? find_bias(m) : -1;
  if (index < 0) return OK;
  const size_t n = (size_t)m->c.items_n;
  float *bias, *at = param_master(&m->params, &m->params.items[index]) + m->c.item_base;
  double sum = 0, seen = 0;
  TRY(mem_new(&bias, n, sizeof *bias, "item biases"));
  status rc = m->be->download(m->ctx, bias, at, n * sizeof *bias);
  for (size_t i = 0; rc == OK && i < n; i++)
    if (!lacks_bias(v, (int64_t)i, bias[i])) sum += (double)bias[i], seen++;
  for (size_t i = 0; rc == OK && i < n; i++) {
    if (!v->content->known[i]) bias[i] = UNKNOWN_BIAS;
    if (v->content->known[i] && is_hidden(bias[i])) bias[i] = seen > 0 ? (float)(sum / seen) : 0;
  }
  if (rc == OK) rc = m->be->upload(m->ctx, at, bias, n * sizeof *bias);
  if (rc == OK) rc = m->be->sync(m->ctx);
  free(bias);
  return rc == OK ? params_refresh(&m->params) : rc;
}

// ---- passes --------------------------------------------------------------------------------------------------

status items_list(model_core *m, const batch *b) {
  item_vectors *v = m->items;
  memset(&m->listed, 0, sizeof m->listed);
  if (v == NULL || v->lists == NULL || b->n_negatives == 0) return OK;
  item_lists *l = v->lists;
  item_lists_make(l, b);
  TRY(m->be->upload(m->ctx, v->rows, l->rows, (size_t)l->n * sizeof *l->rows));
  if (has_features(m))
    TRY(m->be->upload(m->ctx, v->numbers, l->numbers, (size_t)l->items * sizeof *l->numbers));
  if (has_texts(m)) {
    TRY(m->be->upload(m->ctx, v->list_offsets, l->offsets, ((size_t)l->items + 1) * sizeof *l->offsets));
    TRY(m->be->upload(m->ctx, v->list_index, l->words, (size_t)l->texts * sizeof *l->words));
  }
  m->listed.rows = l->n;
  m->listed.items = l->items;
  m->listed.texts = l->texts;
  return OK;
}

const int32_t *items_listed(const model_core *m, int32_t *cap) {
  *cap = most_rows(m);
  return m->items->rows;
}

// Of the pass at hand: training on a batch that has a list.
static bool by_list(const model_core *m, bool training) {
  return training && m->listed.rows > 0;
}

status items_forward(model_core *m, bool training) {
  item_vectors *v = m->items;
  if (v == NULL || (!training && !v->stale && v->of == m->params.refreshes)) return OK;
  if (v->content == NULL)
    return fail(ERR_INTERNAL,
                "a model with item vectors of content runs before it has any (model_set_items)");
  const bool list = by_list(m, training);
  const fuse_params fuse = fuse_op(m, list, training);
  if (has_texts(m)) {
    const bag_params bag = bag_op(m, list);
    const linear_params text = text_op(m, list);
    TRY(m->be->bag_forward(m->ctx, &bag));
    TRY(m->be->linear_forward(m->ctx, &text));
  }
  if (has_features(m)) {
    const linear_params features = features_op(m, list);
    const gather_params pick = pick_op(m);
    if (list) TRY(m->be->gather_forward(m->ctx, &pick));
    TRY(m->be->linear_forward(m->ctx, &features));
  }
  TRY(m->be->fuse_forward(m->ctx, &fuse));
  v->stale = training; // a step may follow
  v->of = m->params.refreshes;
  v->has_mean_bias = false;
  return training ? OK : make_biases(m);
}

void items_forget(model_core *m) {
  if (m->items != NULL) m->items->clean = m->items->stale = true;
}

// The backward pass over a list leaves zeros.
status items_zero_gradient(model_core *m) {
  item_vectors *v = m->items;
  if (v == NULL || v->d_fused == NULL) return OK;
  const bool was_clean = v->clean;
  v->clean = by_list(m, true);
  if (was_clean) return OK;
  return m->be->zero(m->ctx, v->d_fused, (size_t)m->c.vocab_size * (size_t)m->c.hidden * sizeof(float));
}

status items_backward(model_core *m) {
  const item_vectors *v = m->items;
  if (v == NULL || v->d_fused == NULL) return OK;
  const bool list = by_list(m, true);
  const fuse_params fuse = fuse_op(m, list, true);
  TRY(m->be->fuse_backward(m->ctx, &fuse));
  if (has_features(m)) {
    const linear_params features = features_op(m, list);
    TRY(m->be->linear_backward(m->ctx, &features));
  }
  if (!has_texts(m)) return OK;
  const linear_params text = text_op(m, list);
  const bag_params bag = bag_op(m, list);
  TRY(m->be->linear_backward(m->ctx, &text));
  TRY(buckets_done(m, m->params.items[encoder_word_table(m)].bucket));
  return text.dx == NULL ? OK : m->be->bag_backward(m->ctx, &bag);
}

// ---- content -------------------------------------------------------------------------------------------------

status items_upload(model_core *m) {
  item_vectors *v = m->items;
  if (v == NULL || v->content == NULL) return OK;
  const item_content *c = v->content;
  const size_t I = (size_t)c->items;
  TRY(m->be->upload(m->ctx, v->known, c->known, I));
  if (has_features(m))
    TRY(m->be->upload(m->ctx, v->features, c->features, I * (size_t)c->width * sizeof *c->features));
  if (!has_texts(m)) return OK;
  int32_t *offsets;
  TRY(mem_new(&offsets, I + 1, sizeof *offsets, "item vectors"));
  for (size_t i = 0; i <= I; i++) offsets[i] = (int32_t)c->offsets[i];
  status rc = m->be->upload(m->ctx, v->offsets, offsets, (I + 1) * sizeof *offsets);
  if (rc == OK) rc = m->be->upload(m->ctx, v->index, c->tokens, (size_t)m->c.item_words * sizeof *c->tokens);
  if (rc == OK) rc = m->be->sync(m->ctx);
  free(offsets);
  return rc;
}

status model_add_items(model *whole, const item_content *content) {
  item_vectors *v = model_get_core(whole)->items;
  if (v == NULL || v->content == NULL) return model_set_items(whole, content);
  for (int32_t i = 0; i < v->content->items && i < content->items; i++)
    v->content->known[i] |= content->known[i];
  v->stale = true;
  return items_upload(model_get_core(whole));
}

status model_set_items(model *whole, const item_content *content) {
  model_core *m = model_get_core(whole);
  item_vectors *v = m->items;
  if (v == NULL) return fail(ERR_INTERNAL, "a model of item ids is given content");
  if (content->items != m->c.items_n || content->offsets[content->items] != m->c.item_words ||
      content->width != m->c.item_features)
    return fail(ERR_ARGUMENT,
                "model.items: the content is of %d items with %lld words and %d features, the model of %lld, "
                "%lld and %lld",
                content->items, (long long)content->offsets[content->items], content->width,
                (long long)m->c.items_n, (long long)m->c.item_words, (long long)m->c.item_features);
  item_content *copy;
  TRY(item_content_copy(&copy, content));
  item_lists_free(v->lists); // which read the content
  v->lists = NULL;
  item_content_free(v->content);
  v->content = copy;
  v->stale = true;
  if (lists_rows(m))
    TRY(item_lists_new(&v->lists, copy, (int32_t)m->c.vocab_size, (int32_t)m->c.item_base, m->table != NULL,
                       m->run.caps));
  return items_upload(m);
}

status model_take_items(model *m, dataset *d) {
  item_content *of_data;
  if (model_get_config(m)->items == ITEMS_ID) return OK;
  TRY(item_content_of_data(&of_data, d));
  const status rc = model_set_items(m, of_data);
  item_content_free(of_data);
  return rc;
}

const item_content *model_items(const model *whole) {
  const item_vectors *v = model_const_core(whole)->items;
  return v != NULL ? v->content : NULL;
}

// ---- for export ----------------------------------------------------------------------------------------------

status model_used_table(model *whole, float *table, float *biases) {
  model_core *m = model_get_core(whole);
  const size_t V = (size_t)m->c.vocab_size;
  const int32_t index = find_bias(m);
  TRY(table_forward(m, false));
  TRY(items_forward(m, false));
  TRY(read_rows(m, encoder_table(m), V * (size_t)m->c.hidden, table));
  if (index < 0) return OK;
  TRY(m->be->download(m->ctx, biases, param_master(&m->params, &m->params.items[index]), V * sizeof *biases));
  return items_mend_biases(m, index, 0, (int32_t)V, biases);
}

status model_new_item_bias(model *whole, float *bias) {
  model_core *m = model_get_core(whole);
  const int32_t index = find_bias(m);
  *bias = 0;
  if (index < 0) return OK;
  TRY(items_forward(m, false));
  if (!m->items->has_mean_bias) TRY(find_mean_bias(m, index));
  *bias = m->items->mean_bias;
  return OK;
}
