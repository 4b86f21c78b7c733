// Saves the checkpoints of a run (RUN/step-00001000 and so on; RUN/last and RUN/best each name one) while it goes on.
//
// A save takes a snapshot of parameters and moments at a step boundary (a copy in memory, planned with the rest) and
// leaves the writing to a thread: it syncs metrics, writes the checkpoint and the names, and removes old checkpoints.
// A second save waits for the first. Without `background` there is no snapshot, and the caller waits.
#ifndef SOUK_TRAIN_SAVER_H
#define SOUK_TRAIN_SAVER_H

#include "model/checkpoint.h"
#include "train/metrics.h"
#include "train/run_dir.h"

// It has no lock: a save's state is the thread's until it is joined. Whoever joins it must not hold HDF5's lock, which the
// thread takes for each tensor (order of locks: hdf5/hdf5_glue.h).
typedef struct saver saver;

typedef struct saver_config {
  const char *run_dir, *config_yaml;
  model *m;
  const dataset *data;
  int64_t keep;   // newest checkpoints that stay
  bool keep_best; // and the best
  bool background;
} saver_config;

status saver_open(saver **out, const saver_config *c); // keeps *c's pointers
// From now on checkpoints leave out what is frozen, which this one keeps (checkpoint.h). *base must live as long as the saver.
void saver_set_base(saver *s, const checkpoint_base *base);
// Metrics are synced before a checkpoint that they belong to. Call before the first save.
void saver_attach(saver *s, metric_sink *sink);
status saver_save(saver *s, const train_state *state);
// The error of a save that has finished; OK while one is being written.
status saver_poll(saver *s);
status saver_wait(saver *s);
void saver_close(saver *s); // waits; NULL is safe
// Host memory of a snapshot: trained parameters with moments and averages, and frozen ones if they are on a device.
size_t snapshot_bytes(const param_bytes *p, bool host_memory);

#endif
