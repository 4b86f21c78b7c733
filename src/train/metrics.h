// Where a run's figures go: RUN/metrics.jsonl for programs, TensorBoard's event files beside it.
#ifndef SOUK_TRAIN_METRICS_H
#define SOUK_TRAIN_METRICS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"

typedef struct metric_sink metric_sink;
// Opens RUN/metrics.jsonl. resume_step >= 0 keeps the lines up to that step and drops later ones; -1 starts anew.
status sink_open(metric_sink **out, const char *run_dir, int64_t resume_step, bool tensorboard);
// Does RUN hold metrics, at least one line? And: renames RUN/metrics.jsonl to metrics.1.jsonl, or to the next free
// number.
status metrics_found(const char *run_dir, bool *found);
status metrics_keep(const char *run_dir, char kept[32]);
// Appends one line; takes over j. Every line has a "kind" and a "step". Numbers of the kinds "train" and "valid" go to
// TensorBoard too, as KIND/NAME.
status sink_write(metric_sink *s, json_t *j);
status sink_sync(metric_sink *s);  // to disk; may be called by another thread than the one that writes
status sink_close(metric_sink *s); // NULL is safe

#endif
