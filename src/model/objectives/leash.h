// The leash of copy: what is added to the loss of a model that is trained on for writing copy, so that it stays near a frozen base.
#ifndef SOUK_MODEL_OBJECTIVES_LEASH_H
#define SOUK_MODEL_OBJECTIVES_LEASH_H

#include "model/model.h"

// Ties m, whose objectives are copy and leash, to a model of the same words and width on the same device, which was created for
// evaluation and for batches at least as large. m does not own it; it must live as long as m trains. A model that is tied to nothing, one
// that is only evaluated, leaves the objective out. ERR_ARGUMENT says what does not fit.
status leash_tie(model *m, model *base);

#endif
