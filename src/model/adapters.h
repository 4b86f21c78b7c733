// What parameter-efficient tuning adds to the encoder (peft_config.h): low-rank adapters at linear layers, and bottlenecks behind
// a layer's two branches. encoder.c calls these functions where it would call a linear op.
//
// Names of parameters are those of Hugging Face's peft without its prefix "base_model.model.":
// bert.encoder.layer.0.attention.self.query.lora_A.weight [r,in], .lora_B.weight [out,r]; adalora: .lora_A [r,in], .lora_B [out,r],
// .lora_E [r,1]. q, k and v are one matrix here and three layers there, so an adapter of query writes a third of the columns.
#ifndef SOUK_MODEL_ADAPTERS_H
#define SOUK_MODEL_ADAPTERS_H

#include "model/core.h"

enum { MOST_PARTS = 3 };

// ---- low rank ------------------------------------------------------------------------------------------------

// Parameters by index into the set; e -1: none (lora).
typedef struct low_rank {
  int32_t a, b, e;
  int32_t column, width; // which of the layer's outputs it adds to
  uint32_t site;         // of its dropout
} low_rank;

typedef struct low_rank_buffers {
  act *h, *scaled; // [n,r] A x, and s e o that
} low_rank_buffers;

typedef struct tuned_linear { // the adapters of one linear layer, of its q, k and v one each
  int32_t n;                  // 0: none
  low_rank part[MOST_PARTS];
} tuned_linear;

typedef struct tuned_buffers {
  low_rank_buffers part[MOST_PARTS];
} tuned_buffers;

// What all adapters of an encoder use in turn.
typedef struct tuning_shared {
  act *dropped;   // [T,widest input] dropout(x)
  act *d_dropped; // its gradient
  act *delta;     // [T,H] what an adapter adds to a part of a layer's outputs, or the gradient of these
  act *d_low;     // [T,r or inner width] gradients
} tuning_shared;

// A linear layer that can be tuned, as peft's targets name it.
typedef struct tuned_place {
  const char *prefix;             // "bert.encoder.layer.0."
  const char *module[MOST_PARTS]; // "attention.self.query", ...; NULL: no more
  int64_t in, out;                // out: of one of them
  uint32_t site;                  // of the first
} tuned_place;

// Adds the parameters of the modules that peft.targets names.
void tuned_describe(model_core *m, tuned_linear *t, const tuned_place *at);
void tuned_plan(model_core *m, tuned_buffers *b);
status tuned_check(const model_core *m, const tuning_shared *s, const tuned_linear *t,
                   const linear_params *op, size_t *scratch);
// The layer itself with its adapters: op, and then what they add. index: tokens of the rows, where op.n is ROWS_MASKED.
status tuned_forward(const model_core *m, const tuning_shared *s, const tuned_linear *t,
                     const tuned_buffers *b, const linear_params *op, const int32_t *index);
// dx of op (NULL: not wanted) gets both gradients.
status tuned_backward(const model_core *m, const tuning_shared *s, const tuned_linear *t,
                      const tuned_buffers *b, const linear_params *op, const int32_t *index);
bool tuned_trains(const model_core *m, const tuned_linear *t);

// ---- bottlenecks ---------------------------------------------------------------------------------------------

typedef struct bottleneck {
  bool there;
  int32_t down_w, down_b, up_w, up_b;
} bottleneck;

typedef struct bottleneck_buffers {
  act *in;        // [n,H] what went in
  act *pre, *mid; // [n,width]
} bottleneck_buffers;

void bottleneck_describe(model_core *m, bottleneck *k, const char *prefix, const char *name);
void bottleneck_plan(model_core *m, bottleneck_buffers *b);
status bottleneck_check(const model_core *m, const bottleneck *k, rows n, size_t *scratch);
// y [n,H] += up(gelu(down(y))).
status bottleneck_forward(const model_core *m, const bottleneck *k, const bottleneck_buffers *b, rows n,
                          act *y);
// dy becomes the gradient of what went in.
status bottleneck_backward(const model_core *m, const tuning_shared *s, const bottleneck *k,
                           const bottleneck_buffers *b, rows n, act *dy);

// ---- the whole -----------------------------------------------------------------------------------------------

void tuning_plan(model_core *m, tuning_shared *s);
// Once all parameters are described: freezes what is not tuned, and refuses targets that name nothing.
status tuning_freeze(model_core *m);
// Floating-point operations that tuning adds to the forward pass, a token.
double tuning_flops(const model_config *c);

#endif
