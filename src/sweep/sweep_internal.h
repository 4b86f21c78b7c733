// What the files of a sweep share.
#ifndef SOUK_SWEEP_SWEEP_INTERNAL_H
#define SOUK_SWEEP_SWEEP_INTERNAL_H

#include <sys/types.h>
#include "sweep/sweep.h"

// ---- sweep_record.c: trials.jsonl ------------------------------------------------------------------------------

// Reads the record: fills what the heads say (n_trials, threads, metric, ...), then the trials' results. Without a record, as
// after a kill in the first moment, n_trials stays 0.
status record_load(sweep *s);
// Opens it for appending; a line that a killed process has left incomplete is removed.
status record_open(sweep *s);
status record_head(sweep *s);
// Keeps a result and writes it down. *r is taken over.
status record_result(sweep *s, int64_t trial, int32_t rung, trial_result *r);
void result_free(trial_result *r);

// ---- sweep_rank.c ----------------------------------------------------------------------------------------------

// The last rung that a trial has a result of; -1: none.
int32_t trial_last_rung(const sweep *s, int64_t trial);
const trial_result *trial_last_result(const sweep *s, int64_t trial); // NULL: none
bool trial_is_done(const sweep *s, int64_t trial);                    // the last result is no failure
// The trials of a rung (from 0), [*n], freed with free(): all of them, or those that have gone on to it from the one before.
// *complete: whether every result is there that decides it.
status rung_members(const sweep *s, int32_t rung, int64_t **members, int64_t *n, bool *complete);
// All trials by their last results, [n_trials], best first; freed with free(). Behind every figure come trials without a
// validation (or with a NaN), then failures, then what has no result. Of equal ones the lower number comes first.
status rank_all(const sweep *s, int64_t **trials);
// May a further rung need the trial's checkpoint?
status trial_may_go_on(const sweep *s, int64_t trial, bool *may);

// ---- sweep_trial.c: processes ----------------------------------------------------------------------------------

enum {
  TRIAL_STARTS = 3
}; // so often a trial that is killed goes on from its checkpoint, before it counts as failed
typedef struct sweep_job {
  pid_t pid; // 0: free
  int64_t trial;
  int32_t rung, starts;
} sweep_job;

// The words of a trial's command behind `souk pretrain`, ended by NULL. out: the run's directory.
// whole: the run at one go, which ends where this one has ended; else up to the rung.
status trial_words(const sweep *s, int64_t trial, int32_t rung, const char *out, bool whole, char ***words);
status trial_dir(const sweep *s, int64_t trial, char dir[PATH_MAX]);
// Starts a process, which gets SIGTERM if this one dies. job->trial, rung are set; pid is set.
status trial_start(const sweep *s, sweep_job *job);
// Looks at a process of which waitpid says `how`. *again: it was ended from outside, so that it may go on from its checkpoint.
status trial_outcome(const sweep *s, const sweep_job *job, int how, trial_result *r, bool *again);
// Removes a trial's checkpoints; what it has measured stays.
status trial_discard(const sweep *s, int64_t trial);

#endif
