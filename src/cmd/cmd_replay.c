// souk replay RUN: runs a non-finite step again, with checks on.
#include <stddef.h>
#include "cmd/cmd.h"
#include "base/options.h"
#include "base/threads.h"
#include "train/nonfinite.h"

typedef struct replay_flags {
  bool trace;
} replay_flags;

static const option replay_options[] = {
    {"trace", OPT_BOOL, offsetof(replay_flags, trace), "false", 0, 0, NULL,
     "print every tensor of the step, not only those before the first that is not finite"},
};

status cmd_replay(int argc, char **argv) {
  replay_flags flags;
  const option_section section = {"", "Replay", replay_options, 1, &flags};
  const option_set set = {
      .usage = "souk replay RUN | RUN/nonfinite-STEP [--trace]",
      .summary =
          "Runs a step whose gradient became NaN or infinite again, from the parameters and batches saved\n"
          "with it, looking at what every op writes. Names the layer and the tensor where it begins.\n"
          "Exit status 1 when there is one, 0 when everything is finite this time.",
      .sections = &section,
      .count = 1};
  const char *path;
  size_t n;
  bool help;
  TRY(options_defaults(&set));
  TRY(options_args(&set, argc, argv, &path, 1, &n, &help));
  if (help) return OK;
  if (n != 1) return fail(ERR_ARGUMENT, "usage: %s", set.usage);
  threads_use(0);
  return nonfinite_replay(path, flags.trace);
}
