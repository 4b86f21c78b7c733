// The checkpoints in a run's directory: which are kept, cleaning up after killed processes, and where a run resumes.
#ifndef SOUK_TRAIN_RUN_DIR_H
#define SOUK_TRAIN_RUN_DIR_H

#include "model/checkpoint.h"

// Of a run that tunes a model which it grew first (train.init_from): the checkpoint of that model, which those of the run name as their
// base. Its name in the run's directory.
#define RUN_BASE "base"

// Is there a checkpoint to resume from, whole or not?
status run_has_checkpoints(const char *run_dir, bool *has);
// Opens the newest checkpoint that is whole. Newer ones that are damaged are set aside (damaged-step-...) with a sentence;
// what a killed process left half-written is removed, checkpoints beyond the newest `keep` too; RUN/last and RUN/best are
// made to fit. ERR_NOT_FOUND: there is none.
status run_resume(checkpoint **out, const char *run_dir, int64_t keep, bool keep_best);
// Removes what a process that died left half-written in RUN. Only for the holder of the run's lock.
status run_clean(const char *run_dir);
// Removes checkpoints beyond the newest `keep`, but never that of best_step (-1: none). Each is renamed first, so
// that an interrupted removal does not leave part of a checkpoint.
status run_prune(const char *run_dir, int64_t keep, int64_t best_step);

#endif
