// Passes that check every op's results: a wrapping backend whose ops call the real ones and then search their
// outputs. The model does not notice the difference.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "model/core.h"
#include "model/objective.h"

typedef struct inspection {
  model_core *m;
  const objective_list *objectives;
  const backend *be; // the real one
  tensor_visitor see;
  void *self;
  float *host; // a copy of a tensor, if the backend's memory is on a device or not float
  size_t cap;
  int32_t layer; // of the last op that has a weight; see attention_place()
} inspection;

// The pass that is being checked. An op gets a context and its arguments and nothing else, so this has to be a static
// variable; a thread checks one pass at a time.
static _Thread_local inspection *checked_pass;

// ---- looking -------------------------------------------------------------------------------------------------

// Makes n elements of the backend's memory readable as floats. Elements of 2 bytes are bf16, which is the upper half of a
// float.
static status fetch(inspection *in, const void *from, size_t n, size_t size, const float **out) {
  *out = from;
  if (in->be->host_memory && size == sizeof(float)) return OK;
  TRY(mem_grow(&in->host, &in->cap, n, sizeof *in->host, "a tensor"));
  *out = in->host;
  if (size == sizeof(float)) return in->be->download(in->m->ctx, in->host, from, n * size);
  uint16_t *narrow = (uint16_t *)(void *)in->host +
                     n; // the buffer's second half, so that widening from the front does not overwrite it
  TRY(in->be->download(in->m->ctx, narrow, from, n * size));
  for (size_t i = 0; i < n; i++) {
    const uint32_t bits = (uint32_t)narrow[i] << 16;
    memcpy(&in->host[i], &bits, sizeof bits);
  }
  return OK;
}

static status look(const char *pass, const char *place, const char *tensor, const void *data, int64_t n_rows,
                   int64_t columns, size_t size) {
  inspection *in = checked_pass;
  if (data == NULL || n_rows == 0) return OK;
  tensor_report t = {.tensor = tensor, .rows = n_rows, .columns = columns, .first = -1};
  snprintf(t.where, sizeof t.where, "%s%s%s", pass, pass[0] != '\0' ? " of " : "", place);
  const float *x;
  TRY(fetch(in, data, (size_t)(n_rows * columns), size, &x));
  for (int64_t i = 0; i < n_rows * columns; i++) {
    if (isfinite(x[i])) {
      if (fabs((double)x[i]) > t.largest) t.largest = fabs((double)x[i]);
      continue;
    }
    if (t.nonfinite++ == 0) {
      t.first = i;
      t.value = (double)x[i];
    }
  }
  in->see(in->self, &t);
  return OK;
}

// How many rows the batch has; the buffers have room for the largest batch.
static int64_t live(rows n) {
  const model_core *m = checked_pass->m;
  const int32_t count = n.kind == ROWS_TOKENS   ? m->live.tokens
                        : n.kind == ROWS_SEQS   ? m->live.seqs
                        : n.kind == ROWS_MASKED ? m->live.masked
                        : n.kind == ROWS_LISTED ? m->listed.rows
                        : n.kind == ROWS_ITEMS  ? m->listed.items
                        : n.kind == ROWS_TEXTS  ? m->listed.texts
                                                : n.cap;
  return count < n.cap ? count : n.cap;
}

// What messages call an op: the name of the parameter that its weight points to, without ".weight".
static const char *place_of(const act *w) {
  static _Thread_local char name[PARAM_NAME];
  const model_core *m = checked_pass->m;
  strcpy(name, "the model");
  for (int32_t i = 0; i < m->params.count; i++)
    if (w != NULL && weight(m, i) == w) snprintf(name, sizeof name, "%s", m->params.items[i].name);
  char *end = strstr(name, ".weight");
  if (end != NULL) *end = '\0';
  int layer;
  if (sscanf(name, "bert.encoder.layer.%d.", &layer) == 1) checked_pass->layer = layer;
  return name;
}

#define LOOK(pass, place, field, n, columns, size) TRY(look(pass, place, #field, p->field, n, columns, size))
#define LOOK_ACT(pass, place, field, n, columns) \
  LOOK(pass, place, field, n, columns, checked_pass->be->act_size)
#define LOOK_FLOAT(pass, place, field, n, columns) LOOK(pass, place, field, n, columns, sizeof(float))
static const char forward[] = "forward", backward[] = "backward";

// ---- ops -----------------------------------------------------------------------------------------------------

static status embed_forward(op_ctx *ctx, const embed_params *p) {
  TRY(checked_pass->be->embed_forward(ctx, p));
  LOOK_ACT(forward, "bert.embeddings", sum, live(p->n), p->hidden);
  LOOK_ACT(forward, "bert.embeddings", y, live(p->n), p->hidden);
  return OK;
}

static status embed_backward(op_ctx *ctx, const embed_params *p) {
  TRY(checked_pass->be->embed_backward(ctx, p));
  LOOK_FLOAT(backward, "bert.embeddings", dgamma, 1, p->hidden);
  LOOK_FLOAT(backward, "bert.embeddings", dbeta, 1, p->hidden);
  LOOK_FLOAT(backward, "bert.embeddings", dtype, p->n_types, p->hidden);
  LOOK_FLOAT(backward, "bert.embeddings", dposition, p->n_positions, p->hidden);
  LOOK_FLOAT(backward, "bert.embeddings", dword, p->vocab, p->hidden);
  return OK;
}

static status norm_forward(op_ctx *ctx, const norm_params *p) {
  TRY(checked_pass->be->norm_forward(ctx, p));
  const char *place = place_of(p->gamma);
  LOOK_ACT(forward, place, sum, live(p->n), p->hidden);
  LOOK_ACT(forward, place, y, live(p->n), p->hidden);
  return OK;
}

static status norm_backward(op_ctx *ctx, const norm_params *p) {
  TRY(checked_pass->be->norm_backward(ctx, p));
  const char *place = place_of(p->gamma);
  LOOK_ACT(backward, place, dx, live(p->n), p->hidden);
  LOOK_ACT(backward, place, dresidual, live(p->n), p->hidden);
  LOOK_FLOAT(backward, place, dgamma, 1, p->hidden);
  LOOK_FLOAT(backward, place, dbeta, 1, p->hidden);
  return OK;
}

static status linear_forward(op_ctx *ctx, const linear_params *p) {
  TRY(checked_pass->be->linear_forward(ctx, p));
  const char *place = place_of(p->w);
  LOOK_ACT(forward, place, pre, live(p->n), p->out);
  LOOK_ACT(forward, place, y, live(p->n), p->out);
  return OK;
}

static status linear_backward(op_ctx *ctx, const linear_params *p) {
  TRY(checked_pass->be->linear_backward(ctx, p));
  const char *place = place_of(p->w);
  LOOK_ACT(backward, place, dy, live(p->n), p->out);
  LOOK_ACT(backward, place, dx, live(p->n), p->in);
  LOOK_FLOAT(backward, place, dw, p->out, p->in);
  LOOK_FLOAT(backward, place, db, 1, p->out);
  return OK;
}

// Attention has no weight, but the op before it, in both directions, is a linear op of the same layer, which has.
static void attention_place(char name[PARAM_NAME]) {
  snprintf(name, PARAM_NAME, "bert.encoder.layer.%d.attention.self", checked_pass->layer);
}

static status attention_forward(op_ctx *ctx, const attention_params *p) {
  TRY(checked_pass->be->attention_forward(ctx, p));
  char place[PARAM_NAME];
  attention_place(place);
  LOOK_ACT(forward, place, out, live(p->n), p->heads * p->head_size);
  return OK;
}

static status attention_backward(op_ctx *ctx, const attention_params *p) {
  TRY(checked_pass->be->attention_backward(ctx, p));
  char place[PARAM_NAME];
  attention_place(place);
  LOOK_ACT(backward, place, dqkv, live(p->n), 3 * p->heads * p->head_size);
  return OK;
}

static const char *gather_place(const gather_params *p) {
  return p->index == checked_pass->m->batch.masked ? "the gathering of masked rows"
                                                   : "the gathering of first tokens";
}

static status gather_forward(op_ctx *ctx, const gather_params *p) {
  TRY(checked_pass->be->gather_forward(ctx, p));
  LOOK_ACT(forward, gather_place(p), y, live(p->n), p->hidden);
  return OK;
}

static status gather_backward(op_ctx *ctx, const gather_params *p) {
  TRY(checked_pass->be->gather_backward(ctx, p));
  LOOK_ACT(backward, gather_place(p), dx, live(p->source), p->hidden);
  return OK;
}

static status scale_forward(op_ctx *ctx, const scale_params *p) {
  TRY(checked_pass->be->scale_forward(ctx, p));
  LOOK_ACT(forward, "the scaling of an adapter", y, live(p->n), p->y_width > 0 ? p->y_width : p->width);
  return OK;
}

static status scale_backward(op_ctx *ctx, const scale_params *p) {
  TRY(checked_pass->be->scale_backward(ctx, p));
  const char *place = p->factor != NULL ? place_of(p->factor) : "the scaling of an adapter";
  LOOK_ACT(backward, place, dx, live(p->n), p->width);
  LOOK_FLOAT(backward, place, dfactor, 1, p->width);
  return OK;
}

static const char text_place[] = "the means of items' words", item_place[] = "the item vectors";

static status bag_forward(op_ctx *ctx, const bag_params *p) {
  TRY(checked_pass->be->bag_forward(ctx, p));
  LOOK_ACT(forward, text_place, y, live(p->n), p->hidden);
  return OK;
}

static status bag_backward(op_ctx *ctx, const bag_params *p) {
  TRY(checked_pass->be->bag_backward(ctx, p));
  LOOK_FLOAT(backward, text_place, dtable, p->vocab, p->hidden);
  return OK;
}

static status fuse_forward(op_ctx *ctx, const fuse_params *p) {
  TRY(checked_pass->be->fuse_forward(ctx, p));
  LOOK_ACT(forward, item_place, e, p->vocab, p->hidden);
  return OK;
}

static status fuse_backward(op_ctx *ctx, const fuse_params *p) {
  TRY(checked_pass->be->fuse_backward(ctx, p));
  LOOK_ACT(backward, item_place, dcontent, p->list != NULL ? live(p->listed) : p->items, p->hidden);
  LOOK_FLOAT(backward, item_place, dgate, 1, p->hidden);
  LOOK_FLOAT(backward, item_place, did, p->vocab, p->hidden);
  return OK;
}

// A loss is no tensor: ops add it to the step's result, in the slot of their objective.
static const char *place_of_slot(int32_t slot) {
  return checked_pass->objectives->of[slot]->place;
}

static status look_loss(op_ctx *ctx, int32_t slot) {
  step_result r;
  TRY(checked_pass->be->result_read(ctx, &r));
  const float loss = (float)r.slot[slot].loss;
  inspection *in = checked_pass;
  tensor_report t = {.tensor = "loss", .rows = 1, .columns = 1, .first = -1, .largest = fabs((double)loss)};
  snprintf(t.where, sizeof t.where, "%s of %s", forward, place_of_slot(slot));
  if (!isfinite(loss)) {
    t.nonfinite = 1;
    t.first = 0;
    t.value = (double)loss;
    t.largest = 0;
  }
  in->see(in->self, &t);
  return OK;
}

static status xent(op_ctx *ctx, const xent_params *p) {
  TRY(checked_pass->be->xent(ctx, p));
  const char *place = place_of_slot(p->slot);
  TRY(look_loss(ctx, p->slot));
  LOOK_ACT(backward, place, dx, live(p->n), p->hidden);
  LOOK_FLOAT(backward, place, dbias, 1, p->classes);
  LOOK_FLOAT(backward, place, dtable, p->classes, p->hidden);
  LOOK_ACT(backward, place, dx_low, live(p->n), p->low);
  LOOK_FLOAT(backward, place, dtable_low, p->classes, p->low);
  return OK;
}

static status leash(op_ctx *ctx, const leash_params *p) {
  TRY(checked_pass->be->leash(ctx, p));
  const char *place = "the leash";
  TRY(look_loss(ctx, p->slot));
  LOOK_ACT(backward, place, dx, live(p->n), p->hidden);
  LOOK_FLOAT(backward, place, dbias, 1, p->classes);
  LOOK_FLOAT(backward, place, dtable, p->classes, p->hidden);
  return OK;
}

static status classify(op_ctx *ctx, const classify_params *p) {
  TRY(checked_pass->be->classify(ctx, p));
  TRY(look_loss(ctx, p->slot));
  LOOK_ACT(backward, place_of_slot(p->slot), dlogits, live(p->n), p->classes);
  return OK;
}

static status drop(op_ctx *ctx, const drop_params *p) {
  TRY(checked_pass->be->drop(ctx, p));
  LOOK_ACT(forward, "a dropout", y, live(p->n), p->hidden);
  return OK;
}

// ---- the pass ------------------------------------------------------------------------------------------------

static status look_at_parameters(const model_core *m) {
  for (int32_t i = 0; i < m->params.count; i++) {
    const param *p = &m->params.items[i];
    TRY(look("", p->name, "value", param_master(&m->params, p), p->shape[0], p->shape[1], sizeof(float)));
  }
  return OK;
}

status model_checked_pass(model *whole, tensor_visitor see, void *self) {
  model_core *m = model_get_core(whole);
  inspection in = {.m = m, .objectives = model_objectives(whole), .be = m->be, .see = see, .self = self};
  backend checked = *m->be;
  checked.embed_forward = embed_forward;
  checked.embed_backward = embed_backward;
  checked.norm_forward = norm_forward;
  checked.norm_backward = norm_backward;
  checked.linear_forward = linear_forward;
  checked.linear_backward = linear_backward;
  checked.attention_forward = attention_forward;
  checked.attention_backward = attention_backward;
  checked.gather_forward = gather_forward;
  checked.gather_backward = gather_backward;
  checked.scale_forward = scale_forward;
  checked.scale_backward = scale_backward;
  checked.bag_forward = bag_forward;
  checked.bag_backward = bag_backward;
  checked.fuse_forward = fuse_forward;
  checked.fuse_backward = fuse_backward;
  checked.xent = xent;
  checked.leash = leash;
  checked.classify = classify;
  checked.drop = drop;
  checked_pass = &in;
  m->be = &checked;
  status rc = look_at_parameters(m);
  if (rc == OK) rc = model_forward(whole, true);
  if (rc == OK) rc = model_loss(whole, true);
  m->be = in.be;
  checked_pass = NULL;
  free(in.host);
  return rc;
}
