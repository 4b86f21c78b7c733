// Vectors of the masked-LM head: what ranking and bundles are made of. ERR_ARGUMENT for a model that was not trained for it.
#ifndef SOUK_MODEL_OBJECTIVES_MASKED_LM_H
#define SOUK_MODEL_OBJECTIVES_MASKED_LM_H

#include "model/objective.h"

// User vectors of the current batch's masked rows after model_forward(m, false): u [n_masked, H + 1] host. For
// cosine scores u is normalised and divided by the temperature; the last element is 1 (it meets the bias).
status model_user_vectors(model *m, float *u);
// Item vectors of classes [first, first + count): v [count, H + 1] host; the last element is the bias.
status model_item_vectors(model *m, int32_t first, int32_t count, float *v);

#endif
