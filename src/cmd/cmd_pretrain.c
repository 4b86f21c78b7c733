// souk pretrain CONFIG.yaml: masked-LM pre-training on a data set.
#include "cmd/cmd.h"
#include "cmd/run_options.h"
#include "cmd/run_training.h"

typedef struct pretrain_flags {
  bool resume;
} pretrain_flags;

static const option flag_options[] = {
    {"resume", OPT_BOOL, offsetof(pretrain_flags, resume), "false", 0, 0, NULL,
     "continue from the run's last checkpoint"},
};

status cmd_pretrain(int argc, char **argv) {
  static run_config c;
  static pretrain_flags flags;
  option_section sections[RUN_SECTIONS + 2];
  const size_t n_sections = run_sections(&c, sections);
  sections[n_sections] = (option_section){"", "This run", flag_options, 1, &flags};
  sections[n_sections + 1] = (option_section){"", "", pause_options, n_pause_options, &c.pause};
  const option_set run_options = {.sections = sections,
                                  .count = n_sections}; // what the run's config.yaml holds
  const option_set set = {
      .usage = "souk pretrain CONFIG.yaml|PRESET|RUN [--data.dir DATA] [--out RUN] [--resume] [options]",
      .summary =
          "Pre-trains an encoder over behaviour sequences and texts of items: masked items and words, the\n"
          "next item, whether a pair belongs together (train.objectives, data.mix).\n"
          "Writes checkpoints, metrics.jsonl and the resolved configuration into RUN, by default\n"
          "checkpoints/NAME of NAME.yaml. souk pretrain RUN --resume goes on with a run. A PRESET is a\n"
          "configuration that comes with Souk, by its name: sasrec, bert4rec, ...",
      .sections = sections,
      .count = n_sections + 2};
  bool help;
  TRY(run_options_read(&set, &c, &flags.resume, NULL, argc, argv, &help));
  if (help) return OK;
  return run_training(&c, &run_options, flags.resume);
}
