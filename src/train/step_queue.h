// The steps of a run between the batcher and the device: composed, launched, and their results read.
//
// A step is `accumulate` micro-batches, whose losses are divided by the weight of the whole step. So the micro-batches of
// a step are composed before the first of them runs (the batcher hands out copies for that); then come gradient norm and
// optimiser. On a device with a queue of its own the results of a step are read when the next one has been launched, so
// that the device never waits for the host: then one step is in flight between two calls, elsewhere none.
//
// A step whose gradient is not finite is refused by the optimiser, and so is the one launched behind it. The queue then
// rolls back to where it was before the refused step and tells the run. If the run goes on without that step, the one
// behind it is launched anew. So the results do not depend on when they are read.
#ifndef SOUK_TRAIN_STEP_QUEUE_H
#define SOUK_TRAIN_STEP_QUEUE_H

#include "data/batcher.h"
#include "model/checkpoint.h"
#include "train/config.h"
#include "train/nonfinite.h"

// With several ranks each composes its own micro-batches of a step, and all functions here are called by all of them.
typedef struct step_queue step_queue;

typedef struct step_queue_config {
  const run_config *run;
  model *m;
  batcher *batches;
  dist *world;         // the model's
  int64_t decay_steps; // see learning_rate()
  int64_t steps;       // of the run; 0: it ends by time (train/rank_budget.h)
  // Where the run is. Step, place and tokens (those of all ranks) count launched steps; sums of losses count
  // results that were read, only this rank's.
  train_state *state;
  void *self; // of the calls below
  // The optimiser has refused this step, and *state is as it was before it. OK: the run goes on without the step. May save.
  status (*refused)(void *self, const step_input *in);
  // The current step has been composed, and its micro-batch `micro`, counted from 0, is launched next.
  void (*micro_next)(void *self, int32_t micro);
} step_queue_config;

// Copies of batches that a queue holds.
int64_t step_queue_copies(int64_t accumulate, bool host_memory);
status step_queue_open(step_queue **out, const step_queue_config *c); // keeps *c's pointers
void step_queue_close(step_queue *q);                                 // NULL is safe
// Launches the next step and reads the results that are due.
status step_queue_step(step_queue *q);
// Reads all results: nothing is in flight afterwards, and model and state belong to the same step.
status step_queue_drain(step_queue *q);
// Between steps: averaged weights in the place of the weights, and back (optimizer.h). Without averages: nothing.
status step_queue_show_average(step_queue *q);
status step_queue_hide_average(step_queue *q);
// Adds up the sums of losses in *t over all ranks.
status step_queue_sum(const step_queue *q, train_state *t);
void loss_sums_clear(train_state *t);
double step_queue_grad_norm(const step_queue *q); // of the last step whose results were read
double step_queue_flops(const step_queue *q);     // floating-point operations launched so far, by all ranks

#endif
