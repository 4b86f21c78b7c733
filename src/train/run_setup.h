// Everything that a run needs, opened and checked before its first step: directory, batches, model, checkpoints,
// metrics.
#ifndef SOUK_TRAIN_RUN_SETUP_H
#define SOUK_TRAIN_RUN_SETUP_H

#include "data/batcher.h"
#include "model/checkpoint.h"
#include "train/config.h"
#include "train/metrics.h"
#include "train/saver.h"

typedef struct run_setup {
  const run_config *c;
  dataset *d;
  dist *world;
  bool leads;   // rank 0, the only one that writes files and prints; saver and sink are NULL on the others
  char *yaml;   // the whole configuration, as text
  int lock;     // descriptor of the run's directory, locked; -1: none
  int64_t made; // so many characters of train.out name what was there before; -1: the directory itself was
  bool begun;   // the directory holds files of this run
  batcher *batches;
  model *m;
  model *held_by; // the frozen base of a model on a leash (leash_base.h); NULL: none
  saver *saver;
  metric_sink *sink;
  train_state start; // zeros, or what the checkpoint holds that the run goes on from
  bool resumed;
  checkpoint *from; // that the run goes on from, and its configuration; NULL: none, and after run_open
  run_config *then;
  checkpoint_base base; // keeps what is frozen, where checkpoints leave it out
  int64_t steps_per_epoch;
  int64_t last_step;   // 0: no limit
  int64_t decay_steps; // see learning_rate()
} run_setup;

// resume: go on from the run's last checkpoint, if it has one. `world` is the caller's. Afterwards the model holds the
// parameters and moments to start with, the batcher stands at the next batch, and the directory is locked. run_close() is
// due after an error, too. Files are in the directory only when run_begin() has written them.
status run_open(run_setup *r, const run_config *c, const option_set *options, dataset *d, dist *world,
                bool resume);
// Once nothing can refuse the run any more: its first files, and r->sink. `resume` as in run_open.
status run_begin(run_setup *r, bool resume);
// Waits for a checkpoint that is being written. Returns rc and keeps its message; where rc is OK, the error of closing.
// A directory that was made for a run that did not begin is removed, with the folders above it that were made for it.
status run_close(run_setup *r, status rc);

#endif
