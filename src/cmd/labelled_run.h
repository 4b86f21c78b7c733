// Runs that are trained on labelled rows (labels.train): what they read, and the labels that they begin with.
#ifndef SOUK_CMD_LABELLED_RUN_H
#define SOUK_CMD_LABELLED_RUN_H

#include "train/config.h"
#include "train/plan.h"

// Trains as run_training does. The configuration's model gets the labels that the rows have.
status labelled_training(run_config *c, const option_set *options, bool resume);

// The same run as it is before it trains: its rows are read, and the configuration's model has their labels.
typedef struct labelled_run labelled_run;
status labelled_open(labelled_run **out, run_config *c, bool resume);
void labelled_close(labelled_run *r);          // NULL is safe
dataset *labelled_data(const labelled_run *r); // whose labelled rows are those to train on
labelled_memory labelled_held(const labelled_run *r);

// The data set of a checkpoint that was trained on labels or is to be: its own or, where that is not needed and not there (an imported
// model), one of its vocabulary alone. `dir` "": as the checkpoint's configuration says.
status labelled_dataset(dataset **out, const checkpoint *c, const char *dir, bool needs_histories);

#endif
