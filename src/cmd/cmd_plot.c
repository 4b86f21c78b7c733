// souk plot RUN...: curves of one or several runs as SVG.
#include <stddef.h>
#include "cmd/cmd.h"
#include "base/log.h"
#include "base/options.h"
#include "train/plot.h"

typedef struct plot_flags {
  char out[OPTION_STRING], figures[OPTION_STRING];
} plot_flags;

static const option plot_options[] = {
    {"out", OPT_STRING, offsetof(plot_flags, out), "", 0, 0, "FILE", "the SVG file"},
    {"figures", OPT_STRING, offsetof(plot_flags, figures), "", 0, 0, NULL,
     "e.g. train/loss,valid/ndcg@10; none: loss, rate, norm and what validation measures"},
};

status cmd_plot(int argc, char **argv) {
  static plot_flags flags;
  const option_section section = {"", "Plot", plot_options, 2, &flags};
  const option_set set = {
      .usage = "souk plot RUN... --out FILE.svg [--figures LIST]",
      .summary = "Draws the curves in the metrics.jsonl of one run, or of several over each other.",
      .sections = &section,
      .count = 1};
  const char *runs[16];
  size_t n;
  bool help;
  TRY(options_defaults(&set));
  TRY(options_args(&set, argc, argv, runs, 16, &n, &help));
  if (help) return OK;
  if (n == 0 || flags.out[0] == '\0') return fail(ERR_ARGUMENT, "usage: %s", set.usage);
  TRY(plot_runs(runs, n, flags.figures, flags.out));
  log_info("%s", flags.out);
  return OK;
}
