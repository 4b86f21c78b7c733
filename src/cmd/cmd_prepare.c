// souk prepare CONFIG.yaml: from a raw log to a data set.
#include "base/path_kind.h"
#include "base/threads.h"
#include "cmd/cmd.h"
#include "prepare/prepare.h"

status cmd_prepare(int argc, char **argv) {
  static prepare_config c;
  option_section sections[PREPARE_SECTIONS];
  const option_set set = {
      .usage = "souk prepare [CONFIG.yaml] [--log FILE] [--out DIR] [options]\n"
               "souk prepare [CONFIG.yaml] --copy FILE --words DIR [--out DIR] [options]",
      .summary = "Turns a behaviour log into a data set: maps fields, filters, sorts by user and time, cuts "
                 "sessions,\n"
                 "splits, builds the vocabulary and writes HDF5 shards with a manifest. --copy adds rows of\n"
                 "promotion copy, with a log or alone.",
      .sections = sections,
      .count = prepare_sections(&c, sections)};
  const char *config;
  size_t n;
  bool help;
  TRY(options_defaults(&set));
  TRY(options_args(&set, argc, argv, &config, 1, &n, &help));
  if (help) return OK;
  if (n == 1) { // the command line wins over the file
    TRY(path_check(config, PATH_CONFIG));
    TRY(options_defaults(&set));
    TRY(options_yaml(&set, config));
    TRY(options_args(&set, argc, argv, &config, 1, &n, &help));
  }
  threads_use(c.output.threads);
  return prepare_run(&c);
}
