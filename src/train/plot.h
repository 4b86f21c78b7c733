// Curves of metrics.jsonl as one SVG file: a panel a figure, a colour a run.
#ifndef SOUK_TRAIN_PLOT_H
#define SOUK_TRAIN_PLOT_H

#include <stddef.h>
#include "base/status.h"

// figures: comma-separated names such as "train/loss,valid/ndcg@10"; "" or NULL: loss, learning rate and gradient norm,
// and of validation what there is of ndcg@10, hr@10, mrr, loss and accuracy. Figures that no run has are left out;
// ERR_NOT_FOUND when none is left. Runs are directories (or metrics files); the SVG is written atomically.
status plot_runs(const char *const *runs, size_t n, const char *figures, const char *svg_path);

#endif
