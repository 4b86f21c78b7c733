// Where a resumed run goes on in its data, and when it ends.
//
// A checkpoint's place is an epoch and how many of its examples were trained on. What an example is and in which order they
// come is decided by a few options (data_order_changed); where none of these has changed the run goes on with the next
// example, whatever the size of its batches. Else the epoch starts anew, with a warning.
//
// Where train.epochs ends a run, it ends by steps, since the learning rate follows from the last one. If an epoch gets
// another number of steps, the epochs done so far are kept in the state, and the rest is counted by the new number.
#ifndef SOUK_TRAIN_PLACE_H
#define SOUK_TRAIN_PLACE_H

#include "train/run_setup.h"

// The data section that a resumed run's batches are made by: with the windows of its checkpoint where the options for them
// are what they were.
data_config place_data(const run_setup *r);
// Steps of an epoch, at least one. Before the first batch is read.
status place_steps_per_epoch(batcher *b, const train_config *t, int64_t *steps);
// Moves r->batches to the place of r->start where the run is a resumed one (r->from), and completes r->start for what it
// writes itself: windows, steps an epoch.
status place_find(run_setup *r, const model_config *m); // m: the model that goes on
// The step that so many epochs end with.
int64_t place_step_after(const train_state *t, int64_t epochs);

#endif
