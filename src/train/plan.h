// What a run will take, before it is started: memory by what it is for, floating-point operations, time.
//
// Device and optimiser memory come from the same static plan that the model is created from, the rest from the sizes
// of the data set and the capacities of batches. What cannot be known from those is measured or is a constant, and is
// told apart in the table: the program with its libraries and BLAS buffers is measured in the planning process itself.
#ifndef SOUK_TRAIN_PLAN_H
#define SOUK_TRAIN_PLAN_H

#include <stdbool.h>
#include <stdio.h>
#include "data/dataset.h"
#include "train/config.h"
#include "train/coverage.h"

typedef struct plan_line {
  const char *name;
  double bytes;
  bool device; // in the memory of a device of its own, not in the host's
  char note[96];
} plan_line;

enum { PLAN_LINES = 32 };

typedef struct run_plan {
  plan_line lines[PLAN_LINES]; // what is held throughout
  int32_t n;
  plan_line passing[4]; // memory that is held for a while; only the largest counts
  int32_t n_passing;
  double total_bytes;  // of the host: its lines and the largest of `passing`
  double reader_bytes; // of the process that reads HDF5, in addition and for a while
  double device_bytes; // of a device with memory of its own: its lines; 0: there is none
  int64_t parameters;
  double batches_per_epoch, steps; // steps 0: the run ends by time
  batcher_coverage data;
  char coverage[COVERAGE_TEXT]; // coverage_text
  bool leaves_out;              // events, so that it is one to warn of
  bool final;                   // data.final
  bool labelled;                // sequences are labelled rows, of which nothing is masked
  // of an optimiser step, the mean of the first batches
  double tokens, sequences, masked, flops;
  double peak_flops, bytes_per_s; // of this machine, measured
  double step_seconds;            // estimated
  int64_t timed_steps;            // > 0: step_seconds is the mean of that many real ones
} run_plan;

// Measures this machine for `threads` threads (0: as threads_use has set) and a model `hidden` wide, before anything large is
// allocated.
typedef struct machine {
  double base_bytes, blas_bytes; // resident before, and what a model's products on all threads add
  double peak_flops, bytes_per_s;
} machine;
status machine_measure(machine *m, int32_t threads, int32_t hidden);

// What a run on labelled rows holds beside those that it trains on, in bytes.
typedef struct labelled_memory {
  double words;      // the tokeniser
  double texts;      // of items, which pairs are of
  bool users;        // what is known of users is read, for their histories
  double valid_rows; // to validate on,
  double valid_pass; // and what a validation takes for a while
  double reading;    // while rows are read, before there is a model
} labelled_memory;

// labelled: of a run on labels, whose rows dataset_labelled(d) has; else NULL. timed_steps > 0: runs that many optimiser steps of the real thing (two more to warm up) for step_seconds.
status plan_make(run_plan *out, const run_config *c, dataset *d, const labelled_memory *labelled,
                 const machine *m, int64_t timed_steps);
void plan_print(const run_plan *p, FILE *to);
status plan_print_json(const run_plan *p, FILE *to);

#endif
