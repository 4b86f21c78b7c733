// Folds what tunes a model into its weights.
#ifndef SOUK_MODEL_TUNING_FOLD_H
#define SOUK_MODEL_TUNING_FOLD_H

#include "model/model.h"

// W += s B diag(e) A of every low-rank adapter, added up in double; afterwards their B are zero, so that the model computes the
// same as before, to rounding. A tuned word table (table_tuning.h) gets its s A B once, and then its A is zero. In host memory (of the CPU backend). Bottlenecks cannot be folded: ERR_UNSUPPORTED.
status tuning_fold(model *m);

#endif
