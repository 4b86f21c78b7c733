// Reading the options of commands that take a run's configuration: CONFIG.yaml (or a preset's name, presets.h), then the
// command line, which wins.
#ifndef SOUK_CMD_RUN_OPTIONS_H
#define SOUK_CMD_RUN_OPTIONS_H

#include "train/config.h"

// What a run that begins from another's parameters has as defaults, which its file and the command line may change.
typedef struct run_beginning {
  char init[OPTION_STRING], out[OPTION_STRING], data[OPTION_STRING], objectives[OPTION_STRING];
  // Of a run on labels: its metric; it reads [CLS], and sees its rows for a few epochs at a low rate. "": another run.
  char metric[OPTION_STRING];
  bool ranks;                  // with the data options of souk finetune --task rank
  int64_t positions, segments; // that the model gets, where it has fewer; 0: it stays as it is
  bool grows;                  // it begins by train.init_from, since its vocabulary or shape is another
} run_beginning;

// Fills the targets of `set`, which holds the sections over *c. With train.init the model options start
// from that checkpoint's (or, when *resume is set, the run's own); resume may be NULL. begin: NULL, or the defaults of a command
// whose first argument is not the configuration but the run that it begins from.
status run_options_read(const option_set *set, run_config *c, const bool *resume, const run_beginning *begin,
                        int argc, char **argv, bool *help);

#endif
