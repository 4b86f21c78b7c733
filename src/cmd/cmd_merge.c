// souk merge RUN|CHECKPOINT OUT: a tuned model (peft) becomes a plain one.
#include <limits.h>
#include <stdio.h>
#include "base/log.h"
#include "base/options.h"
#include "cmd/cmd.h"
#include "convert/merge.h"
#include "format/printable.h"
#include "model/checkpoint_find.h"

typedef struct merge_flags {
  int which;
  bool force;
} merge_flags;

static const option flag_options[] = {
    {"which", OPT_CHOICE, offsetof(merge_flags, which), "auto", 0, 0, WHICH_CHOICES, WHICH_HELP},
    {"force", OPT_BOOL, offsetof(merge_flags, force), "false", 0, 0, NULL, "replace an existing checkpoint"},
};

status cmd_merge(int argc, char **argv) {
  static merge_flags flags;
  const option_section section = {"", "Merge", flag_options, sizeof flag_options / sizeof *flag_options,
                                  &flags};
  const option_set set = {
      .usage = "souk merge RUN|CHECKPOINT OUT [--which best|last] [--force]",
      .summary = "Folds what tuned a model (souk pretrain or finetune --peft) into its weights. OUT is a\n"
                 "checkpoint that needs the base no more and scores as before, to rounding; other runs can\n"
                 "begin from it (--init OUT). Adapters, which have an activation, cannot be folded;\n"
                 "souk export serves them as they are.",
      .sections = &section,
      .count = 1};
  const char *paths[2];
  char checkpoint_dir[PATH_MAX], shown[4 * PATH_MAX], count[32];
  size_t n;
  bool help;
  merge_result result;
  TRY(options_defaults(&set));
  TRY(options_args(&set, argc, argv, paths, 2, &n, &help));
  if (help) return OK;
  if (n != 2)
    return fail(ERR_ARGUMENT, "a run (or checkpoint) and a new checkpoint are needed: %s", set.usage);
  TRY(checkpoint_choose(checkpoint_dir, sizeof checkpoint_dir, paths[0], flags.which));
  log_doing("merging %s", checkpoint_dir);
  TRY(merge_checkpoint(checkpoint_dir, paths[1], flags.force, &result));
  log_status_end();
  printf("%s: step %lld, %s parameters folded\n", printable(shown, sizeof shown, paths[1], ""),
         (long long)result.step, human_count(count, (double)result.folded));
  return OK;
}
