// souk sweep: many runs of one configuration with options drawn from ranges, ranked on validation.
//
// A sweep is a directory: copies of the sweep's file and of its base (sweep.yaml, base.yaml), trials.jsonl with a line for each
// result, and for each trial its run (trial-0001) and what the run said (trial-0001.log). A trial is a process of its own,
// `souk pretrain DIR/base.yaml --option value ... --out DIR/trial-0001 --resume`; nothing else is known of it than these options,
// so the same command repeats it. Whatever is killed, the sweep or a trial, goes on from the last checkpoint.
//
// With halving, a trial is left after each rung (--pause_steps and its kin) and goes on from its checkpoint if it is among the
// best: at every step it is the very run that it would be without a pause, learning rate included, and what it is compared by
// is its best validation so far. So the winner of the last rung is, byte for byte, the run that its command makes at one go.
//
// Only validation is looked at, never the test part.
#ifndef SOUK_SWEEP_SWEEP_H
#define SOUK_SWEEP_SWEEP_H

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include "base/file.h"
#include "sweep/sweep_plan.h"
#include "train/config.h"

typedef enum result_state { RESULT_NONE, RESULT_DONE, RESULT_FAILED } result_state;

typedef struct trial_result { // what a trial has come to at a rung
  result_state state;
  double metric;     // of its best validation; NaN: no validation
  int64_t best_step; // of that validation
  int64_t step;      // at the end
  double seconds;    // of training, since the beginning
  int64_t decay_steps;
  char reason[32]; // why it ended (run_outcome.h)
  char *message;   // of a failure
  json_t *figures; // of the best validation; may be NULL
} trial_result;

typedef struct sweep_trial {
  trial_result rungs[SWEEP_RUNGS];
} sweep_trial;

typedef struct sweep {
  char dir[PATH_MAX];
  sweep_plan plan;
  int64_t n_trials, threads;
  int64_t
      tried_before; // configurations that were tried for the checkpoint that trials begin from (train.init)
  char metric[OPTION_STRING];
  bool smaller_is_better;
  bool threads_given;  // by the base or the options of trials, which then get no other number
  bool timed;          // trials end by the clock
  sweep_trial *trials; // [n_trials]; trial number k is trials[k - 1]
  int lock;            // of the directory; -1: none
  append_file *record; // NULL: opened for reading
} sweep;

// How a sweep is carried on.
typedef struct sweep_how {
  int64_t trials;  // 0: as the file says, or as many as it has already
  int64_t jobs;    // at the same time
  int64_t threads; // of each; 0: the processors divided among the jobs, or what it was begun with
  int64_t keep;    // so many best trials keep their checkpoints; 0: all
  bool retry;      // trials that have failed are tried again
} sweep_how;

// The words of a command that give the base and the options that all trials share, ended by NULL; freed with words_free().
status sweep_words(const sweep_plan *p, const char *base_path, char ***words);
void words_free(char **words);

// Begins a sweep in DIR, which must not hold one: c is its base with the fixed options, base_path the base's file.
status sweep_begin(sweep *s, const char *dir, const char *file, const char *base_path, const run_config *c,
                   const sweep_how *how);
// Opens the sweep in DIR. to_go_on: as in sweep_run, with c as above; else only to show it, and c and how are NULL.
status sweep_open(sweep *s, const char *dir, const run_config *c, const sweep_how *how);
// Runs what is left. ERR_INTERRUPTED after a signal: trials at hand have been told to end, and have.
status sweep_run(sweep *s, const sweep_how *how);
// Closes what sweep_begin or sweep_open has opened, also where they failed.
void sweep_close(sweep *s);

// The table of trials, the best first, and the command that repeats the winner.
status sweep_print(const sweep *s, FILE *to);
// Curves of the best trials, and the metric over each option, as SVG in DIR.
status sweep_plot(const sweep *s);

#endif
