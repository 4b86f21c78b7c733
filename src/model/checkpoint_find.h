// The checkpoints of a run by name: RUN/step-00001000 and so on, and RUN/best and RUN/last, files that each name one.
// The choice between them, and all reading and writing of these names, is here.
#ifndef SOUK_MODEL_CHECKPOINT_FIND_H
#define SOUK_MODEL_CHECKPOINT_FIND_H

#include <limits.h>
#include "model/checkpoint.h"

// What --which asks for; auto: the best, or the last where no validation has chosen a best one.
enum { WHICH_AUTO, WHICH_BEST, WHICH_LAST };
#define WHICH_CHOICES "auto|best|last"
#define WHICH_HELP    "checkpoint of a run; auto: the best, or the last where none was chosen"

// What --weights asks for, of checkpoints that have averaged weights (optim.ema).
enum { WEIGHTS_AVERAGED, WEIGHTS_RAW };
#define WEIGHTS_CHOICES "averaged|raw"
#define WEIGHTS_HELP \
  "averaged: where the run averaged its weights (optim.ema), those; raw: as they were trained"

// The one of RUN, or `where` itself if it is a checkpoint.
status checkpoint_choose(char *buf, size_t bytes, const char *where, int which);
status checkpoint_open_chosen(checkpoint **out, const char *where, int which);

// RUN/step-STEP.
status checkpoint_path(char path[PATH_MAX], const char *run_dir, int64_t step);
// Steps of the checkpoints of a run, whole or not, newest first; freed with free().
status checkpoint_list(const char *run_dir, int64_t **steps, size_t *n);

// Makes RUN/best or RUN/last name the checkpoint of this step.
status checkpoint_point(const char *run_dir, int which, int64_t step);
// Makes RUN/best name the checkpoint of this step if it exists (step 0: none); otherwise RUN/best is removed.
status checkpoint_point_to_best(const char *run_dir, int64_t step);

#endif
