// The training loop: batches in, checkpoints and metrics out.
#ifndef SOUK_TRAIN_LOOP_H
#define SOUK_TRAIN_LOOP_H

#include <jansson.h>
#include "model/model.h"
#include "train/config.h"

// Validation is the caller's: it gets the model between two steps and returns named figures.
typedef struct validator {
  // *metric is the value of `name`; ERR_ARGUMENT if there is no such metric. values: all figures, owned by the caller.
  status (*run)(struct validator *self, model *m, const char *name, double *metric, json_t **values);
  bool smaller_is_better;
} validator;

// Trains as configured, with all ranks of `world`, each of which calls this with the same configuration. resume: continue
// from RUN's last checkpoint. v may be NULL: no validation. ERR_INTERRUPTED after a signal to any rank, with a checkpoint
// written.
status train_run(const run_config *c, const option_set *options, dataset *d, dist *world, bool resume,
                 validator *v);

#endif
