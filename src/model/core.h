// What the encoder, the objectives and the search for a NaN share of a model: its configuration, backend, parameters, batch
// and plan of memory. Buffers and parameter indices are not here: each part has its own.
//
// Each op's params are built in one function of the part that calls it, for planning (pointers still NULL), forward and
// backward alike.
#ifndef SOUK_MODEL_CORE_H
#define SOUK_MODEL_CORE_H

#include "model/model.h"

enum { MAX_BUFFERS = 20736 }; // 40 for each of the 512 layers that model.layers allows, and the objectives'

typedef enum plan_kind { PLAN_BATCH, PLAN_KEPT, PLAN_GRADIENT, PLAN_KINDS } plan_kind;

// The static plan: every buffer is listed with its bytes, then one arena serves all.
typedef struct memory_plan {
  struct {
    void *where; // the pointer that gets the buffer's address, of whatever type
    size_t bytes;
    plan_kind kind;
  } buffer[MAX_BUFFERS];
  int32_t n;
} memory_plan;

typedef struct encoder encoder; // encoder.c
struct item_vectors;            // item_vectors.c
struct table_tuning;            // table_tuning.c

typedef struct model_core {
  model_config c;
  model_run run;
  const backend *be; // during a checked pass (checks.c) a wrapper of it
  op_ctx *ctx;
  param_set params;
  encoder *encoder;
  struct item_vectors *items; // NULL: the vectors of items are rows of the word table
  struct table_tuning *table; // NULL: the word table is not tuned
  memory_plan plan;
  size_t scratch_bytes;
  batch_view batch;  // the current one; its pointers are NULL while the model is only planned
  batch_counts live; // of the current batch
  // Rows of the table of item vectors that it reads, items among them and words of their texts (item_lists.h); zeros: all are made.
  struct {
    int32_t rows, items, texts;
  } listed;
  attention_kind attention; // as the objectives ask
  bool listed_rows;         // the last layer computes the rows that the batch lists (`masked`), see encoder.c
  bool training;            // of the last forward pass; while it is planned, of the model
  bool reports_buckets;     // the next backward pass is a step's last
  int32_t buckets_reported;
} model_core;

model_core *model_get_core(model *m);
const model_core *model_const_core(const model *m);

// NULL while a model is only planned.
static inline const act *weight(const model_core *m, int32_t i) {
  return param_compute(&m->params, &m->params.items[i]);
}
// NULL for frozen parameters and in evaluation.
static inline float *grad(const model_core *m, int32_t i) {
  return param_grad(&m->params, &m->params.items[i]);
}
static inline bool trains(const model_core *m, int32_t a, int32_t b) { // one of two parameters at least
  return m->params.items[a].trainable || m->params.items[b].trainable;
}
// Tokens of the longest sequence: what model_set_batch lets through.
static inline int32_t model_max_length(const model_core *m) {
  return m->c.max_positions < m->run.caps.tokens ? (int32_t)m->c.max_positions : m->run.caps.tokens;
}
static inline rows rows_tokens(const model_core *m) {
  return (rows){ROWS_TOKENS, m->run.caps.tokens};
}
static inline rows rows_seqs(const model_core *m) {
  return (rows){ROWS_SEQS, m->run.caps.seqs};
}
static inline rows rows_masked(const model_core *m) {
  return (rows){ROWS_MASKED, m->run.caps.masked};
}

// Lists a buffer of count x size bytes. `where` points to the pointer that model_create sets: kept from the forward to the
// backward pass, or a gradient of activations (in evaluation there are none, and the pointer stays NULL).
void plan_batch(model_core *m, void *where, size_t bytes);
void plan_kept(model_core *m, void *where, size_t count, size_t size);
void plan_gradient(model_core *m, void *where, size_t count, size_t size);

typedef struct norm_saved { // what a norm keeps for its backward pass
  act *sum;                 // [n,H]
  float *mean, *rstd;       // [n]
} norm_saved;
void plan_norm(model_core *m, norm_saved *s, size_t n);

// Does the backend support the op? *scratch becomes what it needs, if that is more.
status op_check(const model_core *m, op_kind kind, const void *params, size_t *scratch);

// Activations [count] to host floats.
status read_rows(const model_core *m, const act *from, size_t count, float *to);

// flops.c: the sum of the squares of the sequences' lengths (what attention costs grows with it); and the operations a row
// that the backward pass saves at a linear layer with the weight w, by leaving out dw where w is frozen and dx where nobody
// wants it. Each of the two costs as much as the forward pass.
double batch_square_lengths(const batch *b);
double linear_spared(const model_core *m, bool dx_wanted, int32_t w);

// buckets.c: the gradients of the first n buckets will not change any more in this micro-batch.
status buckets_done(model_core *m, int32_t n);

// ---- the encoder (encoder.c, encoder_plan.c) ---------------------------------------------------------------------------------

status encoder_new(model_core *m);
void encoder_free(encoder *e); // NULL is safe
void encoder_describe_params(model_core *m);
void encoder_outline(model_core *m); // once the parameters are known: how far down the backward pass goes
bool encoder_trains(const model_core *m); // does anything in the encoder need the gradient of its output?
void encoder_plan_buffers(model_core *m);
status encoder_check(model_core *m, size_t *scratch); // op_check() of every op
status encoder_forward(model_core *m);
status encoder_backward(model_core *m);          // from encoder_gradient(); only if encoder_trains()
const act *encoder_output(const model_core *m);  // [T,H]
act *encoder_gradient(const model_core *m);      // [T,H] of its output; NULL if nothing there is trained
int32_t encoder_word_table(const model_core *m); // [V,H], by index into the parameters
// The table that embeddings and item head read [V,H] and what they add to (item_vectors.c): the word table and its own or, where
// items have content or the table is tuned (table_tuning.h), one that is made of it. Flags only of a row-sparse word table.
// Gradients NULL: not wanted.
const act *encoder_table(const model_core *m);
float *encoder_table_grad(const model_core *m);
uint8_t *encoder_table_touched(const model_core *m);
bool encoder_table_trains(const model_core *m);
double encoder_flops(const model_config *c, const batch *b);
int32_t encoder_layers_reached(const model_core *m); // by the backward pass
void encoder_spared(const model_core *m, flops_spared *s);

#endif
