// souk eval RUN --copy_policy DIR: what a model of copy would earn as a policy (eval/copy_policy.h).
#ifndef SOUK_CMD_EVAL_COPY_POLICY_H
#define SOUK_CMD_EVAL_COPY_POLICY_H

#include "cmd/eval_copy.h"
#include "cmd/eval_copy_run.h"

typedef struct eval_policy_flags {
  char data[OPTION_STRING], truth[OPTION_STRING];
  double clip;
} eval_policy_flags;
extern const option eval_policy_options[];
extern const size_t n_eval_policy_options;

// run: the model, with the directory of the candidates as its data. Of `how` figures, json, replicates (at least 1) and seed are read.
status eval_copy_policy(const eval_copy_run_how *run, const eval_policy_flags *f, const eval_copy_how *how);

#endif
