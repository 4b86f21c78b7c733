// The encoder's own: its parameters and buffers, for encoder.c (ops and passes) and encoder_plan.c (what is known before
// memory is taken).
#ifndef SOUK_MODEL_ENCODER_INTERNAL_H
#define SOUK_MODEL_ENCODER_INTERNAL_H

#include "model/adapters.h"
#include "model/core.h"

// Parameters of one encoder layer, by index into the set. norm1 follows the attention (pre-norm: comes before
// it), norm2 the feed-forward part.
typedef struct layer_params {
  int32_t qkv_w, qkv_b, out_w, out_b, norm1_w, norm1_b, ffn1_w, ffn1_b, ffn2_w, ffn2_b, norm2_w, norm2_b;
} layer_params;

// What tunes a layer: its linear layers, and what stands behind its projection and FFN2.
typedef struct layer_tuning {
  tuned_linear qkv, out, ffn1, ffn2;
  bottleneck after_out, after_ffn2;
} layer_tuning;

typedef struct layer_tuning_buffers {
  tuned_buffers qkv, out, ffn1, ffn2;
  bottleneck_buffers after_out, after_ffn2;
} layer_tuning_buffers;

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
  layer_tuning_buffers tuned;
} layer_buffers;

struct encoder {
  layer_params *layer_param; // [layers]
  layer_tuning *tuning;      // [layers]
  tuning_shared shared;
  int32_t final_norm_w, final_norm_b, emb_norm_w, emb_norm_b, type_table, position_table, word_table;
  // Of its ops, in the order of the forward pass, the earliest with something to train; and the layer that it is in: those
  // before it keep nothing. See encoder_plan.c.
  int32_t first_trained, first_kept;
  layer_buffers *layers;    // [layers]
  norm_saved emb, first;    // first: pre-norm's norm before layer 0
  act *emb_out, *first_out; // [T,H]
  act *branch;              // [T,H] output of the projection or FFN2, before its norm
  act *d_stream, *d_branch, *d_context, *d_residual; // [T,H] gradients
  act *d_ffn, *d_qkv;                                // [T,F], [T,3H]
  // Where the last layer computes listed rows: inputs of its projection and FFN1, the output of projection and FFN2; the
  // gradients of outputs and of inputs.
  act *rows_context, *rows_h, *rows_branch, *d_rows_branch, *d_rows_in; // [M,H]
};

// Ops in the order of the forward pass: the embeddings, pre-norm's first norm, then the places of every layer.
enum { AT_EMBEDDINGS, AT_FIRST_NORM, AT_LAYERS };
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
static inline int32_t op_at(int32_t layer, layer_place place) {
  return AT_LAYERS + layer * PLACES + (int32_t)place;
}
static inline int32_t n_layers(const model_core *m) {
  return (int32_t)m->c.layers;
}
static inline bool lists_rows(const model_core *m, int32_t layer) {
  return m->listed_rows && layer + 1 == n_layers(m);
}
static inline layer_buffers *layer_at(const model_core *m, int32_t layer) {
  return &m->encoder->layers[layer < m->encoder->first_kept ? 0 : layer];
}

#endif
