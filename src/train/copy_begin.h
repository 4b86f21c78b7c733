// The head that writes copy begins with what a checkpoint has learned of predicting words: copy.* with cls.predictions.*.
#ifndef SOUK_TRAIN_COPY_BEGIN_H
#define SOUK_TRAIN_COPY_BEGIN_H

#include "model/checkpoint.h"

// Fills the parameters copy.* of m, whose vocabulary is the data set's, where the checkpoint lacks them and has a head that predicts
// tokens; biases go by the names of tokens. Does nothing else. What tunes the checkpoint is folded in.
status copy_begin(const checkpoint *from, model *m, const dataset *d);

#endif
