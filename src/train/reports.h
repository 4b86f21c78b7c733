// The reports of a run: for people on stderr, for programs through its metric sink. All ranks call these functions;
// only the leader prints.
#ifndef SOUK_TRAIN_REPORTS_H
#define SOUK_TRAIN_REPORTS_H

#include "train/metrics.h"
#include "train/progress.h"
#include "train/run_setup.h"
#include "train/step_queue.h"

// What it points to must outlive it. It clears the sums in the state when a window ends, and only reads the rest.
typedef struct reports {
  const run_setup *run;
  const step_queue *steps;
  train_state *state;
  double peak; // FLOP/s, 0: not known
  // the window: everything since the last line of metrics
  double window_start, window_flops; // in now_seconds(); flops of the queue at its start
  int64_t window_tokens, window_step;
  double validation_seconds; // of the last one
  progress progress;
  progress_figures shown; // last
} reports;

// How a run ended.
typedef struct run_end {
  bool patience; // validation has not improved for too long
  bool paused;   // left for a later process (run_pause)
  int signal;    // that has interrupted it; 0: none
  double seconds;
} run_end;

// Before the first step: prints what the run is and what will end it. Measures the peak if the configuration does not
// give it.
status reports_describe(reports *r, const run_setup *run);
// Starts the clock. The window is the one whose sums are in the state.
void reports_begin(reports *r, const step_queue *steps, train_state *state);

// Micro-batch `micro` of a step, counted from 0, is next. Shows the line of progress if it is time for one.
void reports_micro(reports *r, int32_t micro);
void reports_step(reports *r); // a step is over
// Shows the line of progress between two steps, if it is time for one. `seconds`, here and below: of training so far.
void reports_glance(reports *r, double seconds);
// The line of metrics and the line of progress of the window, which ends. Nothing may be in flight, and the state has the
// sums of all ranks.
status reports_window(reports *r, double seconds, bool at_end);
// Reports a validation and its seconds; takes over `values`.
status reports_validation(reports *r, json_t *values, double metric, bool better, double seconds);
// Leaves these seconds out, because they were not training.
void reports_pause(reports *r, double seconds);
// The last line of metrics and the last messages. ERR_INTERRUPTED after a signal.
status reports_end(const reports *r, const run_end *end);

#endif
