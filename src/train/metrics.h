// Where a run's figures go: metrics.jsonl for programs, a status line for people.
#ifndef SOUK_TRAIN_METRICS_H
#define SOUK_TRAIN_METRICS_H

#include <jansson.h>
#include "base/status.h"

typedef struct metric_sink metric_sink;
// Opens RUN/metrics.jsonl. resume_step >= 0 keeps the lines up to that step and drops later ones; -1 starts anew.
status sink_open(metric_sink **out, const char *run_dir, int64_t resume_step);
// Appends one line and flushes it; takes over j. Every line has a "kind" and a "step".
status sink_write(metric_sink *s, json_t *j);
status sink_close(metric_sink *s); // NULL is safe

#endif
