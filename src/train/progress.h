// The progress line of a run: shown from time to time, and for the first time about a second after the beginning.
#ifndef SOUK_TRAIN_PROGRESS_H
#define SOUK_TRAIN_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include "ops/ops.h"

// The current figures. One that is not known yet is 0, and its field is left out.
typedef struct progress_figures {
  int64_t step, last_step; // last_step 0: unknown
  int64_t epoch;
  int64_t micro, micros; // micro-batches of the next step that are done, of all
  int32_t n_losses;      // 0: no result was read yet
  struct {
    const char *label;
    double value;
  } losses[MAX_SLOTS];
  double lr, grad_norm;
  double tokens_per_s, flops, peak; // flops and peak a second
  double seconds_left;              // -1: unknown
} progress_figures;

typedef struct progress {
  double started, shown;     // seconds of now_seconds(); shown 0: no line yet
  double first_step_seconds; // 0: it is not over
  bool looked, warned;       // looked: at the first rate; warned: of a low one
} progress;

void progress_start(progress *p);
// The first step is over.
void progress_first_step(progress *p);
// Is it time for a further line between the regular ones?
bool progress_due(const progress *p);
// Warns once if the rate of the last seconds is only a few percent of the machine's peak. The first rate is not
// judged, because it includes one-time work.
void progress_judge(progress *p, const progress_figures *f, double seconds, int64_t hidden, int32_t threads);
// Shows the line. If lines are not redrawn in place, only when one is due or with `must`, for the last line of a run.
void progress_show(progress *p, const progress_figures *f, bool must);

#endif
