// The optimiser of a model: AdamW or LAMB on all that is trained.
#ifndef SOUK_TRAIN_OPTIMIZER_H
#define SOUK_TRAIN_OPTIMIZER_H

#include "model/model.h"
#include "train/config.h"

typedef struct optimizer optimizer;
// Sets the learning-rate scales of the layers (c->layer_decay) and makes the table of m's trainable parameters, and their
// moments if there are none. From here on parameters must not move, nor their settings (lr_scale, decay) change. m outlives
// the optimiser. *c is copied.
status optimizer_open(optimizer **out, model *m, const optim_config *c);
void optimizer_close(optimizer *o); // NULL is safe
// Norm of all gradients into step_result, then AdamW or LAMB on every trainable parameter. Learning rate, step and clipping
// come from the step state of the last micro-batch.
status optimizer_step(optimizer *o);
// Averaged weights (train/average.h); between steps only, with gradients that are zero. Show puts them, made with the scale
// S, in the place of the weights, which hide brings back, bit for bit; in between nothing may be trained or saved. Rescale
// multiplies lags by S. Without averages none of them does anything.
status optimizer_show_average(optimizer *o, double scale);
status optimizer_hide_average(optimizer *o);
status optimizer_rescale_average(optimizer *o, double scale);

#endif
