// What a run shows of itself while it trains: a line every now and then, and one within a second or so of the beginning.
#ifndef SOUK_TRAIN_PROGRESS_H
#define SOUK_TRAIN_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

// What is known at the moment. A figure that is not known yet is 0, and its field is left out.
typedef struct progress_figures {
  int64_t step, last_step; // last_step 0: nobody knows
  int64_t epoch;
  int64_t micro, micros; // micro-batches of the next step that are done, of all
  bool has_loss, has_cls;
  double loss, cls_loss, lr, grad_norm;
  double tokens_per_s, flops, peak; // flops and peak a second
  double seconds_left;              // -1: unknown
} progress_figures;

typedef struct progress {
  double started, shown;     // seconds of now_seconds(); shown 0: nothing yet
  double first_step_seconds; // 0: it is not over
  bool looked, warned;       // at a rate; of a low one
} progress;

void progress_start(progress *p);
// The first step is over.
void progress_first_step(progress *p);
// Is it time for a line, between those that are due anyway?
bool progress_due(const progress *p);
// Warns, once a run, where the rate of the last so many seconds is a few percent of the peak of this machine. The first
// rate is not judged, as it has what happens only once in it.
void progress_judge(progress *p, const progress_figures *f, double seconds, int64_t hidden, int32_t threads);
// Shows the line. Where lines are not redrawn in place, only if one is due or it must be, as the last of a run.
void progress_show(progress *p, const progress_figures *f, bool must);

#endif
