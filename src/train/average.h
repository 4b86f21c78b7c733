// Averaged weights (optim.ema): an exponential average of what is trained, which validation and everything after the
// training uses in the place of the weights.
//
// After update t (from 1) the average becomes d_t average + (1 - d_t) weights, where d_t = min(optim.ema, (1 + t) / (10 + t)):
// the decay begins small, so that the average forgets the initial weights at once and not only after 1 / (1 - ema) steps.
// (The warm-up is that of TensorFlow's tf.train.ExponentialMovingAverage with num_updates; averaging itself: Polyak, Juditsky:
// Acceleration of stochastic approximation by averaging, 1992.) A step that was refused counts, with the weights that it left.
//
// How it is kept is in ops/ops.h: average = weights + S lag with one S for all, so that a step costs nothing where it changes
// nothing (rows of a large table that it does not touch). S falls by d_t a step. Before that makes lags too large they are
// rescaled and S is 1 again; when, is a function of the steps done, so that a resumed run does the same.
#ifndef SOUK_TRAIN_AVERAGE_H
#define SOUK_TRAIN_AVERAGE_H

#include <stdbool.h>
#include "model/train_state.h"

// d_t.
double average_decay(double ema, int64_t t);
// S after the steps done.
double average_scale(const train_state *s);
// Step t is done: S falls. (ema 0: it does not.)
void average_count(train_state *s, double ema, int64_t t);
// Must lags be multiplied by S, and S become 1, before the next step?
bool average_is_due(const train_state *s);

#endif
