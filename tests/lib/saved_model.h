// A small model with its data set and the place of its checkpoint, for tests of checkpoints.
#ifndef SOUK_TESTS_SAVED_MODEL_H
#define SOUK_TESTS_SAVED_MODEL_H

#include "model/checkpoint.h"

extern const char saved_yaml[];
extern const train_state saved_state; // at step 12, every field with a value of its own

typedef struct saved_model {
  char dir[512], data_dir[600], run[600], checkpoint[700];
  dataset *d;
  model *m; // with moments
} saved_model;

// The model in a fresh directory, whose run directory is empty; saved_tear_down() removes it all.
void saved_set_up(saved_model *f);
void saved_tear_down(saved_model *f);

// Writes f->checkpoint, with moments, of saved_state.
status saved_write(const saved_model *f);

#endif
