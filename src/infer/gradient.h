// Gradients of scores with respect to the embedded rows of a sequence: the encoder backward, for explanations.
#ifndef SOUK_INFER_GRADIENT_H
#define SOUK_INFER_GRADIENT_H

#include "infer/row_weights.h"

// What one thread needs for a sequence of T rows, of which row `asked` makes the user vector.
typedef struct gradient gradient;
souk_status gradient_new(gradient **out, const souk_bundle *b, const row_weights *w, int32_t T, int32_t asked,
                         souk_error *e);
void gradient_free(gradient *g); // NULL is safe

// rows [T,H]: sums of word, type and position rows, before the embeddings' norm. u [W]: the user vector.
void gradient_forward(gradient *g, const float *rows, float *u);
// After gradient_forward: du [W] is the gradient of something with respect to u, drows [T,H] gets its gradient with respect
// to the rows. Any number of times.
void gradient_backward(gradient *g, const float *du, float *drows);

#endif
