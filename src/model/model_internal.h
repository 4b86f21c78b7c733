// What the files of the model share: its buffers, and the params struct of every op it calls. Each op's params
// are built in one place, for planning (pointers still NULL), forward and backward alike.
#ifndef SOUK_MODEL_MODEL_INTERNAL_H
#define SOUK_MODEL_MODEL_INTERNAL_H

#include "model/model.h"

enum { MAX_BUFFERS = 8192 };

// Parameters of one encoder layer, by index into the set. norm1 follows the attention (pre-norm: comes before
// it), norm2 the feed-forward part.
typedef struct layer_params {
  int32_t qkv_w, qkv_b, out_w, out_b, norm1_w, norm1_b, ffn1_w, ffn1_b, ffn2_w, ffn2_b, norm2_w, norm2_b;
} layer_params;

typedef struct norm_saved { // what a norm keeps for its backward pass
  act *sum;                 // [n,H]
  float *mean, *rstd;       // [n]
} norm_saved;

// Activations of a layer. Layers that no backward pass reaches (in evaluation: all) share those of layer 0.
typedef struct layer_buffers {
  act *qkv;        // [T,3H]
  act *context;    // [T,H] attention output
  float *lse;      // [A,T]
  norm_saved mid;  // of the norm between attention and feed-forward
  act *h;          // [T,H] its output
  act *pre, *gelu; // [T,F]
  norm_saved end;  // of the norm at the layer's end (pre-norm: the next layer's first, or the final one)
  act *out;        // [T,H] its output
} layer_buffers;

struct model {
  model_config c;
  model_run run;
  const backend *be;
  op_ctx *ctx;
  param_set params;
  layer_params *layer_param; // [layers]
  // Of the encoder's ops, in the order of the forward pass, the earliest with something to train; and the layer that it is in:
  // those before it keep nothing. See encoder.c.
  int32_t first_trained, first_kept;
  flops_spared spared;
  int32_t nsp_w, nsp_b, pooler_w, pooler_b, mlm_bias, mlm_w, mlm_b, mlm_norm_w, mlm_norm_b;
  int32_t final_norm_w, final_norm_b, emb_norm_w, emb_norm_b, type_table, position_table, word_table;

  // The static plan: every buffer is listed with its bytes, then one arena serves all.
  struct {
    void **where;
    size_t bytes;
  } plan[MAX_BUFFERS];
  int32_t n_plan;
  int32_t batch_end, kept_end; // entries before the first are the batch, then what is kept, then gradients
  size_t scratch_bytes, arena_bytes, total_bytes;
  void *arena;

  void *batch_memory; // laid out as a batch with the run's capacities
  batch_view batch;   // pointers into it
  bool training;      // of the last forward
  bool sampled;       // the next loss is over the batch's shared negatives
  layer_buffers *layers;
  norm_saved emb, first;                       // first: pre-norm's norm before layer 0
  act *emb_out, *first_out;                    // [T,H]
  act *branch;                                 // [T,H] output of the projection or FFN2, before its norm
  act *rows, *transform_pre, *transform, *mlm; // [M,H] masked rows through the head
  norm_saved mlm_saved;
  act *first_tokens, *pooled; // [B,H]
  act *cls_logits;            // [B,2]
  // gradients of activations
  act *d_stream, *d_branch, *d_context, *d_residual; // [T,H]
  act *d_ffn, *d_qkv;                                // [T,F], [T,3H]
  act *d_mlm, *d_transform, *d_rows;                 // [M,H]
  act *d_pooled, *d_first;                           // [B,H]
  // host side
  int32_t n_masked, n_tokens, n_seqs;
  bool reports_buckets; // the next backward pass is a step's last
  int32_t buckets_reported;
};

// NULL while a model is only planned.
static inline const act *weight(const model *m, int32_t i) {
  return param_compute(&m->params, &m->params.items[i]);
}
// NULL for frozen parameters and in evaluation.
static inline float *grad(const model *m, int32_t i) {
  return param_grad(&m->params, &m->params.items[i]);
}
static inline bool trains(const model *m, int32_t a, int32_t b) { // one of two parameters at least
  return m->params.items[a].trainable || m->params.items[b].trainable;
}
// Tokens of the longest sequence: what model_set_batch lets through.
static inline int32_t model_max_length(const model *m) {
  return m->c.max_positions < m->run.caps.tokens ? (int32_t)m->c.max_positions : m->run.caps.tokens;
}
static inline rows rows_tokens(const model *m) {
  return (rows){ROWS_TOKENS, m->run.caps.tokens};
}
static inline rows rows_seqs(const model *m) {
  return (rows){ROWS_SEQS, m->run.caps.seqs};
}
static inline rows rows_masked(const model *m) {
  return (rows){ROWS_MASKED, m->run.caps.masked};
}

// encoder.c
// Ops of a layer in the order of the forward pass.
typedef enum layer_place {
  PLACE_QKV,
  PLACE_ATTENTION,
  PLACE_PROJECTION,
  PLACE_MID,
  PLACE_FFN1,
  PLACE_FFN2,
  PLACE_END,
  PLACES
} layer_place;
void encoder_outline(model *m);      // once the parameters are known: how far down the backward pass goes
bool encoder_trains(const model *m); // does anything in the encoder need the gradient of its output?
layer_buffers *layer_at(const model *m, int32_t layer);
const act *encoder_output(const model *m);
status encoder_check(model *m, size_t *scratch); // asks supports() and scratch_bytes() for every op
bool encoder_hands_on(const model *m, int32_t layer,
                      layer_place op); // does the backward pass make the gradient of its input?
status encoder_forward(model *m);
status encoder_backward(model *m); // from d_stream; only if encoder_trains()
// buckets.c: the gradients of the first n buckets will not change any more in this micro-batch.
status buckets_done(model *m, int32_t n);
// heads.c
status heads_check(model *m, size_t *scratch);
status heads_transform(model *m); // masked rows through the MLM transform into m->mlm
status
heads_pool(model *m); // first tokens through pooler and next-sentence head into m->pooled, m->cls_logits
status heads_loss(model *m, bool grads);
// flops.c
flops_spared spared_flops(const model *m);
// Shared by both: asks about one op.
status op_check(model *m, op_kind kind, const void *params, size_t *scratch);

#endif
