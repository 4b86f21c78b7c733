// How far a run has come: what is in a checkpoint beside parameters and moments.
#ifndef SOUK_MODEL_TRAIN_STATE_H
#define SOUK_MODEL_TRAIN_STATE_H

#include <stdint.h>
#include "base/record.h"
#include "data/training_part.h"
#include "model/objective.h"

// A data set that parameters were trained on before a run began from them.
enum { MOST_EARLIER = 8 };
typedef struct earlier_data {
  char name[128], checksum[65];
} earlier_data;

typedef struct train_state {
  int64_t step; // optimiser steps done
  int64_t epoch, example,
      index; // place of the next batch (data_place); example -1: not known, as in old checkpoints
  int64_t data_window, data_stride; // of its examples; 0: not known, or they have none
  // An epoch has had so many steps since step `paced_step`, when `paced_epochs` were done. steps_per_epoch 0: not known.
  int64_t steps_per_epoch, paced_step;
  double paced_epochs;
  int64_t tokens; // trained on so far
  double seconds; // of training so far
  double best_metric;
  int64_t best_step, bad_evals;
  char best_name[OPTION_STRING]; // metric it is about
  int64_t
      tried; // configurations that were compared on validation to find this one (train/tried.h); 0: not said
  int64_t skipped; // steps left out because a gradient was not finite
  // S of the averaged weights (ops/ops.h), which is in the manifest's field "average"; 0 stands for 1.
  double average_scale;
  // Sums of each objective since the last metrics line, by slot, so that a resumed run writes the same next line.
  slot_result window[MAX_SLOTS];
  bool untrained
      [MAX_SLOTS]; // by slot: the objective's own parameters were never trained, neither here nor where it began
  training_choice
      trained; // the events that the parameters have been trained on, here and where the run began
  // Other data sets than the run's that its first parameters (train.init) were trained on, oldest first; of more than that
  // the newest.
  earlier_data earlier[MOST_EARLIER];
  int32_t n_earlier;
} train_state;

// Both from one table (train_state.c): a new field is a line there. The window's sums go by the names of the objectives.
json_t *train_state_to_json(const train_state *t, const objective_list *l); // new; NULL: no memory
status train_state_from_json(train_state *t, const objective_list *l, const json_t *j,
                             const record_source *from);
// Moves what goes by slot from the slots of one list to those of another; what `to` does not name is dropped.
void train_state_move_slots(train_state *t, const objective_list *from, const objective_list *to);

// Adds a data set to the earlier ones, unless it is there.
void train_state_add_earlier(train_state *t, const char *name, const char *checksum);

#endif
