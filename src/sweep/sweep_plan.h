// What a sweep tries: the yaml file that describes it, and the values of each trial.
//
//   base: sasrec                      # a configuration's file, or the name of one that comes with Souk
//   trials: 30
//   seed: 1                           # of the values
//   fixed:                            # options that all trials share, laid out as in a configuration
//     data: {dir: data/shop}
//   ranges:                           # options that differ, laid out likewise
//     optim:
//       lr: {log_uniform: [1e-4, 1e-2]}
//       schedule: [linear, constant]  # choices, all equally likely
//     model:
//       dropout: {uniform: [0.1, 0.5]}
//       layers: {integers: [1, 3]}    # both ends included; a third number is the distance of two values
//     data:
//       negatives: {log_integers: [64, 4096]}
//   halving:                          # without it: random search, each trial a whole run
//     by: steps                       # or epochs, or minutes
//     rungs: [500, 1500, 4500]        # where trials are compared; the last one is the length of a whole run
//     factor: 3                       # of the trials of a rung the best ceil(n / factor) go on
//
// Every name and value is checked against the options of souk pretrain while the file is read, so that a mistake is a sentence
// with file and line before anything is started.
//
// The value of an option in a trial is a function of (seed, trial, the option's name): neither another range nor more trials
// change it.
#ifndef SOUK_SWEEP_SWEEP_PLAN_H
#define SOUK_SWEEP_SWEEP_PLAN_H

#include "base/options.h"

enum { SWEEP_RUNGS = 16, SWEEP_MOST_TRIALS = 1000000 };

typedef enum sweep_unit { SWEEP_STEPS, SWEEP_EPOCHS, SWEEP_MINUTES } sweep_unit;

typedef struct sweep_settings { // what the file's table of scalars holds
  char base[OPTION_STRING];
  int64_t trials, seed;
  int by; // sweep_unit
  double factor;
} sweep_settings;

typedef struct sweep_option { // one that all trials share
  char name[OPTION_NAME];     // full, and never an alias
  char *value;
  size_t line; // where the file has it
} sweep_option;

typedef enum range_kind {
  RANGE_CHOICES,
  RANGE_UNIFORM,
  RANGE_LOG_UNIFORM,
  RANGE_INTEGERS,
  RANGE_LOG_INTEGERS,
} range_kind;

typedef struct sweep_range { // one that differs
  char name[OPTION_NAME];
  range_kind kind;
  char **choices; // [n_choices]
  size_t n_choices;
  double low, high, step; // inclusive; step: of RANGE_INTEGERS
  size_t line;
} sweep_range;

typedef struct sweep_plan {
  sweep_settings settings;
  sweep_option *fixed;
  sweep_range *ranges;
  size_t n_fixed, cap_fixed, n_ranges, cap_ranges;
  double rungs[SWEEP_RUNGS]; // rising; in units of settings.by
  int32_t n_rungs;           // 1 for a random search, whose one rung is the run's own end
  bool halving;
} sweep_plan;

// Reads a file. sweep_plan_close() is due after an error, too.
status sweep_plan_open(sweep_plan *p, const char *path);
void sweep_plan_close(sweep_plan *p);

// The value of p->ranges[range] in a trial (from 1), as text for the command line.
void sweep_value(char text[OPTION_STRING], const sweep_plan *p, size_t range, int64_t trial);

// How many of the n trials of rung r (from 0) go on to the next.
int64_t sweep_going_on(const sweep_plan *p, int64_t n);

#endif
