// Reading the options of commands that take a run's configuration: CONFIG.yaml (or a preset's name, presets.h), then the
// command line, which wins.
#ifndef SOUK_CMD_RUN_OPTIONS_H
#define SOUK_CMD_RUN_OPTIONS_H

#include "train/config.h"

// Fills the targets of `set`, which holds the sections over *c. With train.init the model options start
// from that checkpoint's (or, when *resume is set, the run's own); resume may be NULL.
status run_options_read(const option_set *set, run_config *c, const bool *resume, int argc, char **argv,
                        bool *help);

#endif
